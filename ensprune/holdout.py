"""Rows in two parts: which ones an ensemble is trained on, and which judge its members."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split


def hold_out(y: Any, share: float, classifies: bool, random_state: Any) -> Iterable[np.ndarray]:
    """Split rows into a training and a validation part, as :func:`split_rows` does.

    Where a classifier's classes have too few rows to be on both sides, none is kept aside whole.

    Returns
    -------
    train, validation : ndarray of int
        Row positions.
    """
    train, held_out = split_rows(y, share, classifies, random_state)
    if not classifies:
        return train, held_out
    labels = np.asarray(y)[held_out]
    _, first = np.unique(labels, return_index=True)
    spared = first[~np.isin(labels[first], np.asarray(y)[train])]
    if len(spared) == len(held_out):
        return train, held_out
    return np.concatenate([train, held_out[spared]]), np.delete(held_out, spared)


def split_rows(y: Any, share: float, classifies: bool, random_state: Any) -> Iterable[np.ndarray]:
    """Draw rows for two parts, stratified for a classifier where its classes have enough rows.

    Returns
    -------
    rest, drawn : ndarray of int
        Row positions.

    Raises
    ------
    ValueError
        If one of the parts would be empty.
    """
    rows = np.arange(len(y))
    if len(y) < 2:
        raise ValueError(
            f"validation={share:g} holds out a share of the rows, but there is only {len(y)} sample; "
            "give at least 2, or X_val and y_val"
        )
    n_validation = int(np.ceil(share * len(y)))
    if n_validation == len(y):
        raise ValueError(
            f"validation={share:g} holds out all of the {len(y)} rows and leaves none to train on; "
            f"give at most {1 - 1 / len(y):.3g}, or X_val and y_val"
        )
    stratify = None
    if classifies:
        _, counts = np.unique(np.asarray(y), return_counts=True)
        enough = min(n_validation, len(y) - n_validation) >= len(counts)
        # A class with a single row cannot be on both sides.
        stratify = np.asarray(y) if counts.min() >= 2 and enough else None
    return train_test_split(rows, test_size=share, stratify=stratify, random_state=random_state)
