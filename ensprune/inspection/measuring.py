"""Sizes and times of a full and a pruned estimator: measured, never inferred from counts."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

# Turns: at least and at most so many; between these, seconds that all may take.
_LEAST, _MOST, _SECONDS = 5, 100, 0.5


class _Counter:
    """A file that counts what is written to it."""

    def __init__(self) -> None:
        self.n_bytes = 0

    def write(self, written: Any) -> int:
        n_bytes = memoryview(written).nbytes
        self.n_bytes += n_bytes
        return n_bytes


def pickled_bytes(estimator: Any) -> int | None:
    """Bytes of an estimator's pickle, which is not held in memory; None if it has none."""
    counter = _Counter()
    try:
        pickle.Pickler(counter, protocol=pickle.HIGHEST_PROTOCOL).dump(estimator)
    except (pickle.PicklingError, AttributeError, TypeError):  # lambdas and other local things
        return None
    return counter.n_bytes


def seconds_to_predict(estimators: Sequence[Any], X: Any, n_rows: int) -> list[float]:
    """Seconds that ``predict`` of each estimator takes: the best of some turns on the same rows.

    The best, since all that is slower is the rest of the machine at work, and it gets in the way of
    a longer call more often. Rows are never used twice within a batch, and single rows change from
    turn to turn: what was predicted just before is faster to predict again.

    Parameters
    ----------
    estimators : sequence of estimator
        Fitted.
    X : array-like of shape (n_samples, n_features)
    n_rows : int
        Rows at a time, at most all there are.

    Returns
    -------
    list of float
    """
    calls = [_predict_of(estimator) for estimator in estimators]
    available = _num_samples(X)
    # Evenly spaced: in sorted data the first rows may all take the same short way.
    spaced = np.linspace(0, available - 1, min(available, max(n_rows, _MOST))).astype(np.intp)
    batches = [
        _safe_indexing(X, spaced[start : start + n_rows])
        for start in range(0, len(spaced) - n_rows + 1, n_rows)
    ]
    for call in calls:
        call(batches[-1])  # warm up
    taken: list[list[float]] = [[] for _ in calls]
    begin = time.perf_counter()
    for turn in range(_MOST):
        if turn >= _LEAST and time.perf_counter() - begin > _SECONDS:
            break
        for call, times in zip(calls, taken, strict=True):
            start = time.perf_counter()
            call(batches[turn % len(batches)])
            times.append(time.perf_counter() - start)
    return [min(times) for times in taken]


def _predict_of(estimator: Any) -> Callable[[Any], Any]:
    # A raw Booster predicts a DMatrix, or rows as they are by another name.
    return getattr(estimator, "inplace_predict", estimator.predict)
