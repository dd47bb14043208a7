"""Optimal brain surgeon for one dense layer: prune, and let the remaining weights make up for it.

Everything works on ``H = X' X / n_samples`` (damped), so the cost does not depend on the number of
samples once H is there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from joblib import Parallel, delayed
from scipy import linalg

from ..arguments import check_arguments, named_array
from ..threads import one_blas_thread
from .criteria import damped_hessian
from .scopes import check_mask


def obs_eliminate(
    w: np.ndarray, H_inv: np.ndarray, drop: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Remove weights of one output neuron and update the others: the OBC column update.

    Parameters
    ----------
    w : ndarray of shape (n_in,)
        Weights of one output neuron.
    H_inv : ndarray of shape (n_in, n_in)
        Inverse of the damped ``X' X``, over the weights that are still there.
    drop : ndarray of int or of bool
        Indices to remove together, or a mask of them. A single index gives the update of Hassibi & Stork:
        ``w -= H_inv[:, p] * w[p] / H_inv[p, p]``.

    Returns
    -------
    w : ndarray of shape (n_in,)
        New weights, exactly zero at `drop`.
    H_inv : ndarray of shape (n_in, n_in)
        Inverse of H over what remains (rows and columns of `drop` are zero).

    References
    ----------
    Frantar & Alistarh, Optimal brain compression, NeurIPS 2022. Frantar & Alistarh, SparseGPT,
    ICML 2023.
    """
    w = named_array(w, "w", (np.size(w),), ensure_2d=False, dtype=np.float64)
    H_inv = named_array(H_inv, "H_inv", (len(w), len(w)), dtype=np.float64)
    drop = _positions(drop, len(w))
    columns = H_inv[:, drop]
    solved = linalg.solve(H_inv[np.ix_(drop, drop)], columns.T, assume_a="pos")
    w = w - solved.T @ w[drop]
    H_inv = H_inv - columns @ solved
    w[drop] = 0.0
    H_inv[drop] = 0.0
    H_inv[:, drop] = 0.0
    return w, H_inv


def _positions(drop: Any, n_in: int) -> np.ndarray:
    """Which inputs are meant, each once, as numpy reads indices: a mask and negative ones, too."""
    given = np.asarray(drop)
    if given.size == 0:
        given = given.astype(int)
    try:
        if given.ndim > 1 or (given.ndim == 0 and given.dtype == bool):
            raise IndexError("it is no list of them")
        return np.unique(np.arange(n_in)[given])
    except IndexError as error:
        raise ValueError(
            f"drop={drop!r} must hold ints in [0, {n_in - 1}], or be a mask of {n_in}: {error}"
        ) from error


def refit_targets(
    W: np.ndarray, X: np.ndarray, target: np.ndarray, damping: float = 0.01
) -> np.ndarray:
    """Return dense weights whose outputs ``X @ W`` come closest to `target`, damped towards `W`."""
    H = damped_hessian(X, damping)
    return W + linalg.solve(H, X.T @ (target - X @ W) / len(X), assume_a="pos")


def reconstruct(W: np.ndarray, H: np.ndarray, mask: np.ndarray, n_jobs: int | None = None):
    """Give the weights of a mask the values that reproduce the layer's outputs best.

    For each output neuron j with kept inputs S this is the exact minimiser of
    ``(w - W_j)' H (w - W_j)`` over w that vanish outside S: the sum of all OBS updates at once.

    Parameters
    ----------
    W : ndarray of shape (n_in, n_out)
        Dense weights.
    H : ndarray of shape (n_in, n_in)
        From :func:`ensprune.mlp.criteria.damped_hessian`.
    mask : ndarray of bool of shape (n_in, n_out)
        True for what stays.
    n_jobs : int, default=None
        Threads over output neurons.

    Returns
    -------
    ndarray of shape (n_in, n_out)
        Zero outside the mask.
    """
    check_arguments("reconstruct", n_jobs=n_jobs)
    W, H = _layer(W, H)
    return _solve_columns(W, H, check_mask(mask, W.shape), n_jobs)[0]


