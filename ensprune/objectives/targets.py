"""What averaged outputs, or what a link makes of summed ones, should be."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..codes import one_hot, samme
from ..combiner import Combiner
from ..link import Logistic, Softmax
from .base import class_positions


def squared_target(y: Any, combiner: Combiner) -> np.ndarray:
    """What averaged outputs should be: values, one-hot labels or SAMME codes.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels (as in ``combiner.classes``) or target values.
    combiner : Combiner

    Returns
    -------
    ndarray of shape (n_outputs, n_samples), dtype float64

    Raises
    ------
    ValueError
        If ``y`` has labels that the ensemble was not trained on.
    """
    if combiner.classes is None:
        return _values(y)
    hot = _hot(y, combiner.classes)
    if isinstance(combiner.link, Logistic):
        return 2.0 * samme(hot)[1:]
    return samme(hot) if isinstance(combiner.link, Softmax) else hot.astype(np.float64)


def link_target(y: Any, combiner: Combiner) -> np.ndarray:
    """What the link should make of a raw score: values, or one-hot labels.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels (as in ``combiner.classes``) or target values.
    combiner : Combiner

    Returns
    -------
    ndarray of shape (n_outputs, n_samples), dtype float64
        One row, of the second class, under the logistic link.

    Raises
    ------
    ValueError
        If ``y`` has labels that the ensemble was not trained on.
    """
    if combiner.classes is None:
        return _values(y)
    hot = _hot(y, combiner.classes).astype(np.float64)
    return hot[1:] if isinstance(combiner.link, Logistic) else hot


def _values(y: Any) -> np.ndarray:
    return np.asarray(y, dtype=np.float64)[None]


def _hot(y: Any, classes: np.ndarray) -> np.ndarray:
    return one_hot(class_positions(y, classes), len(classes))
