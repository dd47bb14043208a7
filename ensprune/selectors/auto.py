"""AutoSelector: which search to use for which ensemble, from ``benchmarks/quality.py``."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..objectives.squared import SquaredError
from ..path import PruningPath
from .base import Problem, Selector, register_selector
from .greedy import GreedySelector
from .ordering import OrderingSelector

# Up to so many members the best sub-ensemble is found and proven in about a second.
_FEW_MEMBERS = 32
_TIME_LIMIT = 10.0

# Looks at swaps, members times the square of how many are kept, that take about ten seconds.
_MANY_LOOKS = 1e10


@dataclass(frozen=True)
class AutoResult:
    """What was used, and what it reports.

    Parameters
    ----------
    status : str
        As of ``inner``.
    objective_value : float
        As of ``inner``.
    solve_time : float
        Wall-clock seconds.
    selector : Selector
        The search that was used.
    reason : str
        Why this one, in a sentence.
    inner : object
        What that search reports: a frozen dataclass.
    """

    status: str
    objective_value: float
    solve_time: float
    selector: Selector
    reason: str
    inner: Any


class AutoSelector(Selector):
    """The search that did best in the quality benchmark for ensembles of this kind and size.

    - Averages (forests, bagging, soft voting) by their squared error, the Brier score of
      classifiers, whatever the metric: smoother than the metric, which is what the path is scored
      with. Up to 32 members the best sub-ensemble by integer programming, above that greedy search;
      without swaps where these would take long, which costs next to nothing in quality.
    - Medians (AdaBoost of regressors) by ordering with ``"reduce_error"``.
    - Everything else (boosted stages, AdaBoost of classifiers, hard voting, stacking) by greedy
      search.

    ``selector_result_`` says which was used, and why.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from ensprune import EnsemblePruner
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(100, random_state=0)
    >>> pruner = EnsemblePruner(forest, target_size=5, selector="auto").fit(X, y)
    >>> pruner.selector_result_.selector
    GreedySelector()
    >>> pruner.selector_result_.reason
    'an average of 100 members'
    """

    def select(self, problem: Problem) -> PruningPath:
        start = time.perf_counter()
        selector, reason, problem = _choice(problem)
        path = selector.select(problem)
        inner = path.result
        result = AutoResult(
            inner.status,
            inner.objective_value,
            time.perf_counter() - start,
            selector,
            reason,
            inner,
        )
        return replace(path, result=result)


def _choice(problem: Problem) -> tuple[Selector, str, Problem]:
    """The search, why, and the problem as it gets it."""
    combiner = problem.combiner
    n_members = problem.n_members
    if combiner.kind == "median":
        return OrderingSelector("reduce_error"), "a median, which greedy search overfits", problem
    if not _is_plain_average(combiner):
        return GreedySelector(), f"a {combiner.kind} of {n_members} members", problem
    squared = SquaredError("mse" if combiner.classes is None else "brier")
    problem = replace(problem, objective=squared)
    if n_members <= _FEW_MEMBERS:
        from .ilp import ILPSelector  # brings PuLP with it

        selector: Selector = ILPSelector(time_limit=_TIME_LIMIT)
        return selector, f"an average of {n_members} members, few enough to be exact", problem
    kept = problem.most_members()
    if float(kept) ** 2 * n_members > _MANY_LOOKS:
        reason = f"an average of {n_members} members, too many for swaps"
        return GreedySelector(exchanges=0), reason, problem
    return GreedySelector(), f"an average of {n_members} members", problem


def _is_plain_average(combiner: Any) -> bool:
    """Whether members are averaged, all alike, to values or class probabilities."""
    if combiner.kind != "mean" or not combiner.linear:
        return False
    if combiner.classes is not None and not combiner.has_proba:
        return False
    return np.ptp(combiner.member_weights) == 0


register_selector("auto", AutoSelector)
