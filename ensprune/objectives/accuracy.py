"""Accuracy and balanced accuracy, with ties broken by the squared error."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from ..link import Logistic
from .margins import Margins
from .registry import classifies, register_objective
from .ties import OfLabels


class Accuracy(OfLabels):
    """Share of samples whose first largest raw score is the true class.

    Parameters
    ----------
    balanced : bool, default=False
        Weight samples so that every class present counts the same (mean recall).

    Notes
    -----
    Single-precision outputs are compared as margins (:class:`~ensprune.objectives.margins.Margins`).
    Those in double precision are added up member after member as the ensemble does it, so that
    samples tie where they tie there.
    """

    def __init__(self, balanced: bool = False):
        self.balanced = balanced

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
        self._margins: Margins | None = None
        if outputs.dtype == np.float32:
            self._margins = Margins(outputs, self._targets, self.combiner, offset, self._weights)
        return outputs, offset

    def _restart(self) -> None:
        super()._restart()
        if self._margins is not None:
            self._margins.restart()

    def _accumulate(self, member: int) -> None:
        super()._accumulate(member)
        if self._margins is not None:
            self._margins.add(member)

    def _prepare(self, drop: bool) -> None:
        if self._margins is not None:
            self._margins.look_ahead(drop)

    def _means(self, members: np.ndarray, sign: float) -> np.ndarray:
        if self._margins is None:
            return super()._means(members, sign)
        return self._margins.right_after(members, sign < 0).sum(axis=1)

    def _current(self) -> float:
        return super()._current() if self._margins is None else float(self._margins.right().sum())

    def _contributions(self, raw: np.ndarray, block: slice) -> np.ndarray:
        labels = self._targets[block]
        if isinstance(self.combiner.link, Logistic):
            positive = raw[0] >= 0 if self._closed else raw[0] > 0
            return positive == labels
        true = raw.ravel().take(labels * raw.shape[1] + np.arange(raw.shape[1]))
        wrong = np.zeros(raw.shape[1], dtype=bool)
        for position, row in enumerate(raw):
            wrong |= row > true
            # Classes before the true one win a tie against it, as argmax has it.
            wrong |= (row == true) & (position < labels)
        return ~wrong


register_objective(accuracy_score, Accuracy, classifies)
register_objective(balanced_accuracy_score, lambda: Accuracy(balanced=True), classifies)
