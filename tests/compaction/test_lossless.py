"""Lossless compaction: identical answers for any row, and really fewer nodes."""

from __future__ import annotations

import copy
import pickle

import joblib
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor
from tree_families import (
    OTHERS,
    TREE_FAMILIES,
    assert_same_answers,
    fitted,
    gradient_model,
    hard_rows,
    histogram_model,
    n_nodes,
    with_few_answers,
)

from ensprune import compact
from ensprune.compaction.lossless import lossless_cut, reachable_sides
from ensprune.members import open_members
from ensprune.trees.structure import Tree, float_keys, rounded_down


@pytest.mark.parametrize("family", TREE_FAMILIES, ids=lambda family: family.id)
def test_answers_stay_bit_for_bit(family):
    ensemble, X, _ = fitted(family)
    before = joblib.hash(pickle.dumps(ensemble))
    small = compact(ensemble)
    assert joblib.hash(pickle.dumps(ensemble)) == before
    assert type(small) is type(ensemble)
    assert open_members(small).n_members == open_members(ensemble).n_members
    assert n_nodes(small) <= n_nodes(ensemble)
    assert b"ensprune" not in pickle.dumps(small)
    rows = hard_rows(ensemble, X.shape[1], np.random.default_rng(0))
    assert_same_answers(ensemble, small, np.vstack([X, rows]))
    assert_same_answers(small, pickle.loads(pickle.dumps(small)), rows)


@pytest.mark.parametrize("family", OTHERS, ids=lambda family: family.id)
def test_ensembles_of_anything_else_are_refused(family):
    with pytest.raises(TypeError, match="whose trees can be cut"):
        compact(fitted(family)[0])


# --- what is planted is found ---------------------------------------------------------------------


def with_planted_splits(estimator, rng):
    """Every other leaf of a tree replaced by a split that changes no prediction.

    Half of those have two equal leaves; the others test a feature of an ancestor again, so that
    one side, on which a wrong value waits, can never be reached.
    """
    tree = estimator.tree_
    state = tree.__getstate__()
    nodes, values = list(state["nodes"].copy()), list(state["values"].copy())
    parent = {}
    for node in range(tree.node_count):
        if tree.children_left[node] >= 0:
            parent[tree.children_left[node]] = node, True
            parent[tree.children_right[node]] = node, False
    for leaf in np.flatnonzero(tree.children_left < 0)[::2]:
        record, value = nodes[leaf].copy(), values[leaf].copy()
        above, is_left = parent[leaf]
        if rng.random() < 0.5:
            record["feature"], record["threshold"] = 0, rng.normal()
            children = value, value
        else:
            # Rows here are at most (left) or above (right) the ancestor's threshold.
            record["feature"] = nodes[above]["feature"]
            shift = 1.0 if is_left else -1.0
            record["threshold"] = nodes[above]["threshold"] + shift
            # Without a value they keep going the same way.
            record["missing_go_to_left"] = nodes[above]["missing_go_to_left"]
            if bool(record["missing_go_to_left"]) != is_left:
                record["missing_go_to_left"] = is_left
            children = (value, value + 7.0) if is_left else (value + 7.0, value)
        record["left_child"], record["right_child"] = len(nodes), len(nodes) + 1
        for child in children:
            nodes.append(nodes[leaf].copy())
            values.append(child)
        nodes[leaf] = record
    build, arguments = tree.__reduce__()[:2]
    planted = build(*arguments)
    planted.__setstate__(
        {
            "max_depth": state["max_depth"] + 1,
            "node_count": len(nodes),
            "nodes": np.array(nodes, dtype=state["nodes"].dtype),
            "values": np.array(values),
        }
    )
    result = copy.copy(estimator)
    result.tree_ = planted
    return result


