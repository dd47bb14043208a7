"""Members of a vote that weigh 0: no selector takes one alone, nor before one that is heard."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from ensprune import EnsemblePruner
from ensprune.selectors import ClusterSelector, OrderingSelector, RandomSelector

from ..families import data

WEIGHTS = np.array([0.0, 2.0, 0.0, 1.0])
SELECTORS = {
    "first": "first",
    "random": RandomSelector(random_state=3),
    "cluster": "cluster",
    "kmeans": ClusterSelector("kmeans", random_state=0),
    "central": ClusterSelector(representative="central"),
    "individual": OrderingSelector("individual"),
    "reduce_error": OrderingSelector("reduce_error"),
}


def vote(task, voting):
    if task == "regression":
        trees = [DecisionTreeRegressor(max_depth=d, random_state=0) for d in (1, 3, 6)]
        named = list(zip("abcd", [*trees, LinearRegression()], strict=True))
        return VotingRegressor(named, weights=WEIGHTS)
    trees = [DecisionTreeClassifier(max_depth=d, random_state=0) for d in (1, 3, 6)]
    named = list(zip("abcd", [*trees, GaussianNB()], strict=True))
    return VotingClassifier(named, voting=voting, weights=WEIGHTS)


@pytest.mark.parametrize("selector", SELECTORS.values(), ids=SELECTORS)
@pytest.mark.parametrize(
    ("task", "voting"), [("binary", "soft"), ("multiclass", "hard"), ("regression", None)]
)
def test_members_of_weight_0_come_last(task, voting, selector):
    X, y = data(task)
    ensemble = vote(task, voting).fit(X, y)
    for target_size in (1, 2, 4):
        pruner = EnsemblePruner(FrozenEstimator(ensemble), target_size, selector).fit(X, y)
        for point in pruner.path_:
            heard = WEIGHTS[list(point.indices)] > 0
            assert heard[: min(2, len(heard))].all()
        assert pruner.score_pruned_ == pytest.approx(pruner.pruned_estimator_.score(X, y))
    assert pruner.score_pruned_ == pytest.approx(ensemble.score(X, y))


def test_a_budget_for_silent_members_only_is_named():
    X, y = data("binary")
    ensemble = vote("binary", "soft").fit(X, y)
    pruner = EnsemblePruner(FrozenEstimator(ensemble), 1, "cluster", cost=[1, 9, 1, 9])
    with pytest.raises(ValueError, match="no member with a weight of its own is within the budget"):
        pruner.fit(X, y)
