"""Links: from an ensemble's raw score to labels, probabilities or values.

Only the last step of a prediction lives here; summing members is ``combiner.py``. Raw scores and
probabilities are laid out samples last: ``(n_outputs, n_samples)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import expit
from sklearn.utils.extmath import softmax

# Far above the rounding of a sum of members, far below any probability that matters.
_ROUNDING = 1e-12


class Link:
    """From raw scores ``(n_outputs, n_samples)`` to what ``predict`` and friends return.

    Attributes
    ----------
    is_classifier : bool
        Whether :meth:`labels` (class positions) or :meth:`values` (numbers) is the prediction.
    has_proba : bool
        Whether :meth:`proba` is defined.
    has_decision : bool
        Whether the ensemble has a ``decision_function``, which then is the raw score.
    """

    is_classifier: ClassVar[bool] = True
    has_proba: ClassVar[bool] = True
    has_decision: ClassVar[bool] = False

    def labels(self, raw: np.ndarray) -> np.ndarray:
        """Positions in ``classes`` of the predicted labels, shape (n_samples,), dtype intp."""
        return raw.argmax(axis=0)

    def proba(self, raw: np.ndarray) -> np.ndarray:
        """Class probabilities, shape (n_classes, n_samples)."""
        raise TypeError(f"{type(self).__name__} has no class probabilities")

    def values(self, raw: np.ndarray) -> np.ndarray:
        """Predicted numbers, shape (n_samples,)."""
        raise TypeError(f"{type(self).__name__} is a classifier's link: it predicts labels")


class _RegressionLink(Link):
    is_classifier = False
    has_proba = False

    def labels(self, raw: np.ndarray) -> np.ndarray:
        raise TypeError(f"{type(self).__name__} is a regressor's link: it predicts numbers")


@dataclass(frozen=True)
class Identity(_RegressionLink):
    """The raw score is the prediction."""

    def values(self, raw: np.ndarray) -> np.ndarray:
        return raw[0]


@dataclass(frozen=True)
class Exp(_RegressionLink):
    """The logarithm was modelled: Poisson, gamma, Tweedie, Cox."""

    def values(self, raw: np.ndarray) -> np.ndarray:
        return np.exp(raw[0])


@dataclass(frozen=True)
class LogisticValue(_RegressionLink):
    """A regression on ``[0, 1]`` through the logit (XGBoost's ``reg:logistic``)."""

    def values(self, raw: np.ndarray) -> np.ndarray:
        return expit(raw[0])


@dataclass(frozen=True)
class Probability(Link):
    """The raw score is a vector of class probabilities (forests, bagging, soft voting)."""

    def proba(self, raw: np.ndarray) -> np.ndarray:
        # A weighted mean may exceed one by a rounding, which scikit-learn's metrics refuse.
        return np.where((raw > 1.0) & (raw < 1.0 + _ROUNDING), 1.0, raw)


@dataclass(frozen=True)
class Votes(Link):
    """The raw score counts votes; the ensemble offers no probabilities (hard voting)."""

    has_proba = False


@dataclass(frozen=True)
class Logistic(Link):
    """One raw row; ``P(second class) = expit(scale * raw)``.

    Parameters
    ----------
    scale : float, default=1.0
        2.0 for the exponential loss, 1.0 otherwise.
    closed : bool, default=False
        Whether a raw score of exactly 0 is the second class. scikit-learn's gradient boosting
        says yes; AdaBoost, HistGradientBoosting and XGBoost say no.
    """

    scale: float = 1.0
    closed: bool = False
    has_decision = True

    def labels(self, raw: np.ndarray) -> np.ndarray:
        positive = raw[0] >= 0 if self.closed else raw[0] > 0
        return positive.astype(np.intp)

    def proba(self, raw: np.ndarray) -> np.ndarray:
        second = expit(self.scale * raw[0])
        return np.stack([1.0 - second, second])


@dataclass(frozen=True)
class Softmax(Link):
    """``P = softmax(raw / divisor)`` over the classes.

    Parameters
    ----------
    divisor : int, default=1
        ``n_classes - 1`` for AdaBoost (Zhu et al. 2009, eq. 15), 1 for boosting.
    """

    divisor: int = 1
    has_decision = True

    def proba(self, raw: np.ndarray) -> np.ndarray:
        # To the last digit what scikit-learn's ensembles do, so that samples tie where they tie there.
        return softmax(raw.T / self.divisor, copy=False).T


__all__ = [
    "Exp",
    "Identity",
    "Link",
    "Logistic",
    "LogisticValue",
    "Probability",
    "Softmax",
    "Votes",
]
