"""Weights of an average that minimise a convex loss: non-negative, adding up to one.

Which members are weighed is the selectors' business, which combine how the combiner's.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize, nnls

from ..storage import blocks_of, release

# Directions this much flatter than the steepest are noise of the rounding.
_FLAT = 1e-12

# Bytes of probabilities in double precision at a time; small pieces of files are slow to look at.
_BLOCK_BYTES = 1 << 23

# Members looked at between two times of letting go of a file, of which more than was asked for comes
# into memory.
_MEMBERS_AT_ONCE = 16


def least_squares_weights(gram: np.ndarray) -> np.ndarray:
    """The weights ``w`` of least ``w' G w``, where ``G`` is the Gram matrix of residuals.

    Parameters
    ----------
    gram : ndarray of shape (n_members, n_members)
        Directions of negative curvature, which estimates out of bag can have, count as flat.

    Returns
    -------
    ndarray of shape (n_members,), dtype float64
        Non-negative, summing to one; exact zeros where the constraint binds.

    Notes
    -----
    ``w = u / sum(u)`` with ``u`` the non-negative minimiser of ``u' G u / 2 - sum(u)``: the
    conditions of Karush, Kuhn and Tucker of both are the same. That is a non-negative least
    squares problem in a root of ``G``, solved by an active set (Lawson & Hanson 1974).
    """
    if len(gram) == 1:
        return np.ones(1)
    values, vectors = np.linalg.eigh(0.5 * (gram + gram.T))
    top = values[-1]
    if not top > 0:
        return np.full(len(gram), 1.0 / len(gram))
    root = np.sqrt(np.maximum(values / top, _FLAT))
    weights, _ = nnls((vectors * root).T, (vectors / root).T.sum(axis=1))
    return weights / weights.sum()


def log_loss_weights(
    true: np.ndarray,
    sample_weight: np.ndarray,
    start: np.ndarray | None = None,
    members: np.ndarray | None = None,
) -> tuple[np.ndarray, float]:
    """The weights of least log-loss of averaged probabilities.

    Parameters
    ----------
    true : ndarray of shape (n_members, n_samples)
        Each member's probability of the true class; read by blocks of samples.
    sample_weight : ndarray of shape (n_samples,)
        Sums to one.
    start : ndarray of shape (n_weighed,), default=None
        Where to begin; None begins with equal weights.
    members : ndarray of int of shape (n_weighed,), default=None
        Who is weighed; None is everyone.

    Returns
    -------
    weights : ndarray of shape (n_weighed,), dtype float64
    loss : float

    Notes
    -----
    Maximum likelihood of the proportions of a mixture. With ``sum(w)`` added to the loss the
    constraint that weights add up to one holds at the optimum by itself (Kim, Carbonetto, Stephens
    & Anitescu, "A fast algorithm for maximum likelihood estimation of mixture proportions using
    sequential quadratic programming", JCGS 29 (2020), proposition 3.2); what is left are bounds.
    """
    members = np.arange(len(true)) if members is None else members
    n_weighed = len(members)
    blocks = blocks_of(true.shape[1], 8 * n_weighed, _BLOCK_BYTES)
    at_once = blocks_of(n_weighed, 1, _MEMBERS_AT_ONCE)

    def value_and_slope(weights: np.ndarray) -> tuple[float, np.ndarray]:
        loss, slope = float(weights.sum()), np.ones(n_weighed)
        for block in blocks:
            part = np.empty((n_weighed, block.stop - block.start))
            for some in at_once:
                part[some] = true[members[some], block]
                release(true)
            np.maximum(part, np.finfo(np.float32).eps, out=part)
            mixed = np.maximum(weights @ part, 1e-300)
            loss -= float(sample_weight[block] @ np.log(mixed))
            slope -= part @ (sample_weight[block] / mixed)
        return loss, slope

    found = minimize(
        value_and_slope,
        np.full(n_weighed, 1.0 / n_weighed) if start is None else start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, None)] * n_weighed,
        options={"maxiter": 2000, "maxfun": 4000, "ftol": 1e-13, "gtol": 1e-9},
    )
    weights = np.where(found.x > 1e-9 * found.x.max(), found.x, 0.0)
    weights /= weights.sum()
    return weights, value_and_slope(weights)[0] - 1.0
