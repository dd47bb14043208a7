"""refine_leaves() and refine="leaves": laws over tree families, honesty, input."""

from __future__ import annotations

import pickle
from dataclasses import replace

import joblib
import numpy as np
import pandas as pd
import pytest
from families import FAMILIES, Family, data, fitted
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, make_classification, make_friedman1, make_regression
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_selection import SelectKBest, f_classif, f_regression
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    TargetEncoder,
)
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBRegressor

from ensprune import EnsemblePruner, compact, leaf_refinement, prune, refine_leaves
from ensprune.members import open_members
from ensprune.refine import Opinion, Refinement, RefinementBySize
from ensprune.refinement import Strength

NAMES = (
    "forest",
    "extra-trees",
    "bagging",
    "boosting-init",
    "hist-boosting",
    "pipeline",
    "xgboost",
)
TREES = [f for f in FAMILIES if f.name in NAMES]
each_tree_family = pytest.mark.parametrize("family", TREES, ids=lambda family: family.id)


def noise(seed, n_samples=300, classify=False):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n_samples) if classify else rng.normal(size=n_samples)
    return rng.normal(size=(n_samples, 6)), y


def training_loss(estimator, X, y):
    """Brier score or log-loss in its own terms: what the refit minimises, less its damping."""
    if not hasattr(estimator, "classes_"):
        return np.mean((estimator.predict(X) - y) ** 2)
    hot = y[:, None] == estimator.classes_
    return np.mean((estimator.predict_proba(X) - hot) ** 2)


@each_tree_family
def test_weak_damping_fits_and_stays_of_the_class(family: Family):
    ensemble, X, y = fitted(family)
    before = joblib.hash(pickle.dumps(ensemble)), ensemble.predict(X)
    small = open_members(ensemble).subset([0, 1, 2])
    y = y[::-1]  # far from what the trees were grown on, pure leaves and all
    refined = refine_leaves(small, X, y, damping=0.1, shrinkage=0)
    assert type(refined) is type(small)
    assert training_loss(refined, X, y) < training_loss(small, X, y)
    assert open_members(refined).n_members == 3
    assert joblib.hash(pickle.dumps(ensemble)) == before[0]
    np.testing.assert_array_equal(ensemble.predict(X), before[1])
    clone(refined)
    if hasattr(refined, "predict_proba"):
        wild = np.random.default_rng(0).normal(scale=10, size=(500, X.shape[1]))
        proba = refined.predict_proba(wild)
        assert proba.min() >= 0
        np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-6)


@each_tree_family
def test_infinite_strength_changes_no_prediction(family: Family):
    ensemble, X, y = fitted(family)
    same = refine_leaves(ensemble, X, y, damping=np.inf, shrinkage=0)
    np.testing.assert_array_equal(same.predict(X), ensemble.predict(X))
    if hasattr(same, "predict_proba"):
        np.testing.assert_array_equal(same.predict_proba(X), ensemble.predict_proba(X))


@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize("weights", [None, [1.0, 3.0, 2.0]])
def test_each_tree_of_a_forest_stays_a_distribution(task, weights):
    X, y = data(task)
    forest = RandomForestClassifier(6, random_state=0).fit(X, y)
    forest = open_members(forest).subset([0, 1, 2], weights)
    refined = refine_leaves(forest, X, y, damping=0.03, shrinkage=5)
    wild = np.random.default_rng(0).normal(scale=10, size=(300, X.shape[1]))
    np.testing.assert_allclose(refined.predict_proba(wild).sum(axis=1), 1)
    for before, after in zip(forest.estimators_, refined.estimators_, strict=True):
        sums = before.predict_proba(wild).sum(axis=1)
        np.testing.assert_allclose(after.predict_proba(wild).sum(axis=1), sums)
        assert after.predict_proba(wild).min() >= 0


