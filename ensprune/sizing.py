"""Which point of which path: within a budget, or as small as the score allows.

Without a budget, budgets are doubled until the score is kept. Where a search answers for one budget
only, every size of few members is tried, and of many the sizes between the last two are halved.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .certificate import Auditor, Certificate
from .path import PathPoint, PruningPath, SelectorResult
from .refine import FittedRefinement, Refinement, RefinementBySize, refine_path, scored_refined
from .selectors.base import Problem, Selector
from .storage import is_on_disk
from .validation import Validation

# The first budget is about this many members.
_FEW = 4

# Of so many members a search of its own for every size is no matter.
_EVERY_SIZE = 32


@dataclass(frozen=True)
class Choice:
    """A scored path, the point chosen on it, what is certified of that, and what refines it."""

    path: PruningPath
    point: PathPoint
    certificate: Certificate | None
    refinement: FittedRefinement | None


def choose(
    problem: Problem,
    selector: Selector,
    validation: Validation,
    target_size: Any,
    tolerance: float,
    auditor: Auditor | None = None,
    refinement: Refinement | None = None,
) -> Choice:
    """Search, score the path, and take the point that ``target_size`` asks for.

    Parameters
    ----------
    problem : Problem
    selector : Selector
    validation : Validation
        The rows that choose.
    target_size : int, float, "auto" or "1se"
    tolerance : float
        Of ``"auto"``.
    auditor : Auditor, default=None
        The rows that certify; scores of the path are then those on them.
    refinement : Refinement, default=None
        What is done to the ensemble once it is cut; ``"auto"`` then looks at refined scores too.

    Returns
    -------
    Choice
    """
    if refinement is not None:
        problem = _rehearsed(problem, selector, validation, refinement)
    automatic = target_size == "auto"
    audited = automatic and auditor is not None
    enough = validation.score_full()[0] - tolerance if automatic else None
    if automatic or target_size == "1se":
        # Where rows certify, they choose the size.
        scored = _unscored if audited else validation.score_path
        # Tests go from the full ensemble downwards.
        path = climb(problem, selector, scored, None if auditor else enough)
        if enough is not None:
            point = path.keeping(enough) or path[-1]
        else:
            point = path.within_one_standard_error()
    else:
        path = selector.select(problem)
        if auditor is None:
            path = validation.score_path(path)
        point = path.within(problem.budget)
    at = path.points.index(point)

    fitted = by_size = None
    if refinement is not None and audited:
        by_size = RefinementBySize(refinement, validation.evidence)
    elif refinement is not None:
        path, fitted = refine_path(path, path[at], validation, refinement)
        if enough is not None and path.keeping(enough, refined=True) in (None, path[-1]):
            # Refined, none below the full ensemble is good enough; larger ones may be.
            path = climb(problem, selector, validation.score_path, None)
            point = path.keeping(enough) or path[-1]
            path, fitted = refine_path(path, point, validation, refinement)
            if path.keeping(enough, refined=True) is None:
                # What is best for a few is too much for all.
                path, fitted = refine_path(path, path[-1], validation, refinement)
            at = path.points.index(path.keeping(enough, refined=True) or path[-1])
        elif enough is not None:
            at = path.points.index(path.keeping(enough, refined=True) or path[at])
    if auditor is None:
        path = validation.score_cut(path, at)
        return Choice(path, path[at], None, fitted)

    path = auditor.validation.score_path(path)
    if automatic:
        point, certificate = auditor.smallest(path, tolerance, by_size)
        at = path.points.index(point)
        if by_size is not None and certificate.n_tests:
            path = scored_refined(path, point, validation, by_size.fitted_for)
            if point.size < problem.n_members:  # else as it is: nothing was certified
                fitted = by_size.fitted_for(point.size)
    else:
        certificate = auditor.bound_of(path[at], fitted)
    path = auditor.validation.score_cut(path, at)
    if fitted is not None:
        score = auditor.validation.score_full()[0] - certificate.loss
        path = path.with_refined({at: score})
    return Choice(path, path[at], certificate, fitted)


def _rehearsed(
    problem: Problem, selector: Selector, validation: Validation, refinement: Refinement
) -> Problem:
    """The problem with members as they will be once refined, where that is known."""
    if problem.mask is None or is_on_disk(problem.outputs):
        return problem
    if getattr(selector, "asks_each_sample", False):
        return problem
    found = refinement.rehearsal(validation.members.estimator, validation.evidence)
    if found is None:
        return problem
    return replace(
        problem,
        outputs=found.outputs,
        y=found.y,
        sample_weight=found.sample_weight,
        rows=found.X,
        mask=None,
    )


def _unscored(path: PruningPath) -> PruningPath:
    return path


def rungs(costs: np.ndarray) -> list[float]:
    """Budgets from a few members up to all of them, each twice the one before."""
    budgets = [float(costs.sum())]
    while budgets[-1] > 2 * max(_FEW * costs.mean(), costs.min()):
        budgets.append(budgets[-1] / 2)
    return budgets[::-1]


def every_size(costs: np.ndarray) -> list[float]:
    """Budgets a member of average cost apart, up to all of them."""
    return [float(costs.sum() * kept / len(costs)) for kept in range(1, len(costs) + 1)]


def climb(
    problem: Problem,
    selector: Selector,
    score: Callable[[PruningPath], PruningPath],
    enough: float | None,
) -> PruningPath:
    """The path from a single member up to where the score is kept, and the full ensemble.

    A search of its own at every budget does not pay for sizes nobody needs, and lets selectors
    that answer for one budget only take part. What these leave out between the budgets is tried, too:
    all of it where members are few, otherwise by bisection between the last that is not enough and
    the first that is. A score may rise and fall on the way, so that a smaller one may be missed.

    Parameters
    ----------
    problem : Problem
        Its budget is not looked at.
    selector : Selector
    score : callable
        Scores a path.
    enough : float or None
        The score at which the climb may end; None climbs to the top, and halves nothing.

    Returns
    -------
    PruningPath
        Scored, in the order of cost; the last point is the full ensemble.
    """
    points: list[PathPoint] = []
    result = None
    budgets = rungs(problem.costs)
    waiting = deque(budgets)
    few = problem.n_members <= _EVERY_SIZE
    alone = False
    while waiting:
        budget = waiting.popleft()
        below = points[-1].cost if points else 0.0
        try:
            found = selector.select(replace(problem, budget=budget))
        except ValueError:
            # Members that must stay, or floors on recall, may need more than this.
            if budget == budgets[-1]:
                raise
            continue
        alone = alone or (len(found) == 1 and found[0].size > 1)
        if few and alone:
            few, waiting = False, deque(every_size(problem.costs))
            continue
        result = found.result
        new = tuple(point for point in found if point.cost > below * (1 + 1e-9) or not points)
        if not new:
            continue
        scored = score(PruningPath(new, result))
        points += scored.points
        if enough is not None and PruningPath(tuple(points), result).keeping(enough):
            if alone:
                points, result = _bisected(problem, selector, score, enough, points, found.result)
            break
    everyone = PathPoint(tuple(range(problem.n_members)), float(problem.costs.sum()), float("nan"))
    if points[-1].size < problem.n_members or points[-1].weights is not None:
        points += score(PruningPath((everyone,), result)).points
    return PruningPath(tuple(points), result)


def _bisected(
    problem: Problem,
    selector: Selector,
    score: Callable[[PruningPath], PruningPath],
    enough: float,
    points: list[PathPoint],
    result: SelectorResult,
) -> tuple[list[PathPoint], SelectorResult]:
    """With what a search for one budget finds between the last two points: the last is enough."""
    below = points[-2].cost if len(points) > 1 else 0.0
    budgets = [cost for cost in every_size(problem.costs) if below < cost < points[-1].cost]
    while budgets:
        middle = len(budgets) // 2
        smaller, larger = budgets[:middle], budgets[middle + 1 :]
        try:
            found = selector.select(replace(problem, budget=budgets[middle]))
        except ValueError:  # too little for what must stay
            budgets = larger
            continue
        scored = score(PruningPath(found.points[-1:], found.result))
        kept = scored.keeping(enough) is not None
        budgets, result = (smaller, found.result) if kept else (larger, result)
        if all(point.cost != scored[-1].cost for point in points):
            points = sorted([*points, scored[-1]], key=lambda point: point.cost)
    return points, result
