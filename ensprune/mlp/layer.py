"""Prune one dense layer given as plain arrays: any framework's ``X @ W + b``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arguments import check_arguments, check_option, named_array
from .criteria import WEIGHT_CRITERIA, check_inputs, damped_hessian, weight_scores
from .obs import obs_prune, reconstruct, refit_targets
from .programs import solve as solve_programme
from .scopes import check_mask, check_sparsity, masks_from_scores

METHODS = ("rank", "l1_program", "l0_program")


@dataclass(frozen=True)
class PrunedLayer:
    """What :func:`prune_layer` returns.

    Parameters
    ----------
    coef : ndarray of shape (n_in, n_out)
        The weights, exactly zero where `mask` is False.
    intercept : ndarray of shape (n_out,) or None
        The bias; adapted where weights were refitted, None if none was given.
    mask : ndarray of bool of shape (n_in, n_out)
        True for what stays.
    sparsity : float
        Fraction of zeros.
    error : float
        ``||X W + b - (X W' + b')||_F / ||X W + b - mean||_F``; NaN if no `X` was given.
    status : str
        "ranked"; for programmes "optimal", "time_limit" (the incumbent is returned), "relaxed"
        (no weights come within epsilon of the target, so it was doubled until some do) or
        "coordinate_descent" (the programme was too large, see :func:`prune_layer`).
    objective : float
        Of the programme: L1 norm or number of non-zero weights. NaN for "rank".
    bound : float
        What the solver proved the objective cannot go below. NaN where it proves nothing.
    gap : float
        ``(objective - bound) / objective``. NaN where nothing is proven.
    """

    coef: np.ndarray
    intercept: np.ndarray | None
    mask: np.ndarray
    sparsity: float
    error: float
    status: str = "ranked"
    objective: float = float("nan")
    bound: float = float("nan")
    gap: float = float("nan")


def prune_layer(
    W: Any,
    X: Any = None,
    sparsity: float | None = None,
    *,
    intercept: Any = None,
    criterion: str = "magnitude",
    method: str = "rank",
    G: Any = None,
    mask: Any = None,
    target: Any = None,
    reconstruct_weights: bool | str = "auto",
    epsilon: float | None = None,
    relu: bool = False,
    margins: bool = False,
    damping: float = 0.01,
    time_limit: float = 60.0,
    mip_gap: float = 0.0,
    n_jobs: int | None = None,
    random_state: Any = None,
) -> PrunedLayer:
    """Prune a dense layer ``X @ W + intercept``.

    Parameters
    ----------
    W : array-like of shape (n_in, n_out)
        Weights, laid out as scikit-learn's ``coefs_`` (transpose a PyTorch ``Linear.weight``).
    X : array-like of shape (n_samples, n_in), default=None
        What enters the layer. Needed by criteria "wanda" and "obs", by refitting and by programmes.
    sparsity : float in [0, 1), default=None
        Fraction of weights that become zero; None means 0.9 for method="rank". A programme takes
        this or `epsilon`: given a sparsity it searches the smallest epsilon that reaches it.
    intercept : array-like of shape (n_out,), default=None
        The layer's bias. Given, it is refitted together with the weights; it is never pruned.
    criterion : str, default="magnitude"
        See :func:`weight_scores`. With "obs" pruning and refitting go in alternating rounds.
    method : {"rank", "l1_program", "l0_program"}, default="rank"
        - "rank": drop the lowest scores;
        - "l1_program": least L1 norm with outputs within `epsilon`, see
          :func:`ensprune.mlp.l1_program.l1_program`;
        - "l0_program": fewest non-zero weights with outputs or margins within `epsilon`, see
          :func:`ensprune.mlp.l0_program.l0_program`; small layers only.
    G : array-like of shape (n_in, n_out), default=None
        Gradient, for criterion="taylor".
    mask : array-like of bool of shape (n_in, n_out), default=None
        False for weights that are pruned already and must stay so.
    target : array-like of shape (n_samples, n_out), default=None
        Outputs to reproduce; None means the layer's own, ``X @ W + intercept``. In a network whose
        earlier layers were pruned, the dense network's outputs go here.
    reconstruct_weights : bool or "auto", default="auto"
        Refit the remaining weights by least squares (method="rank"). "auto": for criterion="obs".
    epsilon : float > 0, default=None
        Programmes only: largest allowed deviation of an output, in units of that output's standard
        deviation over `X`.
    relu : bool, default=False
        "l1_program" only: a ReLU follows, so an output that is negative needs only stay below
        `epsilon` (Net-Trim).
    margins : bool, default=False
        "l0_program" only: outputs are class scores, and what must hold is each row's winning margin
        to within `epsilon`, not the outputs.
    damping : float, default=0.01
        Share of the mean of ``diag(X' X)`` added to it before it is inverted.
    time_limit : float, default=60.0
        Seconds for all programmes of this layer together.
    mip_gap : float, default=0.0
        Relative gap at which "l0_program" may stop.
    n_jobs : int, default=None
        Threads over output neurons.
    random_state : int, RandomState instance or None, default=None
        For criterion="random".

    Returns
    -------
    PrunedLayer
        New arrays; what was given is not changed.

    Raises
    ------
    ValueError
        If `sparsity` is outside [0, 1), if data or gradients are needed and absent, if the layer
        would lose all its weights, if a programme is too large ("l0_program"), or if shapes
        disagree.

    Examples
    --------
    >>> import numpy as np
    >>> from ensprune.mlp import prune_layer
    >>> layer = prune_layer(np.array([[1.0, -2.0], [3.0, 0.5]]), sparsity=0.5)
    >>> layer.coef
    array([[ 0., -2.],
           [ 3.,  0.]])
    """
    W = named_array(W, "W", dtype=np.float64, copy=True)
    check_arguments(
        "prune_layer",
        relu=relu,
        margins=margins,
        epsilon=epsilon,
        time_limit=time_limit,
        mip_gap=mip_gap,
        n_jobs=n_jobs,
        random_state=random_state,
    )
    check_option("method", method, METHODS)
    check_option("criterion", criterion, WEIGHT_CRITERIA)
    if not isinstance(reconstruct_weights, bool | np.bool_) and (
        not isinstance(reconstruct_weights, str) or reconstruct_weights != "auto"
    ):
        raise ValueError(
            f"reconstruct_weights={reconstruct_weights!r} must be True, False or 'auto'."
        )
    if sparsity is not None or method == "rank":
        sparsity = float(check_sparsity(0.9 if sparsity is None else sparsity, 1, "layer")[0])
    keep = None if mask is None else check_mask(mask, W.shape)
    bias = None if intercept is None else _check_intercept(intercept, W.shape[1])
    refits = method != "rank" or criterion == "obs" or reconstruct_weights is True
    if X is not None or refits:
        asked_by = f"method={method!r}" if method != "rank" else f"criterion={criterion!r}"
        if reconstruct_weights is True:
            asked_by = "reconstruct_weights=True"
        X = check_inputs(W, X, asked_by)
        dense_output = X @ W + (0.0 if bias is None else bias)
        goal = dense_output
        if target is not None:
            goal = named_array(target, "target", dense_output.shape, dtype=np.float64)

    if method != "rank":
        new_W, new_bias, proof = solve_programme(
            W, X, bias, goal, keep, method, sparsity, epsilon,
            relu=relu, margins=margins, time_limit=time_limit, mip_gap=mip_gap, n_jobs=n_jobs,
        )  # fmt: skip
        keep = new_W != 0
    else:
        proof = {}
        n_zeros = _count_zeros(W, sparsity)
        # An intercept absorbs the means, so the weights need to reproduce deviations only.
        mean = X.mean(axis=0) if refits and bias is not None else 0.0
        anchor = W
        if refits and target is not None:
            anchor = refit_targets(W, X - mean, goal - goal.mean(axis=0), damping)
        if criterion == "obs" and reconstruct_weights is not False:
            H = damped_hessian(X - mean, damping)
            new_W, keep = obs_prune(anchor, H, n_zeros, keep, n_jobs=n_jobs)
            if not keep.any():
                raise ValueError(f"the layer of shape {W.shape} would lose all of its weights.")
        else:
            seen = None if X is None else X - mean
            scores = weight_scores(
                anchor, seen, G, criterion, damping=damping, random_state=random_state
            )
            frozen = None if keep is None else [keep]
            keep = masks_from_scores([scores], np.array([sparsity]), "layer", frozen)[0]
            if reconstruct_weights is True:
                new_W = reconstruct(anchor, damped_hessian(X - mean, damping), keep, n_jobs)
            else:
                new_W = np.where(keep, W, 0.0)
        new_bias = bias
        if refits and bias is not None:
            new_bias = goal.mean(axis=0) - mean @ new_W

    error = float("nan")
    if X is not None:
        error = _error(goal, X @ new_W + (0.0 if new_bias is None else new_bias))
    zeros = float(1 - np.count_nonzero(keep) / keep.size)
    return PrunedLayer(new_W, new_bias, keep, zeros, error, **proof)


def _error(goal: np.ndarray, outputs: np.ndarray) -> float:
    """How far outputs are from what they should be, relative to how far that spreads."""
    spread = np.linalg.norm(goal - goal.mean(axis=0))
    difference = np.linalg.norm(goal - outputs)
    return float(difference / spread) if spread > 0 else float(difference > 0)


def _count_zeros(W: np.ndarray, sparsity: float | None) -> int:
    n_zeros = round(float(sparsity or 0.0) * W.size)
    if n_zeros >= W.size:
        raise ValueError(
            f"the layer of shape {W.shape} would lose all of its {W.size} weights at sparsity={sparsity}."
        )
    return n_zeros


def _check_intercept(intercept: Any, n_out: int) -> np.ndarray:
    bias = named_array(intercept, "intercept", ensure_2d=False, dtype=np.float64)
    if bias.shape != (n_out,):
        raise ValueError(f"intercept has shape {bias.shape}, but W has {n_out} columns.")
    return bias
