"""Branch and bound on quadratic subset selection, with the bounds of ``bound`` and no solver."""

from __future__ import annotations

import heapq
import itertools
import time

import numpy as np

from .bound import Bounding

# Bounds without progress after which a node is split: splitting gains more than waiting.
_PATIENCE = 1


def branch_and_bound(
    root: Bounding, incumbent: float, deadline: float, mip_gap: float
) -> tuple[float, np.ndarray | None]:
    """Split the node with the lowest bound until none is left below the incumbent.

    Parameters
    ----------
    root : Bounding
        After its :meth:`~Bounding.run`.
    incumbent : float
        A value known to be reached.
    deadline : float
        ``time.perf_counter()`` at which to stop.
    mip_gap : float
        Relative gap at which to stop.

    Returns
    -------
    value : float
        Admissible sets are no better than this, or no better than the incumbent.
    best : ndarray of shape (n_members,), dtype bool, or None
        A set better than the incumbent, if one was found.
    """
    order = itertools.count()
    waiting: list[tuple[float, int, Bounding]] = []
    best, settled = None, np.inf  # the least value of the nodes that have nothing to choose
    parts: tuple[Bounding, ...] = (root,)
    while parts:
        for part in parts:
            if not part.done:
                heapq.heappush(waiting, (part.value, next(order), part))
                continue
            settled = min(settled, part.value)
            if part.value < incumbent:
                incumbent, best = part.value, part.best_set()
        parts = ()
        least = waiting[0][0] if waiting else np.inf
        in_time = time.perf_counter() < deadline
        if in_time and least < incumbent - mip_gap * abs(incumbent) and waiting[0][2].splits:
            parts = heapq.heappop(waiting)[2].split(incumbent)
            for part in parts:
                part.run(deadline, mip_gap, _PATIENCE)
    return min([settled, *(value for value, _, _ in waiting[:1])]), best
