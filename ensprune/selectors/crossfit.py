"""Which of several searches to trust: each is run on one half of the samples, judged on the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..path import PathPoint
from .base import Problem

Search = Callable[[Problem], tuple[list[PathPoint], bool]]

# Fewer samples than this in a half tell nothing about which search is better.
_FEWEST = 20


def most_trusted(problem: Problem, searches: Sequence[Search]) -> Search:
    """The search whose end scores best on samples it has not seen.

    A search that fits weights always looks better on its own samples than one that fits none, so
    the comparison is cross-fitted: both halves of the samples take either part once.

    Parameters
    ----------
    problem : Problem
    searches : sequence of callable
        Each takes a problem and returns points and whether the budget was reached.

    Returns
    -------
    callable
        One of ``searches``; the first of those that tie, and the first of all where halves of the
        samples are too small to judge or the metric is not defined on one.
    """
    if len(searches) == 1 or len(problem.y) < 2 * _FEWEST:
        return searches[0]
    # Alternating along the sorted labels, so that the halves are alike.
    half = np.empty(len(problem.y), dtype=int)
    half[np.argsort(problem.y, kind="stable")] = np.arange(len(problem.y)) % 2
    totals = np.zeros(len(searches))
    for side in (0, 1):
        seen = problem.on_rows(np.flatnonzero(half == side))
        unseen = problem.on_rows(np.flatnonzero(half != side))
        for position, search in enumerate(searches):
            try:
                end = search(seen)[0][-1]
                totals[position] += unseen.evaluate(end.indices, end.weight_array)
            except ValueError:
                return searches[0]
    return searches[int(np.nan_to_num(totals, nan=-np.inf).argmax())]
