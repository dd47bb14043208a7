"""Scopes: from scores of weights (or of neurons) to masks of those that stay.

A scope says how one asked sparsity is shared among the layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

from ..arguments import check_option, named_array

SCOPES = ("layer", "global", "erk")


def check_sparsity(sparsity: Any, n_layers: int, scope: str, what: str = "layers") -> np.ndarray:
    """Return the asked sparsity as an array of one value per layer.

    Raises
    ------
    ValueError
        If a value is outside [0, 1) or not finite, if a sequence has the wrong length, or if a
        sequence is given with a scope that shares out one value by itself.
    """
    if isinstance(sparsity, Real) and not isinstance(sparsity, bool):
        values = np.full(n_layers, float(sparsity))
    else:
        try:
            values = np.asarray(sparsity, dtype=float)
        except (TypeError, ValueError) as error:
            raise ValueError(f"sparsity={sparsity!r} must be one float or a sequence.") from error
        if values.ndim != 1 or len(values) != n_layers:
            raise ValueError(
                f"sparsity={sparsity!r} must be one float or a sequence of {n_layers} floats, one for each "
                f"of the network's {n_layers} {what}."
            )
        if scope != "layer":
            raise ValueError(
                f"sparsity={sparsity!r} is one value per layer, which goes with scope='layer'; "
                f"scope={scope!r} shares out a single float by itself."
            )
    if not (np.isfinite(values).all() and (values >= 0).all() and (values < 1).all()):
        raise ValueError(
            f"sparsity={sparsity!r} must lie in [0, 1): the fraction of weights that become zero."
        )
    return values


def check_mask(mask: Any, shape: tuple[int, ...], name: str = "mask") -> np.ndarray:
    """Return a mask of what may stay as an array of bool, or raise ValueError."""
    keep = named_array(mask, name, dtype=None)
    if keep.dtype.kind not in "biuf" or not np.isin(keep, (0, 1)).all():
        raise ValueError(
            f"{name} must hold True for weights that may stay and False for the others."
        )
    if keep.shape != shape:
        raise ValueError(
            f"{name} has shape {keep.shape}, but must have that of the weights, {shape}."
        )
    return keep.astype(bool)


def erk_sparsities(
    shapes: Sequence[tuple[int, int]], sparsity: float, structure: str = "weight"
) -> np.ndarray:
    """Share an overall sparsity among layers by Erdos-Renyi-Kernel.

    A layer's density is proportional to ``(n_in + n_out) / (n_in * n_out)``, so that small layers
    stay denser; layers that would exceed density 1 stay dense and the others make up for it.

    Parameters
    ----------
    shapes : sequence of (int, int)
        ``(n_in, n_out)`` of every layer.
    sparsity : float in [0, 1)
        Fraction of all weights that become zero, or of all neurons that go.
    structure : {"weight", "neuron"}, default="weight"
        Whether a layer has ``n_in * n_out`` weights or ``n_out`` neurons to lose.

    Returns
    -------
    sparsities : ndarray of shape (n_layers,)

    References
    ----------
    Mocanu et al., Scalable training of artificial neural networks with adaptive sparse connectivity
    inspired by network science, Nature Communications 2018. Evci et al., Rigging the lottery:
    making all tickets winners, ICML 2020.
    """
    check_option("structure", structure, ("weight", "neuron"))
    sparsity = float(check_sparsity(sparsity, 1, "layer")[0])
    layers = named_array(shapes, "shapes", dtype=np.float64)  # (n_layers, 2)
    if layers.shape[1] != 2 or not (layers >= 1).all():
        raise ValueError(f"shapes={shapes!r} must be a pair (n_in, n_out) for each layer.")
    n_in, n_out = layers.T
    sizes = n_out if structure == "neuron" else n_in * n_out
    raw = (n_in + n_out) / (n_in * n_out)
    kept = (1 - sparsity) * sizes.sum()
    dense = np.zeros(len(sizes), dtype=bool)
    while True:
        free = ~dense
        if not free.any():
            return np.zeros(len(sizes))
        scale = (kept - sizes[dense].sum()) / (raw[free] * sizes[free]).sum()
        over = free & (scale * raw > 1)
        if not over.any():
            return np.where(dense, 0.0, 1 - scale * raw)
        dense |= over


def masks_from_scores(
    scores: Sequence[np.ndarray],
    sparsities: np.ndarray,
    scope: str,
    frozen: Sequence[np.ndarray] | None = None,
    unit: str = "weights",
) -> list[np.ndarray]:
    """Turn scores into masks: True for what stays.

    Parameters
    ----------
    scores : list of ndarray
        One array of any shape per layer; the lowest go first.
    sparsities : ndarray of shape (n_layers,)
        Asked fraction of zeros in each layer; for scope="global" all values are the same and mean
        the whole network.
    scope : {"layer", "global", "erk"}
        Where scores are compared: over all layers at once for "global", else within each layer.
        Shares by Erdos-Renyi-Kernel are what :func:`erk_sparsities` returns.
    frozen : list of ndarray of bool, default=None
        Masks of an earlier step: what was pruned then stays pruned.
    unit : str, default="weights"
        For the error message.

    Returns
    -------
    masks : list of ndarray of bool
        Same shapes as `scores`. Exactly ``round(sparsity * size)`` entries are False, in each layer
        or in all for scope="global" (more only if `frozen` has more).

    Raises
    ------
    ValueError
        If a layer would lose all it has.
    """
    ranked = [np.array(s, dtype=float) for s in scores]
    if frozen is not None:
        for s, keep in zip(ranked, frozen):
            s[~keep] = -np.inf
    if scope == "global":
        flat = np.concatenate([s.ravel() for s in ranked])
        keep_flat = _keep_highest(flat, float(sparsities[0]))
        edges = np.cumsum([s.size for s in ranked])[:-1]
        masks = [m.reshape(s.shape) for m, s in zip(np.split(keep_flat, edges), ranked)]
    else:
        masks = [
            _keep_highest(s.ravel(), share).reshape(s.shape) for s, share in zip(ranked, sparsities)
        ]
    for layer, (mask, s) in enumerate(zip(masks, ranked)):
        mask &= s > -np.inf
        if not mask.any():
            raise ValueError(
                f"layer {layer} of shape {mask.shape} would lose all of its {mask.size} {unit} at "
                f"scope={scope!r} and this sparsity; ask for a lower sparsity, or give each layer its "
                "own with scope='layer'."
            )
    return masks


def _keep_highest(scores: np.ndarray, sparsity: float) -> np.ndarray:
    keep = np.ones(scores.size, dtype=bool)
    # A stable order makes ties reproducible: earlier entries go first.
    keep[np.argsort(scores, kind="stable")[: round(sparsity * scores.size)]] = False
    return keep
