"""WeightSelector: the best weighted average of all members, thinned out down to the budget."""

from __future__ import annotations

import time

import numpy as np

from ..arguments import check_option
from ..combination import Combination
from ..combiner import affine
from ..link import Probability
from ..objectives.base import class_positions, normalised_weights
from ..objectives.likelihood import true_rows
from ..objectives.simplex import least_squares_weights, log_loss_weights
from ..objectives.squared import SquaredError
from ..path import PathPoint, PruningPath, SelectorResult
from .base import Problem, Selector, register_selector

# Mean squared errors below this have no inverse: members are as good as perfect.
_NO_ERROR = 1e-280


class WeightSelector(Selector):
    """Sparse weights: non-negative, adding up to one, of least squared error or log-loss.

    The convex problem over all members is solved exactly; its solution already gives most of
    them no weight. Then the member whose loss costs least, per unit of its cost, is left out and
    the weights of the others are fitted anew, down to one member. The pruned estimator carries the
    weights natively.

    Parameters
    ----------
    loss : {"squared", "log_loss"}, default="squared"
        - ``"squared"``: squared error; the Brier score for classifiers. Everything follows from
          the Gram matrix of the members' residuals, whatever the number of samples.
        - ``"log_loss"``: of averaged class probabilities; not out of bag, so that
          ``validation="auto"`` holds rows out.

    Notes
    -----
    The objective of the path is minus the loss, whatever the metric is. Where the best average
    needs fewer members than the budget allows, the path ends with it.

    With ``G`` the Gram matrix on the members left and ``w`` their weights, leaving ``i`` out costs
    about ``w_i^2 / (G^-1)_ii`` of squared error (Hassibi & Stork's saliency), which ranks members;
    for the log-loss ``w_i`` does.

    References
    ----------
    Breiman, "Stacked regressions", Machine Learning 24 (1996). Chen, Tino & Yao, "A probabilistic
    ensemble pruning algorithm", ICDM workshops 2006, for sparse non-negative weights. Hassibi &
    Stork, "Second order derivatives for network pruning", NIPS 5 (1993).

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from ensprune import EnsemblePruner
    >>> from ensprune.selectors import WeightSelector
    >>> X, y = load_diabetes(return_X_y=True)
    >>> forest = RandomForestRegressor(50, random_state=0)
    >>> pruner = EnsemblePruner(forest, target_size=5, selector=WeightSelector()).fit(X, y)
    >>> bool(abs(pruner.weights_.sum() - 1) < 1e-9)
    True
    """

    def __init__(self, loss: str = "squared"):
        self.loss = loss

    def select(self, problem: Problem) -> PruningPath:
        begin = time.perf_counter()
        self.check(problem.combination)
        if problem.mask is not None and not self.works_out_of_bag:
            raise ValueError("loss='log_loss' has no out-of-bag form; give loss='squared'")
        fit: _Squared | _Likelihood = (
            _Squared(problem) if self.loss == "squared" else _Likelihood(problem)
        )
        native = affine(problem.combiner).member_weights
        members = np.flatnonzero(problem.fits(problem.costs) & problem.heard)
        if len(members) == 0:
            raise ValueError("no member with a weight of its own is within the budget")
        weights, loss = fit.weights_of(members, None)
        points: list[PathPoint] = []
        complete = False
        while True:
            members, weights = members[weights > 0], weights[weights > 0]
            if problem.fits(problem.costs[members].sum()):
                order = np.argsort(-weights, kind="stable")
                kept = members[order]
                points.append(problem.point(kept, -loss, weights[order] / native[kept]))
            else:
                complete = True
            if len(members) == 1:
                break
            worth = fit.worth(members, weights)
            costs = np.maximum(problem.costs[members], problem.costs[problem.costs > 0].min())
            left = np.delete(np.arange(len(members)), int((worth / costs).argmin()))
            members = members[left]
            weights, loss = fit.weights_of(members, weights[left])
        elapsed = time.perf_counter() - begin
        status = "complete" if complete else "exhausted"
        result = SelectorResult(status, points[0].objective, elapsed)
        return PruningPath(tuple(reversed(points)), result)

    @property
    def works_out_of_bag(self) -> bool:
        return self.loss != "log_loss"

    def check(self, combination: Combination | None) -> None:
        check_option("loss", self.loss, ("squared", "log_loss"))
        if combination is None:
            return
        if not combination.linear:
            raise ValueError(
                "WeightSelector weighs the members of an average, and these are combined by "
                f"{combination.in_words}; use selector='greedy'"
            )
        if combination.kind == "sum":
            raise ValueError(
                "WeightSelector weighs the members of an average, and this ensemble is a "
                "sum; use selector='greedy', which fits the weights of boosting stages"
            )
        if not combination.carries_weights:
            raise ValueError(
                "WeightSelector gives members weights, which this ensemble cannot carry; use "
                "selector='greedy'"
            )
        if self.loss == "log_loss" and not combination.may_have(Probability):
            raise ValueError(
                "loss='log_loss' needs an average of class probabilities; give loss='squared'"
            )


class _Squared:
    """Squared error over the Gram matrix."""

    def __init__(self, problem: Problem):
        objective = SquaredError("mse" if problem.combiner.classes is None else "brier")
        objective.start(
            problem.outputs,
            problem.y,
            problem.combiner,
            problem.sample_weight,
            mask=problem.mask,
        )
        self.gram = objective.gram

    def weights_of(self, members: np.ndarray, start: np.ndarray | None) -> tuple[np.ndarray, float]:
        gram = self.gram[np.ix_(members, members)]
        weights = least_squares_weights(gram)
        return weights, float(weights @ gram @ weights)

    def worth(self, members: np.ndarray, weights: np.ndarray) -> np.ndarray:
        gram = self.gram[np.ix_(members, members)]
        scale = float(np.trace(gram)) / len(gram)
        if scale < _NO_ERROR:
            return weights
        inverse = np.linalg.pinv(gram + 1e-9 * scale * np.eye(len(gram)), hermitian=True)
        return weights**2 / np.maximum(np.diag(inverse), 1e-300)


class _Likelihood:
    """Log-loss of averaged probabilities: only the true class's row matters."""

    def __init__(self, problem: Problem):
        labels = class_positions(problem.y, problem.combiner.classes)  # type: ignore[arg-type]
        self.true = true_rows(problem.outputs, labels)[:, 0]
        self.weight = normalised_weights(problem.sample_weight, len(labels))

    def weights_of(self, members: np.ndarray, start: np.ndarray | None) -> tuple[np.ndarray, float]:
        if start is not None:
            start = start / start.sum()
        return log_loss_weights(self.true, self.weight, start, members)

    def worth(self, members: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return weights


register_selector("weights", WeightSelector)
