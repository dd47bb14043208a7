"""The pruned versions of each ensemble inside an ensemble; choosing among them is ``allocation.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from ..combiner import Combiner
from ..nested import NestedCombiner
from ..objectives.base import Objective, class_positions
from ..objectives.registry import default_scorer, make_objective
from ..objectives.squared import SquaredError, SquaredErrorThroughLink
from ..path import PathPoint
from .base import Problem, Selector

# From one rung to the next the cost grows by this factor.
_RUNG = 2**0.5

Stop = TypeVar("Stop")


@dataclass(frozen=True)
class Ladder:
    """The pruned versions of one slot that fit the budget, from cheap to dear.

    Parameters
    ----------
    points : tuple of PathPoint
        Members are numbered as in the whole problem.
    rungs : tuple of int
        Positions of the points worth stopping at.
    whole : int or None
        Position of the slot as it is; None where it does not fit.
    """

    points: tuple[PathPoint, ...]
    rungs: tuple[int, ...]
    whole: int | None

    def furthest(self, budget: float) -> int:
        """Position of the last point within a budget; -1 where there is none."""
        costs = [point.cost for point in self.points]
        return int(np.searchsorted(costs, budget * (1 + 1e-9), side="right")) - 1


def ladder_of(problem: Problem, slot: int, selector: Selector) -> Ladder:
    """Search a slot alone.

    Parameters
    ----------
    problem : Problem
        Its combiner is a NestedCombiner.
    slot : int
    selector : Selector
        Makes the path, judged by the squared error of the slot's own predictions.
    """
    combiner = problem.combiner
    assert isinstance(combiner, NestedCombiner)
    members = combiner.members_of(slot)
    costs = problem.costs[members]
    everything = PathPoint(tuple(range(len(members))), float(costs.sum()), float("nan"))
    points: list[PathPoint] = []
    if len(members) > 1 and problem.fits(costs.min()):
        points = list(selector.select(_inner_problem(problem, combiner, slot)))
    fits = bool(problem.fits(everything.cost))
    if fits:
        points.append(everything)
    points = rising(points, lambda point: point.cost)
    rungs: list[int] = []
    for position, point in enumerate(points):
        last = position == len(points) - 1
        if not rungs or last or point.cost >= points[rungs[-1]].cost * _RUNG:
            rungs.append(position)
    named = tuple(
        replace(point, indices=tuple(int(t) for t in members[list(point.indices)]))
        for point in points
    )
    return Ladder(named, tuple(rungs), len(points) - 1 if fits else None)


def rising(stops: Iterable[Stop], cost: Callable[[Stop], float]) -> list[Stop]:
    """Stops of rising cost: one that costs no more than those before it replaces them."""
    kept: list[Stop] = []
    for stop in stops:
        while kept and cost(kept[-1]) >= cost(stop):
            kept.pop()
        kept.append(stop)
    return kept


def _inner_problem(problem: Problem, combiner: NestedCombiner, slot: int) -> Problem:
    members = combiner.members_of(slot)
    place = combiner.slots[slot]
    own = place.combiner
    assert own is not None
    y = problem.y
    if own.classes is not None and combiner.classes is not None:
        # Members of an ensemble may know labels by their positions only.
        y = own.classes[class_positions(y, combiner.classes)]
    return replace(
        problem,
        outputs=problem.outputs[members, : place.n_outputs],
        y=y,
        combiner=own,
        objective=_proxy(own),
        costs=problem.costs[members],
        budget=min(problem.budget, float(problem.costs[members].sum())),
        carries_weights=place.carries_weights,
    )


def _proxy(combiner: Combiner) -> Objective:
    """Squared error where the ensemble is an average or a sum: smooth, and fast to search."""
    kind = "mse" if combiner.classes is None else "brier"
    if not combiner.linear:
        return make_objective(default_scorer(combiner), combiner)
    return SquaredErrorThroughLink(kind) if combiner.kind == "sum" else SquaredError(kind)
