"""Solving for leaf values: damped least squares, on the simplex for probabilities, or likelihood.

All of them minimise ``loss(raw(values)) + sum_l ridge_l |values_l - prior_l|^2`` in one system over
all trees, so trees make up for each other's errors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import diags_array
from scipy.sparse.linalg import lsqr

from ..link import Identity, Link, Probability
from ..objectives.convex import ConvexLoss
from .equations import Equations

ITERATIONS = 50
_TOLERANCE = 1e-6

# Probabilities that moved by less in a step have arrived.
_SETTLED = 1e-4


def solve(
    equations: Equations,
    link: Link,
    prior: np.ndarray,
    damping: float,
    start: Any = None,
    iterations: int = ITERATIONS,
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
        Where iterations begin; None is ``prior``. LSQR begins at ``prior`` always.
    iterations : int, default=50
        At most.

    Returns
    -------
    ndarray of shape (n_leaves, n_values)
        A leaf that no row falls into keeps its prior.
    """
    if np.isinf(damping):
        return prior
    ridge = equations.ridge(damping)
    if isinstance(link, Identity):
        return _least_squares(equations, prior, ridge, iterations)
    start = prior if start is None else start
    if isinstance(link, Probability):
        return _on_simplex(equations, prior, ridge, start, iterations)
    return _likelihood(equations, link, prior, ridge, start, iterations)


def _least_squares(
    equations: Equations, prior: np.ndarray, ridge: np.ndarray, iterations: int
) -> np.ndarray:
    """Squared error by LSQR on the residual, each leaf's deviation in units of its own damping.

    References
    ----------
    Paige & Saunders, "LSQR: an algorithm for sparse linear equations and sparse least squares",
    ACM Transactions on Mathematical Software 8 (1982).
    """
    weight = np.sqrt(equations.weight)
    residual = (equations.target - equations.raw(prior))[0]
    unit = 1.0 / np.sqrt(ridge)
    system = diags_array(weight) @ equations.design @ diags_array(unit)
    found = lsqr(
        system, weight * residual, damp=1.0, atol=_TOLERANCE, btol=_TOLERANCE, iter_lim=iterations
    )[0]
    return prior + (unit * found)[:, None]


def _on_simplex(
    equations: Equations,
    prior: np.ndarray,
    ridge: np.ndarray,
    start: np.ndarray,
    iterations: int,
) -> np.ndarray:
    """Brier score over distributions: accelerated gradient steps, each projected leaf by leaf.

    What a leaf's values sum to is kept (one, unless a member's weight is in them), so every
    tree's probabilities, and with them the ensemble's, are valid whatever row comes.

    The step of a leaf is the inverse of its row sum in ``A' W A``, which bounds that matrix
    because its entries are not negative; it is the same for all classes, so that projecting in
    the plain distance is the right projection.

    References
    ----------
    Beck & Teboulle, "A fast iterative shrinkage-thresholding algorithm for linear inverse
    problems", SIAM Journal on Imaging Sciences 2 (2009).
    """
    total = equations.leaves.values.sum(axis=1)
    speaks = equations.leaves.speaks
    weight = equations.weight
    ones = np.ones((equations.leaves.n_leaves, 1))
    bound = equations.transposed @ (weight[:, None] * (equations.design @ ones))
    step = 1.0 / (bound + ridge[:, None])  # (n_leaves, 1)
    at = ahead = start
    pace = 1.0
    for _ in range(iterations):
        slope = equations.pull(weight * (equations.raw(ahead) - equations.target))
        slope += ridge[:, None] * (ahead - prior)
        new = project(ahead - step * slope, total, speaks)
        faster = (1.0 + np.sqrt(1.0 + 4.0 * pace**2)) / 2.0
        moved = new - at
        ahead = new + ((pace - 1.0) / faster) * moved
        at, pace = new, faster
        if np.abs(moved).max(initial=0.0) < _SETTLED:
            break
    return at


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
    ridge: np.ndarray,
    start: np.ndarray,
    iterations: int,
) -> np.ndarray:
    """A negative log-likelihood of margins by L-BFGS, deviations in units of their damping."""
    loss = ConvexLoss(link, equations.target, equations.weight)
    unit = 1.0 / np.sqrt(ridge)[:, None]

    def value_and_slope(deviation: np.ndarray) -> tuple[float, np.ndarray]:
        deviation = deviation.reshape(prior.shape)
        raw = equations.raw(prior + unit * deviation)
        slope = unit * equations.pull(loss.derivatives(raw)[0]) + deviation
        return loss.value(raw) + 0.5 * (deviation**2).sum(), slope.ravel()

    found = minimize(
        value_and_slope,
        ((start - prior) / unit).ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": iterations},
    )
    return prior + unit * found.x.reshape(prior.shape)
