"""What tells candidates apart whose labels score the same: the squared error of the averaged outputs."""

from __future__ import annotations

import numpy as np

from .base import Given, normalised_weights
from .residuals import Residuals
from .running import LinearObjective
from .targets import squared_target


class OfLabels(LinearObjective):
    """A metric of predicted labels takes few values, so candidates tie by the dozen.

    Ties are broken by the squared error of the averaged outputs, never in favour of a member for
    being in already. Of the outputs only those of the tied are read for it.
    """

    def _begin(self, given: Given) -> None:
        super()._begin(given)
        self._code: np.ndarray | None = None
        if not self._breaks_ties(given):
            return
        self._code = squared_target(given.y, given.combiner)
        offset = self.combiner.offset_on(self.n_samples)
        if offset is not None:
            self._code = self._code - offset
        self._shares = normalised_weights(given.sample_weight, self.n_samples)
        self._residuals = Residuals(given.outputs, self._code, self._shares, given.n_jobs)

    def _breaks_ties(self, given: Given) -> bool:
        # The squared error of a sum is no proxy: dropping stages shifts it.
        return given.combiner.kind != "sum"

    def tiebreaks(self, drop: bool = False) -> np.ndarray | None:
        return self.tiebreaks_of(np.arange(self.n_members), drop)

    def tiebreaks_of(self, members: np.ndarray, drop: bool = False) -> np.ndarray | None:
        if self._code is None:
            return None
        factor = (-1.0 if drop else 1.0) * self._member_weights[members]
        norm = self._norm + factor
        # The weighted sum of the residuals of those that are in.
        residual = self._total - self._norm * self._code
        square = float(((residual**2) @ self._shares).sum())
        squares, products = self._residuals.against(members, residual)
        loss = square + factor * (2 * products + factor * squares)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(norm > 0, -loss / norm**2, -np.inf)
