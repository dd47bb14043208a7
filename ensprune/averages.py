"""Metrics that are averages over samples: what every sample adds to them."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    log_loss,
    mean_absolute_error,
    mean_squared_error,
    r2_score,
    root_mean_squared_error,
)

from .codes import one_hot
from .objectives.base import class_positions
from .objectives.registry import is_standard
from .replay import Replay

_AVERAGES = (
    accuracy_score,
    brier_score_loss,
    log_loss,
    mean_absolute_error,
    mean_squared_error,
)


def is_average(scorer: Any) -> bool:
    """Whether the score is, up to its sign, the mean of :func:`sample_losses`."""
    metric = getattr(scorer, "_score_func", None)
    return metric in _AVERAGES and not scorer._kwargs and is_standard(scorer)


def sample_losses(
    scorer: Any, estimator: Replay, y: np.ndarray, positions: np.ndarray | None = None
) -> Any:
    """What each sample adds to the metric, or to the mean that the metric is a function of.

    Parameters
    ----------
    scorer : callable
    estimator : Replay
        Predictions of the samples.
    y : ndarray of shape (n_samples,)
    positions : ndarray of shape (n_samples,), default=None
        Of ``y`` in the estimator's ``classes_``, where they are known already.

    Returns
    -------
    ndarray of shape (n_samples,), dtype float64, or None
        Losses, less is better: 0 or 1 for accuracy, absolute and squared errors (these also for
        R2 and the root of their mean), minus the logarithm of the true class's probability, Brier
        scores. None for other metrics, and for these with options or a sign of their own.
    """
    metric = getattr(scorer, "_score_func", None)
    if not is_standard(scorer) or scorer._kwargs:
        return None
    if metric is accuracy_score:
        return np.asarray(estimator.predict_ != y, dtype=np.float64)
    if metric is mean_absolute_error:
        return np.abs(estimator.predict_ - y)
    if metric in (mean_squared_error, root_mean_squared_error, r2_score):
        return (estimator.predict_ - y) ** 2
    if metric in (log_loss, brier_score_loss) and estimator.predict_proba_ is not None:
        proba = np.asarray(estimator.predict_proba_, dtype=np.float64)
        labels = class_positions(y, estimator.classes_) if positions is None else positions
        if metric is log_loss:
            eps = np.finfo(estimator.predict_proba_.dtype).eps
            return -np.log(np.clip(proba[np.arange(len(y)), labels], eps, 1 - eps))
        hot = one_hot(labels, proba.shape[1]).T
        return ((proba - hot) ** 2).sum(axis=1) * (0.5 if proba.shape[1] == 2 else 1.0)
    return None


def quick_score(
    scorer: Any,
    estimator: Replay,
    y: np.ndarray,
    sample_weight: Any = None,
    losses: np.ndarray | None = None,
) -> float | None:
    """The score of a classifier without scikit-learn's checks of labels and probabilities.

    These take several times as long as the metric, and look at the same labels for each of many
    sub-ensembles. The number is the scorer's own, up to the rounding of the last digit; for accuracy
    to the last bit, so that what ties for the scorer ties here.

    Parameters
    ----------
    scorer : callable
    estimator : Replay
        Predictions of the samples.
    y : ndarray of shape (n_samples,)
    sample_weight : ndarray of shape (n_samples,), default=None
    losses : ndarray of shape (n_samples,), default=None
        :func:`sample_losses` of these, where they are known already.

    Returns
    -------
    float or None
        None for metrics that are not accuracy, log-loss or Brier score.
    """
    metric = getattr(scorer, "_score_func", None)
    if metric not in (accuracy_score, log_loss, brier_score_loss):
        return None
    if losses is None:
        losses = sample_losses(scorer, estimator, y)
    if losses is None:
        return None
    if metric is accuracy_score:
        losses = 1.0 - losses
    return float(scorer._sign * np.average(losses, weights=sample_weight))


def worst_difference(scorer: Any, full: Replay, pruned: Replay, y: np.ndarray) -> float:
    """The largest loss of ``pruned`` over ``full`` that a sample could have had.

    For 0-1 losses it is 1. Else it is the maximum over the samples' predictions, each under every
    class, or under the smallest and the largest of ``y``: a sub-ensemble that gives a class no
    probability is found out even when no sample at hand has that class there.
    """
    if getattr(scorer, "_score_func", None) is accuracy_score:
        return 1.0
    labels = full.classes_ if hasattr(full, "classes_") else (y.min(), y.max())
    worst = -np.inf
    for label in labels:
        same = np.full(len(y), label)
        losses = sample_losses(scorer, pruned, same) - sample_losses(scorer, full, same)
        worst = max(worst, float(losses.max()))
    return worst
