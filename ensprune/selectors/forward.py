"""One forward walk: add the member that helps most, again and again, while one fits.

Which walks are worth taking, and what is made of several of them, is for ``greedy.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..objectives.base import Objective
from ..path import PathPoint
from .base import Problem
from .exchange import RELATIVE_GAIN, swap

# Draws per distinct member at most, with replacement.
_DRAWS = 4


@dataclass(frozen=True)
class Walk:
    """How to walk.

    Parameters
    ----------
    replacement : bool
        Whether to draw members again after each new one.
    exchanges : int or "auto"
        Swaps per size.
    sorted_start : int or "auto"
        Members taken first, in the order of their own scores.
    per_cost : bool, default=False
        Rank candidates by gain per cost.
    """

    replacement: bool
    exchanges: int | str
    sorted_start: int | str
    per_cost: bool = False

    def __call__(
        self, problem: Problem, objective: Objective, allowed: np.ndarray
    ) -> list[PathPoint]:
        """Walk as far as the budget.

        Parameters
        ----------
        problem : Problem
        objective : Objective
            Started, with nothing chosen; left where the walk ended.
        allowed : ndarray of shape (n_members,), dtype bool
            Members to choose from.

        Returns
        -------
        list of PathPoint
            One per size.
        """
        points: list[PathPoint] = []
        chosen = np.zeros(problem.n_members, dtype=bool)
        spent = 0.0
        with problem.progress.stage("adding members", problem.most_members()) as stage:
            for t in self._first(problem, objective, allowed):
                objective.add(t)
                chosen[t] = True
                points.append(problem.point(objective.selected, objective.score()))
                spent = points[-1].cost
                stage.step()
            while True:
                free = problem.fits(spent + problem.costs) & ~chosen & allowed
                if not free.any():
                    break
                best = self._best(objective, free, problem.costs)
                objective.add(best)
                chosen[best] = True
                if self.replacement:
                    _repeat(objective, chosen)
                else:
                    swap(problem, objective, chosen, self.exchanges, allowed, self.per_cost)
                points.append(problem.point(objective.selected, objective.score()))
                spent = points[-1].cost
                if stage.step():
                    break
        return points

    def _first(self, problem: Problem, objective: Objective, allowed: np.ndarray) -> list[int]:
        """The members of the sorted start that fit: a number of them, or as many as score best."""
        if self.sorted_start == 0:
            return []
        alone = np.where(allowed, np.nan_to_num(objective.candidates(), nan=-np.inf), -np.inf)
        automatic = self.sorted_start == "auto"
        most = problem.n_members if automatic else int(self.sorted_start)
        # What is left of the budget is for the search.
        limit = problem.budget * (0.5 if automatic else 1.0)
        taken: list[int] = []
        scores: list[float] = []
        spent = 0.0
        for t in np.argsort(-alone, kind="stable"):
            if len(taken) == most or not np.isfinite(alone[t]):
                break
            if spent + problem.costs[t] <= limit * (1 + 1e-9):
                objective.add(int(t))
                taken.append(int(t))
                scores.append(objective.score())
                spent += problem.costs[t]
        for t in taken:
            objective.drop(t)
        return taken[: int(np.argmax(scores)) + 1] if automatic and taken else taken

    def _best(self, objective: Objective, free: np.ndarray, costs: np.ndarray) -> int:
        scores = objective.candidates()
        if self.per_cost:
            current = objective.score()
            base = current
            if np.isnan(current):
                known = scores[free & np.isfinite(scores)]
                base = known.min() if len(known) else 0.0
            gains = scores - base
            # A loss is no cheaper for being spread over a high cost.
            scores = np.where(gains > 0, gains / np.maximum(costs, costs[costs > 0].min()), gains)
        return argbest(scores, objective.tiebreaks_of, free)


def _repeat(objective: Objective, chosen: np.ndarray) -> None:
    """Draw chosen members again while that improves the objective."""
    while len(objective.selected) < _DRAWS * chosen.sum():
        scores = objective.candidates()
        best = argbest(scores, objective.tiebreaks_of, chosen)
        current = objective.score()
        if not scores[best] > current + RELATIVE_GAIN * abs(current):
            return
        objective.add(best)


def argbest(
    scores: np.ndarray,
    tiebreaks_of: Callable[[np.ndarray], np.ndarray | None],
    allowed: np.ndarray,
) -> int:
    """Position of the best allowed score; ties go to the better tiebreak, then to the first.

    Tiebreaks may cost as much as scores: they are asked for where there is a tie, of those who tie.

    Raises
    ------
    ValueError
        If the scores of all allowed are NaN.
    """
    tied = allowed.nonzero()[0]
    known = scores[tied]
    if np.isnan(known).any():
        tied = tied[~np.isnan(known)]
        known = scores[tied]
    if len(tied) == 0:
        raise ValueError(
            "scoring is NaN for every sub-ensemble; give a metric that is defined on the "
            "validation rows, or other rows"
        )
    tied = tied[_among_best(known)]
    if len(tied) == 1:
        return int(tied[0])
    secondary = tiebreaks_of(tied)
    return int(tied[0] if secondary is None else tied[_among_best(secondary)][0])


def _among_best(scores: np.ndarray) -> np.ndarray:
    """Which scores are the best one, but for rounding; shape (n_scores,), dtype bool."""
    top = float(scores.max())
    return scores >= (top - RELATIVE_GAIN * abs(top) if math.isfinite(top) else top)