def test_bagging_that_missed_a_class_predicts_none_of_it():
    X, y = data("multiclass")
    bagging = BaggingClassifier(n_estimators=6, max_samples=6, random_state=0)
    with config_context(enable_metadata_routing=True):  # members then see their rows only
        bagging.fit(X, y)
    assert min(len(tree.classes_) for tree in bagging.estimators_) < 3
    refined = refine_leaves(bagging, X, y, damping=0.1, shrinkage=1)
    np.testing.assert_allclose(refined.predict_proba(X).sum(axis=1), 1)
    assert training_loss(refined, X, y) < training_loss(bagging, X, y)


@pytest.mark.parametrize("name", ["forest-multiclass", "forest-regression", "hist-boosting-binary"])
def test_integer_weights_are_repeated_rows(name):
    ensemble, X, y = fitted(next(f for f in FAMILIES if f.id == name))
    weight = np.random.default_rng(0).integers(0, 4, len(y))
    fixed = {"damping": 1.0, "shrinkage": 2.0}
    weighted = refine_leaves(ensemble, X, y, sample_weight=weight, **fixed)
    repeated = refine_leaves(ensemble, np.repeat(X, weight, 0), np.repeat(y, weight), **fixed)
    method = "predict_proba" if hasattr(ensemble, "classes_") else "predict"
    ours, theirs = (getattr(model, method)(X) for model in (weighted, repeated))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-3)


def test_class_weight_counts_in_the_refit():
    X, y = data("binary")
    heavy = {"ash": 20.0, "birch": 1.0}
    forest = RandomForestClassifier(5, max_depth=3, class_weight=heavy, random_state=0).fit(X, y)
    fixed = {"damping": 0.01, "shrinkage": 0}
    refined = refine_leaves(forest, X, y, **fixed)
    plain = refine_leaves(forest.set_params(class_weight=None), X, y, **fixed)
    assert refined.predict_proba(X)[:, 0].mean() > plain.predict_proba(X)[:, 0].mean() + 0.2


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("classify", [False, True])
def test_on_noise_out_of_bag_refinement_does_no_harm(seed, classify):
    X, y = noise(seed, classify=classify)
    X_new, y_new = noise(seed + 100, 1000, classify)
    family = RandomForestClassifier if classify else RandomForestRegressor
    forest = family(15, random_state=seed).fit(X, y)
    refined = refine_leaves(forest, X, y, validation="oob", random_state=0)
    # In-bag, any weak damping looks perfect, and is a disaster on new rows.
    misled = refine_leaves(forest, X, y, damping=0.01, shrinkage=0)
    assert training_loss(misled, X, y) < training_loss(forest, X, y)
    assert training_loss(refined, X_new, y_new) <= training_loss(forest, X_new, y_new)
    # All there is to know of noise is its mean.
    best = 0.25 if classify else 1.0
    assert training_loss(refined, X_new, y_new) < 1.12 * best


@pytest.mark.parametrize(
    "ensemble",
    [
        GradientBoostingRegressor(n_estimators=15, random_state=0),
        XGBRegressor(n_estimators=15, max_depth=4, n_jobs=1),
    ],
    ids=["boosting", "xgboost"],
)
def test_on_noise_unseen_rows_do_no_harm(ensemble):
    X, y = noise(0)
    X_val, y_val = noise(50)
    X_new, y_new = noise(100, 1000)
    model = clone(ensemble).fit(X, y)
    refined = refine_leaves(model, X_val, y_val, random_state=0)
    assert training_loss(refined, X_new, y_new) <= training_loss(model, X_new, y_new)


@pytest.mark.parametrize("classify", [False, True])
def test_few_unseen_rows_of_noise_mislead_little(classify):
    family = GradientBoostingClassifier if classify else GradientBoostingRegressor
    ratios = []
    for seed in range(8):
        X_new, y_new = noise(seed + 100, 1000, classify)
        model = family(n_estimators=15, random_state=0).fit(*noise(seed, classify=classify))
        refined = refine_leaves(model, *noise(seed + 50, 75, classify), random_state=0)
        ratios.append(training_loss(refined, X_new, y_new) / training_loss(model, X_new, y_new))
    # One of the eight had a tenth more when all of a gain on 75 rows was believed.
    assert max(ratios) < 1.05
    assert np.mean(ratios) < 1


def selected(classify):
    score = f_classif if classify else f_regression
    return SelectKBest(score, k=10)


