"""The adapter's law, over all families and tasks."""

from __future__ import annotations

import pickle

import joblib
import numpy as np
import pytest
from families import FAMILIES, Family, fitted
from law import assert_obeys, responses
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from ensprune.members import open_members

pytestmark = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.id)


def some_indices(n_members, seed):
    rng = np.random.default_rng(seed)
    size = rng.integers(2, n_members)
    return rng.permutation(n_members)[:size], rng.uniform(0.2, 2.0, size)


def test_whole_ensemble_is_its_members_combined(family: Family):
    ensemble, X, _ = fitted(family)
    members = open_members(ensemble)
    outputs = members.outputs(X, dtype=np.float64)
    tolerance = 1e-6 if family.single_precision else 1e-12
    assert outputs.shape == (members.n_members, members.n_outputs, len(X))
    assert_obeys(ensemble, members.bind(X), outputs, X, tolerance)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_cut_ensemble_is_the_kept_members_combined(family: Family, seed: int):
    ensemble, X, _ = fitted(family)
    members = open_members(ensemble)
    outputs = members.outputs(X, dtype=np.float64)
    combiner = members.bind(X)
    indices, weights = some_indices(members.n_members, seed)
    tolerance = 1e-6 if family.single_precision else 1e-12

    small = members.subset(indices)
    assert_obeys(small, combiner.take(indices), outputs[indices], X, tolerance)

    assert members.carries_weights == family.carries_weights
    if family.carries_weights:
        small = members.subset(indices, weights)
        taken = combiner.take(indices, weights)
        assert_obeys(small, taken, outputs[indices], X, tolerance)
    else:
        with pytest.raises(TypeError, match="weights of their own"):
            members.subset(indices, weights)


def test_single_precision_outputs_are_the_default(family: Family):
    ensemble, X, _ = fitted(family)
    members = open_members(ensemble)
    single = members.outputs(X)
    double = members.outputs(X, dtype=np.float64)
    assert single.dtype == np.float32
    assert single.flags.c_contiguous
    np.testing.assert_allclose(single, double, rtol=1e-6, atol=1e-6)
    some = np.array([2, 0])
    np.testing.assert_array_equal(members.outputs(X, indices=some), single[some])
    np.testing.assert_array_equal(members.outputs(X, n_jobs=2), single)


def test_original_is_untouched(family: Family):
    ensemble, X, _ = fitted(family)
    before = joblib.hash(pickle.dumps(ensemble)), responses(ensemble, X), ensemble.predict(X)
    members = open_members(ensemble)
    members.outputs(X)
    indices, weights = some_indices(members.n_members, 5)
    members.subset(indices, weights if family.carries_weights else None)
    for unit in ("members", "bytes", "latency"):
        members.costs(unit, X[:20])
    after = joblib.hash(pickle.dumps(ensemble)), responses(ensemble, X), ensemble.predict(X)
    assert before[0] == after[0]
    for name, response in before[1].items():
        np.testing.assert_array_equal(response, after[1][name])
    np.testing.assert_array_equal(before[2], after[2])


def test_cut_ensemble_is_of_the_class_and_keeps_its_word(family: Family):
    ensemble, X, _ = fitted(family)
    members = open_members(ensemble)
    indices, _ = some_indices(members.n_members, 7)
    small = members.subset(indices)
    assert type(small) is type(ensemble)
    check_is_fitted(small)
    assert open_members(small).n_members == len(indices)
    assert clone(small).get_params(deep=False).keys() == ensemble.get_params(deep=False).keys()
    again = pickle.loads(pickle.dumps(small))
    np.testing.assert_array_equal(again.predict(X), small.predict(X))
    params = small.get_params(deep=False)
    for name in ("n_estimators", "max_iter"):
        if name in params:
            assert params[name] == len(indices)


def test_cut_of_a_cut_is_one_cut(family: Family):
    ensemble, X, _ = fitted(family)
    members = open_members(ensemble)
    indices, _ = some_indices(members.n_members, 0)
    if len(indices) < 3:
        indices = np.array([3, 0, 1])
    if family.name.startswith("calibrated"):
        indices = np.sort(indices)  # its members are kept fold by fold
    inner = np.array([2, 0])
    twice = open_members(members.subset(indices)).subset(inner)
    once = members.subset(indices[inner])
    for name, response in responses(once, X).items():
        scale = max(1.0, np.abs(response).max())
        np.testing.assert_allclose(responses(twice, X)[name], response, atol=1e-6 * scale)
    np.testing.assert_array_equal(twice.predict(X), once.predict(X))


@pytest.mark.parametrize(
    ("indices", "weights", "message"),
    [
        ([], None, "non-empty"),
        ([0, 99], None, r"indices must lie in \[0, "),
        ([-1], None, r"indices must lie in \[0, "),
        ([0, 0], None, "repeated"),
        ([0.5], None, "sequence of int"),
        ([0, 1], [1.0], "weights has shape"),
        ([0, 1], [1.0, -1.0], "finite and non-negative"),
        ([0, 1], [1.0, np.nan], "finite and non-negative"),
        ([0, 1], [0.0, 0.0], "positive sum"),
    ],
)
def test_bad_cuts_are_refused(family: Family, indices, weights, message):
    ensemble, _, _ = fitted(family)
    with pytest.raises(ValueError, match=message):
        open_members(ensemble).subset(indices, weights)
