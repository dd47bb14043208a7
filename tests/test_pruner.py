"""EnsemblePruner and prune(), from the outside."""

from __future__ import annotations

import copy
import pickle
import warnings
from dataclasses import FrozenInstanceError, is_dataclass
from inspect import signature

import numpy as np
import pandas as pd
import pytest
import xgboost
from families import FAMILIES, Family, data
from sklearn.base import clone
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    make_classification,
)
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import get_scorer, make_scorer, mean_pinball_loss
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from threadpoolctl import threadpool_info
from xgboost import XGBClassifier

from ensprune import EnsemblePruner, prune
from ensprune.objectives import SquaredError
from ensprune.path import PruningPath
from ensprune.selectors import FirstSelector, GreedySelector


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X, y, test_size=0.5, random_state=0)


@pytest.fixture(scope="module")
def forest(digits):
    return RandomForestClassifier(60, random_state=0, n_jobs=2).fit(digits[0], digits[2])


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.id)
def test_reported_scores_are_those_of_the_estimators(family: Family):
    X, y = data(family.task, family.integer_labels)
    scoring = "neg_mean_absolute_error" if family.task == "regression" else "balanced_accuracy"
    pruner = EnsemblePruner(family.make(), target_size=3, scoring=scoring)
    pruner.fit(X[:160], y[:160], X_val=X[160:], y_val=y[160:])
    scorer = get_scorer(scoring)
    # A single-precision engine and ours differ in the last digits of a prediction.
    tolerance = 1e-6 * np.abs(y).max() if family.task == "regression" else 0.0
    tolerance = tolerance if family.single_precision else 1e-12
    full = scorer(pruner.estimator_, X[160:], y[160:])
    assert pruner.score_full_ == pytest.approx(full, abs=tolerance)
    pruned = scorer(pruner.pruned_estimator_, X[160:], y[160:])
    assert pruner.score_pruned_ == pytest.approx(pruned, abs=tolerance)
    for point in pruner.path_:
        real = scorer(pruner.at(point.size), X[160:], y[160:])
        assert point.score == pytest.approx(real, abs=tolerance)
        assert point.score_se >= 0
    assert type(pruner.pruned_estimator_) is type(pruner.estimator_)
    np.testing.assert_array_equal(pruner.predict(X), pruner.pruned_estimator_.predict(X))


@pytest.mark.parametrize(
    ("ensemble", "scoring", "size"),
    [
        (
            XGBClassifier(
                n_estimators=1,
                num_parallel_tree=6,
                max_depth=3,
                learning_rate=1.0,
                subsample=0.8,
                colsample_bynode=0.8,
                reg_lambda=1e-5,
                n_jobs=1,
            ),
            "average_precision",
            5,
        ),
        (GradientBoostingClassifier(n_estimators=7, random_state=0), "roc_auc", 1),
    ],
)
def test_samples_tie_as_the_pruned_estimator_rounds(ensemble, scoring, size):
    # Added up in double precision, or weighed after and not before the learning rate is applied,
    # other samples tie here, and the score is off by a thousandth.
    X, y = make_classification(260, 9, n_informative=5, flip_y=0.15, weights=[0.7], random_state=8)
    fitted = clone(ensemble).fit(X[:150], y[:150])
    pruner = EnsemblePruner(FrozenEstimator(fitted), target_size=size, scoring=scoring)
    pruner.fit(X[150:], y[150:])
    real = get_scorer(scoring)(pruner.pruned_estimator_, X[150:], y[150:])
    assert pruner.score_pruned_ == pruner.path_[-1].score == real


def test_attributes_agree_with_each_other(digits, forest):
    pruner = EnsemblePruner(FrozenEstimator(forest), target_size=0.2, random_state=0)
    pruner.fit(digits[1], digits[3])
    assert pruner.n_members_ == 12 == len(pruner.selected_) == pruner.support_.sum()
    assert pruner.support_.shape == (60,)
    assert pruner.support_[pruner.selected_].all()
    assert pruner.weights_.tolist() == [1.0] * 12
    assert pruner.cost_full_ == 60
    assert pruner.cost_pruned_ == 12
    assert pruner.estimator_ is forest
    assert isinstance(pruner.path_, PruningPath)
    frame = pruner.path_.to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert {"size", "cost", "score", "score_se"} <= set(frame.columns)
    assert frame["size"].tolist() == list(range(1, 13))
    assert frame["score"].iloc[-1] == pruner.score_pruned_
    assert is_dataclass(pruner.selector_result_)
    with pytest.raises(FrozenInstanceError):
        pruner.selector_result_.status = "other"
    assert pruner.n_features_in_ == 64
    assert pruner.classes_.tolist() == list(range(10))
    small = pruner.pruned_estimator_
    for position, t in enumerate(pruner.selected_):
        assert small.estimators_[position] is forest.estimators_[t]