def encoded(classify):
    return make_union(TargetEncoder(target_type="binary" if classify else "continuous"))


@pytest.mark.parametrize("classify", [False, True])
@pytest.mark.parametrize("steps", [selected, encoded])
def test_steps_that_use_labels_do_not_tell_them_to_who_judges(steps, classify, monkeypatch):
    # TargetEncoder draws folds from the generator of the process, which other tests move on.
    monkeypatch.setattr("numpy.random.mtrand._rand", np.random.RandomState(0))
    # On noise, columns that suit the labels of all rows make every strength look good.
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 240) if classify else rng.normal(size=240)
    X = rng.normal(size=(240, 100)) if steps is selected else rng.integers(0, 50, (240, 4))
    family = RandomForestClassifier if classify else RandomForestRegressor
    forest = make_pipeline(steps(classify), family(20, random_state=0))
    pruner = EnsemblePruner(forest, 5, validation="oob", refine="leaves", random_state=0).fit(X, y)
    found = pruner.refinement_
    guessing = np.var(y) * (1.0 if classify else 0.5)  # the loss is halved
    assert found.loss > 0.95 * guessing
    assert found.strength.shrinkage == 300
    assert found.strength.damping >= 1


def test_a_rare_category_may_be_missing_from_the_rows_that_steps_are_fitted_to():
    X, y = noise(0, 120, classify=True)
    words = pd.DataFrame({"word": np.where(X[:, 0] > 0, "oak", "ash"), "mark": "a"})
    words.loc[0] = "yew", "b"
    columns = make_column_transformer(
        (OneHotEncoder(drop="first"), ["word"]), (OrdinalEncoder(), ["mark"])
    )
    forest = make_pipeline(columns, RandomForestClassifier(10, random_state=0)).fit(words, y)
    refined = refine_leaves(forest, words, y, validation="oob", random_state=0)
    assert refined.predict_proba(words).shape == (120, 2)
    assert columns.transformers[0][1].handle_unknown == "error"


def test_a_frozen_encoder_is_left_as_it_was():
    X, y = noise(0, 120)
    X = (3 * X).round()
    encoder = OneHotEncoder().fit(X)
    forest = make_pipeline(FrozenEstimator(encoder), RandomForestRegressor(10, random_state=0))
    refine_leaves(forest.fit(X, y), X, y, validation="oob", random_state=0)
    assert encoder.handle_unknown == "error"


def test_steps_that_fail_without_a_fold_say_so():
    X, y = noise(0, 40)
    forest = make_pipeline(
        FunctionTransformer(_all_forty), RandomForestRegressor(10, random_state=0)
    )
    with pytest.raises(ValueError, match=r"fits the steps .* which failed: I want 40 rows"):
        refine_leaves(forest.fit(X, y), X, y, validation="oob", random_state=0)


def _all_forty(X):
    if len(X) != 40:
        raise ValueError("I want 40 rows")
    return X


def test_out_of_bag_refinement_helps_where_there_is_something_to_learn():
    X, y = make_regression(900, 6, noise=3.0, random_state=0)
    forest = RandomForestRegressor(40, random_state=0).fit(X[:500], y[:500])
    fixed = {"target_size": 8, "validation": "oob", "random_state": 0}
    cut = prune(forest, X[:500], y[:500], **fixed)
    refined = prune(forest, X[:500], y[:500], refine="leaves", **fixed)
    assert len(refined) == 8
    assert training_loss(refined, X[500:], y[500:]) < 0.9 * training_loss(cut, X[500:], y[500:])


