"""Rows that are texts: as counts of their words, and synthetic ones from real ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.utils import check_random_state

from .meeting import EXCHANGE, meetings
from .sparse_synthesis import nearest_rows

# Words share a column by chance only.
_COLUMNS = 1 << 18


def texts_of(X: Any) -> np.ndarray | None:
    """Texts from a list, a one-dimensional array or a Series of them; None if it is something else.

    Returns
    -------
    ndarray of shape (n_samples,), dtype object
    """
    in_array = isinstance(X, np.ndarray) and X.ndim == 1
    if not (isinstance(X, list) or in_array or type(X).__name__ == "Series"):
        return None
    texts = list(X)
    if not texts or not all(isinstance(text, str) for text in texts):
        return None
    found = np.empty(len(texts), dtype=object)
    found[:] = texts
    return found


def like(texts: np.ndarray, kind: Any) -> Any:
    """Texts as a list, an array or a Series, as those of ``kind`` are."""
    if isinstance(kind, list):
        return texts.tolist()
    if isinstance(kind, np.ndarray):
        return texts.astype(kind.dtype.kind)
    if isinstance(kind, pd.Series):
        # New texts are in no categories.
        dtype = object if isinstance(kind.dtype, pd.CategoricalDtype) else kind.dtype
        return pd.Series(texts, dtype=dtype, name=kind.name)
    return type(kind)(values=texts.tolist())


def word_counts(texts: np.ndarray) -> sparse.csr_matrix:
    """How often each word is in each text, relative to its length; shape (n_texts, n_words).

    Nothing is learnt from the texts: no other text says what a column is.
    """
    return HashingVectorizer(n_features=_COLUMNS, alternate_sign=False).transform(texts)


def munge_texts(
    texts: np.ndarray, n_rows: int, random_state: int | None, n_neighbors: int
) -> np.ndarray:
    """Draw synthetic texts near the real ones.

    As :func:`munge_sparse` of how often they have each word: a text loses half of its words and gets,
    at its end, a half of those of one of its nearest neighbours, in their order; of a word that
    both have, one's or the other's.

    Parameters
    ----------
    texts : ndarray of shape (n_samples,), dtype object
        At least 2.
    n_rows : int
        How many to draw; each real text is used about as often as any other.
    random_state : int or None
    n_neighbors : int
        The neighbour a text meets is one of its so many nearest.

    Returns
    -------
    ndarray of shape (n_rows,), dtype object
    """
    rng = check_random_state(random_state)
    row, met = meetings(nearest_rows(word_counts(texts), n_neighbors), n_rows, rng)
    words = [text.split() for text in texts]
    drawn = np.empty(n_rows, dtype=object)
    drawn[:] = [_mixed(words[own], words[other], rng) for own, other in zip(row, met, strict=True)]
    return drawn


def _mixed(own: list[str], other: list[str], rng: np.random.RandomState) -> str:
    known = list(dict.fromkeys([*own, *other]))
    exchanged = dict(zip(known, rng.random(len(known)) < EXCHANGE, strict=True))
    kept = [word for word in own if not exchanged[word]]
    return " ".join(kept + [word for word in other if exchanged[word]])
