"""Cross-fitting: what clones of named learners say of the rows that they were fitted without."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import (
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.model_selection import cross_val_predict
from sklearn.utils.metadata_routing import _routing_enabled, process_routing

from .steps import last_step


def cross_fits(estimator: Any) -> bool:
    """Whether the members of an unfitted estimator can be judged out of fold.

    Those of voting models can, and of stacking models that cross-fit them anyway.
    """
    if isinstance(estimator, StackingClassifier | StackingRegressor):
        return not (isinstance(estimator.cv, str) and estimator.cv == "prefit")
    return isinstance(estimator, VotingClassifier | VotingRegressor)


def clone_to_fit(estimator: Any) -> Any:
    """An unfitted clone, in which stacked learners that come fitted (``cv="prefit"``) still are."""
    try:
        twin = clone(estimator)
    except RuntimeError:
        # CatBoost's constructors copy a list such as cat_features, which clone() takes for a fault.
        twin = copy.deepcopy(estimator)
    given, own = last_step(estimator)[1], last_step(twin)[1]
    if isinstance(given, StackingClassifier | StackingRegressor) and not cross_fits(given):
        own.estimators = given.estimators
    return twin


def cross_fitted(
    ensemble: Any,
    learners: Sequence[tuple[str, Any]],
    methods: Sequence[str],
    X: Any,
    labels: np.ndarray,
    sample_weight: np.ndarray | None,
    folds: list[Any],
) -> list[np.ndarray]:
    """What each learner says of each row, fitted without the fold of the row.

    Parameters
    ----------
    ensemble : object
        The voting or stacking model: it says how many jobs there are, and who is given weights.
    learners : sequence of (str, estimator)
        They are cloned.
    methods : sequence of str
        What each is asked.
    X : array-like of shape (n_samples, n_features)
    labels : ndarray of shape (n_samples,)
        As the ensemble fits its learners to them.
    sample_weight : ndarray of shape (n_samples,) or None
    folds : list of (ndarray of int, ndarray of int)
        Rows to fit on and rows left out; each row is left out once.

    Returns
    -------
    list of ndarray of shape (n_samples,) or (n_samples, n_columns)
    """
    return [
        cross_val_predict(
            clone(learner),
            X,
            labels,
            cv=folds,
            method=method,
            n_jobs=ensemble.n_jobs,
            params=_fit_params(ensemble, name, sample_weight),
        )
        for (name, learner), method in zip(learners, methods, strict=True)
    ]


def _fit_params(ensemble: Any, name: str, sample_weight: np.ndarray | None) -> dict[str, Any]:
    """What an ensemble hands on to the ``fit`` of a learner when it is given weights."""
    if sample_weight is None:
        return {}
    given = {"sample_weight": sample_weight}
    return process_routing(ensemble, "fit", **given)[name]["fit"] if _routing_enabled() else given
