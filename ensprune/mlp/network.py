"""Read a fitted scikit-learn MLP: its layer inputs, its gradients, a private copy of it.

Nothing here changes a network that it is given.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import expit, softmax
from sklearn.base import is_classifier
from sklearn.neural_network import MLPClassifier, MLPRegressor

_Activation = Callable[[np.ndarray], np.ndarray]
_HIDDEN: dict[str, _Activation] = {
    "identity": lambda z: z,
    "logistic": expit,
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
}
_OUTPUT: dict[str, _Activation] = {
    "identity": lambda z: z,
    "logistic": expit,
    "softmax": lambda z: softmax(z, axis=1),
    "exp": np.exp,
}
# Derivatives of the hidden activations, written in the activation's own value a.
_SLOPE: dict[str, _Activation] = {
    "identity": lambda a: np.ones_like(a),
    "logistic": lambda a: a * (1 - a),
    "tanh": lambda a: 1 - a**2,
    "relu": lambda a: (a > 0).astype(a.dtype),
}


def check_is_mlp(estimator: Any, name: str = "estimator") -> None:
    """Raise TypeError unless `estimator` is an MLPClassifier or MLPRegressor."""
    if not isinstance(estimator, MLPClassifier | MLPRegressor):
        raise TypeError(
            f"{name} must be an MLPClassifier or MLPRegressor of scikit-learn (or a FrozenEstimator "
            f"around a fitted one), got {type(estimator).__name__}."
            + (" Put the pruner into the pipeline, as its last step." * hasattr(estimator, "steps"))
        )


def layers_of(net: Any, n_features: int, y: np.ndarray) -> list[tuple[int, int]]:
    """Shapes of the weights that an MLP will have once it is fitted."""
    n_outputs = 1 if y.ndim == 1 else y.shape[1]
    if y.ndim == 1 and is_classifier(net):
        n_classes = len(np.unique(y))
        n_outputs = n_classes if n_classes > 2 else 1
    widths = [n_features, *np.atleast_1d(net.hidden_layer_sizes).tolist(), n_outputs]
    return list(pairwise(widths))


def check_weights_are_dense_and_finite(net: Any) -> None:
    """Raise ValueError where a layer's weights are sparse (already compressed) or not finite."""
    for layer, W in enumerate(net.coefs_):
        if sparse.issparse(W):
            raise ValueError(
                f"estimator.coefs_[{layer}] is a sparse matrix: the network was compressed already; "
                "give the network that compress() was called on."
            )
        if not (np.isfinite(W).all() and np.isfinite(net.intercepts_[layer]).all()):
            raise ValueError(
                f"estimator.coefs_[{layer}] or its intercepts hold NaN or infinity; a network whose "
                "training diverged cannot be pruned."
            )


def copy_network(net: Any) -> Any:
    """Return a copy of `net` that shares no weights with it and carries no optimiser state.

    scikit-learn keeps Adam's moments and a second set of weights (for early stopping) in every
    fitted MLP: three more arrays for each layer, of use to continued training only.
    """
    twin = copy.copy(net)
    twin.coefs_ = [np.array(W) for W in net.coefs_]
    twin.intercepts_ = [np.array(b) for b in net.intercepts_]
    for stale in ("_optimizer", "_best_coefs", "_best_intercepts"):
        twin.__dict__.pop(stale, None)
    if net.warm_start and net.early_stopping:
        # Else a later warm start would look for the best weights so far, which are gone.
        twin.best_validation_score_ = -np.inf
    return twin


def hidden_activation(net: Any, z: np.ndarray) -> np.ndarray:
    """Apply the activation of the hidden layers to pre-activations `z`."""
    return _HIDDEN[net.activation](z)