def test_pruning_beats_the_first_trees_on_fresh_rows(digits, forest):
    X_val, X_test, y_val, y_test = train_test_split(digits[1], digits[3], random_state=0)
    chosen = prune(forest, X_val, y_val, target_size=8, scoring="neg_log_loss")
    first = prune(forest, X_val, y_val, target_size=8, selector="first")
    score = get_scorer("neg_log_loss")
    assert score(chosen, X_test, y_test) > score(first, X_test, y_test)


# --- validation rows --------------------------------------------------------------------------


def test_out_of_bag_is_the_default_where_members_left_rows_out(digits):
    X, _, y, _ = digits
    forest = RandomForestClassifier(60, oob_score=True, random_state=0)
    pruner = EnsemblePruner(forest, target_size=10).fit(X, y)
    # Nothing was held out: the full forest saw every row.
    assert pruner.estimator_._n_samples == len(X)
    assert pruner.score_full_ == pytest.approx(pruner.estimator_.oob_score_)
    alone = prune(pruner.estimator_, X, y, target_size=10, validation="oob")
    np.testing.assert_array_equal(alone.predict(X), pruner.predict(X))


def test_out_of_bag_score_by_brute_force():
    X, y = data("regression")
    pruner = EnsemblePruner(
        RandomForestRegressor(12, random_state=0), target_size=4, scoring="neg_mean_absolute_error"
    ).fit(X, y)
    forest = pruner.estimator_
    total, speakers = np.zeros(len(X)), np.zeros(len(X))
    for t in pruner.selected_:
        unseen = np.setdiff1d(np.arange(len(X)), forest.estimators_samples_[t])
        total[unseen] += forest.estimators_[t].predict(X[unseen])
        speakers[unseen] += 1
    spoken = speakers > 0
    errors = np.abs(total[spoken] / speakers[spoken] - y[spoken])
    assert pruner.score_pruned_ == pytest.approx(-errors.mean())
    assert pruner.path_[-1].score_se == pytest.approx(errors.std() / np.sqrt(spoken.sum()))


def test_out_of_bag_selects_by_the_pairwise_error():
    X, y = data("binary")
    forest = RandomForestClassifier(20, random_state=0).fit(X, y)
    pruner = EnsemblePruner(FrozenEstimator(forest), target_size=5, validation="oob").fit(X, y)
    outputs = np.stack([tree.predict_proba(X).T for tree in forest.estimators_])
    mask = np.ones((20, len(X)), dtype=bool)
    for row, drawn in zip(mask, forest.estimators_samples_, strict=True):
        row[drawn] = False
    from ensprune.members import open_members

    objective = SquaredError("brier")
    objective.start(outputs, y, open_members(forest).combiner, mask=mask)
    for member in pruner.selected_:
        objective.add(member)
    assert objective.score() == pytest.approx(pruner.path_[-1].objective, abs=1e-6)
    assert (objective.swaps()[:, ~pruner.support_] <= objective.score() + 1e-6).all()


def test_hold_out_is_the_rule_elsewhere():
    X, y = data("multiclass")
    pruner = EnsemblePruner(ExtraTreesClassifier(20, random_state=0), random_state=0).fit(X, y)
    rows = len(X) - int(np.ceil(0.25 * len(X)))
    assert pruner.estimator_.estimators_[0].tree_.n_node_samples[0] == rows
    pruner = EnsemblePruner(
        RandomForestClassifier(20, random_state=0), validation=0.5, random_state=0
    ).fit(X, y)
    assert pruner.estimator_._n_samples == len(X) // 2


