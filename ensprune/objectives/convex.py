"""Convex losses of raw scores with their derivatives, for whoever fits weights or leaf values.

Scoring candidates is next door; these are what an optimiser descends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, log_expit, logsumexp, softmax

from ..link import Exp, Logistic, LogisticValue, Softmax
from ..storage import blocks_of

# Bytes of the raw scores that are looked at together: what comes of them on the way is a few times that.
_BLOCK_BYTES = 1 << 19


@dataclass(frozen=True)
class ConvexLoss:
    """A convex loss of raw scores: squared error, or a negative log-likelihood through the link.

    Parameters
    ----------
    link : Link
    target : ndarray of shape (n_outputs, n_samples)
        Values, or one-hot labels (one row of 0 and 1 under the logistic link).
    weight : ndarray of shape (n_samples,)
    """

    link: Any
    target: np.ndarray
    weight: np.ndarray

    def value(self, raw: np.ndarray) -> float:
        return float(self.weight @ self.per_sample(raw))

    def per_sample(self, raw: np.ndarray) -> np.ndarray:
        """The loss of each sample, not weighted, shape (n_samples,)."""
        loss = np.empty(raw.shape[1])
        for block in self._blocks():
            loss[block] = self._per_sample(raw[:, block], self.target[:, block])
        return loss

    def _blocks(self) -> list[slice]:
        return blocks_of(self.target.shape[1], 8 * len(self.target), _BLOCK_BYTES)

    def _per_sample(self, raw: np.ndarray, y: np.ndarray) -> np.ndarray:
        link = self.link
        if isinstance(link, Logistic | LogisticValue):
            margin = getattr(link, "scale", 1.0) * raw
            loss = -(y * log_expit(margin) + (1 - y) * log_expit(-margin))[0]
        elif isinstance(link, Softmax):
            loss = logsumexp(raw, axis=0) - (y * raw).sum(axis=0)
        elif isinstance(link, Exp):
            loss = (np.exp(raw) - y * raw)[0]
        else:
            loss = 0.5 * ((raw - y) ** 2).sum(axis=0)
        return loss

    def value_and_gradient(self, raw: np.ndarray) -> tuple[float, np.ndarray]:
        """:meth:`value` and the weighted gradient, in one pass: exponentials are what costs."""
        value, gradient = 0.0, np.empty(raw.shape)
        for block in self._blocks():
            loss, first = self._with_gradient(raw[:, block], self.target[:, block])
            value += float(self.weight[block] @ loss)
            np.multiply(self.weight[block], first, out=gradient[:, block])
        return value, gradient

    def _with_gradient(self, raw: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not isinstance(self.link, Softmax):
            return self._per_sample(raw, y), self._derivatives(raw, y)[0]
        highest = raw.max(axis=0)
        odds = np.exp(raw - highest)
        total = odds.sum(axis=0)
        loss = np.log(total) + highest - np.einsum("ij,ij->j", y, raw)
        odds /= total
        odds -= y
        return loss, odds

    def derivatives(self, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weighted gradient and diagonal curvature in the raw scores, (n_outputs, n_samples)."""
        gradient, curvature = np.empty(raw.shape), np.empty(raw.shape)
        for block in self._blocks():
            first, second = self._derivatives(raw[:, block], self.target[:, block])
            np.multiply(self.weight[block], first, out=gradient[:, block])
            np.multiply(self.weight[block], second, out=curvature[:, block])
        return gradient, curvature

    def _derivatives(self, raw: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        link = self.link
        if isinstance(link, Logistic | LogisticValue):
            scale = getattr(link, "scale", 1.0)
            p = expit(scale * raw)
            gradient, curvature = scale * (p - y), scale**2 * p * (1 - p)
        elif isinstance(link, Softmax):
            p = softmax(raw, axis=0)
            gradient, curvature = p - y, p * (1 - p)
        elif isinstance(link, Exp):
            mean = np.exp(raw)
            gradient, curvature = mean - y, mean
        else:
            gradient, curvature = raw - y, np.ones_like(raw)
        return gradient, curvature
