"""What leaves can learn beside labels: what better informed models say of synthetic rows.

Kept trees are few and their leaves hold a handful of labelled rows each; the uncut ensemble and
boosting on the same rows know more of the function than these labels tell. Which strength of all
this is good is not decided here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from .codes import one_hot
from .distillation.synthesis import munge, numbers
from .objectives.base import class_positions
from .refine import Labelled, Opinion
from .teacher import Teacher

# So many real rows at most count where synthetic ones are counted out, and these hold so many values.
_MOST_ROWS = 2_000
_MOST_VALUES = 4_000_000

# Neighbours are sought among so many rows at most.
_MOST_NEIGHBOURS = 20_000
_N_NEIGHBOURS = 5


def weight_of(members: Any, part: Labelled) -> np.ndarray:
    """Weights of labelled rows, shape (n_samples,): those given, times what their labels weigh."""
    weight = np.ones(_num_samples(part.X)) if part.sample_weight is None else part.sample_weight
    by_label = members.row_weights(part.y)
    return np.asarray(weight if by_label is None else weight * by_label, dtype=np.float64)


@dataclass(frozen=True)
class Lesson:
    """What a teacher says of rows between the real ones.

    Parameters
    ----------
    X : array-like of shape (n_synthetic, n_features)
    answers : ndarray of shape (n_outputs, n_synthetic)
    """

    X: Any
    answers: np.ndarray


class Course:
    """Lessons from labelled rows: by the ensemble grown on them, and by boosting on the same rows.

    Both are averaged with the share that comes nearest to the labels, each of them judged on rows
    it has not seen.

    Parameters
    ----------
    members : Members and HasLeaves
        Says which classes the outputs are for, and what the labels weigh.
    part : Labelled
    table : ndarray or DataFrame of shape (n_samples, n_features)
        Its rows, such that they can be mixed; see :meth:`given`.
    fold_of : ndarray of shape (n_samples,), dtype int
    seed : int
    n_jobs : int or None
    """

    def __init__(
        self,
        members: Any,
        part: Labelled,
        table: Any,
        fold_of: np.ndarray,
        seed: int,
        n_jobs: int | None,
    ):
        classes = members.combiner.classes
        labels = part.y if classes is None else class_positions(part.y, classes)
        self._table = table
        self._kind = part.X
        self._target = target_of(labels, classes)
        self._weight = weight_of(members, part)
        self._teacher = Teacher(
            _numbers(table, table), labels, self._weight, classes, fold_of, seed, n_jobs
        )

    @classmethod
    def given(
        cls,
        members: Any,
        part: Labelled,
        fold_of: np.ndarray,
        rng: np.random.Generator,
        n_jobs: int | None = None,
    ) -> Course | None:
        """One on labelled rows, cut into folds.

        Returns
        -------
        Course or None
            None where rows cannot be drawn or boosted: sparse rows, objects other than in a
            DataFrame, fewer than two rows to a fold, a single class.
        """
        table = _table(part.X)
        if table is None or part.opinion is None or part.opinion.speaker is None:
            return None
        if _num_samples(part.X) < 2 * (fold_of.max() + 1):
            return None
        if members.combiner.classes is not None and len(np.unique(part.y)) < 2:
            return None
        return cls(members, part, table, fold_of, int(rng.integers(1 << 31)), n_jobs)

    def lesson(
        self, opinion: Opinion, per_row: int, rng: np.random.Generator, without: int | None = None
    ) -> Lesson:
        """Draw up a lesson.

        Parameters
        ----------
        opinion : Opinion
            Of the rows, or of those outside the fold, by an ensemble grown on these.
        per_row : int
            Synthetic rows for each real one.
        rng : Generator
        without : int, default=None
            A fold that nothing in the lesson may have seen.
        """
        teacher = self._teacher
        rows = np.arange(len(self._weight))
        if without is not None:
            rows = np.flatnonzero(teacher.fold_of != without)
        mixed = _between(_safe_indexing(self._table, rows), per_row, rng)
        share = _share(
            self._target[:, rows], opinion.mean, teacher.apart[:, rows], self._weight[rows]
        )
        X = type(self._kind)(mixed, schema=self._kind.columns) if _is_polars(self._kind) else mixed
        answers = opinion.speaker.answers(X)
        if share > 0:
            asked = _numbers(mixed, self._table)
            said = teacher.answers(asked) if without is None else teacher.without(without, asked)
            answers = (1 - share) * answers + share * said
        return Lesson(X, answers)


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
    n_rows = min(per_row * min(n_samples, _MOST_ROWS), max(_MOST_VALUES // X.shape[1], 1))
    seed = int(rng.integers(1 << 31))
    return munge(X, n_rows, seed, n_neighbors=min(_N_NEIGHBOURS, n_samples - 1), scatter=False)


def target_of(labels: np.ndarray, classes: np.ndarray | None) -> np.ndarray:
    """Values, or positions of classes one-hot, shape (n_outputs, n_samples)."""
    if classes is None:
        return np.asarray(labels, dtype=np.float64)[None]
    return one_hot(labels, len(classes)).astype(np.float64)


def _share(target: np.ndarray, own: np.ndarray, apart: np.ndarray, weight: np.ndarray) -> float:
    """The share of ``apart`` in the average with ``own`` of the least squared error."""
    known = np.isfinite(own).all(axis=0)
    difference = (apart - own)[:, known]
    curvature = (weight[known] * difference**2).sum()
    if curvature == 0:
        return 0.0
    slope = (weight[known] * (target - own)[:, known] * difference).sum()
    return float(np.clip(slope / curvature, 0.0, 1.0))


def _numbers(X: Any, known: Any) -> np.ndarray:
    """Rows in numbers: of other columns of a DataFrame, positions among the ``known`` values."""
    if not isinstance(X, pd.DataFrame):
        return X
    columns = range(X.shape[1])
    return np.column_stack([numbers(X.iloc[:, c], known.iloc[:, c]) for c in columns])
