"""Exchange search: replace a chosen member by one outside, while that helps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from ..objectives.base import Objective
from ..path import PathPoint
from .base import Problem

# A swap or a tie must differ by more than rounding to count.
RELATIVE_GAIN = 1e-12

# A start that is far from good needs many swaps, most of them near where the last one was: after so
# many only the next two are looked at first.
_MANY = 4
_AHEAD = 2

# Positions of who leaves, who comes, and the scores of that.
Swaps = tuple[np.ndarray, np.ndarray, np.ndarray]


def swap(
    problem: Problem,
    objective: Objective,
    chosen: np.ndarray,
    exchanges: int | str = "auto",
    allowed: np.ndarray | None = None,
    cheaper: bool = False,
) -> int:
    """Replace members, the first that can be improved on first, until no swap helps.

    The chosen members are looked at in turn, each against all replacements at once; an improvement
    is made before those after it are looked at. On squared error a look costs O(n_members).

    Parameters
    ----------
    problem : Problem
    objective : Objective
        Where the search stands, changed in place.
    chosen : ndarray of shape (n_members,), dtype bool
        What ``objective`` has selected, changed in place.
    exchanges : int or "auto", default="auto"
        Swaps at most; ``"auto"`` is as many as help, but none where looking is not cheap.
    allowed : ndarray of shape (n_members,), dtype bool, default=None
        Members that may come in; None is all.
    cheaper : bool, default=False
        Whether a swap may not raise the cost, instead of staying within the budget.

    Returns
    -------
    int
        Swaps made.
    """
    outside = ~chosen if allowed is None else ~chosen & allowed
    limit = 10 * problem.n_members if exchanges == "auto" else int(exchanges)
    position = made = 0

    def affordable(leaves: Any, comes: np.ndarray) -> np.ndarray:
        if problem.costs_alike:
            return np.ones(len(comes), dtype=bool)
        spent = problem.costs[chosen].sum()
        cost = spent - problem.costs[leaves] + problem.costs[comes]
        return cost <= spent * (1 + 1e-9) if cheaper else problem.fits(cost)

    def within_budget(swaps: Swaps) -> Swaps:
        if problem.costs_alike:
            return swaps
        positions, comes, scores = swaps
        within = affordable(np.array(objective.selected)[positions], comes)
        return positions[within], comes[within], scores[within]

    while made < limit and objective.selected:
        current = objective.score()
        enough = current + RELATIVE_GAIN * abs(current)
        better = _ahead(objective, outside, position, enough) if made >= _MANY else None
        better = None if better is None else within_budget(better)
        if better is None or len(better[0]) == 0:
            better = objective.better_swaps(outside, enough)
            if better is None:
                if exchanges == "auto":
                    return made
                better = _next_better_swaps(objective, outside, position, enough, affordable)
            better = within_budget(better)
        positions, comes, scores = better
        if len(positions) == 0:
            return made
        # The first that can be improved on, from where the last one was, and the best for it.
        first = positions.searchsorted(position) % len(positions)
        last = positions.searchsorted(positions[first], "right")
        best = first + scores[first:last].argmax()
        position = int(positions[best])
        old, new = objective.selected[position], int(comes[best])
        # The place is taken by the next member: the new one is last.
        objective.drop(old)
        objective.add(new)
        chosen[[old, new]] = False, True
        outside[[old, new]] = allowed is None or bool(allowed[old]), False
        made += 1
    return made


def _ahead(objective: Objective, entering: np.ndarray, start: int, enough: float) -> Swaps | None:
    """Better swaps of the few members from ``start`` on, where looking is cheap."""
    scores = objective.swaps(slice(start, start + _AHEAD))
    if scores is None:
        return None
    positions, comes = (entering & (scores > enough)).nonzero()
    return start + positions, comes, scores[positions, comes]


def _next_better_swaps(
    objective: Objective,
    entering: np.ndarray,
    start: int,
    enough: float,
    affordable: Callable[[Any, np.ndarray], np.ndarray],
) -> Swaps:
    """Better swaps of the first member, from ``start`` on and around, that has any."""
    everyone = np.arange(len(objective.selected))
    for position in np.roll(everyone, -start).tolist():
        scores = _one_by_one(objective, position)
        comes = np.flatnonzero(entering & (scores > enough))
        comes = comes[affordable(objective.selected[position], comes)]
        if len(comes):
            return np.full(len(comes), position), comes, scores[comes]
    return everyone[:0], everyone[:0], np.empty(0)


def _one_by_one(objective: Objective, position: int) -> np.ndarray:
    """Scores of all replacements of a member, for an objective that has no closed form."""
    member = objective.selected[position]
    objective.drop(member)
    scores = objective.candidates()
    objective.add(member)
    # Adding put the member last: back to where it was.
    objective.selected.insert(position, objective.selected.pop())
    return scores


def best_of_random_starts(
    problem: Problem, starts: int, exchanges: int | str, random_state: Any
) -> PathPoint:
    """Random sub-ensembles that fill the budget, each swapped until no swap helps; the best.

    Parameters
    ----------
    problem : Problem
    starts : int
    exchanges : int or "auto"
        Swaps per start; ``"auto"`` is as many as help, cheap or not.
    random_state : int, RandomState instance or None

    Returns
    -------
    PathPoint
    """
    rng = check_random_state(random_state)
    objective = problem.start()
    limit = 10 * problem.n_members if exchanges == "auto" else int(exchanges)
    best: PathPoint | None = None
    for _ in range(starts):
        for t in list(objective.selected):
            objective.drop(t)
        chosen = np.zeros(problem.n_members, dtype=bool)
        spent = 0.0
        for t in rng.permutation(problem.n_members):
            if problem.fits(spent + problem.costs[t]):
                objective.add(int(t))
                chosen[t] = True
                spent += problem.costs[t]
        swap(problem, objective, chosen, limit)
        score = objective.score()
        if best is None or score > best.objective or np.isnan(best.objective):
            best = problem.point(objective.selected, score)
    assert best is not None
    return best
