"""Inner products of the members' residuals: the whole Gram matrix, or rows of it when asked for.

A forward search needs the rows of the members that it chose and the diagonal, a small part of the
matrix. Each request reads all outputs once, so rows that are likely to be asked for next come along.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from .residuals import Residuals

# So few members that the whole matrix costs little more than reading them: computed at once.
_FEW = 64

# Rows of the first request: a search looks at few members that it does not choose, so one for each
# that is wanted, and some more.
_ROWS_PER_WANTED = 1.0
_SPARE_ROWS = 8

# Of those after it: about as many as cost what reading costs, or a share of the rows that are here.
_NEXT_ROWS = 16
_MORE_ROWS = 0.25

# Above this share of the rows the rest is computed at one go, half of which is known by symmetry.
_WORTH_ALL = 0.35


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
        self._owners = np.arange(len(matrix))  # whose rows these are
        self._place = np.arange(len(matrix))  # of each member's row; -1 is none
        self._diagonal = np.diag(matrix).copy()
        self._largest = np.empty(0)

    @property
    def known(self) -> np.ndarray:
        """Whose rows are here, shape (n_members,), dtype bool."""
        return self._place >= 0

    @property
    def diagonal(self) -> np.ndarray:
        """Mean squared residual of each member, shape (n_members,)."""
        return self._diagonal

    @property
    def company(self) -> np.ndarray:
        """Inner products with the mean residual of all, shape (n_members,); a guide, not exact."""
        return self._held.mean(axis=0)[self._place]

    def fetch(self, members: Iterable[int], losses: Callable[[], np.ndarray] | None = None) -> None:
        """See to it that some rows are here.

        Parameters
        ----------
        members : iterable of int
        losses : callable, default=None
            Returns numbers, shape (n_members,): the smaller, the likelier a row is to be asked for
            next. Only called where outputs have to be read.
        """

    def rows(self, members: np.ndarray) -> np.ndarray:
        """Some rows of the matrix, shape (len(members), n_members), dtype float64."""
        self.fetch(members)
        return self._held[self._place[members]]

    def row(self, member: int) -> np.ndarray:
        """A row that is here, shape (n_members,), dtype float64; not to be changed."""
        return self._held[self._place[member]]

    def products(self, members: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Entries of known rows, shape (len(members), len(others))."""
        return self._held[self._place[members][:, None], others]

    def largest(self, members: np.ndarray) -> np.ndarray:
        """Of known rows, the largest product with another member, shape (len(members),)."""
        count = len(self._largest)
        if count < len(self._held):
            rows = self._held[count:]
            itself = np.arange(len(rows)), self._owners[count:]
            squares = rows[itself]
            rows[itself] = -np.inf
            self._largest = np.concatenate([self._largest, rows.max(axis=1)])
            rows[itself] = squares
        return self._largest[self._place[members]]

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
        self._residuals = Residuals(outputs, target, sample_weight, n_jobs)
        self._n_wanted = 0 if n_wanted is None else n_wanted
        n_members = len(outputs)
        self._place = np.full(n_members, -1)
        self._held = np.empty((0, n_members))
        self._owners = np.empty(0, dtype=np.intp)
        self._largest = np.empty(0)
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

    def fetch(self, members: Iterable[int], losses: Callable[[], np.ndarray] | None = None) -> None:
        missing = {int(t) for t in members if self._place[t] < 0}
        if missing:
            self._read(np.array(sorted(missing)), losses)

    def whole(self) -> np.ndarray:
        known, missing = np.flatnonzero(self._place >= 0), np.flatnonzero(self._place < 0)
        if len(missing):
            matrix = np.empty((len(self._place),) * 2)
            matrix[known] = self._held[self._place[known]]
            matrix[:, known] = matrix[known].T
            matrix[np.ix_(missing, missing)] = self._residuals.square(missing)
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
        self._diagonal, self._company = self._residuals.survey()
        self._surveyed = True

    def _read(self, missing: np.ndarray, losses: Callable[[], np.ndarray] | None) -> None:
        """Compute rows that are asked for, and those that are likely to be."""
        n_members = len(self._place)
        held = len(self._held)
        if held:
            ahead = max(_NEXT_ROWS, int(_MORE_ROWS * held))
        else:
            ahead = _SPARE_ROWS + int(_ROWS_PER_WANTED * self._n_wanted)
        count = max(len(missing), ahead)
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
        rows = self._residuals.across(batch, float(self._diagonal.min()))
        # One number per pair, whichever row it is read from.
        rows[:, self._owners] = self._held[:, batch].T
        upper = np.triu(rows[:, batch], 1)
        rows[:, batch] = upper + upper.T + np.diag(self._diagonal[batch])
        self._place[batch] = held + np.arange(len(batch))
        self._owners = np.concatenate([self._owners, batch])
        self._held = np.concatenate([self._held, rows])
