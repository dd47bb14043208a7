"""All trees of an ensemble in one set of arrays, and what they add up to while nodes collapse.

Which node should go is ``evidence.py`` and the paths' business.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from ..trees.structure import Tree, TreeCut, cut_tree


class Grove:
    """The trees of an ensemble, side by side, over rows.

    Parameters
    ----------
    trees : sequence of Tree
    leaves : ndarray of shape (n_trees, n_samples)
        The leaf that each row ends in.
    n_outputs : int
        Rows of the ensemble's raw score.

    Attributes
    ----------
    left, right : ndarray of shape (n_nodes,), dtype intp
        Children of all nodes of all trees; -1 at leaves.
    roots : ndarray of shape (n_trees + 1,), dtype intp
        Where each tree starts, and the number of nodes.
    levels : list of ndarray
        Inner nodes of all trees, depth by depth from the roots.
    share : ndarray of shape (n_nodes,)
        Share of its tree's training weight that reached a node.
    adds : ndarray of shape (n_nodes, n_outputs)
        What a row that ends in a node adds to the raw score: the mean of the leaves below, each at
        its share of the training weight.
    reached : sparse matrix of shape (n_nodes, n_samples)
        1 where a row ends in a leaf.
    collapsed : ndarray of shape (n_nodes,), dtype bool
        Nodes that have become leaves, the leaves themselves included.
    owner : ndarray of shape (n_nodes,), dtype intp
        The topmost collapsed node above or at each node; the node itself where there is none.
    """

    def __init__(self, trees: Sequence[Tree], leaves: np.ndarray, n_outputs: int):
        self.trees = trees
        sizes = [tree.n_nodes for tree in trees]
        self.roots = np.concatenate([[0], np.cumsum(sizes)])
        self.left, self.right = (
            np.concatenate(
                [
                    np.where((child := getattr(tree, side)) < 0, -1, child + root)
                    for tree, root in zip(trees, self.roots, strict=False)
                ]
            )
            for side in ("left", "right")
        )
        self.levels = self._inner_levels()
        self.share = np.concatenate([_shares(tree) for tree in trees])
        self.values = [self._means(t, tree) for t, tree in enumerate(trees)]
        self.adds = np.concatenate(
            [
                contribution(tree, values, n_outputs)
                for tree, values in zip(trees, self.values, strict=True)
            ]
        )
        n_samples = leaves.shape[1]
        at = (leaves + self.roots[:-1, None]).ravel()
        rows = np.tile(np.arange(n_samples), len(trees))
        shape = (len(self.left), n_samples)
        self.reached = sparse.csr_matrix((np.ones(len(at)), (at, rows)), shape=shape)
        self.collapsed = self.left < 0
        self.owner = np.arange(len(self.left))

    def _inner_levels(self) -> list[np.ndarray]:
        level = self.roots[:-1]
        found = []
        while len(inner := level[self.left[level] >= 0]):
            found.append(inner)
            level = np.concatenate([self.left[inner], self.right[inner]])
        return found

    def _means(self, t: int, tree: Tree) -> np.ndarray:
        """Values of a tree's nodes if they were leaves, shape (n_nodes, width)."""
        values = tree.values.copy()
        share = self.share[self.roots[t] : self.roots[t + 1]]
        for level in reversed(tree.levels):
            inner = level[tree.left[level] >= 0]
            left, right = tree.left[inner], tree.right[inner]
            total = share[left] + share[right]
            # Nobody was there in training: the halves count alike.
            part = np.divide(share[left], total, out=np.full(len(inner), 0.5), where=total > 0)
            values[inner] = part[:, None] * values[left] + (1 - part)[:, None] * values[right]
        return values

    def up(self, per_leaf: np.ndarray) -> np.ndarray:
        """Sums over the leaves below each node, of ``per_leaf`` (n_nodes, ...); in place."""
        for inner in reversed(self.levels):
            per_leaf[inner] = per_leaf[self.left[inner]] + per_leaf[self.right[inner]]
        return per_leaf

    def owners(self, collapsed: np.ndarray) -> np.ndarray:
        """:attr:`owner` if these nodes were collapsed."""
        owner = np.arange(len(self.left))
        for inner in self.levels:
            below = collapsed[inner] | (owner[inner] != inner)
            at = inner[below]
            owner[self.left[at]] = owner[at]
            owner[self.right[at]] = owner[at]
        return owner

    def sizes(self, collapsed: np.ndarray) -> np.ndarray:
        """Nodes left in each tree if these were collapsed, shape (n_trees,)."""
        alive = self.owners(collapsed) == np.arange(len(self.left))
        return np.add.reduceat(alive.astype(np.int64), self.roots[:-1])

    def nodes_below(self) -> np.ndarray:
        """How many nodes hang on each node as the trees are now, shape (n_nodes,)."""
        found = (self.owner == np.arange(len(self.left))).astype(np.int64)
        for inner in reversed(self.levels):
            found[inner] += found[self.left[inner]] + found[self.right[inner]]
        return found - 1

    def collapse(self, collapsed: np.ndarray) -> None:
        """Make these nodes leaves, those that are already included."""
        self.collapsed = collapsed
        self.owner = self.owners(collapsed)

    def cuts(self) -> list[TreeCut | None]:
        """What the trees have become; None for those that are whole."""
        result: list[TreeCut | None] = []
        for t, tree in enumerate(self.trees):
            leaf = self.collapsed[self.roots[t] : self.roots[t + 1]]
            if np.array_equal(leaf, tree.left < 0):
                result.append(None)
            else:
                target = np.arange(tree.n_nodes)
                result.append(cut_tree(tree, target, leaf, self.values[t]))
        return result


def contribution(tree: Tree, values: np.ndarray, n_outputs: int) -> np.ndarray:
    """What values (n_nodes, width) of a tree's nodes add to the raw score, (n_nodes, n_outputs)."""
    if tree.codes is not None:
        return tree.scale * tree.codes[values.argmax(axis=1)]
    result = np.zeros((len(values), n_outputs))
    result[:, tree.rows] = tree.scale * values
    return result


def _shares(tree: Tree) -> np.ndarray:
    total = tree.cover[0]
    return tree.cover / total if total > 0 else np.full(tree.n_nodes, 1.0 / tree.n_nodes)
