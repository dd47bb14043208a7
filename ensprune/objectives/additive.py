"""Objectives that add up what is chosen."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from .base import Objective


class AdditiveObjective(Objective):
    """Keeps a running sum of the chosen members.

    Subclasses begin the sum (:meth:`_restart`) and add to it (:meth:`_accumulate`).
    """

    @abstractmethod
    def _restart(self) -> None:
        """The running sum with no member in it."""

    @abstractmethod
    def _accumulate(self, member: int) -> None:
        """Add a member to the running sum."""

    def add(self, member: int) -> None:
        self.selected.append(int(member))
        self._accumulate(member)

    def drop(self, member: int) -> None:
        # Added up anew, since taking away leaves rounding behind that unties samples.
        self.selected.remove(int(member))
        self._restart()
        for kept in self.selected:
            self._accumulate(kept)

    def clear(self) -> None:
        self.selected = []
        self._restart()

    def _movable(self, drop: bool) -> np.ndarray:
        """Members that may come in; with ``drop``, that may go: not the last one."""
        if not drop:
            return np.arange(self.n_members)
        return np.unique(self.selected) if len(self.selected) > 1 else np.array([], dtype=int)
