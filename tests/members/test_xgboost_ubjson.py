"""XGBoost's UBJSON read where it is holds what the same model as JSON holds."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xgboost

from ensprune.members import open_members, xgboost_model
from ensprune.members import xgboost as adapter
from ensprune.members.xgboost_model import read_layout, read_model, read_nodes, trees_of
from ensprune.members.xgboost_ubjson import nodes_in, nodes_of, retagged, weighs

RNG = np.random.default_rng(0)
X = RNG.normal(size=(1001, 4)).astype(np.float32)
X[RNG.random(X.shape) < 0.1] = np.nan


def train(n_rounds: int = 5, n_classes: int = 1, **params) -> xgboost.Booster:
    y = RNG.permutation(len(X)) % n_classes if n_classes > 1 else np.nan_to_num(X[:, 0])
    if n_classes > 1:
        params |= {"objective": "multi:softprob", "num_class": n_classes}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*`booster=dart` is deprecated")
        return xgboost.train({"nthread": 1, **params}, xgboost.DMatrix(X, y), n_rounds)


def bytes_of(booster: xgboost.Booster) -> bytes:
    return bytes(booster.save_raw("ubj"))


MODELS = {
    "shallow": {"max_depth": 1},
    "deep": {"max_depth": 9, "min_child_weight": 0},
    "leaves only": {"gamma": 1e6},
    "classes": {"n_classes": 3},
    "more trees than a byte counts": {"n_rounds": 300, "max_depth": 2},
    "parallel trees": {"num_parallel_tree": 3, "subsample": 0.5},
}


@pytest.mark.parametrize("name", list(MODELS))
def test_nodes_are_those_of_json(name):
    booster = train(**MODELS[name])
    saved = trees_of(read_model(booster))["trees"]
    found, expected = nodes_in(bytes_of(booster), len(saved)), nodes_of(saved)
    np.testing.assert_array_equal(found.sizes, expected.sizes)
    assert found.values.keys() == expected.values.keys()
    for field, values in expected.values.items():
        assert found.values[field].dtype == values.dtype
        np.testing.assert_array_equal(found.values[field], values)


def test_the_names_of_features_may_be_anything():
    booster = train()
    booster.feature_names = ["trees", "left_children", "split_type", "gbtree"]
    booster.set_attr(trees="[#L", weight_dropped="tree_info")
    assert nodes_in(bytes_of(booster), 5) is not None
    assert retagged(bytes_of(booster), [0] * 5) is not None


@pytest.mark.parametrize("name", ["trees", "default_left", "split_conditions", "split_type"])
def test_unexpected_bytes_are_not_read(name):
    saved = bytes_of(train())
    assert nodes_in(saved, 4) is None
    assert nodes_in(saved.replace(name.encode(), name.upper().encode()), 5) is None
    # Of the last tree only.
    head, _, tail = saved.rpartition(name.encode())
    assert nodes_in(head + name.upper().encode() + tail, 5) is None
    assert nodes_in(saved[: saved.rfind(name.encode())], 5) is None


def test_longer_integers_are_not_read():
    saved = bytes_of(train())
    at = saved.find(b"split_indices[$l")
    assert nodes_in(saved[:at] + b"split_indices[$L" + saved[at + 16 :], 5) is None


def test_unexpected_bytes_are_parsed(monkeypatch):
    booster = train(max_depth=2)
    expected = read_nodes(booster, 5)
    monkeypatch.setattr(xgboost_model, "nodes_in", lambda saved, n_trees: None)
    found = read_nodes(booster, 5)
    for name, values in expected[0].values.items():
        np.testing.assert_array_equal(found[0].values[name], values)
    np.testing.assert_array_equal(found[1], expected[1])


def test_weights_are_parsed():
    assert not weighs(bytes_of(train()))
    booster = train(booster="dart", rate_drop=0.9)
    assert weighs(bytes_of(booster))
    _, weights = read_nodes(booster, 5)
    assert len(np.unique(weights)) > 1


@pytest.mark.parametrize("n_classes", [2, 127, 129])
def test_outputs_are_retagged(n_classes):
    """XGBoost writes 127 and more in two bytes."""
    booster = train(1, n_classes, max_depth=1)
    outputs = read_layout(booster).outputs
    saved = bytes_of(booster)
    again = retagged(saved, outputs)
    loaded = xgboost.Booster()
    loaded.load_model(bytearray(again))
    assert trees_of(read_model(loaded))["tree_info"] == list(range(n_classes))
    assert retagged(saved, outputs[::-1]) is None
    assert retagged(saved, outputs[:-1]) is None


def test_a_model_that_reads_its_trees_parses_nothing(monkeypatch):
    for module in (xgboost_model, adapter):
        monkeypatch.setattr(module, "read_model", None)
    for depth in (3, 7):
        model = open_members(train(max_depth=depth))
        assert model.outputs(np.repeat(X, 2, axis=0), n_jobs=2).shape == (5, 1, 2002)
