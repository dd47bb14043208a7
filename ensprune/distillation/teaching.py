"""distill(): have a small student learn what an ensemble says, not what the labels say."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.utils import _safe_indexing, check_random_state, shuffle
from sklearn.utils.validation import _num_samples, check_is_fitted, has_fit_parameter

from ..arguments import check_arguments, check_has_rows
from ..members.steps import last_step
from .synthesis import munge

# With n_augment="auto", synthetic rows are made until there are so many rows ...
_ENOUGH_ROWS = 10_000
# ... but no more than this for each real one: they tell ever less that is new.
_MOST_PER_ROW = 9

# Where a student takes no weights, a row comes so many times, with labels in proportion.
_COPIES = 10

# Weight of a label in a row that the ensemble gives no chance: the student has to hear of it.
_WHISPER = 1e-6


def distill(
    estimator: Any,
    X: Any,
    student: Any,
    *,
    n_augment: int | str = "auto",
    random_state: Any = None,
) -> Any:
    """Fit a small student to what an ensemble predicts.

    Regressors learn the ensemble's predictions, classifiers its probabilities: a row is given once
    for each class, weighted with the ensemble's probability of it. Under log-loss or Gini
    impurity that is the same as learning the soft labels themselves, and for a boosted student the
    gradient is the difference of the two models' probabilities, so it is drawn to the ensemble's
    raw score (born-again training). A student whose ``fit`` takes no ``sample_weight`` gets each
    row 10 times instead, with labels in proportion to the probabilities.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier or regressor, of any kind. It is left as it was.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows, with or without known labels; those it was trained on will do.
    student : estimator
        An unfitted classifier or regressor of scikit-learn's interface, as the ensemble is: a tree,
        a small forest, a network, a pipeline that ends in one. It is cloned.
    n_augment : int or "auto", default="auto"
        Synthetic rows (MUNGE, see Notes) to add. ``"auto"`` fills up to 10,000 rows, with at most 9
        for each real one.
    random_state : int, RandomState instance or None, default=None
        Draws the synthetic rows and shuffles. The student keeps its own.

    Returns
    -------
    estimator
        The fitted student. A classifier's ``classes_`` are the ensemble's.

    Raises
    ------
    TypeError
        If the student is no classifier where the ensemble is one, or no regressor where it is one;
        or ``X`` is sparse and rows are to be added.
    ValueError
        If ``n_augment`` is out of range.
    sklearn.exceptions.NotFittedError
        If the ensemble is not fitted.

    Notes
    -----
    Synthetic rows mix a row with its nearest neighbour: numbers scatter around the neighbour's
    value, whole numbers and categories are exchanged. A student that counts rows, such as a tree
    with ``min_samples_leaf``, counts a row once per class; ``min_weight_fraction_leaf`` counts it
    once.

    References
    ----------
    Bucila, Caruana & Niculescu-Mizil, "Model compression", KDD 2006. Hinton, Vinyals & Dean,
    "Distilling the knowledge in a neural network" (2015). Breiman & Shang, "Born again trees"
    (1996).

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from ensprune import distill
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> forest = RandomForestClassifier(100, random_state=0).fit(X, y)
    >>> tree = distill(forest, X, DecisionTreeClassifier(max_leaf_nodes=16), random_state=0)
    >>> print(tree.get_n_leaves(), (tree.predict(X) == forest.predict(X)).mean() > 0.95)
    16 True
    """
    check_arguments("distill", random_state=random_state)
    for argument, given in (("estimator", estimator), ("student", student)):
        if isinstance(given, type):
            raise TypeError(f"{argument}={given.__name__} is a class; give an object of it")
    if not hasattr(estimator, "fit"):
        raise TypeError(
            f"estimator={type(estimator).__name__} is neither a classifier nor a regressor of "
            "scikit-learn's interface; give one that is fitted"
        )
    check_is_fitted(estimator)
    _check_student(estimator, student)
    check_has_rows(X, "X")
    n_samples = _num_samples(X)
    if isinstance(n_augment, str) and n_augment == "auto":
        n_rows = min(_MOST_PER_ROW * n_samples, max(0, _ENOUGH_ROWS - n_samples))
    elif (
        isinstance(n_augment, numbers.Integral)
        and not isinstance(n_augment, bool)
        and n_augment >= 0
    ):
        n_rows = int(n_augment)
    else:
        raise ValueError(f"n_augment={n_augment!r} must be 'auto' or an int, 0 or more")
    rng = check_random_state(random_state)
    parts = [X]
    if n_rows > 0:
        parts.append(munge(X, n_rows, rng))
    fitted = clone(student)
    if not is_classifier(estimator):
        answers = np.concatenate([np.asarray(estimator.predict(rows)) for rows in parts])
        return fitted.fit(_stacked(parts, np.arange(len(answers))), answers)
    answers = np.concatenate([_probabilities(estimator, rows) for rows in parts])
    name = _weight_parameter(student)
    if name is None:
        row, label = _in_proportion(answers)
        row, label = shuffle(row, label, random_state=rng)  # learners by batches want them mixed
        return fitted.fit(_stacked(parts, row), estimator.classes_[label])
    row, label, weight = _weighted(answers)
    row, label, weight = shuffle(row, label, weight, random_state=rng)
    return fitted.fit(_stacked(parts, row), estimator.classes_[label], **{name: weight})


def _check_student(estimator: Any, student: Any) -> None:
    name, learner = type(estimator).__name__, type(student).__name__
    for kind, is_kind in (("classifier", is_classifier), ("regressor", is_regressor)):
        if is_kind(estimator):
            if not hasattr(student, "fit") or not is_kind(student):
                raise TypeError(f"student={learner} is no {kind}, but {name} is; give a {kind}")
            return
    raise TypeError(f"{name} is neither a classifier nor a regressor; give one that is fitted")


def _probabilities(estimator: Any, X: Any) -> np.ndarray:
    """Class probabilities, shape (n_samples, n_classes); certain labels where there are none."""
    if hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict_proba(X), dtype=np.float64)
    return (np.asarray(estimator.predict(X))[:, None] == estimator.classes_).astype(np.float64)


def _weighted(answers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows once for each class with a chance there: row, class position, weight."""
    answers = answers.copy()
    best = answers.argmax(axis=0), np.arange(answers.shape[1])
    answers[best] = np.maximum(answers[best], _WHISPER)  # no class is left out
    row, label = np.nonzero(answers > 0)
    return row, label, answers[row, label]


