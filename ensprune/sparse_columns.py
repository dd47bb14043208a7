"""Columns of sparse rows, as words of texts: made comparable, and which go best with a target.

Nothing here makes a dense table of all of them; dense ones are in ``columns.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

# Values so many times as large as those usual in their column are outliers.
_FARTHEST = 5.0


@dataclass(frozen=True)
class SparseColumns:
    """Columns scaled so that rare ones count more than they are, and less than if they were standardised.

    Each is divided by the root of its standard deviation: half-way to columns that vary alike, where
    words that stand in a single text would drown all others.

    Parameters
    ----------
    most : ndarray of shape (n_features,)
        Absolute values are cut to these.
    deviation : ndarray of shape (n_features,)
    unit : float
        The root of the mean squared length of the scaled rows.
    """

    most: np.ndarray
    deviation: np.ndarray
    unit: float

    @classmethod
    def of(cls, rows: Any) -> SparseColumns:
        """All of rows, shape (n_samples, n_features)."""
        count = np.maximum(np.bincount(rows.indices, minlength=rows.shape[1]), 1)
        usual = np.sqrt(_sums(rows, _finite(rows.data) ** 2) / count)
        most = _FARTHEST * usual
        values = _cut(rows, most)
        mean = _sums(rows, values) / rows.shape[0]
        variance = _sums(rows, values**2) / rows.shape[0] - mean**2
        # Alike everywhere but for rounding.
        variance[variance <= 1e-12 * usual**2] = 0.0
        found = cls(most, np.sqrt(variance), 1.0)
        squares = (found(rows).data ** 2).sum() / rows.shape[0]
        return cls(found.most, found.deviation, float(np.sqrt(squares)) if squares > 0 else 1.0)

    @property
    def used(self) -> np.ndarray:
        """Positions of those that are not the same everywhere, shape (n_used,)."""
        return np.flatnonzero(self.deviation)

    def ranked(self, rows: Any, target: np.ndarray) -> np.ndarray:
        """Positions among those used, first what goes best with a centred target.

        Parameters
        ----------
        rows : csr matrix or array of shape (n_samples, n_features)
        target : ndarray of shape (n_samples, n_values)
            Times the weights of the rows.
        """
        values = _with(rows, _cut(rows, self.most))
        pull = np.linalg.norm(values.T @ target, axis=1)[self.used] / self.deviation[self.used]
        return np.argsort(-pull, kind="stable")

    def __call__(self, rows: Any) -> Any:
        """Them in other rows, shape (n_samples, n_features)."""
        scale = np.zeros(len(self.deviation))
        used = self.deviation > 0
        scale[used] = 1.0 / (self.unit * np.sqrt(self.deviation[used]))
        return _with(rows, _cut(rows, self.most) * scale[rows.indices])


def _with(rows: Any, values: np.ndarray) -> Any:
    """Other values at the places of the rows' own."""
    return type(rows)((values, rows.indices, rows.indptr), rows.shape)


def _finite(values: np.ndarray) -> np.ndarray:
    return np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)


def _cut(rows: Any, most: np.ndarray) -> np.ndarray:
    limit = most[rows.indices]
    return np.clip(_finite(rows.data), -limit, limit)


def _sums(rows: Any, values: np.ndarray) -> np.ndarray:
    """Of values at the places of the rows' own, for each column."""
    return np.bincount(rows.indices, values, minlength=rows.shape[1])
