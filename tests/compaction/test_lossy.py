"""Lossy compaction: within the tolerance, on proxies that say what really happens."""

from __future__ import annotations

import pickle

import joblib
import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    GradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.metrics import get_scorer, log_loss
from sklearn.model_selection import train_test_split
from tree_families import TREE_FAMILIES, fitted, n_nodes

from ensprune import compact
from ensprune.compaction import compaction_path
from ensprune.compaction.collapse import collapse_path
from ensprune.compaction.depth import depth_path
from ensprune.compaction.evidence import Evidence, Loss
from ensprune.compaction.grove import Grove
from ensprune.link import Identity, Logistic, Probability
from ensprune.members import open_members


def rows_of_task(task: str, n: int = 200):
    rng = np.random.default_rng(5)
    X = rng.normal(size=(n, 4))
    signal = X[:, 0] + X[:, 1] * X[:, 2]
    if task == "regression":
        return X, signal + 0.3 * rng.normal(size=n)
    return X, np.digitize(signal + 0.3 * rng.normal(size=n), [0.0] if task == "binary" else [-1, 1])


def evidence_of(model, X, target, link, prior=0.0, unseen=None):
    members = open_members(model)
    grove = Grove(members.trees(), members.reached_nodes(X), target.shape[1])
    offset = np.broadcast_to(np.zeros(target.shape[1]), target.shape)
    if getattr(members.combiner, "offset", None) is not None:
        offset = offset + members.combiner.offset
    return Evidence(grove, Loss(link, target, np.ones(len(X))), offset, unseen, prior)


DEPTHS = [f for f in TREE_FAMILIES if f.name in ("forest", "adaboost", "boosting", "xgboost")]


@pytest.mark.parametrize(
    ("family", "method"),
    [(f, "cost_complexity") for f in TREE_FAMILIES] + [(f, "depth") for f in DEPTHS],
    ids=lambda value: getattr(value, "id", value),
)
def test_the_score_stays_within_the_tolerance(family, method):
    ensemble, X, y = fitted(family)
    before = joblib.hash(pickle.dumps(ensemble))
    small = compact(ensemble, X, y, tolerance=0.05, method=method)
    assert joblib.hash(pickle.dumps(ensemble)) == before
    assert type(small) is type(ensemble)
    assert small.score(X, y) >= ensemble.score(X, y) - 0.05
    assert n_nodes(small) <= n_nodes(compact(ensemble))
    assert open_members(small).n_members == open_members(ensemble).n_members
    assert b"ensprune" not in pickle.dumps(small)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(small)).predict(X), small.predict(X))


@pytest.mark.parametrize("method", ["cost_complexity", "depth"])
def test_a_path_ends_at_roots_and_never_grows(method):
    X, y = rows_of_task("multiclass")
    forest = RandomForestClassifier(5, random_state=0).fit(X, y)
    sizes = [point.n_nodes for point in compaction_path(forest, X, y, method=method)]
    assert sizes[0] == n_nodes(forest)
    assert sizes[-1] == 5
    if method == "cost_complexity":
        assert (np.diff(sizes) < 0).all()


@pytest.mark.parametrize("least", [1, 60, 101])
def test_a_path_to_so_many_nodes_ends_there(least):
    X, y = rows_of_task("regression")
    forest = RandomForestRegressor(3, max_leaf_nodes=40, random_state=0).fit(X, y)
    evidence = evidence_of(forest, X, y[:, None], Identity())
    sizes = [
        evidence.grove.sizes(evidence.grove.collapsed).sum() for _ in collapse_path(evidence, least)
    ]
    assert (np.diff(sizes) < 0).all()
    assert sizes[-1] <= max(least, 3) < sizes[-2]
    assert sizes[-1] > 0.9 * max(least, 3)  # the last collapse may take a few nodes at once


def test_a_collapsed_subtree_says_what_its_training_rows_say():
    """Of a forest as it was grown, that is the value the tree itself keeps in the node."""
    X, y = rows_of_task("multiclass")
    forest = RandomForestClassifier(4, random_state=0).fit(X, y)
    members = open_members(forest)
    grove = Grove(members.trees(), members.reached_nodes(X), 3)
    grown = np.concatenate([tree.tree_.value[:, 0] for tree in forest.estimators_])
    np.testing.assert_allclose(grove.adds, grown / 4, atol=1e-12)


# --- what a collapse costs, by doing it -----------------------------------------------------------


