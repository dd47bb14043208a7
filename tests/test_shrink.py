"""shrink(): as small as asked, of the same class, and better than fewer whole trees."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_wine, make_classification, make_friedman1
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder
from sklearn.tree import DecisionTreeClassifier
from tree_families import n_nodes

from ensprune import prune, shrink
from ensprune.leaf_refinement import LeafRefinement


def n_bytes(model):
    return len(pickle.dumps(model))


def labelled(n_samples=150, classify=True, seed=0):
    if not classify:
        return make_friedman1(n_samples, random_state=seed)
    return make_classification(
        n_samples, 8, n_informative=5, n_redundant=0, n_classes=3, random_state=seed
    )


FORESTS = {
    "forest": RandomForestClassifier(60, random_state=0),
    "regressor": RandomForestRegressor(60, random_state=0),
    "extra": ExtraTreesRegressor(60, bootstrap=True, random_state=0),
    "bagging": BaggingClassifier(
        DecisionTreeClassifier(), 60, max_features=0.7, bootstrap_features=True, random_state=0
    ),
}


@pytest.mark.parametrize("kind", FORESTS)
def test_it_is_as_small_as_asked_and_the_original_as_it_was(kind):
    ensemble = FORESTS[kind]
    classify = hasattr(ensemble, "predict_proba")
    X, y = labelled(classify=classify)
    y = np.array(["ash", "birch", "cedar"])[y] if classify else y
    full = ensemble.fit(X, y)
    before = pickle.dumps(full)
    small = shrink(full, X, y, target_size=0.1, validation="oob", random_state=0)
    assert pickle.dumps(full) == before
    assert type(small) is type(full)
    assert 0.09 * n_bytes(full) < n_bytes(small) <= 0.1 * n_bytes(full)
    assert small.n_estimators == len(small.estimators_)
    # More members than the size has room for whole, of fewer nodes.
    assert len(small) > 0.12 * len(full)
    assert n_nodes(small) / len(small) < 0.9 * n_nodes(full) / len(full)
    if classify:
        proba = small.predict_proba(np.random.default_rng(1).normal(size=(50, 8)))
        assert proba.min() >= 0
        np.testing.assert_allclose(proba.sum(axis=1), 1)
        assert set(small.predict(X)) <= set(y)


@pytest.mark.parametrize("classify", [False, True])
def test_it_beats_as_many_bytes_of_whole_trees(classify):
    X, y = labelled(1000, classify, seed=3)
    family = RandomForestClassifier if classify else RandomForestRegressor
    full = family(100, random_state=0).fit(X[:250], y[:250])
    small = shrink(full, X[:250], y[:250], validation="oob", random_state=0)
    whole = [
        prune(full, X[:250], y[:250], target_size=k, validation="oob", random_state=0)
        for k in (6, 5, 4)
    ]
    largest = next(cut for cut in whole if n_bytes(cut) <= 0.05 * n_bytes(full))
    assert small.score(X[250:], y[250:]) > largest.score(X[250:], y[250:]) + 0.02


def test_trees_of_a_few_nodes_stay_whole():
    X, y = load_wine(return_X_y=True)
    full = RandomForestClassifier(100, random_state=0).fit(X[::2], y[::2])
    small = shrink(full, X[::2], y[::2], target_size=0.1, validation="oob", random_state=0)
    assert n_bytes(small) <= 0.1 * n_bytes(full)
    grown = {structure(tree) for tree in full.estimators_}
    assert {structure(tree) for tree in small.estimators_} <= grown
    assert len(small) >= 8


def structure(tree):
    return tree.tree_.feature.tobytes(), tree.tree_.threshold.tobytes()


def test_threads_change_nothing():
    X, y = labelled(100)
    full = RandomForestClassifier(40, random_state=0).fit(X, y)
    first, second = (
        shrink(full, X, y, target_size=0.1, validation="oob", random_state=1, n_jobs=n_jobs)
        for n_jobs in (None, 2)
    )
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))


def test_nodes_and_absolute_sizes():
    X, y = labelled(100)
    full = RandomForestClassifier(40, random_state=0).fit(X, y)
    by_nodes = shrink(full, X, y, target_size=200, cost="nodes", validation="oob", random_state=0)
    assert 180 < n_nodes(by_nodes) <= 200
    by_bytes = shrink(full, X, y, target_size=20_000, validation="oob", random_state=0)
    assert 18_000 < n_bytes(by_bytes) <= 20_000


def test_what_fits_already_keeps_its_trees():
    X, y = labelled(60)
    full = RandomForestClassifier(10, random_state=0).fit(X, y)
    small = shrink(full, X, y, target_size=10**9, validation="oob", random_state=0)
    assert n_nodes(small) == n_nodes(full)


@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(40, random_state=0),
        HistGradientBoostingClassifier(max_iter=30, random_state=0),
        GradientBoostingRegressor(n_estimators=40, random_state=0),
    ],
)
def test_rows_it_was_not_trained_on(model):
    X, y = labelled(400, hasattr(model, "predict_proba"))
    full = model.fit(X[:200], y[:200])
    small = shrink(full, X[200:], y[200:], target_size=0.3, random_state=0)
    assert n_bytes(small) <= 0.3 * n_bytes(full)
    assert small.score(X[200:], y[200:]) > 0.6


def test_boosted_trees_do_not_become_stumps():
    X, y = labelled(400, classify=False)
    full = GradientBoostingRegressor(n_estimators=40, random_state=0).fit(X[:150], y[:150])
    small = shrink(full, X[150:250], y[150:250], target_size=0.5, random_state=0)
    assert n_bytes(small) <= 0.5 * n_bytes(full)
    assert n_nodes(small) > 5 * len(small.estimators_)
    assert small.score(X[250:], y[250:]) > full.score(X[250:], y[250:])


@pytest.fixture
def longer_values(monkeypatch):
    """As where a model keeps them as text."""
    refined = LeafRefinement.refined

    def longer(self, estimator, evidence):
        result = refined(self, estimator, evidence)
        result.text_ = 2000 * "9"
        return result

    monkeypatch.setattr(LeafRefinement, "refined", longer)


def test_refitted_values_that_take_more_bytes_than_those_before(longer_values):
    X, y = labelled(300, classify=False)
    full = GradientBoostingRegressor(n_estimators=20, random_state=0).fit(X[:150], y[:150])
    small = shrink(full, X[150:], y[150:], target_size=0.5, random_state=0)
    assert small.text_
    assert n_bytes(small) <= 0.5 * n_bytes(full)


def test_the_size_that_a_refusal_names_is_enough(longer_values):
    X, y = labelled(120, classify=False)
    full = GradientBoostingRegressor(n_estimators=10, random_state=0).fit(X[:60], y[:60])
    with pytest.raises(ValueError, match="give more") as refused:
        shrink(full, X[60:], y[60:], target_size=1, random_state=0)
    least = int(re.search(r"has (\d+) even if", str(refused.value))[1])
    with pytest.raises(ValueError, match=f"allows {least - 1} bytes, .* has {least} even if"):
        shrink(full, X[60:], y[60:], target_size=least - 1, random_state=0)
    for enough in (least, least + 1000):
        small = shrink(full, X[60:], y[60:], target_size=enough, random_state=0)
        assert n_bytes(small) <= enough


def test_a_pipeline_on_a_table_with_weights():
    X, y = labelled()
    frame = pd.DataFrame(X[:, :5], columns=list("abcde"))
    frame["word"] = np.where(X[:, 5] > 0, "high", "low")
    frame.loc[::9, "a"] = np.nan
    columns = make_column_transformer((OrdinalEncoder(), ["word"]), remainder="passthrough")
    full = make_pipeline(columns, RandomForestClassifier(40, random_state=0)).fit(frame, y)
    small = shrink(
        full,
        frame,
        y,
        target_size=0.15,
        validation="oob",
        sample_weight=np.arange(len(y), dtype=float),
        random_state=0,
    )
    assert n_bytes(small) <= 0.15 * n_bytes(full)
    assert small[-1].n_estimators == len(small[-1].estimators_)
    assert small.score(frame, y) > 0.6


def test_noise_does_not_become_worse_than_the_cut():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(900, 5)), rng.normal(size=900)
    full = RandomForestRegressor(60, random_state=0).fit(X[:200], y[:200])
    small = shrink(full, X[:200], y[:200], target_size=0.1, validation="oob", random_state=0)
    loss, guess = (np.mean((p - y[200:]) ** 2) for p in (small.predict(X[200:]), y[:200].mean()))
    assert loss < 1.05 * guess


def test_few_rows():
    X, y = labelled(60)
    full = RandomForestClassifier(60, random_state=0).fit(X[:12], y[:12])
    small = shrink(full, X[:12], y[:12], target_size=0.2, validation="oob", random_state=0)
    assert n_bytes(small) <= 0.2 * n_bytes(full)


@pytest.mark.parametrize(
    ("target_size", "error"),
    [(0, ValueError), (1.0, ValueError), (-0.1, ValueError), (True, TypeError), ("5%", TypeError)],
)
def test_sizes_that_are_none(target_size, error):
    X, y = labelled(60)
    full = RandomForestClassifier(5, random_state=0).fit(X, y)
    with pytest.raises(error, match="target_size="):
        shrink(full, X, y, target_size=target_size, validation="oob")


@pytest.mark.parametrize("validation", ["auto", "oob"])
@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("cost", "members"),
        ("cost", ["bytes"]),
        ("validation", 0.25),
        ("scoring", "accurate"),
        ("n_jobs", 0),
        ("random_state", "a"),
    ],
)
def test_arguments_that_are_none(validation, name, given):
    X, y = labelled(60)
    full = RandomForestClassifier(5, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=name):
        shrink(full, X, y, **{"target_size": 0.5, "validation": validation, name: given})


def test_a_size_below_that_of_a_single_root_is_refused():
    X, y = labelled(60)
    full = RandomForestClassifier(5, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="allows 100 bytes, but one member of RandomForestClass"):
        shrink(full, X, y, target_size=100, validation="oob")


def test_what_has_no_leaves_to_refit_is_refused():
    X, y = labelled(60)
    with pytest.raises(TypeError, match="AdaBoostClassifier cannot be refitted"):
        shrink(AdaBoostClassifier(n_estimators=5).fit(X, y), X, y)
