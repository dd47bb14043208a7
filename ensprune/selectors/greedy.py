"""Greedy search: forward, backward, and swaps; sums are handed to matching pursuit."""

from __future__ import annotations

import numbers
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from ..objectives.base import Objective
from ..path import PathPoint, PruningPath, SelectorResult
from .base import Problem, Selector, register_selector
from .baseline import points_in_order
from .crossfit import Search, most_trusted
from .pursuit import pursue

# A swap or a tie must differ by more than rounding to count.
_RELATIVE_GAIN = 1e-12

# Draws per distinct member at most, with replacement.
_DRAWS = 4


class GreedySelector(Selector):
    """Add the best member, then the next best; after each addition swap while a swap helps.

    Averages (forests, bagging, voting) are searched unweighted. For sums (gradient boosting,
    XGBoost) dropping a stage shifts the raw score, so the weights of the chosen stages are
    re-fitted at every step: orthogonal matching pursuit with non-negative weights, see
    :func:`ensprune.selectors.pursuit.pursue`. Weighted votes (AdaBoost) are searched both ways.

    On noisy data the first stages as they are can be better than any weights fitted to the
    validation samples. For sums, votes and medians they compete, and the search whose end scores
    better on samples it has not seen is used (:func:`~ensprune.selectors.crossfit.most_trusted`).

    Parameters
    ----------
    direction : {"forward", "backward"}, default="forward"
        Backward starts from all members and drops the least missed one.
    replacement : bool, default=False
        Whether a member may be chosen again and then weighs more (Caruana et al. 2004). Distinct
        members count and cost, repeats do not: after each new member, members are repeated while
        that improves the objective, up to four draws per member. A favourite repeated over and
        over therefore takes no other member's place.
    exchanges : "auto" or int, default="auto"
        Swaps of one chosen member for one outside, per size. ``"auto"``: until no swap helps
        where swaps are cheap (squared error, and so always out of bag), none elsewhere. Not with
        ``replacement`` or ``direction="backward"``.

    Notes
    -----
    Under a cost other than the number of members forward search runs twice, by gain and by gain
    per cost, and the better end is kept; a member that does not fit is skipped. For a monotone
    submodular objective the better of the two is at least ``(1 - 1/e) / 2``, about 0.32, of the
    best within the budget (Leskovec et al. 2007, theorem 1); either rule alone can be arbitrarily
    bad. The score of an average is neither monotone nor submodular, so here that is a reason for
    running both and no promise. Ties go to the better squared error, then to the first member.

    References
    ----------
    Caruana, Niculescu-Mizil, Crew & Ksikes, "Ensemble selection from libraries of models",
    ICML 2004. Khuller, Moss & Naor, "The budgeted maximum coverage problem", Information
    Processing Letters 70 (1999), and Leskovec et al., "Cost-effective outbreak detection in
    networks", KDD 2007, for the two runs.
    """

    def __init__(
        self,
        direction: str = "forward",
        replacement: bool = False,
        exchanges: int | str = "auto",
    ):
        self.direction = direction
        self.replacement = replacement
        self.exchanges = exchanges

    def select(self, problem: Problem) -> PruningPath:
        self._validate()
        start = time.perf_counter()
        points, complete = most_trusted(problem, self._searches(problem))(problem)
        result = SelectorResult(
            "complete" if complete else "exhausted",
            points[-1].objective,
            time.perf_counter() - start,
        )
        return PruningPath(tuple(points), result)

    def _validate(self) -> None:
        if self.direction not in ("forward", "backward"):
            raise ValueError(
                f"direction={self.direction!r} is unknown; give 'forward' or 'backward'"
            )
        if not isinstance(self.replacement, bool | np.bool_):
            raise ValueError(f"replacement={self.replacement!r} must be True or False")
        is_count = isinstance(self.exchanges, numbers.Integral) and not isinstance(
            self.exchanges, bool
        )
        automatic = isinstance(self.exchanges, str) and self.exchanges == "auto"
        if not automatic and not (is_count and int(self.exchanges) >= 0):
            raise ValueError(f"exchanges={self.exchanges!r} must be 'auto' or an int >= 0")
        swaps = self.exchanges not in ("auto", 0)
        if swaps and (self.replacement or self.direction == "backward"):
            raise ValueError(
                f"exchanges={self.exchanges!r} goes with direction='forward' and "
                "replacement=False only"
            )
        if self.replacement and self.direction == "backward":
            raise ValueError("replacement=True goes with direction='forward' only")

    def _searches(self, problem: Problem) -> list[Search]:
        """What is worth trying for this combiner, the default first."""
        kind = problem.combiner.kind
        if kind == "sum" and problem.carries_weights:
            if self.direction == "backward" or self.replacement:
                raise ValueError(
                    "GreedySelector re-fits the weights of boosting stages at every step: give "
                    "direction='forward' and replacement=False"
                )
            return [partial(_by_both_rules, pursue), _first]
        if self.direction == "backward":
            return [self._backward]
        forward = partial(_by_both_rules, self._forward)
        if self.replacement or kind not in ("vote", "median"):
            return [forward]
        if kind == "vote" and problem.carries_weights:
            return [forward, partial(_by_both_rules, _reweighted), _first]
        return [forward, _first]

    def _forward(self, problem: Problem, per_cost: bool) -> tuple[list[PathPoint], bool]:
        objective = problem.start()
        if self.replacement and not problem.carries_weights:
            raise ValueError(
                "replacement=True gives members weights, which this ensemble cannot carry"
            )
        points: list[PathPoint] = []
        chosen = np.zeros(problem.n_members, dtype=bool)
        spent = 0.0
        while True:
            free = problem.fits(spent + problem.costs) & ~chosen
            if not free.any():
                break
            best = self._best(objective, free, problem.costs if per_cost else None)
            objective.add(best)
            chosen[best] = True
            if self.replacement:
                self._repeat(objective, chosen)
            else:
                self._swap(problem, objective, chosen, per_cost)
            spent = float(problem.costs[chosen].sum())
            points.append(problem.point(objective.selected, objective.score()))
        return points, True

    @staticmethod
    def _best(objective: Objective, free: np.ndarray, costs: np.ndarray | None) -> int:
        scores = objective.candidates()
        if costs is not None:
            current = objective.score()
            base = current
            if np.isnan(current):
                known = scores[free & np.isfinite(scores)]
                base = known.min() if len(known) else 0.0
            gains = scores - base
            # A loss is no cheaper for being spread over a high cost.
            scores = np.where(gains > 0, gains / np.maximum(costs, costs[costs > 0].min()), gains)
        return _argbest(scores, objective.tiebreaks(), free)

    @staticmethod
    def _repeat(objective: Objective, chosen: np.ndarray) -> None:
        """Draw chosen members again while that improves the objective."""
        while len(objective.selected) < _DRAWS * chosen.sum():
            scores = objective.candidates()
            best = _argbest(scores, objective.tiebreaks(), chosen)
            current = objective.score()
            if not scores[best] > current + _RELATIVE_GAIN * abs(current):
                return
            objective.add(best)

    def _swap(
        self, problem: Problem, objective: Objective, chosen: np.ndarray, per_cost: bool
    ) -> None:
        """Replace chosen members while that improves the objective and fits the budget.

        In the search by gain per cost a swap may not raise the cost.
        """
        limit = problem.n_members * 10 if self.exchanges == "auto" else int(self.exchanges)
        for _ in range(limit):
            scores = objective.swaps()
            if scores is None:
                if self.exchanges == "auto":
                    return
                scores = _swaps_one_by_one(objective)
            inside = np.array(objective.selected)
            spent = problem.costs[chosen].sum()
            cost = spent - problem.costs[inside][:, None] + problem.costs[None, :]
            allowed = cost <= spent * (1 + 1e-9) if per_cost else problem.fits(cost)
            scores = np.where(allowed & ~chosen[None, :], scores, -np.inf)
            row, best = np.unravel_index(int(scores.argmax()), scores.shape)
            current = objective.score()
            if not scores[row, best] > current + _RELATIVE_GAIN * abs(current):
                return
            objective.drop(int(inside[row]))
            objective.add(int(best))
            chosen[inside[row]], chosen[best] = False, True

    @staticmethod
    def _backward(problem: Problem) -> tuple[list[PathPoint], bool]:
        objective = problem.start()
        for t in range(problem.n_members):
            objective.add(t)
        points = []
        while True:
            if problem.fits(problem.costs[objective.selected].sum()):
                points.append(problem.point(objective.selected, objective.score()))
            if len(objective.selected) == 1:
                break
            inside = np.zeros(problem.n_members, dtype=bool)
            inside[objective.selected] = True
            scores = objective.candidates(drop=True)
            objective.drop(_argbest(scores, objective.tiebreaks(True), inside))
        if not points:
            raise ValueError(
                f"direction='backward' found nothing within the budget of {problem.budget:g}: "
                "the last member left costs more; use direction='forward'"
            )
        return points[::-1], True


