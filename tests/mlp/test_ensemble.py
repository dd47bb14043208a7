"""Ensembles of MLPs: the weights of every member pruned, the ensemble's class kept."""

import copy
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    RandomForestClassifier,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.tree import DecisionTreeClassifier

from ensprune import prune
from ensprune.mlp import MLPPruner, prune_member_weights

NET = {"hidden_layer_sizes": (16,), "max_iter": 60, "learning_rate_init": 0.01}
PRUNER = MLPPruner(None, sparsity=0.5, n_steps=2, random_state=0)


def classifier(kind):
    net = MLPClassifier(**NET, random_state=0)
    if kind == "bagging":
        return BaggingClassifier(net, n_estimators=3, max_features=0.8, random_state=0)
    members = [(f"net{i}", MLPClassifier(**NET, random_state=i)) for i in range(2)]
    return VotingClassifier([*members, ("gone", "drop")], voting="soft")


@pytest.mark.parametrize("kind", ["bagging", "voting"])
@pytest.mark.parametrize("structure", ["weight", "neuron"])
def test_every_member_is_pruned_and_the_original_is_not(digits, kind, structure):
    X = pd.DataFrame(digits[0][:500]).add_prefix("pixel")
    y = np.array(list("abcdefghij"))[digits[1][:500]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        full = classifier(kind).fit(X, y)
    before = copy.deepcopy(full)
    pruner = copy.copy(PRUNER).set_params(structure=structure)
    small = prune_member_weights(full, X, y, pruner)
    assert type(small) is type(full)
    assert small.score(X, y) > full.score(X, y) - 0.05
    for member, old, same in zip(
        small.estimators_, full.estimators_, before.estimators_, strict=True
    ):
        assert type(member) is MLPClassifier
        assert np.array_equal(old.coefs_[0], same.coefs_[0])
        if structure == "weight":
            zeros = sum((W == 0).sum() for W in member.coefs_)
            assert zeros == pytest.approx(0.5 * sum(W.size for W in member.coefs_), abs=1)
        else:
            assert member.hidden_layer_sizes == (8,)
    if kind == "voting":
        assert small.named_estimators_["net1"] is small.estimators_[1]
        assert full.named_estimators_["net1"] is full.estimators_[1]
        assert small.named_estimators_["gone"] == "drop"


@pytest.mark.parametrize("kind", ["bagging", "voting"])
def test_regression(diabetes, kind):
    X, y = diabetes
    net = MLPRegressor(hidden_layer_sizes=(16,), max_iter=50, random_state=0)
    ensemble = (
        BaggingRegressor(net, n_estimators=2, random_state=0)
        if kind == "bagging"
        else VotingRegressor([("a", net)])
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        full = ensemble.fit(X, y)
    small = prune_member_weights(full, X, y, PRUNER)
    mean = np.mean([member.predict(X) for member in small.estimators_], axis=0)
    np.testing.assert_allclose(small.predict(X), mean)
    for member in small.estimators_:
        zeros = sum((W == 0).sum() for W in member.coefs_)
        assert zeros == pytest.approx(0.5 * sum(W.size for W in member.coefs_), abs=1)


def test_several_targets(diabetes):
    X, y = diabetes
    X, y = X[:100], np.column_stack([y, -y])[:100] / y.std()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        full = BaggingRegressor(MLPRegressor(**NET), n_estimators=2, random_state=0).fit(X, y)
    small = prune_member_weights(full, X, y.tolist(), PRUNER)
    assert small.predict(X).shape == y.shape
    assert sum((W == 0).sum() for W in small.estimators_[0].coefs_) > 0
    with pytest.raises(ValueError, match="y is not the array wanted: Input y contains NaN"):
        prune_member_weights(full, X, np.full_like(y, np.nan), PRUNER)
    with pytest.raises(ValueError, match="as the network was trained on, 2, got 1"):
        prune_member_weights(full, X, y[:, 0], PRUNER)


def test_a_member_that_missed_a_class_is_pruned_on_the_rows_it_knows(digits):
    X, y = digits[0][:300], digits[1][:300]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        full = BaggingClassifier(MLPClassifier(**NET), n_estimators=2, random_state=0).fit(X, y)
        # as a bootstrap sample without the class 9 leaves it
        full.estimators_[1] = MLPClassifier(**NET, random_state=0).fit(X[y < 9], y[y < 9])
    small = prune_member_weights(full, X, y, PRUNER)
    assert small.estimators_[1].classes_.tolist() == list(range(9))
    assert small.score(X, y) > full.score(X, y) - 0.1


@pytest.mark.parametrize("kind", ["bagging", "voting"])
def test_members_first_then_their_weights(digits, kind):
    X, y = digits
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        full = classifier(kind).fit(X[:600], y[:600])
    fewer = prune(full, X[600:900], y[600:900], target_size=1)
    small = prune_member_weights(fewer, X[:600], y[:600], PRUNER)
    assert type(small) is type(full)
    assert len(small.estimators_) == 1
    assert small.score(X[900:], y[900:]) > fewer.score(X[900:], y[900:]) - 0.1


def test_bad_input_is_named(digits):
    X, y = digits[0][:200], digits[1][:200]
    with pytest.raises(TypeError, match=r"ensemble must be a Bagging.*got RandomForestClassifier"):
        prune_member_weights(RandomForestClassifier().fit(X, y), X, y, PRUNER)
    full = BaggingClassifier(DecisionTreeClassifier(), n_estimators=2).fit(X, y)
    with pytest.raises(TypeError, match=r"ensemble.estimators_\[0\] must be an MLP"):
        prune_member_weights(full, X, y, PRUNER)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        full = classifier("voting").fit(X, y)
    with pytest.raises(ValueError, match=r"labels unseen in training: \[10\]"):
        prune_member_weights(full, X, y + 1, PRUNER)
    for rows in (X[:50], X[:, :50]):
        with pytest.raises(ValueError, match=r"but y has 200 rows and the Voting.* expects 64"):
            prune_member_weights(full, rows, y, PRUNER)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_out_of_bag_scores_of_the_full_members_are_dropped(digits):
    X, y = digits[0][:300], digits[1][:300]
    net = MLPClassifier((8,), max_iter=5, random_state=0)
    ensemble = BaggingClassifier(net, n_estimators=25, oob_score=True, random_state=0).fit(X, y)
    pruned = prune_member_weights(
        ensemble, X, y, MLPPruner(net, sparsity=0.5, n_steps=1, finetune_epochs=0, random_state=0)
    )
    assert hasattr(ensemble, "oob_score_")
    assert not hasattr(pruned, "oob_score_")
    assert not hasattr(pruned, "oob_decision_function_")
