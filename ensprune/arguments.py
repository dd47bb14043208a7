"""Arguments that several public calls take, checked alike; every error names the argument."""

from __future__ import annotations

import numbers
from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
from sklearn import get_config
from sklearn.utils import check_array, check_consistent_length, indexable
from sklearn.utils._param_validation import Interval, validate_parameter_constraints
from sklearn.utils.validation import (
    _check_sample_weight,
    _num_samples,
    assert_all_finite,
    column_or_1d,
)

# Constraints for scikit-learn's validate_params and _parameter_constraints.
N_JOBS = [
    Interval(numbers.Integral, None, -1, closed="right"),
    Interval(numbers.Integral, 1, None, closed="left"),
    None,
]
RANDOM_STATE = ["random_state"]
_POSITIVE = Interval(numbers.Real, 0, None, closed="neither")

# What ``validation`` says of rows given with a fitted ensemble.
SEEN_OR_NOT = ("auto", "oob")

_COUNTS = ("max_samples", "n_layers", "n_rounds", "n_steps")
_FLAGS = (
    "decay",
    "intercept",
    "margins",
    "out_of_bag",
    "refit",
    "relu",
    "return_certificate",
    "return_report",
)

# Of one kind whoever asks.
_KINDS: dict[str, list[Any]] = {
    "n_jobs": N_JOBS,
    "random_state": RANDOM_STATE,
    "epochs": [Interval(numbers.Integral, 0, None, closed="left")],
    "epsilon": [_POSITIVE, None],
    "learning_rate": [_POSITIVE, None],
    "mip_gap": [Interval(numbers.Real, 0, None, closed="left")],
    "n_zeros": [Interval(numbers.Integral, 0, None, closed="left")],
    "time_limit": [Interval(numbers.Real, 0, None, closed="right")],
    "weight_bound": [_POSITIVE],
    **{name: [Interval(numbers.Integral, 1, None, closed="left")] for name in _COUNTS},
    **{name: ["boolean"] for name in _FLAGS},
}


def check_arguments(caller: str, **given: Any) -> None:
    """Whether ``n_jobs``, ``random_state``, counts, limits and flags are what scikit-learn takes.

    Its own decorator for functions would put their name into errors of any estimator fitted inside.

    Parameters
    ----------
    caller : str
        Name of the function, for messages.
    **given : dict
        Arguments by name.

    Raises
    ------
    ValueError
        If one is of another kind, or out of range.
    """
    if not get_config()["skip_parameter_validation"]:
        allowed = {name: _KINDS[name] for name in given}
        validate_parameter_constraints(allowed, given, caller_name=caller)


def check_option(name: str, given: Any, allowed: Collection[str]) -> None:
    """Whether an option is one of the names allowed, whatever is given: an array, too.

    Parameters
    ----------
    name : str
        Of the argument.
    given : object
    allowed : collection of str

    Raises
    ------
    ValueError
        If it is none of them.
    """
    if not isinstance(given, str) or given not in allowed:
        names = list(allowed)
        choice = " or ".join(map(repr, names)) if len(names) < 3 else f"one of {names}"
        raise ValueError(f"{name}={given!r} is unknown; give {choice}")


def labelled_rows(
    X: Any, y: Any, sample_weight: Any = None, suffix: str = ""
) -> tuple[Any, np.ndarray, np.ndarray | None]:
    """Rows that can be indexed, their labels or values, and their weights.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
    sample_weight : array-like of shape (n_samples,), default=None
    suffix : str, default=""
        What the names of the three end in, in messages.

    Returns
    -------
    X : array-like
        As given, a list as an array.
    y : ndarray of shape (n_samples,)
    sample_weight : ndarray of shape (n_samples,) or None

    Raises
    ------
    TypeError
        If ``X`` has no rows, or weights are no numbers.
    ValueError
        If there are no rows, the lengths differ, a label is missing, values are not finite or
        complex, or weights are negative, not finite or all zero.
    """
    check_has_rows(X, f"X{suffix}")
    if getattr(getattr(X, "dtype", None), "kind", None) == "c":
        raise ValueError(f"Complex data not supported: X{suffix} holds complex numbers")
    y = labels_or_values(y, f"y{suffix}")
    check_as_many(X, y, suffix)
    X, y = indexable(X, y)
    if len(y) == 0:
        raise ValueError(f"X{suffix} has no rows; give at least one")
    if sample_weight is not None:
        sample_weight = row_weights(sample_weight, X, f"sample_weight{suffix}")
    return X, y, sample_weight


