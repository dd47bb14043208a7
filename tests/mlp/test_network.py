"""Reading a fitted network: its outputs and its gradients."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from ensprune.mlp.network import (
    absolute_gradients,
    copy_network,
    deltas,
    encode_target,
    layer_inputs,
)

CASES = ["binary", "multiclass", "multilabel", "regression", "two targets"]
ACTIVATIONS = ["identity", "logistic", "tanh", "relu"]


def fitted(case, activation, rng):
    X = rng.normal(size=(40, 5))
    settings = {
        "hidden_layer_sizes": (6, 4),
        "activation": activation,
        "max_iter": 1500,
        "tol": 1e-2,
    }
    if case == "multilabel":
        X, y = make_multilabel_classification(40, 5, n_classes=3, random_state=0)
        return MLPClassifier(**settings, random_state=0).fit(X, y), X, y
    if case in ("binary", "multiclass"):
        y = np.array(["a", "b", "c"])[rng.randint(2 + (case == "multiclass"), size=40)]
        return MLPClassifier(**settings, random_state=0).fit(X, y), X, y
    y = rng.normal(size=(40, 2) if case == "two targets" else 40)
    return MLPRegressor(**settings, random_state=0).fit(X, y), X, y


def loss(net, X, y):
    """Mean loss over samples, as scikit-learn defines it, without the L2 term."""
    output, target = layer_inputs(net, X)[-1], encode_target(net, y)
    if not hasattr(net, "classes_"):
        return 0.5 * ((output - target) ** 2).sum() / len(X)
    cross = target * np.log(output)
    if net.out_activation_ == "logistic":
        cross = cross + (1 - target) * np.log(1 - output)
    return -cross.sum() / len(X)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("case", CASES)
def test_outputs_are_the_networks(case, activation, rng):
    net, X, _ = fitted(case, activation, rng)
    output = layer_inputs(net, X)[-1]
    if case == "binary":
        output = np.column_stack([1 - output, output])
    expected = net.predict_proba(X) if hasattr(net, "classes_") else net.predict(X)
    np.testing.assert_allclose(output.reshape(expected.shape), expected, atol=1e-12)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("case", CASES)
def test_gradients_are_finite_differences(case, activation, rng):
    net, X, y = fitted(case, activation, rng)
    activations = layer_inputs(net, X)
    delta = deltas(net, activations, y)
    for layer, W in enumerate(net.coefs_):
        gradient = activations[layer].T @ delta[layer] / len(X)
        for cell in [(0, 0), (W.shape[0] - 1, W.shape[1] - 1)]:
            old, step = W[cell], 1e-6
            W[cell] = old + step
            above = loss(net, X, y)
            W[cell] = old - step
            below = loss(net, X, y)
            W[cell] = old
            assert gradient[cell] == pytest.approx((above - below) / (2 * step), abs=1e-6)


def test_absolute_gradient_is_the_mean_of_each_samples(rng):
    net, X, y = fitted("multiclass", "relu", rng)
    activations = layer_inputs(net, X)
    delta = deltas(net, activations, y)
    for layer, found in enumerate(absolute_gradients(activations, delta)):
        each = np.abs(activations[layer][:, :, None] * delta[layer][:, None, :])
        np.testing.assert_allclose(found, each.mean(axis=0))


def test_a_copy_can_be_trained_on_by_warm_start_with_early_stopping(digits):
    X, y = digits
    net = MLPClassifier(
        (8,), max_iter=5, early_stopping=True, warm_start=True, n_iter_no_change=50, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        net.fit(X, y)
        best = net.best_validation_score_
        twin = copy_network(net).set_params(learning_rate_init=1e-12)  # no score gets better
        twin.fit(X, y)
    assert net.best_validation_score_ == best
    assert twin.best_validation_score_ > 0
