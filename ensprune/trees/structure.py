"""A decision tree as plain arrays: where rows go at every node, and what the leaves say.

Engines compare rows with thresholds in their own precision and with ``<=`` or ``<``. Here every
such comparison is ``key(x) <= bound`` on integers: :func:`float_keys` maps floats to integers in
order, so that between two neighbouring keys there is no row at all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

# The key of the smallest row, minus infinity, lies above it; that of the largest is no higher.
LOWEST = np.iinfo(np.int64).min
HIGHEST = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class Tree:
    """One binary decision tree; node 0 is its root.

    Parameters
    ----------
    left, right : ndarray of shape (n_nodes,), dtype intp
        Children; -1 at leaves.
    feature : ndarray of shape (n_nodes,), dtype intp
        What an inner node splits on.
    bound : ndarray of shape (n_nodes,), dtype int64
        A row goes left where the key of its value is at most this.
    missing_left : ndarray of shape (n_nodes,), dtype bool
        Where a row without a value goes.
    categorical : ndarray of shape (n_nodes,), dtype bool
        Inner nodes that split by category instead: see ``codes_left``.
    codes_left : ndarray of shape (n_nodes, n_codes), dtype bool
        Which categories go left at categorical nodes. Every value a row can have, other than a
        missing one, is one of the codes.
    values : ndarray of shape (n_nodes, width), dtype float64
        What a row is told in each node; only leaves need to be true.
    cover : ndarray of shape (n_nodes,), dtype float64
        Training weight that reached each node, in a unit of the engine's own.
    member : int, default=0
        The member of the ensemble it belongs to.
    rows : ndarray of shape (width,), dtype intp
        The rows of the ensemble's raw score that the columns of ``values`` are added to.
    scale : float, default=1.0
        Factor on what is added: learning rate, or the share in an average.
    codes : ndarray of shape (width, n_outputs), default=None
        Where the ensemble reads nothing but the position of the largest value (AdaBoost): what it
        adds to its raw score for each position.
    """

    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    bound: np.ndarray
    missing_left: np.ndarray
    categorical: np.ndarray
    codes_left: np.ndarray
    values: np.ndarray
    cover: np.ndarray
    member: int = 0
    rows: np.ndarray | None = None
    scale: float = 1.0
    codes: np.ndarray | None = None

    @property
    def n_nodes(self) -> int:
        return len(self.left)

    def placed(
        self,
        member: int,
        rows: np.ndarray | list[int],
        scale: float,
        codes: np.ndarray | None = None,
    ) -> Tree:
        """The same tree in its place in an ensemble."""
        rows = np.asarray(rows, dtype=np.intp)
        return replace(self, member=member, rows=rows, scale=scale, codes=codes)

    @cached_property
    def levels(self) -> list[np.ndarray]:
        """Nodes that hang on the root, depth by depth; an engine may keep deleted ones, too."""
        found = [np.zeros(1, dtype=np.intp)]
        while True:
            inner = found[-1][self.left[found[-1]] >= 0]
            if len(inner) == 0:
                return found
            found.append(np.concatenate([self.left[inner], self.right[inner]]))

    @cached_property
    def parent(self) -> np.ndarray:
        """Parent of each node, -1 at the root and at deleted nodes; shape (n_nodes,)."""
        result = np.full(self.n_nodes, -1, dtype=np.intp)
        for level in self.levels:
            inner = level[self.left[level] >= 0]
            result[self.left[inner]] = inner
            result[self.right[inner]] = inner
        return result


@dataclass(frozen=True, eq=False)
class TreeCut:
    """What a smaller tree is made of, in terms of the nodes of the larger one.

    Parameters
    ----------
    kept : ndarray of shape (n_kept,), dtype intp
        Nodes of the larger tree, the new root first.
    left, right : ndarray of shape (n_kept,), dtype intp
        Their children among the kept; -1 at leaves.
    values : ndarray of shape (n_kept, width), dtype float64
        New values; true at leaves.
    depth : ndarray of shape (n_kept,), dtype intp
    """

    kept: np.ndarray
    left: np.ndarray
    right: np.ndarray
    values: np.ndarray
    depth: np.ndarray


def cut_tree(tree: Tree, target: np.ndarray, leaf: np.ndarray, values: np.ndarray) -> TreeCut:
    """Put a smaller tree together.

    Parameters
    ----------
    tree : Tree
    target : ndarray of shape (n_nodes,), dtype intp
        The node that takes the place of each node: itself, unless its split is skipped.
    leaf : ndarray of shape (n_nodes,), dtype bool
        Nodes that are leaves of the smaller tree, if they are in it.
    values : ndarray of shape (n_nodes, width)

    Returns
    -------
    TreeCut
    """
    level = target[:1]
    levels = [level]
    while len(inner := level[~leaf[level]]):
        level = target[np.concatenate([tree.left[inner], tree.right[inner]])]
        levels.append(level)
    below = np.ones(tree.n_nodes, dtype=np.intp)  # nodes of the smaller tree at and below each
    for level in reversed(levels):
        inner = level[~leaf[level]]
        below[inner] += below[target[tree.left[inner]]] + below[target[tree.right[inner]]]
    # Depth first, left before right: subtrees are contiguous in memory.
    position = np.full(tree.n_nodes, -1, dtype=np.intp)
    position[target[0]] = 0
    for level in levels:
        inner = level[~leaf[level]]
        left, right = target[tree.left[inner]], target[tree.right[inner]]
        position[left] = position[inner] + 1
        position[right] = position[inner] + 1 + below[left]
    nodes = np.concatenate(levels)
    order = np.argsort(position[nodes])
    kept = nodes[order]
    depth = np.repeat(np.arange(len(levels)), [len(level) for level in levels])[order]
    inner = ~leaf[kept]
    left, right = np.full((2, len(kept)), -1, dtype=np.intp)
    left[inner] = position[target[tree.left[kept[inner]]]]
    right[inner] = position[target[tree.right[kept[inner]]]]
    return TreeCut(kept, left, right, values[kept], depth)


def float_keys(values: np.ndarray) -> np.ndarray:
    """Integers in the order of float32 or float64 values; neighbours are one apart.

    Both zeros have one key, since no comparison tells them apart. NaN, which no row is smaller than
    or equal to, becomes the lowest key.
    """
    single = values.dtype == np.float32
    bits = values.view(np.int32 if single else np.int64).astype(np.int64)
    magnitude = bits & (0x7FFFFFFF if single else 0x7FFFFFFFFFFFFFFF)
    keys = np.where(bits < 0, -magnitude, magnitude)
    return np.where(np.isnan(values), LOWEST, keys)


def rounded_down(values: np.ndarray) -> np.ndarray:
    """The largest float32 not above each float64."""
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
        above = single.astype(np.float64) > values
        single[above] = np.nextafter(single[above], np.float32(-np.inf))
    return single