@pytest.mark.parametrize("kind", [RandomForestClassifier, RandomForestRegressor])
@pytest.mark.parametrize("missing", [False, True])
def test_planted_splits_go_and_the_arrays_get_shorter(kind, missing):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(300, 4))
    if missing:
        X[rng.random(X.shape) < 0.1] = np.nan
    y = (np.nan_to_num(X[:, 0]) + rng.normal(size=300) > 0).astype(float)
    forest = kind(6, max_depth=6, random_state=0).fit(X, y)
    trees = [tree.tree_ for tree in compact(forest).estimators_]
    planted = copy.copy(forest)
    planted.estimators_ = [with_planted_splits(tree, rng) for tree in forest.estimators_]
    rows = np.vstack([X, hard_rows(planted, 4, rng, 3000)])
    small = compact(planted)
    assert_same_answers(planted, small, rows)
    for found, clean, loaded in zip(small.estimators_, trees, planted.estimators_, strict=True):
        assert found.tree_.node_count == clean.node_count < loaded.tree_.node_count
        assert found.tree_.max_depth == clean.max_depth
        np.testing.assert_array_equal(found.tree_.value, clean.value)
        for name in ("threshold", "impurity", "n_node_samples", "weighted_n_node_samples"):
            np.testing.assert_array_equal(getattr(found.tree_, name), getattr(clean, name))
        extreme = np.array([[np.inf] * 4, [-np.inf] * 4], dtype=np.float32)
        np.testing.assert_array_equal(found.tree_.predict(extreme), loaded.tree_.predict(extreme))
    assert len(pickle.dumps(small)) < 0.75 * len(pickle.dumps(planted))


def test_thresholds_with_no_float32_between_them_are_one():
    """``x <= t`` under ``x > s`` where s < t in float64 but no float32 lies in (s, t]."""
    base = np.float64(np.float32(0.1))
    model = DecisionTreeRegressor(max_depth=2).fit([[0.0], [0.1], [0.2], [0.3]], [0, 1, 2, 3.0])
    state = model.tree_.__getstate__()
    nodes = state["nodes"].copy()
    inner = np.flatnonzero(nodes["left_child"] >= 0)
    right = nodes["right_child"][0]
    assert right in inner
    nodes["threshold"][0] = base + 1e-12
    nodes["missing_go_to_left"] = 0
    for gap, reachable in ((2e-12, False), (1e-7, True)):
        nodes["threshold"][right] = base + gap
        state["nodes"] = nodes
        model.tree_.__setstate__(state)
        forest = RandomForestRegressor(1).fit([[0.0], [1.0]], [0.0, 1.0])
        forest.estimators_ = [model]
        small = compact(forest)
        assert (small.estimators_[0].tree_.node_count == len(nodes)) == reachable
        x = base
        for _ in range(4):
            np.testing.assert_array_equal(forest.predict([[x]]), small.predict([[x]]))
            x = np.nextafter(np.float32(x), np.float32(1.0))


def test_two_labels_that_adaboost_cannot_tell_apart_are_one_leaf():
    from sklearn.ensemble import AdaBoostClassifier

    X = np.arange(12.0)[:, None]
    y = np.array(["no"] * 4 + ["yes", "no", "no"] + ["yes"] * 5)
    ada = AdaBoostClassifier(n_estimators=3, random_state=0).fit(X, y)
    small = compact(ada)
    for before, after in zip(ada.estimators_, small.estimators_, strict=True):
        assert (after.tree_.node_count == 1) == (len(set(before.predict(X))) == 1)
    assert_same_answers(ada, small, np.linspace(-5, 20, 200)[:, None])


# --- engines -------------------------------------------------------------------------------------


