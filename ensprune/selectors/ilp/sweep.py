"""Bounds on quadratic subset selection at every size a budget allows."""

from __future__ import annotations

import heapq
import time
from collections.abc import Sequence

import numpy as np

from .bound import PATIENCE, Bounding, quadratic_bound
from .rules import Rules

# Share of the time for the first look at every size.
_FIRST_SHARE = 0.5


def bound_sizes(
    gram: np.ndarray,
    sizes: Sequence[int],
    rules: Rules,
    incumbent: float,
    near: int | None,
    deadline: float,
    mip_gap: float,
) -> dict[int, Bounding]:
    """Lower bounds on ``x' gram x / size^2``, for one size or many.

    The relaxations of neighbouring sizes have almost the same solution, so each starts from its
    neighbour's, outwards from the size of the incumbent; then the size with the lowest bound is
    always the next to be tightened, until all are within ``mip_gap`` or none gains any more.

    Parameters
    ----------
    gram : ndarray of shape (n_members, n_members)
    sizes : sequence of int
        Ascending.
    rules : Rules
    incumbent : float
        A value of ``x' gram x / size^2`` known to be reached, infinite if none is.
    near : int or None
        The size it is reached at.
    deadline : float
        ``time.perf_counter()`` at which to stop.
    mip_gap : float
        Relative gap at which to stop.

    Returns
    -------
    dict of {int: Bounding}
        Values of each :class:`~ensprune.selectors.ilp.bound.Bounding` are not divided by
        ``size^2``.
    """
    if len(sizes) == 1:
        goal = incumbent * float(sizes[0]) ** 2
        return {sizes[0]: quadratic_bound(gram, sizes[0], rules, goal, deadline, mip_gap)}
    now = time.perf_counter()
    first = now + _FIRST_SHARE * (deadline - now)
    middle = sizes[-1] if near is None or near not in sizes else near
    below, above = [s for s in reversed(sizes) if s <= middle], [s for s in sizes if s > middle]
    bounds: dict[int, Bounding] = {}
    for chain in below, above:
        before = bounds.get(middle)
        for size in chain:
            one = Bounding(gram, size, rules, incumbent * float(size) ** 2, before)
            now = time.perf_counter()
            share = max((first - now) / (len(sizes) - len(bounds)), one.round_seconds())
            if now + one.round_seconds() < deadline:
                one.run(min(now + share, deadline), mip_gap, patience=1)
            bounds[size] = one
            if one.seeds:
                if before is not None and before.size != middle and before.enough(mip_gap):
                    before.release()
                before = one
    waiting = [
        (one.value / float(size) ** 2, size)
        for size, one in bounds.items()
        if not one.enough(mip_gap)
    ]
    heapq.heapify(waiting)
    while waiting and time.perf_counter() < deadline:
        size = heapq.heappop(waiting)[1]
        one = bounds[size]
        if one.round(deadline, mip_gap) and one.stalled < PATIENCE:
            heapq.heappush(waiting, (one.value / float(size) ** 2, size))
    return bounds
