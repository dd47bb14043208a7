"""Every sub-ensemble of few members looked at, where programs over samples relax too far to prove."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import comb

import numpy as np

from .rows import starts_of

# Comparisons per second, and seconds for a partial set, with a margin.
_COMPARISONS_PER_SECOND = 4e8
_NODE_SECONDS = 3e-5
# Sums in single precision are off by less than this, relative to the largest margin.
_ROUNDING = 2e-6
# Estimates are for sets that are all looked at, but most are left out: up to so many times the time
# that there is, it is tried. After a share of the time whoever would take longer by some gives up.
HOPE = 64.0
_GLANCE = 0.05
_DELAY = 1.5
# Sums of the last members, all in memory.
_MOST_SUMS = 1e8
# Comparisons in one block: what stays in cache.
_BLOCK = 1 << 20


class RightSets:
    """The right samples of every set of ``size`` members, by depth-first search.

    A partial set is left once the samples that its best completion could get right, each sample
    with the completion that suits it, are no more than are known to be reached. The last two
    members are looked at as all their pairs at once.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_members)
        Margins; a sample is right where all its rows reach their threshold.
    threshold : ndarray of shape (n_rows,)
    owner : ndarray of shape (n_rows,)
        The sample of each row, sorted.
    weight : ndarray of shape (n_samples,)
    size : int
        At least 1.
    allow : callable
        ``allow(mask, right)`` says whether a set may be taken, given which samples it gets right:
        arrays of shape (n_members,) and (n_samples,), dtype bool.
    """

    def __init__(
        self,
        values: np.ndarray,
        threshold: np.ndarray,
        owner: np.ndarray,
        weight: np.ndarray,
        size: int,
        allow: Callable[[np.ndarray, np.ndarray], bool],
    ):
        starts = starts_of(owner)
        lengths = np.diff(np.r_[starts, len(owner)])
        self._samples, self._n_samples = owner[starts], len(weight)
        # The first rows of all samples, then the second ones: what is missing holds always.
        n_open, self._depth = len(starts), int(lengths.max(initial=1))
        place = (np.arange(len(owner)) - np.repeat(starts, lengths)) * n_open
        place += np.repeat(np.arange(n_open), lengths)
        self._values = np.zeros((self._depth * n_open, values.shape[1]))
        self._threshold = np.full(len(self._values), -np.inf)
        self._values[place], self._threshold[place] = values, threshold
        values, threshold = self._values, self._threshold
        self._weight = weight[self._samples]
        # Counting is faster than weighing.
        self._unit = float(self._weight[0]) if n_open and np.ptp(self._weight) == 0 else None
        self._size, self._allow = size, allow
        # Strong members first: what is left to complete a set with then is weak.
        self._order = np.argsort(-self._worth((values >= threshold[:, None]).T), kind="stable")
        slack = _ROUNDING * max(float(np.abs(values).max(initial=0.0)), 1e-30)
        self._right = (threshold - slack).astype(np.float32)
        self._rows = np.ascontiguousarray(values[:, self._order].T, dtype=np.float32)

    @staticmethod
    def seconds(n_members: int, size: int, n_rows: int) -> float:
        """About how long all sets take at worst."""
        last = min(size, 2)
        if n_members**last * n_rows > _MOST_SUMS:
            return float("inf")
        sets = _n_sets(n_members, size) * max(n_rows, 1) / _COMPARISONS_PER_SECOND
        return sets + _n_sets(n_members, size - last) * _NODE_SECONDS

    def _right_samples(self, passed: np.ndarray) -> np.ndarray:
        """Which samples are right, given which rows pass, shape (n_sets, n_rows)."""
        if self._depth == 1:
            return passed
        return np.logical_and.reduce(passed.reshape(len(passed), self._depth, -1), axis=1)

    def _worth(self, passed: np.ndarray) -> np.ndarray:
        """Weight of the right samples."""
        right = self._right_samples(passed)
        if self._unit is None:
            return right @ self._weight
        ones = np.ones(right.shape[1], dtype=np.float32)
        return (right.astype(np.float32) @ ones).astype(np.float64) * self._unit

    def best(
        self, reached: float, deadline: float, first: bool = False
    ) -> tuple[float, np.ndarray | None]:
        """The best set above what is reached.

        Parameters
        ----------
        reached : float
            Weight of right samples that is known to be reached.
        deadline : float
            ``time.perf_counter()`` at which to give up.
        first : bool, default=False
            Whether to stop at the first set above.

        Returns
        -------
        bound : float
            No set gets more right than this, or than ``reached``; infinite if time was short.
        best : ndarray of shape (n_members,), dtype bool, or None
            A set that gets more right.
        """
        n, size = self._rows.shape[0], self._size
        self._begun, self._deadline, self._late = time.perf_counter(), deadline, False
        self._covered, self._total = 0.0, _n_sets(n, size)
        self._reached, self._doubtful, self._first_one = reached, -np.inf, first
        self._found: np.ndarray | None = None
        last = min(size, 2)
        # The last one or two members, as sums of rows, by the first of them.
        self._ends, self._first = self._rows, np.arange(n)
        self._second: np.ndarray | None = None
        if last == 2:
            self._first, self._second = np.triu_indices(n, 1)
            self._ends = self._rows[self._first] + self._rows[self._second]
        # By what is still to be added: the best of each row among members from t on.
        self._ahead = self._completions(size)
        self._search([], 0, np.zeros(self._rows.shape[1], dtype=np.float32), size - last)
        if self._late:
            return np.inf, self._found
        return max(self._reached, self._doubtful), self._found

    def _completions(self, size: int) -> list[np.ndarray]:
        """For every number of members, the largest sum of each row from a member on."""
        n, n_rows = self._rows.shape
        results = [np.zeros((n + 1, n_rows), dtype=np.float32)]
        for count in range(1, size + 1):
            best = np.full((n + 1, n_rows), -np.inf, dtype=np.float32)
            for t in range(n - count, -1, -1):
                # Rows are added in another order than in a set: the slack covers that.
                best[t] = np.maximum(best[t + 1], self._rows[t] + results[-1][t + 1])
            results.append(best)
        return results

    def _search(self, chosen: list[int], start: int, total: np.ndarray, ahead: int) -> None:
        n, last = len(self._rows), min(self._size, 2)
        if ahead == 0:
            self._finish(chosen, start, total)
            self._covered += _n_sets(n - start, last)
            return
        more = ahead - 1 + last  # still to be added after this one
        children = np.arange(start, n - more)
        if not len(children):
            return
        totals = total + self._rows[children]
        hopes = self._worth(totals + self._ahead[more][children + 1] >= self._right)
        for t, hope, below in zip(children.tolist(), hopes.tolist(), totals):
            if hope <= self._reached + 1e-12:
                self._covered += _n_sets(n - t - 1, more)
                continue
            self._late = self._late or self._hopeless()
            if self._late:
                return
            self._search([*chosen, t], t + 1, below, ahead - 1)

    def _hopeless(self) -> bool:
        """Whether the time is over, or will be long before the end at the pace so far."""
        now = time.perf_counter()
        gone, given = now - self._begun, self._deadline - self._begun
        if now > self._deadline:
            return True
        return gone > _GLANCE * given and gone * self._total > _DELAY * given * self._covered

    def _finish(self, chosen: list[int], start: int, total: np.ndarray) -> None:
        needed = self._right - total
        begin = int(np.searchsorted(self._first, start))
        step = max(1, _BLOCK // max(len(needed), 1))
        for at in range(begin, len(self._ends), step):
            if self._late:
                return
            worth = self._worth(self._ends[at : at + step] >= needed)
            for position in np.flatnonzero(worth > self._reached + 1e-12):
                if worth[position] > self._reached + 1e-12:
                    self._try(chosen, at + int(position), float(worth[position]))

    def _try(self, chosen: list[int], end: int, hope: float) -> None:
        members = [*chosen, int(self._first[end])]
        if self._second is not None:
            members.append(int(self._second[end]))
        mask = np.zeros(len(self._order), dtype=bool)
        mask[self._order[members]] = True
        passed = self._right_samples((self._values[:, mask].sum(axis=1) >= self._threshold)[None])[
            0
        ]
        true = float(passed @ self._weight)
        right = np.zeros(self._n_samples, dtype=bool)
        right[self._samples] = passed
        if true < hope - 1e-12:
            # Right by rounding only: not reached, but not ruled out either.
            self._doubtful = max(self._doubtful, hope)
        if true > self._reached + 1e-12 and self._allow(mask, right):
            self._reached, self._found = true, mask
            self._late = self._late or self._first_one


def _n_sets(n_members: int, size: int) -> float:
    """How many sets of a size there are; infinity past the range of float64."""
    try:
        return float(comb(n_members, size))
    except OverflowError:
        return float("inf")
