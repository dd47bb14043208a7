"""OrderingSelector: take the member that a criterion wants most, again and again, while it fits."""

from __future__ import annotations

import time

import numpy as np

from ...combination import Combination
from ...path import PruningPath, SelectorResult
from ..base import Problem, Selector, register_selector
from . import agreement, plurality, ranking, reweighting, signature  # noqa: F401, they register
from .ballots import Ballots
from .criterion import Criterion, criterion_names, make_criterion


class OrderingSelector(Selector):
    """Ordered aggregation: rank the members by a criterion and keep the first that fit.

    The ensemble is cut where the budget ends. Members that no longer fit are passed over.

    Parameters
    ----------
    criterion : str or Criterion, default="complementarity"
        Which member comes next:

        - ``"individual"``: scores best on its own, by the metric;
        - ``"reduce_error"``: with it the vote errs least;
        - ``"complementarity"``: is most often right where the vote so far is wrong;
        - ``"margin_distance"``: moves all margins closest to a small positive constant;
        - ``"orientation"``: points to where the whole ensemble is weak;
        - ``"reference_vector"``: hits and misses most like the whole ensemble;
        - ``"boosting"``: errs least on samples weighted as by AdaBoost;
        - ``"drep"``: makes the most accurate vote among the most diverse members;
        - ``"kappa"``: belongs to the pair that agrees least;
        - ``"individual_contribution"``: is right where few are, and not wrong where many are;
        - ``"uncertainty_weighted"``: is right, above all where the vote so far is undecided;
        - ``"margin_diversity"``: is right on samples with small margins;
        - ``"error_ambiguity"``: has a small error for its distance from the average.

        A :class:`Criterion` object carries its own options, such as
        ``ensprune.selectors.ordering.signature.MarginDistance(p=0.05)``.

    Notes
    -----
    Every member speaks with its own prediction. Where the ensemble weighs members (AdaBoost,
    voting), the vote of those chosen so far is counted by those weights (``"complementarity"``,
    ``"reduce_error"`` of classifiers, ``"uncertainty_weighted"``, ``"drep"``); in all else every
    member weighs the same. The path is scored with the metric and with the combination of the
    ensemble itself. Out of bag a member speaks only for samples it was not
    trained on: sums over samples become averages over those, and votes are counted among the
    members that speak.

    For regressors ``"individual"``, ``"reduce_error"`` and ``"error_ambiguity"`` are defined. The
    stages of gradient boosting do not predict on their own: they are refused.

    References
    ----------
    Martinez-Munoz, Hernandez-Lobato & Suarez, "An analysis of ensemble pruning techniques based on
    ordered aggregation", IEEE Transactions on Pattern Analysis and Machine Intelligence 31 (2009).
    Each criterion names its own paper.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from ensprune import prune
    >>> from ensprune.selectors import OrderingSelector
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(50, random_state=0).fit(X, y)
    >>> selector = OrderingSelector(criterion="drep")
    >>> prune(forest, X, y, target_size=5, selector=selector, validation="oob").n_estimators
    5
    """

    def __init__(self, criterion: str | Criterion = "complementarity"):
        self.criterion = criterion

    def select(self, problem: Problem) -> PruningPath:
        begin = time.perf_counter()
        criterion = make_criterion(self.criterion)
        self._check(problem.combination, criterion)
        ballots = Ballots.of(problem)
        criterion.start(ballots)
        objective = problem.start()
        alone = ballots.accuracy if ballots.n_classes else -_squared_errors(ballots)
        chosen = np.zeros(problem.n_members, dtype=bool)
        spent, points = 0.0, []
        while True:
            free = problem.fits(spent + problem.costs) & ~chosen
            if not free.any():
                break
            if (free & problem.heard).any():
                free &= problem.heard
            best = _most_wanted(criterion.values(free), alone, free)
            criterion.add(best)
            objective.add(best)
            chosen[best] = True
            spent += problem.costs[best]
            points.append(problem.point(objective.selected, objective.score()))
        elapsed = time.perf_counter() - begin
        return PruningPath(tuple(points), SelectorResult("complete", points[-1].objective, elapsed))

    def check(self, combination: Combination | None) -> None:
        criterion = make_criterion(self.criterion)
        if combination is not None:
            self._check(combination, criterion)

    def _check(self, combination: Combination, criterion: Criterion) -> None:
        if combination.kind == "sum":
            raise ValueError(
                f"criterion={self.criterion!r} ranks members by their own predictions, and stages "
                "of gradient boosting have none; use selector='greedy'"
            )
        if not combination.classifies and not criterion.for_regression:
            raise ValueError(
                f"criterion={self.criterion!r} is defined by votes for labels; for a regressor "
                f"give one of {criterion_names(regression=True)}"
            )


def _squared_errors(ballots: Ballots) -> np.ndarray:
    def squares(some: slice) -> np.ndarray:
        return (ballots.predictions[some] - ballots.target) ** 2 * ballots.speaks[some]

    return ballots.share(ballots.by_member(squares))


def _most_wanted(values: np.ndarray, alone: np.ndarray, free: np.ndarray) -> int:
    """Position of the greatest value; ties go to the better on its own, then to the first."""
    values = np.where(free & ~np.isnan(values), values, -np.inf)
    top = values.max()
    near = np.abs(top) * 1e-12 if np.isfinite(top) else 0.0
    tied = np.flatnonzero(free & (values >= top - near))
    return int(tied[alone[tied].argmax()])


register_selector("ordering", OrderingSelector)
