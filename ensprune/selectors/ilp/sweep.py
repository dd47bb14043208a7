"""Bounds on quadratic subset selection at every size a budget allows."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np

from .bound import MOST_BYTES, PATIENCE, Bounding, quadratic_bound
from .rules import Rules

# Share of the time for the first look at every size, and of what is left of it for one of them:
# those after it start from what it has reached.
_FIRST_SHARE = 0.5
_ONE_SHARE = 0.25
# Rounds without progress in a first look: what is found for another size is no bound at once.
_FIRST_PATIENCE = 4
# By how many sizes one that is settled seems further away.
_SETTLED = 3


def bound_sizes(
    gram: np.ndarray,
    sizes: Sequence[int],
    rules: Rules,
    incumbent: float,
    near: int | None,
    deadline: float,
    mip_gap: float,
    most_bytes: int = MOST_BYTES,
) -> dict[int, Bounding]:
    """Lower bounds on ``x' gram x / size^2``, for one size or many.

    Multipliers that are good for one size are not bad for its neighbours, and turning them into
    bounds takes less than a step of the relaxation. So what one size has found, the incumbent's
    first, is tried on all others; of those that it does not settle the nearest is next, from where
    that relaxation stands. Once all have had their turn, the size with the lowest bound is always
    the next to be tightened, until all are within ``mip_gap`` or none gains any more.

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
    most_bytes : int, default=512 MiB
        What the relaxations of all sizes may take together.

    Returns
    -------
    dict of {int: Bounding}
        Values of each :class:`~ensprune.selectors.ilp.bound.Bounding` are not divided by
        ``size^2``.
    """
    if len(sizes) == 1:
        goal = incumbent * float(sizes[0]) ** 2
        return {sizes[0]: quadratic_bound(gram, sizes[0], rules, goal, deadline, mip_gap)}
    bounds = {size: Bounding(gram, size, rules, incumbent * float(size) ** 2) for size in sizes}
    now = time.perf_counter()
    first = now + _FIRST_SHARE * (deadline - now)
    size: int | None = sizes[-1] if near is None or near not in bounds else near
    begun: set[int] = set()
    while size is not None and now < deadline:
        one = bounds[size]
        _start(one, bounds)
        if size in begun:
            one.round(deadline, mip_gap)
        else:
            share = max(_ONE_SHARE * (first - now), one.round_seconds())
            one.run(min(now + share, deadline), mip_gap, _FIRST_PATIENCE)
        if size not in begun or one.enough(mip_gap):
            _teach(one, bounds, mip_gap)
        begun.add(size)
        size = _next(bounds, begun, mip_gap)
        _make_room(bounds, size, mip_gap, most_bytes)
        now = time.perf_counter()
    return bounds


def _start(one: Bounding, bounds: Mapping[int, Bounding]) -> None:
    """Let a relaxation that has none begin where the nearest one stands."""
    seeds = [other for other in bounds.values() if other.seeds]
    if seeds and not one.seeds:
        one.start_near(min(seeds, key=lambda other: abs(other.size - one.size)))


def _teach(one: Bounding, bounds: Mapping[int, Bounding], mip_gap: float) -> None:
    """Try what one size has found on all others that are still open."""
    prices = one.prices()
    if prices is None:
        return
    for other in bounds.values():
        if other is not one and not other.enough(mip_gap):
            other.learn(one, prices)


def _next(bounds: Mapping[int, Bounding], begun: set[int], mip_gap: float) -> int | None:
    """The open size nearest to one that has begun; once all have, the one with the lowest bound."""
    waiting = [
        size
        for size, bound in bounds.items()
        if not bound.enough(mip_gap) and bound.stalled < PATIENCE
    ]
    new = [size for size in waiting if size not in begun]
    if new:
        return min(new, key=lambda size: min(abs(size - other) for other in begun))
    return min(waiting, key=lambda size: bounds[size].value / float(size) ** 2, default=None)


def _make_room(
    bounds: Mapping[int, Bounding], size: int | None, mip_gap: float, most_bytes: int
) -> None:
    """Forget relaxations, if they are too many: those far from the size that is next."""
    held = [bound for bound in bounds.values() if bound.seeds]
    most = max(2, most_bytes // max(1, max((bound.bytes for bound in held), default=1)))

    def worth(bound: Bounding) -> int:
        # One that is settled can only be where another starts.
        return abs(bound.size - (size or 0)) + _SETTLED * bound.enough(mip_gap)

    for bound in sorted(held, key=worth)[most:]:
        bound.release()
