"""Squared error: mean squared error, its root, R2, and the Brier score of averaged probabilities.

The loss of any sub-ensemble is a quadratic form in its weights, so the data are read a few times, by
matrix products; a step of any search costs O(n_members) whatever the number of samples. Where these
products come from is for ``gram.py`` and, out of bag, ``out_of_bag.py``.
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

from ..codes import one_hot
from ..combiner import Combiner, affine
from ..link import Identity, Probability, Votes
from .base import Given, Objective, normalised_weights, variance_of
from .gram import Gram, ResidualGram
from .out_of_bag import AUTO, out_of_bag_gram
from .registry import register_objective, regresses
from .running import LinearObjective
from .targets import squared_target

# Members in the sets that the first rows of a Gram matrix are asked for with: their loss depends more
# on how they go together than on each.
_TYPICAL_SIZE = 32

# Far above that of a sum of products, far below any gain that counts.
_ROUNDING = 1e-13


def residual_gram(outputs: np.ndarray, target: np.ndarray, sample_weight: np.ndarray) -> np.ndarray:
    """Gram matrix of the members' residuals, see :class:`~ensprune.objectives.gram.ResidualGram`.

    Parameters
    ----------
    outputs : ndarray of shape (n_members, n_outputs, n_samples)
    target : ndarray of shape (n_outputs, n_samples)
    sample_weight : ndarray of shape (n_samples,)
        Sums to one.

    Returns
    -------
    ndarray of shape (n_members, n_members), dtype float64
    """
    return ResidualGram(outputs, target, sample_weight).whole()


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

    def _begin(self, given: Given) -> None:
        outputs, combiner, mask = given.outputs, affine(given.combiner), given.mask
        self.n_members = len(outputs)
        weight = normalised_weights(given.sample_weight, outputs.shape[2])
        target = squared_target(given.y, combiner)
        self._scale = 1.0
        if self.kind == "brier" and len(target) == 2:
            self._scale = 0.5
        if self.kind == "r2":
            self._variance = variance_of(target[0], weight)
        offset = combiner.offset_on(outputs.shape[2])
        if offset is not None:
            target = target - offset
        if mask is None:
            self._products: Gram = ResidualGram(
                outputs, target, weight, given.n_jobs, self.n_wanted
            )
        else:
            self._products = Gram(out_of_bag_gram(outputs, target, weight, mask, self.shrinkage))
        self._weigh(combiner.member_weights)
        self._reset()

    @property
    def gram(self) -> np.ndarray:
        """Inner products of the members' residuals, shape (n_members, n_members)."""
        return self._products.whole()

    def _weigh(self, member_weights: np.ndarray) -> None:
        self._member_weights = member_weights
        alike = bool((member_weights == member_weights[0]).all())
        self._alike = float(member_weights[0]) if alike else None

    def _reset(self) -> None:
        self.selected: list[int] = []
        self._times = np.zeros(self.n_members, dtype=np.intp)  # in selected
        # How often members came or went since somebody asked for a score: not yet in those below.
        self._moves: dict[int, int] = {}
        self._pull = np.zeros(self.n_members)  # gram @ current weights
        self._quadratic = 0.0
        self._norm = 0.0

    def _settle(self) -> None:
        """Bring the quadratic form up to date with the members that are in."""
        if not self._moves:
            return
        moves = {member: count for member, count in self._moves.items() if count}
        self._products.fetch(moves, self._prospects)
        for member, count in moves.items():
            row = self._products.row(member)
            factor = float(count * self._member_weights[member])
            self._quadratic += factor * float(2 * self._pull[member] + factor * row[member])
            self._pull += row if factor == 1.0 else factor * row
            self._norm += factor
        self._moves = {}

    def _prospects(self) -> np.ndarray:
        """The loss with each member added to the set that the search is likely to end at.

        That is the members that are in and, of those whose rows are known, the ones that go best
        with them, up to as many as are wanted; where nothing is known yet, the average of all.
        """
        weights, diagonal = self._member_weights, self._products.diagonal
        if not self._norm > 0:
            company = self._products.company
            quadratic = _TYPICAL_SIZE**2 * float(company.mean())
            pull, norm = _TYPICAL_SIZE * company, _TYPICAL_SIZE * float(weights.mean())
            return self._losses_with(quadratic, pull, norm)
        quadratic, pull, norm = self._quadratic, self._pull.copy(), self._norm
        free = self._products.known & (self._times == 0)
        for _ in range((self.n_wanted or 0) - len(self.selected)):
            loss = np.where(free, self._losses_with(quadratic, pull, norm), np.inf)
            best = int(loss.argmin())
            if not free[best]:
                break
            weight = weights[best]
            quadratic += float(weight * (2 * pull[best] + weight * diagonal[best]))
            pull += weight * self._products.row(best)
            norm += float(weight)
            free[best] = False
        return self._losses_with(quadratic, pull, norm)

    def _losses_with(self, quadratic: float, pull: np.ndarray, norm: float) -> np.ndarray:
        """The loss with each member added to a set, whichever it is; no scores, but in their order."""
        weights = self._member_weights
        loss = quadratic + weights * (2 * pull + weights * self._products.diagonal)
        return loss / np.maximum(norm + weights, 1e-300) ** 2

    def _finish(self, loss: Any) -> Any:
        return _score_of_loss(loss * self._scale, self.kind, getattr(self, "_variance", 0.0))

    def _loss_of(self, score: float) -> float:
        """What :meth:`_finish` makes that score of, or rounding more."""
        if self.kind == "r2":
            return (1.0 + _ROUNDING - score) * self._variance if self._variance > 0 else np.inf
        return score**2 if self.kind == "rmse" else -score / self._scale

    def _scores(self, loss: np.ndarray, norm: Any) -> np.ndarray:
        """Scores of quadratic forms over the square of total weights, ``-inf`` where there is none."""
        if isinstance(norm, float) and norm > 0:
            return self._finish(loss / norm**2)
        with np.errstate(invalid="ignore", divide="ignore"):
            scores = self._finish(loss / norm**2)
        return np.where(norm > 0, scores, -np.inf)

    def candidates(self, drop: bool = False) -> np.ndarray:
        self._settle()
        sign = -1.0 if drop else 1.0
        factor = sign * (self._member_weights if self._alike is None else self._alike)
        loss = self._quadratic + factor * (2 * self._pull + factor * self._products.diagonal)
        if not drop:
            return self._scores(loss, self._norm + factor)
        scores = np.full(self.n_members, -np.inf)
        if len(self.selected) > 1:
            chosen = self._times > 0
            scores[chosen] = self._scores(loss, self._norm + factor)[chosen]
        return scores

    def better_swaps(
        self, entering: np.ndarray, enough: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        weight = self._alike
        if weight is None or not weight > 0:
            return super().better_swaps(entering, enough)
        self._settle()
        chosen = np.array(self.selected, dtype=np.intp)
        pull, own = 2 * self._pull, weight * self._products.diagonal
        comes_in = np.where(entering, own + pull, np.inf)
        goes_out = (own - pull)[chosen]
        # At best who comes is as like who goes as any member is, which leaves few pairs to look at.
        # Rounding may let some more through, but none that is better is lost.
        limit = self._loss_of(enough) * self._norm**2 - (1 - _ROUNDING) * self._quadratic
        limit /= weight
        at_best = goes_out - 2 * weight * self._products.largest(chosen)
        leaves = (at_best + comes_in.min() < limit).nonzero()[0]
        comes = (comes_in + at_best.min() < limit).nonzero()[0]
        change = goes_out[leaves, None] + comes_in[comes]
        change -= 2 * weight * self._products.products(chosen[leaves], comes)
        row, column = (change < limit).nonzero()
        if len(row) == 0:
            return row, column, np.empty(0)
        scores = self._scores(self._quadratic + weight * change[row, column], self._norm)
        better = scores > enough
        return leaves[row[better]], comes[column[better]], scores[better]

    def swaps(self, position: int | slice | None = None) -> np.ndarray:
        self._settle()
        chosen = np.array(self.selected, dtype=np.intp)
        if position is None or isinstance(position, slice):
            return self._swaps(chosen if position is None else chosen[position])
        return self._swaps(chosen[[position]])[0]

    def _swaps(self, chosen: np.ndarray) -> np.ndarray:
        """Scores (n_chosen, n_members) of replacing each of some chosen members."""
        out = self._member_weights[chosen][:, None]
        new: Any = self._member_weights if self._alike is None else self._alike
        pull, diagonal = self._pull, self._products.diagonal
        without = out * (out * diagonal[chosen][:, None] - 2 * pull[chosen][:, None])
        # One large array, changed in place: (n_chosen, n_members).
        loss = self._products.rows(chosen)
        loss *= -2 * out * new
        loss += new * (2 * pull + new * diagonal)
        loss += self._quadratic + without
        norm = self._norm if self._alike is not None else self._norm - out + new
        return self._scores(loss, norm)

    def add(self, member: int) -> None:
        self._move(member, 1)
        self.selected.append(int(member))

    def drop(self, member: int) -> None:
        self.selected.remove(int(member))
        self._move(member, -1)

    def _move(self, member: int, count: int) -> None:
        member = int(member)
        self._times[member] += count
        self._moves[member] = self._moves.get(member, 0) + count

    def clear(self) -> None:
        self._reset()

    def score(self) -> float:
        self._settle()
        if not self.selected or self._norm <= 0:
            return float("nan")
        return float(self._finish(self._quadratic / self._norm**2))


class SquaredErrorThroughLink(LinearObjective):
    """The same metrics where a link stands between raw score and prediction.

    Parameters
    ----------
    kind : {"mse", "rmse", "r2", "brier"}, default="mse"
        As in :class:`SquaredError`.
    """

    def __init__(self, kind: str = "mse"):
        self.kind = kind

    def _begin(self, given: Given) -> None:
        super()._begin(given)
        if given.combiner.classes is not None:
            self._hot = one_hot(self._targets, len(given.combiner.classes))
        elif self.kind == "r2":
            self._variance = variance_of(self._targets, self._weights)

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


def _has_proba(combiner: Combiner) -> bool:
    return combiner.linear and not isinstance(combiner.link, Votes) and combiner.has_proba


# Of several forms of a metric the first that applies is taken.
for _metric, _kind in (
    (mean_squared_error, "mse"),
    (root_mean_squared_error, "rmse"),
    (r2_score, "r2"),
):
    register_objective(_metric, partial(SquaredError, _kind), _averages_numbers)
    register_objective(_metric, partial(SquaredErrorThroughLink, _kind), regresses)
register_objective(brier_score_loss, partial(SquaredError, "brier"), _averages_probabilities)
register_objective(brier_score_loss, partial(SquaredErrorThroughLink, "brier"), _has_proba)
