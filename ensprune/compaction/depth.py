"""The depth path: every tree is cut at a depth of its own, all depths chosen together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .evidence import Evidence

_SWEEPS = 3
# From one price of a node to the next.
_PRICE_STEP = 1.6
# The first price is this share of what a node is worth on average.
_FIRST_PRICE = 1e-3
_MOST_PRICES = 60


def depth_path(evidence: Evidence) -> Iterator[None]:
    """Cut the trees of the evidence's grove by depth, at rising prices of a node.

    For each price, block coordinate descent takes the trees in turn and gives each the depth at
    which loss plus price is least while the others stay, starting from the last price's depths.
    Yields after each price that changed something.

    References
    ----------
    Liu & Mazumder, "ForestPrune: compact depth-pruned tree ensembles", AISTATS 2023: its problem
    and its block coordinate descent. Here the loss fits the ensemble's link, and a tree is cut to
    its root at most, never dropped.
    """
    grove = evidence.grove
    depth_of = np.zeros(len(grove.left), dtype=np.intp)
    for depth, inner in enumerate(grove.levels):
        depth_of[grove.left[inner]] = depth_of[grove.right[inner]] = depth + 1
    blocks = [_Block(evidence, t, depth_of) for t in range(len(grove.trees))]
    worth = np.abs(evidence.rises()[grove.roots[:-1]]).sum() / len(grove.left)
    price = max(_FIRST_PRICE * worth, np.finfo(float).tiny)
    before = [block.depth for block in blocks]
    for _ in range(_MOST_PRICES):
        for _ in range(_SWEEPS):
            first, second = evidence.slopes()
            # All of them: the sum must know of every block's move, or two undo each other.
            moved = sum(block.choose(price, first, second) for block in blocks)
            limit = np.repeat([block.depth for block in blocks], np.diff(grove.roots))
            grove.collapse((grove.left < 0) | (depth_of >= limit))
            if not moved:
                break
        price *= _PRICE_STEP
        depths = [block.depth for block in blocks]
        if depths != before:
            before = depths
            yield
        if not any(depths):
            return


class _Block:
    """One tree and its current depth."""

    def __init__(self, evidence: Evidence, t: int, depth_of: np.ndarray):
        grove = evidence.grove
        nodes = slice(grove.roots[t], grove.roots[t + 1])
        ended = grove.reached[nodes].tocoo()
        leaves = np.flatnonzero(grove.left[nodes] < 0)
        place = np.full(nodes.stop - nodes.start, -1)
        place[leaves] = np.arange(len(leaves))
        order = np.argsort(ended.col)
        self._leaf_of = place[ended.row[order]]  # (n_samples,)
        self._judged = np.bincount(
            evidence.judged[nodes].tocoo().col, minlength=len(self._leaf_of)
        ).astype(np.float64)  # 1 where the tree may be judged
        self._prior = evidence.prior
        self._share = grove.share[nodes][leaves]
        adds = grove.adds[nodes]
        self._leaf_adds = adds[leaves]  # (n_leaves, n_outputs)
        depth_of = depth_of[nodes]
        self.depth = int(depth_of.max())
        counts = np.bincount(depth_of, minlength=self.depth + 1)
        self._sizes = np.cumsum(counts)  # nodes if cut at each depth
        parent = grove.trees[t].parent
        self._adds = np.empty((self.depth + 1, *self._leaf_adds.shape))
        at = leaves
        for depth in range(self.depth, -1, -1):
            at = np.where(depth_of[at] > depth, parent[at], at)
            self._adds[depth] = adds[at]

    def choose(self, price: float, first: np.ndarray, second: np.ndarray) -> bool:
        """Take the best depth and move ``first`` on by it; True if it is another one."""
        cost = price * self._sizes
        step = self._adds - self._adds[self.depth]  # (n_depths, n_leaves, n_outputs)
        n_leaves = len(self._leaf_adds)
        for k in range(first.shape[1]):
            g, h = (
                np.bincount(self._leaf_of, slope[:, k] * self._judged, n_leaves)
                for slope in (first, second)
            )
            cost = cost + (1 - self._prior) * (step[:, :, k] @ g + 0.5 * step[:, :, k] ** 2 @ h)
            away = (self._adds[:, :, k] - self._leaf_adds[:, k]) ** 2 @ self._share
            cost += self._prior * 0.5 * second[:, k].sum() * away
        best = int(cost.argmin())
        if best == self.depth:
            return False
        first += second * step[best][self._leaf_of]
        self.depth = best
        return True
