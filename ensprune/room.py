"""How a limit of memory is divided between what judging members needs; arrays live elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

# Without a limit, members are read in blocks of rows whose exact outputs need this many bytes.
_READING = 1 << 28

# The least that is left for such a block and for blocks of samples under a limit.
_LEAST_BLOCK = 1 << 22

# How often the outputs may be there at once: as they were read, in the form that an objective needs,
# and a part of that for the samples still open.
_COPIES = 2.5

# Columns of float64 that objectives hold per output, and besides, for every sample.
_PER_OUTPUT, _BESIDES = 8, 12


@dataclass(frozen=True)
class Room:
    """What fits into the memory that judging members may take.

    Parameters
    ----------
    n_members, n_outputs, n_samples : int
        Shape of the members' outputs.
    itemsize : int
        Bytes of one output.
    mask_bytes : int
        What the out-of-bag mask takes.
    limit : int or None
        Bytes; None is no limit.

    Raises
    ------
    ValueError
        If the limit is less than what is needed with the outputs on disk.
    """

    n_members: int
    n_outputs: int
    n_samples: int
    itemsize: int
    mask_bytes: int
    limit: int | None

    def __post_init__(self) -> None:
        needed = self._held + 4 * self._block(_LEAST_BLOCK)
        if self.limit is not None and self.limit < needed:
            raise ValueError(
                f"memory_limit={self.limit:,} bytes is too small: {self.n_members:,} members with "
                f"{self.n_outputs} outputs each on {self.n_samples:,} rows need {needed:,} bytes, "
                "even with the outputs on disk; give at least that, or fewer validation rows"
            )

    @property
    def _held(self) -> int:
        """Bytes that stay in memory throughout: columns, Gram matrices, the mask."""
        columns = 8 * self.n_samples * (_PER_OUTPUT * self.n_outputs + _BESIDES)
        # Out of bag each half of the samples has its own, see objectives/out_of_bag.py.
        matrices = 9 if self.mask_bytes else 3
        return columns + matrices * 8 * self.n_members**2 + self.mask_bytes

    def _block(self, least: int) -> int:
        """At least ``least`` bytes, and room for all members on a single row."""
        return max(least, 8 * self.n_members * self.n_outputs)

    @property
    def on_disk(self) -> bool:
        """Whether the outputs, and what an objective makes of them, need a file."""
        if self.limit is None:
            return False
        outputs = self.n_members * self.n_outputs * self.n_samples * self.itemsize
        return self._held + _COPIES * outputs + 4 * self._block(_LEAST_BLOCK) > self.limit

    @property
    def reading(self) -> int:
        """Bytes for a block of rows of exact outputs."""
        if self.limit is None:
            return _READING
        # An adapter may need twice as much again while it reads, and what is written stays
        # resident until it is let go of.
        return max(self._block(_LEAST_BLOCK), min(_READING, (self.limit - self._held) // 6))

    @property
    def replays(self) -> int:
        """How many sub-ensembles' answers fit at once."""
        answers = 8 * self.n_samples * (2 * self.n_outputs + 2)
        free = _READING if self.limit is None else (self.limit - self._held) // 2
        return max(1, min(free // max(1, answers), 1000))
