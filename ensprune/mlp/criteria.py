"""Criteria: a score for every weight of one dense layer; low scores are pruned first.

What the scores are turned into is the business of scopes (which weights) and schedules (when).
"""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from scipy import linalg
from sklearn.utils import check_random_state

from ..arguments import check_option, named_array

WEIGHT_CRITERIA = ("magnitude", "l2", "random", "taylor", "wanda", "obs")
NEEDS_INPUTS = frozenset({"wanda", "obs"})
NEEDS_GRADIENTS = frozenset({"taylor"})


def weight_scores(
    W: Any,
    X: Any = None,
    G: Any = None,
    criterion: str = "magnitude",
    *,
    damping: float = 0.01,
    random_state: Any = None,
) -> np.ndarray:
    """Score every weight of a dense layer ``X @ W``; the lowest scores are pruned first.

    Parameters
    ----------
    W : array-like of shape (n_in, n_out)
        The layer's weights, laid out as scikit-learn's ``coefs_``.
    X : array-like of shape (n_samples, n_in), default=None
        What enters the layer. Needed by "wanda" and "obs".
    G : array-like of shape (n_in, n_out), default=None
        Derivative of the loss by each weight. Needed by "taylor". `MLPPruner` gives the mean over
        samples of its absolute value, since the paper averages each sample's absolute value.
    criterion : {"magnitude", "l2", "random", "taylor", "wanda", "obs"}, default="magnitude"
        - "magnitude": ``|w|`` (L1) [1]_;
        - "l2": ``w ** 2``; it ranks single weights as "magnitude" does, and whole neurons
          differently;
        - "random": uniform on [0, 1), the baseline;
        - "taylor": ``|w * g|``, the first-order change of the loss [2]_;
        - "wanda": ``|w_ij| * ||x_i||_2`` [3]_;
        - "obs": ``w_ij ** 2 / (2 [H^-1]_ii)`` with ``H = X' X / n_samples`` damped: the rise of the
          layer's squared output error if this weight goes and the others adapt [4]_.
    damping : float, default=0.01
        Share of the mean diagonal of ``H`` that is added to it ("obs" only).
    random_state : int, RandomState instance or None, default=None
        For criterion="random".

    Returns
    -------
    scores : ndarray of shape (n_in, n_out), dtype float64
        Non-negative.

    Raises
    ------
    ValueError
        If `criterion` is unknown, needs `X` or `G` and did not get it, if shapes disagree, or if
        any value is NaN or infinite.

    References
    ----------
    .. [1] Han, Pool, Tran & Dally, Learning both weights and connections for efficient neural
       networks, NeurIPS 2015.
    .. [2] Molchanov, Tyree, Karras, Aila & Kautz, Pruning convolutional neural networks for
       resource efficient inference, ICLR 2017.
    .. [3] Sun, Liu, Bair & Kolter, A simple and effective pruning approach for large language
       models, ICLR 2024.
    .. [4] Hassibi & Stork, Second order derivatives for network pruning: optimal brain surgeon,
       NeurIPS 1992; its layer-wise form: Dong, Chen & Pan, NeurIPS 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from ensprune.mlp import weight_scores
    >>> W = np.array([[1.0, -2.0], [3.0, 0.5]])
    >>> weight_scores(W, X=np.array([[3.0, 0.0], [4.0, 1.0]]), criterion="wanda")
    array([[ 5. , 10. ],
           [ 3. ,  0.5]])
    """
    W = named_array(W, "W", dtype=np.float64)
    check_option("criterion", criterion, WEIGHT_CRITERIA)
    if criterion in NEEDS_INPUTS:
        X = check_inputs(W, X, f"criterion={criterion!r}")
    if criterion in NEEDS_GRADIENTS:
        if G is None:
            raise ValueError(
                f"criterion={criterion!r} needs gradients: give G, the derivative of the loss by each "
                f"weight, of shape {W.shape}."
            )
        G = named_array(G, "G", dtype=np.float64)
        if G.shape != W.shape:
            raise ValueError(f"G has shape {G.shape}, but must have the shape of W, {W.shape}.")
        return np.abs(W * G)
    if criterion == "magnitude":
        return np.abs(W)
    if criterion == "l2":
        return W**2
    if criterion == "random":
        return check_random_state(random_state).uniform(size=W.shape)
    if criterion == "wanda":
        return np.abs(W) * np.linalg.norm(X, axis=0)[:, None]
    H = damped_hessian(X, damping)
    alive = np.einsum("ij,ij->j", X, X) > 0  # an input that is always 0 carries nothing at all
    curvature = 1.0 / np.diag(linalg.inv(H))
    return np.where(alive[:, None], W**2 * curvature[:, None] / 2, 0.0)


def check_inputs(W: np.ndarray, X: Any, asked_by: str) -> np.ndarray:
    """Return `X` as a float array that fits `W`, or raise ValueError naming who needs it."""
    if X is None:
        raise ValueError(
            f"{asked_by} needs data: give X, what enters the layer, of shape (n_samples, {W.shape[0]})."
        )
    X = named_array(X, "X", dtype=np.float64)
    if X.shape[1] != W.shape[0]:
        raise ValueError(
            f"X has {X.shape[1]} columns, but W has {W.shape[0]} rows; a layer computes X @ W."
        )
    return X


def damped_hessian(X: np.ndarray, damping: float = 0.01) -> np.ndarray:
    """Return ``X' X / n_samples`` of shape (n_in, n_in) with a share of its mean diagonal added.

    The damping keeps the inverse finite where inputs are constant or collinear.
    """
    if not (isinstance(damping, Real) and 0 <= damping < np.inf):
        raise ValueError(f"damping={damping!r} must be finite and at least 0.")
    H = X.T @ X / len(X)
    mean_diagonal = np.trace(H) / len(H)
    H[np.diag_indices_from(H)] += damping * mean_diagonal if mean_diagonal > 0 else 1.0
    return H