def test_fit_parameters_that_are_no_rows_are_handed_on_as_they_are():
    X, y = data("binary")
    rounds = []
    boosting = GradientBoostingClassifier(n_estimators=3, random_state=0)
    pruner = EnsemblePruner(boosting, target_size=2, validation=0.25)
    pruner.fit(X, y, monitor=lambda i, *_: rounds.append(i))
    assert rounds == [0, 1, 2]


def test_hold_out_is_stratified_and_follows_its_seed():
    X, y = data("binary")
    y = np.where(np.arange(len(y)) < 8, "birch", "ash")
    options = {"target_size": 3, "validation": 0.25, "scoring": "roc_auc"}
    models = [
        EnsemblePruner(
            GradientBoostingClassifier(n_estimators=5, random_state=0), random_state=seed, **options
        ).fit(X, y)
        for seed in (0, 0, 1)
    ]
    assert models[0].score_pruned_ == models[1].score_pruned_
    assert np.isfinite(models[2].score_pruned_)
    np.testing.assert_array_equal(models[0].predict_proba(X), models[1].predict_proba(X))


def test_out_of_bag_through_a_pipeline():
    X, y = data("multiclass")
    pipeline = make_pipeline(StandardScaler(), RandomForestClassifier(20, random_state=0))
    pruner = EnsemblePruner(pipeline, target_size=4).fit(X, y)
    assert isinstance(pruner.pruned_estimator_, Pipeline)
    assert len(pruner.pruned_estimator_[-1].estimators_) == 4
    assert pruner.estimator_[-1]._n_samples == len(X)
    bagging = BaggingClassifier(LogisticRegression(), n_estimators=12, random_state=0)
    assert EnsemblePruner(bagging, target_size=4).fit(X, y).n_members_ == 4


@pytest.mark.parametrize(
    ("options", "rows", "message"),
    [
        ({"validation": "oob"}, 100, "fitted on 898 rows, X has 100"),
        ({"validation": 0.3}, 898, "the estimator is frozen"),
    ],
)
def test_frozen_estimators_refuse_what_makes_no_sense(digits, forest, options, rows, message):
    pruner = EnsemblePruner(FrozenEstimator(forest), **options)
    with pytest.raises(ValueError, match=message):
        pruner.fit(digits[0][:rows], digits[2][:rows])


def test_out_of_bag_is_refused_where_no_row_is_left_out():
    X, y = data("binary")
    with pytest.raises(ValueError, match=r"needs an ensemble whose members leave rows out"):
        EnsemblePruner(AdaBoostClassifier(n_estimators=5), validation="oob").fit(X, y)


def test_explicit_validation_rows_come_in_pairs():
    X, y = data("binary")
    pruner = EnsemblePruner(RandomForestClassifier(5))
    with pytest.raises(ValueError, match="X_val was given without y_val"):
        pruner.fit(X, y, X_val=X)
    with pytest.raises(ValueError, match="y_val was given without X_val"):
        pruner.fit(X, y, y_val=y)
    with pytest.raises(ValueError, match="sample_weight_val was given without"):
        pruner.fit(X, y, sample_weight_val=np.ones(len(y)))
    with pytest.raises(ValueError, match="takes no X_val"):
        EnsemblePruner(RandomForestClassifier(5), validation="oob").fit(X, y, X_val=X, y_val=y)


# --- budgets ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target_size", "error", "message"),
    [
        (600, ValueError, r"target_size=600 is more than the 60 members of RandomForestClassifier"),
        (0, ValueError, r"target_size=0 is less than 1; give an int in \[1, 60\]"),
        (-3, ValueError, "target_size=-3 is less than 1"),
        (1.5, ValueError, r"target_size=1\.5 is a share outside \(0, 1\]"),
        (0.0, ValueError, r"target_size=0\.0 is a share outside"),
        (float("nan"), ValueError, "target_size=nan"),
        (True, TypeError, "target_size=True is no number"),
        ("ten", ValueError, "target_size"),
        (None, ValueError, "target_size"),
    ],
)
def test_bad_target_sizes_are_named(digits, forest, target_size, error, message):
    with pytest.raises(error, match=message):
        prune(forest, digits[1], digits[3], target_size=target_size)


@pytest.mark.parametrize(
    ("target_size", "expected"), [(1, 1), (60, 60), (1.0, 60), (0.29, 17), (0.3, 18), (1e-9, 1)]
)
def test_target_sizes_in_members(digits, forest, target_size, expected):
    small = prune(forest, digits[1], digits[3], target_size=target_size, selector="first")
    assert small.n_estimators == expected