def walk(tree: Tree, keys: np.ndarray, missing: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """The leaf of each row, one at a time; keys, missing, codes (n_samples, n_features)."""
    found = []
    for row in range(len(keys)):
        node = 0
        while tree.left[node] >= 0:
            f = tree.feature[node]
            if missing[row, f]:
                left = tree.missing_left[node]
            elif tree.categorical[node]:
                left = tree.codes_left[node, codes[row, f]]
            else:
                left = keys[row, f] <= tree.bound[node]
            node = tree.left[node] if left else tree.right[node]
        found.append(node)
    return np.array(found)


def test_histogram_trees_are_read_as_they_predict():
    model, rows = histogram_model(np.random.default_rng(0))
    members = open_members(model)
    trees = members.trees()
    assert any(tree.categorical.any() for tree in trees)
    # Columns as the model orders them: the category first.
    read = model._preprocess_X(rows, reset=False)
    missing = np.isnan(read)
    missing[:, 0] |= read[:, 0] < 0
    codes = np.where(missing, 0, read).astype(np.uint8)
    keys = float_keys(read)
    for tree, reached in zip(trees, members.reached_nodes(rows), strict=True):
        np.testing.assert_array_equal(walk(tree, keys, missing, codes), reached)


def test_carts_are_read_as_they_predict():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(300, 3)).astype(np.float32)
    X[rng.random(X.shape) < 0.1] = np.nan
    forest = RandomForestRegressor(3, random_state=0).fit(X, rng.normal(size=300))
    members = open_members(forest)
    thresholds = forest.estimators_[0].tree_.threshold.astype(np.float32)
    thresholds = thresholds[np.isfinite(thresholds)]
    rows = np.vstack([X, np.repeat(thresholds[:200, None], 3, axis=1)])
    reached = members.reached_nodes(rows)
    for tree, expected in zip(members.trees(), reached, strict=True):
        found = walk(tree, float_keys(rows), np.isnan(rows), np.zeros(rows.shape, dtype=int))
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("booster", ["gbtree", "dart"])
def test_gradient_trees_are_read_as_they_predict(booster):
    model, rows = gradient_model(booster, np.random.default_rng(0))
    members = open_members(model)
    numbers = rows.assign(c=rows["c"].cat.codes.astype(float).replace(-1, np.nan))
    read = numbers.to_numpy().astype(np.float32)
    missing = np.isnan(read)
    reached = members.reached_nodes(rows)
    saved = list(members.parts())
    flat = [tree for member in saved for tree in member]
    trees = members.trees()
    assert any(tree.categorical.any() for tree in trees)
    for tree, raw, expected in zip(trees, flat, reached, strict=True):
        listed = np.unique(raw["categories"])
        codes = np.searchsorted(listed, np.where(missing, 0, read))
        absent = ~np.isin(read, listed)
        codes[absent] = len(listed)
        np.testing.assert_array_equal(walk(tree, float_keys(read), missing, codes), expected)


@pytest.mark.parametrize("booster", ["gbtree", "dart"])
def test_xgboost_with_categories_and_agreeing_leaves(booster):
    rng = np.random.default_rng(2)
    model, rows = gradient_model(booster, rng)
    model = with_few_answers(model, rng)
    small = compact(model)
    assert n_nodes(small) < 0.9 * n_nodes(model)
    assert len(pickle.dumps(small)) < len(pickle.dumps(model))
    assert_same_answers(model, small, rows)
    again = pickle.loads(pickle.dumps(small))
    assert_same_answers(model, again, rows)
    assert n_nodes(compact(small)) == n_nodes(small)
    for member in open_members(small).parts():
        for tree in member:  # XGBoost 2 takes the node after the left child for the right one
            left, right = np.array(tree["left_children"]), np.array(tree["right_children"])
            np.testing.assert_array_equal(right[left >= 0], left[left >= 0] + 1)
    for tree in open_members(small).parts():
        for one in tree:
            children = [c for c in one["left_children"] + one["right_children"] if c >= 0]
            assert sorted(children) == list(range(1, len(one["left_children"])))
            for child in children:
                up = one["parents"][child]
                assert child in (one["left_children"][up], one["right_children"][up])


def test_histogram_boosting_with_categories_and_agreeing_leaves():
    rng = np.random.default_rng(2)
    model, rows = histogram_model(rng)
    model = with_few_answers(model, rng)
    small = compact(model)
    assert n_nodes(small) < 0.9 * n_nodes(model)
    assert len(pickle.dumps(small)) < len(pickle.dumps(model))
    rows[:50, 0] = 1e300
    rows[:50, 1] = -1e300
    assert_same_answers(model, small, rows)
    members, whole = open_members(small), open_members(model)
    values = [
        tree.values[at, 0]
        for tree, at in zip(members.trees(), members.reached_nodes(rows), strict=True)
    ]
    full = [
        tree.values[at, 0]
        for tree, at in zip(whole.trees(), whole.reached_nodes(rows), strict=True)
    ]
    np.testing.assert_array_equal(values, full)
    for stage in small._predictors:
        for tree in stage:
            nodes = tree.nodes
            assert len(tree.raw_left_cat_bitsets) == nodes["is_categorical"].sum()
            assert tree.get_max_depth() == nodes["depth"].max()


