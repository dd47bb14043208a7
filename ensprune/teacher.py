"""Gradient boosting as a teacher of leaves: once without each fold of its rows, and on all.

Numbers in, numbers out; what is asked of it, and what becomes of the answers, is ``lesson.py``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from .threads import openmp_threads

# Rounds and learning rate; with many classes fewer and larger steps, as each is a tree per class.
_ROUNDS = 60
_MOST_TREES = 1000
_FEWEST_ROUNDS = 20
_TRAVEL = 9.0
_LARGEST_RATE = 0.3
_MAX_LEAF_NODES = 15
_MAX_FEATURES = 0.5
_MOST_COLUMNS = 200  # looked at for a split

# Models on all rows: each draws columns at random.
_DRAWS = 3

Model = Callable[[np.ndarray], np.ndarray]  # rows -> (n_outputs, n_rows)


class Teacher:
    """What gradient boosting says, with and without a fold of the rows it is fitted to.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features), dtype float
    labels : ndarray of shape (n_samples,)
        Values, or positions of classes.
    weight : ndarray of shape (n_samples,)
        In any unit.
    classes : ndarray of shape (n_classes,), or None for values
    fold_of : ndarray of shape (n_samples,), dtype int
    seed : int
    n_jobs : int, default=None
        Threads.

    Attributes
    ----------
    apart : ndarray of shape (n_outputs, n_samples)
        Of each row, without its fold.
    """

    def __init__(
        self,
        rows: np.ndarray,
        labels: np.ndarray,
        weight: np.ndarray,
        classes: np.ndarray | None,
        fold_of: np.ndarray,
        seed: int,
        n_jobs: int | None = None,
    ):
        # Boosting takes splits of little weight for none.
        self._given = rows, labels, weight / weight.mean()
        self._classes, self._seed, self._n_jobs = classes, seed, n_jobs
        self.fold_of = fold_of
        n_folds = int(fold_of.max()) + 1
        self._without = Parallel(n_jobs=n_jobs, require="sharedmem")(
            delayed(self._fitted)(fold_of != fold, 1) for fold in range(n_folds)
        )
        self.apart = np.zeros((1 if classes is None else len(classes), len(rows)))
        for fold in range(n_folds):
            self.apart[:, fold_of == fold] = self.without(fold, rows[fold_of == fold])

    def without(self, fold: int, asked: np.ndarray) -> np.ndarray:
        """What it says of other rows having seen all folds but one, shape (n_outputs, n_asked)."""
        with openmp_threads(1):
            return self._without[fold](asked)

    def answers(self, asked: np.ndarray) -> np.ndarray:
        """What it says of other rows having seen all of its own, shape (n_outputs, n_asked).

        Of each third of them another one, that drew its columns otherwise: who learns from all
        of them hears the mean.
        """
        n_threads = effective_n_jobs(self._n_jobs)
        everyone = np.ones(len(self.fold_of), dtype=bool)
        parts = []
        for draw, some in enumerate(np.array_split(asked, _DRAWS)):
            model = self._fitted(everyone, n_threads, draw)
            with openmp_threads(n_threads):
                parts.append(model(some))
        return np.concatenate(parts, axis=1)

    def _fitted(self, some: np.ndarray, n_threads: int, draw: int = 0) -> Model:
        with openmp_threads(n_threads):
            rows, labels, weight = (given[some] for given in self._given)
            return boosted(rows, labels, weight, self._classes, self._seed + draw)


def boosted(
    rows: np.ndarray,
    labels: np.ndarray,
    weight: np.ndarray,
    classes: np.ndarray | None,
    seed: int,
) -> Model:
    """Fit gradient boosting to rows; a class they lack has no chance."""
    present = np.unique(labels)
    if classes is not None and len(present) == 1:
        only = np.zeros((len(classes), 1))
        only[present] = 1.0
        return lambda asked: np.repeat(only, len(asked), axis=1)
    n_trees = 1 if classes is None or len(present) == 2 else len(present)
    rounds = int(np.clip(_MOST_TREES // n_trees, _FEWEST_ROUNDS, _ROUNDS))
    family = HistGradientBoostingRegressor if classes is None else HistGradientBoostingClassifier
    boosting = family(
        max_iter=rounds,
        learning_rate=min(_TRAVEL / rounds, _LARGEST_RATE),
        max_leaf_nodes=_MAX_LEAF_NODES,
        max_features=min(_MAX_FEATURES, _MOST_COLUMNS / rows.shape[1]),
        early_stopping=False,
        random_state=seed,
    )
    empty = np.isnan(rows).all(axis=0)  # a column of nothing cannot be binned
    # Weights make binning twice as slow as boosting.
    alike = weight.min() == weight.max()
    boosting.fit(np.where(empty, 0.0, rows), labels, sample_weight=None if alike else weight)

    def answers(asked: np.ndarray) -> np.ndarray:
        asked = np.where(empty, 0.0, asked)
        if classes is None:
            return boosting.predict(asked)[None]
        result = np.zeros((len(classes), len(asked)))
        result[present] = boosting.predict_proba(asked).T
        return result

    return answers
