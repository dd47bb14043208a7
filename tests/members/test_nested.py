"""The adapter's law for members of members."""

from __future__ import annotations

import pickle

import joblib
import numpy as np
import pytest
from law import assert_obeys
from nested_ensembles import NESTED, nested
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    BaggingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import LinearSVC

from ensprune.members import open_members

TOLERANCE = 1e-6  # XGBoost adds up in single precision


def unwrapped(estimator):
    """The voting, stacking or bagging model in a pipeline."""
    return estimator[-1] if hasattr(estimator, "steps") else estimator


@pytest.mark.parametrize("name", NESTED)
def test_whole_ensemble_is_the_members_inside_combined(name):
    ensemble, X, _ = nested(name)
    members = open_members(ensemble).deep()
    outputs = members.outputs(X, dtype=np.float64)
    assert members.n_members > open_members(ensemble).n_members
    assert outputs.shape == (members.n_members, members.n_outputs, len(X))
    assert_obeys(ensemble, members.bind(X), outputs, X, TOLERANCE)
    some = np.array([members.n_members - 1, 0, 2])
    np.testing.assert_array_equal(members.outputs(X, indices=some), members.outputs(X)[some])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", NESTED)
def test_cut_ensemble_is_the_kept_members_inside_combined(name, seed):
    ensemble, X, _ = nested(name)
    members = open_members(ensemble).deep()
    outputs = members.outputs(X, dtype=np.float64)
    combiner = members.bind(X)
    rng = np.random.default_rng(seed)
    size = rng.integers(1, members.n_members)
    indices = rng.permutation(members.n_members)[:size]
    small = members.subset(indices)
    assert type(small) is type(ensemble)
    assert_obeys(small, combiner.take(indices), outputs[indices], X, TOLERANCE)
    weights = rng.uniform(0.2, 2.0, size)
    small = members.subset(indices, weights)
    assert_obeys(small, combiner.take(indices, weights), outputs[indices], X, TOLERANCE)
    # Equal factors are none for an average, but not for the sum of a boosting model inside.
    doubled = np.full(size, 2.0)
    small = members.subset(indices, doubled)
    assert_obeys(small, combiner.take(indices, doubled), outputs[indices], X, TOLERANCE)


@pytest.mark.parametrize("name", NESTED)
def test_a_cut_agrees_with_itself_and_leaves_the_original(name):
    ensemble, X, y = nested(name)
    before = joblib.hash(pickle.dumps(ensemble))
    members = open_members(ensemble).deep()
    kept = np.arange(0, members.n_members, 2)
    small = members.subset(kept)
    assert open_members(small).deep().n_members == len(kept)
    again = pickle.loads(pickle.dumps(small))
    np.testing.assert_array_equal(again.predict(X), small.predict(X))
    # What a clone would fit has the sizes of what was kept.
    inside = unwrapped(small)
    if hasattr(inside, "named_estimators_"):
        refitted = unwrapped(clone(small).fit(X, y))
        sizes = [_size(member) for member in inside.estimators_]
        assert [_size(member) for member in refitted.estimators_] == sizes
        assert list(inside.named_estimators_.values()) == inside.estimators_
        assert [name for name, _ in inside.estimators] == list(inside.named_estimators_)
    else:
        assert inside.n_estimators == len(inside.estimators_)
    assert joblib.hash(pickle.dumps(ensemble)) == before


def _size(member):
    try:
        return open_members(member).n_members
    except TypeError:
        return 1


@pytest.mark.parametrize("unit", ["members", "nodes", "bytes", "latency"])
def test_costs_are_those_of_the_members_inside(unit):
    ensemble, X, _ = nested("voting-in-voting-binary")
    costs = open_members(ensemble).deep().costs(unit, X)
    inside, forest = ensemble.estimators_
    parts = [*inside.estimators_, forest]
    if unit == "latency":
        assert len(costs) == 4 + 3 + 5
        assert (costs > 0).all()
        return
    expected = np.concatenate([open_members(part).costs(unit, X) for part in parts])
    np.testing.assert_array_equal(costs, expected)


