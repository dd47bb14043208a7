"""Teachers of leaves: a model of the rows, once without each of their folds, and on all.

Numbers in, numbers out; which models there are is in ``boosted.py`` and ``kernel_ridge.py``, what is
asked of them, and what becomes of the answers, in ``lesson.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs

from .threads import one_blas_thread, openmp_threads

Model = Callable[[Any], np.ndarray]  # rows -> (n_outputs, n_rows)


class Teacher:
    """What a model says, with and without a fold of the rows it is fitted to.

    Parameters
    ----------
    fit : callable
        ``fit(rows, labels, weight, classes, seed)`` gives what answers for rows: values, or
        probabilities of all classes, shape (n_outputs, n_rows).
    rows : ndarray or csr_matrix of shape (n_samples, n_features), dtype float
    labels : ndarray of shape (n_samples,)
        Values, or positions of classes.
    weight : ndarray of shape (n_samples,)
        In any unit.
    classes : ndarray of shape (n_classes,), or None for values
    fold_of : ndarray of shape (n_samples,), dtype int
    seed : int
    draws : int, default=1
        Models on all rows, which differ in their seed.
    n_jobs : int, default=None
        Threads.

    Attributes
    ----------
    apart : ndarray of shape (n_outputs, n_samples)
        Of each row, without its fold.
    """

    def __init__(
        self,
        fit: Callable[..., Model],
        rows: Any,
        labels: np.ndarray,
        weight: np.ndarray,
        classes: np.ndarray | None,
        fold_of: np.ndarray,
        seed: int,
        draws: int = 1,
        n_jobs: int | None = None,
    ):
        self._fit = fit
        # Boosting takes splits of little weight for none.
        self._given = rows, labels, weight / weight.mean()
        self._classes, self._seed, self._draws, self._n_jobs = classes, seed, draws, n_jobs
        self.fold_of = fold_of
        n_folds = int(fold_of.max()) + 1
        self._without = Parallel(n_jobs=n_jobs, require="sharedmem")(
            delayed(self._fitted)(fold_of != fold, 1) for fold in range(n_folds)
        )
        self.apart = np.zeros((1 if classes is None else len(classes), len(fold_of)))
        for fold in range(n_folds):
            self.apart[:, fold_of == fold] = self.without(fold, rows[fold_of == fold])

    def without(self, fold: int, asked: Any) -> np.ndarray:
        """What it says of other rows having seen all folds but one, shape (n_outputs, n_asked)."""
        with _threads(1):
            return self._without[fold](asked)

    def answers(self, asked: Any) -> np.ndarray:
        """What it says of other rows having seen all of its own, shape (n_outputs, n_asked).

        Of each part of them another draw: who learns from all of them hears the mean.
        """
        n_threads = effective_n_jobs(self._n_jobs)
        everyone = np.ones(len(self.fold_of), dtype=bool)
        parts = []
        for draw, some in enumerate(np.array_split(np.arange(asked.shape[0]), self._draws)):
            model = self._fitted(everyone, n_threads, draw)
            with _threads(n_threads):
                parts.append(model(asked[some]))
        return np.concatenate(parts, axis=1)

    def _fitted(self, some: np.ndarray, n_threads: int, draw: int = 0) -> Model:
        with _threads(n_threads):
            rows, labels, weight = (given[some] for given in self._given)
            return self._fit(rows, labels, weight, self._classes, self._seed + draw)


@contextmanager
def _threads(n_openmp: int) -> Iterator[None]:
    """So many of OpenMP's; one of BLAS's, whose sums are rounded otherwise with more of them."""
    with openmp_threads(n_openmp), one_blas_thread():
        yield
