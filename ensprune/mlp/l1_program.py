"""Least L1 norm with a layer's outputs held (Net-Trim), and its twin for large layers."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import enet_path

from .programme_arguments import check_programme
from .solver import Outcome, add_variable, linear, minimise

# Entries of X (n_samples * n_in). One solve for one output neuron takes HiGHS tenths of a second at
# this size, and from here on more than in proportion (benchmarks/mlp.py prints it); a search for a
# sparsity takes about ten solves for each neuron. Coordinate descent works on X'X, whose size does
# not depend on the number of rows.
L1_PROGRAM_MAX_ENTRIES = 50_000
_ZERO = 1e-7  # HiGHS's feasibility tolerance: smaller weights are zero

# Weights, bias and what was proven of one output neuron, and what finds them.
_Found = tuple[np.ndarray, float, Outcome]
_Neuron = Callable[..., _Found]


def l1_program(
    X: np.ndarray,
    target: np.ndarray,
    W: np.ndarray,
    *,
    sparsity: float | None = None,
    epsilon: float | None = None,
    relu: bool = False,
    intercept: bool = True,
    time_limit: float = 60.0,
    n_jobs: int | None = None,
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Least ``||W'||_1`` such that the layer's outputs stay within epsilon: Net-Trim.

    One linear programme for each output neuron, in PuLP. Where ``X`` has more than 50,000 entries
    the programme is replaced by the lasso path (coordinate descent on ``X'X``), which bounds the
    squared error instead of the largest: from there on HiGHS takes seconds for each neuron.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_in)
        What enters the layer.
    target : ndarray of shape (n_samples, n_out)
        Outputs to reproduce (before the activation).
    W : ndarray of shape (n_in, n_out)
        The dense weights; kept for a neuron whose programme finds nothing in time.
    sparsity : float, default=None
        Give this or `epsilon`. Each output neuron keeps at most ``n_in - floor(sparsity * n_in)``
        weights: the smallest epsilon that allows it is searched by bisection, and the weights
        found are refitted by least squares.
    epsilon : float, default=None
        Largest deviation of any output, in standard deviations of that output.
    relu : bool, default=False
        The deviation is that of ``max(output, 0)``.
    intercept : bool, default=True
        A free bias, which costs nothing.
    time_limit : float, default=60.0
        Seconds for the layer.
    n_jobs : int, default=None
        Threads over output neurons.

    Returns
    -------
    coef : ndarray of shape (n_in, n_out)
    bias : ndarray of shape (n_out,)
    proof : dict
        ``status``, ``objective`` (the L1 norm, or NaN), ``bound``, ``gap``. Status "relaxed": no
        weights on `X` come within epsilon of `target`, as may happen behind layers that were pruned;
        epsilon was doubled for such neurons until some do.

    Raises
    ------
    ValueError
        If an argument is out of range, or the arrays do not fit each other.

    References
    ----------
    Aghasi, Abdi, Nguyen & Romberg, Net-Trim: convex pruning of deep neural networks with
    performance guarantee, NeurIPS 2017.
    """
    X, target, W = check_programme(
        "l1_program", X, target, W, sparsity, epsilon,
        relu=relu, intercept=intercept, time_limit=time_limit, n_jobs=n_jobs,
    )  # fmt: skip
    n_in, n_out = W.shape
    by_programme = X.size <= L1_PROGRAM_MAX_ENTRIES
    n_keep = None if sparsity is None else n_in - int(np.floor(sparsity * n_in + 1e-9))
    neuron: _Neuron = _lasso_neuron
    if by_programme:
        neuron = partial(_l1_neuron, time_limit=time_limit / n_out)
    with warnings.catch_warnings():
        # Set here, once: filters are process-wide and must not be changed from several threads.
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = Parallel(n_jobs=n_jobs, prefer="threads")(
            delayed(neuron)(X, target[:, j], W[:, j], n_keep, epsilon, relu, intercept)
            for j in range(n_out)
        )
    coef = np.column_stack([w for w, _, _ in found])
    bias = np.array([b for _, b, _ in found])
    if not by_programme:
        return coef, bias, {"status": "coordinate_descent"}
    outcomes = [o for _, _, o in found]
    statuses = {o.status for o in outcomes}
    status = next((s for s in ("time_limit", "relaxed") if s in statuses), "optimal")
    # Refitting to a sparsity leaves the programme's solution, and with it what was proven of it.
    if sparsity is not None:
        return coef, bias, {"status": status}
    objective = float(np.abs(coef).sum())
    bound = float(sum(o.bound for o in outcomes))
    total = Outcome(status, objective, bound)
    return coef, bias, {**vars(total), "gap": total.gap}