@pytest.mark.parametrize(
    ("estimator", "task", "judged_on"),
    [
        (RandomForestRegressor(20, random_state=0), "regression", "regrown"),
        (ExtraTreesClassifier(20, max_depth=5, random_state=0), "multiclass", "unseen rows"),
        (HistGradientBoostingClassifier(max_iter=20), "binary", "unseen rows"),
    ],
)
def test_pruner_refines_what_it_cuts(estimator, task, judged_on):
    X, y = data(task)
    pruner = EnsemblePruner(estimator, 0.3, refine="leaves", random_state=0).fit(X, y)
    assert pruner.refinement_.judged_on == judged_on
    assert pruner.refinement_.loss <= pruner.refinement_.loss_unrefined
    frame = pruner.path_.to_frame()
    assert frame["score_refined"].notna().all()
    assert pruner.score_pruned_ == frame["score_refined"].iloc[-1]
    assert type(pruner.pruned_estimator_) is type(estimator)
    again = pruner.at(pruner.n_members_)
    np.testing.assert_array_equal(again.predict(X), pruner.predict(X))
    assert open_members(pruner.at(2)).n_members == 2
    plain = EnsemblePruner(estimator, 0.3, random_state=0).fit(X, y)
    if judged_on == "unseen rows":  # else other trees may be better once refitted
        np.testing.assert_array_equal(plain.selected_, pruner.selected_)
    assert plain.path_.to_frame()["score_refined"].isna().all()


def test_the_uncut_forest_is_heard_out_of_bag():
    X, y = (part[:200] for part in load_diabetes(return_X_y=True))
    forest = RandomForestRegressor(60, random_state=0).fit(X, y)
    pruner = EnsemblePruner(
        FrozenEstimator(forest), 6, validation="oob", refine="leaves", random_state=0
    ).fit(X, y)
    assert pruner.refinement_.strength.trust > 0
    alone = refine_leaves(forest, X, y, validation="oob", random_state=0)
    assert open_members(alone).n_members == 60


def test_an_opinion_out_of_bag_is_the_forests_own():
    X, y = noise(5, classify=True)
    forest = RandomForestClassifier(20, oob_score=True, random_state=0).fit(X, y)
    members = open_members(forest)
    opinion = Opinion.of(members.combiner, members.outputs(X), members.out_of_bag(len(y)))
    np.testing.assert_allclose(opinion.mean.T, forest.oob_decision_function_, rtol=1e-6)
    few = members.out_of_bag(len(y)) & (np.arange(20) < 2)[:, None]
    silent = ~few.any(axis=0)
    mean = Opinion.of(members.combiner, members.outputs(X), few).mean
    np.testing.assert_array_equal(np.isnan(mean).all(axis=0), silent)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_an_opinion_of_boosting_is_its_prediction(task):
    ensemble, X, _ = fitted(next(f for f in FAMILIES if f.id == f"hist-boosting-{task}"))
    members = open_members(ensemble)
    opinion = Opinion.of(members.bind(X), members.outputs(X), None).mean
    expected = (
        ensemble.predict(X)[None]
        if task == "regression"
        else ensemble.predict_proba(X).T[-len(opinion) :]
    )
    np.testing.assert_allclose(opinion, expected, rtol=1e-5, atol=1e-6)


def test_refined_scores_are_of_rows_the_refit_has_not_seen():
    # On noise every honest score is that of guessing, or worse.
    X, y = noise(3, 400)
    forest = RandomForestRegressor(20, random_state=0)
    pruner = EnsemblePruner(forest, 8, refine="leaves", random_state=0).fit(X, y)
    assert (pruner.path_.to_frame()["score_refined"] < 0.05).all()


@pytest.mark.parametrize("classify", [False, True])
def test_refined_scores_are_those_that_chose_the_strength(classify):
    X, y = data("regression")
    family = RandomForestClassifier if classify else RandomForestRegressor
    scoring = "neg_brier_score" if classify else "neg_mean_squared_error"
    y = (y > np.median(y)).astype(int) if classify else y
    pruner = EnsemblePruner(
        family(25, random_state=0), 6, refine="leaves", scoring=scoring, random_state=0
    ).fit(X, y)
    # Half the squared error, added up over the classes: that of two is that of one, twice.
    factor = 1 if classify else 2
    assert pruner.score_pruned_ == pytest.approx(-factor * pruner.refinement_.loss, rel=1e-2)
    assert pruner.path_.to_frame()["score_refined"].notna().all()


