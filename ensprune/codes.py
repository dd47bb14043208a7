"""Classes of an estimator, and their codes: what says for sure that a sample is of a class."""

from __future__ import annotations

from typing import Any

import numpy as np


def classes_of(estimator: Any) -> np.ndarray | None:
    """The labels a fitted estimator knows, None of a regressor.

    Parameters
    ----------
    estimator : object
    """
    classes = getattr(estimator, "classes_", None)
    # CatBoost's regressors have classes, too: an empty list.
    return None if classes is None or len(classes) == 0 else classes


def one_hot(positions: np.ndarray, n_classes: int) -> np.ndarray:
    """Class positions as rows of which one is true.

    Parameters
    ----------
    positions : ndarray of shape (n_samples,), dtype int
    n_classes : int

    Returns
    -------
    ndarray of shape (n_classes, n_samples), dtype bool
    """
    return positions == np.arange(n_classes)[:, None]


def samme(hot: np.ndarray) -> np.ndarray:
    """AdaBoost's code of one-hot classes: 1 where true, ``-1 / (n_classes - 1)`` elsewhere.

    Twice the second row of two classes is what their ``decision_function`` adds up.

    Parameters
    ----------
    hot : ndarray of shape (n_classes, n_samples), dtype bool

    Returns
    -------
    ndarray of shape (n_classes, n_samples), dtype float64

    References
    ----------
    Zhu, Zou, Rosset & Hastie, "Multi-class AdaBoost", Statistics and Its Interface 2 (2009).
    """
    return np.where(hot, 1.0, -1.0 / (len(hot) - 1))
