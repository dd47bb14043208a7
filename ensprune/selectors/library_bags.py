"""Bagging of the library: search among random halves of the members, keep what is found often."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from ..path import PathPoint
from .base import Problem
from .forward import Walk


def bagged(
    problem: Problem, walk: Walk, bags: int, share: float, random_state: Any
) -> list[PathPoint]:
    """Take members by how often walks among random parts of the members drew them.

    A member that only looks good beside one other is found by few walks, so choosing by many
    overfits less (Caruana et al., section 3.3). They add the bags' ensembles up, which would exceed
    a budget of distinct members; here those are kept that are drawn most often by the walks that
    could, and each weighs as often as it was drawn where the walk has replacement.

    Parameters
    ----------
    problem : Problem
    walk : Walk
    bags : int
    share : float in (0, 1]
        Of the members that are in a bag.
    random_state : int, RandomState instance or None

    Returns
    -------
    list of PathPoint
        Nested.
    """
    rng = check_random_state(random_state)
    n_members = problem.n_members
    objective = problem.start()
    alone = np.nan_to_num(objective.candidates(), nan=-np.inf)
    draws = np.zeros(n_members, dtype=int)
    chances = np.zeros(n_members, dtype=int)
    affordable = problem.fits(problem.costs)
    for _ in range(bags):
        bag = np.zeros(n_members, dtype=bool)
        bag[rng.permutation(n_members)[: max(1, round(share * n_members))]] = True
        chances += bag
        # A member of no weight in the vote is no first choice.
        if np.isfinite(alone[bag & affordable]).any():
            walk(problem, objective, bag)
        np.add.at(draws, objective.selected, 1)
        for t in list(objective.selected):
            objective.drop(t)
    points: list[PathPoint] = []
    spent = 0.0
    for t in np.lexsort((-alone, -draws / np.maximum(chances, 1))):
        if not problem.fits(spent + problem.costs[t]) or not (draws[t] or np.isfinite(alone[t])):
            continue
        for _ in range(max(draws[t], 1) if walk.replacement else 1):
            objective.add(int(t))
        spent += problem.costs[t]
        points.append(problem.point(objective.selected, objective.score()))
    return points