def test_the_first_trees_of_many_are_a_smaller_forest():
    X, y = data("multiclass")
    forest = RandomForestClassifier(7, random_state=0).fit(X, y)
    first = open_members(open_members(forest).subset([0, 1, 2])).leaves()
    cut = open_members(forest).leaves().first(3)
    for name in ("values", "weight", "tree", "node", "parent", "depth", "scale"):
        np.testing.assert_allclose(getattr(cut, name), getattr(first, name))


def test_explicit_validation_rows_refit_with_the_training_rows():
    X, y = data("regression")
    pruner = EnsemblePruner(
        GradientBoostingRegressor(n_estimators=12, random_state=0), 5, refine="leaves"
    ).fit(X[:120], y[:120], X_val=X[120:], y_val=y[120:])
    assert pruner.refinement_.judged_on == "unseen rows"
    assert pruner.refinement_.loss <= pruner.refinement_.loss_unrefined


def test_pipelines_and_class_names_survive():
    family = next(f for f in FAMILIES if f.id == "pipeline-multiclass")
    pipeline, X, y = fitted(family)
    refined = prune(
        pipeline, X, y, target_size=4, validation="oob", refine="leaves", random_state=0
    )
    assert [name for name, _ in refined.steps] == [name for name, _ in pipeline.steps]
    assert set(refined.predict(X)) <= set(pipeline.classes_)


@pytest.mark.parametrize(
    "ensemble",
    [
        RandomForestClassifier(6, bootstrap=False, max_features=2, random_state=0),
        BaggingClassifier(DecisionTreeClassifier(), 6, max_samples=12, random_state=0),
    ],
)
def test_a_class_of_one_row_may_be_missing_from_a_fold(ensemble):
    X, y = data("multiclass")
    y = y.copy()
    y[0] = "oak"
    ensemble = clone(ensemble).fit(X, y)
    refined = refine_leaves(ensemble, X, y, validation="oob", random_state=0)
    np.testing.assert_array_equal(refined.classes_, ensemble.classes_)
    np.testing.assert_allclose(refined.predict_proba(X).sum(axis=1), 1)


def test_few_rows_change_nothing():
    X, y = data("regression")
    forest = RandomForestRegressor(5, random_state=0).fit(X, y)
    same = refine_leaves(forest, X[:10], y[:10])
    np.testing.assert_array_equal(same.predict(X), forest.predict(X))


