"""What leaf values are fitted to: rows, their leaves and targets, as one sparse system.

Arrays only; how strongly to damp the fit is ``strength.py``, how it is solved ``leaves.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from ..members.leaves import Leaves


@dataclass(frozen=True)
class Rows:
    """Labelled rows as the trees see them.

    Parameters
    ----------
    ids : ndarray of shape (n_samples, n_trees), dtype int
        The leaf of each tree that a row falls into.
    target : ndarray of shape (n_outputs, n_samples)
        Values, or one-hot labels (one row of 0 and 1 under the logistic link).
    weight : ndarray of shape (n_samples,)
    offset : ndarray of shape (n_outputs, n_samples), default=None
        What the raw score is without any tree; None is zero.
    unseen : ndarray of shape (n_samples, n_trees), dtype bool, default=None
        Which trees were not grown on a row; None where no bootstrap tells.
    opinion : ndarray of shape (n_outputs, n_samples), default=None
        What a larger ensemble says of the rows, NaN where it does not; None where there is none.
    told : ndarray of shape (n_samples,), dtype bool, default=None
        Rows whose target is a teacher's answer, not a label; None where there are none.
    """

    ids: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    offset: np.ndarray | None = None
    unseen: np.ndarray | None = None
    opinion: np.ndarray | None = None
    told: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> Rows:
        """Some of the rows, by position or mask."""
        return replace(
            self,
            ids=self.ids[rows],
            target=self.target[:, rows],
            weight=self.weight[rows],
            offset=None if self.offset is None else self.offset[:, rows],
            unseen=None if self.unseen is None else self.unseen[rows],
            opinion=None if self.opinion is None else self.opinion[:, rows],
            told=None if self.told is None else self.told[rows],
        )

    def first(self, n_trees: int) -> Rows:
        """As the first trees see them."""
        unseen = None if self.unseen is None else self.unseen[:, :n_trees]
        return replace(self, ids=self.ids[:, :n_trees], unseen=unseen)

    def trusting(self, trust: float) -> Rows:
        """With so much less said by labels.

        Of rows that a teacher tells of, labels weigh so much less; where there are none, so much of
        the opinion takes the place of a label.
        """
        if trust == 0:
            return self
        if self.told is not None:
            return replace(self, weight=np.where(self.told, 1.0, 1.0 - trust) * self.weight)
        if self.opinion is None:
            return self
        mixed = (1.0 - trust) * self.target + trust * self.opinion
        return replace(self, target=np.where(np.isnan(self.opinion), self.target, mixed))

    def taught(self, told: Rows) -> Rows:
        """These rows and after them others, which no tree has seen and a teacher tells of."""
        return Rows(
            ids=np.concatenate([self.ids, told.ids]),
            target=np.concatenate([self.target, told.target], axis=1),
            weight=np.concatenate([self.weight, told.weight]),
            offset=np.concatenate([self.start, told.start], axis=1),
            told=np.arange(len(self.ids) + len(told.ids)) >= len(self.ids),
        )

    @property
    def start(self) -> np.ndarray:
        """Raw scores without any tree, shape (n_outputs, n_samples)."""
        return np.zeros(self.target.shape) if self.offset is None else self.offset


@dataclass(frozen=True)
class Equations:
    """``raw = offset + design @ values``, for leaf values (n_leaves, n_values).

    Parameters
    ----------
    leaves : Leaves
    rows : Rows
    out_of_bag : bool, default=False
        Whether each row stands in the system a second time, with only the trees that have not
        seen it: what the row's own label made of the trees then has no say.
    """

    leaves: Leaves
    rows: Rows
    out_of_bag: bool = False

    @cached_property
    def design(self) -> sparse.csr_matrix:
        """Scaled leaf indicators, shape (n_equations, n_leaves).

        One equation per row where a tree speaks for all outputs, else one per output and row.
        """
        everyone = indicators(self.leaves, self.rows.ids, None)
        if not self.out_of_bag:
            return everyone
        heard = self._heard
        apart = indicators(self.leaves, self.rows.ids[heard], self.rows.unseen[heard])  # type: ignore[index]
        return sparse.vstack([everyone, apart], format="csr")

    def trusting(self, trust: float) -> Equations:
        """The same system with less said by labels; what was computed is kept."""
        result = replace(self, rows=self.rows.trusting(trust))
        for name in ("design", "transposed"):
            result.__dict__[name] = getattr(self, name)
        return result

    @property
    def _heard(self) -> np.ndarray:
        """Rows that some tree has not seen."""
        assert self.rows.unseen is not None
        return np.flatnonzero(self.rows.unseen.any(axis=1))

    def _stacked(self, per_row: np.ndarray) -> np.ndarray:
        """Numbers per row, on the last axis, as numbers per equation."""
        if not self.out_of_bag:
            return per_row
        return np.concatenate([per_row, per_row[..., self._heard]], axis=-1)

    @cached_property
    def transposed(self) -> sparse.csr_matrix:
        """The design's transpose, in rows as well: twice as fast to multiply with."""
        return self.design.T.tocsr()

    @cached_property
    def weight(self) -> np.ndarray:
        """Weight of each sample of :attr:`target`."""
        return self._stacked(self.rows.weight)

    @cached_property
    def target(self) -> np.ndarray:
        return self._stacked(self.rows.target)

    @cached_property
    def start(self) -> np.ndarray:
        return self._stacked(self.rows.start)

    def raw(self, values: np.ndarray) -> np.ndarray:
        """Raw scores, shape (n_outputs, n_samples)."""
        summed = self.design @ values  # (n_equations, n_values)
        return self.start + summed.T.reshape(self.start.shape)

    def pull(self, per_output: np.ndarray) -> np.ndarray:
        """The transpose of :meth:`raw`'s linear part, applied to (n_outputs, n_samples)."""
        n_values = self.leaves.values.shape[1]
        return self.transposed @ per_output.reshape(n_values, -1).T

    def ridge(self, damping: float) -> np.ndarray:
        """Penalty on the squared deviation of each leaf's values, shape (n_leaves,).

        ``damping`` times the number of trees of an output, times what the rows' weight in the
        leaf would be if they fell as the training rows did: the same number then means the same
        for few rows and for many, for few trees and for many, for means and for sums.
        """
        leaves = self.leaves
        mass = np.maximum(leaves.weight, np.finfo(float).tiny)
        share = mass / np.bincount(leaves.tree, mass)[leaves.tree]
        per_output = 1 if leaves.output is None else int(leaves.output.max()) + 1
        factor = leaves.scale[leaves.tree] ** 2 * (leaves.n_trees / per_output)
        # A leaf that holds next to nothing must not be free.
        return damping * factor * self.weight.sum() * np.maximum(share, 1e-12)


