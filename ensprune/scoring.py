"""Scorers that are given: what they must be, and that they can score these labels at all.

All of it before anything is fitted, which may take hours.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.metrics import check_scoring, get_scorer, roc_auc_score
from sklearn.metrics._scorer import _Scorer
from sklearn.utils._param_validation import validate_parameter_constraints

from .replay import Replay

# More are no labels, but numbers that a classifier will refuse.
_MOST_CLASSES = 1000


def as_scorer(scoring: Any, estimator: Any) -> Callable[..., float]:
    """A scorer from its name, or the callable itself.

    Parameters
    ----------
    scoring : str or callable
        Any scikit-learn scoring string or scorer callable.
    estimator : object
        What it is to score.

    Raises
    ------
    ValueError
        If there is no scorer of that name, or scikit-learn does not allow a keyword argument of its
        metric.
    TypeError
        If it is not called as a scorer is, with an estimator, rows and labels.
    """
    if isinstance(scoring, str):
        return get_scorer(scoring)
    check_metric_parameters(scoring)
    if not callable(scoring):
        raise TypeError(f"scoring={scoring!r} is neither a name nor a callable")
    try:
        inspect.signature(scoring).bind(estimator, None, None)
    except TypeError as error:
        raise TypeError(
            f"scoring={scoring!r} cannot be called as scoring(estimator, X, y): {error}; of a metric "
            "of true and predicted values sklearn.metrics.make_scorer makes a scorer"
        ) from error
    except ValueError:  # built-in, with a signature that nobody knows
        pass
    return check_scoring(estimator, scoring)


def check_metric_parameters(scorer: Any) -> None:
    """Let scikit-learn check the keyword arguments of its metric, as a call of it would.

    Raises
    ------
    ValueError
        If one is not allowed: scikit-learn's ``InvalidParameterError``.
    """
    metric: Any = getattr(scorer, "_score_func", None)
    constraints = getattr(metric, "_skl_parameter_constraints", None)
    if constraints is not None and not get_config()["skip_parameter_validation"]:
        validate_parameter_constraints(constraints, scorer._kwargs, caller_name=metric.__qualname__)


def check_answers(scorer: Any, estimator: Any) -> None:
    """Whether an unfitted estimator has a method that a scorer of scikit-learn asks for.

    Raises
    ------
    TypeError
        If it has none of them.
    """
    asked = getattr(scorer, "_response_method", ())
    asked = (asked,) if isinstance(asked, str) else tuple(asked)
    if not isinstance(scorer, _Scorer) or asked == ("default",):
        return
    if not hasattr(estimator, "predict"):
        return  # stacking with the default final estimator has no method before it is fitted
    if not any(hasattr(estimator, method) for method in asked):
        raise TypeError(
            f"scoring={scorer!r} asks for {' or '.join(asked)}, which "
            f"{type(estimator).__name__} does not have; give a metric of what it predicts"
        )


def check_scores(
    scorer: Any,
    scoring: Any,
    y: np.ndarray,
    known: np.ndarray | None = None,
    *,
    classifies: bool,
) -> None:
    """Whether a scorer of scikit-learn takes a classifier's labels, or a regressor's values.

    Of any other callable nobody knows what it looks at.

    Parameters
    ----------
    scorer : callable
    scoring : str or callable
        What it was called, for the message.
    y : ndarray of shape (n_samples,)
        The labels or values.
    known : ndarray, default=None
        All labels that a classifier knows, or will: ``y`` may lack some. None is those of ``y``.
    classifies : bool
        Whether they are labels.

    Raises
    ------
    ValueError
        If it does not: a metric of two classes for three, or for labels of which it does not know
        the positive one; a metric of classes, or of logarithms for values below zero.
    """
    if classifies:
        _check_scores_labels(scorer, scoring, y, known)
    else:
        _check_scores_values(scorer, scoring, y)


def _check_scores_labels(
    scorer: Any, scoring: Any, y: np.ndarray, known: np.ndarray | None
) -> None:
    """On two rows of each."""
    labels = np.unique(y)
    classes = labels if known is None else np.unique(known)
    if not np.isin(labels, classes).all():  # said elsewhere
        classes = labels
    metric = _scikit_learns_metric(scorer)
    if metric is None:
        return
    if len(labels) == 1 and metric is roc_auc_score:
        raise ValueError(
            f"scoring={scoring!r} cannot score these labels: all are {labels.tolist()[0]!r}, and "
            "the area under a curve needs rows of another class"
        )
    if len(labels) < 2 or len(classes) > _MOST_CLASSES:
        return
    # Warnings cannot be silenced for one thread alone, so there should be none: with two rows of
    # each label, one of them taken for the next label, nothing is divided by zero.
    told = np.column_stack([labels, np.roll(labels, 1)]).ravel()
    proba = 0.5 * np.eye(len(classes))[np.searchsorted(classes, told)] + 0.5 / len(classes)
    decision = proba[:, 1] - proba[:, 0] if len(classes) == 2 else proba
    answers = Replay(classes, predict=told, predict_proba=proba, decision_function=decision)
    try:
        scorer(answers, np.empty((len(told), 0)), np.repeat(labels, 2))
    except Warning:
        return  # an error by the filters in force, which real answers will meet, too
    except ValueError as error:
        advice = ""
        if "pos_label" in str(error):
            advice = (
                f"; name the positive class, make_scorer({metric.__name__}, pos_label="
                f"{classes.tolist()[1]!r}, ...), or encode the labels as 0 and 1"
            )
        missing = classes[~np.isin(classes, labels)].tolist()
        if missing:
            advice += f"; no row that judges members is of class {' or '.join(map(repr, missing))}"
        reason = str(error).rstrip(".")
        raise ValueError(
            f"scoring={scoring!r} cannot score these labels: {reason}{advice}"
        ) from error


def _check_scores_values(scorer: Any, scoring: Any, y: np.ndarray) -> None:
    """Whole numbers may be labels as well: nothing is said of those."""
    if _scikit_learns_metric(scorer) is None:
        return
    y = np.asarray(y)
    if y.dtype.kind != "f" or len(y) < 2 or (y == np.floor(y)).all():
        return
    # One value for all, as no metric minds, and above zero, as some have it.
    middle = float(np.partition(y, len(y) // 2)[len(y) // 2])
    answers = Replay(None, predict=np.full(len(y), middle if middle > 0 else 0.5))
    try:
        scorer(answers, np.empty((len(y), 0)), y)
    except (AttributeError, Warning):
        return  # asks for more than values, or warns of what is wrong only in an answer
    except ValueError as error:
        reason = str(error).rstrip(".")
        raise ValueError(
            f"scoring={scoring!r} cannot score these values: {reason}; give a metric of numbers such "
            "as these"
        ) from error


def _scikit_learns_metric(scorer: Any) -> Any:
    """The metric that a scorer of scikit-learn calls; None for any other callable or metric."""
    metric: Any = getattr(scorer, "_score_func", None)
    of_scikit_learn = str(getattr(metric, "__module__", "")).startswith("sklearn.metrics.")
    return metric if isinstance(scorer, _Scorer) and of_scikit_learn else None