def test_refinement_is_repeatable():
    X, y = data("multiclass")
    forest = RandomForestClassifier(8, random_state=0).fit(X, y)
    first, second = (
        refine_leaves(forest, X, y, validation="oob", random_state=7).predict_proba(X)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("classify", [False, True])
@pytest.mark.parametrize("validation", ["auto", "oob"])
def test_the_ensemble_it_was_cut_from_teaches(monkeypatch, classify, validation):
    taught = Strength(0.01, trust=0.8, taught=validation == "oob")
    monkeypatch.setattr(leaf_refinement, "choose", lambda *_: (taught, 0.0, 0.0))
    rng = np.random.default_rng(0)
    X = rng.normal(size=(700, 5))
    # Of steps, which a forest knows better than what is smooth.
    y = (X[:, 0] > 0) + (X[:, 1] > 0.5) * (X[:, 2] > -0.5) + 0.3 * rng.normal(size=700)
    y = y > 0.8 if classify else y
    family = RandomForestClassifier if classify else RandomForestRegressor
    full = family(60, random_state=0).fit(X[:200], y[:200])
    small = compact(prune(full, X[:200], y[:200], target_size=4), X[:200], y[:200])
    rows = slice(0, 200) if validation == "oob" else slice(200, 400)

    def far(**teacher):
        own = {"validation": validation, "random_state": 0, **teacher}
        refined = refine_leaves(small, X[rows], y[rows], **own)
        said = "predict_proba" if classify else "predict"
        return ((getattr(refined, said)(X[400:]) - getattr(full, said)(X[400:])) ** 2).mean()

    assert far(teacher=full) < 0.95 * far()


@pytest.mark.parametrize("family", [RandomForestClassifier, GradientBoostingClassifier])
def test_forests_and_boosting_teach_each_other_of_two_classes(monkeypatch, family):
    monkeypatch.setattr(leaf_refinement, "choose", lambda *_: (Strength(1e-3, trust=1.0), 0.0, 0.0))
    X, y = make_regression(600, 5, noise=20.0, random_state=0)
    y = y > 0
    model = family(n_estimators=10, random_state=0).fit(X[:200], y[:200])
    teachers = [
        RandomForestClassifier(60, random_state=1).fit(X[:200], y[:200]),
        GradientBoostingClassifier(random_state=1).fit(X[:200], y[:200]),
    ]
    for teacher in teachers:
        said = teacher.predict_proba(X[200:])
        # Only the teacher is listened to, whatever the labels are.
        refined = refine_leaves(model, X[200:], ~y[200:], teacher=teacher, random_state=0)
        before, after = (
            ((one.predict_proba(X[200:]) - said) ** 2).mean() for one in (model, refined)
        )
        assert after < 0.7 * before


def test_compacted_trees_are_judged_by_trees_as_small(monkeypatch):
    seen = []
    monkeypatch.setattr(
        leaf_refinement, "choose", lambda trials, *_: seen.append(trials) or (Strength(), 0.0, 0.0)
    )
    X, y = make_regression(300, 5, noise=50.0, random_state=0)
    cut = prune(RandomForestRegressor(40, random_state=0).fit(X, y), X, y, target_size=6)
    small = compact(cut, X, y, tolerance=0.02, validation="oob")

    def leaves(forest):
        return sum(tree.get_n_leaves() for tree in forest.estimators_)

    assert leaves(small) < 0.5 * leaves(cut)
    for forest in (cut, small):
        refine_leaves(forest, X, y, validation="oob", random_state=0)
        for trial in seen.pop():
            assert trial.leaves.n_trees == 6
            assert 0.6 * leaves(forest) < trial.leaves.n_leaves < 1.1 * leaves(forest)


def test_a_teacher_that_says_something_else_is_refused():
    X, y = data("binary")
    forest = RandomForestClassifier(5, random_state=0).fit(X, y)
    extra = ExtraTreesClassifier(5, random_state=0).fit(X, y)
    order = np.arange(len(y))
    numbers = RandomForestRegressor(5, random_state=0).fit(X, order)
    boosted = AdaBoostRegressor(n_estimators=3, random_state=0).fit(X, order)
    with pytest.raises(
        ValueError, match=r"predicts .* but RandomForestClassifier .*; give what it was cut from"
    ):
        refine_leaves(forest, X, y, teacher=numbers)
    alone = make_pipeline(OneHotEncoder(), DecisionTreeClassifier()).fit(X, y)
    for teacher in (alone, alone[-1]):
        with pytest.raises(TypeError, match="teacher=DecisionTreeClassifier is no ensemble"):
            refine_leaves(forest, X, y, teacher=teacher)
    with pytest.raises(ValueError, match="ExtraTreesClassifier has seen all of the rows"):
        refine_leaves(forest, X, y, validation="oob", teacher=extra)
    with pytest.raises(TypeError, match="does not add up what its members say"):
        refine_leaves(numbers, X, order, teacher=boosted)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"damping": 0}, "damping=0 is not allowed"),
        ({"damping": -1.0}, "damping=-1.0 is not allowed"),
        ({"damping": np.nan}, "damping=nan is not allowed"),
        ({"damping": "strong"}, "damping='strong' is not allowed"),
        ({"shrinkage": np.inf}, "shrinkage=inf is not allowed"),
        ({"shrinkage": True}, "shrinkage=True is not allowed"),
        ({"validation": 0.2}, "validation=0.2 is unknown"),
        ({"sample_weight": -np.ones(240)}, "[Nn]egative"),
    ],
)
def test_bad_input_is_refused(options, message):
    X, y = data("regression")
    forest = RandomForestRegressor(3, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=message):
        refine_leaves(forest, X, y, **options)