def indicators(leaves: Leaves, ids: np.ndarray, speaks: np.ndarray | None) -> sparse.csr_matrix:
    """Leaf indicators times their trees' scale.

    Parameters
    ----------
    leaves : Leaves
    ids : ndarray of shape (n_samples, n_trees)
    speaks : ndarray of shape (n_samples, n_trees), dtype bool, or None
        Only these trees count, and stand for the others too: a mean stays a mean.

    Returns
    -------
    csr_matrix of shape (n_samples, n_leaves) or (n_outputs * n_samples, n_leaves)
    """
    scale: Any = np.broadcast_to(leaves.scale, ids.shape)
    if speaks is not None:
        scale = np.where(speaks, scale, 0.0)
        scale = scale * (leaves.scale.sum() / scale.sum(axis=1))[:, None]
    if leaves.output is None:
        return _one_block(ids, scale, leaves.n_leaves)
    return sparse.vstack(
        [
            _one_block(ids[:, mine], scale[:, mine], leaves.n_leaves)
            for mine in (leaves.output == c for c in range(leaves.output.max() + 1))
        ],
        format="csr",
    )


def _one_block(ids: np.ndarray, scale: np.ndarray, n_leaves: int) -> sparse.csr_matrix:
    n_samples, n_trees = ids.shape
    ends = np.arange(0, n_samples * n_trees + 1, n_trees)
    return sparse.csr_matrix((scale.ravel(), ids.ravel(), ends), shape=(n_samples, n_leaves))
