"""Solving for leaf values: damped least squares, on the simplex for probabilities, or likelihood.

All of them minimise ``loss(raw(values)) + sum_l ridge_l |values_l - prior_l|^2`` in one system over
all trees, so trees make up for each other's errors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix, diags_array, hstack
from scipy.sparse.linalg import lsqr

from ..link import Identity, Link, Probability
from ..objectives.convex import ConvexLoss
from .equations import Equations

ITERATIONS = 50
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
    iterations: int = ITERATIONS,
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
        Where iterations begin; None is ``prior``. LSQR begins at ``prior`` always.
    iterations : int, default=50
        At most.
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
        return _on_simplex(equations, prior, equations.ridge(damping), start, iterations)
    moves = _moves(equations, prior, damping, corrective)
    if isinstance(link, Identity):
        return _least_squares(equations, prior, moves, iterations)
    begin = np.zeros(moves.shape[1])
    if not np.isinf(damping):
        begin[: len(prior)] = (start - prior)[:, 0] * np.sqrt(equations.ridge(damping))
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
    equations: Equations, prior: np.ndarray, moves: csr_matrix, iterations: int
) -> np.ndarray:
    """Squared error by LSQR on the residual, each move in units of its own damping.

    References
    ----------
    Paige & Saunders, "LSQR: an algorithm for sparse linear equations and sparse least squares",
    ACM Transactions on Mathematical Software 8 (1982).
    """
    weight = np.sqrt(equations.weight)
    residual = (equations.target - equations.raw(prior))[0]
    system = diags_array(weight) @ equations.design @ moves
    found = lsqr(
        system, weight * residual, damp=1.0, atol=_TOLERANCE, btol=_TOLERANCE, iter_lim=iterations
    )[0]
    return prior + (moves @ found)[:, None]


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
    moves: csr_matrix,
    begin: np.ndarray,
    iterations: int,
) -> np.ndarray:
    """A negative log-likelihood of margins by L-BFGS, moves in units of their damping."""
    loss = ConvexLoss(link, equations.target, equations.weight)
    back = moves.T.tocsr()

    def value_and_slope(moved: np.ndarray) -> tuple[float, np.ndarray]:
        raw = equations.raw(prior + (moves @ moved)[:, None])
        slope = (back @ equations.pull(loss.derivatives(raw)[0]))[:, 0] + moved
        return loss.value(raw) + 0.5 * (moved**2).sum(), slope

    found = minimize(
        value_and_slope, begin, jac=True, method="L-BFGS-B", options={"maxiter": iterations}
    )
    return prior + (moves @ found.x)[:, None]
