"""scikit-learn's CART trees: reading leaf values for many rows at once, and scaling them."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

# Up to this many classes a gather per class over a contiguous row of leaf values is faster than
# one gather of whole leaf rows that must be transposed afterwards (measured crossover: 10 to 26).
_MOST_ROW_GATHERS = 16


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
    values = np.ascontiguousarray(values.T, dtype=out.dtype)  # (n_outputs, n_nodes)
    if len(values) <= _MOST_ROW_GATHERS:
        for row, target in zip(values, out, strict=True):
            # mode="clip" skips a bounds check that buffers the whole result.
            np.take(row, leaves, out=target, mode="clip")
    else:
        out[...] = values[:, leaves]


def scaled(tree: Any, factor: float) -> Any:
    """A copy of a fitted tree with all its values multiplied by ``factor``."""
    # Shallow but for the tree: copying the random state that boosting's trees share would make
    # each carry its own, several times the size of a small tree.
    result = copy.copy(tree)
    result.tree_ = copy.deepcopy(tree.tree_)
    result.tree_.value[...] *= factor
    return result


def is_tree(estimator: Any) -> bool:
    """Whether an estimator is a fitted CART tree of scikit-learn."""
    return hasattr(estimator, "tree_") and hasattr(estimator.tree_, "value")
