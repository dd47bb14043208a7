"""Labelled rows and a metric: what answers score on all of them, or on some.

Who answers, and how members' outputs become answers, is ``validation.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing

from .averages import quick_score, sample_losses
from .objectives.generic import call_scorer
from .replay import Replay
from .standard_error import standard_error


@dataclass(frozen=True)
class ScoredRows:
    """Labelled rows, and the metric of answers for them.

    Parameters
    ----------
    scorer : callable
    X : array-like of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    sample_weight : ndarray of shape (n_samples,) or None
    positions : ndarray of shape (n_samples,) or None
        Of the labels, among the classes; None for a regressor's values.
    answered : ndarray of int
        The rows that the whole ensemble answers for: all of them, but out of bag.
    """

    scorer: Callable[..., float]
    X: Any
    y: np.ndarray
    sample_weight: np.ndarray | None
    positions: np.ndarray | None
    answered: np.ndarray

    def score(self, estimator: Any, rows: np.ndarray) -> float:
        """The metric on some of the rows, given the answers for exactly these.

        NaN where it fails on these but need not fail on all of them.
        """
        if np.array_equal(rows, np.arange(len(self.y))):
            return call_scorer(self.scorer, estimator, self.X, self.y, self.sample_weight)
        weight = None if self.sample_weight is None else self.sample_weight[rows]
        X = _safe_indexing(self.X, rows)
        try:
            return call_scorer(self.scorer, estimator, X, self.y[rows], weight)
        except ValueError:
            # Few members leave out few rows, which may lack a class the metric needs.
            if np.array_equal(rows, self.answered) and not self._lack_a_class(rows):
                raise
            return float("nan")

    def _lack_a_class(self, rows: np.ndarray) -> bool:
        of_all = self.positions
        return of_all is not None and len(np.unique(of_all[rows])) < len(np.unique(of_all))

    def with_error(self, estimator: Replay, rows: np.ndarray) -> tuple[float, float]:
        """The metric on some of the rows and its standard error, NaN where there are none."""
        if len(rows) == 0:
            return float("nan"), float("nan")
        return self.score(estimator, rows), self.standard_error(estimator, rows)

    def with_error_again(self, estimator: Replay, rows: np.ndarray) -> tuple[float, float]:
        """The same for one of many sub-ensembles on all rows, which the scorer need not check anew."""
        losses = None
        if len(rows) == len(self.y):
            losses = sample_losses(self.scorer, estimator, self.y, self.positions)
        quick = None
        if losses is not None:
            quick = quick_score(self.scorer, estimator, self.y, self.sample_weight, losses)
        if quick is None:
            return self.with_error(estimator, rows)
        return quick, self.standard_error(estimator, rows, losses)

    def standard_error(
        self, estimator: Replay, rows: np.ndarray, losses: np.ndarray | None = None
    ) -> float:
        """Of the metric on some of the rows.

        Parameters
        ----------
        estimator : Replay
            Of exactly these.
        rows : ndarray of int
        losses : ndarray of shape (n_rows,), default=None
            Of a metric that is an average, if known.
        """
        weight = None if self.sample_weight is None else self.sample_weight[rows]

        def score(kept: np.ndarray) -> float:
            return self.score(estimator.rows(kept), rows[kept])

        return standard_error(self.scorer, estimator, self.y[rows], weight, score, losses)
