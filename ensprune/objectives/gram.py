"""Inner products of the members' residuals: the whole Gram matrix, or rows of it when asked for.

A forward search needs the rows of the members that it chose and the diagonal, a small part of the
matrix. Each request reads all outputs once, so rows that are likely to be asked for next come along.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from joblib import cpu_count, effective_n_jobs

from ..storage import blocks_of, is_on_disk, release
from ..threads import blas_threads, one_blas_thread
from .out_of_bag import residual_dtype

# Bytes of one block of residuals: in cache; of a file, in longer pieces. Residuals and the products
# inside a block are in the precision of the outputs; over blocks they are accumulated in float64.
_BLOCK_BYTES = 1 << 21
_FILE_BLOCK_BYTES = 1 << 23
_LONGEST_BLOCK = 1 << 13

# What looking at a piece of a file brings into memory at least, its neighbours included.
_MAPPED_AT_ONCE = 1 << 16

# So few members that the whole matrix costs little more than reading them: computed at once.
_FEW = 64

# Rows of a request: at least about as many as cost what reading costs, and at first most of those
# that a search for so many members looks at: twice as many, but no more than this.
_FIRST_ROWS = 128
_NEXT_ROWS = 32

# Above this share of the rows the rest is computed at one go, half of which is known by symmetry.
_WORTH_ALL = 0.4


class Gram:
    """A Gram matrix that is known.

    Parameters
    ----------
    matrix : ndarray of shape (n_members, n_members)
        Symmetric.
    """

    def __init__(self, matrix: np.ndarray):
        self._hold(matrix)

    def _hold(self, matrix: np.ndarray) -> None:
        self._held = matrix  # rows, in the order they came
        self._place = np.arange(len(matrix))  # of each member's row; -1 is none
        self._diagonal = np.diag(matrix).copy()

    @property
    def diagonal(self) -> np.ndarray:
        """Mean squared residual of each member, shape (n_members,)."""
        return self._diagonal

    @property
    def company(self) -> np.ndarray:
        """Inner products with the mean residual of all, shape (n_members,); a guide, not exact."""
        return self._held.mean(axis=0)[self._place]

    def rows(
        self, members: np.ndarray, losses: Callable[[], np.ndarray] | None = None
    ) -> np.ndarray:
        """Some rows of the matrix.

        Parameters
        ----------
        members : ndarray of int
        losses : callable, default=None
            Returns numbers, shape (n_members,): the smaller, the likelier a row is to be asked for
            next. Only called where outputs have to be read.

        Returns
        -------
        ndarray of shape (len(members), n_members), dtype float64
        """
        return self._held[self._place[members]]

    def whole(self) -> np.ndarray:
        """All of it, shape (n_members, n_members), dtype float64."""
        return self._held


class ResidualGram(Gram):
    """The Gram matrix of residuals ``G_ij = sum_n w_n <e_in, e_jn>`` with ``e_in = o_in - target_n``.

    The mean squared error of the average of a set S is ``sum_{i,j in S} G_ij / |S|^2``.

    Parameters
    ----------
    outputs : ndarray of shape (n_members, n_outputs, n_samples)
        Read at every request, not copied; those of a few members are read at once, and then no more.
    target : ndarray of shape (n_outputs, n_samples)
    sample_weight : ndarray of shape (n_samples,)
        Sums to one.
    n_jobs : int, default=None
        Threads over blocks of samples, at least as many as BLAS has.
    n_wanted : int, default=None
        How many members are going to be chosen, if that is known.
    """

    def __init__(
        self,
        outputs: np.ndarray,
        target: np.ndarray,
        sample_weight: np.ndarray,
        n_jobs: int | None = None,
        n_wanted: int | None = None,
    ):
        self._outputs = outputs
        self._n_jobs = n_jobs
        self._dtype = residual_dtype(outputs, target)
        # The target in two parts, so that nothing of it is lost in the precision of the outputs.
        self._near = target.astype(self._dtype)
        rest = (target - self._near).astype(self._dtype)
        self._rest = rest if rest.any() else None
        self._alike = float(sample_weight[0]) if np.ptp(sample_weight) == 0 else None
        self._weight = sample_weight
        self._first_rows = _FIRST_ROWS
        if n_wanted is not None:
            self._first_rows = min(max(2 * n_wanted + _NEXT_ROWS // 2, _NEXT_ROWS), _FIRST_ROWS)
        n_members = len(outputs)
        self._place = np.full(n_members, -1)
        self._held = np.empty((0, n_members))
        self._surveyed = False
        if n_members <= _FEW:
            self.whole()

    @property
    def diagonal(self) -> np.ndarray:
        self._survey()
        return self._diagonal

    @property
    def company(self) -> np.ndarray:
        self._survey()
        return self._company

    def rows(
        self, members: np.ndarray, losses: Callable[[], np.ndarray] | None = None
    ) -> np.ndarray:
        missing = np.unique(members[self._place[members] < 0])
        if len(missing):
            self._fetch(missing, losses)
        return super().rows(members)

    def whole(self) -> np.ndarray:
        known, missing = np.flatnonzero(self._place >= 0), np.flatnonzero(self._place < 0)
        if len(missing):
            matrix = np.empty((len(self._place),) * 2)
            matrix[known] = self._held[self._place[known]]
            matrix[:, known] = matrix[known].T
            matrix[np.ix_(missing, missing)] = self._sum(lambda *at: self._square(missing, *at))
            if self._surveyed:
                np.fill_diagonal(matrix, self._diagonal)
            self._surveyed = True
            self._hold(matrix)
            self._company = super().company
        return self._held

    def _survey(self) -> None:
        """The diagonal, and how each member goes with the average of all."""
        if self._surveyed:
            return
        self._diagonal, self._company = self._sum(self._squares)
        self._surveyed = True

    def _fetch(self, missing: np.ndarray, losses: Callable[[], np.ndarray] | None) -> None:
        """Compute rows that are asked for, and those that are likely to be."""
        n_members = len(self._place)
        held = len(self._held)
        count = max(len(missing), _NEXT_ROWS if held else min(self._first_rows, n_members // 4))
        if held + count > _WORTH_ALL * n_members:
            self.whole()
            return
        self._survey()
        batch = missing
        if losses is not None:
            wanted = losses()
            wanted[self._place >= 0] = np.inf
            wanted[missing] = -np.inf
            batch = np.argpartition(wanted, count - 1)[:count]
        batch = np.sort(batch)
        rows = self._sum(lambda *at: self._across(batch, *at))
        # One number per pair, whichever row it is read from.
        known = np.flatnonzero(self._place >= 0)
        rows[:, known] = self._held[self._place[known]][:, batch].T
        upper = np.triu(rows[:, batch], 1)
        rows[:, batch] = upper + upper.T + np.diag(self._diagonal[batch])
        self._place[batch] = held + np.arange(len(batch))
        self._held = np.concatenate([self._held, rows])

    def _sum(self, products: Callable[[np.ndarray, slice], np.ndarray]) -> np.ndarray:
        """Over blocks of samples, ``products(residuals, block)`` in float64."""
        blocks = self._blocks()
        # A thread per block in the place of BLAS's own: the sums do not depend on how many there are.
        jobs = max(effective_n_jobs(self._n_jobs), blas_threads())
        jobs = min(jobs, cpu_count(), len(blocks))

        def of(block: slice) -> np.ndarray:
            return products(self._residuals(block), block)

        with one_blas_thread():
            if jobs == 1:
                return self._added(map(of, blocks))
            with ThreadPoolExecutor(jobs) as pool:
                try:
                    return self._added(pool.map(of, blocks))
                except BaseException:
                    # Ctrl-C does not wait for blocks that have not begun.
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise

    def _added(self, parts: Iterator[np.ndarray]) -> np.ndarray:
        """The sum of parts in float64, times the samples' weight where that is the same."""
        total = next(parts).astype(np.float64)
        for part in parts:
            total += part
        return total if self._alike is None else total * self._alike

    def _blocks(self) -> list[slice]:
        """Blocks of samples, all about as long."""
        n_members, n_outputs, n_samples = self._outputs.shape
        budget = _FILE_BLOCK_BYTES if is_on_disk(self._outputs) else _BLOCK_BYTES
        longest = budget // (n_members * n_outputs * self._dtype.itemsize)
        longest = max(1, min(longest, _LONGEST_BLOCK // n_outputs))
        count = -(-n_samples // longest)
        return blocks_of(n_samples, 1, -(-n_samples // count))

    def _residuals(self, block: slice) -> np.ndarray:
        """Residuals of a block of samples, shape (n_members, n_outputs * n_block)."""
        n_members, n_outputs, _ = self._outputs.shape
        near = self._near[:, block]
        residual = np.empty((n_members, *near.shape), dtype=self._dtype)
        some = [slice(None)]
        if is_on_disk(self._outputs):
            mapped = max(self._outputs.itemsize * near.shape[1], _MAPPED_AT_ONCE)
            some = blocks_of(n_members, n_outputs * mapped, _FILE_BLOCK_BYTES)
        for members in some:
            np.subtract(self._outputs[members, :, block], near, out=residual[members])
            release(self._outputs)
        if self._rest is not None:
            residual -= self._rest[:, block]
        return residual.reshape(len(residual), -1)

    def _weighed(self, residual: np.ndarray, block: slice, power: float = 1.0) -> np.ndarray:
        """Residuals times the weights of their samples, where these differ."""
        if self._alike is not None:
            return residual
        weight = self._weight[block] ** power
        n_outputs = self._outputs.shape[1]
        return residual * np.tile(weight, n_outputs).astype(self._dtype)

    def _square(self, members: np.ndarray, residual: np.ndarray, block: slice) -> np.ndarray:
        """Products of all pairs of some members."""
        some = residual if len(members) == len(residual) else residual[members]
        flat = self._weighed(some, block, 0.5)
        return flat @ flat.T

    def _across(self, members: np.ndarray, residual: np.ndarray, block: slice) -> np.ndarray:
        """Products of some members with all."""
        return self._weighed(residual[members], block) @ residual.T

    def _squares(self, residual: np.ndarray, block: slice) -> np.ndarray:
        """Products of each member with itself, and with the mean of all; (2, n_members)."""
        weighed = self._weighed(residual, block)
        mean = np.full(len(residual), 1.0 / len(residual), dtype=self._dtype) @ weighed
        return np.stack([np.einsum("ti,ti->t", weighed, residual), residual @ mean])