def true_rises(evidence, loss_now):
    """The loss with each inner node collapsed alone, minus the loss as it is."""
    grove = evidence.grove
    base, before = loss_now(), grove.collapsed
    rises = {}
    for node in np.flatnonzero((grove.left >= 0) & (grove.owner == np.arange(len(grove.owner)))):
        grove.collapse(before | (np.arange(len(before)) == node))
        rises[node] = loss_now() - base
        grove.collapse(before)
    return rises


@pytest.mark.parametrize("step", [0, 3])
def test_rises_of_squared_error_are_exact(step):
    X, y = rows_of_task("regression")
    model = RandomForestRegressor(4, max_depth=4, random_state=0).fit(X[:120], y[:120])
    evidence = evidence_of(model, X, y[:, None], Identity())
    if step:
        grove = evidence.grove
        grove.collapse(grove.collapsed | np.isin(np.arange(len(grove.left)), [step]))
    found = evidence.rises()
    for node, rise in true_rises(
        evidence, lambda: 0.5 * ((evidence.raw()[:, 0] - y) ** 2).sum()
    ).items():
        assert found[node] == pytest.approx(rise, abs=1e-9)


def test_rises_of_brier_score_are_exact():
    X, y = rows_of_task("multiclass")
    model = RandomForestClassifier(3, max_depth=4, random_state=0).fit(X[:120], y[:120])
    hot = np.eye(3)[y]
    evidence = evidence_of(model, X, hot, Probability())
    found = evidence.rises()
    for node, rise in true_rises(
        evidence, lambda: 0.5 * ((evidence.raw() - hot) ** 2).sum()
    ).items():
        assert found[node] == pytest.approx(rise, abs=1e-9)


def test_rises_of_log_loss_are_right_to_second_order():
    X, y = rows_of_task("binary")
    model = GradientBoostingClassifier(n_estimators=20, learning_rate=0.01, random_state=0)
    model.fit(X[:120], y[:120])
    evidence = evidence_of(model, X, y[:, None].astype(float), Logistic())

    def loss():
        return len(y) * log_loss(y, Logistic().proba(evidence.raw().T)[1])

    np.testing.assert_allclose(evidence.raw()[:, 0], model.decision_function(X))
    found = evidence.rises()
    rises = true_rises(evidence, loss)
    scale = max(abs(rise) for rise in rises.values())
    for node, rise in rises.items():
        assert found[node] == pytest.approx(rise, abs=1e-3 * scale)


def test_what_training_rows_say_is_the_variance_below_a_node():
    X, y = rows_of_task("regression")
    model = RandomForestRegressor(1, bootstrap=False, max_depth=3, random_state=0).fit(X, y)
    evidence = evidence_of(model, X, y[:, None], Identity(), prior=1.0)
    tree = model.estimators_[0].tree_
    below = np.zeros(len(X))
    below[:] = model.predict(X)
    assert evidence.rises()[0] == pytest.approx(0.5 * len(X) * below.var())
    assert tree.node_count == len(evidence.rises())


def test_out_of_bag_trees_are_judged_on_rows_they_have_not_seen():
    X, y = rows_of_task("regression")
    model = RandomForestRegressor(6, max_depth=3, random_state=0).fit(X, y)
    members = open_members(model)
    unseen = members.out_of_bag(len(X))
    evidence = evidence_of(model, X, y[:, None], Identity(), unseen=unseen)
    outputs = members.outputs(X, dtype=np.float64)
    expected = members.combiner.raw_out_of_bag(outputs, unseen)[0]
    spoken = np.isfinite(expected)
    np.testing.assert_allclose(evidence.raw()[spoken, 0], expected[spoken])
    # Labels of rows that all trees have seen change nothing.
    other = y[:, None].copy()
    other[~spoken] = 1e6
    again = evidence_of(model, X, other, Identity(), unseen=unseen)
    np.testing.assert_allclose(again.rises(), evidence.rises())