def _in_proportion(answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows several times, labels in proportion by largest remainders: row, class position."""
    wanted = _COPIES * answers / answers.sum(axis=1, keepdims=True)
    counts = np.floor(wanted + 1e-9).astype(np.intp)
    order = np.argsort(-(wanted - counts), axis=1, kind="stable")
    missing = _COPIES - counts.sum(axis=1)
    extra = np.arange(answers.shape[1]) < missing[:, None]
    np.put_along_axis(counts, order, np.take_along_axis(counts, order, axis=1) + extra, axis=1)
    absent = np.flatnonzero(counts.sum(axis=0) == 0)
    counts[answers[:, absent].argmax(axis=0), absent] = 1
    row, label = np.nonzero(counts)
    times = counts[row, label]
    return np.repeat(row, times), np.repeat(label, times)


def _weight_parameter(student: Any) -> str | None:
    """What the student's ``fit`` calls the weights of rows, through pipelines; None without."""
    prefix, last = last_step(student)
    return f"{prefix}sample_weight" if has_fit_parameter(last, "sample_weight") else None


def _stacked(parts: list[Any], rows: np.ndarray) -> Any:
    """Rows of the parts laid under one another, of the kind of the first."""
    if len(parts) == 1:
        return _safe_indexing(parts[0], rows)
    if hasattr(parts[0], "iloc"):
        return pd.concat(parts, ignore_index=True).iloc[rows]
    return np.concatenate([np.asarray(part) for part in parts])[rows]
