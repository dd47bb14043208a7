"""Other averages over samples for regression: percentage and logarithmic errors, deviances."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from scipy.special import xlogy
from sklearn.metrics import (
    mean_absolute_percentage_error,
    mean_gamma_deviance,
    mean_poisson_deviance,
    mean_squared_log_error,
    root_mean_squared_log_error,
)

from .registry import register_objective, regresses
from .running import LinearObjective

Loss = Callable[[np.ndarray, np.ndarray], np.ndarray]


class MeanLoss(LinearObjective):
    """Minus the mean of a loss of target and prediction.

    NaN where the loss is not defined for some sample, which excludes the candidate; scikit-learn's
    metric raises an error there.

    Parameters
    ----------
    loss : callable
        ``loss(y, predicted)``, both of shape (n_samples,).
    root : bool, default=False
        Whether the score is minus the root of the mean.
    """

    def __init__(self, loss: Loss, root: bool = False):
        self.loss = loss
        self.root = root

    def _contributions(self, raw: np.ndarray, block: slice) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.loss(self._targets[block], self.combiner.link.values(raw))

    def _finish(self, mean: Any) -> Any:
        return -np.sqrt(mean) if self.root else -mean


def _percentage(y: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    return np.abs(y - predicted) / np.maximum(np.abs(y), np.finfo(np.float64).eps)


def _squared_log(y: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    return (np.log1p(y) - np.log1p(predicted)) ** 2


def _poisson(y: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    deviance = 2 * (xlogy(y, y / predicted) - y + predicted)
    return np.where((y >= 0) & (predicted > 0), deviance, np.nan)


def _gamma(y: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    deviance = 2 * (np.log(predicted / y) + y / predicted - 1)
    return np.where((y > 0) & (predicted > 0), deviance, np.nan)


for _metric, _loss in (
    (mean_absolute_percentage_error, _percentage),
    (mean_squared_log_error, _squared_log),
    (mean_poisson_deviance, _poisson),
    (mean_gamma_deviance, _gamma),
):
    register_objective(_metric, partial(MeanLoss, _loss), regresses)
register_objective(
    root_mean_squared_log_error, partial(MeanLoss, _squared_log, root=True), regresses
)
