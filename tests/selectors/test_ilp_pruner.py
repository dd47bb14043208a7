"""The ILP selector inside EnsemblePruner and prune()."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import (
    AdaBoostClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import recall_score

from ensprune import EnsemblePruner, prune
from ensprune.selectors import ILPSelector

X, y = load_breast_cancer(return_X_y=True)


@pytest.fixture(scope="module")
def forest():
    return RandomForestClassifier(30, max_depth=4, random_state=0).fit(X[:300], y[:300])


def test_out_of_bag_by_name():
    pruner = EnsemblePruner(
        RandomForestClassifier(30, max_depth=4, random_state=0), target_size=5, selector="ilp"
    ).fit(X, y)
    assert pruner.pruned_estimator_.n_estimators == 5
    assert pruner.selector_result_.status == "optimal"
    greedy = clone(pruner).set_params(selector="greedy").fit(X, y)
    assert pruner.path_[-1].objective >= greedy.path_[-1].objective - 1e-12


def test_recall_floor_holds_on_the_pruned_estimator(forest):
    floor = recall_score(y[300:], forest.predict(X[300:]), pos_label=0)
    selector = ILPSelector(min_recall={0: floor}, time_limit=10)
    small = prune(forest, X[300:], y[300:], target_size=4, selector=selector)
    assert small.n_estimators == 4
    assert recall_score(y[300:], small.predict(X[300:]), pos_label=0) >= floor


def test_faithful_cover_keeps_every_label_of_the_estimator(forest):
    selector = ILPSelector("cover", faithful=True, time_limit=10)
    small = prune(forest, X[300:], y[300:], target_size=1.0, selector=selector)
    assert small.n_estimators < 30
    np.testing.assert_array_equal(small.predict(X[300:]), forest.predict(X[300:]))


def test_members_and_nodes(forest):
    selector = ILPSelector("margin", must_keep=[3], at_most=[(range(10), 2)], time_limit=10)
    pruner = EnsemblePruner(FrozenEstimator(forest), 0.2, selector, cost="nodes")
    pruner.fit(X[300:], y[300:])
    assert pruner.cost_pruned_ <= 0.2 * pruner.cost_full_
    assert 3 in pruner.selected_
    assert (pruner.selected_ < 10).sum() <= 2


def test_score_reported_is_the_estimators():
    Xr, yr = load_diabetes(return_X_y=True)
    forest = RandomForestRegressor(20, max_depth=4, random_state=0).fit(Xr[:200], yr[:200])
    pruner = EnsemblePruner(FrozenEstimator(forest), 4, "ilp", "neg_mean_squared_error")
    pruner.fit(Xr[200:], yr[200:])
    mse = ((pruner.predict(Xr[200:]) - yr[200:]) ** 2).mean()
    assert -pruner.selector_result_.objective_value == pytest.approx(mse, rel=1e-5)


def test_votes_and_sums():
    boosted = AdaBoostClassifier(n_estimators=12, random_state=0).fit(X[:300], y[:300])
    small = prune(boosted, X[300:], y[300:], target_size=4, selector="ilp")
    assert len(small.estimators_) == 4
    Xr, yr = load_diabetes(return_X_y=True)
    stages = GradientBoostingRegressor(n_estimators=10).fit(Xr[:200], yr[:200])
    with pytest.raises(ValueError, match="sums its stages"):
        prune(stages, Xr[200:], yr[200:], target_size=4, selector="ilp")


def test_parameters_are_reachable_for_a_grid():
    pruner = EnsemblePruner(RandomForestClassifier(), selector=ILPSelector())
    pruner.set_params(selector__formulation="margin", selector__time_limit=3)
    assert clone(pruner).selector.formulation == "margin"