def _by_both_rules(
    search: Callable[[Problem, bool], tuple[list[PathPoint], bool]], problem: Problem
) -> tuple[list[PathPoint], bool]:
    """The better end of ranking by gain and, where costs differ, by gain per cost."""
    rules = [False] if np.ptp(problem.costs) == 0 else [False, True]
    runs = [search(problem, per_cost) for per_cost in rules]
    return max(runs, key=lambda run: run[0][-1].objective)


def _reweighted(problem: Problem, per_cost: bool) -> tuple[list[PathPoint], bool]:
    """Matching pursuit on the votes, with the objective asked for at every point."""
    points, complete = pursue(problem, per_cost)
    judged = [
        replace(point, objective=problem.evaluate(point.indices, point.weight_array))
        for point in points
    ]
    return judged, complete


def _first(problem: Problem) -> tuple[list[PathPoint], bool]:
    """The first members as they are."""
    return points_in_order(problem, np.arange(problem.n_members)), True


def _argbest(scores: np.ndarray, tiebreaks: np.ndarray | None, allowed: np.ndarray) -> int:
    """Position of the best allowed score; ties go to the better tiebreak, then to the first."""
    allowed = allowed & ~np.isnan(scores)
    if not allowed.any():
        raise ValueError(
            "scoring is NaN for every sub-ensemble; give a metric that is defined on the "
            "validation rows, or other rows"
        )
    top = scores[allowed].max()
    tied = np.flatnonzero(allowed & (scores >= top - _RELATIVE_GAIN * abs(top)))
    if tiebreaks is None or len(tied) == 1:
        return int(tied[0])
    return int(tied[tiebreaks[tied].argmax()])


def _swaps_one_by_one(objective: Objective) -> np.ndarray:
    """Scores of all swaps of an objective that has no closed form for them."""
    before = list(objective.selected)
    scores = np.empty((len(before), objective.n_members))
    for position, member in enumerate(before):
        objective.drop(member)
        scores[position] = objective.candidates()
        objective.add(member)
    # Adding back moved every member to the end once: the order is as before.
    assert objective.selected == before
    return scores


register_selector("greedy", GreedySelector)
