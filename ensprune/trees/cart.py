"""Trees of scikit-learn's tree module: ``tree_`` of DecisionTree and ExtraTree estimators."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .structure import Tree, TreeCut, float_keys, rounded_down


def read_cart(estimator: Any) -> Tree:
    """The tree of a fitted tree estimator with one target.

    Rows are float32 when they meet a threshold, which is float64; missing values go their own way.
    """
    tree = estimator.tree_
    nodes = tree.__getstate__()["nodes"]
    return Tree(
        left=nodes["left_child"].astype(np.intp),
        right=nodes["right_child"].astype(np.intp),
        feature=nodes["feature"].astype(np.intp),
        bound=float_keys(rounded_down(nodes["threshold"])),
        missing_left=nodes["missing_go_to_left"].astype(bool),
        categorical=np.zeros(len(nodes), dtype=bool),
        codes_left=np.zeros((len(nodes), 0), dtype=bool),
        values=tree.value[:, 0, :].copy(),
        cover=nodes["weighted_n_node_samples"].copy(),
    )


def cut_cart(estimator: Any, cut: TreeCut) -> Any:
    """A copy of a tree estimator with a smaller tree in it.

    Nodes keep their impurity and counts: the same training rows reached them.
    """
    tree = estimator.tree_
    state = tree.__getstate__()
    nodes = state["nodes"][cut.kept]
    leaf = cut.left < 0
    nodes["left_child"] = cut.left
    nodes["right_child"] = cut.right
    nodes["feature"][leaf] = -2  # scikit-learn's mark of a leaf
    nodes["threshold"][leaf] = -2.0
    nodes["missing_go_to_left"][leaf] = 0
    values = state["values"][cut.kept]
    values[leaf, 0, :] = cut.values[leaf]
    build, arguments = tree.__reduce__()[:2]
    smaller = build(*arguments)
    smaller.__setstate__(
        {
            **state,
            "max_depth": int(cut.depth.max()),
            "node_count": len(nodes),
            "nodes": nodes,
            "values": values,
        }
    )
    # Shallow but for the tree: boosting's trees share a random state.
    result = copy.copy(estimator)
    result.tree_ = smaller
    return result


def cut_carts(estimators: Iterable[Any], cuts: Sequence[TreeCut | None]) -> list[Any]:
    """Tree estimators cut down one by one; those without a cut are shared."""
    return [
        estimator if cut is None else cut_cart(estimator, cut)
        for estimator, cut in zip(estimators, cuts, strict=True)
    ]
