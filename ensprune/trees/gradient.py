"""Trees of XGBoost, as its saved models list them; loading models is ``members/``."""

from __future__ import annotations

from typing import Any

import numpy as np

from .structure import Tree, TreeCut, float_keys

_ROOT_PARENT = 2147483647

# One entry per node, besides the links.
_PER_NODE = (
    "base_weights",
    "default_left",
    "loss_changes",
    "split_conditions",
    "split_indices",
    "split_type",
    "sum_hessian",
)


def read_gradient(tree: dict[str, Any]) -> Tree:
    """The tree of a saved model, with a number in each leaf.

    A row, in float32, goes left where it is smaller than the split condition. A category goes
    right where the node lists it, and left in any other case, unknown ones included.
    """
    left = np.asarray(tree["left_children"], dtype=np.intp)
    inner = left >= 0
    conditions = np.asarray(tree["split_conditions"], dtype=np.float32)
    keys = float_keys(conditions)
    listed = _listed(tree)
    codes = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *listed.values()]))
    # The last column stands for all the categories that no node lists.
    codes_left = np.ones((len(left), len(codes) + 1 if listed else 0), dtype=bool)
    categorical = np.zeros(len(left), dtype=bool)
    for node, categories in listed.items():
        categorical[node] = inner[node]
        codes_left[node, np.searchsorted(codes, categories)] = False
    return Tree(
        left=left,
        right=np.asarray(tree["right_children"], dtype=np.intp),
        feature=np.asarray(tree["split_indices"], dtype=np.intp),
        bound=np.where(np.isnan(conditions), keys, keys - 1),
        missing_left=np.asarray(tree["default_left"], dtype=bool),
        categorical=categorical,
        codes_left=codes_left,
        values=conditions.astype(np.float64)[:, None],
        cover=np.asarray(tree["sum_hessian"], dtype=np.float64),
    )


def _listed(tree: dict[str, Any]) -> dict[int, np.ndarray]:
    """The categories that go right, by node."""
    categories = np.asarray(tree.get("categories", ()), dtype=np.int64)
    return {
        int(node): categories[start : start + size]
        for node, start, size in zip(
            tree.get("categories_nodes", ()),
            tree.get("categories_segments", ()),
            tree.get("categories_sizes", ()),
            strict=True,
        )
    }


def _siblings_together(cut: TreeCut) -> TreeCut:
    """The same with every right child next to its left one: XGBoost 2 and 3.0 expect it."""
    order = [0]
    for node in order:
        if cut.left[node] >= 0:
            order += [cut.left[node], cut.right[node]]
    place = np.empty(len(order) + 1, dtype=np.intp)
    place[order] = np.arange(len(order))
    place[-1] = -1  # children of leaves
    return TreeCut(
        cut.kept[order],
        place[cut.left[order]],
        place[cut.right[order]],
        cut.values[order],
        cut.depth[order],
    )


def cut_gradient(tree: dict[str, Any], cut: TreeCut) -> dict[str, Any]:
    """A smaller tree for a saved model; the given one is left as it is."""
    cut = _siblings_together(cut)
    leaf = cut.left < 0
    kept = cut.kept.tolist()
    result = {**tree, **{name: [tree[name][node] for node in kept] for name in _PER_NODE}}
    parents = np.full(len(kept), _ROOT_PARENT, dtype=np.int64)
    for children in (cut.left, cut.right):
        parents[children[~leaf]] = np.flatnonzero(~leaf)
    result["left_children"] = cut.left.tolist()
    result["right_children"] = cut.right.tolist()
    result["parents"] = parents.tolist()
    for node in np.flatnonzero(leaf):
        value = float(cut.values[node, 0])
        if tree["left_children"][kept[node]] >= 0:
            result["base_weights"][node] = value
        result["split_conditions"][node] = value
        result["loss_changes"][node] = 0.0
        for name in ("default_left", "split_indices", "split_type"):
            result[name][node] = 0
    listed = _listed(tree)
    split = [node for node in range(len(kept)) if not leaf[node] and kept[node] in listed]
    right = [listed[kept[node]].tolist() for node in split]
    sizes = [len(categories) for categories in right]
    result["categories"] = [code for categories in right for code in categories]
    result["categories_nodes"] = split
    result["categories_sizes"] = sizes
    result["categories_segments"] = [sum(sizes[:i]) for i in range(len(sizes))]
    result["tree_param"] = {
        **tree["tree_param"],
        "num_nodes": str(len(kept)),
        "num_deleted": "0",
    }
    return result
