"""Products of the members' residuals, summed over blocks of samples in threads.

Which of them are worth asking for is for ``gram.py``.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np
from joblib import effective_n_jobs

from ..storage import blocks_of, is_on_disk, release, rows_at_once
from ..threads import blas_threads, cores, one_blas_thread
from .out_of_bag import residual_dtype

# Bytes of one block of residuals: in the cache that cores share, in rows long enough to be worth a
# call. Residuals and the products inside a block are in the precision of the outputs; over blocks
# they are accumulated in float64.
_BLOCK_BYTES = 10 << 20
_LONGEST_BLOCK = 1 << 13

# Of residuals that are looked at several times, each by itself: about what a core's own cache holds.
_PART_BYTES = 1 << 21

# Fewer residuals are multiplied before a thread has started.
_WORTH_A_THREAD = 1 << 21

# Where the target's mean square is no more than this many times any member's, products with outputs
# less those with the target are as good as products with residuals but for half a digit.
_MODEST = 6.0

_EVERYONE = slice(None)


class Residuals:
    """Residuals ``e_in = o_in - target_n`` of members: outputs are read at every call, not copied.

    Parameters
    ----------
    outputs : ndarray of shape (n_members, n_outputs, n_samples)
    target : ndarray of shape (n_outputs, n_samples)
    sample_weight : ndarray of shape (n_samples,)
        Sums to one.
    n_jobs : int, default=None
        Threads over blocks of samples, at least as many as BLAS has.
    """

    def __init__(
        self,
        outputs: np.ndarray,
        target: np.ndarray,
        sample_weight: np.ndarray,
        n_jobs: int | None = None,
    ):
        self._outputs = outputs
        # A thread per block in the place of BLAS's own: the sums do not depend on how many there are.
        self._jobs = min(max(effective_n_jobs(n_jobs), blas_threads()), cores())
        self._dtype = residual_dtype(outputs, target)
        # The target in two parts, so that nothing of it is lost in the precision of the outputs.
        self._near = target.astype(self._dtype)
        rest = (target - self._near).astype(self._dtype)
        self._rest = rest if rest.any() else None
        self._alike = float(sample_weight[0]) if np.ptp(sample_weight) == 0 else None
        self._weight = sample_weight
        self._target_square = float(((target**2) @ sample_weight).sum())
        self._rooms: list[_Room] = []
        # Threads wait for the next sum, and end with this object: starting them anew takes as long
        # as a tenth of a search.
        self._pool: ThreadPoolExecutor | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_pool": None, "_rooms": []}

    def survey(self) -> np.ndarray:
        """Weighted products of each member with itself, and with the mean of all; (2, n_members)."""
        n_members = len(self._outputs)
        share = np.full(n_members, 1.0 / n_members, self._dtype)
        read_once = is_on_disk(self._outputs)

        def products(block: slice, room: _Room) -> np.ndarray:
            near = self._near[:, block]
            rest = None if self._rest is None else self._rest[:, block].ravel()
            parts = [_EVERYONE]
            if not read_once:
                outputs = self._outputs[:, :, block]
                means = [share @ outputs[:, output] for output in range(len(near))]
                mean = (np.stack(means) - near).ravel()
                parts = blocks_of(n_members, near.nbytes, _PART_BYTES)
            found = np.empty((2, n_members), self._dtype)
            for some in parts:
                residual = self._of(some, block, room, whole=False)
                weighed = self._weighed(residual, block)
                if read_once:
                    mean = share @ residual
                found[:, some] = _row_by_row(weighed, residual), weighed @ mean
                if rest is not None:
                    # Taking it off all residuals would take as long as the target's first part.
                    found[0, some] -= weighed @ (2 * rest)
            if rest is not None:
                found[0] += rest @ self._weighed(rest, block)
            return found

        return self._sum(products)

    def against(self, members: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Weighted products of some members with themselves, and with others' (n_outputs, n_samples).

        Returns
        -------
        ndarray of shape (2, len(members)), dtype float64
        """

        def products(block: slice, room: _Room) -> np.ndarray:
            residual = self._of(members, block, room)
            weighed = self._weighed(residual, block)
            there = other[:, block].astype(self._dtype).ravel()
            return np.stack([_row_by_row(weighed, residual), weighed @ there])

        return self._sum(products, len(members))

    def square(self, members: np.ndarray) -> np.ndarray:
        """Weighted products of all pairs of some members, ascending; (n_some, n_some)."""
        some = _EVERYONE if len(members) == len(self._outputs) else members

        def products(block: slice, room: _Room) -> np.ndarray:
            residual = self._weighed(self._of(some, block, room), block, 0.5)
            return residual @ residual.T

        return self._sum(products, len(members))

    def across(self, members: np.ndarray, least: float = 0.0) -> np.ndarray:
        """Weighted products of some members with all.

        Parameters
        ----------
        members : ndarray of int
        least : float, default=0.0
            The smallest product of a member with itself, as far as is known.

        Returns
        -------
        ndarray of shape (len(members), n_members), dtype float64
        """
        direct = self._outputs.dtype == self._dtype and not is_on_disk(self._outputs)
        direct = direct and self._target_square <= _MODEST * least

        def products(block: slice, room: _Room) -> np.ndarray:
            if not direct:
                residual = self._of(_EVERYONE, block, room)
                return self._weighed(residual[members], block) @ residual.T
            # The outputs themselves go to BLAS, and what their target makes of it is taken off.
            some = self._weighed(self._of(members, block, room), block)
            total = -(some @ self._near[:, block].ravel())[:, None]
            if self._rest is not None:
                total -= (some @ self._rest[:, block].ravel())[:, None]
            parts = np.split(some, self._outputs.shape[1], axis=1)
            for output, part in enumerate(parts):
                total = total + part @ self._outputs[:, output, block].T
            return total

        return self._sum(products)

    def _sum(
        self, products: Callable[[slice, _Room], np.ndarray], n_some: int | None = None
    ) -> np.ndarray:
        """Over blocks of samples, ``products(block, room)`` in float64; of all members if not told."""
        n_members, n_outputs, n_samples = self._outputs.shape
        n_some = n_members if n_some is None else n_some
        blocks = self._blocks(n_some)
        much = n_some * n_outputs * n_samples >= 2 * _WORTH_A_THREAD
        jobs = min(self._jobs, len(blocks)) if much else 1
        self._rooms += [_Room(self._dtype) for _ in range(jobs - len(self._rooms))]

        def of(block: slice) -> np.ndarray:
            room = self._rooms.pop()
            try:
                return products(block, room)
            finally:
                self._rooms.append(room)

        with one_blas_thread():
            if jobs == 1:
                return self._added(map(of, blocks))
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._jobs - 1)
            try:
                return self._added(_side_by_side(of, blocks, self._pool, jobs))
            except BaseException:
                # Ctrl-C does not wait for blocks that have not begun.
                pool, self._pool = self._pool, None
                pool.shutdown(cancel_futures=True)
                raise

    def _added(self, parts: Iterator[np.ndarray]) -> np.ndarray:
        """The sum of parts in float64, times the samples' weight where that is the same."""
        total = next(parts).astype(np.float64)
        for part in parts:
            total += part
        return total if self._alike is None else total * self._alike

    def _blocks(self, n_some: int) -> list[slice]:
        """Blocks of samples for so many members, all about as long."""
        _, n_outputs, n_samples = self._outputs.shape
        longest = _BLOCK_BYTES // (n_some * n_outputs * self._dtype.itemsize)
        longest = max(1, min(longest, _LONGEST_BLOCK // n_outputs))
        count = -(-n_samples // longest)
        count += count % 2  # so that two threads are done at the same time
        return blocks_of(n_samples, 1, -(-n_samples // count))

    def _of(
        self, members: np.ndarray | slice, block: slice, room: _Room, whole: bool = True
    ) -> np.ndarray:
        """Residuals of some members, shape (n_some, n_outputs * n_block), written to ``room``.

        Of the target's first part alone, if not of the whole target.
        """
        near = self._near[:, block]
        outputs = self._outputs[members] if isinstance(members, slice) else self._outputs
        n_some = len(outputs) if isinstance(members, slice) else len(members)
        residual = room.array((n_some, *near.shape))
        parts = [_EVERYONE]
        if is_on_disk(outputs):
            parts = rows_at_once(outputs[:n_some, :, block], apart=not isinstance(members, slice))
        for part in parts:
            some = part if isinstance(members, slice) else members[part]
            np.subtract(outputs[some, :, block], near, out=residual[part])
            release(outputs)
        if whole and self._rest is not None:
            residual -= self._rest[:, block]
        return residual.reshape(n_some, -1)

    def _weighed(self, residual: np.ndarray, block: slice, power: float = 1.0) -> np.ndarray:
        """Residuals times the weights of their samples, where these differ."""
        if self._alike is not None:
            return residual
        weight = self._weight[block] ** power
        n_outputs = self._outputs.shape[1]
        return residual * np.tile(weight, n_outputs).astype(self._dtype)


class _Room:
    """Where a thread writes residuals, again and again: new memory would cost as much once more.

    Parameters
    ----------
    dtype : dtype
    """

    def __init__(self, dtype: np.dtype[Any]):
        self._memory = np.empty(0, dtype)

    def array(self, shape: tuple[int, ...]) -> np.ndarray:
        """An array of that shape; what the last one held is lost."""
        size = math.prod(shape)
        if len(self._memory) < size:
            self._memory = np.empty(size, self._memory.dtype)
        return self._memory[:size].reshape(shape)


def _side_by_side(
    of: Callable[[slice], np.ndarray], blocks: list[slice], pool: ThreadPoolExecutor, jobs: int
) -> Iterator[np.ndarray]:
    """What ``of`` makes of blocks, in their order: every so manieth here, the others in a pool."""
    elsewhere = iter([block for i, block in enumerate(blocks) if i % jobs])
    # Few are begun before the last ones are asked for, so that few results are in memory.
    begun = deque(pool.submit(of, block) for block in islice(elsewhere, 2 * (jobs - 1)))
    for i, block in enumerate(blocks):
        if i % jobs == 0:
            yield of(block)
            continue
        yield begun.popleft().result()
        begun.extend(pool.submit(of, block) for block in islice(elsewhere, 1))


def _row_by_row(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Products of rows with the same rows of another, by BLAS, which is fast at long ones."""
    return np.matmul(first[:, None, :], second[:, :, None]).ravel()
