"""Baselines that look at no data: the first members, random members."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from ..arguments import check_arguments
from ..combination import Combination
from ..path import PathPoint, PruningPath, SelectorResult
from .base import Problem, Selector, register_selector


def points_in_order(problem: Problem, order: np.ndarray) -> list[PathPoint]:
    """Points that take members in a given order while they fit; those that do not are skipped.

    Members of weight 0 come last, as they have no average of their own.
    """
    order = np.concatenate([order[problem.heard[order]], order[~problem.heard[order]]])
    objective = problem.start()
    points = []
    spent = 0.0
    for t in order:
        if problem.fits(spent + problem.costs[t]):
            objective.add(int(t))
            spent += problem.costs[t]
            points.append(problem.point(objective.selected, objective.score()))
    return points


def _in_order(problem: Problem, order: np.ndarray) -> PruningPath:
    start = time.perf_counter()
    points = points_in_order(problem, order)
    elapsed = time.perf_counter() - start
    return PruningPath(tuple(points), SelectorResult("complete", points[-1].objective, elapsed))


class FirstSelector(Selector):
    """The members in the order they were trained: what training fewer would give, for free.

    Exactly so for forests and bagging with a fixed seed, whose first K members are the ensemble
    of K; and for boosting, whose first K stages are the model after K rounds.
    """

    def select(self, problem: Problem) -> PruningPath:
        return _in_order(problem, np.arange(problem.n_members))


class RandomSelector(Selector):
    """Members in random order.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=None
        None takes the pruner's.
    """

    def __init__(self, random_state: Any = None):
        self.random_state = random_state

    def check(self, combination: Combination | None) -> None:
        check_arguments("RandomSelector", random_state=self.random_state)

    def select(self, problem: Problem) -> PruningPath:
        seed = problem.random_state if self.random_state is None else self.random_state
        return _in_order(problem, check_random_state(seed).permutation(problem.n_members))


register_selector("first", FirstSelector)
register_selector("random", RandomSelector)
