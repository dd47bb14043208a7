"""Fewer nodes and other leaf values in one: what teachers miss least collapses, the rest is refitted.

How strongly leaves are refitted is ``leaf_refinement.py``'s to choose, which nodes cost least is
``compaction/``'s to say. How many members to begin with is decided in ``shrinking.py``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from .compaction.collapse import collapse_path
from .compaction.evidence import Evidence
from .compaction.grove import Grove
from .compaction.path import evidence_of, evidence_on
from .leaf_refinement import LeafRefinement
from .lesson import Lesson
from .members.opening import open_members
from .refine import Evidence as Rows

# What is left of an ensemble before its leaves are fitted again.
_STEP = 0.7

# Share of a rise that the training weights in the leaves predict; the rest is read off synthetic
# rows, which are many.
_TAUGHT_PRIOR = 0.5

Size = Callable[[Any], int]


def of_roots(estimator: Any) -> Any:
    """An ensemble of whose trees only the roots are left."""
    members = open_members(estimator)
    grove = _bare(members)
    grove.collapse(np.ones(len(grove.left), dtype=bool))
    return members.with_trees(grove.cuts())


def collapsed(estimator: Any, rows: Rows, limit: float, size: Size) -> Any:
    """An ensemble of at most a size, by what labels say its subtrees are worth.

    Parameters
    ----------
    estimator : estimator
    rows : Evidence
        The first part judges: out of bag where the ensemble was trained on it.
    limit : float
    size : callable
        What an ensemble costs, of which each node costs something.

    Returns
    -------
    estimator
        As it was given if it fits; larger than the limit if roots alone are.
    """
    if size(estimator) <= limit:
        return estimator
    members, part = open_members(estimator), rows[0]
    unseen = part.out_of_bag(members) if part.seen else None
    evidence = evidence_of(members, part.X, part.y, part.sample_weight, unseen)
    return _cut(estimator, evidence, limit, size)


def collapsed_as_taught(
    estimator: Any, refinement: LeafRefinement, rows: Rows, limit: float, size: Size
) -> Any:
    """An ensemble of at most a size with refitted leaves, by what its teachers say.

    A subtree is worth what it adds to trees whose leaves make up for each other's errors: they are
    refitted, and those subtrees collapse whose loss takes the ensemble least far from what the
    teachers say of synthetic rows; then again.

    Parameters
    ----------
    estimator : estimator
    refinement : LeafRefinement
        Fitted, and with a lesson.
    rows : Evidence
    limit : float
    size : callable

    Returns
    -------
    estimator
    """
    lesson = refinement.lesson
    assert lesson is not None
    refinement = _all_the_way(refinement)
    refined = refinement.refined(estimator, rows)
    while (before := size(estimator)) > limit:
        evidence = _taught(refined, lesson)
        estimator = _cut(estimator, evidence, max(limit, _STEP * before), size)
        refined = refinement.refined(estimator, rows)
        if size(estimator) == before:
            break
    return refined


def _all_the_way(refinement: LeafRefinement) -> LeafRefinement:
    """Without holding back: where values were is safe for whole trees only."""
    result = copy.copy(refinement)
    strength = replace(refinement.report.strength, step=1.0)
    result.report = replace(refinement.report, strength=strength)
    return result


def _taught(refined: Any, lesson: Lesson) -> Evidence:
    target = lesson.answers.T
    return evidence_on(open_members(refined), lesson.X, target, None, None, _TAUGHT_PRIOR)


def _cut(estimator: Any, evidence: Evidence, limit: float, size: Size) -> Any:
    """As much of an ensemble as fits; the evidence may be of one with other values in its leaves."""
    members = open_members(estimator)
    # Leaves say what they said before they were refitted: they will be, and are held to that.
    own = _bare(members)
    grove = evidence.grove
    result = estimator
    while (now := size(result)) > limit:
        n_nodes = int(grove.sizes(grove.collapsed).sum())
        if n_nodes == len(own.trees):
            break
        # What is not in nodes stays: the next round takes what that leaves over.
        for _ in collapse_path(evidence, least=min(int(n_nodes * limit / now), n_nodes - 2)):
            pass
        own.collapse(grove.collapsed)
        result = members.with_trees(own.cuts())
    return result


def _bare(members: Any) -> Grove:
    """Its trees, over no rows."""
    trees = members.trees()
    return Grove(trees, np.empty((len(trees), 0), dtype=np.intp), members.n_outputs)