# --- the rules, by brute force -------------------------------------------------------------------


def random_tree(rng: np.random.Generator, n_inner: int = 12) -> Tree:
    """Two numeric features with few thresholds, one categorical feature with four codes."""
    left, right = [-1], [-1]
    leaves = [0]
    for _ in range(n_inner):
        node = leaves.pop(rng.integers(len(leaves)))
        left[node], right[node] = len(left), len(left) + 1
        leaves += [len(left), len(left) + 1]
        left += [-1, -1]
        right += [-1, -1]
    n = len(left)
    feature = rng.integers(0, 3, n)
    return Tree(
        left=np.array(left),
        right=np.array(right),
        feature=feature,
        bound=rng.integers(0, 4, n),
        missing_left=rng.random(n) < 0.5,
        categorical=(feature == 2) & (np.array(left) >= 0),
        codes_left=rng.random((n, 4)) < 0.5,
        values=rng.integers(0, 3, (n, 1)).astype(float),
        cover=np.ones(n),
    )


@pytest.mark.parametrize("seed", range(40))
def test_reachable_sides_and_cuts_agree_with_all_rows(seed):
    tree = random_tree(np.random.default_rng(seed))
    # Keys -1 to 4 stand for every numeric row, 5 for a missing value.
    grid = np.stack(np.meshgrid(range(-1, 6), range(-1, 6), range(-1, 4)), axis=-1).reshape(-1, 3)
    missing = np.column_stack([grid[:, 0] == 5, grid[:, 1] == 5, grid[:, 2] == -1])
    reached = walk(tree, grid, missing, grid)
    visited = np.zeros(tree.n_nodes, dtype=bool)
    for leaf in np.unique(reached):
        while leaf >= 0:
            visited[leaf] = True
            leaf = tree.parent[leaf]
    goes_left, goes_right = reachable_sides(tree)
    inner = np.flatnonzero((tree.left >= 0) & visited)
    np.testing.assert_array_equal(goes_left[inner], visited[tree.left[inner]])
    np.testing.assert_array_equal(goes_right[inner], visited[tree.right[inner]])

    cut = lossless_cut(tree)
    if cut is None:
        assert visited.all()
        return
    small = Tree(
        cut.left,
        cut.right,
        tree.feature[cut.kept],
        tree.bound[cut.kept],
        tree.missing_left[cut.kept],
        tree.categorical[cut.kept] & (cut.left >= 0),
        tree.codes_left[cut.kept],
        cut.values,
        tree.cover[cut.kept],
    )
    answers = small.values[walk(small, grid, missing, grid)]
    np.testing.assert_array_equal(answers, tree.values[reached])
    assert lossless_cut(small) is None
    for node in np.flatnonzero(small.left >= 0):
        children = small.left[node], small.right[node]
        if all(small.left[child] < 0 for child in children):
            assert small.values[children[0]] != small.values[children[1]]


def test_keys_order_floats():
    values = np.array([-np.inf, -1.5, -1e-45, 0.0, 1e-45, 1.5, np.inf], dtype=np.float32)
    for dtype in (np.float32, np.float64):
        keys = float_keys(values.astype(dtype))
        assert (np.diff(keys) > 0).all()
    zeros = float_keys(np.array([-0.0, 0.0], dtype=np.float32))
    assert zeros[0] == zeros[1]
    above = np.nextafter(np.float32(1.0), np.float32(2.0))
    assert float_keys(np.array([above]))[0] - float_keys(np.float32([1.0]))[0] == 1
    doubles = np.array([0.1, -0.1, 1e300, -1e300, 0.5])
    down = rounded_down(doubles)
    assert (down.astype(float) <= doubles).all()
    with np.errstate(over="ignore"):
        assert (np.nextafter(down, np.float32(np.inf)).astype(float) > doubles).all()
