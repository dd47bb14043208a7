"""Masked training: more epochs of a fitted MLP during which pruned weights stay exactly zero."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from ..arguments import check_arguments, named_array
from .network import check_is_mlp, copy_network
from .scopes import check_mask


def finetune(
    net: Any,
    X: np.ndarray,
    y: np.ndarray,
    masks: Sequence[np.ndarray] | None,
    epochs: int,
    rng: np.random.RandomState,
    learning_rate: float | None = None,
    decay: bool = False,
) -> Any:
    """Train a copy of a fitted network for some epochs with some weights held at zero.

    Every mini-batch is one call of ``partial_fit`` followed by masking: Adam's moments would
    otherwise bring pruned weights back. The optimiser starts afresh and its state is dropped.

    Parameters
    ----------
    net : MLPClassifier or MLPRegressor
        A fitted network; it is not changed.
    X : ndarray of shape (n_samples, n_features)
        Training rows.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Their targets.
    masks : list of ndarray of bool, or None
        One per layer, True for weights that may change.
    epochs : int
        Passes over the rows.
    rng : RandomState
        Shuffles the rows.
    learning_rate : float, default=None
        Step size; None means the network's own ``learning_rate_init``.
    decay : bool, default=False
        Let the step size fall linearly from epoch to epoch, to a tenth in the last.

    Returns
    -------
    MLPClassifier or MLPRegressor
        The trained copy. Networks that were fitted by "lbfgs" are fine-tuned by Adam.

    Raises
    ------
    TypeError
        If `net` is not an MLP, or `rng` no RandomState.
    ValueError
        If an argument is out of range, or a weight becomes NaN or infinite (scikit-learn's own check
        after each step).
    """
    check_arguments("finetune", epochs=epochs, learning_rate=learning_rate, decay=decay)
    check_is_mlp(net, "net")
    check_is_fitted(net)
    if not isinstance(rng, np.random.RandomState):
        raise TypeError(f"rng={rng!r} must be a numpy RandomState.")
    trained = copy_network(net)
    if masks is not None:
        if not isinstance(masks, Iterable):
            raise TypeError(f"masks={masks!r} must be a list of masks, or None.")
        masks = list(masks)
        if len(masks) != len(trained.coefs_):
            raise ValueError(
                f"masks must hold one for each of the network's {len(trained.coefs_)} layers, got "
                f"{len(masks)}."
            )
        masks = [
            check_mask(mask, W.shape, f"masks[{layer}]")
            for layer, (mask, W) in enumerate(zip(masks, trained.coefs_))
        ]
    if epochs == 0:
        return trained
    X, y = named_array(X, "X", dtype=trained.coefs_[0].dtype), np.asarray(y)
    if y.shape[:1] != X.shape[:1]:
        raise ValueError(
            f"y must hold a target for each of the {len(X)} rows of X, got shape {y.shape}."
        )
    worker = _batch_worker(trained)
    step = worker.learning_rate_init if learning_rate is None else learning_rate
    pruned = None if masks is None else [~mask for mask in masks]
    n_samples = len(X)
    size = min(200, n_samples) if net.batch_size == "auto" else min(int(net.batch_size), n_samples)
    worker.batch_size = size
    losses = []
    for epoch in range(epochs):
        rate = step * (1 - 0.9 * epoch / (epochs - 1)) if decay and epochs > 1 else step
        worker.learning_rate_init = rate
        if hasattr(worker, "_optimizer"):
            worker._optimizer.learning_rate_init = rate
            worker._optimizer.learning_rate = rate
        order = rng.permutation(n_samples)
        total = 0.0
        for start in range(0, n_samples, size):
            batch = order[start : start + size]
            worker.batch_size = len(batch)  # scikit-learn warns where it is larger than the batch
            worker.partial_fit(X[batch], y[batch])
            if pruned is not None:
                for W, zero in zip(worker.coefs_, pruned):
                    W[zero] = 0.0
            total += worker.loss_ * len(batch)
        losses.append(total / n_samples)
    trained.coefs_, trained.intercepts_ = worker.coefs_, worker.intercepts_
    trained.loss_curve_ = [*getattr(net, "loss_curve_", []), *losses]
    trained.loss_ = losses[-1]
    return trained


def train_from_start(
    estimator: Any, X: Any, y: np.ndarray, rng: np.random.RandomState, rewind: int | None
) -> tuple[Any, Any]:
    """Fit a clone of `estimator`; return it and the same network as it was early in training.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Unfitted; it is not changed.
    X, y
        Training rows.
    rng : RandomState
        Gives a seed where the estimator has none, so that both networks start alike.
    rewind : int or None
        Epochs of training after which to take the early network; 0 for the initial weights. None
        for no early network.

    Returns
    -------
    fitted : MLPClassifier or MLPRegressor
    early : MLPClassifier, MLPRegressor or None
    """
    seeded = clone(estimator)
    if rewind is not None and not isinstance(seeded.random_state, int | np.integer):
        seeded.set_params(random_state=int(rng.randint(np.iinfo(np.int32).max)))
    early = None
    if rewind is not None:
        if rewind > 0 and seeded.early_stopping:
            raise ValueError(
                f"rewind={rewind} goes with early_stopping=False: scikit-learn keeps the best weights of "
                "such a training, not those after a number of epochs; give rewind=0."
            )
        # One epoch whose steps are too short to change any float leaves the initial weights.
        at_start = {"solver": "sgd", "learning_rate_init": 1e-300, "max_iter": 1, "alpha": 0.0}
        changed: dict[str, Any] = (
            at_start if rewind == 0 else {"max_iter": min(int(rewind), seeded.max_iter)}
        )
        early = clone(seeded).set_params(early_stopping=False, warm_start=False, **changed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            early.fit(X, y)
        early = copy_network(early)
    fitted = seeded.fit(X, y)
    fitted.set_params(random_state=estimator.get_params()["random_state"])
    return fitted, early


def _batch_worker(net: Any) -> Any:
    """Return a shallow copy of `net` whose ``partial_fit`` does one plain step and nothing else."""
    worker = copy.copy(net)
    worker.set_params(
        solver="adam" if net.solver == "lbfgs" else net.solver,
        early_stopping=False,
        n_iter_no_change=np.inf,
        shuffle=False,
        verbose=False,
        warm_start=False,
    )
    # The bookkeeping of a training run that ended (by early stopping, or by L-BFGS, which has none).
    worker.loss_curve_ = []
    worker.best_loss_ = np.inf
    worker._no_improvement_count = 0
    worker.t_ = getattr(net, "t_", 0)
    for rows_have_names in ("feature_names_in_", "_optimizer"):
        worker.__dict__.pop(rows_have_names, None)
    return worker


def rewound(net: Any, early: Any, masks: list[np.ndarray], by_neuron: bool) -> Any:
    """Return `net` with the weights that `early` had in the places that are left.

    Parameters
    ----------
    net : MLPClassifier or MLPRegressor
        Pruned.
    early : MLPClassifier or MLPRegressor
        The full network as it was, see :func:`train_from_start`.
    masks : list of ndarray of bool
        What is left: weights, or with `by_neuron` hidden neurons.
    """
    back = copy_network(net)
    if not by_neuron:
        back.coefs_ = [np.where(m, W, 0).astype(W.dtype) for m, W in zip(masks, early.coefs_)]
        back.intercepts_ = [b.copy() for b in early.intercepts_]
        return back
    everything = np.ones(early.coefs_[0].shape[0], dtype=bool)
    outputs = np.ones(early.coefs_[-1].shape[1], dtype=bool)
    kept = [everything, *masks, outputs]
    back.coefs_ = [W[np.ix_(kept[i], kept[i + 1])].copy() for i, W in enumerate(early.coefs_)]
    back.intercepts_ = [b[kept[i + 1]].copy() for i, b in enumerate(early.intercepts_)]
    return back
