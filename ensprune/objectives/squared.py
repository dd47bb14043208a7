"""Squared error: mean squared error, its root, R2, and the Brier score of averaged probabilities.

The loss of any sub-ensemble is a quadratic form in its weights, so the data are read once, by one
matrix product; after that a step of any search costs O(n_members) whatever the number of samples.
Out of bag the Gram matrix is that of ``out_of_bag.py``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from sklearn.metrics import (
    brier_score_loss,
    mean_squared_error,
    r2_score,
    root_mean_squared_error,
)

from ..combiner import Combiner
from ..link import Identity, Logistic, Probability, Softmax, Votes
from ..storage import blocks_of, release
from .base import (
    Objective,
    class_positions,
    normalised_weights,
    register_objective,
)
from .out_of_bag import AUTO, out_of_bag_gram, residual_dtype
from .running import LinearObjective

# Bytes of one block of residuals. Residuals and the products inside a block are in the precision
# of the outputs; over blocks they are accumulated in float64.
_BLOCK_BYTES = 1 << 23


def residual_gram(outputs: np.ndarray, target: np.ndarray, sample_weight: np.ndarray) -> np.ndarray:
    """Gram matrix of the members' residuals.

    Parameters
    ----------
    outputs : ndarray of shape (n_members, n_outputs, n_samples)
    target : ndarray of shape (n_outputs, n_samples)
    sample_weight : ndarray of shape (n_samples,)
        Sums to one.

    Returns
    -------
    ndarray of shape (n_members, n_members), dtype float64
        ``G_ij = sum_n w_n <e_in, e_jn>`` with ``e_in = o_in - target_n``: the mean squared error of
        the average of a set S is ``sum_{i,j in S} G_ij / |S|^2``.
    """
    n_members, n_outputs, n_samples = outputs.shape
    dtype = residual_dtype(outputs, target)
    gram = np.zeros((n_members, n_members))
    # The target in two parts, so that nothing of it is lost in the precision of the outputs.
    near = target.astype(dtype)
    rest = (target - near).astype(dtype)
    root = np.sqrt(sample_weight).astype(dtype)
    for block in blocks_of(n_samples, n_members * n_outputs * dtype.itemsize, _BLOCK_BYTES):
        residual = np.subtract(outputs[:, :, block], near[:, block], dtype=dtype)
        if rest[:, block].any():
            residual -= rest[:, block]
        residual *= root[block]
        flat = residual.reshape(n_members, -1)
        gram += flat @ flat.T
        release(outputs)
    return gram


def squared_target(y: Any, combiner: Combiner) -> np.ndarray:
    """What averaged outputs should be: values, one-hot labels or SAMME codes.

    Returns
    -------
    ndarray of shape (n_outputs, n_samples), dtype float64
    """
    if combiner.classes is None:
        return np.asarray(y, dtype=np.float64)[None]
    labels = class_positions(y, combiner.classes)
    hot = (labels == np.arange(len(combiner.classes))[:, None]).astype(np.float64)
    if isinstance(combiner.link, Logistic):
        return 2.0 * (2.0 * hot[1:] - 1.0)
    if isinstance(combiner.link, Softmax):
        return np.where(hot == 1, 1.0, -1.0 / (len(combiner.classes) - 1))
    return hot


def _score_of_loss(loss: Any, kind: str, variance: float) -> Any:
    """The score scikit-learn reports for a mean squared error, a number or an array."""
    loss = np.maximum(loss, 0.0)
    if kind == "rmse":
        return -np.sqrt(loss)
    if kind == "r2":
        # scikit-learn's convention for a constant target.
        return 1.0 - loss / variance if variance > 0 else np.where(loss > 0, 0.0, 1.0)
    return -loss


class SquaredError(Objective):
    """Mean squared error of an average, as a quadratic form over the Gram matrix.

    Exact for averages whose raw score is the prediction: regression with the identity link
    (mean squared error), class probabilities (Brier score). For votes it is the squared distance
    to the code of the true label, a proxy that breaks ties; for out-of-bag selection (``mask``)
    it is the proxy for every metric.

    Parameters
    ----------
    kind : {"mse", "rmse", "r2", "brier"}, default="mse"
        ``"brier"`` halves the error over two classes, as scikit-learn does.
    shrinkage : float in [0, 1] or "auto", default="auto"
        Only with a mask, see :func:`~ensprune.objectives.out_of_bag.out_of_bag_gram`.
    """

    def __init__(self, kind: str = "mse", shrinkage: float | str = AUTO):
        self.kind = kind
        self.shrinkage = shrinkage

    def start(
        self,
        outputs: np.ndarray,
        y: np.ndarray,
        combiner: Combiner,
        sample_weight: np.ndarray | None = None,
        *,
        mask: np.ndarray | None = None,
        rows: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        linear: Any = combiner
        self.n_members = len(outputs)
        weight = normalised_weights(sample_weight, outputs.shape[2])
        target = squared_target(y, combiner)
        self._scale = 1.0
        if self.kind == "brier" and len(target) == 2:
            self._scale = 0.5
        if self.kind == "r2":
            mean = weight @ target[0]
            self._variance = float(weight @ (target[0] - mean) ** 2)
        if linear.offset is not None:
            target = target - LinearObjective._offset(combiner, outputs.shape[1:])
        if mask is None:
            self.gram = residual_gram(outputs, target, weight)
        else:
            self.gram = out_of_bag_gram(outputs, target, weight, mask, self.shrinkage, _BLOCK_BYTES)
        self._member_weights = linear.member_weights
        self._reset()

    def _reset(self) -> None:
        self.selected: list[int] = []
        self._times = np.zeros(self.n_members, dtype=np.intp)  # in selected
        self._pull = np.zeros(self.n_members)  # gram @ current weights
        self._quadratic = 0.0
        self._norm = 0.0

    def _finish(self, loss: Any) -> Any:
        return _score_of_loss(loss * self._scale, self.kind, getattr(self, "_variance", 0.0))

    def candidates(self, drop: bool = False) -> np.ndarray:
        sign = -1.0 if drop else 1.0
        factor = sign * self._member_weights
        norm = self._norm + factor
        loss = self._quadratic + 2 * factor * self._pull + factor**2 * np.diag(self.gram)
        if drop:
            scores = np.full(self.n_members, -np.inf)
            if len(self.selected) > 1:
                chosen = np.flatnonzero((self._times > 0) & (norm > 0))
                scores[chosen] = self._finish(loss[chosen] / norm[chosen] ** 2)
            return scores
        with np.errstate(invalid="ignore", divide="ignore"):
            scores = self._finish(loss / norm**2)
        return np.where(norm > 0, scores, -np.inf)

    def swaps(self, position: int | None = None) -> np.ndarray:
        if position is not None:
            return self._swaps(self.selected[position : position + 1])[0]
        return self._swaps(self.selected)

    def _swaps(self, selected: list[int]) -> np.ndarray:
        chosen = np.array(selected, dtype=np.intp)
        out = self._member_weights[chosen][:, None]
        new = self._member_weights[None, :]
        diagonal = np.diag(self.gram)
        without = self._quadratic - 2 * out * self._pull[chosen][:, None]
        without = without + out**2 * diagonal[chosen][:, None]
        pull = self._pull[None, :] - out * self.gram[chosen]
        loss = without + 2 * new * pull + new**2 * diagonal[None, :]
        norm = self._norm - out + new
        with np.errstate(invalid="ignore", divide="ignore"):
            scores = self._finish(loss / norm**2)
        return np.where(norm > 0, scores, -np.inf)

    def _move(self, member: int, sign: float) -> None:
        factor = sign * self._member_weights[member]
        self._quadratic += 2 * factor * self._pull[member] + factor**2 * self.gram[member, member]
        self._pull += factor * self.gram[member]
        self._norm += factor

    def add(self, member: int) -> None:
        self._move(member, 1.0)
        self._times[member] += 1
        self.selected.append(int(member))

    def drop(self, member: int) -> None:
        self.selected.remove(int(member))
        self._times[member] -= 1
        self._move(member, -1.0)

    def clear(self) -> None:
        self._reset()

    def score(self) -> float:
        if not self.selected or self._norm <= 0:
            return float("nan")
        return float(self._finish(self._quadratic / self._norm**2))


class SquaredErrorThroughLink(LinearObjective):
    """The same metrics where a link stands between raw score and prediction."""

    def __init__(self, kind: str = "mse"):
        self.kind = kind

    def start(self, outputs: np.ndarray, y: np.ndarray, combiner: Combiner, *args: Any, **kw: Any):
        super().start(outputs, y, combiner, *args, **kw)
        if combiner.classes is not None:
            self._hot = self._targets == np.arange(len(combiner.classes))[:, None]
        elif self.kind == "r2":
            mean = self._weights @ self._targets
            self._variance = float(self._weights @ (self._targets - mean) ** 2)

    def _contributions(self, raw: np.ndarray, block: slice) -> np.ndarray:
        if self.combiner.classes is None:
            return (self.combiner.link.values(raw) - self._targets[block]) ** 2
        squares = ((self.combiner.link.proba(raw) - self._hot[:, block]) ** 2).sum(axis=0)
        return 0.5 * squares if len(self._hot) == 2 else squares

    def _finish(self, mean: Any) -> Any:
        return _score_of_loss(mean, self.kind, getattr(self, "_variance", 0.0))


def _averages_numbers(combiner: Combiner) -> bool:
    return combiner.linear and combiner.kind == "mean" and isinstance(combiner.link, Identity)


def _averages_probabilities(combiner: Combiner) -> bool:
    return combiner.linear and combiner.kind == "mean" and isinstance(combiner.link, Probability)


def _regresses(combiner: Combiner) -> bool:
    return combiner.linear and combiner.classes is None


def _has_proba(combiner: Combiner) -> bool:
    return combiner.linear and not isinstance(combiner.link, Votes) and combiner.has_proba


# Of several forms of a metric the first that applies is taken.
for _metric, _kind in (
    (mean_squared_error, "mse"),
    (root_mean_squared_error, "rmse"),
    (r2_score, "r2"),
):
    register_objective(_metric, partial(SquaredError, _kind), _averages_numbers)
    register_objective(_metric, partial(SquaredErrorThroughLink, _kind), _regresses)
register_objective(brier_score_loss, partial(SquaredError, "brier"), _averages_probabilities)
register_objective(brier_score_loss, partial(SquaredErrorThroughLink, "brier"), _has_proba)
