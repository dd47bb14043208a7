"""The law of leaves: what an adapter says of them adds up to what the ensemble predicts."""

from __future__ import annotations

import pickle

import joblib
import numpy as np
import pytest
import xgboost
from families import FAMILIES, Family, data, fitted
from scipy import sparse
from sklearn import config_context
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from ensprune.members import open_members
from ensprune.members.refittable import HasLeaves, open_leaves

TREES = {
    *("forest", "forest-leaf5", "extra-trees", "bagging", "boosting", "boosting-zero"),
    *("boosting-init", "hist-boosting", "hist-poisson", "pipeline", "search", "xgboost"),
    *("lightgbm", "averaging-lightgbm", "catboost"),
}
MEDIANS = {"boosting-regression"}  # fitted under Huber's loss
REFITTABLE = [f for f in FAMILIES if f.name in TREES and f.id not in MEDIANS]
OTHERS = [f for f in FAMILIES if f.name not in TREES]

each_refittable = pytest.mark.parametrize("family", REFITTABLE, ids=lambda family: family.id)


def raw_of(members, values, X):
    """Raw scores that leaf values add up to, and the combiner that gives them meaning."""
    leaves = members.leaves()
    ids = members.leaf_ids(X)
    combiner = members.bind(X)
    raw = np.zeros((members.n_outputs, ids.shape[0]))
    for t in range(leaves.n_trees):
        assert set(leaves.tree[ids[:, t]]) <= {t}
        spoken = leaves.scale[t] * values[ids[:, t]].T
        if leaves.output is None:
            raw += spoken
        else:
            raw[leaves.output[t]] += spoken[0]
    return combiner, combiner.shifted(raw)


def assert_adds_up(estimator, members, values, X, tolerance):
    combiner, raw = raw_of(members, values, X)
    if combiner.classes is None:
        ours, real = combiner.labels_of(raw), estimator.predict(X)
    else:
        ours, real = combiner.link.proba(raw).T, estimator.predict_proba(X)
    np.testing.assert_allclose(ours, real, rtol=0, atol=tolerance * max(1, np.abs(real).max()))


@each_refittable
def test_leaf_values_add_up_to_the_prediction(family: Family):
    ensemble, X, _ = fitted(family)
    members = open_leaves(ensemble)
    tolerance = 1e-6 if family.single_precision else 1e-12
    assert_adds_up(ensemble, members, members.leaves().values, X, tolerance)


@each_refittable
def test_new_leaf_values_are_predicted_and_the_original_untouched(family: Family):
    ensemble, X, _ = fitted(family)
    before = joblib.hash(pickle.dumps(ensemble)), ensemble.predict(X)
    members = open_leaves(ensemble)
    values = members.leaves().values
    values = values + np.random.default_rng(0).normal(scale=0.1, size=values.shape)
    changed = members.with_leaf_values(values)
    assert type(changed) is type(ensemble)
    tolerance = 1e-6 if family.single_precision else 1e-12
    assert_adds_up(changed, members, values, X, tolerance)
    np.testing.assert_allclose(open_leaves(changed).leaves().values, values, rtol=1e-6, atol=1e-12)
    assert joblib.hash(pickle.dumps(ensemble)) == before[0]
    np.testing.assert_array_equal(ensemble.predict(X), before[1])


@each_refittable
def test_leaves_of_a_weighted_cut(family: Family):
    ensemble, X, _ = fitted(family)
    small = open_members(ensemble).subset([3, 0, 2], [0.5, 1.5, 1.0])
    members = open_leaves(small)
    tolerance = 1e-6 if family.single_precision else 1e-12
    assert_adds_up(small, members, members.leaves().values, X, tolerance)


@pytest.mark.parametrize("family", OTHERS, ids=lambda family: family.id)
def test_what_is_no_sum_of_leaves_is_refused(family: Family):
    ensemble, _, _ = fitted(family)
    with pytest.raises(TypeError, match=r"leaf values of .* cannot be refitted: "):
        open_leaves(ensemble).leaves()