def obs_prune(
    W: np.ndarray,
    H: np.ndarray,
    n_zeros: int,
    mask: np.ndarray | None = None,
    n_rounds: int = 4,
    n_jobs: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Prune a layer by backward elimination with OBS scores and updates.

    Each round scores what is left of every output neuron with its own inverse of H, removes the
    lowest of the layer, and gives the rest its new values. Rounds of many weights instead of one
    keep the cost at a few Cholesky factors per output neuron.

    Parameters
    ----------
    W : ndarray of shape (n_in, n_out)
        Dense weights.
    H : ndarray of shape (n_in, n_in)
        From :func:`ensprune.mlp.criteria.damped_hessian`.
    n_zeros : int
        Entries of the layer to be zero in the end.
    mask : ndarray of bool of shape (n_in, n_out), default=None
        False for what is pruned already and stays so.
    n_rounds : int, default=4
        Rounds of elimination.
    n_jobs : int, default=None
        Threads over output neurons.

    Returns
    -------
    W : ndarray of shape (n_in, n_out)
    mask : ndarray of bool of shape (n_in, n_out)
    """
    check_arguments("obs_prune", n_zeros=n_zeros, n_rounds=n_rounds, n_jobs=n_jobs)
    W, H = _layer(W, H)
    mask = np.ones(W.shape, dtype=bool) if mask is None else check_mask(mask, W.shape)
    start = int((~mask).sum())
    for goal in np.linspace(start, max(n_zeros, start), n_rounds + 1)[1:].round().astype(int):
        scores = _solve_columns(W, H, mask, n_jobs, score=True)[1]
        mask = np.ones(W.size, dtype=bool)
        mask[np.argsort(scores, axis=None, kind="stable")[:goal]] = False
        mask = mask.reshape(W.shape)
    return _solve_columns(W, H, mask, n_jobs)[0], mask


def _layer(W: Any, H: Any) -> tuple[np.ndarray, np.ndarray]:
    """Weights and what their inputs have in common, as arrays that fit each other."""
    W = named_array(W, "W", dtype=np.float64)
    return W, named_array(H, "H", (len(W), len(W)), dtype=np.float64)


def _solve_columns(
    W: np.ndarray, H: np.ndarray, mask: np.ndarray, n_jobs: int | None, score: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    # Many small factorisations: threads inside each of them cost more than they give, many times
    # more on a busy machine. The limit ends with the block.
    with one_blas_thread():
        columns = Parallel(n_jobs=n_jobs, prefer="threads")(
            delayed(_solve_column)(W[:, j], H, mask[:, j], score) for j in range(W.shape[1])
        )
    return np.column_stack([w for w, _ in columns]), np.column_stack([s for _, s in columns])


def _solve_column(
    w: np.ndarray, H: np.ndarray, keep: np.ndarray, score: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    kept = np.flatnonzero(keep)
    solution = np.zeros(len(w))
    scores = np.full(len(w), -np.inf)
    if len(kept):
        # lower=0 everywhere: potri reads the same triangle that potrf wrote
        factor, failed = linalg.lapack.dpotrf(H[np.ix_(kept, kept)], lower=0, overwrite_a=1)
        pivots = np.diag(factor) ** 2
        if failed or not pivots.min() > len(pivots) * np.finfo(float).eps * pivots.max():
            raise ValueError(
                "X' X cannot be inverted: inputs are constant or depend on each other; give damping > 0."
            )
        if keep.all():
            solution[:] = w
        else:
            solution[kept], _ = linalg.lapack.dpotrs(factor, H[kept] @ w, lower=0)
        if score:
            inverse, _ = linalg.lapack.dpotri(factor, lower=0, overwrite_c=1)
            scores[kept] = solution[kept] ** 2 / (2 * np.diag(inverse))
    return solution, scores
