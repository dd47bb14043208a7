"""Which real rows meet to make synthetic ones: each with one of its nearest neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neighbors import NearestNeighbors

# Chance that a value is exchanged with the neighbour's: the paper tunes it by hand and finds it to
# matter little.
EXCHANGE = 0.5


def nearest_others(points: Any, n_neighbors: int, algorithm: str = "auto") -> np.ndarray:
    """The nearest other rows of each.

    Parameters
    ----------
    points : ndarray or csr matrix of shape (n_samples, n_features)
        Without missing values.
    n_neighbors : int
    algorithm : str, default="auto"
        Of :class:`~sklearn.neighbors.NearestNeighbors`.

    Returns
    -------
    ndarray of shape (n_samples, n_neighbors), dtype int
    """
    search = NearestNeighbors(n_neighbors=n_neighbors + 1, algorithm=algorithm).fit(points)
    found = search.kneighbors(points, return_distance=False)
    # Copies of a row may stand before the row itself, or crowd it out: the last one goes then.
    itself = found == np.arange(len(found))[:, None]
    itself[~itself.any(axis=1), -1] = True
    return found[~itself].reshape(len(found), n_neighbors)


def meetings(
    neighbours: np.ndarray, n_rows: int, rng: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Draw who meets whom: each row about as often as any other, with any of its neighbours.

    Parameters
    ----------
    neighbours : ndarray of shape (n_samples, n_neighbors)
    n_rows : int
        How many meetings.
    rng : RandomState

    Returns
    -------
    row, met : ndarray of shape (n_rows,), dtype int
    """
    n_samples, n_neighbors = neighbours.shape
    repeats = -(-n_rows // n_samples)
    row = np.concatenate([rng.permutation(n_samples) for _ in range(repeats)])[:n_rows]
    return row, neighbours[row, rng.randint(n_neighbors, size=n_rows)]
