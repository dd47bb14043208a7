"""Copies of fitted estimators that share what does not change."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import numpy as np


def shallow_copy(estimator: Any, *, without: Iterable[str] = (), **changed: Any) -> Any:
    """A copy of a fitted estimator that shares all attributes but those changed or dropped.

    Constructor parameters that are lists or arrays stay shared: nobody writes to them.
    """
    result = copy.copy(estimator)
    # Methods kept as attributes (histogram boosting that stopped early by a scorer has one) are the
    # original's, which would go on predicting in the place of the copy.
    bound = [
        name for name, own in vars(estimator).items() if getattr(own, "__self__", 0) is estimator
    ]
    for name in (*without, *bound):
        result.__dict__.pop(name, None)
    for name, own in vars(result).items():
        # Draws move it on, and a refit draws.
        if name not in changed and isinstance(own, np.random.RandomState | np.random.Generator):
            result.__dict__[name] = copy.deepcopy(own)
    for name, value in changed.items():
        setattr(result, name, value)
    return result
