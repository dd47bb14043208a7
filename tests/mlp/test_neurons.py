"""Neurons: scores by hand, removal that changes nothing it need not change."""

import numpy as np
import pytest
from sklearn.neural_network import MLPRegressor

from ensprune.mlp import neuron_scores, remove_dead_neurons, remove_neurons
from ensprune.mlp.network import copy_network
from ensprune.mlp.neurons import NEURON_CRITERIA

W_IN = np.array([[1.0, -1.0, 0.0], [3.0, 1.0, 0.0]])
W_OUT = np.array([[2.0, 0.0], [1.0, -1.0], [4.0, 4.0]])
A = np.array([[0.0, 2.0, 5.0], [2.0, 0.0, 5.0]])  # the last neuron is constant
D = np.array([[1.0, 1.0, 1.0], [-3.0, 1.0, 1.0]])


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        ("magnitude", [2 * 1, 1 * 1, 0]),
        ("l2", [np.sqrt(5 * 2), np.sqrt(1 * 1), 0]),
        ("activation", [1, 1, 0]),
        ("wanda", [2, np.sqrt(2), 0]),
        ("taylor", [2, 1, 0]),
    ],
)
def test_scores_by_hand(criterion, expected):
    np.testing.assert_allclose(neuron_scores(W_IN, W_OUT, A, D, criterion), expected)


def test_obs_score_is_the_rise_of_the_next_layers_error(rng):
    acts, W_out = rng.normal(size=(60, 4)) @ rng.normal(size=(4, 4)), rng.normal(size=(4, 2))
    acts -= acts.mean(axis=0)
    scores = neuron_scores(np.ones((2, 4)), W_out, acts, criterion="obs", damping=0.0)
    for j in range(4):
        others = np.delete(acts, j, axis=1)
        residual = acts @ W_out - others @ np.linalg.lstsq(others, acts @ W_out, rcond=None)[0]
        assert scores[j] == pytest.approx((residual**2).sum() / (2 * len(acts)), rel=1e-8)


def test_group_lasso_takes_the_neuron_that_explains_most_first(rng):
    acts = rng.normal(size=(100, 4))
    W_out = np.array([[3.0, 3.0], [0.0, 0.0], [1.0, -1.0], [0.1, 0.0]])
    scores = neuron_scores(np.ones((2, 4)), W_out, acts, criterion="group_lasso")
    assert np.argsort(-scores)[:2].tolist() == [0, 2]
    assert scores[1] == scores.min()


@pytest.mark.parametrize("criterion", ["taylor", "activation", "wanda", "obs", "group_lasso"])
def test_a_constant_neuron_scores_zero(criterion):
    assert neuron_scores(W_IN, W_OUT, A, D, criterion)[2] == 0


@pytest.mark.parametrize("criterion", sorted(set(NEURON_CRITERIA) - {"magnitude", "l2", "random"}))
def test_criteria_without_their_data_are_refused(criterion):
    with pytest.raises(ValueError, match=f"criterion='{criterion}' needs data"):
        neuron_scores(W_IN, W_OUT, criterion=criterion)


def test_taylor_without_gradients_and_unknown_names_are_refused():
    with pytest.raises(ValueError, match="needs gradients: give D"):
        neuron_scores(W_IN, W_OUT, A, criterion="taylor")
    with pytest.raises(ValueError, match="criterion='size' is unknown"):
        neuron_scores(W_IN, W_OUT, criterion="size")


def with_redundant_neurons(net):
    """Return a twin whose first hidden layer has a constant neuron and a duplicated one."""
    twin = copy_network(net)
    W, b = twin.coefs_[0], twin.intercepts_[0]
    W[:, 0], b[0] = 0.0, 0.7
    W[:, 1], b[1] = W[:, 2], b[2]
    return twin


def test_removing_constant_and_duplicate_neurons_changes_no_prediction(diabetes, diabetes_net):
    X, _ = diabetes
    net = with_redundant_neurons(diabetes_net)
    keep = [np.arange(10) > 1, np.ones(6, dtype=bool)]
    small = remove_neurons(net, keep, X, damping=1e-12)
    np.testing.assert_allclose(small.predict(X), net.predict(X), atol=1e-5)
    assert small.hidden_layer_sizes == (8, 6)
    assert [W.shape for W in small.coefs_] == [(10, 8), (8, 6), (6, 1)]
    assert [b.shape for b in small.intercepts_] == [(8,), (6,), (1,)]
    assert net.hidden_layer_sizes == (10, 6)


def test_without_refit_only_the_means_move_to_the_bias(diabetes, diabetes_net):
    X, _ = diabetes
    net = with_redundant_neurons(diabetes_net)
    keep = [np.arange(10) != 0, np.ones(6, dtype=bool)]
    small = remove_neurons(net, keep, X, refit=False)
    np.testing.assert_allclose(small.predict(X), net.predict(X), atol=1e-10)
    assert np.array_equal(small.coefs_[1], net.coefs_[1][1:])


def test_refitting_beats_dropping(diabetes, diabetes_net, rng):
    X, _ = diabetes
    keep = [rng.permutation(10) < 5, rng.permutation(6) < 4]
    full = diabetes_net.predict(X)
    errors = [
        ((remove_neurons(diabetes_net, keep, X, refit=refit).predict(X) - full) ** 2).mean()
        for refit in (True, False)
    ]
    assert errors[0] < errors[1]


def test_a_layer_that_would_lose_all_neurons_is_named(diabetes_net):
    with pytest.raises(ValueError, match="hidden layer 1 would lose all of its 6 neurons"):
        remove_neurons(diabetes_net, [np.ones(10, dtype=bool), np.zeros(6, dtype=bool)])


def test_dead_neurons_go_without_a_trace(diabetes, diabetes_net):
    X, _ = diabetes
    net = copy_network(diabetes_net)
    net.coefs_[0][:, [0, 3]] = 0.0  # nothing enters
    net.coefs_[1][[5]] = 0.0  # nothing leaves
    net.coefs_[2][[1]] = 0.0
    small = remove_dead_neurons(net)
    assert small.hidden_layer_sizes == (7, 5)
    np.testing.assert_allclose(small.predict(X), net.predict(X), atol=1e-12)


def test_dead_neurons_keep_one_per_layer():
    X = np.linspace(0, 1, 20)[:, None]
    net = MLPRegressor(hidden_layer_sizes=(3,), max_iter=300, tol=0.1, random_state=0).fit(
        X, X.ravel()
    )
    net.coefs_[0][:] = 0.0
    small = remove_dead_neurons(net)
    assert small.hidden_layer_sizes == (1,)
    np.testing.assert_allclose(small.predict(X), net.predict(X), atol=1e-12)