def test_at_walks_the_path(digits, forest):
    X_val, y_val = digits[1], digits[3]
    pruner = EnsemblePruner(FrozenEstimator(forest), target_size=10).fit(X_val, y_val)
    fresh = EnsemblePruner(FrozenEstimator(forest), target_size=4).fit(X_val, y_val)
    np.testing.assert_array_equal(
        pruner.at(4).predict_proba(X_val), fresh.pruned_estimator_.predict_proba(X_val)
    )
    assert pruner.at(0.1).n_estimators == 6
    with pytest.raises(ValueError, match="the path was searched up to 10"):
        pruner.at(11)
    with pytest.raises(NotFittedError):
        EnsemblePruner(forest).at(3)


def test_costs_are_budgets_in_their_unit(digits, forest):
    nodes = np.array([tree.tree_.node_count for tree in forest.estimators_])
    budget = int(nodes.sum() // 6)
    pruner = EnsemblePruner(FrozenEstimator(forest), target_size=budget, cost="nodes")
    pruner.fit(digits[1], digits[3])
    assert pruner.cost_full_ == nodes.sum()
    assert pruner.cost_pruned_ == nodes[pruner.selected_].sum() <= budget
    same = EnsemblePruner(FrozenEstimator(forest), target_size=budget, cost=nodes)
    same.fit(digits[1], digits[3])
    np.testing.assert_array_equal(same.selected_, pruner.selected_)


@pytest.mark.parametrize(
    ("cost", "message"),
    [
        (np.ones(3), r"cost has shape \(3,\), but the ensemble has 60 members"),
        (-np.ones(60), "non-negative"),
        (np.zeros(60), "positive entry"),
        ("grams", "cost"),
    ],
)
def test_bad_costs_are_named(digits, forest, cost, message):
    with pytest.raises(ValueError, match=message):
        prune(forest, digits[1], digits[3], target_size=0.5, cost=cost)


def test_a_budget_below_the_cheapest_member_is_refused(digits, forest):
    with pytest.raises(ValueError, match="target_size=3 allows a cost of 3, but the cheapest"):
        prune(forest, digits[1], digits[3], target_size=3, cost="bytes")


# --- a scikit-learn citizen -------------------------------------------------------------------


def test_grid_search_over_size_and_selector():
    X, y = load_breast_cancer(return_X_y=True)
    grid = GridSearchCV(
        EnsemblePruner(RandomForestClassifier(20, random_state=0)),
        {"target_size": [1, 8], "selector": ["greedy", FirstSelector()]},
        cv=2,
    ).fit(X, y)
    assert grid.best_estimator_.n_members_ in (1, 8)
    nested = EnsemblePruner(RandomForestClassifier(), selector=GreedySelector())
    nested.set_params(selector__exchanges=3, estimator__n_estimators=7)
    assert clone(nested).get_params()["selector__exchanges"] == 3


def test_last_step_of_a_pipeline_with_frames():
    frame, y = load_diabetes(return_X_y=True, as_frame=True)
    pruner = EnsemblePruner(RandomForestRegressor(20, random_state=0), target_size=5)
    pipeline = make_pipeline(StandardScaler(), pruner).set_output(transform="pandas")
    assert pipeline.fit(frame, y).predict(frame).shape == y.shape
    assert pipeline[-1].feature_names_in_.tolist() == frame.columns.tolist()


@pytest.mark.parametrize("kind", ["voting", "stacking"])
def test_output_of_a_transformer_is_in_the_container_asked_for(kind):
    learners = [("bayes", GaussianNB()), ("stump", DecisionTreeClassifier(max_depth=1))]
    ensemble = VotingClassifier(learners) if kind == "voting" else StackingClassifier(learners)
    frame, y = load_iris(return_X_y=True, as_frame=True)
    pruner = EnsemblePruner(ensemble, target_size=1, random_state=0)
    pipeline = make_pipeline(StandardScaler(), pruner).set_output(transform="pandas")
    transformed = clone(pipeline).fit(frame, y).transform(frame)
    fitted = pipeline.fit(frame, y)[-1]
    pd.testing.assert_frame_equal(pipeline.transform(frame), transformed)
    assert transformed.columns.tolist() == fitted.get_feature_names_out().tolist()
    assert transformed.index.equals(frame.index)
    scaled = pipeline[:-1].transform(frame)
    np.testing.assert_array_equal(transformed, fitted.pruned_estimator_.transform(scaled))
    assert isinstance(fitted.pruned_estimator_.transform(scaled), np.ndarray)
    fitted.set_output(transform="default")
    assert isinstance(fitted.transform(scaled), np.ndarray)


def test_pickled_pruner_still_walks_its_path(digits, forest):
    for family in FAMILIES[::3]:
        X, y = data(family.task, family.integer_labels)
        pruner = EnsemblePruner(family.make(), target_size=3, random_state=0).fit(X, y)
        again = pickle.loads(pickle.dumps(pruner))
        np.testing.assert_array_equal(again.predict(X), pruner.predict(X))
        size = again.path_[0].size
        np.testing.assert_array_equal(again.at(size).predict(X), pruner.at(size).predict(X))


def test_sample_weights_reach_the_ensemble_and_the_metric():
    X, y = data("multiclass")
    weight = np.where(y == "ash", 5.0, 0.5)
    plain = EnsemblePruner(ExtraTreesClassifier(15, random_state=0), target_size=4, random_state=0)
    weighted = clone(plain).fit(X, y, sample_weight=weight)
    trees = weighted.estimator_.estimators_
    assert trees[0].tree_.weighted_n_node_samples[0] != trees[0].tree_.n_node_samples[0]
    pipeline = make_pipeline(StandardScaler(), ExtraTreesClassifier(15, random_state=0))
    EnsemblePruner(pipeline, target_size=4, random_state=0).fit(X, y, sample_weight=weight)

    judged = clone(plain).fit(X, y, X_val=X, y_val=y, sample_weight_val=weight)
    expected = judged.pruned_estimator_.score(X, y, sample_weight=weight)
    assert judged.score_pruned_ == pytest.approx(expected)


def test_custom_scorers_see_the_rows():
    X, y = data("regression")
    seen = []

    def scorer(estimator, rows, targets):
        seen.append(rows.shape)
        return -mean_pinball_loss(targets, estimator.predict(rows), alpha=0.9)

    forest = RandomForestRegressor(10, random_state=0).fit(X, y)
    ours = EnsemblePruner(FrozenEstimator(forest), target_size=3, scoring=scorer).fit(X, y)
    made = make_scorer(mean_pinball_loss, greater_is_better=False, alpha=0.9)
    theirs = EnsemblePruner(FrozenEstimator(forest), target_size=3, scoring=made).fit(X, y)
    assert ours.selected_.tolist() == theirs.selected_.tolist()
    assert set(seen) <= {(216, 8), (240, 8)}


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_custom_scorers_may_ask_how_an_estimator_scores_itself(task):
    X, y = data(task)
    kind = RandomForestRegressor if task == "regression" else RandomForestClassifier
    forest = kind(10, random_state=0).fit(X[:120], y[:120])
    frozen, weight = FrozenEstimator(forest), np.linspace(0, 2, 120)

    def own(estimator, rows, targets, sample_weight=None):
        return estimator.score(rows, targets, sample_weight=sample_weight)

    asked = EnsemblePruner(frozen, target_size=3, scoring=own)
    asked.fit(X[120:240], y[120:240], sample_weight=weight)
    default = EnsemblePruner(frozen, target_size=3)
    default.fit(X[120:240], y[120:240], sample_weight=weight)
    expected = asked.pruned_estimator_.score(X[120:240], y[120:240], sample_weight=weight)
    assert asked.score_pruned_ == pytest.approx(expected)
    assert asked.score_full_ == pytest.approx(default.score_full_)


def test_members_without_weight_have_no_average():
    X, y = data("regression")
    learners = [("line", LinearRegression()), ("stump", DecisionTreeRegressor(max_depth=1))]
    vote = VotingRegressor(learners, weights=[0, 1]).fit(X, y)
    for selector in ("greedy", "first"):
        pruner = EnsemblePruner(FrozenEstimator(vote), target_size=1, selector=selector)
        assert pruner.fit(X, y).selected_.tolist() == [1]
    silent = VotingRegressor(learners, weights=[0, 0]).fit(X, y)
    with pytest.raises(ValueError, match="set those that do not count to 'drop'"):
        prune(silent, X, y, target_size=1)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_any_scorer_of_scikit_learn(task):
    X, y = data(task)
    forest = RandomForestClassifier(12, random_state=0).fit(X[:120], y[:120])
    for scoring in ("roc_auc_ovr", "f1_weighted", "matthews_corrcoef", "top_k_accuracy"):
        if task == "binary" and scoring in ("top_k_accuracy", "roc_auc_ovr"):
            continue
        pruner = EnsemblePruner(FrozenEstimator(forest), target_size=3, scoring=scoring)
        pruner.fit(X[120:], y[120:])
        expected = get_scorer(scoring)(pruner.pruned_estimator_, X[120:], y[120:])
        assert pruner.score_pruned_ == pytest.approx(expected, abs=1e-12)


def test_bagging_of_margins_is_scored_by_its_own_decision_function():
    X, y = data("binary")
    bagging = BaggingClassifier(LogisticRegression(), n_estimators=8, random_state=0)
    pruner = EnsemblePruner(
        bagging, target_size=3, scoring="roc_auc", validation=0.5, random_state=0
    ).fit(X[:120], y[:120], X_val=X[120:], y_val=y[120:])
    expected = get_scorer("roc_auc")(pruner.pruned_estimator_, X[120:], y[120:])
    assert pruner.score_pruned_ == expected


def test_raw_booster_is_pruned_to_a_booster():
    import xgboost

    X, y = data("binary", integer_labels=True)
    model = XGBClassifier(n_estimators=15, max_depth=2, n_jobs=1).fit(X[:120], y[:120])
    small = prune(model.get_booster(), X[120:], y[120:], target_size=4, scoring="neg_log_loss")
    assert isinstance(small, xgboost.Booster)
    assert small.num_boosted_rounds() == 4
    same = prune(model, X[120:], y[120:], target_size=4, scoring="neg_log_loss")
    np.testing.assert_array_equal(small.predict(xgboost.DMatrix(X)), same.predict_proba(X)[:, 1])


def test_jobs_do_not_change_the_choice(digits, forest):
    for scoring in ("accuracy", "neg_log_loss", "f1_macro"):
        runs = [
            EnsemblePruner(FrozenEstimator(forest), target_size=5, scoring=scoring, n_jobs=jobs)
            .fit(digits[1], digits[3])
            .selected_.tolist()
            for jobs in (1, 2, -1)
        ]
        assert runs[0] == runs[1] == runs[2]


def test_nothing_is_printed_unless_verbose(capfd):
    X, y = data("binary")
    for family in FAMILIES[:20:4]:
        EnsemblePruner(family.make(), target_size=2, random_state=0).fit(
            X, data("binary", family.integer_labels)[1]
        )
    assert capfd.readouterr() == ("", "")
    EnsemblePruner(RandomForestClassifier(5, random_state=0), verbose=1).fit(X, y)
    assert "kept 1 of 5 members" in capfd.readouterr().out


def test_nothing_global_changes():
    X, y = data("binary")
    state = np.random.mtrand._rand.__getstate__()
    threads, filters = threadpool_info(), list(warnings.filters)
    EnsemblePruner(
        GradientBoostingClassifier(n_estimators=5, random_state=0), target_size=2, random_state=0
    ).fit(X, y)
    np.testing.assert_equal(np.random.mtrand._rand.__getstate__(), state)
    assert threadpool_info() == threads
    assert warnings.filters == filters


def test_the_ensemble_given_stays_unfitted(digits):
    forest = RandomForestClassifier(10, random_state=0)
    EnsemblePruner(forest, target_size=2).fit(digits[0], digits[2])
    assert not hasattr(forest, "estimators_")


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda f: prune(RandomForestClassifier(), [[0.0]], [0]), NotFittedError, "not fitted"),
        (
            lambda f: prune(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), [[0.0]], [0]),
            TypeError,
            "LogisticRegression is no ensemble",
        ),
        (lambda f: prune(f, np.zeros((3, 64)), [0, 1, 11]), ValueError, "not trained on: 11"),
        (lambda f: prune(f, np.zeros((3, 5)), [0, 1, 1]), ValueError, "features"),
        (lambda f: prune(f, np.zeros((3, 64)), [0, 1]), ValueError, "inconsistent numbers"),
        (lambda f: prune(f, np.zeros((3, 64)), None), ValueError, "requires y"),
        (
            lambda f: prune(f, np.zeros((3, 64)), [0, 1, 2], selector="best"),
            ValueError,
            "selector='best' is unknown",
        ),
        (lambda f: prune(f, np.zeros((3, 64)), [0, 1, 2], scoring="beauty"), ValueError, "beauty"),
        (lambda f: EnsemblePruner(3).fit([[0.0]], [0]), ValueError, "estimator"),
        (
            lambda f: EnsemblePruner(f, validation=0.99).fit(np.zeros((3, 2)), [0, 1, 1]),
            ValueError,
            r"validation=0.99 holds out all of the 3 rows .* give at most 0.667",
        ),
    ],
)
def test_bad_input_is_named(forest, make, error, message):
    with pytest.raises(error, match=message):
        make(forest)


