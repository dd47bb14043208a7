"""Bad input to MLPPruner: each a clear error that names what is wrong."""

import warnings

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline

from ensprune.mlp import MLPPruner, compress
from ensprune.mlp.network import copy_network


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sparsity": 1.0}, r"sparsity=1.0 must lie in \[0, 1\)"),
        ({"sparsity": -0.2}, r"sparsity=-0.2 must lie in \[0, 1\)"),
        ({"sparsity": float("nan")}, r"sparsity=nan must lie in \[0, 1\)"),
        ({"sparsity": [0.5, 0.5], "scope": "layer"}, "sequence of 3 floats"),
        ({"sparsity": [0.5] * 3, "scope": "layer", "structure": "neuron"}, "2 hidden layers"),
        ({"sparsity": [0.5] * 3}, "goes with scope='layer'"),
        ({"criterion": "best"}, "'criterion' parameter of MLPPruner must be"),
        ({"criterion": "activation"}, "criterion='activation' scores whole neurons"),
        ({"scope": "network"}, "'scope' parameter of MLPPruner must be"),
        ({"schedule": "layerwise"}, "goes with scope='layer' or 'erk'"),
        ({"method": "l1_program", "structure": "neuron"}, "goes with structure='weight'"),
        ({"epsilon": 0.1}, "epsilon=0.1 goes with method="),
        ({"rewind": 0}, "rewind=0 needs an unfitted estimator"),
        (
            {"finetune_epochs": [1, 2]},
            "finetune_epochs=.* must be one int or one for each of the 10",
        ),
        ({"finetune_epochs": [-1] * 10}, "must be non-negative ints"),
        ({"validation": 1.0}, "'validation' parameter of MLPPruner must be"),
        ({"sparsity": 0.9995, "scope": "layer"}, "would lose all of its"),
        ({"sparsity": 0.99, "structure": "neuron"}, "would lose all of its .* neurons"),
    ],
)
def test_parameters(digits, digits_net, arguments, message):
    with pytest.raises(ValueError, match=message):
        MLPPruner(FrozenEstimator(digits_net), **arguments).fit(digits[0][:200], digits[1][:200])


class NeverTrained(MLPClassifier):
    """Training it is the failure."""

    def _fit(self, *args, **kwargs):
        raise AssertionError("the network was trained before the arguments were looked at")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sparsity": 90}, r"sparsity=90 must lie in \[0, 1\)"),
        ({"sparsity": [0.5, 0.5], "scope": "layer"}, "sequence of 3 floats"),
        ({"sparsity": [0.5] * 4, "structure": "neuron", "scope": "layer"}, "2 hidden layers"),
        ({"finetune_epochs": [1, 2]}, "one for each of the 10 steps"),
        ({"scoring": "f1"}, "scoring='f1' cannot score these labels: Target is multiclass"),
    ],
)
def test_a_network_is_not_trained_in_vain(digits, arguments, message):
    with pytest.raises(ValueError, match=message):
        MLPPruner(NeverTrained((8, 6)), **arguments).fit(digits[0], digits[1])


def test_a_pipeline_is_told_where_the_pruner_goes(digits):
    with pytest.raises(TypeError, match=r"got Pipeline\. Put the pruner into the pipeline"):
        MLPPruner(make_pipeline(MLPClassifier())).fit(*digits)


@pytest.mark.parametrize(
    "estimator",
    [LogisticRegression(), RandomForestClassifier(), "mlp", FrozenEstimator(LogisticRegression())],
)
def test_estimators_that_are_not_mlps(estimator, digits):
    with pytest.raises(TypeError, match="must be an MLPClassifier or MLPRegressor"):
        MLPPruner(estimator).fit(*digits)


def test_frozen_but_never_fitted(digits):
    with pytest.raises(NotFittedError, match="MLPClassifier"):
        MLPPruner(FrozenEstimator(MLPClassifier())).fit(*digits)


def test_labels_unseen_in_training(digits, digits_net):
    X, y = digits[0][:200], digits[1][:200] + 5
    with pytest.raises(ValueError, match=r"labels unseen in training: \[10, 11, 12, 13, 14\]"):
        MLPPruner(FrozenEstimator(digits_net)).fit(X, y)


def test_another_number_of_features(digits, digits_net):
    with pytest.raises(ValueError, match="X has 60 features, but the frozen network expects 64"):
        MLPPruner(FrozenEstimator(digits_net)).fit(digits[0][:, :60], digits[1])


def test_networks_with_nan_or_sparse_weights(digits, digits_net):
    broken = copy_network(digits_net)
    broken.coefs_[1][0, 0] = np.nan
    with pytest.raises(ValueError, match=r"coefs_\[1\] or its intercepts hold NaN"):
        MLPPruner(FrozenEstimator(broken)).fit(*digits)
    with pytest.raises(ValueError, match=r"coefs_\[0\] is a sparse matrix"):
        MLPPruner(FrozenEstimator(compress(digits_net, storage="csr"))).fit(*digits)


def test_training_that_diverges_is_an_error_not_a_nan(digits, digits_net):
    pruner = MLPPruner(FrozenEstimator(digits_net), finetune_learning_rate=1e300, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # numpy's overflow, on the way there
        with pytest.raises(ValueError, match="non-finite"):
            pruner.fit(*digits)


def test_half_of_a_validation_set(digits, digits_net):
    with pytest.raises(ValueError, match="X_val and y_val must be given together"):
        MLPPruner(FrozenEstimator(digits_net)).fit(*digits, X_val=digits[0])


def test_rows_with_nan(digits, digits_net):
    X = digits[0].copy()
    X[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        MLPPruner(FrozenEstimator(digits_net)).fit(X, digits[1])


def test_l0_program_on_a_large_network(digits):
    wide = np.tile(digits[0], 4)[:100]
    net = MLPClassifier((4,), max_iter=100, tol=0.1, random_state=0).fit(wide, digits[1][:100])
    with pytest.raises(ValueError, match="for small layers: 256 weights on 90 rows"):
        MLPPruner(FrozenEstimator(net), method="l0_program").fit(wide, digits[1][:100])


def test_no_hidden_layer_has_no_neurons_to_prune(digits):
    X, y = digits[0][:200], digits[1][:200]
    pruner = MLPPruner(MLPClassifier((), max_iter=300, tol=1e-2), 0.5, structure="neuron")
    with pytest.raises(ValueError, match="needs a network with at least one hidden layer"):
        pruner.fit(X, y)
    assert pruner.set_params(structure="weight", n_steps=1).fit(X, y).sparsity_ >= 0.5


@pytest.mark.parametrize("at", ["ensprune.mlp.pruner.finetune", "ensprune.mlp.pruner.error_on"])
def test_an_interrupt_leaves_the_pruner_as_it_was(digits, digits_net, monkeypatch, at):
    X, y = digits[0][:200], digits[1][:200]
    pruner = MLPPruner(FrozenEstimator(digits_net), 0.5, n_steps=1, random_state=0)

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    for fitted in (False, True):
        if fitted:
            pruner.fit(X, y)
        before = dict(vars(pruner))
        with monkeypatch.context() as context:
            context.setattr(at, interrupted)
            with pytest.raises(KeyboardInterrupt):
                pruner.fit(X[:, ::-1], y)
        assert vars(pruner) == before
