"""Rows of a program by the sample that they are of."""

from __future__ import annotations

import numpy as np


def starts_of(owner: np.ndarray) -> np.ndarray:
    """Where the rows of each sample begin, given the sample of each row, sorted."""
    return np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]][: len(owner)])


def bundle(rows: np.ndarray, owner: np.ndarray) -> list[tuple[list[int], np.ndarray]]:
    """Samples with the same rows, together.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_members)
    owner : ndarray of shape (n_rows,)
        The sample of each row, sorted.

    Returns
    -------
    list of (samples, positions of the first sample's rows)
    """
    rows = np.ascontiguousarray(rows)
    if not len(rows):
        return []
    starts = starts_of(owner)
    seen: dict[bytes, tuple[list[int], np.ndarray]] = {}
    for start, end in zip(starts, np.r_[starts[1:], len(owner)]):
        entry = seen.setdefault(rows[start:end].tobytes(), ([], np.arange(start, end)))
        entry[0].append(int(owner[start]))
    return list(seen.values())
