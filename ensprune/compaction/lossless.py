"""What can leave a tree while every prediction stays, bit for bit; no rows are needed.

Splits that rows on one side of it cannot reach, because an ancestor split on the same feature has
decided already, and subtrees whose leaves all say the same.
"""

from __future__ import annotations

import numpy as np

from ..trees.structure import HIGHEST, LOWEST, Tree, TreeCut, cut_tree


def lossless_cut(tree: Tree) -> TreeCut | None:
    """The smallest tree by these rules; None where nothing can go.

    Any row is taken to be possible: infinities, missing values, categories never seen.

    Parameters
    ----------
    tree : Tree

    Returns
    -------
    TreeCut or None
    """
    goes_left, goes_right = reachable_sides(tree)
    target = np.arange(tree.n_nodes)
    said = _answers(tree)  # (n_nodes,): leaves say the same where these are equal
    source = np.arange(tree.n_nodes)  # the leaf whose values a node takes on
    leaf = tree.left < 0
    for level in reversed(tree.levels):
        inner = level[tree.left[level] >= 0]
        left, right = target[tree.left[inner]], target[tree.right[inner]]
        only = np.where(goes_left[inner], left, right)
        skipped = ~(goes_left[inner] & goes_right[inner])
        target[inner[skipped]] = only[skipped]
        both, left, right = inner[~skipped], left[~skipped], right[~skipped]
        same = (said[left] == said[right]) & (said[left] >= 0)
        said[both] = np.where(same, said[left], -1)
        source[both] = np.where(same, source[left], both)
        leaf[both] = same
    cut = cut_tree(tree, target, leaf, tree.values[source])
    return cut if len(cut.kept) < tree.n_nodes else None


def _answers(tree: Tree) -> np.ndarray:
    """A number for what each leaf says, -1 at inner nodes; shape (n_nodes,)."""
    leaves = np.flatnonzero(tree.left < 0)
    result = np.full(tree.n_nodes, -1, dtype=np.intp)
    if tree.codes is not None:
        result[leaves] = tree.values[leaves].argmax(axis=1)
    else:
        bits = np.ascontiguousarray(tree.values[leaves]).view(np.int64)
        result[leaves] = np.unique(bits, axis=0, return_inverse=True)[1].ravel()
    return result


def reachable_sides(tree: Tree) -> tuple[np.ndarray, np.ndarray]:
    """Whether any row that reaches a node can go left there, and right.

    Parameters
    ----------
    tree : Tree

    Returns
    -------
    goes_left, goes_right : ndarray of shape (n_nodes,), dtype bool
        True at leaves.
    """
    inner = np.flatnonzero(tree.left >= 0)
    low = np.full(tree.n_nodes, LOWEST)  # keys of rows are above it ...
    high = np.full(tree.n_nodes, HIGHEST)  # ... and at most this
    missing = np.ones(tree.n_nodes, dtype=bool)
    codes = np.ones_like(tree.codes_left)
    # All nodes climb towards the root together, from the child to the ancestor that it hangs on.
    node, child = inner, inner
    while len(node):
        above = tree.parent[child]
        node, child, above = (column[above >= 0] for column in (node, child, above))
        same = tree.feature[above] == tree.feature[node]
        left = tree.left[above] == child
        numbers = same & ~tree.categorical[above]
        at, ancestor = node[numbers & left], above[numbers & left]
        high[at] = np.minimum(high[at], tree.bound[ancestor])
        at, ancestor = node[numbers & ~left], above[numbers & ~left]
        low[at] = np.maximum(low[at], tree.bound[ancestor])
        missing[node[same]] &= tree.missing_left[above[same]] == left[same]
        listed = same & tree.categorical[above]
        codes[node[listed]] &= tree.codes_left[above[listed]] == left[listed, None]
        child = above
    goes_left = low < np.minimum(high, tree.bound)
    goes_right = np.maximum(low, tree.bound) < high
    at = tree.categorical
    goes_left[at] = (codes[at] & tree.codes_left[at]).any(axis=1)
    goes_right[at] = (codes[at] & ~tree.codes_left[at]).any(axis=1)
    goes_left |= missing & tree.missing_left
    goes_right |= missing & ~tree.missing_left
    leaf = tree.left < 0
    return goes_left | leaf, goes_right | leaf
