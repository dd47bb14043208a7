"""What several teachers say together: an average of values, a pool of probabilities.

How much each of them has to say is fitted to labels of rows that it has not seen; who they are is for
``lesson.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import softmax

from .objectives.simplex import least_squares_weights

# Nobody is surer than this that a class is out of the question: one such voice would outweigh all.
_FLOOR = 0.01

# Sharper than to this power nobody is made.
_MOST_POWER = 5.0

# Powers are a handful of numbers: so many rows tell them.
_MOST_ROWS = 20_000


@dataclass(frozen=True)
class Average:
    """The mean of what teachers say, weighted.

    Parameters
    ----------
    weights : ndarray of shape (n_teachers,)
        Non-negative, adding up to one.
    """

    weights: np.ndarray

    def of(self, said: Sequence[np.ndarray | None]) -> np.ndarray:
        """All together, (n_outputs, n_rows); who has no weight need not be asked."""
        heard = [w * s for w, s in zip(self.weights, said, strict=True) if w > 0 and s is not None]
        return np.asarray(sum(heard))


@dataclass(frozen=True)
class Pool:
    """The product of probabilities to certain powers, normalised: a logarithmic opinion pool.

    Where the sharpest of several cautious voices would still be an average, these confirm each other.

    Parameters
    ----------
    weights : ndarray of shape (n_teachers,)
        Their powers, non-negative.
    prior : ndarray of shape (n_classes,)
        Logarithms of how frequent the classes are, to their own power.

    References
    ----------
    Genest & Zidek, "Combining probability distributions: a critique and an annotated bibliography",
    Statistical Science 1 (1986). Heskes, "Selecting weighting factors in logarithmic opinion
    pools", NeurIPS 1997.
    """

    weights: np.ndarray
    prior: np.ndarray

    def of(self, said: Sequence[np.ndarray | None]) -> np.ndarray:
        """All together, (n_classes, n_rows); who has no weight need not be asked."""
        logarithm: Any = self.prior[:, None]
        for weight, each in zip(self.weights, said, strict=True):
            if each is not None:  # who has no say still tells how many rows there are
                logarithm = logarithm + weight * _logarithm(each)
        return softmax(logarithm, axis=0)


def consensus(
    target: np.ndarray, said: Sequence[np.ndarray], weight: np.ndarray, classify: bool
) -> Average | Pool:
    """The combination of the least squared error, or Brier score, on labelled rows.

    Parameters
    ----------
    target : ndarray of shape (n_outputs, n_samples)
        Values, or labels one-hot.
    said : sequence of ndarray of shape (n_outputs, n_samples)
        By each teacher. The first may be silent (NaN) on some rows, which then do not count; if on
        all, or if it is never wrong, nobody else is heard.
    weight : ndarray of shape (n_samples,)
    classify : bool

    Returns
    -------
    Average or Pool
    """
    known = np.flatnonzero(np.isfinite(said[0]).all(axis=0) & (weight > 0))
    if len(known) == 0 or not (said[0][:, known] != target[:, known]).any():
        return Average(np.eye(len(said))[0])
    if not classify:
        errors = [np.sqrt(weight[known]) * (each - target)[:, known] for each in said]
        gram = np.array([[np.vdot(one, other) for other in errors] for one in errors])
        return Average(least_squares_weights(gram))
    if len(known) > _MOST_ROWS:
        known = known[np.linspace(0, len(known) - 1, _MOST_ROWS).round().astype(int)]
    return _pool(target[:, known], [each[:, known] for each in said], weight[known])


def _pool(target: np.ndarray, said: Sequence[np.ndarray], weight: np.ndarray) -> Pool:
    n_classes, n_samples = target.shape
    weight = weight / weight.sum()
    frequency = (n_samples * (target @ weight) + 1) / (n_samples + n_classes)
    prior = np.broadcast_to(np.log(frequency)[:, None], target.shape)
    voices = np.stack([*map(_logarithm, said), prior])  # (n_voices, n_classes, n_samples)

    def brier_and_slope(powers: np.ndarray) -> tuple[float, np.ndarray]:
        together = softmax(np.tensordot(powers, voices, 1), axis=0)
        error = together - target
        slope = 2 * weight * together * (error - (together * error).sum(axis=0))
        return float(weight @ (error**2).sum(axis=0)), np.tensordot(voices, slope, 2)

    begin = np.append(np.full(len(said), 1.0 / len(said)), 0.0)
    bounds = [(0.0, _MOST_POWER)] * len(begin)
    powers = minimize(brier_and_slope, begin, jac=True, bounds=bounds, method="L-BFGS-B").x
    return Pool(powers[:-1], powers[-1] * np.log(frequency))


def _logarithm(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probabilities, _FLOOR))