def check_has_rows(X: Any, name: str) -> None:
    """Whether something has rows, none of them perhaps.

    Raises
    ------
    TypeError
        If it has none, as a number or a ``DMatrix``.
    """
    try:
        _num_samples(X)
    except TypeError as error:
        raise TypeError(
            f"{name}={type(X).__name__} has no rows to choose from; give an array, a DataFrame "
            "or a sparse matrix (for a raw Booster, what its DMatrix was made of)"
        ) from error


def check_as_many(X: Any, y: Any, suffix: str = "") -> None:
    """Whether there are as many rows as labels or values; their names end in ``suffix``.

    Raises
    ------
    ValueError
        If there are not.
    """
    try:
        check_consistent_length(X, y)
    except ValueError as error:
        raise ValueError(
            f"X{suffix} must have a row for each of the {len(y)} labels or values in y{suffix}: {error}"
        ) from error


def labels_or_values(y: Any, name: str, several: bool = False) -> np.ndarray:
    """One label or value for each row; every row has one.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
    name : str
        Of the argument.
    several : bool, default=False
        Whether a row may have several, as those of a network.

    Returns
    -------
    ndarray of shape (n_samples,), or of (n_samples, n_outputs) if there are several

    Raises
    ------
    ValueError
        If they are none, or one is missing.
    """
    try:
        given = np.asarray(y)
    except ValueError as error:
        raise ValueError(f"{name} should be a 1d array: {error}") from error
    shape = given.shape
    if given.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {name} holds complex numbers")
    if len(shape) == 0:
        raise ValueError(f"{name} should be a 1d array, got {y!r}; give a label or value per row")
    if len(shape) == 2 and shape[1] > 1:
        if several:
            return named_array(given, name)
        raise ValueError(
            f"{name} should be a 1d array, got an array of shape {shape}: ensembles of several targets "
            "are not cut; give one target, and each an ensemble of its own"
        )
    y = column_or_1d(y, warn=not several)
    assert_all_finite(y, input_name=name)
    if y.dtype == object and pd.isna(y).any():
        raise ValueError(f"Input {name} contains None or NaN; give every row a label or value")
    if y.dtype == object:
        try:
            np.unique(y)
        except TypeError as error:
            kinds = ", ".join(sorted({type(label).__name__ for label in y}))
            raise ValueError(
                f"{name} mixes labels of types that have no order ({kinds}); make all of one type"
            ) from error
    return y


def row_weights(given: Any, X: Any, name: str) -> np.ndarray:
    """Weights of the rows, one of them above 0 at least."""
    wanted = f"{name} must hold a number of 0 or more for each of the {_num_samples(X)} rows"
    try:
        given = np.asarray(given)
        if given.dtype.kind == "c":
            raise ValueError("got complex numbers")
        if given.ndim == 0:  # of which scikit-learn takes infinity
            given = np.full(_num_samples(X), given, dtype=np.float64)
        weight = _check_sample_weight(given, X, ensure_non_negative=True)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{wanted}: {error}") from error
    if not weight.any():
        raise ValueError(f"{wanted}, and one above 0 at least")
    return weight


def values_of(y: np.ndarray) -> np.ndarray:
    """Target values of a regressor as float64.

    Raises
    ------
    ValueError
        If they are no numbers.
    """
    try:
        return np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"y must hold numbers for a regressor: {error}") from error


def named_array(
    given: Any, name: str, shape: tuple[int, ...] | None = None, **options: Any
) -> np.ndarray:
    """scikit-learn's ``check_array``, whose errors then name the argument.

    Parameters
    ----------
    given : object
    name : str
    shape : tuple of int, default=None
        What it must have; None is any.
    **options : dict
        Of ``check_array``.

    Raises
    ------
    ValueError
        If it is no such array.
    """
    try:
        found = check_array(given, input_name=name, **options)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is not the array wanted: {error}") from error
    if shape is not None and found.shape != shape:
        raise ValueError(f"{name} has shape {found.shape}, but must have {shape}")
    return found
