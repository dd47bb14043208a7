"""The depth path: every tree is cut at a depth of its own, chosen together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .evidence import Evidence

_SWEEPS = 3
# From one price of a node to the next.
_PRICE_STEP = 1.6
_MOST_PRICES = 60


def depth_path(evidence: Evidence) -> Iterator[None]:
    """Cut trees by depth at rising prices of a node.

    For each price, block coordinate descent takes the trees in turn and gives each the depth at
    which loss plus price is least, the others as they are; it starts from the last price's depths.

    References
    ----------
    Liu & Mazumder, "ForestPrune: compact depth-pruned tree ensembles", AISTATS 2023, problem (3)
    and its block coordinate descent; a tree is never dropped here, only cut to its root.
    """
    grove = evidence.grove
    depth_of = np.zeros(len(grove.left), dtype=np.intp)
    for depth, inner in enumerate(grove.levels):
        depth_of[grove.left[inner]] = depth_of[grove.right[inner]] = depth + 1
    blocks = [_Block(evidence, t, depth_of) for t in range(len(grove.trees))]
    first, _ = evidence.slopes()
    # A price at which hardly a node goes: a small part of the mean rise.
    price = 1e-3 * np.abs(evidence.rises()[grove.roots[:-1]]).sum() / len(grove.left)
    price = max(price, np.finfo(float).tiny)
    last = None
    for _ in range(_MOST_PRICES):
        for _ in range(_SWEEPS):
            moved = False
            for block in blocks:
                moved |= block.choose(price)
            if not moved:
                break
        chosen = [block.depth for block in blocks]
        price *= _PRICE_STEP
        if chosen == last:
            continue
        last = chosen
        limit = np.repeat(chosen, np.diff(grove.roots))
        grove.collapse((grove.left < 0) | (depth_of >= limit))
        yield
        if not any(chosen):
            return
