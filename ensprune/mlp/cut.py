"""One pruning step of a whole network: from its scores to a copy with fewer weights or neurons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .criteria import NEEDS_GRADIENTS, NEEDS_INPUTS, WEIGHT_CRITERIA, weight_scores
from .layer import PrunedLayer, prune_layer
from .network import (
    absolute_gradients,
    copy_network,
    deltas,
    hidden_activation,
    layer_inputs,
)
from .neurons import neuron_scores, remove_neurons
from .schedules import schedule_fractions
from .scopes import check_sparsity, erk_sparsities, masks_from_scores


@dataclass(frozen=True)
class Plan:
    """What is to be reached by a pruning.

    Parameters
    ----------
    sparsities : ndarray of shape (n_units,)
        Final sparsity of each layer (of each hidden layer for neurons).
    fractions : ndarray of shape (n_steps, n_units)
        Share of it after each step.
    masks : list of ndarray of bool
        All True: the start.
    """

    sparsities: np.ndarray
    fractions: np.ndarray
    masks: list[np.ndarray]


def check_plan(pruner: Any, layers: list[tuple[int, int]]) -> Plan:
    """Check that a pruner's parameters go together and with a network; lay out the steps.

    Parameters
    ----------
    pruner : MLPPruner
    layers : list of (int, int)
        Shapes of the network's weights.

    Raises
    ------
    ValueError
        Naming the parameters that do not fit.
    """
    by_neuron, program = pruner.structure == "neuron", pruner.method != "rank"
    if not by_neuron and pruner.criterion not in WEIGHT_CRITERIA:
        raise ValueError(
            f"criterion={pruner.criterion!r} scores whole neurons: it goes with structure='neuron'; for "
            f"structure='weight' allowed are {WEIGHT_CRITERIA}."
        )
    if program and by_neuron:
        raise ValueError(
            f"method={pruner.method!r} sparsifies weights: it goes with structure='weight'."
        )
    if pruner.epsilon is not None and not program:
        raise ValueError(
            f"epsilon={pruner.epsilon!r} goes with method='l1_program' or 'l0_program', not "
            f"method={pruner.method!r}."
        )
    if by_neuron:
        n_units = len(layers) - 1
        if n_units == 0:
            raise ValueError("structure='neuron' needs a network with at least one hidden layer.")
    else:
        n_units = len(layers)
    what = "hidden layers" if by_neuron else "layers"
    # A programme treats each layer by itself, so "global" is "layer" there.
    scope = "layer" if program and pruner.scope == "global" else pruner.scope
    sparsities = check_sparsity(pruner.sparsity, n_units, scope, what)
    shapes = layers[:n_units]
    if pruner.scope == "erk":
        sparsities = erk_sparsities(shapes, float(sparsities[0]), pruner.structure)
    if pruner.schedule == "layerwise" and pruner.scope == "global":
        raise ValueError(
            "schedule='layerwise' prunes one layer after another, so it goes with scope='layer' or "
            "'erk', not scope='global'."
        )
    schedule = "one_shot" if program else pruner.schedule
    fractions = schedule_fractions(schedule, pruner.n_steps, n_units)
    epochs = np.asarray(pruner.finetune_epochs)
    if epochs.ndim > 1 or (epochs.ndim == 1 and len(epochs) != len(fractions)):
        raise ValueError(
            f"finetune_epochs={pruner.finetune_epochs!r} must be one int or one for each of the "
            f"{len(fractions)} steps of schedule={schedule!r}."
        )
    if epochs.dtype.kind not in "iu" or (epochs < 0).any():
        raise ValueError(f"finetune_epochs={pruner.finetune_epochs!r} must be non-negative ints.")
    masks = [np.ones(s[1] if by_neuron else s, dtype=bool) for s in shapes]
    return Plan(sparsities, fractions, masks)


def cut_weights(
    pruner: Any,
    net: Any,
    masks: list[np.ndarray],
    sparsities: np.ndarray,
    X: np.ndarray,
    y: np.ndarray,
    rng: np.random.RandomState,
) -> tuple[Any, list[np.ndarray], list[PrunedLayer]]:
    """Zero weights of a copy of `net` until each layer has the sparsity asked for at this step."""
    inputs = layer_inputs(net, X)
    outputs = [A @ W + b for A, W, b in zip(inputs, net.coefs_, net.intercepts_)]
    if pruner.method == "rank":
        masks = _weight_masks(pruner, net, masks, sparsities, inputs, outputs, y, rng)
        if pruner.reconstruct is False or (
            pruner.reconstruct == "auto" and pruner.criterion != "obs"
        ):
            cut = copy_network(net)
            for W, keep in zip(cut.coefs_, masks):
                W[~keep] = 0.0
            if pruner.criterion in NEEDS_INPUTS:
                _carry_means(net, cut, X, outputs)
            return cut, masks, []

    cut, results, seen = copy_network(net), [], X
    last = len(net.coefs_) - 1
    for layer, (W, b) in enumerate(zip(net.coefs_, net.intercepts_)):
        how: dict[str, Any] = {"intercept": b, "target": outputs[layer], "n_jobs": pruner.n_jobs}
        if pruner.method == "rank":
            share = 1 - masks[layer].mean()
            if pruner.criterion == "obs":
                # The scores of all layers said how much each one loses; which weights these are
                # is settled within the layer, round by round, with the others adapting. So only what
                # earlier steps zeroed is masked here, not this step's own candidates.
                how |= {"sparsity": share, "criterion": "obs", "mask": masks[layer] | (W != 0)}
            else:
                how |= {"sparsity": 0.0, "mask": masks[layer], "reconstruct_weights": True}
        else:
            how |= {
                "method": pruner.method,
                "sparsity": None if pruner.epsilon is not None else sparsities[layer],
                "epsilon": pruner.epsilon,
                "time_limit": pruner.time_limit,
                "relu": net.activation == "relu" and layer < last,
                "margins": layer == last and _decides_one_class(net),
            }
        result = prune_layer(W, seen, **how)
        results.append(result)
        cut.coefs_[layer] = result.coef.astype(W.dtype)
        cut.intercepts_[layer] = np.asarray(result.intercept).astype(b.dtype)
        if layer < last:
            seen = hidden_activation(net, seen @ cut.coefs_[layer] + cut.intercepts_[layer])
    return cut, [r.mask for r in results], results if pruner.method != "rank" else []


def _carry_means(net: Any, cut: Any, X: np.ndarray, outputs: list[np.ndarray]) -> None:
    """Let the intercepts of `cut` make up for the mean outputs that its lost weights carried.

    Scores from deviations call a weight behind a constant input worthless; this makes it true.
    """
    if all(np.array_equal(old, new) for old, new in zip(net.coefs_, cut.coefs_)):
        return
    seen = X
    for layer, (W, b) in enumerate(zip(cut.coefs_, cut.intercepts_)):
        b[:] = outputs[layer].mean(axis=0) - seen.mean(axis=0) @ W
        if layer < len(cut.coefs_) - 1:
            seen = hidden_activation(net, seen @ W + b)


def _decides_one_class(net: Any) -> bool:
    """Return whether the outputs matter by the class they give: no regression, no multilabel."""
    return net.out_activation_ == "softmax" or (
        net.out_activation_ == "logistic" and net.n_outputs_ == 1
    )


def _weight_masks(pruner, net, masks, sparsities, inputs, outputs, y, rng):
    gradients: list[Any] = [None] * len(net.coefs_)
    if pruner.criterion in NEEDS_GRADIENTS:
        gradients = absolute_gradients(inputs, deltas(net, inputs, y))
    scores = []
    for W, A, Z, G in zip(net.coefs_, inputs, outputs, gradients):
        # Means are carried by the intercepts; what a weight is worth lies in the deviations.
        A = A - A.mean(axis=0)
        s = weight_scores(W, A, G, pruner.criterion, random_state=rng)
        if pruner.scope == "global" and pruner.criterion in ("obs", "wanda"):
            # Output errors of different layers compare as shares of the layer's own signal.
            signal = Z.var(axis=0).sum()
            signal = np.sqrt(len(A) * signal) if pruner.criterion == "wanda" else signal
            s = s / signal if signal > 0 else s
        scores.append(s)
    return masks_from_scores(scores, sparsities, pruner.scope, masks)


def cut_neurons(
    pruner: Any,
    net: Any,
    masks: list[np.ndarray],
    sparsities: np.ndarray,
    X: np.ndarray,
    y: np.ndarray,
    rng: np.random.RandomState,
) -> tuple[Any, list[np.ndarray]]:
    """Remove neurons of a copy of `net`; `masks` and the result speak of the full network's."""
    inputs = layer_inputs(net, X)
    delta = deltas(net, inputs, y) if pruner.criterion == "taylor" else None
    scores = []
    for layer, mask in enumerate(masks):
        W_in, W_out, A = net.coefs_[layer], net.coefs_[layer + 1], inputs[layer + 1]
        D = None if delta is None else delta[layer + 1] @ W_out.T
        s = neuron_scores(W_in, W_out, A, D, pruner.criterion, random_state=rng)
        if pruner.scope == "global" and pruner.criterion in _LAYER_SCALED:
            signal = np.linalg.norm((A - A.mean(axis=0)) @ W_out) / np.sqrt(len(A))
            power = 2 if pruner.criterion in ("obs", "group_lasso") else 1
            s = s / signal**power if signal > 0 else s
        everyone = np.full(mask.size, -np.inf)
        everyone[mask] = s
        scores.append(everyone)
    new = masks_from_scores(scores, sparsities, pruner.scope, masks, "neurons")
    keep = [n[old] for n, old in zip(new, masks)]
    return remove_neurons(net, keep, X, refit=pruner.reconstruct is not False), new


# Criteria whose unit is the next layer's output, which differs from layer to layer.
_LAYER_SCALED = frozenset({"wanda", "obs", "group_lasso"})
