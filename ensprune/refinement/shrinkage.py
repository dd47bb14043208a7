"""Hierarchical shrinkage: leaf values drawn towards the means of the nodes above them."""

from __future__ import annotations

import numpy as np

from ..members.leaves import Leaves


def shrunk(leaves: Leaves, strength: float) -> np.ndarray:
    """Leaf values shrunk along their paths.

    With the mean ``m`` and the weight ``N`` of each node, a leaf at the end of the path
    ``t_0, ..., t_L`` predicts ``m(t_0) + sum_l (m(t_l) - m(t_{l-1})) / (1 + strength / N(t_{l-1}))``:
    what a small node says beyond its parent counts little, so the smallest leaves melt into
    their parents first.

    Parameters
    ----------
    leaves : Leaves
    strength : float
        In units of the leaves' weight (training rows); 0 leaves the values as they are.

    Returns
    -------
    ndarray of shape (n_leaves, n_values)

    References
    ----------
    Agarwal, Tan, Ronen, Singh & Yu, "Hierarchical shrinkage: improving the accuracy and
    interpretability of tree-based models", ICML 2022, eq. 2.
    """
    if strength == 0:
        return leaves.values
    n_nodes = len(leaves.parent)
    weight = np.zeros(n_nodes)
    # A leaf that second derivatives give no weight still has a mean.
    weight[leaves.node] = np.maximum(leaves.weight, np.finfo(float).tiny)
    mean = np.zeros((n_nodes, leaves.values.shape[1]))
    mean[leaves.node] = leaves.values * weight[leaves.node, None]
    levels = [
        np.flatnonzero(leaves.depth == depth) for depth in range(1, leaves.depth.max(initial=0) + 1)
    ]
    for nodes in reversed(levels):
        np.add.at(weight, leaves.parent[nodes], weight[nodes])
        np.add.at(mean, leaves.parent[nodes], mean[nodes])
    reached = leaves.depth >= 0
    mean[reached] /= weight[reached, None]
    result = mean.copy()
    for nodes in levels:
        above = leaves.parent[nodes]
        kept = 1.0 / (1.0 + strength / weight[above])
        result[nodes] = result[above] + kept[:, None] * (mean[nodes] - mean[above])
    return result[leaves.node]
