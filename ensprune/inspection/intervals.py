"""Scores with 95 % intervals, and what changed between two estimators on the same rows."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy import stats
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import accuracy_score
from sklearn.metrics._scorer import _Scorer
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from ..averages import is_average, sample_losses, worst_difference
from ..bounds import mean_bound, resampled
from ..members.opening import open_members
from ..objectives.generic import call_scorer, replay
from ..replay import Replay
from ..standard_error import error_on

_CONFIDENCE = 0.95
_ONE_SIDE = (1 + _CONFIDENCE) / 2

Scorer = Callable[..., float]


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval.

    Parameters
    ----------
    value : float
    low, high : float, default=nan
        NaN where there is no interval.
    """

    value: float
    low: float = math.nan
    high: float = math.nan


def with_interval(score: float, se: float, scorer: Scorer, n_rows: int) -> Estimate:
    """A score and its interval from its standard error.

    Parameters
    ----------
    score, se : float
    scorer : callable
        Accuracy has Wilson's interval, which stays within [0, 1] and has a width even where all
        rows are right; other metrics 1.96 standard errors either way.
    n_rows : int
        For accuracies of 0 and 1, which have no standard error.

    References
    ----------
    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
    """
    if not math.isfinite(se):
        return Estimate(score)
    z = float(stats.norm.ppf(_ONE_SIDE))
    if getattr(scorer, "_score_func", None) is not accuracy_score or not is_average(scorer):
        return Estimate(score, score - z * se, score + z * se)
    rows = score * (1 - score) / se**2 if se > 0 else n_rows  # fewer, where they have weights
    middle = (score + z**2 / (2 * rows)) / (1 + z**2 / rows)
    half = z * math.sqrt(score * (1 - score) / rows + (z / (2 * rows)) ** 2) / (1 + z**2 / rows)
    # Rounding must not leave 0 and 1 outside.
    return Estimate(score, min(score, middle - half), max(score, middle + half))


def compared(
    scorer: Scorer, full: Any, pruned: Any, X: Any, y: np.ndarray, sample_weight: Any
) -> tuple[Estimate, Estimate, Estimate]:
    """Scores of two estimators on the same rows, and of the change from the first to the second.

    The interval of the change is of paired differences: for averages over rows the bounds that
    certificates use (:func:`ensprune.bounds.mean_bound`), for other metrics a bootstrap.

    Parameters
    ----------
    scorer : callable
    full, pruned : estimator
    X : array-like of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    sample_weight : ndarray of shape (n_samples,) or None

    Returns
    -------
    full, pruned, change : Estimate
    """
    # Scorers of scikit-learn look at rows through the estimator only.
    rows = np.empty((_num_samples(X), 0)) if isinstance(scorer, _Scorer) else X
    answers = _answers(full, X), _answers(pruned, X)

    def score(replayed: Replay, kept: np.ndarray) -> float:
        weight = None if sample_weight is None else sample_weight[kept]
        try:
            return call_scorer(
                scorer, replayed.rows(kept), _safe_indexing(rows, kept), y[kept], weight
            )
        except ValueError:  # such as a draw without one of the classes
            return math.nan

    values = [call_scorer(scorer, replayed, rows, y, sample_weight) for replayed in answers]
    change = values[1] - values[0]
    with warnings.catch_warnings():
        # Of rows drawn, not of the rows given.
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        errors = [error_on(scorer, replayed, rows, y, sample_weight) for replayed in answers]
        if len(y) < 2:
            low, high = math.nan, math.nan
        elif is_average(scorer) and y.ndim == 1:
            low, high = _paired(scorer, *answers, y, sample_weight)
        else:
            before, after = (resampled(partial(score, replayed), len(y)) for replayed in answers)
            low, high = _bootstrapped(change, after - before)
    full_score, pruned_score = (
        with_interval(value, se, scorer, len(y)) for value, se in zip(values, errors, strict=True)
    )
    return full_score, pruned_score, Estimate(change, low, high)


def _paired(
    scorer: Scorer, full: Replay, pruned: Replay, y: np.ndarray, sample_weight: Any
) -> tuple[float, float]:
    more = sample_losses(scorer, pruned, y) - sample_losses(scorer, full, y)
    # What is lost at most and gained at most, each with half of the remaining probability.
    lost = mean_bound(more, worst_difference(scorer, full, pruned, y), _ONE_SIDE, sample_weight)
    gained = mean_bound(-more, worst_difference(scorer, pruned, full, y), _ONE_SIDE, sample_weight)
    return -lost, gained


def _bootstrapped(change: float, draws: np.ndarray) -> tuple[float, float]:
    defined = draws[~np.isnan(draws)]
    if len(defined) < _CONFIDENCE * len(draws):
        return math.nan, math.nan
    half = stats.t.ppf(_ONE_SIDE, len(defined) - 1) * defined.std(ddof=1)
    return change - half, change + half


def _answers(estimator: Any, X: Any) -> Replay:
    if hasattr(estimator, "get_params"):
        return Replay.of(estimator, X)
    members = open_members(estimator)  # a raw Booster predicts DMatrix only
    return replay(members.bind(X), members.outputs(X, dtype=np.float64))