def test_a_report_says_what_was_done():
    X, y = make_friedman1(300, random_state=0)
    forest = RandomForestRegressor(5, max_depth=4, random_state=0).fit(X[:150], y[:150])
    refined, report = refine_leaves(forest, X[150:], y[150:], return_report=True, random_state=0)
    again = refine_leaves(forest, X[150:], y[150:], random_state=0)
    np.testing.assert_array_equal(refined.predict(X), again.predict(X))
    assert report.judged_on == "unseen rows"
    assert str(report).startswith("leaf values fitted anew")
    assert f"{report.loss:.4g}, with the leaves as they were {report.loss_unrefined:.4g}" in str(
        report
    )
    same, report = refine_leaves(forest, X[:9], y[:9], return_report=True)
    np.testing.assert_array_equal(same.predict(X), forest.predict(X))
    assert str(report) == "leaf values left as they were: too few rows to judge by"
    options = {"damping": 0.1, "shrinkage": 0.0, "return_report": True}
    report = refine_leaves(forest, X[150:], y[150:], **options)[1]
    assert str(report) == "leaf values fitted anew: as strongly as told"
    assert "nothing was better" in str(replace(report, strength=Strength(), judged_on="regrown"))


def test_what_cannot_be_refined_says_so():
    X, y = data("binary")
    with pytest.raises(TypeError, match="vote for labels"):
        refine_leaves(AdaBoostClassifier(n_estimators=3, random_state=0).fit(X, y), X, y)
    boosting = HistGradientBoostingClassifier(max_iter=5).fit(X, y)
    with pytest.raises(ValueError, match="give rows it was not trained on"):
        refine_leaves(boosting, X, y, validation="oob")
    forest = RandomForestClassifier(5, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="fitted on 240 rows, X has 100"):
        refine_leaves(forest, X[:100], y[:100], validation="oob")
    with pytest.raises(ValueError, match="labels the ensemble was not trained on"):
        refine_leaves(forest, X, np.full(len(y), "oak"))
    with pytest.raises(ValueError, match="refine='roots' is unknown; give None or one of"):
        EnsemblePruner(FrozenEstimator(forest), refine="roots").fit(X, y)


def test_a_certified_size_is_refined_as_is_best_for_about_that_size():
    X, y = make_friedman1(400, noise=0.5, random_state=0)
    pruner = EnsemblePruner(
        RandomForestRegressor(24, random_state=0),
        target_size="auto",
        tolerance=0.2,
        confidence=0.9,
        refine="leaves",
        random_state=0,
    ).fit(X, y)
    assert pruner.n_members_ < 24
    assert pruner.certificate_.bound <= 0.2
    refined = pruner.path_.to_frame().set_index("size")["score_refined"].dropna()
    assert refined[1] < refined[4] < refined[24]  # of cuts of these sizes, not of the first one's
    assert pruner.score_pruned_ == refined[pruner.n_members_]


def test_strengths_are_chosen_anew_where_sizes_have_halved():
    class Told(Refinement):
        def fit(self, estimator, evidence):
            self.report = estimator.n_estimators
            return self

        def refined(self, estimator, evidence):
            return self.report

        cross_fitted = refined

    X, y = make_friedman1(60, random_state=0)
    forest = RandomForestRegressor(20, max_depth=2, random_state=0).fit(X, y)
    refine = RefinementBySize(Told(), [])
    sizes = [20, 15, 11, 10, 6, 5, 2]
    told = [refine(open_members(forest).subset(range(size))) for size in sizes]
    assert told == [20, 20, 20, 10, 10, 5, 2]
    asked = [24, 20, 12, 10, 7, 5, 3, 1]
    assert [refine.fitted_for(size).report for size in asked] == [20, 20, 20, 10, 10, 5, 5, 2]


def test_auto_keeps_the_score_where_the_strength_of_a_single_tree_is_too_much_for_more():
    X, y = make_classification(180, 7, n_informative=4, n_redundant=0, n_classes=3, random_state=0)
    pruner = EnsemblePruner(
        RandomForestClassifier(16, random_state=0),
        target_size="auto",
        tolerance=0.05,
        refine="leaves",
        random_state=3,
    ).fit(X, y == 1)
    assert pruner.n_members_ < 16
    assert pruner.score_pruned_ >= pruner.score_full_ - 0.05
