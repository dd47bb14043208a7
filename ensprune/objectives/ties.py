"""What tells candidates apart whose labels score the same: the squared error of the averaged outputs."""

from __future__ import annotations

import numpy as np

from .base import Given, normalised_weights
from .residuals import Residuals
from .running import LinearObjective
from .squared import SquaredError
from .targets import squared_target

# Once so many times all members have been read for ties, products of pairs cost less than that.
_WORTH_PAIRS = 4


class OfLabels(LinearObjective):
    """A metric of predicted labels takes few values, so candidates tie by the dozen.

    Ties are broken by the squared error of the averaged outputs, never in favour of a member for
    being in already. Of the outputs only those of the tied are read for it, unless there are many
    again and again, as there are where all are right.
    """

    def _begin(self, given: Given) -> None:
        super()._begin(given)
        self._code: np.ndarray | None = None
        self._pairs: SquaredError | None = None
        if not self._breaks_ties(given):
            return
        self._code = squared_target(given.y, given.combiner)
        offset = self.combiner.offset_on(self.n_samples)
        if offset is not None:
            self._code = self._code - offset
        self._shares = normalised_weights(given.sample_weight, self.n_samples)
        self._residuals = Residuals(given.outputs, self._code, self._shares, given.n_jobs)
        self._given, self._read = given, 0

    def _breaks_ties(self, given: Given) -> bool:
        # The squared error of a sum is no proxy: dropping stages shifts it.
        return given.combiner.kind != "sum"

    def tiebreaks(self, drop: bool = False) -> np.ndarray | None:
        return self.tiebreaks_of(np.arange(self.n_members), drop)

    def tiebreaks_of(self, members: np.ndarray, drop: bool = False) -> np.ndarray | None:
        if self._code is None:
            return None
        self._read += len(members)
        if self._pairs is None and self._read > _WORTH_PAIRS * self.n_members:
            self._pairs = self._of_pairs()
        if self._pairs is not None:
            return self._pairs.candidates(drop)[members]
        factor = (-1.0 if drop else 1.0) * self._member_weights[members]
        norm = self._norm + factor
        # The weighted sum of the residuals of those that are in.
        residual = self._total - self._norm * self._code
        square = float(((residual**2) @ self._shares).sum())
        squares, products = self._residuals.against(members, residual)
        loss = square + factor * (2 * products + factor * squares)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(norm > 0, -loss / norm**2, -np.inf)

    def _of_pairs(self) -> SquaredError:
        """The squared error as products of pairs of members, of which each is computed once."""
        pairs = SquaredError()
        pairs.n_wanted = self.n_wanted
        given = self._given
        pairs.start(
            given.outputs, given.y, given.combiner, given.sample_weight, n_jobs=given.n_jobs
        )
        for member in self.selected:
            pairs.add(member)
        return pairs

    def add(self, member: int) -> None:
        super().add(member)
        if self._pairs is not None:
            self._pairs.add(member)

    def drop(self, member: int) -> None:
        super().drop(member)
        if self._pairs is not None:
            self._pairs.drop(member)

    def clear(self) -> None:
        super().clear()
        if self._pairs is not None:
            self._pairs.clear()
