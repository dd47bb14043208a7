"""What tells candidates apart whose labels score the same: the squared error of the averaged outputs."""

from __future__ import annotations

import numpy as np

from .base import Given
from .running import LinearObjective
from .squared import SquaredError


class OfLabels(LinearObjective):
    """A metric of predicted labels takes few values, so candidates tie by the dozen.

    Ties are broken by the squared error of the averaged outputs, never in favour of a member for
    being in already.
    """

    def _begin(self, given: Given) -> None:
        super()._begin(given)
        # The squared error of a sum is no proxy: dropping stages shifts it.
        self._ties: SquaredError | None = None
        if given.combiner.kind != "sum":
            self._ties = SquaredError()
            self._ties.n_wanted = self.n_wanted
            self._ties._begin(given)

    def add(self, member: int) -> None:
        super().add(member)
        if self._ties is not None:
            self._ties.add(member)

    def drop(self, member: int) -> None:
        super().drop(member)
        if self._ties is not None:
            self._ties.drop(member)

    def clear(self) -> None:
        super().clear()
        if self._ties is not None:
            self._ties.clear()

    def tiebreaks(self, drop: bool = False) -> np.ndarray | None:
        return None if self._ties is None else self._ties.candidates(drop)
