"""Neurons: score hidden neurons, remove them physically, refit the layer that read them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import linalg
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import enet_path
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ..arguments import check_arguments, check_option, named_array
from .criteria import damped_hessian
from .network import check_is_mlp, copy_network, hidden_activation, layer_inputs

NEURON_CRITERIA = (
    "magnitude", "l2", "random", "taylor", "wanda", "obs", "activation", "group_lasso",
)  # fmt: skip

# Penalties on the group-lasso path.
_N_ALPHAS = 30


def neuron_scores(
    W_in: np.ndarray,
    W_out: np.ndarray,
    A: np.ndarray | None = None,
    D: np.ndarray | None = None,
    criterion: str = "taylor",
    *,
    damping: float = 0.01,
    random_state: Any = None,
) -> np.ndarray:
    """Score the neurons of one hidden layer; the lowest scores are removed first.

    Parameters
    ----------
    W_in : ndarray of shape (n_in, n_neurons)
        Weights into the neurons.
    W_out : ndarray of shape (n_neurons, n_out)
        Weights out of them.
    A : ndarray of shape (n_samples, n_neurons), default=None
        The neurons' activations. Needed by all criteria but "magnitude", "l2" and "random".
    D : ndarray of shape (n_samples, n_neurons), default=None
        Derivative of each sample's loss by the activations. Needed by "taylor".
    criterion : str, default="taylor"
        With ``c`` the activations minus their mean, which the next bias takes over:

        - "magnitude", "l2": mean absolute value, or root mean square, of the weights into the neuron
          times that of the weights out of it (means, so that wide and narrow layers compare);
        - "random": uniform on [0, 1);
        - "taylor": mean over samples of ``|c * dL/da|`` [1]_;
        - "activation": standard deviation of the activation;
        - "wanda": that times the L2 norm of the weights out;
        - "obs": rise of the next layer's squared output error when the neuron goes and the others'
          outgoing weights adapt: ``||W_out[j]||^2 / (2 [H^-1]_jj)``;
        - "group_lasso": the penalty at which the neuron enters the group-lasso path that rebuilds
          the next layer's outputs [2]_.
    damping : float, default=0.01
        For "obs", as in :func:`weight_scores`.
    random_state : int, RandomState instance or None, default=None
        For "random".

    Returns
    -------
    scores : ndarray of shape (n_neurons,)
        Non-negative; 0 for a neuron that is constant on `A` under every criterion that looks at it.

    Raises
    ------
    ValueError
        If `criterion` is unknown or lacks the data it needs, or shapes disagree.

    References
    ----------
    .. [1] Molchanov, Tyree, Karras, Aila & Kautz, Pruning convolutional neural networks for
       resource efficient inference, ICLR 2017.
    .. [2] Yuan & Lin, Model selection and estimation in regression with grouped variables, JRSS B
       2006; for channels of a network: He, Zhang & Sun, ICCV 2017.
    """
    check_option("criterion", criterion, NEURON_CRITERIA)
    check_arguments("neuron_scores", random_state=random_state)
    W_in = named_array(W_in, "W_in", dtype=np.float64)
    n_neurons = W_in.shape[1]
    W_out = named_array(W_out, "W_out", dtype=np.float64)
    if len(W_out) != n_neurons:
        raise ValueError(f"W_out has {len(W_out)} rows, but W_in has {n_neurons} columns.")
    if A is not None:
        A = named_array(A, "A", dtype=np.float64)
        if A.shape[1] != n_neurons:
            raise ValueError(f"A has {A.shape[1]} columns, but W_in has {n_neurons}.")
        D = None if D is None else named_array(D, "D", A.shape, dtype=np.float64)
    if criterion == "magnitude":
        return np.abs(W_in).mean(axis=0) * np.abs(W_out).mean(axis=1)
    if criterion == "l2":
        return np.sqrt((W_in**2).mean(axis=0) * (W_out**2).mean(axis=1))
    if criterion == "random":
        return check_random_state(random_state).uniform(size=W_in.shape[1])
    if A is None:
        raise ValueError(f"criterion={criterion!r} needs data: give A, the neurons' activations.")
    centred = A - A.mean(axis=0)
    if criterion == "taylor":
        if D is None:
            raise ValueError(
                "criterion='taylor' needs gradients: give D, the loss by the activations."
            )
        return np.abs(centred * D).mean(axis=0)
    if criterion == "activation":
        return centred.std(axis=0)
    if criterion == "wanda":
        return centred.std(axis=0) * np.linalg.norm(W_out, axis=1)
    if criterion == "obs":
        inverse = linalg.inv(damped_hessian(centred, damping))
        scores = (W_out**2).sum(axis=1) / (2 * np.diag(inverse))
        return np.where(centred.any(axis=0), scores, 0.0)
    return _group_lasso_scores(centred, centred @ W_out)


def _group_lasso_scores(A: np.ndarray, Z: np.ndarray) -> np.ndarray:
    """Largest penalty at which each column of `A` is used to rebuild `Z`; smaller if later."""
    n_samples = len(A)
    # The objective depends on A and Z through their inner products only; QR makes rows few.
    R = np.asarray(np.linalg.qr(np.hstack([A, Z]), mode="r"))
    A, Z = R[:, : A.shape[1]], R[:, A.shape[1] :]
    A, Z = A * np.sqrt(len(R) / n_samples), Z * np.sqrt(len(R) / n_samples)
    entry = np.linalg.norm(A.T @ Z, axis=1).max() / len(R)
    if entry == 0:
        return np.zeros(A.shape[1])
    alphas = np.geomspace(entry, entry * 1e-3, _N_ALPHAS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # late, dense parts do not matter
        _, coefs, _ = enet_path(A, Z, l1_ratio=1.0, alphas=alphas, max_iter=200, tol=1e-3)
    norms = np.linalg.norm(coefs, axis=0)  # (n_neurons, n_alphas)
    first = np.where((norms > 0).any(axis=1), (norms > 0).argmax(axis=1), _N_ALPHAS - 1)
    # Neurons of the same step are told apart by their norm there, within the step.
    share = norms[np.arange(len(first)), first]
    step = alphas[0] / alphas[1]
    return alphas[first] * np.where(share > 0, 1 + (step - 1) * share / (share.max() + 1e-300), 0.0)


def remove_neurons(
    net: Any,
    keep: Sequence[np.ndarray],
    X: np.ndarray | None = None,
    *,
    refit: bool = True,
    damping: float = 0.001,
) -> Any:
    """Return a physically smaller network without some of its hidden neurons.

    What a removed neuron added on average is folded into the next layer's bias, which is exact for
    a constant neuron. The next layer's weights are then refitted by least squares to what that
    layer computed in the full network.

    Parameters
    ----------
    net : MLPClassifier or MLPRegressor
        A fitted network; it is not changed.
    keep : list of ndarray of bool
        One mask per hidden layer, True for neurons that stay.
    X : ndarray of shape (n_samples, n_features), default=None
        Rows to compute means and refits on. None: removed neurons count as 0 and nothing is
        refitted.
    refit : bool, default=True
        Refit the next layer's weights.
    damping : float, default=0.001
        Ridge towards the old weights, as a share of the mean squared deviation of the activations.

    Returns
    -------
    MLPClassifier or MLPRegressor
        With smaller ``coefs_`` and ``intercepts_`` and ``hidden_layer_sizes`` to match.

    Raises
    ------
    ValueError
        If a hidden layer would lose all its neurons.
    """
    check_arguments("remove_neurons", refit=refit)
    check_is_mlp(net, "net")
    check_is_fitted(net)
    n_hidden = len(net.coefs_) - 1
    widths = [W.shape[1] for W in net.coefs_[:-1]]
    given = keep
    try:
        keep = [np.asarray(k, dtype=bool) for k in keep]
    except (TypeError, ValueError) as error:
        raise ValueError(f"keep={given!r} is no list of masks: {error}") from error
    if [k.shape for k in keep] != [(width,) for width in widths]:
        raise ValueError(f"keep must hold a mask for each hidden layer, of lengths {widths}.")
    if X is not None:
        X = named_array(X, "X", dtype=np.float64)
        if X.shape[1] != len(net.coefs_[0]):
            raise ValueError(
                f"X has {X.shape[1]} columns, but net has {len(net.coefs_[0])} inputs."
            )
    for layer, k in enumerate(keep):
        if not k.any():
            raise ValueError(f"hidden layer {layer} would lose all of its {k.size} neurons.")
    small = copy_network(net)
    full_inputs = None if X is None else layer_inputs(net, X)
    reduced: Any = X
    for layer in range(n_hidden + 1):
        W, b = net.coefs_[layer], net.intercepts_[layer]
        if layer > 0:
            kept = keep[layer - 1]
            W_kept = W[kept]
            if full_inputs is not None and not kept.all():
                new = reduced
                target = full_inputs[layer] @ W  # what the layer computed, without its bias
                if refit:
                    seen = new - new.mean(axis=0)
                    H = damped_hessian(seen, damping)
                    residual = target - target.mean(axis=0) - seen @ W_kept
                    W_kept = W_kept + linalg.solve(H, seen.T @ residual / len(seen), assume_a="pos")
                b = b + target.mean(axis=0) - new.mean(axis=0) @ W_kept
            W = W_kept
        if layer < n_hidden:
            W, b = W[:, keep[layer]], b[keep[layer]]
            if reduced is not None:
                reduced = hidden_activation(net, reduced @ W + b)
        small.coefs_[layer] = np.ascontiguousarray(W, dtype=net.coefs_[layer].dtype)
        small.intercepts_[layer] = np.ascontiguousarray(b, dtype=net.intercepts_[layer].dtype)
    sizes = tuple(int(k.sum()) for k in keep)
    small.set_params(hidden_layer_sizes=sizes)
    return small


def remove_dead_neurons(net: Any) -> Any:
    """Return the network without hidden neurons that nothing enters or that nothing leaves.

    Sparse networks have them. A neuron with no incoming weight is a constant, which the next bias
    takes over; the predictions are the same up to rounding. Each layer keeps at least one neuron.

    Parameters
    ----------
    net : MLPClassifier or MLPRegressor
        A fitted network; it is not changed.

    Returns
    -------
    MLPClassifier or MLPRegressor
    """
    check_is_mlp(net, "net")
    check_is_fitted(net)
    small = copy_network(net)
    found = True
    while found:
        found = False
        for layer in range(len(small.coefs_) - 1):
            W, b, W_next = small.coefs_[layer], small.intercepts_[layer], small.coefs_[layer + 1]
            constant = ~W.any(axis=0)
            dead = constant | ~W_next.any(axis=1)
            if dead.all():
                dead[0] = False
            if not dead.any():
                continue
            found = True
            folded = constant & dead
            small.intercepts_[layer + 1] += hidden_activation(net, b[folded]) @ W_next[folded]
            small.coefs_[layer], small.intercepts_[layer] = W[:, ~dead], b[~dead]
            small.coefs_[layer + 1] = W_next[~dead]
    small.coefs_ = [np.ascontiguousarray(W) for W in small.coefs_]
    small.set_params(hidden_layer_sizes=tuple(W.shape[1] for W in small.coefs_[:-1]))
    return small
