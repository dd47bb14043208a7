"""What leaves can learn beside labels: what better informed models say of synthetic rows.

Kept trees are few and their leaves hold a handful of labelled rows each; the uncut ensemble, boosting
and a smooth function fitted to the same rows know more than these labels tell. Which strength of
all this is good is not decided here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from .boosted import boosted
from .codes import one_hot
from .consensus import consensus
from .distillation.sparse_synthesis import munge_sparse
from .distillation.synthesis import munge, numbers
from .distillation.texts import like, munge_texts, texts_of, word_counts
from .kernel_ridge import smooth
from .members.steps import reads_words
from .objectives.base import class_positions
from .refine import Labelled, Opinion
from .teacher import Teacher

# So many real rows at most count where synthetic ones are counted out, and these hold so many values.
_MOST_ROWS = 2_000
_MOST_VALUES = 16_000_000
_MOST_STORED = 4_000_000  # other than zero, in sparse rows
_MOST_WORDS = 1_000_000  # which the steps of a pipeline read several times

# Neighbours are sought among so many rows at most.
_MOST_NEIGHBOURS = 20_000
_N_NEIGHBOURS = 5

# Who teaches beside the ensemble, and how many models of it on all rows: each draws columns or rows.
_TEACHERS = ((boosted, 3), (smooth, 3))


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
    """Lessons from labelled rows: by the ensemble grown on them, and by other models of these rows.

    What they say together comes as near to the labels as it can, each of them judged on rows it has
    not seen.

    Parameters
    ----------
    members : Members and HasLeaves
        Says which classes the outputs are for, and what the labels weigh.
    part : Labelled
    table : ndarray, DataFrame or csr matrix of shape (n_samples, n_features), or texts (n_samples,)
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
        self._classify = classes is not None
        rows = _numbers(table, table)
        self._teachers = [
            Teacher(fit, rows, labels, self._weight, classes, fold_of, seed, draws, n_jobs)
            for fit, draws in _TEACHERS
        ]
        self._fold_of = fold_of

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
            None where rows cannot be drawn or boosted: objects other than in a DataFrame, texts of
            which not words are counted, fewer than two rows to a fold, a fold with all of the
            weight, a single class.
        """
        table = _table(part.X)
        if _is_text(table) and not reads_words(members.estimator):
            return None
        if table is None or part.opinion is None or part.opinion.speaker is None:
            return None
        if _num_samples(part.X) < 2 * (fold_of.max() + 1):
            return None
        if members.combiner.classes is not None and len(np.unique(part.y)) < 2:
            return None
        if len(np.unique(fold_of[weight_of(members, part) > 0])) < 2:
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
        rows = np.arange(len(self._weight))
        if without is not None:
            rows = np.flatnonzero(self._fold_of != without)
        mixed = _between(_safe_indexing(self._table, rows), per_row, rng)
        apart = [teacher.apart[:, rows] for teacher in self._teachers]
        known = [opinion.mean, *apart]
        agreed = consensus(self._target[:, rows], known, self._weight[rows], self._classify)
        X = _like(mixed, self._kind)
        asked = _numbers(mixed, self._table)
        said: list[np.ndarray | None] = [opinion.speaker.answers(X)]
        for teacher, weight in zip(self._teachers, agreed.weights[1:], strict=True):
            if weight == 0:
                said.append(None)
            elif without is None:
                said.append(teacher.answers(asked))
            else:
                said.append(teacher.without(without, asked))
        return Lesson(X, agreed.of(said))


def _table(X: Any) -> Any:
    """Rows that can be mixed value by value, or word by word, and boosted; None if these cannot."""
    if isinstance(X, pd.DataFrame):
        return X
    if sparse.issparse(X):
        return _compressed(X) if X.ndim == 2 and X.dtype.kind in "biuf" else None
    texts = texts_of(X)
    if texts is not None:
        return texts
    if isinstance(X, list):
        try:
            table = np.asarray(X)
        except ValueError:  # lists of unlike lengths, as texts in tokens are
            return None
    else:
        table = X.to_numpy() if _is_polars(X) else X
    numbers_only = isinstance(table, np.ndarray) and table.ndim == 2 and table.dtype.kind in "biuf"
    return table if numbers_only else None


def _compressed(X: Any) -> Any:
    """Sparse rows in csr form without entries that stand twice; those given are left as they are."""
    rows = sparse.csr_array(X) if isinstance(X, sparse.sparray) else sparse.csr_matrix(X)
    if not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()
    return rows


def _like(mixed: Any, kind: Any) -> Any:
    """Synthetic rows in the form of those given."""
    if _is_text(mixed):
        return like(mixed, kind)
    return type(kind)(mixed, schema=kind.columns) if _is_polars(kind) else mixed


def _is_text(table: Any) -> bool:
    return isinstance(table, np.ndarray) and table.ndim == 1


def _is_polars(X: Any) -> bool:
    return type(X).__module__.startswith("polars.")


def _between(X: Any, per_row: int, rng: np.random.Generator) -> Any:
    """Synthetic rows: each value of a row may be that of a neighbour instead."""
    n_samples = _num_samples(X)
    if n_samples > _MOST_NEIGHBOURS:
        some = rng.choice(n_samples, _MOST_NEIGHBOURS, replace=False)
        X, n_samples = _safe_indexing(X, some), _MOST_NEIGHBOURS
    most = _MOST_WORDS if _is_text(X) else _MOST_STORED if sparse.issparse(X) else _MOST_VALUES
    n_rows = min(per_row * min(n_samples, _MOST_ROWS), max(int(most / _values_per_row(X)), 1))
    seed = int(rng.integers(1 << 31))
    n_neighbors = min(_N_NEIGHBOURS, n_samples - 1)
    if _is_text(X):
        return munge_texts(X, n_rows, seed, n_neighbors)
    if sparse.issparse(X):
        return munge_sparse(X, n_rows, seed, n_neighbors)
    return munge(X, n_rows, seed, n_neighbors=n_neighbors, scatter=False)


def _values_per_row(X: Any) -> float:
    if _is_text(X):
        return max(sum(len(text.split()) for text in X) / len(X), 1.0)
    return max(X.nnz / X.shape[0], 1.0) if sparse.issparse(X) else X.shape[1]


def target_of(labels: np.ndarray, classes: np.ndarray | None) -> np.ndarray:
    """Values, or positions of classes one-hot, shape (n_outputs, n_samples)."""
    if classes is None:
        return np.asarray(labels, dtype=np.float64)[None]
    return one_hot(labels, len(classes)).astype(np.float64)


def _numbers(X: Any, known: Any) -> Any:
    """Rows in numbers: counts of words; in a DataFrame, positions among the ``known`` values."""
    if _is_text(X):
        return word_counts(X)
    if not isinstance(X, pd.DataFrame):
        return X
    columns = range(X.shape[1])
    return np.column_stack([numbers(X.iloc[:, c], known.iloc[:, c]) for c in columns])
