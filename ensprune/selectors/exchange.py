"""Exchange search: replace a chosen member by one outside, while that helps."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from ..objectives.base import Objective
from ..path import PathPoint
from .base import Problem

# A swap or a tie must differ by more than rounding to count.
RELATIVE_GAIN = 1e-12

# Members looked at in one go; twice as many after each time that none could be improved on.
_AHEAD = 32


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
    position = made = misses = 0
    ahead = _AHEAD
    alike = bool(np.ptp(problem.costs) == 0)
    while made < limit and misses < len(objective.selected):
        position %= len(objective.selected)
        looked = slice(position, position + min(ahead, len(objective.selected) - misses))
        scores = objective.swaps(looked)
        if scores is None:
            if exchanges == "auto":
                return made
            looked = slice(position, position + 1)
            scores = _one_by_one(objective, position)[None]
        replaced = objective.selected[looked]
        free = outside
        if not alike:
            spent = problem.costs[chosen].sum()
            cost = spent - problem.costs[replaced][:, None] + problem.costs
            free = outside & (cost <= spent * (1 + 1e-9) if cheaper else problem.fits(cost))
        scores = np.where(free & ~np.isnan(scores), scores, -np.inf)
        best = scores.argmax(axis=1)
        current = objective.score()
        better = scores[np.arange(len(best)), best] > current + RELATIVE_GAIN * abs(current)
        if not better.any():
            position += len(replaced)
            misses += len(replaced)
            ahead *= 2
            continue
        first = int(better.argmax())
        old, new = replaced[first], int(best[first])
        objective.drop(old)
        objective.add(new)
        chosen[[old, new]] = False, True
        outside[[old, new]] = allowed is None or bool(allowed[old]), False
        # The place is taken by the next member: the new one is last.
        position += first
        made += 1
        misses = 0
        ahead = _AHEAD
    return made


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