def test_members_without_members_stay_whole():
    ensemble = nested("voting-soft-binary")[0]
    members = open_members(ensemble).deep()
    bayes = 6 + 5
    small = members.subset([0, bayes])
    assert [name for name, _ in small.estimators] == ["forest", "bayes"]
    assert small.named_estimators_["bayes"] is ensemble.named_estimators_["bayes"]
    assert small.weights == [1.0, 1.0]
    with pytest.raises(
        TypeError, match="cost='nodes' needs members that are trees, got GaussianNB"
    ):
        members.costs("nodes")


def test_ensembles_with_no_ensemble_inside_are_as_before():
    X, y = nested("bagging-binary")[1:]
    plain = [
        RandomForestClassifier(3, random_state=0),
        BaggingClassifier(n_estimators=3, random_state=0),
        VotingClassifier([("bayes", GaussianNB()), ("line", LogisticRegression())]),
    ]
    for ensemble in plain:
        members = open_members(ensemble.fit(X, y))
        assert members.deep() is members


def test_a_stack_inside_is_kept_or_dropped_whole():
    # Its final estimator was fitted on out-of-fold columns that nobody has any more.
    X, y = nested("bagging-binary")[1:]
    forest = RandomForestClassifier(3, random_state=0)
    stack = StackingClassifier([("a", forest), ("b", GaussianNB())], cv=2)
    voting = VotingClassifier([("stack", stack), ("forest", forest)], voting="soft").fit(X, y)
    assert open_members(voting).deep().n_members == 1 + 3


def test_prefit_members_keep_the_labels_they_know():
    X, y = nested("bagging-multiclass")[1:]
    forest = RandomForestClassifier(4, random_state=0).fit(X, y)
    bagged = BaggingClassifier(LinearSVC(), 3, random_state=0).fit(X, y)
    learners = [("forest", FrozenEstimator(forest)), ("lines", FrozenEstimator(bagged))]
    for method in ("predict_proba", "auto"):
        stacking = StackingClassifier(learners, cv="prefit", stack_method=method).fit(X, y)
        members = open_members(stacking).deep()
        assert members.n_members == 4 + 3
        small = members.subset([1, 3, 4])
        assert_obeys(
            small, members.combiner.take([1, 3, 4]), members.outputs(X)[[1, 3, 4]], X, 1e-6
        )
        assert small.estimators[0][1] is small.estimators_[0]
        assert small.estimators_[0].estimator.n_estimators == 2
    assert forest.n_estimators == 4


def test_margins_of_bagged_lines_are_read_where_stacking_asks_for_them():
    X, y = nested("bagging-binary")[1:]
    bagged = BaggingClassifier(LinearSVC(), 4, random_state=0)
    stacking = StackingClassifier(
        [("lines", bagged), ("forest", RandomForestClassifier(3, random_state=0))],
        stack_method="auto",
        cv=2,
    )
    stacking.set_params(stack_method="predict").fit(X, (y == y[0]).astype(int))
    members = open_members(stacking).deep()
    outputs = members.outputs(X, dtype=np.float64)
    assert_obeys(
        members.subset([0, 2, 5]), members.combiner.take([0, 2, 5]), outputs[[0, 2, 5]], X, 1e-12
    )
    margins = StackingClassifier([("lines", bagged)], stack_method="decision_function", cv=2)
    members = open_members(margins.fit(X, y)).deep()
    outputs = members.outputs(X, dtype=np.float64)
    assert members.n_members == 4
    assert_obeys(members.subset([3, 1]), members.combiner.take([3, 1]), outputs[[3, 1]], X, 1e-12)


def test_a_calibrated_nest_is_refused():
    X, y = nested("bagging-binary")[1:]
    voting = VotingClassifier([("f", RandomForestClassifier(3, random_state=0))], voting="soft")
    calibrated = CalibratedClassifierCV(voting, cv=2).fit(X, y)
    with pytest.raises(ValueError, match="does not reach through CalibratedClassifierCV"):
        open_members(calibrated).deep()
    flat = open_members(CalibratedClassifierCV(RandomForestClassifier(3), cv=2).fit(X, y))
    assert flat.deep() is flat