def layer_inputs(net: Any, X: np.ndarray) -> list[np.ndarray]:
    """Compute what enters every layer of a fitted network.

    Parameters
    ----------
    net : MLPClassifier or MLPRegressor
        A fitted network with dense weights.
    X : ndarray of shape (n_samples, n_features)
        Rows to send through it.

    Returns
    -------
    activations : list of ndarray
        ``activations[l]`` of shape (n_samples, n_in of layer l) enters layer l; the last entry is
        the network's output after its output activation.
    """
    hidden, output = _HIDDEN[net.activation], _OUTPUT[net.out_activation_]
    last = len(net.coefs_) - 1
    activations = [X]
    for layer, (W, b) in enumerate(zip(net.coefs_, net.intercepts_)):
        z = activations[-1] @ W + b
        activations.append(output(z) if layer == last else hidden(z))
    return activations


def encode_target(net: Any, y: np.ndarray) -> np.ndarray:
    """Return `y` as the float array (n_samples, n_outputs) that the output layer is compared with.

    Raises
    ------
    ValueError
        If `y` holds a class the network was not trained on.
    """
    y = np.asarray(y)
    if not hasattr(net, "classes_"):
        return y.reshape(len(y), -1).astype(float)
    if y.ndim == 2 and y.shape[1] == len(net.classes_) and y.shape[1] > 1:  # multilabel indicator
        return y.astype(float)
    y = y.ravel()
    check_target_known(net, y)
    if net.out_activation_ == "softmax":
        return (y[:, None] == net.classes_[None, :]).astype(float)
    return (y == net.classes_[-1]).astype(float)[:, None]


def check_target_known(net: Any, y: np.ndarray) -> None:
    """Raise ValueError if `y` holds a class, or a number of targets, that is not the network's."""
    n_targets = 1 if y.ndim == 1 else y.shape[1]
    n_known = 1 if net.out_activation_ == "softmax" else net.n_outputs_
    if n_targets != n_known:
        raise ValueError(
            f"y must hold as many targets per row as the network was trained on, {n_known}, got "
            f"{n_targets}."
        )
    if not hasattr(net, "classes_") or y.ndim == 2:
        return
    unseen = np.setdiff1d(y, net.classes_)
    if len(unseen):
        raise ValueError(
            f"y holds labels unseen in training: {unseen[:10].tolist()}; the network knows the classes "
            f"{net.classes_.tolist()}."
        )


def check_rows_fit(X: np.ndarray, y: np.ndarray, expecting: Any) -> None:
    """Raise ValueError unless `X` has a row for each target, of the features that are expected."""
    if X.shape != (len(y), expecting.n_features_in_):
        raise ValueError(
            f"X has shape {X.shape}, but y has {len(y)} rows and the {type(expecting).__name__} "
            f"expects {expecting.n_features_in_} features."
        )


def deltas(net: Any, activations: list[np.ndarray], y: np.ndarray) -> list[np.ndarray]:
    """Backpropagate: the derivative of each sample's loss by each layer's pre-activation.

    Parameters
    ----------
    net : MLPClassifier or MLPRegressor
        The fitted network.
    activations : list of ndarray
        From :func:`layer_inputs` on the same rows.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        The target.

    Returns
    -------
    deltas : list of ndarray
        ``deltas[l]`` of shape (n_samples, n_out of layer l). scikit-learn's losses go with their
        output activations so that the last one is output minus target. The gradient of the mean
        loss for layer l's weights is ``activations[l].T @ deltas[l] / n_samples``.
    """
    slope = _SLOPE[net.activation]
    found = [activations[-1] - encode_target(net, y)]
    for layer in range(len(net.coefs_) - 1, 0, -1):
        found.append((found[-1] @ net.coefs_[layer].T) * slope(activations[layer]))
    return found[::-1]


def absolute_gradients(activations: list[np.ndarray], delta: list[np.ndarray]) -> list[np.ndarray]:
    """Return the mean over samples of the absolute per-sample weight gradient, one per layer.

    A sample's gradient for weight (i, j) is ``x_i * delta_j``, so the mean of its absolute value is
    one matrix product. The plain gradient vanishes where training has converged; this does not.
    """
    return [np.abs(a).T @ np.abs(d) / len(a) for a, d in zip(activations, delta)]