def _l1_neuron(
    X: np.ndarray,
    z: np.ndarray,
    w_dense: np.ndarray,
    n_keep: int | None,
    epsilon: float | None,
    relu: bool,
    intercept: bool,
    time_limit: float,
) -> _Found:
    """By linear programmes: one for a given epsilon, a bisection for a number of weights."""
    started = time.monotonic()
    scale = z.std() or 1.0

    def programme(eps: float) -> tuple[np.ndarray | None, float, Outcome]:
        left = time_limit - (time.monotonic() - started)
        return solve_neuron(X, z, eps * scale, relu, intercept, left)

    if epsilon is not None:
        w, b, outcome = programme(epsilon)
        relaxed = outcome.status == "infeasible"
        while outcome.status == "infeasible":
            epsilon *= 2
            w, b, outcome = programme(epsilon)
        if w is None:  # out of time: the dense weights
            return w_dense, (z - X @ w_dense).mean() if intercept else 0.0, outcome
        return w, b, Outcome("relaxed", outcome.objective, outcome.bound) if relaxed else outcome
    assert n_keep is not None
    low, high = 0.0, 1.0
    best: tuple[np.ndarray, Outcome] | None = None
    while best is None or high - low > 0.02 * high:
        eps = high if best is None else (low + high) / 2
        w, _, outcome = programme(eps)
        if outcome.status == "time_limit":
            break
        if w is not None and np.count_nonzero(w) <= n_keep:
            best, high = (w, outcome), eps
        else:
            low = eps
            if best is None:
                high *= 2
    if best is None or not best[0].any():
        # Out of time, or the whole output fits into epsilon: the largest weights by their effect.
        effect = np.abs(w_dense) * X.std(axis=0)
        chosen = np.argsort(-effect, kind="stable")[:n_keep]
        outcome = Outcome("time_limit", np.nan, np.nan) if best is None else best[1]
    else:
        chosen, outcome = np.flatnonzero(best[0]), best[1]
    return *_least_squares(X, z, chosen, intercept), outcome


def solve_neuron(
    X: np.ndarray, z: np.ndarray, eps: float, relu: bool, intercept: bool, time_limit: float
) -> tuple[np.ndarray | None, float, Outcome]:
    """Solve the programme of one output neuron; weights (None if none were found), bias, outcome."""
    import pulp

    n_samples, n_in = X.shape
    problem = pulp.LpProblem("least_l1_norm", pulp.LpMinimize)
    w = [add_variable(problem, f"w{i}") for i in range(n_in)]
    size = [add_variable(problem, f"a{i}", 0.0) for i in range(n_in)]
    terms = [*w, add_variable(problem, "b")] if intercept else w
    problem += linear(size, np.ones(n_in))
    for a, v in zip(size, w):
        problem += linear([a, v], np.array([1.0, 1.0])) >= 0
        problem += linear([a, v], np.array([1.0, -1.0])) >= 0
    rows = np.hstack([X, np.ones((n_samples, 1))]) if intercept else X
    for n in range(n_samples):
        low, up = z[n] - eps, z[n] + eps
        if relu and z[n] <= eps:  # what stays below zero after the ReLU is free downwards
            low, up = None, max(z[n], 0.0) + eps
        output = add_variable(problem, f"z{n}", None if low is None else float(low), float(up))
        problem += linear([*terms, output], np.append(rows[n], -1.0)) == 0
    outcome = minimise(problem, time_limit)
    if outcome.status != "optimal":
        return None, 0.0, outcome
    found = np.array([v.varValue for v in w])
    found[np.abs(found) <= _ZERO * max(np.abs(found).max(), 1.0)] = 0.0
    return found, float(terms[-1].varValue) if intercept else 0.0, outcome


def _lasso_neuron(
    X: np.ndarray,
    z: np.ndarray,
    w_dense: np.ndarray,
    n_keep: int | None,
    epsilon: float | None,
    relu: bool,
    intercept: bool,
) -> _Found:
    """By coordinate descent: the sparsest point of the lasso path that is dense enough."""
    mean_x, mean_z = (X.mean(axis=0), z.mean()) if intercept else (np.zeros(X.shape[1]), 0.0)
    A, t = X - mean_x, z - mean_z
    entry = float(np.abs(A.T @ t).max()) / len(t) or 1.0  # the penalty that leaves nothing
    alphas = np.geomspace(entry, entry * 1e-4, 60)
    _, coefs, _ = enet_path(A, t, l1_ratio=1.0, alphas=alphas, max_iter=500)
    # coefs (n_in, n_alphas), from empty to dense
    counts = np.count_nonzero(coefs, axis=0)
    if n_keep is not None:
        step = int(np.flatnonzero(counts <= n_keep)[-1])
        chosen = np.flatnonzero(coefs[:, step])
        if not len(chosen):
            chosen = np.argsort(-np.abs(w_dense) * X.std(axis=0), kind="stable")[:n_keep]
        return *_least_squares(X, z, chosen, intercept), Outcome("optimal", np.nan, np.nan)
    assert epsilon is not None
    outputs = A @ coefs + mean_z
    aim = z[:, None]
    if relu:
        outputs, aim = np.maximum(outputs, 0.0), np.maximum(aim, 0.0)
    worst = np.abs(outputs - aim).max(axis=0)
    fits = np.flatnonzero(worst <= epsilon * (z.std() or 1.0))
    w = coefs[:, fits[0]] if len(fits) else w_dense
    return w, mean_z - mean_x @ w if intercept else 0.0, Outcome("optimal", np.nan, np.nan)


def _least_squares(
    X: np.ndarray, z: np.ndarray, chosen: np.ndarray, intercept: bool
) -> tuple[np.ndarray, float]:
    """Weights of the chosen inputs, zero elsewhere, and the bias that come closest to ``z``."""
    w = np.zeros(X.shape[1])
    mean_x, mean_z = (X.mean(axis=0), z.mean()) if intercept else (np.zeros(X.shape[1]), 0.0)
    A = X[:, chosen] - mean_x[chosen]
    w[chosen] = np.linalg.lstsq(A, z - mean_z, rcond=1e-8)[0]
    return w, float(mean_z - mean_x @ w) if intercept else 0.0
