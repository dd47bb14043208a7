"""Finding a good admissible sub-ensemble: greedy, then swaps, under the rules and a deadline."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ...objectives.base import Objective
from ..base import Problem
from ..greedy import GreedySelector
from .rules import Rules

_RELATIVE_GAIN = 1e-12
# One unit of a missed recall floor outweighs anything an objective can gain.
_PENALTY = 1e6


@dataclass
class Floors:
    """Scores that must not fall below a floor: one objective for each."""

    objectives: list[Objective] = field(default_factory=list)
    levels: list[float] = field(default_factory=list)

    def missing(self, scores: Sequence[np.ndarray | float]) -> np.ndarray | float:
        """By how much floors are missed, given the score of each objective."""
        total: np.ndarray | float = 0.0
        for level, score in zip(self.levels, scores):
            gap = np.maximum(level - np.asarray(score) - 1e-9, 0.0)
            total = total + np.where(np.isfinite(gap), gap, 1.0)
        return total


class Search:
    """A sub-ensemble that moves by additions, drops and swaps.

    Parameters
    ----------
    objective : Objective
        Started.
    rules : Rules
    floors : Floors
        With objectives that are started.
    deadline : float
        ``time.perf_counter()`` at which to stop.
    """

    def __init__(self, objective: Objective, rules: Rules, floors: Floors, deadline: float):
        self.objective = objective
        self.rules = rules
        self.floors = floors
        self.deadline = deadline
        self.chosen = np.zeros(rules.n_members, dtype=bool)

    @property
    def late(self) -> bool:
        return time.perf_counter() > self.deadline

    def value(self) -> float:
        """Score less the penalty of missed floors; ``-inf`` for the empty set."""
        if not self.chosen.any():
            return -np.inf
        missing = self.floors.missing([o.score() for o in self.floors.objectives])
        return self.objective.score() - _PENALTY * float(missing)

    def missed(self) -> float:
        """By how much the floors are missed."""
        return float(self.floors.missing([o.score() for o in self.floors.objectives]))

    def _all(self) -> list[Objective]:
        return [self.objective, *self.floors.objectives]

    def move(self, add: int | None = None, drop: int | None = None) -> None:
        for objective in self._all():
            if drop is not None:
                objective.drop(drop)
            if add is not None:
                objective.add(add)
        if drop is not None:
            self.chosen[drop] = False
        if add is not None:
            self.chosen[add] = True

    def go_to(self, members: Sequence[int] | np.ndarray) -> None:
        """Make the sub-ensemble exactly ``members``."""
        wanted = np.zeros_like(self.chosen)
        wanted[np.asarray(members, dtype=np.intp)] = True
        if (self.chosen & ~wanted).sum() > 1:
            # A drop may add up all that stay: begin anew instead.
            for objective in self._all():
                objective.clear()
            self.chosen[:] = False
        for t in np.flatnonzero(wanted & ~self.chosen):
            self.move(add=int(t))
        for t in np.flatnonzero(self.chosen & ~wanted):
            self.move(drop=int(t))

    def candidates(self, drop: bool = False) -> np.ndarray:
        """Value after adding (or dropping) each member."""
        scores = self.objective.candidates(drop)
        if self.floors.objectives:
            each = [o.candidates(drop) for o in self.floors.objectives]
            scores = scores - _PENALTY * self.floors.missing(each)
        return scores

    def grow(self, size: int | None, per_cost: bool = False) -> list[tuple[float, np.ndarray]]:
        """Add the best admissible member until none fits; the visited (value, mask)."""
        visited = []
        costs = self.rules.costs
        scores = None
        while size is None or self.chosen.sum() < size:
            free = self.rules.addable(self.chosen)
            if not free.any():
                break
            if self.late and scores is not None:
                # No time to look again: fill up by the last scores.
                scores = np.where(free, scores, -np.inf)
                self.move(add=int(scores.argmax()))
                visited.append((self.value(), self.chosen.copy()))
                continue
            scores = self.candidates()
            if per_cost and self.chosen.any():
                gain = scores - self.value()
                scores = np.where(gain > 0, gain / np.maximum(costs, costs[costs > 0].min()), gain)
            scores = np.where(free, scores, -np.inf)
            best = np.flatnonzero(scores >= scores.max() - 1e-12 * abs(scores.max()))
            ties = self._tiebreaks(best) if len(best) > 1 else None
            self.move(add=int(best[0] if ties is None else best[ties.argmax()]))
            visited.append((self.value(), self.chosen.copy()))
            # Floors that are met and a value that falls: more members only make it worse.
            falls = len(visited) > 1 and visited[-1][0] < visited[-2][0]
            if size is None and self.floors.objectives and falls and self.missed() == 0:
                break
        return visited

    def _tiebreaks(self, members: np.ndarray) -> np.ndarray | None:
        for objective in self._all():
            ties = objective.tiebreaks_of(members)
            if ties is not None:
                return ties
        return None

    def swap_all(self) -> None:
        """Replace members while that improves the value."""
        while not self.late and self.chosen.any():
            if not (self._best_swap() if self._closed() else self._first_swaps()):
                return

    def _closed(self) -> bool:
        return not self.floors.objectives and self.objective.swaps() is not None

    def _best_swap(self) -> bool:
        scores = self.objective.swaps()
        inside = np.array(self.objective.selected)
        allowed = np.stack([self.rules.swappable(self.chosen, int(t)) for t in inside])
        scores = np.where(allowed, scores, -np.inf)  # type: ignore[arg-type]
        row, best = np.unravel_index(int(scores.argmax()), scores.shape)
        current = self.objective.score()
        if not scores[row, best] > current + _RELATIVE_GAIN * abs(current):
            return False
        self.move(add=int(best), drop=int(inside[row]))
        return True

    def _first_swaps(self) -> bool:
        """One pass over the members, each replaced by the best one outside if that helps."""
        moved = False
        for t in np.flatnonzero(self.chosen):
            if self.late:
                return False
            allowed = self.rules.swappable(self.chosen, int(t))
            if not allowed.any():
                continue
            current = self.value()
            if self.chosen.sum() == 1:
                best, value = self._only_swap(int(t), allowed)
            else:
                self.move(drop=int(t))
                scores = np.where(allowed, self.candidates(), -np.inf)
                best, value = int(scores.argmax()), float(scores.max())
            if value > current + _RELATIVE_GAIN * abs(current):
                if self.chosen[t]:
                    self.move(drop=int(t))
                self.move(add=best)
                moved = True
            elif not self.chosen[t]:
                self.move(add=int(t))
        return moved

    def _only_swap(self, member: int, allowed: np.ndarray) -> tuple[int, float]:
        """The best replacement of the only member."""
        self.move(drop=member)
        scores = np.where(allowed, self.candidates(), -np.inf)
        self.move(add=member)
        return int(scores.argmax()), float(scores.max())


def first_incumbent(
    problem: Problem | None, search: Search, size: int | None
) -> tuple[float, np.ndarray] | None:
    """The best admissible set that greedy search and swaps find.

    Parameters
    ----------
    problem : Problem or None
        What :class:`GreedySelector` is run on where nothing but the budget restricts (and it
        would not eat the time), so that the result is never worse; None where its objective is
        not the formulation's.
    search : Search
    size : int or None
        The number of members, where it is fixed.

    Returns
    -------
    (float, ndarray) or None
        Value and mask; None if no set was found that holds all rules and floors.
    """
    rules = search.rules
    visited: list[tuple[float, np.ndarray]] = []
    if problem is not None and (not rules.only_budget or _too_slow(search, size)):
        problem = None
    if problem is not None:
        for point in GreedySelector().select(problem).points:
            search.go_to(point.indices)
            visited.append((search.value(), search.chosen.copy()))
    if size is None:
        search.go_to(np.flatnonzero(~rules.drop))
        visited.append((search.value(), search.chosen.copy()))
    if problem is None or search.floors.objectives:
        for per_cost in (False, True) if np.ptp(rules.costs) > 0 else (False,):
            search.go_to(np.flatnonzero(rules.keep))
            visited.append((search.value(), search.chosen.copy()))
            visited += search.grow(size, per_cost)
    admissible = [
        (value, mask)
        for value, mask in visited
        if rules.allow(mask) and (size is None or mask.sum() == size)
    ]
    if not admissible:
        return None
    best = max(admissible, key=lambda entry: entry[0])
    search.go_to(np.flatnonzero(best[1]))
    return polish(search, size)


def _too_slow(search: Search, size: int | None) -> bool:
    """Whether greedy search, which knows no deadline, would take more than twice the time left."""
    start = time.perf_counter()
    search.objective.candidates()
    one = time.perf_counter() - start
    cheapest = np.sort(search.rules.costs).cumsum()
    steps = int((cheapest <= search.rules.slack_budget).sum()) if size is None else size
    runs = 1 if search.rules.counts else 2
    return runs * steps * one > 2 * (search.deadline - start)


def polish(search: Search, size: int | None) -> tuple[float, np.ndarray] | None:
    """Swap, and where the size is free add and drop, to a local optimum from where it stands."""
    while True:
        search.swap_all()
        if size is not None or search.late or not (_resize(search) or _squeeze(search)):
            break
    if search.missed() > 0 or not search.rules.allow(search.chosen):
        return None
    return search.value(), search.chosen.copy()


def _squeeze(search: Search) -> bool:
    """Drop a member whom swaps of the others make up for, where floors are what holds it."""
    before, value = search.chosen.copy(), search.value()
    if not search.floors.objectives or before.sum() < 2 or search.missed() > 0:
        return False
    leaving = search.chosen & ~search.rules.keep
    scores = np.where(leaving, search.candidates(drop=True), -np.inf)
    if not leaving.any():
        return False
    search.move(drop=int(scores.argmax()))
    search.swap_all()
    if search.missed() == 0 and search.value() > value:
        return True
    search.go_to(np.flatnonzero(before))
    return False


def _resize(search: Search) -> bool:
    """Add or drop the member that helps most, if any does."""
    current = search.value()
    least = current + 1e-9 * abs(current)
    adding = np.where(search.rules.addable(search.chosen), search.candidates(), -np.inf)
    leaving = search.chosen & ~search.rules.keep
    dropping = np.full(len(adding), -np.inf)
    if search.chosen.sum() > 1:
        dropping = np.where(leaving, search.candidates(drop=True), -np.inf)
    if max(adding.max(), dropping.max()) <= least:
        return False
    if adding.max() >= dropping.max():
        search.move(add=int(adding.argmax()))
    else:
        search.move(drop=int(dropping.argmax()))
    return True
