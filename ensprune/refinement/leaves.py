"""Solving for leaf values: damped least squares, on the simplex for probabilities, or likelihood.

All of them minimise ``loss(raw(values)) + sum_l ridge_l |values_l - prior_l|^2`` in one system over
all trees, so trees make up for each other's errors.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix, diags_array, hstack
from scipy.sparse.linalg import LinearOperator, lsqr

from ..link import Identity, Link, Probability
from ..objectives.convex import ConvexLoss
from .equations import Equations

ITERATIONS = 50
# Over the trees, where they are solved for one by one.
SWEEPS = 12
_TOLERANCE = 1e-6

# Trees' factors are held to one this much more loosely than leaves at a damping of one would be.
_LOOSE = 0.01

# Probabilities that moved by less in a step have arrived.
_SETTLED = 1e-4


def solve(
    equations: Equations,
    link: Link,
    prior: np.ndarray,
    damping: float,
    start: Any = None,
    iterations: int | None = None,
    corrective: bool = False,
) -> np.ndarray:
    """Leaf values that fit the equations, damped towards ``prior``.

    Parameters
    ----------
    equations : Equations
    link : Link
        Decides the loss: squared error (identity), Brier score (probabilities), log-loss
        (logistic, softmax), Poisson deviance (exponential).
    prior : ndarray of shape (n_leaves, n_values)
    damping : float
        Positive; infinity returns ``prior``. See :meth:`Equations.ridge`.
    start : ndarray of shape (n_leaves, n_values), default=None
        Where iterations begin; None is ``prior``.
    iterations : int, default=None
        At most; None is 50, or 12 sweeps over the trees for probabilities.
    corrective : bool, default=False
        Whether each tree gets a factor of its own, fitted together with the values: those are then
        damped towards ``factor * prior``, so that a stage whose weight is wrong costs no damping.
        Not for probabilities, whose sums are kept.

    Returns
    -------
    ndarray of shape (n_leaves, n_values)
        A leaf that no row falls into keeps its prior.
    """
    if np.isinf(damping) and not corrective:
        return prior
    start = prior if start is None else start
    if isinstance(link, Probability):
        ridge = equations.ridge(damping)
        return _on_simplex(equations, prior, ridge, start, iterations or SWEEPS)
    iterations = iterations or ITERATIONS
    moves = _moves(equations, prior, damping, corrective)
    begin = np.zeros(moves.shape[1])
    if not np.isinf(damping):
        begin[: len(prior)] = (start - prior)[:, 0] * np.sqrt(equations.ridge(damping))
    if isinstance(link, Identity):
        return _least_squares(equations, prior, moves, begin, iterations)
    return _likelihood(equations, link, prior, moves, begin, iterations)


def _moves(equations: Equations, prior: np.ndarray, damping: float, corrective: bool) -> csr_matrix:
    """What moves leaf values away from ``prior``, each in units of its own damping.

    One column for every leaf (unless they are held fast) and, if ``corrective``, one for every tree
    that scales all its values; shape (n_leaves, n_moves).
    """
    parts = []
    if not np.isinf(damping):
        parts.append(diags_array(1.0 / np.sqrt(equations.ridge(damping))))
    if corrective:
        leaves = equations.leaves
        weight = np.bincount(leaves.tree, equations.ridge(_LOOSE) * prior[:, 0] ** 2)
        unit = 1.0 / np.sqrt(np.maximum(weight, np.finfo(float).tiny))
        entries = prior[:, 0] * unit[leaves.tree]
        shape = (leaves.n_leaves, leaves.n_trees)
        parts.append(csr_matrix((entries, (np.arange(leaves.n_leaves), leaves.tree)), shape))
    return hstack(parts, format="csr")


def _least_squares(
    equations: Equations,
    prior: np.ndarray,
    moves: csr_matrix,
    begin: np.ndarray,
    iterations: int,
) -> np.ndarray:
    """Squared error by LSQR on the residual, each move in units of its own damping.

    The damping is an equation of its own for each move: LSQR's own holds to where it begins.

    References
    ----------
    Paige & Saunders, "LSQR: an algorithm for sparse linear equations and sparse least squares",
    ACM Transactions on Mathematical Software 8 (1982).
    """
    weight = np.sqrt(equations.weight)
    residual = weight * (equations.target - equations.raw(prior))[0]
    n_equations, n_moves = len(residual), moves.shape[1]
    back = moves.T.tocsr()
    # Multiplied out, the system would take longer to set up than to solve.
    system = LinearOperator(
        (n_equations + n_moves, n_moves),
        matvec=lambda z: np.concatenate([weight * (equations.design @ (moves @ z)), z]),
        rmatvec=lambda u: (
            back @ (equations.transposed @ (weight * u[:n_equations])) + u[n_equations:]
        ),
        dtype=np.float64,
    )
    found = lsqr(
        system,
        np.concatenate([residual, np.zeros(n_moves)]),
        atol=_TOLERANCE,
        btol=_TOLERANCE,
        iter_lim=iterations,
        x0=begin,
    )[0]
    return prior + (moves @ found)[:, None]


def _on_simplex(
    equations: Equations,
    prior: np.ndarray,
    ridge: np.ndarray,
    start: np.ndarray,
    sweeps: int,
) -> np.ndarray:
    """Brier score over distributions: tree by tree, each leaf's values projected.

    What a leaf's values sum to is kept (one, unless a member's weight is in them), so every
    tree's probabilities, and with them the ensemble's, are valid whatever row comes.

    No row is in two leaves of a tree: with all other trees held, the best values of one tree are
    known leaf by leaf, means of what the others leave over; as the curvature of a leaf is the same
    for all classes, projecting in the plain distance gives the best on the simplex. A sweep
    over the trees costs what a gradient step does and comes as far as five accelerated ones.

    References
    ----------
    Breiman & Friedman, "Estimating optimal transformations for multiple regression and
    correlation", JASA 80 (1985), the backfitting algorithm. Tseng, "Convergence of a block coordinate
    descent method", Journal of Optimization Theory and Applications 109 (2001).
    """
    leaves = equations.leaves
    total = leaves.values.sum(axis=1)
    ends = np.searchsorted(leaves.tree, np.arange(leaves.n_trees + 1))
    heard = equations.transposed.copy()  # rows of leaves: scale times weight
    heard.data *= equations.weight[heard.indices]
    curvature = np.asarray(heard.multiply(equations.transposed).sum(axis=1)).ravel() + ridge
    blocks = [
        (slice(first, last), heard[first:last], equations.transposed[first:last].T)
        for first, last in pairwise(ends)
    ]
    values = start.copy()
    left = np.ascontiguousarray((equations.target - equations.raw(values)).T)
    for _ in range(sweeps):
        moved = 0.0
        for own, pull, push in blocks:
            slope = pull @ left + ridge[own, None] * (prior[own] - values[own])
            speaks = None if leaves.speaks is None else leaves.speaks[own]
            new = project(values[own] + slope / curvature[own, None], total[own], speaks)
            step = new - values[own]
            left -= push @ step
            values[own] = new
            moved = max(moved, np.abs(step).max(initial=0.0))
        if moved < _SETTLED:
            break
    return values


def project(values: np.ndarray, total: np.ndarray, speaks: np.ndarray | None = None) -> np.ndarray:
    """The nearest non-negative rows with given sums.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_values)
    total : ndarray of shape (n_rows,)
    speaks : ndarray of shape (n_rows, n_values), dtype bool, default=None
        Entries that may be other than zero; None is all.

    References
    ----------
    Duchi, Shalev-Shwartz, Singer & Chandra, "Efficient projections onto the l1-ball for learning
    in high dimensions", ICML 2008, figure 1.
    """
    if speaks is not None:
        # Far below all others of the row, so that it ends at zero.
        values = np.where(speaks, values, values.min(axis=1, keepdims=True) - 2 * total[:, None])
    if values.shape[1] == 2:
        first = np.clip(0.5 * (total + values[:, 0] - values[:, 1]), 0.0, total)
        return np.column_stack([first, total - first])
    descending = -np.sort(-values, axis=1)
    excess = descending.cumsum(axis=1) - total[:, None]
    counts = np.arange(1, values.shape[1] + 1)
    kept = np.maximum((descending * counts > excess).sum(axis=1), 1)
    level = excess[np.arange(len(values)), kept - 1] / kept
    result = np.maximum(values - level[:, None], 0.0)
    return result


def _likelihood(
    equations: Equations,
    link: Link,
    prior: np.ndarray,
    moves: csr_matrix,
    begin: np.ndarray,
    iterations: int,
) -> np.ndarray:
    """A negative log-likelihood of margins by L-BFGS, moves in units of their damping."""
    loss = ConvexLoss(link, equations.target, equations.weight)
    back = moves.T.tocsr()

    def value_and_slope(moved: np.ndarray) -> tuple[float, np.ndarray]:
        raw = equations.raw(prior + (moves @ moved)[:, None])
        value, gradient = loss.value_and_gradient(raw)
        slope = (back @ equations.pull(gradient))[:, 0] + moved
        return value + 0.5 * (moved**2).sum(), slope

    found = minimize(
        value_and_slope, begin, jac=True, method="L-BFGS-B", options={"maxiter": iterations}
    )
    return prior + (moves @ found.x)[:, None]
