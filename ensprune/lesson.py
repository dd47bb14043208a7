"""What leaves can learn beside labels: what better informed models say of rows, real and synthetic.

Kept trees are few and their leaves hold a handful of labelled rows each; the uncut ensemble and
boosting on the same rows know more of the function than these labels tell. Which strength of all
this is good is not decided here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from .distillation.synthesis import munge, numbers
from .objectives.base import class_positions
from .refine import Labelled
from .refinement.strength import folds

# Synthetic rows at most, and so that they hold so many values at most.
_MOST_ROWS = 20_000
_MOST_VALUES = 4_000_000

# Neighbours are sought among so many rows at most.
_MOST_NEIGHBOURS = 20_000
_N_NEIGHBOURS = 5

# Boosting's rounds and learning rate; with many classes fewer and larger steps, as each is a tree
# per class.
_ROUNDS = 60
_MOST_TREES = 1000
_FEWEST_ROUNDS = 20
_TRAVEL = 9.0
_LARGEST_RATE = 0.3
_MAX_LEAF_NODES = 15


def weight_of(members: Any, part: Labelled) -> np.ndarray:
    """Weights of labelled rows, shape (n_samples,): those given, times what their labels weigh."""
    weight = np.ones(_num_samples(part.X)) if part.sample_weight is None else part.sample_weight
    by_label = members.row_weights(part.y)
    return np.asarray(weight if by_label is None else weight * by_label, dtype=np.float64)


@dataclass(frozen=True)
class Lesson:
    """What a teacher says.

    The teacher is the uncut ensemble and gradient boosting, averaged with the share that comes
    nearest to the labels, each of them judged on rows it has not seen.

    Parameters
    ----------
    opinion : ndarray of shape (n_outputs, n_samples)
        Of the labelled rows, by models that have not seen them: the ensemble out of bag, boosting
        cross-fitted. NaN in rows that every member has seen.
    X : array-like of shape (n_synthetic, n_features)
        Rows between the real ones.
    answers : ndarray of shape (n_outputs, n_synthetic)
        Of those.
    share : float
        Boosting's share of what is said.
    """

    opinion: np.ndarray
    X: Any
    answers: np.ndarray
    share: float


def learn(
    members: Any, part: Labelled, n_folds: int, per_row: int, rng: np.random.Generator
) -> Lesson | None:
    """Draw up a lesson from labelled rows and the ensemble that was grown on them.

    Parameters
    ----------
    members : Members and HasLeaves
        Says which classes the outputs are for, and what the labels weigh.
    part : Labelled
        With an opinion whose speaker can be asked about more rows.
    n_folds : int
        Boosting is cross-fitted on so many.
    per_row : int
        Synthetic rows for each real one.
    rng : Generator

    Returns
    -------
    Lesson or None
        None where rows cannot be drawn or boosted: sparse rows, objects other than in a DataFrame,
        fewer than two rows to a fold, a single class.
    """
    n_samples = _num_samples(part.X)
    table = _table(part.X)
    if part.opinion is None or part.opinion.speaker is None or table is None:
        return None
    classes, weight = members.combiner.classes, weight_of(members, part)
    labels = part.y if classes is None else class_positions(part.y, classes)
    counts = np.unique(labels, return_counts=True)[1]
    if n_samples < 2 * n_folds or (classes is not None and len(counts) < 2):
        return None
    seed = int(rng.integers(1 << 31))

    def boosted(rows: np.ndarray, asked: Any) -> np.ndarray:
        return _boosted(
            _safe_indexing(table, rows), labels[rows], weight[rows], asked, classes, seed
        )

    fold_of = folds(labels, n_folds, rng)
    apart = np.zeros(part.opinion.mean.shape)
    for fold in range(n_folds):
        at = np.flatnonzero(fold_of == fold)
        apart[:, at] = boosted(np.flatnonzero(fold_of != fold), _safe_indexing(table, at))
    own = part.opinion.mean
    share = _share(target_of(labels, classes), own, apart, weight)
    mixed = _between(table, per_row, rng)
    X = type(part.X)(mixed, schema=part.X.columns) if _is_polars(part.X) else mixed
    everyone = np.arange(n_samples)
    answers = part.opinion.speaker.answers(X)
    if share > 0:
        answers = (1 - share) * answers + share * boosted(everyone, mixed)
    return Lesson((1 - share) * own + share * apart, X, answers, share)


def _table(X: Any) -> Any:
    """Rows that can be mixed column by column and boosted, None if these cannot."""
    if isinstance(X, pd.DataFrame):
        return X
    table = X.to_numpy() if _is_polars(X) else np.asarray(X) if isinstance(X, list) else X
    numbers_only = isinstance(table, np.ndarray) and table.ndim == 2 and table.dtype.kind in "biuf"
    return table if numbers_only else None


def _is_polars(X: Any) -> bool:
    return type(X).__module__.startswith("polars.")


def _between(X: Any, per_row: int, rng: np.random.Generator) -> Any:
    """Synthetic rows: each value of a row may be that of a neighbour instead."""
    n_samples = _num_samples(X)
    if n_samples > _MOST_NEIGHBOURS:
        some = rng.choice(n_samples, _MOST_NEIGHBOURS, replace=False)
        X, n_samples = _safe_indexing(X, some), _MOST_NEIGHBOURS
    n_rows = min(per_row * n_samples, _MOST_ROWS, max(_MOST_VALUES // X.shape[1], 1))
    seed = int(rng.integers(1 << 31))
    return munge(X, n_rows, seed, n_neighbors=min(_N_NEIGHBOURS, n_samples - 1), scatter=False)


def target_of(labels: np.ndarray, classes: np.ndarray | None) -> np.ndarray:
    """Values, or positions of classes one-hot, shape (n_outputs, n_samples)."""
    if classes is None:
        return np.asarray(labels, dtype=np.float64)[None]
    return (labels == np.arange(len(classes))[:, None]).astype(np.float64)


def _share(target: np.ndarray, own: np.ndarray, apart: np.ndarray, weight: np.ndarray) -> float:
    """The share of ``apart`` in the average with ``own`` of the least squared error."""
    known = np.isfinite(own).all(axis=0)
    difference = (apart - own)[:, known]
    curvature = (weight[known] * difference**2).sum()
    if curvature == 0:
        return 0.0
    slope = (weight[known] * (target - own)[:, known] * difference).sum()
    return float(np.clip(slope / curvature, 0.0, 1.0))


def _boosted(
    X: Any,
    labels: np.ndarray,
    weight: np.ndarray,
    asked: Any,
    classes: np.ndarray | None,
    seed: int,
) -> np.ndarray:
    """What boosting on some rows says of others, shape (n_outputs, n_asked)."""
    present = np.unique(labels)
    if classes is not None and len(present) == 1:
        return target_of(np.full(_num_samples(asked), present[0]), classes)
    n_trees = 1 if classes is None or len(present) == 2 else len(present)
    rounds = int(np.clip(_MOST_TREES // n_trees, _FEWEST_ROUNDS, _ROUNDS))
    family = HistGradientBoostingRegressor if classes is None else HistGradientBoostingClassifier
    boosting = family(
        max_iter=rounds,
        learning_rate=min(_TRAVEL / rounds, _LARGEST_RATE),
        max_leaf_nodes=_MAX_LEAF_NODES,
        early_stopping=False,
        random_state=seed,
    )
    rows, said = _numbers(X, X), _numbers(asked, X)
    empty = np.isnan(rows).all(axis=0)  # a column of nothing cannot be binned
    rows, said = (np.where(empty, 0.0, given) for given in (rows, said))
    # Weights make binning twice as slow as boosting.
    alike = weight.min() == weight.max()
    boosting.fit(rows, labels, sample_weight=None if alike else weight)
    if classes is None:
        return boosting.predict(said)[None]
    answers = np.zeros((len(classes), len(said)))
    answers[present] = boosting.predict_proba(said).T
    return answers


def _numbers(X: Any, known: Any) -> np.ndarray:
    """Rows in numbers: of other columns of a DataFrame, positions among the ``known`` values."""
    if not isinstance(X, pd.DataFrame):
        return X
    columns = range(X.shape[1])
    return np.column_stack([numbers(X.iloc[:, c], known.iloc[:, c]) for c in columns])
