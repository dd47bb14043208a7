"""Greedy search: forward, backward, swaps, bags; sums are handed to matching pursuit."""

from __future__ import annotations

import numbers
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ..arguments import check_arguments, check_option
from ..combination import Combination
from ..path import PathPoint, PruningPath, SelectorResult, cheap_to_dear
from .base import Problem, Selector, register_selector, short_products
from .baseline import points_in_order
from .crossfit import Search, most_trusted
from .exchange import RELATIVE_GAIN, best_of_random_starts
from .forward import Walk, argbest
from .library_bags import bagged
from .pursuit import pursue

# Options of the forward search and what they are when not in use.
_FORWARD_ONLY: dict[str, Any] = {"replacement": False, "sorted_start": 0, "bags": 0, "starts": 1}


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
        Swaps of one chosen member for one outside, per size; the first found that helps is made.
        ``"auto"``: until no swap helps where swaps are cheap (squared error, and so always out of
        bag), none elsewhere. Not with ``replacement`` or ``direction="backward"``.
    sorted_start : "auto" or int, default=0
        So many members are taken first, in the order of their own scores, before the search looks
        at what helps together: a start that overfits less. ``"auto"``: as many as score best
        together, within half of the budget.
    bags : int, default=0
        So many searches, each among a random part of the members; those that they draw most often
        are kept (:func:`~ensprune.selectors.library_bags.bagged`). 0 is one search among all.
    bag_share : float in (0, 1], default=0.5
        Of the members that are in a bag.
    starts : int, default=1
        Above 1, so many minus one searches by swaps begin at random sub-ensembles that fill the
        budget; if the best of them ends better, it is the last point of the path.
    random_state : int, RandomState instance or None, default=None
        Draws bags and starts; None takes the pruner's.

    Notes
    -----
    Under a cost other than the number of members forward search runs twice, by gain and by gain
    per cost, and the better end is kept; a member that does not fit is skipped. For a monotone
    submodular objective the better of the two is at least ``(1 - 1/e) / 2``, about 0.32, of the
    best within the budget (Leskovec et al. 2007, theorem 1); either rule alone can be arbitrarily
    bad. The score of an average is neither monotone nor submodular, so here that is a reason for
    running both and no promise. Ties go to the better squared error, then to the first member.

    Where the objective is a squared error of an average (out of bag it always is), the samples are
    read once; a step or a look at the swaps of one member then costs O(n_members).

    References
    ----------
    Caruana, Niculescu-Mizil, Crew & Ksikes, "Ensemble selection from libraries of models",
    ICML 2004: sections 3.1 to 3.3 for replacement, sorted start and bags. Khuller, Moss & Naor,
    "The budgeted maximum coverage problem", Information Processing Letters 70 (1999), and Leskovec
    et al., "Cost-effective outbreak detection in networks", KDD 2007, for the two runs.
    """

    def __init__(
        self,
        direction: str = "forward",
        replacement: bool = False,
        exchanges: int | str = "auto",
        sorted_start: int | str = 0,
        bags: int = 0,
        bag_share: float = 0.5,
        starts: int = 1,
        random_state: Any = None,
    ):
        self.direction = direction
        self.replacement = replacement
        self.exchanges = exchanges
        self.sorted_start = sorted_start
        self.bags = bags
        self.bag_share = bag_share
        self.starts = starts
        self.random_state = random_state

    def select(self, problem: Problem) -> PruningPath:
        self.check(problem.combination)
        start = time.perf_counter()
        points, complete = most_trusted(problem, self._searches(problem))(problem)
        points = cheap_to_dear(points)
        result = SelectorResult(
            "complete" if complete else "exhausted",
            points[-1].objective,
            time.perf_counter() - start,
        )
        return PruningPath(tuple(points), result)

    def check(self, combination: Combination | None) -> None:
        self._check_options()
        if combination is None:
            return
        if combination.kind == "sum" and combination.carries_weights:
            other = {"direction": "forward"} | _FORWARD_ONLY
            if any(getattr(self, name) != default for name, default in other.items()):
                raise ValueError(
                    "GreedySelector re-fits the weights of boosting stages at every step: give "
                    + " and ".join(f"{name}={default!r}" for name, default in other.items())
                )
        if self.replacement and not combination.carries_weights:
            raise ValueError(
                "replacement=True gives members weights, which this ensemble cannot carry"
            )

    def _check_options(self) -> None:
        check_option("direction", self.direction, ("forward", "backward"))
        if not isinstance(self.replacement, bool | np.bool_):
            raise ValueError(f"replacement={self.replacement!r} must be True or False")
        for name, least, automatic in (
            ("exchanges", 0, True),
            ("sorted_start", 0, True),
            ("bags", 0, False),
            ("starts", 1, False),
        ):
            value = getattr(self, name)
            is_count = isinstance(value, numbers.Integral) and not isinstance(value, bool)
            named = automatic and isinstance(value, str) and value == "auto"
            if not named and not (is_count and int(value) >= least):
                allowed = f"'auto' or an int >= {least}" if automatic else f"an int >= {least}"
                raise ValueError(f"{name}={value!r} must be {allowed}")
        check_arguments("GreedySelector", random_state=self.random_state)
        share = self.bag_share
        if not (isinstance(share, numbers.Real) and 0 < float(share) <= 1):
            raise ValueError(f"bag_share={share!r} must be a number in (0, 1]")
        swaps = self.exchanges not in ("auto", 0)
        if swaps and (self.replacement or self.direction == "backward"):
            raise ValueError(
                f"exchanges={self.exchanges!r} goes with direction='forward' and "
                "replacement=False only"
            )
        if self.direction == "backward":
            for name, default in _FORWARD_ONLY.items():
                if getattr(self, name) != default:
                    raise ValueError(
                        f"{name}={getattr(self, name)!r} goes with direction='forward' only"
                    )
        if self.starts > 1 and (self.replacement or self.bags):
            raise ValueError(
                f"starts={self.starts!r} goes with replacement=False and bags=0 only: they are "
                "searched by swaps"
            )

    def _searches(self, problem: Problem) -> list[Search]:
        """What is worth trying for this combiner, the default first."""
        kind = problem.combiner.kind
        if kind == "sum" and problem.carries_weights:
            return [partial(_by_both_rules, pursue), _first]
        if self.direction == "backward":
            return [self._backward]
        forward = partial(self._with_restarts, partial(_by_both_rules, self._forward))
        if self.replacement or kind not in ("vote", "median"):
            return [forward]
        if kind == "vote" and problem.carries_weights:
            return [forward, partial(_by_both_rules, _reweighted), _first]
        return [forward, _first]

    def _forward(self, problem: Problem, per_cost: bool) -> tuple[list[PathPoint], bool]:
        walk = Walk(self.replacement, self.exchanges, self.sorted_start, per_cost)
        if self.bags:
            seed = self._seed(problem)
            return bagged(problem, walk, self.bags, float(self.bag_share), seed), True
        everyone = np.ones(problem.n_members, dtype=bool)
        return walk(problem, problem.start(), everyone), True

    def _with_restarts(self, search: Search, problem: Problem) -> tuple[list[PathPoint], bool]:
        """The end of a search, or a better one from random starts."""
        with short_products(problem):
            points, complete = search(problem)
            if self.starts == 1:
                return points, complete
            other = best_of_random_starts(
                problem, self.starts - 1, self.exchanges, self._seed(problem)
            )
        end = points[-1].objective
        if other.objective > end + RELATIVE_GAIN * abs(end):
            # What is dearer, or as dear as the new end, is none of its predecessors.
            points = [point for point in points if point.cost < other.cost] + [other]
        return points, complete

    def _seed(self, problem: Problem) -> Any:
        return problem.random_state if self.random_state is None else self.random_state

    @staticmethod
    def _backward(problem: Problem) -> tuple[list[PathPoint], bool]:
        objective = problem.start()
        for t in range(problem.n_members):
            objective.add(t)
        points = []
        with (
            short_products(problem),
            problem.progress.stage("dropping members", problem.n_members) as stage,
        ):
            while True:
                if problem.fits(problem.costs[objective.selected].sum()):
                    points.append(problem.point(objective.selected, objective.score()))
                if len(objective.selected) == 1:
                    break
                inside = np.zeros(problem.n_members, dtype=bool)
                inside[objective.selected] = True
                scores = objective.candidates(drop=True)
                objective.drop(argbest(scores, partial(objective.tiebreaks_of, drop=True), inside))
                if stage.step() and points:
                    break
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
    rules = [False] if problem.costs_alike else [False, True]
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


register_selector("greedy", GreedySelector)
