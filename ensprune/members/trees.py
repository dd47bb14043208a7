"""scikit-learn's CART trees: reading leaf values for many rows at once, and scaling them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.utils import gen_batches

from .leaves import TreeNodes, positions

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
    """A copy of a fitted tree with all its values multiplied by ``factor``.

    The tree remembers what it was multiplied by: :func:`weights_in`.
    """
    # Shallow but for the tree: copying the random state that boosting's trees share would make
    # each carry its own, several times the size of a small tree.
    result = copy.copy(tree)
    result.tree_ = copy.deepcopy(tree.tree_)
    result.tree_.value[...] *= factor
    result.weight_in_ensemble_ = factor * weights_in([tree])[0]
    return result


def weights_in(trees: Sequence[Any]) -> np.ndarray:
    """What the values of trees were multiplied by to carry weights, ones if by nothing."""
    return np.array([getattr(tree, "weight_in_ensemble_", 1.0) for tree in trees])


def own_scales(trees: Sequence[Any]) -> np.ndarray:
    """Factors that turn the values of trees that carry weights into their own."""
    weights = weights_in(trees)
    return np.divide(1.0, weights, out=np.ones(len(weights)), where=weights > 0)


def weighed(trees: Sequence[Any], factors: np.ndarray | None) -> list[Any]:
    """Trees of an ensemble that divides by their number, with weights in their values.

    Parameters
    ----------
    trees : sequence of fitted trees
        Of which some may carry weights already.
    factors : ndarray of shape (n_trees,) or None
        Factors on the weights they have.

    Returns
    -------
    list
        The same trees where all weigh the same and always did, else copies.
    """
    before = weights_in(trees)
    wanted = before if factors is None else before * factors
    if not wanted.sum() > 0:
        raise ValueError("weights must have a positive sum over the members kept")
    wanted = wanted * (len(wanted) / wanted.sum())  # relative to the mean weight
    if np.allclose(wanted, 1.0, rtol=1e-15, atol=0) and (before == 1.0).all():
        return list(trees)
    # Added up one by one, as the ensemble does it, they make their number exactly: where all trees
    # are certain so is their mean, and no rounding makes it more than that.
    last = int(np.flatnonzero(wanted)[-1])
    rest = len(wanted) - sum(wanted[:last].tolist())
    wanted[last] = rest if rest > 0 else wanted[last]
    change = np.divide(wanted, before, out=np.zeros(len(before)), where=before > 0)
    return [scaled(tree, factor) for tree, factor in zip(trees, change, strict=True)]


def nodes_of(tree: Any) -> TreeNodes:
    """A fitted tree's nodes."""
    inner = tree.tree_
    return TreeNodes(
        inner.children_left,
        inner.children_right,
        inner.value[:, 0, :],
        inner.weighted_n_node_samples,
    )


def leaf_ids_of(trees: Sequence[Any], X: Any, n_jobs: int | None) -> np.ndarray:
    """Which of all trees' leaves rows fall into, shape (n_samples, n_trees), dtype int32.

    ``X`` is validated already; leaves are numbered tree by tree.
    """
    places = positions([nodes_of(tree) for tree in trees])
    columns = Parallel(n_jobs=n_jobs, require="sharedmem")(
        delayed(lambda at, tree: at[tree.tree_.apply(X)])(at, tree)
        for at, tree in zip(places, trees, strict=True)
    )
    return np.stack(columns, axis=1)


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
