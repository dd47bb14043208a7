"""What a programme for one layer is given: arrays that fit each other, and one goal."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import check_arguments, named_array
from .criteria import check_inputs
from .scopes import check_sparsity


def check_programme(
    caller: str, X: Any, target: Any, W: Any, sparsity: Any, epsilon: Any, **given: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return `X`, `target` and `W` as arrays of float64.

    Parameters
    ----------
    caller : str
        Name of the programme, for messages.
    X : array-like of shape (n_samples, n_in)
    target : array-like of shape (n_samples, n_out)
    W : array-like of shape (n_in, n_out)
    sparsity, epsilon : float or None
        One of which is asked for.
    **given : dict
        Other arguments by name, as :func:`~ensprune.arguments.check_arguments` takes them.

    Raises
    ------
    ValueError
        If an array is none or does not fit, both goals or none are given, or a number is out of range.
    """
    check_arguments(caller, epsilon=epsilon, **given)
    if (sparsity is None) == (epsilon is None):
        raise ValueError(
            f"{caller} takes either sparsity or epsilon, got sparsity={sparsity} and "
            f"epsilon={epsilon}."
        )
    if sparsity is not None:
        check_sparsity(sparsity, 1, "layer")
    W = named_array(W, "W", dtype=np.float64)
    X = check_inputs(W, X, caller)
    target = named_array(target, "target", (len(X), W.shape[1]), dtype=np.float64)
    return X, target, W
