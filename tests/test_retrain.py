"""EnsemblePruner(retrain=True): fewer rounds at a higher rate, beside the cut."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import (
    AdaBoostClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier, XGBRFRegressor

from ensprune import EnsemblePruner, prune
from ensprune.members import open_members


def regression(n_samples=300):
    X, y = make_regression(n_samples, 6, noise=5.0, random_state=0)
    return X, y / y.std()


def classes(n_classes=2):
    return make_classification(
        300, 8, n_informative=5, n_classes=n_classes, flip_y=0.1, random_state=0
    )


SLOW = GradientBoostingRegressor(n_estimators=40, learning_rate=0.05, max_depth=2, random_state=0)

BOOSTED = [
    (SLOW, regression),
    (HistGradientBoostingRegressor(max_iter=12, max_leaf_nodes=6), regression),
    (GradientBoostingClassifier(n_estimators=12, max_depth=2, random_state=0), classes),
    (XGBClassifier(n_estimators=12, max_depth=2, n_jobs=1), lambda: classes(3)),
    (make_pipeline(StandardScaler(), clone(SLOW)), regression),
]


@pytest.mark.parametrize(("estimator", "rows"), BOOSTED, ids=lambda part: type(part).__name__)
def test_the_best_of_cut_and_retrained_is_kept(estimator, rows):
    X, y = rows()
    pruner = EnsemblePruner(estimator, 0.25, retrain=True, random_state=0).fit(X, y)
    report = pruner.retrained_
    scores = {
        "cut": report.score_cut,
        "retrained": report.score_retrained,
        "retrained + leaves": report.score_refined,
    }
    assert scores[report.kept] == max(scores.values())
    assert report.kept == "cut" or scores[report.kept] == pruner.score_pruned_
    assert (
        report.score_retrained == max(report.scores.values()) == report.scores[report.learning_rate]
    )
    small = pruner.pruned_estimator_
    assert type(small) is type(estimator)
    assert open_members(small).n_members == pruner.n_members_ == pruner.cost_pruned_
    assert pruner.n_members_ <= 0.25 * open_members(pruner.estimator_).n_members
    assert open_members(pruner.at(3)).n_members == 3
    np.testing.assert_array_equal(pruner.predict(X), small.predict(X))
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.kept = "mine"


def test_few_rounds_at_a_low_rate_are_retrained_at_a_higher_one():
    X, y = regression()
    pruner = EnsemblePruner(SLOW, 4, retrain=True, selector="first", random_state=0).fit(X, y)
    report = pruner.retrained_
    # Four steps of a twentieth each cannot get anywhere.
    assert report.kept != "cut"
    assert list(report.scores) == pytest.approx([0.05, 0.1, 0.15, 0.25, 0.4])
    assert report.learning_rate > 0.1
    assert report.score_retrained > report.score_cut + 0.1
    assert report.n_rounds == 4
    assert "kept the retrained model" in str(pruner.report())
    if report.kept == "retrained + leaves":
        assert report.leaves.loss < report.leaves.loss_unrefined


def test_scores_are_of_models_fitted_on_the_training_rows():
    X, y = regression()
    pruner = EnsemblePruner(SLOW, 4, retrain=True, scoring="neg_mean_squared_error")
    weight = np.random.default_rng(0).uniform(0.5, 2, 200)
    pruner.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:], sample_weight=weight)
    for rate, score in pruner.retrained_.scores.items():
        model = clone(SLOW).set_params(n_estimators=4, learning_rate=rate)
        model.fit(X[:200], y[:200], sample_weight=weight)
        assert score == pytest.approx(-np.mean((model.predict(X[200:]) - y[200:]) ** 2))


def test_a_budget_of_nodes_holds_for_new_rounds_too():
    X, y = regression()
    pruner = EnsemblePruner(SLOW, 0.2, cost="nodes", retrain=True, random_state=0).fit(X, y)
    nodes = open_members(pruner.pruned_estimator_).costs("nodes").sum()
    assert nodes == pruner.cost_pruned_
    assert nodes <= 0.2 * pruner.cost_full_


def test_a_budget_of_seconds_goes_with_new_rounds():
    X, y = regression()
    pruner = EnsemblePruner(SLOW, 0.5, cost="latency", retrain=True, random_state=0).fit(X, y)
    assert 1 <= pruner.n_members_ <= 40


def test_votes_are_retrained_without_their_leaves():
    X, y = classes()
    stumps = AdaBoostClassifier(
        DecisionTreeClassifier(max_depth=2), n_estimators=20, learning_rate=0.2, random_state=0
    )
    report = EnsemblePruner(stumps, 5, retrain=True, random_state=0).fit(X, y).retrained_
    assert np.isnan(report.score_refined)
    assert report.leaves is None
    assert list(report.scores) == pytest.approx([0.2, 0.4, 0.6, 1.0])


def test_refined_cuts_compete_refined():
    X, y = regression()
    both = EnsemblePruner(SLOW, 10, refine="leaves", retrain=True, random_state=0).fit(X, y)
    alone = EnsemblePruner(SLOW, 10, refine="leaves", random_state=0).fit(X, y)
    # No row is scored by members or leaves that it chose.
    assert both.retrained_.score_cut < alone.score_pruned_
    assert not hasattr(alone, "retrained_")


@pytest.mark.parametrize(
    ("estimator", "options", "error", "message"),
    [
        (RandomForestRegressor(5), {}, TypeError, "no learning rate"),
        (XGBRFRegressor(n_estimators=5, n_jobs=1), {}, TypeError, "no boosting model"),
        (SLOW, {"confidence": 0.9}, ValueError, "certifies cuts"),
        (SLOW, {"cost": np.ones(40)}, ValueError, "cost that new rounds have"),
        (SLOW, {"retrain": "yes"}, ValueError, "'retrain' parameter"),
    ],
)
def test_what_cannot_be_retrained_says_so(estimator, options, error, message):
    X, y = regression(100)
    options = {"retrain": True} | options
    with pytest.raises(error, match=message):
        EnsemblePruner(clone(estimator), 4, **options).fit(X, y)


def test_a_fitted_model_cannot_be_retrained():
    X, y = regression(100)
    fitted = clone(SLOW).fit(X, y)
    with pytest.raises(ValueError, match="give EnsemblePruner the unfitted model"):
        EnsemblePruner(FrozenEstimator(fitted), 4, retrain=True).fit(X, y)
    with pytest.raises(ValueError, match="give EnsemblePruner the unfitted model"):
        prune(fitted, X, y, target_size=4, retrain=True)


def test_where_no_new_round_fits_the_budget_the_cut_stays():
    # One step explains it all: the first stages are stumps, the rest single leaves.
    X, _ = regression()
    y = (X[:, 0] > 0) + np.random.default_rng(0).normal(scale=0.01, size=len(X))
    stumps = GradientBoostingRegressor(
        n_estimators=20, learning_rate=0.5, ccp_alpha=0.001, random_state=0
    )
    pruner = EnsemblePruner(stumps, 1, cost="nodes", retrain=True, random_state=0).fit(X, y)
    assert pruner.n_members_ == pruner.cost_pruned_ == 1
    assert pruner.retrained_.kept == "cut"
    assert pruner.retrained_.scores == {}
    assert "no retrained round fits the budget" in str(pruner.retrained_)
    assert "no retrained round fits the budget" in str(pruner.report())
