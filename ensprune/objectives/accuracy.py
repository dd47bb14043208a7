"""Accuracy and balanced accuracy, with ties broken by the squared error."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from ..combiner import Combiner
from ..link import Logistic
from ..storage import columns_of, release
from .base import register_objective
from .running import LinearObjective
from .squared import SquaredError

# Samples that a member can turn are gathered anew once they are fewer than this share of those
# gathered last; those that a few moves can turn come along.
_WORTH_GATHERING = 0.25
_MOVES_AHEAD = 1.5

# Above this share of all samples it is not worth it.
_WORTH_COPYING = 0.7


class Accuracy(LinearObjective):
    """Share of samples whose first largest raw score is the true class.

    Accuracy takes few values, so candidates tie by the dozen. Ties are broken by the squared
    error of the averaged outputs, never in favour of a member for being in already.

    Parameters
    ----------
    balanced : bool, default=False
        Weight samples so that every class present counts the same (mean recall).
    """

    def __init__(self, balanced: bool = False):
        self.balanced = balanced

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
        super().start(outputs, y, combiner, sample_weight, mask=mask, rows=rows, n_jobs=n_jobs)
        # The squared error of a sum is no proxy: dropping stages shifts it.
        self._ties: SquaredError | None = None
        if combiner.kind != "sum":
            self._ties = SquaredError()
            self._ties.start(outputs, y, combiner, sample_weight)

    def _sample_weights(self, sample_weight: np.ndarray | None) -> np.ndarray:
        weights = super()._sample_weights(sample_weight)
        if not self.balanced:
            return weights
        per_class = np.bincount(self._targets, weights, minlength=len(self.combiner.classes))
        return weights / (per_class[self._targets] * (per_class > 0).sum())

    def _reduce(
        self, outputs: np.ndarray, offset: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        self._closed = getattr(self.combiner.link, "closed", False)
        self._lowest, self._highest = _extremes(outputs)
        self._forget()
        return outputs, offset

    def _forget(self) -> None:
        self._open = np.arange(self.n_samples)
        self._open_outputs: np.ndarray | None = None  # (n_members, n_outputs, n_open)
        self._base = 0.0  # weight of the samples that are right and not open

    def _contributions(self, raw: np.ndarray, block: slice) -> np.ndarray:
        labels = self._targets[block]
        if isinstance(self.combiner.link, Logistic):
            return self._positive(raw[0]) == labels
        true = raw.ravel().take(labels * raw.shape[1] + np.arange(raw.shape[1]))
        wrong = np.zeros(raw.shape[1], dtype=bool)
        for position, row in enumerate(raw):
            wrong |= row > true
            # Classes before the true one win a tie against it, as argmax has it.
            wrong |= (row == true) & (position < labels)
        return ~wrong

    def _positive(self, margin: np.ndarray) -> np.ndarray:
        return margin >= 0 if self._closed else margin > 0

    def _prepare(self, drop: bool) -> None:
        """Find the samples that one member more (or less) can turn at all.

        With a margin beyond what any member can add or take, a sample stays right, or wrong,
        whatever the candidate: only the others are open and are looked at for every candidate.
        """
        if self._shift is not None or not (self._member_weights > 0).all():
            return
        right, wrong = self._decided(drop)
        undecided = ~(right | wrong)
        kept = np.zeros(self.n_samples, dtype=bool)
        kept[self._open] = True
        few = undecided.sum() < _WORTH_GATHERING * len(self._open)
        if few or not kept[undecided].all():
            self._gather(undecided, drop)
        if self._open_outputs is not None:
            right[self._open] = False
            self._base = float(self._weights @ right)

    def _gather(self, undecided: np.ndarray, drop: bool) -> None:
        """Take the outputs of the samples that are open now, or may be a few moves from now."""
        right, wrong = self._decided(drop, _MOVES_AHEAD)
        some = np.flatnonzero(undecided | ~(right | wrong))
        if len(some) > _WORTH_COPYING * self.n_samples:
            self._forget()
            return
        # By label, so that the true class is one row of a whole stretch of samples.
        self._open = some[np.argsort(self._targets[some], kind="stable")]
        self._open_outputs = columns_of(self._outputs, self._open)

    def _decided(self, drop: bool, moves: float = 1) -> tuple[np.ndarray, np.ndarray]:
        """Which samples are right, and which wrong, after any such moves; (n_samples,) bool."""
        total, labels = self._total, self._targets
        low = np.minimum(self._lowest, 0.0) * (moves * self._member_weights.max())
        high = np.maximum(self._highest, 0.0) * (moves * self._member_weights.max())
        if drop:
            low, high = -high, -low
        # Rounding of the sums must not decide.
        slack = 1e-6 * (1.0 + np.abs(total).max(axis=0) + np.maximum(high, -low).max(axis=0))
        if isinstance(self.combiner.link, Logistic):
            positive = labels == 1
            least = np.where(positive, total[0] + low[0], -(total[0] + high[0]))
            most = np.where(positive, total[0] + high[0], -(total[0] + low[0]))
        else:
            at = labels, np.arange(self.n_samples)
            rivals = total - total[at]
            rivals[at] = -np.inf
            least = low[at] - (rivals + high).max(axis=0)
            most = high[at] - (rivals + low).max(axis=0)
        return least > slack, most < -slack

    def _means(self, members: np.ndarray, sign: float) -> np.ndarray:
        if self._open_outputs is None:
            return super()._means(members, sign)
        means = np.full(len(members), self._base)
        total = self._total[:, self._open]
        some = max(1, self._block_bytes // (8 * max(1, total.size)))
        for first in range(0, len(members), some):
            batch = members[first : first + some]
            factors = sign * self._member_weights[batch][:, None, None]
            raw = self._open_outputs[batch].astype(np.float64)  # (n_batch, n_outputs, n_open)
            if not (factors == 1.0).all():
                raw *= factors
            raw += total
            if self.combiner.averages:
                raw /= self._norm + factors
            means[first : first + some] += self._open_right(raw)
            release(self._open_outputs)
        return means

    def _open_right(self, raw: np.ndarray) -> np.ndarray:
        """Weight of the open samples that each of ``raw`` has right, shape (n_batch,)."""
        labels, weights = self._targets[self._open], self._weights[self._open]
        sums = np.zeros(len(raw))
        for label in range(len(self.combiner.classes)):
            here = slice(*np.searchsorted(labels, [label, label + 1]))
            if here.start == here.stop:
                continue
            if isinstance(self.combiner.link, Logistic):
                wrong = self._positive(raw[:, 0, here]) != label
            else:
                true = raw[:, label, here]
                wrong = np.zeros(true.shape, dtype=bool)
                for rival in range(raw.shape[1]):
                    if rival != label:
                        wins = np.greater_equal if rival < label else np.greater
                        wrong |= wins(raw[:, rival, here], true)
            sums += weights[here].sum() - wrong @ weights[here]
        return sums

    def add(self, member: int) -> None:
        super().add(member)
        if self._ties is not None:
            self._ties.add(member)

    def drop(self, member: int) -> None:
        super().drop(member)
        if self._ties is not None:
            self._ties.drop(member)

    def tiebreaks(self, drop: bool = False) -> np.ndarray | None:
        return None if self._ties is None else self._ties.candidates(drop)


def _extremes(outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest output of any member, both (n_outputs, n_samples)."""
    lowest, highest = outputs[0].copy(), outputs[0].copy()
    for output in outputs[1:]:
        np.minimum(lowest, output, out=lowest)
        np.maximum(highest, output, out=highest)
        release(outputs)
    return lowest, highest


def _classifies(combiner: Combiner) -> bool:
    return combiner.linear and combiner.classes is not None


register_objective(accuracy_score, Accuracy, _classifies)
register_objective(balanced_accuracy_score, lambda: Accuracy(balanced=True), _classifies)
