"""The cost-complexity path: the subtrees whose collapse costs least per node go first.

As in CART, but over all trees of the ensemble at once, each judged by what it does to the sum.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .evidence import Evidence

# Share of the nodes that a step leaves; the rises are read anew after each.
_STEP = 0.9

_HALVINGS = 30


def collapse_path(evidence: Evidence, least: int = 0) -> Iterator[None]:
    """Collapse subtrees of the evidence's grove, a tenth of the nodes at a time.

    Yields after each step, until ``least`` nodes are left, or only roots.

    References
    ----------
    Breiman, Friedman, Olshen & Stone, "Classification and Regression Trees" (1984), chapter 3, for
    a single tree.
    """
    grove = evidence.grove
    least = max(least, len(grove.trees))
    size = int(grove.sizes(grove.collapsed).sum())
    while size > least:
        goal = max(least, min(size - 2, int(_STEP * size)))
        rises = evidence.rises()
        alive = grove.owner == np.arange(len(grove.owner))
        open_nodes = np.flatnonzero(alive & ~grove.collapsed)
        removed = grove.nodes_below()[open_nodes]
        rate = np.full(len(rises), np.inf)
        rate[open_nodes] = rises[open_nodes] / removed
        grove.collapse(_cheapest(evidence, rate, open_nodes, goal))
        size = int(grove.sizes(grove.collapsed).sum())
        yield


def _cheapest(
    evidence: Evidence, rate: np.ndarray, open_nodes: np.ndarray, goal: int
) -> np.ndarray:
    """The collapsed nodes with all those of the least rates that take the size to the goal."""
    grove = evidence.grove
    order = open_nodes[np.argsort(rate[open_nodes], kind="stable")]

    def with_first(n: int) -> np.ndarray:
        collapsed = grove.collapsed.copy()
        collapsed[order[:n]] = True
        return collapsed

    few, many = 0, len(order)  # too few, enough
    for _ in range(_HALVINGS):
        if many - few <= 1:
            break
        middle = (few + many) // 2
        if grove.sizes(with_first(middle)).sum() > goal:
            few = middle
        else:
            many = middle
    return with_first(many)
