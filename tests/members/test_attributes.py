"""What a cut does to the attributes of each family, against ground truth that is public."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from families import FAMILIES, data, fitted
from law import assert_obeys
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier

from ensprune import refine_leaves
from ensprune.members import open_members

BOTH = [("multiclass", 0), ("regression", 1)]


@pytest.mark.parametrize(("task", "which"), BOTH)
def test_first_trees_are_the_smaller_forest(task, which):
    X, y = data(task)
    kind = (RandomForestClassifier, RandomForestRegressor)[which]
    large = kind(12, random_state=3).fit(X, y)
    small = kind(5, random_state=3).fit(X, y)
    cut = open_members(large).subset(range(5))
    np.testing.assert_array_equal(cut.predict(X), small.predict(X))


@pytest.mark.parametrize(
    "ensemble",
    [
        AdaBoostClassifier(n_estimators=9, random_state=0),
        GradientBoostingClassifier(n_estimators=9, random_state=0),
        HistGradientBoostingClassifier(max_iter=9),
        AdaBoostRegressor(n_estimators=9, random_state=0),
        GradientBoostingRegressor(n_estimators=9, random_state=0),
        HistGradientBoostingRegressor(max_iter=9),
    ],
    ids=lambda ensemble: type(ensemble).__name__,
)
def test_prefix_is_the_staged_prediction(ensemble):
    X, y = data("regression" if "Regressor" in type(ensemble).__name__ else "multiclass")
    ensemble.fit(X, y)
    staged = list(ensemble.staged_predict(X))
    for size in (1, 4, 9):
        cut = open_members(ensemble).subset(range(size))
        np.testing.assert_allclose(
            *(np.unique(p, return_inverse=True)[1] for p in (cut.predict(X), staged[size - 1]))
        )
        assert len(list(cut.staged_predict(X))) == size


def test_forest_drops_what_became_stale():
    X, y = data("multiclass")
    forest = RandomForestClassifier(40, oob_score=True, random_state=0).fit(X, y)
    cut = open_members(forest).subset([7, 2])
    assert cut.n_estimators == 2
    assert len(cut) == 2
    assert not hasattr(cut, "oob_score_")
    assert not hasattr(cut, "oob_decision_function_")
    assert hasattr(forest, "oob_score_")
    np.testing.assert_array_equal(cut.estimators_samples_[0], forest.estimators_samples_[7])
    assert cut.feature_importances_.shape == (8,)


def test_weighted_forest_still_gives_probabilities():
    X, y = data("multiclass")
    forest = RandomForestClassifier(6, random_state=0).fit(X, y)
    cut = open_members(forest).subset([0, 3, 5], [1.0, 2.0, 0.5])
    proba = cut.predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1.0, rtol=1e-12)
    expected = sum(
        w * forest.estimators_[t].predict_proba(X) for t, w in [(0, 1.0), (3, 2.0), (5, 0.5)]
    )
    np.testing.assert_allclose(proba, expected / 3.5, rtol=1e-12, atol=1e-15)


def test_bagging_keeps_columns_and_draws_aligned():
    X, y = data("binary")
    bagging = BaggingClassifier(n_estimators=10, max_features=0.5, random_state=0).fit(X, y)
    cut = open_members(bagging).subset([4, 1, 8])
    assert cut.n_estimators == 3
    for position, t in enumerate([4, 1, 8]):
        np.testing.assert_array_equal(
            cut.estimators_features_[position], bagging.estimators_features_[t]
        )
        np.testing.assert_array_equal(
            cut.estimators_samples_[position], bagging.estimators_samples_[t]
        )


def test_some_bagging_members_missed_a_class():
    family = next(f for f in FAMILIES if f.id == "bagging-missed-class-multiclass")
    bagging, _, _ = fitted(family)
    assert min(len(member.classes_) for member in bagging.estimators_) < 3


def test_adaboost_keeps_weights_and_errors_aligned():
    X, y = data("multiclass")
    boost = AdaBoostClassifier(n_estimators=12, random_state=0).fit(X, y)
    cut = open_members(boost).subset([10, 3])
    np.testing.assert_array_equal(cut.estimator_weights_, boost.estimator_weights_[[10, 3]])
    np.testing.assert_array_equal(cut.estimator_errors_, boost.estimator_errors_[[10, 3]])
    assert cut.n_estimators == 2


def test_adaboost_that_stopped_early():
    X, y = data("binary")
    boost = AdaBoostClassifier(DecisionTreeClassifier(), n_estimators=50, random_state=0)
    boost.fit(X, y)
    assert len(boost.estimators_) < 50
    members = open_members(boost)
    assert members.n_members == len(boost.estimators_)
    np.testing.assert_array_equal(members.subset([0]).predict(X), boost.predict(X))


def test_boosting_histories_follow_the_stages():
    X, y = data("regression")
    boosting = GradientBoostingRegressor(n_estimators=20, subsample=0.7, random_state=0)
    boosting.fit(X, y)
    cut = open_members(boosting).subset([0, 5, 19])
    assert cut.n_estimators == cut.n_estimators_ == 3
    np.testing.assert_array_equal(cut.train_score_, boosting.train_score_[[0, 5, 19]])
    np.testing.assert_array_equal(cut.oob_improvement_, boosting.oob_improvement_[[0, 5, 19]])
    assert not hasattr(cut, "oob_score_")
    assert len(boosting.train_score_) == 20


def test_hist_boosting_histories_follow_the_iterations():
    X, y = data("binary")
    boosting = HistGradientBoostingClassifier(
        max_iter=30, early_stopping=True, scoring="loss", n_iter_no_change=5, random_state=0
    ).fit(X, y)
    cut = open_members(boosting).subset([0, 4])
    assert cut.n_iter_ == cut.max_iter == 2
    np.testing.assert_array_equal(cut.train_score_, boosting.train_score_[[0, 1, 5]])
    np.testing.assert_array_equal(cut.validation_score_, boosting.validation_score_[[0, 1, 5]])


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_hist_boosting_that_stopped_by_a_scorer(task):
    # Scikit-learn then leaves the method that predicts among the attributes of the instance.
    X, y = data(task)
    boosting = HistGradientBoostingClassifier(
        max_iter=30, early_stopping=True, scoring="accuracy", n_iter_no_change=5, random_state=0
    ).fit(X, y)
    members = open_members(boosting)
    outputs = members.outputs(X, dtype=np.float64)
    for kept, weights in (([0], None), ([4, 2], [0.5, 3.0])):
        cut = members.subset(kept, weights)
        combiner = members.combiner.take(kept, weights)
        assert_obeys(cut, combiner, outputs[kept], X, 1e-12)
        stored = pickle.dumps(cut)
        assert len(stored) < len(pickle.dumps(boosting))
        assert_obeys(pickle.loads(stored), combiner, outputs[kept], X, 1e-12)


def test_hist_boosting_with_categories_and_missing_values():
    import pandas as pd

    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "kind": pd.Categorical(rng.choice(["x", "y", "z"], 300)),
            "size": np.where(rng.random(300) < 0.1, np.nan, rng.normal(size=300)),
        }
    )
    y = (frame["kind"] == "x") ^ (frame["size"].fillna(2.0) > 0)
    boosting = HistGradientBoostingClassifier(max_iter=12, categorical_features="from_dtype")
    boosting.fit(frame, y)
    members = open_members(boosting)
    kept = [1, 5, 11]
    combiner = members.bind(frame).take(kept)
    expected = combiner.predict_proba(members.outputs(frame, indices=kept, dtype=np.float64))
    np.testing.assert_allclose(members.subset(kept).predict_proba(frame), expected, atol=1e-12)


def test_voting_lists_agree():
    family = next(f for f in FAMILIES if f.id == "voting-hard-multiclass")
    voting, X, y = fitted(family)
    cut = open_members(voting).subset([2, 0])
    assert [name for name, _ in cut.estimators] == ["tree", "stump"]
    assert cut.weights == [1.75, 1.125]
    assert list(cut.named_estimators_) == ["tree", "stump"]
    assert cut.fit(X, y).predict(X[:3]).shape == (3,)
    assert voting.weights == [1.125, 2.25, 1.75, 0.5]


def test_voting_with_a_dropped_entry():
    X, y = data("multiclass")
    learners = [("a", DecisionTreeClassifier(max_depth=k)) for k in (1,)]
    learners += [("gone", "drop"), ("c", DecisionTreeClassifier(max_depth=4, random_state=0))]
    voting = VotingClassifier(learners, voting="soft", weights=[1, 5, 2]).fit(X, y)
    members = open_members(voting)
    assert members.n_members == 2
    cut = members.subset([1])
    np.testing.assert_array_equal(cut.predict_proba(X), voting.estimators_[1].predict_proba(X))
    assert [name for name, _ in cut.estimators] == ["c"]


def test_search_forgets_the_score_of_the_whole():
    X, y = data("binary")
    grid = GridSearchCV(RandomForestClassifier(6, random_state=0), {"max_depth": [2, 3]}, cv=2)
    cut = open_members(grid.fit(X, y)).subset([1, 2])
    assert cut.best_estimator_.n_estimators == 2
    assert cut.best_params_ == grid.best_params_
    assert not hasattr(cut, "best_score_")
    assert grid.best_estimator_.n_estimators == 6


@pytest.mark.parametrize("max_samples", [None, 0.5])
def test_out_of_bag_rows_are_those_not_drawn(max_samples):
    X, y = data("binary")
    forest = RandomForestClassifier(7, max_samples=max_samples, random_state=0).fit(X, y)
    mask = open_members(forest).out_of_bag(len(X))
    assert mask.shape == (7, len(X))
    for row, drawn in zip(mask, forest.estimators_samples_, strict=True):
        assert not row[drawn].any()
        assert row.sum() == len(X) - len(np.unique(drawn))


def test_out_of_bag_wants_the_training_rows():
    X, y = data("binary")
    forest = RandomForestClassifier(5, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="fitted on 240 rows, X has 100"):
        open_members(forest).out_of_bag(100)
    assert open_members(ExtraTreesClassifier(5).fit(X, y)).out_of_bag(240) is None


@pytest.mark.parametrize("unit", ["members", "nodes", "bytes"])
def test_costs_add_up(unit):
    X, y = data("multiclass")
    forest = RandomForestClassifier(6, random_state=0).fit(X, y)
    costs = open_members(forest).costs(unit)
    assert costs.shape == (6,)
    if unit == "nodes":
        assert costs.tolist() == [tree.tree_.node_count for tree in forest.estimators_]
    assert (costs > 0).all()


def test_nodes_are_counted_in_every_family_of_trees():
    for family in FAMILIES:
        ensemble, _, _ = fitted(family)
        members = open_members(ensemble)
        if family.name in ("boosting", "hist-boosting", "xgboost", "search", "calibrated"):
            assert (members.costs("nodes") >= 1).all()
        if family.name in ("bagging-lines", "bagging-votes", "voting-soft"):
            with pytest.raises(TypeError, match="cost='nodes' needs members that are trees"):
                members.costs("nodes")


def test_latency_needs_rows():
    X, y = data("binary")
    members = open_members(RandomForestClassifier(3, random_state=0).fit(X, y))
    with pytest.raises(ValueError, match="measured on rows"):
        members.costs("latency")
    assert (members.costs("latency", X) > 0).all()
    with pytest.raises(ValueError, match="cost='grams' is unknown"):
        members.costs("grams")


def test_what_is_no_ensemble_is_refused():
    X, _ = data("binary")
    with pytest.raises(TypeError, match="LinearRegression is no ensemble that ensprune knows"):
        open_members(LinearRegression().fit(X, np.arange(len(X))))
    with pytest.raises(TypeError, match="IsolationForest is no ensemble"):
        open_members(IsolationForest(n_estimators=3).fit(X))
    with pytest.raises(NotFittedError):
        open_members(RandomForestClassifier())


def test_several_targets_are_refused():
    X, y = make_classification(60, 5, random_state=0)
    both = np.column_stack([y, y])
    with pytest.raises(ValueError, match=r"fitted on 2 targets.*fit one ensemble per target"):
        open_members(RandomForestClassifier(3).fit(X, both))
    both = both.astype(float)
    with pytest.raises(ValueError, match="fitted on 2 targets"):
        open_members(BaggingRegressor(n_estimators=3).fit(X, both))
    lines = BaggingRegressor(LinearRegression(), n_estimators=3).fit(X, both)
    with pytest.raises(ValueError, match="fitted on 2 targets"):
        open_members(lines).outputs(X)


def test_search_without_refit_is_refused():
    X, y = data("binary")
    grid = GridSearchCV(RandomForestClassifier(3), {"max_depth": [2]}, cv=2, refit=False)
    with pytest.raises(ValueError, match="refit=False"):
        open_members(grid.fit(X, y))


def test_votes_of_no_weight_are_refused():
    X, y = data("binary")
    voting = VotingClassifier(
        [(f"t{k}", DecisionTreeClassifier(max_depth=k)) for k in (1, 2, 3)],
        voting="soft",
        weights=[0, 1, 0],
    ).fit(X, y)
    with pytest.raises(ValueError, match=r"total weight of 0\.0"):
        open_members(voting).subset([0, 2])


@pytest.mark.parametrize(
    ("ensemble", "count"),
    [
        (GradientBoostingClassifier(n_estimators=8, subsample=0.5), "n_estimators"),
        (HistGradientBoostingClassifier(max_iter=8, max_features=0.4), "max_iter"),
        (RandomForestClassifier(8), "n_estimators"),
    ],
)
@pytest.mark.parametrize("seed", [0, "generator"])
def test_what_was_cut_goes_on_from_where_it_is(ensemble, count, seed):
    X, y = data("binary")
    state = np.random.RandomState(0) if seed == "generator" else seed
    fitted = clone(ensemble).set_params(warm_start=True, random_state=state).fit(X, y)
    cut = open_members(fitted).subset([4, 1])
    longer = copy.deepcopy(fitted).set_params(**{count: 10}).fit(X, y)
    cut.set_params(**{count: 5}).fit(X, y)
    assert open_members(cut).n_members == 5
    untouched = fitted.set_params(**{count: 10}).fit(X, y)
    np.testing.assert_array_equal(untouched.predict_proba(X), longer.predict_proba(X))


def test_a_pickle_of_cut_boosting_holds_one_random_state():
    X, y = data("binary")
    boosting, as_few = (
        GradientBoostingClassifier(n_estimators=n, random_state=0).fit(X, y) for n in (8, 2)
    )
    members = open_members(boosting)
    cut = members.subset([0, 1])
    assert len(pickle.dumps(cut)) < len(pickle.dumps(as_few)) + 500
    for copied in (cut, members.subset([0, 1], [0.5, 2.0]), refine_leaves(cut, X, y)):
        assert all(tree.random_state is copied._rng for tree in copied.estimators_.flat)
    assert all(tree.random_state is boosting._rng for tree in boosting.estimators_.flat)
