"""The leaves of all trees of an ensemble as arrays; who refits them, and how, is not decided here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Leaves:
    """Leaves of all trees, one tree after the other, and the nodes above them.

    The raw score of a row is an offset plus ``scale[t] * values[l]`` over the trees, ``l`` being
    the leaf of tree ``t`` that the row falls into.

    Parameters
    ----------
    values : ndarray of shape (n_leaves, n_values), dtype float64
        What each leaf predicts: one number per output of the ensemble, or a single one where a
        tree speaks for one output only.
    weight : ndarray of shape (n_leaves,), dtype float64
        Weight of the training rows in each leaf; sums of second derivatives where that is what
        the model keeps.
    tree : ndarray of shape (n_leaves,), dtype intp
        The tree of each leaf.
    node : ndarray of shape (n_leaves,), dtype intp
        Where each leaf stands among the nodes of all trees.
    parent : ndarray of shape (n_nodes,), dtype intp
        The node above each node of all trees; -1 for a root.
    depth : ndarray of shape (n_nodes,), dtype intp
        0 for a root; -1 for a node that no row can reach.
    scale : ndarray of shape (n_trees,), dtype float64
        What a tree's values are multiplied by in the raw score.
    output : ndarray of shape (n_trees,), dtype intp, or None
        The output each tree speaks for; None where every tree speaks for all.
    speaks : ndarray of shape (n_leaves, n_values), dtype bool, or None
        Which values can be anything but zero: a tree that missed a class predicts none of it.
        None is all.
    """

    values: np.ndarray
    weight: np.ndarray
    tree: np.ndarray
    node: np.ndarray
    parent: np.ndarray
    depth: np.ndarray
    scale: np.ndarray
    output: np.ndarray | None = None
    speaks: np.ndarray | None = None

    def first(self, n_trees: int) -> Leaves:
        """Those of the first trees of an average, averaged alone."""
        own = self.tree < n_trees
        roots = np.append(np.flatnonzero(self.depth == 0), len(self.depth))
        return replace(
            self,
            values=self.values[own],
            weight=self.weight[own],
            tree=self.tree[own],
            node=self.node[own],
            parent=self.parent[: roots[n_trees]],
            depth=self.depth[: roots[n_trees]],
            scale=self.scale[:n_trees] * (self.scale.sum() / self.scale[:n_trees].sum()),
            speaks=None if self.speaks is None else self.speaks[own],
        )

    @property
    def n_leaves(self) -> int:
        return len(self.values)

    @property
    def n_trees(self) -> int:
        return len(self.scale)


@dataclass(frozen=True)
class TreeNodes:
    """One tree's nodes.

    Parameters
    ----------
    left, right : ndarray of shape (n_nodes,)
        Children; negative in a leaf.
    values : ndarray of shape (n_nodes, n_values)
        Read in leaves only.
    weight : ndarray of shape (n_nodes,)
        Read in leaves only.
    """

    left: np.ndarray
    right: np.ndarray
    values: np.ndarray
    weight: np.ndarray

    @property
    def leaves(self) -> np.ndarray:
        """The nodes without children that a row can reach, in ascending order."""
        return np.flatnonzero((self.left < 0) & (self._levels()[1] >= 0))

    def _levels(self) -> tuple[np.ndarray, np.ndarray]:
        """Parent and depth of every node, both of shape (n_nodes,)."""
        parent = np.full(len(self.left), -1, dtype=np.intp)
        depth = np.full(len(self.left), -1, dtype=np.intp)
        level, front = 0, np.zeros(1, dtype=np.intp)
        while len(front):
            depth[front] = level
            inner = front[self.left[front] >= 0]
            for children in (self.left[inner], self.right[inner]):
                parent[children] = inner
            front = np.concatenate([self.left[inner], self.right[inner]]).astype(np.intp)
            level += 1
        return parent, depth


def gather(
    trees: Sequence[TreeNodes],
    scale: np.ndarray,
    output: np.ndarray | None = None,
    speaks: Sequence[np.ndarray] | None = None,
) -> Leaves:
    """The leaves of several trees.

    Parameters
    ----------
    trees : sequence of TreeNodes
    scale : ndarray of shape (n_trees,)
    output : ndarray of shape (n_trees,), default=None
        As in :class:`Leaves`.
    speaks : sequence of ndarray of shape (n_values,), dtype bool, default=None
        Per tree; as in :class:`Leaves`.
    """
    shapes = [tree._levels() for tree in trees]
    leaves = [tree.leaves for tree in trees]
    starts = np.concatenate([[0], np.cumsum([len(tree.left) for tree in trees])[:-1]])
    sizes = [len(own) for own in leaves]
    return Leaves(
        values=np.concatenate([t.values[own] for t, own in zip(trees, leaves, strict=True)]).astype(
            np.float64
        ),
        weight=np.concatenate([t.weight[own] for t, own in zip(trees, leaves, strict=True)]).astype(
            np.float64
        ),
        tree=np.repeat(np.arange(len(trees)), sizes),
        node=np.concatenate([own + start for own, start in zip(leaves, starts, strict=True)]),
        parent=np.concatenate(
            [
                np.where(up < 0, -1, up + start)
                for (up, _), start in zip(shapes, starts, strict=True)
            ]
        ),
        depth=np.concatenate([depth for _, depth in shapes]),
        scale=np.asarray(scale, dtype=np.float64),
        output=output,
        speaks=None if speaks is None else np.repeat(np.array(speaks), sizes, axis=0),
    )


def positions(trees: Sequence[TreeNodes]) -> list[np.ndarray]:
    """For each tree, where its nodes stand among the leaves of all; -1 unless they are leaves."""
    result, start = [], 0
    for tree in trees:
        own = tree.leaves
        at = np.full(len(tree.left), -1, dtype=np.int32)
        at[own] = np.arange(start, start + len(own))
        result.append(at)
        start += len(own)
    return result
