"""How small an ensemble may become: a path chosen on one half of the rows, scored on the other.

Tens of thousands of nodes find some that hurt none of a few thousand rows by luck: the score on the
rows that said which nodes go tells of little else.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

import numpy as np

from ..refinement.strength import folds
from .path import CompactionPoint, JudgingRows, path_below

# Fewer rows than this cannot be halved.
_FEWEST_ROWS = 40

# The paths are left after so many steps in a row that lose too much: scores wobble on few rows.
PATIENCE = 5


def least_nodes(
    whole: Any,
    rows: JudgingRows,
    scorer: Any,
    method: str,
    tolerance: float,
    n_jobs: int | None,
) -> int:
    """Nodes to keep at least.

    Parameters
    ----------
    whole : estimator
    rows : JudgingRows
    scorer : callable
    method : str
    tolerance : float
    n_jobs : int or None

    Returns
    -------
    int
        Of the last step at which the mean of both scores is within the tolerance; 0 where there are
        too few rows to tell.
    """
    if rows.n_samples < _FEWEST_ROWS:
        return 0
    _, labels = np.unique(rows.y, return_inverse=True)
    half = folds(labels, 2, np.random.default_rng(0))
    halves = [rows.take(np.flatnonzero(half == side)) for side in (0, 1)]
    paths = [
        path_below(whole, halves[side], scorer, method, n_jobs, judging=halves[1 - side])
        for side in (0, 1)
    ]
    first = [next(path) for path in paths]
    least, failures = first[0].n_nodes, 0
    last: list[CompactionPoint] = first
    for step in zip_longest(*paths):
        last = [new or old for new, old in zip(step, last, strict=True)]
        lost = np.mean([a.score - b.score for a, b in zip(first, last, strict=True)])
        if lost <= tolerance:
            least, failures = max(point.n_nodes for point in last), 0
        else:
            failures += 1
        if failures == PATIENCE:
            break
    return least
