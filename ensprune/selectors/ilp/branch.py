"""Branch and bound on quadratic subset selection, with the bounds of ``bound`` and no solver."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Mapping

import numpy as np

from .bound import MOST_BYTES, PATIENCE, Bounding

# Bounds without progress after which a node is split: splitting gains more than waiting.
_PATIENCE = 1


def branch_and_bound(
    roots: Mapping[int, Bounding],
    incumbent: float,
    deadline: float,
    mip_gap: float,
    first: bool = False,
    most_bytes: int = MOST_BYTES,
) -> tuple[dict[int, float], np.ndarray | None]:
    """Split the node with the lowest bound until none is left below the incumbent.

    Values are those of ``x' gram x / size^2``; sizes compete with each other.

    Parameters
    ----------
    roots : dict of {int: Bounding}
        One for each size, after its :meth:`~Bounding.run`.
    incumbent : float
        A value known to be reached.
    deadline : float
        ``time.perf_counter()`` at which to stop.
    mip_gap : float
        Relative gap at which to stop.
    first : bool, default=False
        Whether to stop at the first set that is better than the incumbent.
    most_bytes : int, default=512 MiB
        What relaxations of nodes that wait may take together; those with the highest bounds are
        forgotten, and begin anew should their turn come.

    Returns
    -------
    values : dict of {int: float}
        Admissible sets of a size are no better than this, or no better than the incumbent.
    best : ndarray of shape (n_members,), dtype bool, or None
        A set better than the incumbent, if one was found.
    """
    order = itertools.count()
    waiting: list[tuple[float, int, Bounding]] = []
    best = None
    values = dict.fromkeys(roots, np.inf)  # by size: the least of what has nothing to choose
    parts: tuple[Bounding, ...] = tuple(roots.values())
    while parts:
        for part in parts:
            value = part.value / float(part.size) ** 2
            if not part.done:
                heapq.heappush(waiting, (value, next(order), part))
                continue
            values[part.size] = min(values[part.size], value)
            if value < incumbent:
                incumbent, best = value, part.best_set()
        parts = ()
        least = waiting[0][0] if waiting else np.inf
        goes_on = time.perf_counter() < deadline and not (first and best is not None)
        if goes_on and least < incumbent - mip_gap * abs(incumbent):
            if len(waiting) * max(node.bytes for *_, node in waiting[:8]) > most_bytes:
                _make_room(waiting, roots, most_bytes)
            node = heapq.heappop(waiting)[2]
            node.wake()
            # A root whose time had run out goes on from where it stood.
            patience = PATIENCE if node is roots[node.size] else _PATIENCE
            if node.stalled < patience and node.round(deadline, mip_gap):
                parts = (node,)
                continue
            parts = node.split(incumbent * float(node.size) ** 2) if node.splits else (node,)
            for part in parts:
                part.run(deadline, mip_gap, _PATIENCE)
    for value, _, node in waiting:
        values[node.size] = min(values[node.size], value)
    return values, best


def _make_room(
    waiting: list[tuple[float, int, Bounding]], roots: Mapping[int, Bounding], most_bytes: int
) -> None:
    """Shelve nodes until half of the room is free; roots say what the solver may leave out."""
    taken = 0
    for _, _, node in sorted(waiting):
        taken += node.bytes
        if taken > most_bytes // 2 and node is not roots[node.size]:
            node.shelve()