def test_depths_of_the_first_price_cannot_be_improved_one_by_one():
    X, y = rows_of_task("regression")
    model = RandomForestRegressor(3, random_state=0).fit(X[:120], y[:120])
    evidence = evidence_of(model, X, y[:, None], Identity())
    grove = evidence.grove
    steps = depth_path(evidence)
    for _ in range(4):
        next(steps)
    depth_of = np.zeros(len(grove.left), dtype=int)
    for depth, inner in enumerate(grove.levels):
        depth_of[grove.left[inner]] = depth_of[grove.right[inner]] = depth + 1
    chosen = np.array(
        [
            depth_of[a:b][(grove.owner == np.arange(len(grove.owner)))[a:b]].max()
            for a, b in zip(grove.roots[:-1], grove.roots[1:], strict=True)
        ]
    )

    def state(depths):
        limit = np.repeat(depths, np.diff(grove.roots))
        grove.collapse((grove.left < 0) | (depth_of >= limit))
        loss = 0.5 * ((evidence.raw()[:, 0] - y) ** 2).sum()
        return loss, grove.sizes(grove.collapsed).sum()

    loss, size = state(chosen)
    for t in range(3):
        for depth in range(chosen[t]):
            fewer = chosen.copy()
            fewer[t] = depth
            other_loss, other_size = state(fewer)
            # A shallower tree is smaller, so it must be worse.
            assert other_size < size
            assert other_loss > loss


# --- what comes out ------------------------------------------------------------------------------


def test_trees_that_fit_noise_go():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 5)), rng.normal(size=200)
    forest = RandomForestRegressor(16, random_state=0).fit(X, y)
    small = compact(forest, X, y, validation="oob")
    assert n_nodes(small) < 0.05 * n_nodes(forest)
    fresh = rng.normal(size=(500, 5))
    truth = np.zeros(500)
    assert np.mean((small.predict(fresh) - truth) ** 2) < np.mean((forest.predict(fresh)) ** 2)


def test_other_metrics_and_weights_decide_where_to_stop():
    X, y = rows_of_task("binary", 400)
    X, X_val, y, y_val = train_test_split(X, y, random_state=0)
    forest = RandomForestClassifier(10, random_state=0).fit(X, y)
    for scoring in ("neg_log_loss", "roc_auc", "neg_brier_score"):
        small = compact(forest, X_val, y_val, tolerance=0.01, scoring=scoring)
        scorer = get_scorer(scoring)
        assert scorer(small, X_val, y_val) >= scorer(forest, X_val, y_val) - 0.01
        assert n_nodes(small) < n_nodes(forest)
    weight = np.where(X_val[:, 0] > 0, 1.0, 0.0)
    small = compact(forest, X_val, y_val, sample_weight=weight)
    assert small.score(X_val, y_val, weight) >= forest.score(X_val, y_val, weight)
    half = weight > 0
    same = compact(forest, X_val[half], y_val[half])
    np.testing.assert_array_equal(same.predict_proba(X), small.predict_proba(X))


def test_what_was_measured_of_the_whole_forest_is_dropped_if_it_changed():
    X, y = rows_of_task("binary")
    forest = RandomForestClassifier(40, max_depth=3, oob_score=True, random_state=0).fit(X, y)
    assert compact(forest).oob_score_ == forest.oob_score_
    assert not hasattr(compact(forest, X, y, tolerance=0.1), "oob_score_")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"tolerance": 0.1}, ValueError, "give X and y"),
        ({"X": [[0.0] * 4]}, ValueError, "X was given without y"),
        ({"y": [0]}, ValueError, "y was given without X"),
        ({"validation": "oob"}, ValueError, "give X and y"),
        ({"method": "width"}, ValueError, "method='width' is unknown"),
        ({"validation": 0.25}, ValueError, "validation=0.25 is unknown"),
        ({"tolerance": -1}, ValueError, "tolerance=-1"),
        ({"tolerance": "0.1"}, TypeError, "tolerance='0.1'"),
    ],
)
def test_bad_options_are_refused(options, error, message):
    X, y = rows_of_task("binary")
    forest = RandomForestClassifier(2, random_state=0).fit(X, y)
    with pytest.raises(error, match=message):
        compact(forest, **options)


def test_out_of_bag_rows_must_exist_and_be_the_training_rows():
    X, y = rows_of_task("binary")
    forest = RandomForestClassifier(2, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="fitted on 200 rows"):
        compact(forest, X[:50], y[:50], validation="oob")
    boosting = GradientBoostingClassifier(n_estimators=2).fit(X, y)
    with pytest.raises(ValueError, match="leave rows out"):
        compact(boosting, X, y, validation="oob")
    with pytest.raises(ValueError, match="labels"):
        compact(forest, X, y + 7)


def test_a_metric_that_cannot_score_the_labels_says_what_to_give():
    X, y = make_classification(60, random_state=0)
    names = np.array(["ash", "birch"])[y]
    forest = RandomForestClassifier(3, random_state=0).fit(X, names)
    for confidence in (None, 0.9):
        with pytest.raises(ValueError, match=r"scoring='f1' cannot .* name the positive class"):
            compact(forest, X, names, scoring="f1", confidence=confidence)