def test_a_member_that_outputs_nan_is_named():
    X, y = data("regression")

    class Broken(RandomForestRegressor):
        pass

    forest = Broken(4, random_state=0).fit(X, y)
    forest.estimators_[2].tree_.value[...] = np.nan
    with pytest.raises(ValueError, match="member 2 of Broken outputs NaN"):
        prune(forest, X, y, target_size=2)


def test_a_frozen_ensemble_takes_no_fit_parameters(digits, forest):
    with pytest.raises(ValueError, match=r"takes no fit parameters, got \['gruops'\]"):
        EnsemblePruner(FrozenEstimator(forest)).fit(digits[1], digits[3], gruops=digits[3])


def test_weights_reach_an_ensemble_deep_inside():
    X, y = data("binary")
    weight = np.where(np.arange(len(y)) % 2, 1.0, 0.0)
    forest = RandomForestClassifier(6, random_state=0)
    inner = Pipeline([("scale", StandardScaler()), ("forest", forest)])
    search = GridSearchCV(inner, {"forest__max_depth": [3]}, cv=2)
    for nested in (make_pipeline(StandardScaler(), inner), search):
        pruner = EnsemblePruner(nested, target_size=2).fit(X, y, sample_weight=weight)
        full = getattr(pruner.estimator_, "best_estimator_", pruner.estimator_)
        while isinstance(full, Pipeline):
            full = full[-1]
        alone = clone(forest).set_params(**full.get_params())
        alone.fit(StandardScaler().fit_transform(X), y, sample_weight=weight)
        scaled = StandardScaler().fit_transform(X)
        np.testing.assert_allclose(full.predict_proba(scaled), alone.predict_proba(scaled))


