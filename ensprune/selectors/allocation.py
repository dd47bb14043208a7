"""Sharing one budget between the ensembles inside an ensemble; each is searched by another selector."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..combination import Combination
from ..combiner import Combiner, affine
from ..nested import NestedCombiner
from ..objectives.base import normalised_weights
from ..objectives.generic import GenericObjective
from ..objectives.registry import default_scorer, make_objective
from ..objectives.targets import squared_target
from ..path import PathPoint, PruningPath
from .base import Problem, Selector, make_selector
from .ladder import Ladder, ladder_of, rising

# Scores must differ by more than rounding to count.
_RELATIVE_GAIN = 1e-12

# Members may cost nothing; a gain per cost is finite all the same.
_LEAST_COST = 1e-12

# Per slot the position on its path, or _OUT.
Allocation = tuple[int, ...]
_OUT = -1

# (score, minus the squared error): what is asked for, and what decides between equals.
Value = tuple[float, ...]


@dataclass(frozen=True)
class AllocationResult:
    """What the shared search reports.

    Parameters
    ----------
    status : str
        ``"complete"`` when nothing more fitted the budget; ``"exhausted"`` when all that fitted
        made the metric worse.
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
    A step must improve the metric or the squared error of the outer ensemble. At the end, steps
    that leave the metric as it is are taken as well, so only what makes it worse is not spent. A
    final estimator (stacking) sees the pruned members' predictions; it is refitted when one of its
    base learners is dropped entirely.
    """

    def __init__(self, inner: str | Selector = "greedy"):
        self.inner = inner

    def check(self, combination: Combination | None) -> None:
        inner = make_selector(self.inner, "inner")
        if isinstance(inner, Selector):
            inner.check(None)

    def select(self, problem: Problem) -> PruningPath:
        inner = make_selector(self.inner, "inner")
        if not isinstance(problem.combiner, NestedCombiner):
            raise ValueError(
                "AllocationSelector shares a budget between the ensembles inside a voting, "
                "stacking or bagging model; give EnsemblePruner(deep=True) and such a model, or "
                "another selector"
            )
        start = time.perf_counter()
        ladders = [
            ladder_of(problem, slot, for_combiner(inner, place.combiner))
            for slot, place in enumerate(problem.combiner.slots)
        ]
        if not any(ladder.points for ladder in ladders):
            raise ValueError(
                f"no member fits the budget of {problem.budget:g}; give a larger target_size"
            )
        judge = _Judge(problem, ladders)
        whole = judge.only_whole(inner)
        best = _latest_best([judge.spend(False), judge.spend(True), whole], judge)
        points = tuple(judge.point(allocation) for allocation in best)
        result = AllocationResult(
            "exhausted" if any(judge.advances(best[-1])) else "complete",
            points[-1].objective,
            time.perf_counter() - start,
            judge.kept(best[-1]),
            judge.value(whole[-1])[0] if whole else float("nan"),
        )
        return PruningPath(points, result)


def for_combiner(selector: Selector, combiner: Combiner | None) -> Selector:
    """The selector itself, or for ensembles inside an ensemble the one that runs it in each."""
    if not isinstance(combiner, NestedCombiner) or isinstance(selector, AllocationSelector):
        return selector
    return AllocationSelector(selector)


class _Judge:
    """Values of allocations, computed once each, and the moves between them."""

    def __init__(self, problem: Problem, ladders: list[Ladder]):
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
        if outer.linear and not affine(outer).member_weights.sum() > 0:
            return -np.inf, -np.inf  # an average over nothing
        # (n_slots, n_outputs, n_samples)
        outputs = np.stack([self._column(s, allocation[s]) for s in slots])
        problem = self._problem
        objective = make_objective(self._scorer, outer)
        alone = replace(problem, outputs=outputs, combiner=outer, objective=objective).start()
        for position in range(len(slots)):
            alone.add(position)
        score = alone.score()
        squares = ((outer.raw(outputs) - squared_target(problem.y, outer)) ** 2).sum(axis=0)
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

    def spend(self, per_cost: bool) -> list[Allocation]:
        """Allocations from next to nothing up to the budget."""
        state: Allocation = (_OUT,) * len(self._ladders)
        visited: list[Allocation] = []
        while moves := list(self.advances(state)):
            best = self._best(state, moves, per_cost)
            if best is None:
                break
            state = self._exchanged(best, self.cost(best))
            if state in visited:
                # A step for the squared error's sake, and exchanges for the metric's sake back.
                break
            visited.append(state)
        if visited:
            visited.append(self._exchanged(state, self._problem.budget))
            visited.extend(self._filled(visited[-1]))
        return visited

    def _filled(self, state: Allocation) -> Iterator[Allocation]:
        """On to the budget while the metric gets no worse, though the squared error does.

        A metric that counts errors cannot tell apart what errs on the same few rows; a tree that
        does as well as twenty there is not as good as twenty.
        """
        while moves := list(self.advances(state)):
            best = moves[0]
            for move in moves[1:]:
                best = move if self._better(move, best) else best
            if _beats(self.value(state)[:1], self.value(best)[:1]):
                return
            state = best
            yield state

    def only_whole(self, selector: Selector) -> list[Allocation]:
        """What the selector makes of the outer ensemble when nothing inside is pruned."""
        fitting = [(s, lad.whole) for s, lad in enumerate(self._ladders) if lad.whole is not None]
        if not fitting:
            return []
        slots = [slot for slot, _ in fitting]
        outer = self._combiner.outer.take(slots)
        plain = replace(
            self._problem,
            outputs=np.stack([self._column(slot, whole) for slot, whole in fitting]),
            combiner=outer,
            objective=make_objective(self._scorer, outer),
            costs=np.array([self._ladders[s].points[whole].cost for s, whole in fitting]),
            carries_weights=True,  # which are left out of account
        )
        allocations = []
        for point in selector.select(plain):
            state: Allocation = (_OUT,) * len(self._ladders)
            for slot, whole in (fitting[t] for t in point.indices):
                state = _moved(state, slot, whole)
            allocations.append(state)
        return allocations

    def advances(self, state: Allocation) -> Iterator[Allocation]:
        """The next rung of each slot, and the furthest point that still fits."""
        for slot, ladder in enumerate(self._ladders):
            furthest = self._furthest(state, slot, self._problem.budget)
            targets = {min((r for r in ladder.rungs if r > state[slot]), default=_OUT), furthest}
            yield from (
                _moved(state, slot, target)
                for target in sorted(targets)
                if state[slot] < target <= furthest
            )

    def _furthest(self, state: Allocation, slot: int, limit: float) -> int:
        """The last point of a slot that fits when the others stay, or ``_OUT``."""
        return self._ladders[slot].furthest(limit - self.cost(_moved(state, slot, _OUT)))

    def _best(
        self, state: Allocation, moves: list[Allocation], per_cost: bool
    ) -> Allocation | None:
        """The move of the largest gain; None where none improves anything."""
        values = np.array([self.value(move) for move in moves])  # (n_moves, 2)
        started = any(position != _OUT for position in state)
        known = values[np.isfinite(values).all(axis=1)]
        if started:
            before = np.array(self.value(state))
        elif len(known):
            before = known.min(axis=0)
        else:
            raise ValueError(
                "scoring is NaN for every sub-ensemble; give a metric that is defined on the "
                "validation rows, or other rows"
            )
        gains = values - before
        helps = (gains > _RELATIVE_GAIN * np.abs(before)).any(axis=1)
        if started and not helps.any():
            return None
        if per_cost:
            spent = self.cost(state)
            added = np.array([self.cost(move) - spent for move in moves])[:, None]
            # A loss is no cheaper for being spread over a high cost.
            gains = np.where(gains > 0, gains / np.maximum(added, _LEAST_COST), gains)
        if started:
            gains[~helps] = -np.inf
        best = 0
        for position in range(1, len(moves)):
            if _beats(tuple(gains[position]), tuple(gains[best])):
                best = position
        return moves[best]

    def _exchanged(self, state: Allocation, limit: float) -> Allocation:
        """Cost moved from one slot to another while that helps."""
        seen = set()
        while state not in seen:  # differences within rounding may lead in a circle
            seen.add(state)
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
            state = best
        return state


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
        for state in rising(states, judge.cost)
    ]
    latest: dict[int, Allocation] = {}
    best: list[Allocation] = []
    for _, run, state in sorted(stops, key=lambda stop: stop[0]):
        latest[run] = state
        if any(_beats(judge.value(other), judge.value(state)) for other in latest.values()):
            continue
        best.append(state)
    return rising(best, judge.cost)
