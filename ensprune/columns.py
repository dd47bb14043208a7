"""Columns of a table of numbers, made comparable; which of very many go best with a target.

What is made of them is for the teachers, ``boosted.py`` and ``kernel_ridge.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

# Beyond so many standard deviations a value is an outlier.
_FARTHEST = 5.0

_BLOCK = 1 << 22  # values at a time


@dataclass(frozen=True)
class Columns:
    """Columns that are not alike in all rows: standardised, missing values at the median.

    Parameters
    ----------
    used : ndarray of shape (n_used,), dtype int
        Their positions.
    median, mean, deviation : ndarray of shape (n_used,)
    """

    used: np.ndarray
    median: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray) -> Columns:
        """All of rows, shape (n_samples, n_features), but those that are the same everywhere."""
        parts = [cls._among(rows[:, some], some.start) for some in _some_at_a_time(rows)]
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    @classmethod
    def _among(cls, rows: np.ndarray, begin: int) -> Columns:
        known = np.where(np.isfinite(rows), rows, np.nan).astype(np.float64)
        known[:, np.isnan(known).all(axis=0)] = 0.0
        median = np.nanmedian(known, axis=0)
        known = np.where(np.isnan(known), median, known)
        mean, deviation = known.mean(axis=0), known.std(axis=0)
        # Neither alike but for the rounding of their mean nor too small to be squared.
        used = np.flatnonzero((known.min(axis=0) < known.max(axis=0)) & (deviation > 0))
        return cls(begin + used, median[used], mean[used], deviation[used])

    def __len__(self) -> int:
        return len(self.used)

    def take(self, some: np.ndarray | slice) -> Columns:
        """Some of them, by position among these."""
        return Columns(*(getattr(self, field.name)[some] for field in fields(self)))

    def ranked(self, rows: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Positions among these, first what goes best with a centred target.

        Parameters
        ----------
        rows : ndarray of shape (n_samples, n_features)
        target : ndarray of shape (n_samples, n_values)
            Times the weights of the rows.
        """
        pulls = [
            np.linalg.norm(self.take(some)(rows).T @ target, axis=1)
            for some in _some_at_a_time(rows, len(self))
        ]
        return np.argsort(-np.concatenate(pulls), kind="stable")

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Them in other rows, shape (n_samples, n_used)."""
        rows = rows[:, self.used]
        known = np.where(np.isfinite(rows), rows, self.median)
        return np.clip((known - self.mean) / self.deviation, -_FARTHEST, _FARTHEST)


def _some_at_a_time(rows: np.ndarray, n_columns: int | None = None) -> list[slice]:
    """All columns in slices: of very many no copy is made at once."""
    n_columns = rows.shape[1] if n_columns is None else n_columns
    step = max(_BLOCK // len(rows), 1)
    return [slice(begin, begin + step) for begin in range(0, max(n_columns, 1), step)]
