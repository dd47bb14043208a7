"""Members of several groups under one numbering."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..combiner import Indices


@dataclass(frozen=True)
class Roster:
    """Which group each member is in, and its position there.

    Parameters
    ----------
    group, local : ndarray of shape (n_members,), dtype int
    """

    group: np.ndarray
    local: np.ndarray

    @classmethod
    def of(cls, sizes: Sequence[int]) -> Roster:
        """Groups of so many members, one after the other."""
        return cls(
            np.repeat(np.arange(len(sizes)), sizes),
            np.concatenate([np.arange(size) for size in sizes]),
        )

    @property
    def n_members(self) -> int:
        return len(self.group)

    def split(self, indices: Indices) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Per group that keeps any: its number, where its members stand, and which they are.

        Parameters
        ----------
        indices : array-like of int
            The members that are kept.
        """
        kept = np.asarray(indices, dtype=np.intp)
        for group in np.unique(self.group[kept]):
            at = np.flatnonzero(self.group[kept] == group)
            yield int(group), at, self.local[kept[at]]
