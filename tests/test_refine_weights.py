"""refine="weights": better where it can be, and left alone where not; refinement and sizes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import make_regression
from sklearn.ensemble import (
    AdaBoostRegressor,
    BaggingRegressor,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingRegressor,
    VotingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_squared_error
from sklearn.tree import DecisionTreeRegressor

from ensprune import EnsemblePruner, prune, refine
from ensprune.members.opening import open_members
from ensprune.refine import register_refinement
from ensprune.weight_refinement import WeightRefinement

from .families import FAMILIES, data, fitted


@pytest.fixture(scope="module")
def unequal():
    """Two good members and six poor ones, and fresh rows."""
    X, y = make_regression(900, 6, noise=10.0, random_state=0)
    members = [(f"line{j}", LinearRegression()) for j in range(2)]
    members += [(f"stump{j}", DecisionTreeRegressor(max_depth=1)) for j in range(6)]
    return VotingRegressor(members).fit(X[:300], y[:300]), X[300:], y[300:]


def test_weights_of_unequal_members_are_found(unequal):
    vote, X, y = unequal
    pruner = EnsemblePruner(
        FrozenEstimator(vote), target_size=8, selector="first", refine="weights"
    ).fit(X[:300], y[:300])
    before = mean_squared_error(y[300:], vote.predict(X[300:]))
    after = mean_squared_error(y[300:], pruner.predict(X[300:]))
    # Nine tenths of the way from the plain mean to the lines: a hundredth of the error is left.
    assert after < 0.05 * before
    report = pruner.refinement_
    assert report.strength == 0.9
    assert report.loss < 0.05 * report.loss_unrefined
    weights = pruner.pruned_estimator_.weights
    assert min(weights) > 0
    assert min(weights[:2]) > 5 * max(weights[2:])


def test_trees_are_weighed_by_rows_they_have_not_seen():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(900, 3))
    y = 5 + np.sign(X[:, 0]) + 2 * rng.normal(size=900)
    # Of the same bootstraps: deep ones know their own rows by heart.
    deep, shallow = (
        RandomForestRegressor(4, max_depth=depth, random_state=0).fit(X, y) for depth in (None, 2)
    )
    deep.estimators_[2:] = shallow.estimators_[2:]
    pruned = EnsemblePruner(
        FrozenEstimator(deep),
        target_size=4,
        selector="first",
        refine="weights",
        validation="oob",
    ).fit(X, y)
    trees = zip(pruned.pruned_estimator_.estimators_, deep.estimators_, strict=True)
    weights = [float(np.median(new.predict(X) / old.predict(X))) for new, old in trees]
    assert sum(weights[2:]) > 1.5 * sum(weights[:2])


def test_the_path_has_both_scores(unequal):
    vote, X, y = unequal
    pruner = EnsemblePruner(
        FrozenEstimator(vote),
        target_size=8,
        selector="first",
        refine="weights",
        scoring="neg_mean_squared_error",
    ).fit(X[:300], y[:300])
    frame = pruner.path_.to_frame()
    assert frame["score_refined"].iloc[-1] == pruner.score_pruned_
    assert frame["score_refined"].iloc[-1] > frame["score"].iloc[-1]
    # Cross-fitted, so close to what fresh rows say.
    fresh = -mean_squared_error(y[300:], pruner.predict(X[300:]))
    assert pruner.score_pruned_ == pytest.approx(fresh, rel=0.3)


def test_a_refinement_of_one_s_own_is_known_by_its_name(unequal, monkeypatch):
    monkeypatch.setattr(refine, "_registry", dict(refine._registry))
    vote, X, y = unequal
    register_refinement("own", WeightRefinement)
    register_refinement("own, later", "ensprune.weight_refinement:WeightRefinement")
    names = ("weights", "own", "own, later")
    fitted = [
        prune(vote, X, y, target_size=8, selector="first", refine=name).weights for name in names
    ]
    assert len(set(fitted[0])) > 1
    np.testing.assert_array_equal(fitted[0], fitted[1])
    np.testing.assert_array_equal(fitted[0], fitted[2])


def test_noise_leaves_the_weights_alone():
    alone = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        X, y = rng.normal(size=(200, 4)), rng.normal(size=200)
        pruner = EnsemblePruner(
            RandomForestRegressor(20, min_samples_leaf=5, random_state=seed),
            target_size=8,
            refine="weights",
        ).fit(X, y)
        alone += pruner.refinement_.strength == 0
    assert alone >= 8


@pytest.mark.parametrize("validation", ["oob", 0.3])
def test_out_of_bag_and_held_out(validation):
    X, y = data("regression")
    bagging = BaggingRegressor(
        DecisionTreeRegressor(), n_estimators=20, max_samples=0.1, random_state=0
    )
    pruner = EnsemblePruner(
        bagging, target_size=6, refine="weights", validation=validation, random_state=0
    ).fit(X, y)
    assert pruner.refinement_.judged_on == ("out of bag" if validation == "oob" else "unseen rows")
    assert np.isfinite(pruner.score_pruned_)
    assert pruner.at(3).n_estimators == 3


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.id)
def test_every_family_is_refined_or_refused(family):
    ensemble, X, y = fitted(family)
    members = open_members(ensemble)
    if not (members.carries_weights and members.combiner.linear):
        with pytest.raises(TypeError, match=r"refine='weights': .* cannot carry weights"):
            prune(ensemble, X, y, target_size=3, refine="weights")
        return
    before = ensemble.predict(X)
    pruner = EnsemblePruner(
        FrozenEstimator(ensemble), target_size=3, selector="first", refine="weights"
    ).fit(X, y)
    assert type(pruner.pruned_estimator_) is type(ensemble)
    assert pruner.refinement_.loss <= pruner.refinement_.loss_unrefined
    np.testing.assert_array_equal(ensemble.predict(X), before)
    if hasattr(pruner, "predict_proba"):
        proba = pruner.predict_proba(X)
        np.testing.assert_allclose(proba.sum(axis=1), 1.0, atol=1e-6)


def test_boosting_stages_are_weighed_by_the_loss_of_the_link():
    X, y = make_regression(600, 6, noise=5.0, random_state=1)
    slow = GradientBoostingRegressor(n_estimators=10, learning_rate=0.05, random_state=0)
    slow.fit(X[:200], y[:200])
    refined = prune(
        slow, X[200:400], y[200:400], target_size=10, selector="first", refine="weights"
    )
    before = mean_squared_error(y[400:], slow.predict(X[400:]))
    assert mean_squared_error(y[400:], refined.predict(X[400:])) < 0.8 * before


# --- with sizes that are found ------------------------------------------------------------------


@pytest.mark.parametrize("refine", ["leaves", "weights"])
@pytest.mark.parametrize("confidence", [None, 0.9])
@pytest.mark.parametrize("validation", ["oob", 0.5])
def test_auto_with_refinement_keeps_its_word(refine, confidence, validation):
    X, y = data("regression")
    pruner = EnsemblePruner(
        RandomForestRegressor(30, min_samples_leaf=2, random_state=0),
        target_size="auto",
        tolerance=0.1,
        confidence=confidence,
        refine=refine,
        validation=validation,
        random_state=0,
    ).fit(X, y)
    assert pruner.score_pruned_ >= pruner.score_full_ - 0.1 - 1e-9
    assert pruner.pruned_estimator_.n_estimators == pruner.n_members_ < 30
    if confidence is None:
        assert pruner.certificate_ is None
    else:
        certificate = pruner.certificate_
        assert certificate.size == pruner.n_members_
        assert certificate.loss <= certificate.bound <= 0.1


@pytest.mark.parametrize("refine", ["leaves", "weights"])
def test_one_standard_error_with_refinement(refine):
    X, y = data("multiclass")
    pruner = EnsemblePruner(
        RandomForestClassifier(20, min_samples_leaf=2, random_state=0),
        target_size="1se",
        refine=refine,
        random_state=0,
    ).fit(X, y)
    plain = EnsemblePruner(
        RandomForestClassifier(20, min_samples_leaf=2, random_state=0), target_size="1se"
    ).fit(X, y)
    if refine == "weights":  # trees whose leaves are refitted are others
        np.testing.assert_array_equal(pruner.selected_, plain.selected_)
    assert pruner.path_.within_one_standard_error().size == pruner.n_members_
    assert np.isfinite(pruner.score_pruned_)


def test_what_cannot_carry_weights_is_refused():
    X, y = data("regression")
    stack = StackingRegressor([("a", LinearRegression()), ("b", DecisionTreeRegressor())])
    for ensemble in (stack, AdaBoostRegressor(n_estimators=5)):
        with pytest.raises(TypeError, match=r"refine='weights': .* cannot carry weights"):
            EnsemblePruner(ensemble, target_size=2, refine="weights").fit(X, y)