@pytest.mark.parametrize(
    ("ensemble", "message"),
    [
        (RandomForestRegressor(3, criterion="absolute_error"), "absolute_error"),
        (GradientBoostingRegressor(loss="huber", n_estimators=3), "huber"),
        (HistGradientBoostingRegressor(loss="quantile", quantile=0.9, max_iter=3), "quantile"),
        (RandomForestRegressor(3, monotonic_cst=[1] + 7 * [0]), "monotonicity"),
        (HistGradientBoostingRegressor(monotonic_cst=[1] + 7 * [0], max_iter=3), "monotonicity"),
        (xgboost.XGBRegressor(n_estimators=3, objective="reg:absoluteerror"), "absoluteerror"),
        (xgboost.XGBRegressor(n_estimators=3, monotone_constraints=(1,)), "monotonicity"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_other_values_would_break_is_refused(ensemble, message):
    X, y = data("regression")
    with pytest.raises(ValueError, match=message):
        open_leaves(ensemble.fit(X, y)).leaves()


def test_parents_and_depths_are_the_trees():
    X, y = data("binary")
    forest = RandomForestClassifier(2, max_depth=3, random_state=0).fit(X, y)
    leaves = open_leaves(forest).leaves()
    start = 0
    for t, tree in enumerate(forest.estimators_):
        inner = tree.tree_
        for node in range(inner.node_count):
            for child in (inner.children_left[node], inner.children_right[node]):
                if child != -1:
                    assert leaves.parent[start + child] == start + node
                    assert leaves.depth[start + child] == leaves.depth[start + node] + 1
        own = np.flatnonzero(inner.children_left == -1)
        np.testing.assert_array_equal(leaves.node[leaves.tree == t], own + start)
        np.testing.assert_array_equal(
            leaves.weight[leaves.tree == t], inner.weighted_n_node_samples[own]
        )
        start += inner.node_count


COUNTED = ("hist-boosting", "xgboost", "lightgbm", "catboost")
ROWS_COUNTED = [f for f in REFITTABLE if f.name in COUNTED and f.task == "regression"]


@pytest.mark.parametrize("family", ROWS_COUNTED, ids=lambda family: family.id)
def test_a_leaf_weighs_what_the_rows_in_it_weigh(family: Family):
    # Of squared error, where every row weighs one.
    ensemble, X, _ = fitted(family)
    members = open_leaves(ensemble)
    weight = members.leaves().weight
    counts = np.bincount(members.leaf_ids(X).ravel(), minlength=len(weight))
    np.testing.assert_allclose(weight, counts, atol=1e-5)


def test_bagged_trees_that_missed_a_class():
    X, y = make_classification(
        90, 6, n_informative=4, n_classes=3, weights=[0.6, 0.37], random_state=0
    )
    bagging = BaggingClassifier(n_estimators=8, max_samples=9, max_features=0.6, random_state=0)
    with config_context(enable_metadata_routing=True):  # members then see their rows only
        bagging.fit(X, y)
    assert any(len(tree.classes_) < 3 for tree in bagging.estimators_)
    members = open_leaves(bagging)
    leaves = members.leaves()
    assert_adds_up(bagging, members, leaves.values, X, 1e-12)
    assert leaves.speaks is not None
    assert (leaves.values[~leaves.speaks] == 0).all()


@pytest.mark.parametrize("booster", ["gbtree", "dart"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_xgboost_with_missing_values_and_parallel_trees(booster, n_classes):
    X, y = data("binary" if n_classes == 2 else "multiclass", integer_labels=True)
    X = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
    dart = {"rate_drop": 0.3} if booster == "dart" else {}
    model = xgboost.XGBClassifier(
        n_estimators=5,
        max_depth=3,
        num_parallel_tree=2,
        subsample=0.7,
        booster=booster,
        n_jobs=1,
        **dart,
    ).fit(X, y)
    members = open_leaves(model)
    values = members.leaves().values
    assert_adds_up(model, members, values, X, 1e-6)
    changed = members.with_leaf_values(values * 1.5)
    assert_adds_up(changed, members, values * 1.5, X, 1e-6)
    raw = open_leaves(model.get_booster())
    np.testing.assert_array_equal(raw.leaf_ids(X), members.leaf_ids(X))


def test_sparse_rows_fall_into_the_same_leaves():
    X, y = data("binary")
    X = np.where(np.abs(X) < 0.5, 0.0, X)
    members = open_leaves(RandomForestClassifier(4, random_state=0).fit(X, y))
    np.testing.assert_array_equal(members.leaf_ids(sparse.csr_matrix(X)), members.leaf_ids(X))
    np.testing.assert_array_equal(members.leaf_ids(X, n_jobs=2), members.leaf_ids(X))


def test_every_adapter_with_leaves_says_so():
    assert all(isinstance(open_members(fitted(f)[0]), HasLeaves) for f in REFITTABLE)
