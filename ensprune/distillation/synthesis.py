"""Synthetic rows from real ones: MUNGE; nothing here knows a model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

from .meeting import EXCHANGE, meetings, nearest_others

# How narrowly numbers scatter around the neighbour's: the paper tunes that by hand, too.
_LOCALITY = 2.0


def munge(
    X: Any, n_rows: int, random_state: Any = None, n_neighbors: int = 1, scatter: bool = True
) -> Any:
    """Draw synthetic rows near the real ones.

    A row and its nearest neighbour, in standardised columns, meet; each value of the row is, with a
    chance of a half, replaced by one near the neighbour's: a number drawn from a normal
    distribution around it, whose standard deviation is half the distance between the two, cut to
    the range of the column; whole numbers and categories are taken over as they are. What two
    neighbours share stays, so columns keep their relations. A missing value is taken over, too.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_features)
        Real rows, at least 2.
    n_rows : int
        How many to draw; each real row is used about as often as any other.
    random_state : int, RandomState instance or None, default=None
    n_neighbors : int, default=1
        The neighbour a row meets is one of its so many nearest.
    scatter : bool, default=True
        Whether numbers scatter around the neighbour's; else they, too, are taken over as they are.

    Returns
    -------
    ndarray or DataFrame of shape (n_rows, n_features)
        Of the kind and dtypes of ``X``.

    Raises
    ------
    TypeError
        If ``X`` is sparse.
    ValueError
        If there are fewer than 2 rows, or no columns.

    References
    ----------
    Bucila, Caruana & Niculescu-Mizil, "Model compression", KDD 2006, algorithm 1.
    """
    if sparse.issparse(X):
        raise TypeError("sparse rows cannot be augmented; give n_augment=0, or a dense X")
    if np.ndim(X) != 2:
        raise ValueError(
            f"X has {np.ndim(X)} dimensions, and synthetic rows are made column by column; give an X "
            "of shape (n_samples, n_features), or n_augment=0"
        )
    if isinstance(X, pd.DataFrame):
        columns = [X.iloc[:, position] for position in range(X.shape[1])]
    else:
        X = np.asarray(X)
        # Columns of numbers stay arrays: a thousand Series take seconds.
        numeric = X.dtype.kind in "biuf"
        columns = list(X.T) if numeric else [pd.Series(column) for column in X.T]
    if len(X) < 2:
        raise ValueError(
            f"X has {len(X)} rows; augmentation needs at least 2: give more, or n_augment=0"
        )
    rng = check_random_state(random_state)
    row, met = meetings(_neighbours(columns, n_neighbors), n_rows, rng)
    drawn = [_mixed(column, row, met, scatter, rng) for column in columns]
    if isinstance(X, pd.DataFrame):
        result = pd.DataFrame(dict(enumerate(drawn)))
        result.columns = X.columns
        return result
    return np.column_stack(drawn).astype(X.dtype, copy=False)


def _mixed(
    column: Any, row: np.ndarray, met: np.ndarray, scatter: bool, rng: np.random.RandomState
) -> Any:
    """New values of one column (Series or array) for rows and the neighbours they met."""
    exchanged = rng.random(len(row)) < EXCHANGE
    continuous = scatter and _is_continuous(column)
    if isinstance(column, np.ndarray):
        own, other = column[row], column[met]
        if continuous:
            other = _drawn_between(own, other, column, rng).astype(column.dtype)
        return np.where(exchanged, other, own)
    own, other = column.iloc[row], column.iloc[met]
    if continuous:
        drawn = _drawn_between(own.to_numpy(), other.to_numpy(), column.to_numpy(), rng)
        other = pd.Series(drawn, index=other.index).astype(column.dtype)
    taken = own.reset_index(drop=True).where(~exchanged, other.reset_index(drop=True))
    return taken.astype(column.dtype)


def _drawn_between(
    own: np.ndarray, other: np.ndarray, column: np.ndarray, rng: np.random.RandomState
) -> np.ndarray:
    """Numbers around the neighbour's, as far as it is from the row's own."""
    noise = rng.normal(size=len(own))
    distance = np.where(np.isnan(own), 0.0, np.abs(own - other))
    # A row between two values is likelier than one beyond all that were ever seen.
    return np.clip(other + noise * distance / _LOCALITY, np.nanmin(column), np.nanmax(column))


def _is_continuous(column: Any) -> bool:
    """Whether a column has numbers other than whole ones."""
    if not pd.api.types.is_float_dtype(column.dtype):
        return False
    values = np.asarray(column, dtype=np.float64)
    values = values[np.isfinite(values)]
    return bool((values != np.round(values)).any())


def numbers(column: pd.Series, known: pd.Series) -> np.ndarray:
    """A column as numbers, NaN where it is missing, shape (n_samples,).

    Categories and words become their position among the sorted ones in ``known``, NaN if they are
    not among these.
    """
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    values = pd.Index(known.astype("string").dropna().unique()).sort_values()
    codes = values.get_indexer(column.astype("string"))
    return np.where(codes < 0, np.nan, codes)


def _neighbours(columns: list[Any], n_neighbors: int) -> np.ndarray:
    """The nearest other rows of each, shape (n_samples, n_neighbors)."""
    table = np.column_stack(
        [
            column if isinstance(column, np.ndarray) else numbers(column, column)
            for column in columns
        ]
    ).astype(np.float64)
    missing = np.isnan(table)
    for position in np.flatnonzero(missing.any(axis=0)):
        known = table[~missing[:, position], position]
        table[missing[:, position], position] = np.median(known) if len(known) else 0.0
    return nearest_others(StandardScaler().fit_transform(table), n_neighbors)
