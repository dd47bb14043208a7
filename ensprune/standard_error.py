"""The standard error of a score: from what every sample adds to it, or by leaving samples out.

Metrics of which the first is known: averages over samples, and the area under the ROC curve.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.metrics import r2_score, root_mean_squared_error
from sklearn.utils import _safe_indexing

from .averages import sample_losses
from .objectives.base import normalised_weights, variance_of
from .objectives.confusion import scores_without
from .objectives.generic import call_scorer
from .objectives.ranking import precision_without
from .ranked import RankedRows
from .replay import Replay

# Groups of the delete-a-group jackknife for metrics that are no averages over samples.
_JACKKNIFE_GROUPS = 10


def standard_error(
    scorer: Any,
    estimator: Replay,
    y: np.ndarray,
    sample_weight: np.ndarray | None,
    score: Callable[[np.ndarray], float],
    losses: np.ndarray | None = None,
) -> float:
    """Standard error of a score on the rows at hand.

    Parameters
    ----------
    scorer : callable
        As from :func:`sklearn.metrics.make_scorer`.
    estimator : Replay
        The predictions that are scored.
    y : ndarray of shape (n_samples,)
    sample_weight : ndarray of shape (n_samples,) or None
    score : callable
        The score on some of the rows, given by position; NaN where it is not defined there. Asked
        only where it has to be.
    losses : ndarray of shape (n_samples,), default=None
        :func:`~ensprune.averages.sample_losses`, where they are known already.

    Returns
    -------
    float
        NaN where there are too few rows to tell.
    """
    if len(y) < 2:
        return float("nan")
    if losses is None:
        losses = sample_losses(scorer, estimator, y)
    if losses is None:
        ranked = RankedRows.of(scorer, estimator, y)
        if ranked is not None:
            return ranked.standard_error(sample_weight)
        return _jackknife(scorer, estimator, y, sample_weight, score)
    share = normalised_weights(sample_weight, len(y))
    mean = share @ losses
    se = float(np.sqrt((share**2 * (losses - mean) ** 2).sum()))
    metric = scorer._score_func
    if metric is root_mean_squared_error:
        return se / (2 * np.sqrt(mean)) if mean > 0 else 0.0
    if metric is r2_score:
        variance = variance_of(y, share)
        return se / variance if variance > 0 else float("nan")
    return se


def error_on(
    scorer: Callable[..., float],
    estimator: Replay,
    X: Any,
    y: np.ndarray,
    sample_weight: np.ndarray | None = None,
) -> float:
    """:func:`standard_error` where the predictions are of all rows at hand.

    NaN also for several targets, and for metrics that are not defined without some of the rows.
    """
    if y.ndim > 1:
        return float("nan")

    def score(kept: np.ndarray) -> float:
        weight = None if sample_weight is None else sample_weight[kept]
        rows = _safe_indexing(X, kept)
        try:
            return call_scorer(scorer, estimator.rows(kept), rows, y[kept], weight)
        except ValueError:
            return float("nan")

    return standard_error(scorer, estimator, y, sample_weight, score)


def _jackknife(
    scorer: Any,
    estimator: Replay,
    y: np.ndarray,
    sample_weight: np.ndarray | None,
    score: Callable[[np.ndarray], float],
) -> float:
    """Standard error by leaving out a tenth of the rows at a time, alike in their labels."""
    if len(y) < _JACKKNIFE_GROUPS:
        return float("nan")
    group = np.empty(len(y), dtype=int)
    group[np.argsort(y, kind="stable")] = np.arange(len(y)) % _JACKKNIFE_GROUPS
    scores = scores_without(scorer, estimator, y, sample_weight, group)
    if scores is None:
        scores = precision_without(scorer, estimator, y, sample_weight, group)
    if scores is None:
        scores = np.array([score(np.flatnonzero(group != g)) for g in range(_JACKKNIFE_GROUPS)])
    return float(np.sqrt((_JACKKNIFE_GROUPS - 1) * np.var(scores)))
