"""Which rows a network is trained on, and which are kept aside to score it."""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import train_test_split


def hold_out(
    y: np.ndarray, share: float | None, stratify: bool, rng: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on and rows to score on; the same ones, all, where none can be spared.

    Parameters
    ----------
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
    share : float or None
        Of the rows, to be held out; None is none.
    stratify : bool
        Whether `y` has labels: then classes keep their shares, and none of them is held out whole.
    rng : RandomState

    Returns
    -------
    train, held : ndarray of int
    """
    everything = np.arange(len(y))
    if share is None:
        return everything, everything
    by_class = stratify and y.ndim == 1
    n_held = int(np.ceil(share * len(y)))
    if by_class:
        counts = np.unique(y, return_counts=True)[1]
        if counts.min() < 2 or n_held < len(counts) or len(y) - n_held < len(counts):
            return _sparing_classes(y, n_held, rng)
    n_held = max(2, n_held)  # R2 needs two rows
    if len(y) < n_held + 2:
        return everything, everything
    train, held = train_test_split(
        everything, test_size=n_held, stratify=y if by_class else None, random_state=rng
    )
    return train, held


def _sparing_classes(
    y: np.ndarray, n_held: int, rng: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """The same with too few of a class to have it on both sides: all of them are trained on."""
    everything = np.arange(len(y))
    first = np.unique(y, return_index=True)[1]
    spare = np.setdiff1d(everything, first)
    n_held = min(n_held, len(spare))
    if n_held == 0:
        return everything, everything
    held = np.sort(rng.choice(spare, n_held, replace=False))
    return np.setdiff1d(everything, held), held
