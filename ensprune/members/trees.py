"""scikit-learn's CART trees: reading leaf values for many rows at once, and scaling them."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from sklearn.utils import gen_batches

from .leaves import TreeNodes

# Up to this many classes a gather per class over a contiguous row of leaf values is faster than
# gathering whole leaf rows that must be transposed afterwards (measured crossover: about 10).
_MOST_ROW_GATHERS = 10

_BATCH = 256  # rows transposed while they are in cache


def leaf_outputs(tree: Any, X: Any, out: np.ndarray, scale: float = 1.0) -> None:
    """Write a fitted tree's leaf values for rows into ``out``.

    Parameters
    ----------
    tree : DecisionTreeClassifier or DecisionTreeRegressor
    X : float32 ndarray or CSR matrix of shape (n_samples, n_features)
        Validated already.
    out : ndarray of shape (n_outputs, n_samples)
        ``n_outputs`` is the number of classes, or 1 for a regression tree.
    scale : float, default=1.0
        Factor on the values, applied in float64.
    """
    leaves = tree.tree_.apply(X)
    values = tree.tree_.value[:, 0, :]  # (n_nodes, n_outputs), float64
    if scale != 1.0:
        values = scale * values
    if values.shape[1] <= _MOST_ROW_GATHERS:
        rows = np.ascontiguousarray(values.T, dtype=out.dtype)  # (n_outputs, n_nodes)
        for row, target in zip(rows, out, strict=True):
            # mode="clip" skips a bounds check that buffers the whole result.
            np.take(row, leaves, out=target, mode="clip")
    else:
        values = values.astype(out.dtype)
        for some in gen_batches(len(leaves), _BATCH):
            out[:, some] = values.take(leaves[some], axis=0, mode="clip").T


def scaled(tree: Any, factor: float) -> Any:
    """A copy of a fitted tree with all its values multiplied by ``factor``."""
    # Shallow but for the tree: copying the random state that boosting's trees share would make
    # each carry its own, several times the size of a small tree.
    result = copy.copy(tree)
    result.tree_ = copy.deepcopy(tree.tree_)
    result.tree_.value[...] *= factor
    return result


def nodes_of(tree: Any) -> TreeNodes:
    """A fitted tree's nodes."""
    inner = tree.tree_
    return TreeNodes(
        inner.children_left,
        inner.children_right,
        inner.value[:, 0, :],
        inner.weighted_n_node_samples,
    )


def with_values(tree: Any, values: np.ndarray) -> Any:
    """A copy of a fitted tree with other values in its leaves, in the order of their nodes.

    Parameters
    ----------
    tree : DecisionTreeClassifier or DecisionTreeRegressor
    values : ndarray of shape (n_leaves, n_outputs)
    """
    result = copy.copy(tree)
    result.tree_ = copy.deepcopy(tree.tree_)
    result.tree_.value[nodes_of(tree).leaves, 0, :] = values
    return result


def is_tree(estimator: Any) -> bool:
    """Whether an estimator is a fitted CART tree of scikit-learn."""
    return hasattr(estimator, "tree_") and hasattr(estimator.tree_, "value")