def test_a_raw_booster_can_be_frozen_and_walked():
    X, y = data("binary", True)
    booster = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(X, y), 8)

    def brier(model, X, y):
        return -np.mean((model.predict_proba(X)[:, 1] - y) ** 2)

    pruner = EnsemblePruner(FrozenEstimator(booster), target_size=4, scoring=brier).fit(X, y)
    predicted = pruner.predict(xgboost.DMatrix(X))
    assert -np.mean((predicted - y) ** 2) == pytest.approx(pruner.score_pruned_, abs=1e-6)
    assert pruner.at(2).num_boosted_rounds() == 2
    with pytest.raises(TypeError, match="X=DMatrix has no rows to choose from"):
        prune(booster, xgboost.DMatrix(X), y)


def test_a_large_offset_of_the_target_does_not_change_the_choice():
    X, y = data("regression")
    y = (y - y.mean()) / y.std()
    forest = RandomForestRegressor(20, random_state=0).fit(X[:120], y[:120])
    moved = copy.deepcopy(forest)
    for tree in moved.estimators_:
        tree.tree_.value[...] += 1e8  # beyond the digits of float32
    near = EnsemblePruner(FrozenEstimator(forest), target_size=5).fit(X[120:], y[120:])
    far = EnsemblePruner(FrozenEstimator(moved), target_size=5).fit(X[120:], y[120:] + 1e8)
    assert set(far.selected_) == set(near.selected_)


def test_one_call_takes_what_the_class_takes():
    whole, call = (signature(made).parameters for made in (EnsemblePruner, prune))
    assert set(call) - set(whole) == {"X", "y", "sample_weight"}
    for name, parameter in whole.items():
        assert call[name].default == parameter.default, name
    assert list(EnsemblePruner._parameter_constraints) == list(whole)
