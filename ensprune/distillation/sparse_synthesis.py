"""Synthetic sparse rows from real ones: MUNGE for words of texts, in memory of what is not zero."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import config_context
from sklearn.utils import check_random_state

from .meeting import EXCHANGE, meetings, nearest_others

_MEGABYTES = 64  # of distances at a time


def munge_sparse(X: Any, n_rows: int, random_state: int | None, n_neighbors: int) -> Any:
    """Draw synthetic rows near the real ones.

    A row and one of its nearest neighbours meet; each value of the row, zero or not, is with a chance
    of a half replaced by the neighbour's. Both are zero almost everywhere: a text gets half of
    the words that only its neighbour has, and loses half of those that only it has.

    Parameters
    ----------
    X : csr matrix or array of shape (n_samples, n_features)
        At least 2 rows; without entries that stand twice.
    n_rows : int
        How many to draw; each real row is used about as often as any other.
    random_state : int or None
    n_neighbors : int
        The neighbour a row meets is one of its so many nearest.

    Returns
    -------
    csr matrix or array of shape (n_rows, n_features)
        Of the kind and dtype of ``X``.

    References
    ----------
    Bucila, Caruana & Niculescu-Mizil, "Model compression", KDD 2006, algorithm 1.
    """
    rng = check_random_state(random_state)
    n_features = X.shape[1]
    row, met = meetings(nearest_rows(X, n_neighbors), n_rows, rng)
    own, other = X[row].tocoo(), X[met].tocoo()
    where = np.concatenate(
        [pair.row.astype(np.int64) * n_features + pair.col for pair in (own, other)]
    )
    places, at = np.unique(where, return_inverse=True)
    exchanged = (rng.random(len(places)) < EXCHANGE)[at]
    from_other = np.arange(len(at)) >= own.nnz
    kept = exchanged == from_other
    values = np.concatenate([own.data, other.data])[kept]
    # scikit-learn's trees take no longer indices than they were fitted to.
    new = [index.astype(X.indices.dtype) for index in np.divmod(where[kept], n_features)]
    return type(X)((values, tuple(new)), (n_rows, n_features))


def nearest_rows(X: Any, n_neighbors: int) -> np.ndarray:
    """The nearest other rows of each, shape (n_samples, n_neighbors); what is missing is zero."""
    known = np.isfinite(X.data)
    if not known.all():
        X = type(X)((np.where(known, X.data, 0), X.indices, X.indptr), X.shape)
    with config_context(working_memory=_MEGABYTES):
        return nearest_others(X, n_neighbors, algorithm="brute")
