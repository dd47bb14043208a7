"""What adapters refuse, and shapes of ensembles that the families do not have."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import xgboost
from law import assert_obeys
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_blobs, make_classification
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    RandomForestClassifier,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.model_selection import StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from xgboost import XGBClassifier, XGBRegressor

from ensprune import compact, prune, refine_leaves
from ensprune.members import open_members

TREES = [
    ("stump", DecisionTreeClassifier(max_depth=1, random_state=0)),
    ("tree", DecisionTreeClassifier(max_depth=4, random_state=0)),
    ("deep", DecisionTreeClassifier(random_state=0)),
]


def rows(n_classes=2):
    return make_classification(
        150, 6, n_informative=5, n_redundant=0, n_classes=n_classes, random_state=0
    )


def obeys(ensemble, X, kept, tolerance=1e-12, weights=None):
    members = open_members(ensemble)
    combiner = members.bind(X).take(kept, weights)
    outputs = members.outputs(X, dtype=np.float64)[kept]
    assert_obeys(members.subset(kept, weights), combiner, outputs, X, tolerance)


@pytest.mark.parametrize("weights", [None, np.array([2.0, 0.5, 1.0])])
@pytest.mark.parametrize(
    "ensemble",
    [
        RandomForestClassifier(6, random_state=0),
        ExtraTreesClassifier(6, random_state=0),
        BaggingClassifier(n_estimators=6, random_state=0),
        AdaBoostClassifier(DecisionTreeClassifier(max_depth=4), n_estimators=6, random_state=0),
    ],
    ids=lambda ensemble: type(ensemble).__name__,
)
def test_more_classes_than_are_gathered_one_by_one(ensemble, weights):
    X, y = make_blobs(400, 4, centers=13, cluster_std=3.0, random_state=0)
    obeys(ensemble.fit(X, y), X, np.array([4, 0, 3]), weights=weights)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("final", [RidgeClassifier(), LogisticRegression(max_iter=500)])
def test_a_final_estimator_of_labels_alone(final, n_classes):
    X, y = rows(n_classes)
    y = np.array(["ash", "birch", "cedar"])[y]
    stack = StackingClassifier([*TREES, ("bayes", GaussianNB())], final, cv=3).fit(X, y)
    members = open_members(stack)
    members.set_training_data(X, y)
    kept = [3, 1]
    combiner = members.bind(X).take(kept)
    small = members.subset(kept)
    outputs = members.outputs(X, dtype=np.float64)[kept]
    np.testing.assert_array_equal(combiner.predict(outputs), small.predict(X))
    assert hasattr(small, "predict_proba") == combiner.has_proba == hasattr(final, "predict_proba")


@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_original_columns_that_are_sparse_pass_through(task):
    X, y = rows()
    X = sp.csr_matrix(np.where(np.abs(X) < 0.5, 0.0, X))
    if task == "classes":
        final = LogisticRegression(max_iter=2000)
        stack = StackingClassifier(TREES, final, cv=3, passthrough=True)
    else:
        trees = [
            (f"tree{d}", DecisionTreeRegressor(max_depth=d, random_state=0)) for d in (1, 3, 5)
        ]
        stack = StackingRegressor(trees, LinearRegression(), cv=3, passthrough=True)
    stack.fit(X, y)
    members = open_members(stack)
    members.set_training_data(X, y)
    kept = [2, 0]
    combiner = members.bind(X).take(kept)
    outputs = members.outputs(X, dtype=np.float64)[kept]
    assert_obeys(members.subset(kept), combiner, outputs, X, 1e-9)
    with pytest.raises(ValueError, match=r"passes the original columns through: use Members\.bind"):
        members.combiner.predict(members.outputs(X))


def test_a_member_that_weighs_nothing_is_no_ensemble():
    X, y = rows()
    forest = RandomForestClassifier(4, random_state=0).fit(X, y)
    bagging = BaggingClassifier(n_estimators=4, random_state=0).fit(X, y)
    for ensemble in (forest, bagging):
        weighed = open_members(ensemble).subset([0, 1], np.array([0.0, 1.0]))
        with pytest.raises(ValueError, match="positive sum over the members kept"):
            open_members(weighed).subset([0])


def test_a_cut_with_a_member_that_weighs_nothing_is_cut_again():
    X, y = rows()
    for ensemble in (RandomForestClassifier(4, random_state=0), BaggingClassifier(n_estimators=4)):
        full = ensemble.fit(X, y)
        weighed = open_members(full).subset([0, 1, 2], np.array([0.0, 1.0, 3.0]))
        for kept, alone in (([0, 1], 1), ([2, 0], 2)):
            small = open_members(weighed).subset(kept)
            expected = open_members(full).subset([alone]).predict_proba(X)
            np.testing.assert_allclose(small.predict_proba(X), expected, atol=1e-12)


def test_nodes_of_ensembles_inside_an_ensemble_are_counted():
    X, y = rows()
    inner = RandomForestClassifier(3, max_depth=3, random_state=0)
    bagging = BaggingClassifier(inner, 2, random_state=0).fit(X, y)
    nodes = [sum(t.tree_.node_count for t in forest.estimators_) for forest in bagging.estimators_]
    np.testing.assert_array_equal(open_members(bagging).costs("nodes"), nodes)
    for steps in ((), (StandardScaler(), StandardScaler())):
        inside = make_pipeline(*steps, DecisionTreeClassifier(max_depth=3, random_state=0))
        piped = BaggingClassifier(inside, 2, random_state=0).fit(X, y)
        nodes = [member[-1].tree_.node_count for member in piped.estimators_]
        np.testing.assert_array_equal(open_members(piped).costs("nodes"), nodes)
    with pytest.raises(
        TypeError, match="cost='nodes' needs members that are trees, got GaussianNB"
    ):
        open_members(BaggingClassifier(GaussianNB(), 2).fit(X, y)).costs("nodes")


# --- XGBoost ------------------------------------------------------------------------------------


def test_xgboost_that_is_no_ensemble_of_one_answer():
    X, y = rows()
    columns = XGBClassifier(n_estimators=3, objective="multi:softprob", num_class=2, n_jobs=1)
    with pytest.raises(ValueError, match=r"multi:softprob.*binary:logistic"):
        open_members(columns.fit(X, y))
    targets = XGBRegressor(n_estimators=3, n_jobs=1).fit(X, np.c_[y, 1 - y])
    with pytest.raises(ValueError, match="predicts 2 targets or labels at once"):
        open_members(targets)
    shares = XGBRegressor(n_estimators=3, objective="multi:softprob", num_class=3, n_jobs=1)
    with pytest.raises(ValueError, match="predicts 3 numbers for a row; train a classifier"):
        open_members(shares.fit(*rows(3)))
    linear = XGBRegressor(n_estimators=3, booster="gblinear", n_jobs=1).fit(X, y)
    with pytest.raises((TypeError, ValueError), match="gblinear"):
        open_members(linear)


def test_xgboost_without_rounds_is_not_fitted():
    X, y = rows()
    booster = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(X, y), 0)
    with pytest.raises(NotFittedError, match="no rounds"):
        open_members(booster)


def test_xgboost_of_one_class_or_on_dask_is_refused():
    X, _ = rows()
    alone = XGBClassifier(n_estimators=3, n_jobs=1).fit(X, np.zeros(len(X), dtype=int))
    with pytest.raises(ValueError, match="single class"):
        prune(alone, X, np.zeros(len(X), dtype=int), target_size=1)
    spread = type("DaskXGBRegressor", (XGBRegressor,), {"__module__": "xgboost.dask"})()
    with pytest.raises(TypeError, match=r"predicts on dask collections; give its get_booster\(\)"):
        open_members(spread)


@pytest.mark.parametrize("wide", [7, 5])
def test_xgboost_looks_at_no_row_of_another_width(wide):
    X, y = rows()
    model = XGBClassifier(n_estimators=3, n_jobs=1).fit(X, y)
    with pytest.raises(
        ValueError, match=f"X has {wide} features, but XGBClassifier is expecting 6"
    ):
        open_members(model).outputs(np.ones((4, wide)))


def test_xgboost_that_was_best_after_its_first_round_has_one_member():
    X, y = rows()
    model = XGBClassifier(n_estimators=12, early_stopping_rounds=4, n_jobs=1)
    model.fit(X, y, eval_set=[(X, 1 - y)], verbose=False)  # every round makes it worse
    assert model.best_iteration == 0
    members = open_members(model)
    assert members.n_members == 1
    obeys(model, X, np.array([0]), tolerance=1e-6)


def test_xgboost_weighs_the_positive_class_as_it_was_told():
    X, y = rows()
    model = XGBClassifier(n_estimators=3, scale_pos_weight=3.0, n_jobs=1).fit(X, y)
    np.testing.assert_array_equal(open_members(model).row_weights(y), np.where(y == 1, 3.0, 1.0))
    for plain in (XGBClassifier(n_estimators=3, n_jobs=1), XGBRegressor(n_estimators=3, n_jobs=1)):
        assert open_members(plain.fit(X, y)).row_weights(y) is None


# --- stacking -----------------------------------------------------------------------------------


def test_all_learners_see_the_same_folds_where_these_are_drawn():
    X, y = rows()
    same = [(name, DecisionTreeClassifier(max_depth=4, random_state=0)) for name in "ab"]
    stack = StackingClassifier(same, LogisticRegression(), cv=StratifiedKFold(3, shuffle=True))
    members = open_members(stack.fit(X, y))
    members.set_training_data(X, y)
    first, second = members.training.outputs
    np.testing.assert_array_equal(first, second)


# --- ensembles of no trees ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ensemble", "member"),
    [
        (BaggingClassifier(LogisticRegression(), 3, random_state=0), "LogisticRegression"),
        (AdaBoostClassifier(LogisticRegression(), n_estimators=3), "LogisticRegression"),
        (VotingClassifier([("bayes", GaussianNB()), ("line", LogisticRegression())]), "GaussianNB"),
    ],
)
def test_members_that_are_no_trees_are_named(ensemble, member):
    X, y = rows()
    told = f"{type(ensemble).__name__} of {member} is no ensemble whose trees can be cut"
    with pytest.raises(TypeError, match=told):
        compact(ensemble.fit(X, y))


def test_why_leaf_values_cannot_be_refitted_is_said():
    X, y = rows()
    ensembles = {
        "its members are not all trees": BaggingClassifier(LogisticRegression(), 3),
        "its members vote for labels": AdaBoostClassifier(n_estimators=3),
        "its calibrators were fitted": CalibratedClassifierCV(RandomForestClassifier(3), cv=2),
    }
    for reason, ensemble in ensembles.items():
        told = f"leaf values of {type(ensemble).__name__} cannot be refitted: {reason}"
        with pytest.raises(TypeError, match=told):
            refine_leaves(ensemble.fit(X, y), X, y)
