"""Sharing one budget between the ensembles inside an ensemble; each is searched by another selector."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from ..combiner import Combiner
from ..nested import NestedCombiner
from ..objectives.base import (
    Objective,
    class_positions,
    default_scorer,
    make_objective,
    normalised_weights,
)
from ..objectives.generic import GenericObjective
from ..objectives.squared import SquaredError, SquaredErrorThroughLink, squared_target
from ..path import PathPoint, PruningPath
from .base import Problem, Selector, make_selector, register_selector

# From one rung to the next the cost of an inner ensemble grows by this factor.
_RUNG = 2**0.5

# Scores must differ by more than rounding to count.
_RELATIVE_GAIN = 1e-12

# Per slot the position on its path, or _OUT.
Allocation = tuple[int, ...]
_OUT = -1

Stop = TypeVar("Stop", PathPoint, Allocation)

# (score, minus the squared error): what is asked for, and what decides between equals.
Value = tuple[float, float]


@dataclass(frozen=True)
class AllocationResult:
    """What the shared search reports.

    Parameters
    ----------
    status : str
        ``"complete"`` when nothing more fitted the budget; ``"exhausted"`` when nothing that
        fitted improved the score or the squared error.
    objective_value : float
        The metric at the last point of the path.
    solve_time : float
        Wall-clock seconds.
    kept : tuple of int
        Members kept of each member of the outer ensemble; 0 is dropped.
    whole_objective_value : float
        The metric of the best found by dropping whole members of the outer ensemble only; NaN
        where none fits the budget.
    """

    status: str
    objective_value: float
    solve_time: float
    kept: tuple[int, ...]
    whole_objective_value: float


class AllocationSelector(Selector):
    """Prune the ensembles inside an ensemble, under one budget for all of them.

    Each inner ensemble gets a path of its own pruned versions, by the squared error of its own
    predictions. Then the budget is handed out: a step takes one inner ensemble further along its
    path, or takes a whole member in, whichever raises the metric of the *outer* ensemble most, by
    gain and by gain per cost. After each step cost is moved from one inner ensemble to another
    while that helps. Dropping whole members of the outer ensemble only is tried as well, and the
    best of the three is kept.

    Parameters
    ----------
    inner : str or Selector, default="greedy"
        Makes the paths of the inner ensembles.

    Notes
    -----
    A step must improve the metric or the squared error of the outer ensemble, so a budget need not
    be spent. A final estimator (stacking) sees the pruned members' predictions; it is refitted
    when one of its base learners is dropped entirely.
    """

    def __init__(self, inner: str | Selector = "greedy"):
        self.inner = inner

    def select(self, problem: Problem) -> PruningPath:
        if not isinstance(problem.combiner, NestedCombiner):
            raise ValueError(
                "AllocationSelector shares a budget between the ensembles inside a voting, "
                "stacking or bagging model; give EnsemblePruner(deep=True) and such a model, or "
                "another selector"
            )
        start = time.perf_counter()
        ladders = [
            _ladder(problem, problem.combiner, slot, make_selector(self.inner))
            for slot in range(len(problem.combiner.slots))
        ]
        if not any(ladder.points for ladder in ladders):
            raise ValueError(
                f"no member fits the budget of {problem.budget:g}; give a larger target_size"
            )
        judge = _Judge(problem, ladders)
        runs = [judge.spend(per_cost, only_whole=False) for per_cost in (False, True)]
        whole = judge.spend(False, only_whole=True)
        best = _latest_best([*(run for run, _ in runs), whole[0]], judge)
        points = tuple(judge.point(allocation) for allocation in best)
        complete = any(done for run, done in (*runs, whole) if run and run[-1] == best[-1])
        result = AllocationResult(
            "complete" if complete else "exhausted",
            points[-1].objective,
            time.perf_counter() - start,
            judge.kept(best[-1]),
            judge.value(whole[0][-1])[0] if whole[0] else float("nan"),
        )
        return PruningPath(points, result)


def shared_between_slots(selector: Selector, problem: Problem) -> Selector:
    """The selector itself, or for ensembles inside an ensemble the one that runs it in each."""
    nested = isinstance(problem.combiner, NestedCombiner)
    if not nested or isinstance(selector, AllocationSelector):
        return selector
    return AllocationSelector(selector)


@dataclass(frozen=True)
class _Ladder:
    """The pruned versions of one slot that fit the budget, from cheap to dear.

    Parameters
    ----------
    points : tuple of PathPoint
        Members are numbered as in the whole problem.
    rungs : tuple of int
        Positions of the points worth stopping at.
    whole : int
        Position of the slot as it is, or ``_OUT`` where it does not fit.
    """

    points: tuple[PathPoint, ...]
    rungs: tuple[int, ...]
    whole: int


def _ladder(problem: Problem, combiner: NestedCombiner, slot: int, selector: Selector) -> _Ladder:
    members = combiner.members_of(slot)
    costs = problem.costs[members]
    everything = PathPoint(tuple(range(len(members))), float(costs.sum()), float("nan"))
    points: list[PathPoint] = []
    if len(members) > 1 and problem.fits(costs.min()):
        inner = _inner_problem(problem, combiner, slot)
        points = _rising(shared_between_slots(selector, inner).select(inner), _cost)
    if problem.fits(everything.cost):
        points = _rising([*points, everything], _cost)
    rungs, last = [], 0.0
    for position, point in enumerate(points):
        if not rungs or point.cost >= last * _RUNG or position == len(points) - 1:
            rungs.append(position)
            last = point.cost
    named = tuple(
        replace(point, indices=tuple(int(t) for t in members[list(point.indices)]))
        for point in points
    )
    whole = len(points) - 1 if problem.fits(everything.cost) else _OUT
    return _Ladder(named, tuple(rungs), whole)


def _inner_problem(problem: Problem, combiner: NestedCombiner, slot: int) -> Problem:
    members = combiner.members_of(slot)
    place = combiner.slots[slot]
    own = place.combiner
    assert own is not None
    y = problem.y
    if own.classes is not None:
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


def _rising(stops: Iterable[Stop], cost: Callable[[Stop], float]) -> list[Stop]:
    """Stops of rising cost: one that costs no more than those before it replaces them."""
    rising: list[Stop] = []
    for stop in stops:
        while rising and cost(rising[-1]) >= cost(stop):
            rising.pop()
        rising.append(stop)
    return rising


def _cost(point: PathPoint) -> float:
    return point.cost


class _Judge:
    """Values of allocations, computed once each, and the moves between them."""

    def __init__(self, problem: Problem, ladders: list[_Ladder]):
        self._problem = problem
        self._ladders = ladders
        self._combiner: NestedCombiner = problem.combiner  # type: ignore[assignment]
        objective = problem.objective
        self._scorer = (
            objective.scorer
            if isinstance(objective, GenericObjective)
            else default_scorer(problem.combiner)
        )
        self._weight = normalised_weights(problem.sample_weight, len(problem.y))
        self._outer: dict[tuple[int, ...], Combiner] = {}
        self._columns: dict[tuple[int, int], np.ndarray] = {}
        self._values: dict[Allocation, Value] = {}

    # --- what an allocation is worth ------------------------------------------------------------

    def value(self, allocation: Allocation) -> Value:
        """The metric and minus the squared error of the outer ensemble."""
        if allocation not in self._values:
            self._values[allocation] = self._valued(allocation)
        return self._values[allocation]

    def _valued(self, allocation: Allocation) -> Value:
        slots = tuple(s for s, position in enumerate(allocation) if position != _OUT)
        if slots not in self._outer:
            self._outer[slots] = self._combiner.outer.take(slots)
        outer = self._outer[slots]
        if outer.linear and not outer.member_weights.sum() > 0:  # type: ignore[attr-defined]
            return -np.inf, -np.inf  # an average over nothing
        # (n_slots, n_outputs, n_samples)
        outputs = np.stack([self._column(s, allocation[s]) for s in slots])
        problem = self._problem
        objective = make_objective(self._scorer, outer)
        alone = replace(problem, outputs=outputs, combiner=outer, objective=objective).start()
        for position in range(len(slots)):
            alone.add(position)
        score = alone.score()
        raw = outer.raw(outputs)
        squares = ((raw - squared_target(problem.y, outer)) ** 2).sum(axis=0)
        return (-np.inf if np.isnan(score) else score), -float(self._weight @ squares)

    def _column(self, slot: int, position: int) -> np.ndarray:
        """What a pruned version of a slot adds to the outer ensemble, (n_outputs, n_samples)."""
        if (slot, position) not in self._columns:
            point = self._ladders[slot].points[position]
            local = np.searchsorted(self._combiner.members_of(slot), point.indices)
            place = self._combiner.slots[slot].take(local, point.weight_array)
            outputs = self._problem.outputs[list(point.indices)]
            self._columns[slot, position] = place.output(outputs)
        return self._columns[slot, position]

    def _better(self, allocation: Allocation, other: Allocation) -> bool:
        return _beats(self.value(allocation), self.value(other))

    # --- what it costs and keeps ----------------------------------------------------------------

    def cost(self, allocation: Allocation) -> float:
        return sum(point.cost for point in self._points(allocation))

    def _points(self, allocation: Allocation) -> list[PathPoint]:
        return [
            ladder.points[position]
            for ladder, position in zip(self._ladders, allocation, strict=True)
            if position != _OUT
        ]

    def kept(self, allocation: Allocation) -> tuple[int, ...]:
        return tuple(
            0 if position == _OUT else ladder.points[position].size
            for ladder, position in zip(self._ladders, allocation, strict=True)
        )

    def point(self, allocation: Allocation) -> PathPoint:
        """The members of all slots, in the order of the slots."""
        points = self._points(allocation)
        weights = None
        if any(point.weights is not None for point in points):
            weights = np.concatenate(
                [np.ones(p.size) if p.weights is None else p.weights for p in points]
            )
        members = [t for point in points for t in point.indices]
        return self._problem.point(members, self.value(allocation)[0], weights)

    # --- handing out the budget -----------------------------------------------------------------

    def spend(self, per_cost: bool, only_whole: bool) -> tuple[list[Allocation], bool]:
        """Allocations from cheap to dear, and whether nothing more fitted in the end."""
        state: Allocation = (_OUT,) * len(self._ladders)
        visited: list[Allocation] = []
        while True:
            moves = list(self._advances(state, only_whole))
            best = self._best(state, moves, per_cost, bool(visited))
            if best is None:
                break
            state = best if only_whole else self._exchanged(best, self.cost(best))
            visited.append(state)
        if visited and not only_whole:
            final = self._exchanged(visited[-1], self._problem.budget)
            if final != visited[-1]:
                visited.append(final)
        return visited, not moves

    def _advances(self, state: Allocation, only_whole: bool) -> Iterator[Allocation]:
        """The next rung of each slot, and the furthest point that still fits."""
        spent = self.cost(state)
        for slot, ladder in enumerate(self._ladders):
            if only_whole:
                targets = {ladder.whole}
            else:
                targets = {next((r for r in ladder.rungs if r > state[slot]), _OUT)}
                targets.add(self._furthest(state, slot, self._problem.budget))
            before = 0.0 if state[slot] == _OUT else ladder.points[state[slot]].cost
            for target in sorted(targets):
                if target > state[slot] and self._problem.fits(
                    spent - before + ladder.points[target].cost
                ):
                    yield _moved(state, slot, target)

    def _furthest(self, state: Allocation, slot: int, limit: float) -> int:
        """The last point of a slot that fits when the others stay, or ``_OUT``."""
        left = limit * (1 + 1e-9) - self.cost(_moved(state, slot, _OUT))
        costs = [point.cost for point in self._ladders[slot].points]
        return int(np.searchsorted(costs, left, side="right")) - 1

    def _best(
        self, state: Allocation, moves: list[Allocation], per_cost: bool, started: bool
    ) -> Allocation | None:
        """The move of the largest gain; None where none improves anything."""
        values = np.array([self.value(move) for move in moves]).reshape(-1, 2)
        known = values[np.isfinite(values).all(axis=1)]
        if not len(known):
            return None
        gains = values - (self.value(state) if started else known.min(axis=0))
        if started and not (gains > _RELATIVE_GAIN * np.abs(values)).any():
            return None
        if per_cost:
            spent = self.cost(state)
            added = np.array([self.cost(move) - spent for move in moves])[:, None]
            # A loss is no cheaper for being spread over a high cost.
            positive = added[added > 0].min() if (added > 0).any() else 1.0
            gains = np.where(gains > 0, gains / np.maximum(added, positive), gains)
        if started:
            improves = (gains > 0).any(axis=1)
            gains = np.where(improves[:, None], gains, -np.inf)
        best = 0
        for position in range(1, len(moves)):
            if _beats(tuple(gains[position]), tuple(gains[best])):
                best = position
        return moves[best]

    def _exchanged(self, state: Allocation, limit: float) -> Allocation:
        """Cost moved from one slot to another while that helps."""
        while True:
            best = state
            for giver, ladder in enumerate(self._ladders):
                if state[giver] == _OUT:
                    continue
                below = [rung for rung in ladder.rungs if rung < state[giver]]
                for lower in {_OUT, *below[-1:]}:
                    less = _moved(state, giver, lower)
                    for taker in range(len(state)):
                        more = _moved(less, taker, self._furthest(less, taker, limit))
                        if taker != giver and more[taker] > state[taker]:
                            best = more if self._better(more, best) else best
            if best == state:
                return state
            state = best


def _moved(state: Allocation, slot: int, position: int) -> Allocation:
    return (*state[:slot], position, *state[slot + 1 :])


def _beats(value: Value, other: Value) -> bool:
    """Whether a value is better by more than rounding, in the score or else in squared error."""
    for mine, theirs in zip(value, other, strict=True):
        slack = _RELATIVE_GAIN * abs(theirs) if np.isfinite(theirs) else 0.0
        if mine > theirs + slack:
            return True
        if mine < theirs - slack:
            return False
    return False


def _latest_best(runs: list[list[Allocation]], judge: _Judge) -> list[Allocation]:
    """One sequence of rising cost out of several: a stop is left out where another run is ahead."""
    stops = [
        (judge.cost(state), run, state)
        for run, states in enumerate(runs)
        for state in _rising(states, judge.cost)
    ]
    latest: dict[int, Allocation] = {}
    best: list[Allocation] = []
    for cost, run, state in sorted(stops, key=lambda stop: stop[0]):
        latest[run] = state
        if any(_beats(judge.value(other), judge.value(state)) for other in latest.values()):
            continue
        best.append(state)
    return _rising(best, judge.cost)


register_selector("allocation", AllocationSelector)
