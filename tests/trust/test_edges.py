"""Edge cases over selectors: nothing to choose from, members alike, members that say nothing."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.datasets import make_classification, make_regression
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    BaggingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBRegressor

from ensprune import EnsemblePruner, prune
from ensprune.objectives.simplex import least_squares_weights

SELECTORS = ("greedy", "ilp", "ordering", "weights", "cluster", "first", "random")
X, Y = make_classification(80, 5, n_informative=4, n_redundant=0, n_classes=3, random_state=0)


def _alike(n: int) -> VotingClassifier:
    trees = [(f"tree{i}", DecisionTreeClassifier(max_depth=3, random_state=0)) for i in range(n)]
    return VotingClassifier(trees, voting="soft").fit(X, Y)


@pytest.mark.parametrize("selector", SELECTORS)
def test_one_member(selector):
    forest = RandomForestClassifier(1, random_state=0).fit(X, Y)
    small = prune(forest, X, Y, target_size=1, selector=selector, random_state=0)
    np.testing.assert_array_equal(small.predict_proba(X), forest.predict_proba(X))


@pytest.mark.parametrize("selector", SELECTORS)
def test_members_that_are_all_the_same(selector):
    vote = _alike(5)
    small = prune(vote, X, Y, target_size=2, selector=selector, random_state=0)
    assert 1 <= len(small.estimators_) <= 2
    np.testing.assert_allclose(small.predict_proba(X), vote.predict_proba(X), atol=1e-12)


@pytest.mark.parametrize("scoring", [None, "neg_log_loss", "f1_macro"])
@pytest.mark.parametrize("selector", SELECTORS)
def test_members_that_are_constant(selector, scoring):
    # Each always says one thing; together they are no better.
    said = [("all", DummyClassifier())] + [
        (f"class{c}", DummyClassifier(strategy="constant", constant=c)) for c in range(3)
    ]
    vote = VotingClassifier(said, voting="soft").fit(X, Y)
    pruner = EnsemblePruner(
        FrozenEstimator(vote), target_size=2, selector=selector, scoring=scoring, random_state=0
    ).fit(X, Y)
    assert 1 <= pruner.n_members_ <= 2
    assert not np.isnan(pruner.path_.to_frame()["score"]).any()


@pytest.mark.parametrize("selector", SELECTORS)
@pytest.mark.parametrize("n_rows", [1, 2])
def test_hardly_any_rows_judge(selector, n_rows):
    forest = RandomForestClassifier(5, random_state=0).fit(X, Y)
    small = prune(forest, X[:n_rows], Y[:n_rows], target_size=2, selector=selector, random_state=0)
    assert 1 <= small.n_estimators <= 2


class _Broken(RegressorMixin, BaseEstimator):
    """Says what is no number."""

    def __init__(self, value=np.nan):
        self.value = value

    def fit(self, X, y):
        self.n_features_in_ = np.shape(X)[1]
        return self

    def predict(self, X):
        return np.full(len(X), self.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("selector", ["greedy", "ilp", "weights", "cluster", "first", "random"])
def test_a_member_that_says_no_number_is_named(selector, value):
    rows, target = make_regression(40, 3, random_state=0)
    vote = VotingRegressor([("line", LinearRegression()), ("broken", _Broken(value))])
    vote.fit(rows, target)
    with pytest.raises(ValueError, match="member 1 of VotingRegressor outputs NaN or inf"):
        prune(vote, rows, target, target_size=1, selector=selector)


@pytest.mark.parametrize(
    "ensemble",
    [
        RandomForestRegressor(4, random_state=0),
        RandomForestClassifier(4, random_state=0),
        XGBRegressor(n_estimators=4),
    ],
    ids=lambda ensemble: type(ensemble).__name__,
)
def test_several_targets_are_refused(ensemble):
    rows, target = make_regression(40, 3, n_targets=2, random_state=0)
    if isinstance(ensemble, RandomForestClassifier):
        target = (target > 0).astype(int)
    fitted = ensemble.fit(rows, target)
    for y in (target, target[:, 0]):
        with pytest.raises(ValueError, match=r"1d array|several|targets|outputs"):
            prune(fitted, rows, y, target_size=2)


# --- metadata routing ----------------------------------------------------------------------------


def _weights() -> np.ndarray:
    return np.random.default_rng(0).uniform(0.5, 2.0, len(Y))


def test_weights_reach_the_ensemble_with_and_without_routing():
    weight = _weights()
    ensemble = BaggingClassifier(DecisionTreeClassifier(max_depth=3), 5, random_state=0)
    forest = RandomForestClassifier(5, max_depth=3, random_state=0)
    for plain in (ensemble, forest):
        off = EnsemblePruner(plain, target_size=2, random_state=0)
        off.fit(X, Y, sample_weight=weight)
        with config_context(enable_metadata_routing=True):
            asking = plain.__class__(**plain.get_params(deep=False))
            if isinstance(asking, BaggingClassifier):
                asking.estimator.set_fit_request(sample_weight=True)
            else:
                asking.set_fit_request(sample_weight=True)
            on = EnsemblePruner(asking, target_size=2, random_state=0)
            on.set_fit_request(sample_weight=True).fit(X, Y, sample_weight=weight)
            np.testing.assert_array_equal(on.selected_, off.selected_)
            np.testing.assert_array_equal(on.predict_proba(X), off.predict_proba(X))


def test_weights_that_nobody_asked_for_are_an_error_of_routing():
    with config_context(enable_metadata_routing=True):
        pruner = EnsemblePruner(RandomForestClassifier(5, random_state=0), target_size=2)
        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            pruner.fit(X, Y, sample_weight=_weights())


def test_routing_goes_through_a_pipeline_around_the_pruner():
    with config_context(enable_metadata_routing=True):
        forest = RandomForestClassifier(5, random_state=0).set_fit_request(sample_weight=True)
        pruner = EnsemblePruner(forest, target_size=2).set_fit_request(sample_weight=True)
        whole = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), pruner)
        whole.fit(X, Y, sample_weight=_weights())
        assert whole[-1].n_members_ <= 2


def test_errors_that_differ_in_size_only_leave_the_smallest():
    # A Gram matrix of rank one: member 0 errs as member 1 does, half as much.
    weights = least_squares_weights(np.outer([1.0, 2.0], [1.0, 2.0]))
    np.testing.assert_allclose(weights, [1.0, 0.0], atol=1e-6)
