"""Ensembles of MLPs: prune the weights of every member of a Bagging or Voting ensemble."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from ..arguments import labels_or_values, named_array
from .network import check_is_mlp, check_rows_fit
from .pruner import MLPPruner

_BAGGING = BaggingClassifier | BaggingRegressor
_VOTING = VotingClassifier | VotingRegressor


def prune_member_weights(ensemble: Any, X: Any, y: Any, pruner: MLPPruner) -> Any:
    """Return a copy of a fitted ensemble of MLPs whose members have sparse or narrow weights.

    Members can be dropped first: give the ensemble that a member pruner returned.

    Parameters
    ----------
    ensemble : BaggingClassifier, BaggingRegressor, VotingClassifier or VotingRegressor
        Fitted, every member an MLPClassifier or MLPRegressor; it is not changed.
    X : array-like of shape (n_samples, n_features)
        Rows that criteria and fine-tuning use, the same for every member (of a Bagging ensemble its
        own feature columns).
    y : array-like of shape (n_samples,)
        Their targets, in the ensemble's own labels.
    pruner : MLPPruner
        Its settings are used for each member; its `estimator` is ignored and it is not fitted.

    Returns
    -------
    ensemble : same class as given
        With pruned members; it needs nothing of ensprune to predict.

    Raises
    ------
    TypeError
        If the ensemble is of another class, a member is not an MLP, or `pruner` is not an MLPPruner.
    ValueError
        As :meth:`MLPPruner.fit`.
    """
    if not isinstance(ensemble, _BAGGING | _VOTING):
        raise TypeError(
            "ensemble must be a BaggingClassifier, BaggingRegressor, VotingClassifier or "
            f"VotingRegressor, got {type(ensemble).__name__}."
        )
    check_is_fitted(ensemble)
    for i, member in enumerate(ensemble.estimators_):
        check_is_mlp(member, f"ensemble.estimators_[{i}]")
    if not isinstance(pruner, MLPPruner):
        raise TypeError(f"pruner={pruner!r} must be an MLPPruner.")
    rows = named_array(X, "X", dtype=[np.float64, np.float32])
    classifies = hasattr(ensemble, "classes_")
    y = labels_or_values(y, "y", several=not classifies)
    check_rows_fit(rows, y, ensemble)
    if classifies:
        unseen = np.setdiff1d(y, ensemble.classes_)
        if len(unseen):
            raise ValueError(
                f"y holds labels unseen in training: {unseen[:10].tolist()}; the ensemble knows the "
                f"classes {ensemble.classes_.tolist()}."
            )
        # Both kinds of ensemble train their members on the positions of the classes.
        y = np.searchsorted(ensemble.classes_, y)
    columns = [slice(None)] * len(ensemble.estimators_)
    if isinstance(ensemble, _BAGGING):
        columns = ensemble.estimators_features_
    pruned = copy.copy(ensemble)
    for stale in ("oob_score_", "oob_decision_function_", "oob_prediction_"):
        pruned.__dict__.pop(stale, None)  # of the members before they were pruned
    pruned.estimators_ = [
        _prune_member(member, rows[:, features], y, pruner)
        for member, features in zip(ensemble.estimators_, columns)
    ]
    if isinstance(ensemble, _VOTING):
        names = [name for name, e in ensemble.estimators if e != "drop"]
        # The new members under their old names; "drop" entries stay.
        members = dict(ensemble.named_estimators_) | dict(zip(names, pruned.estimators_))
        pruned.named_estimators_ = Bunch(**members)
    return pruned


def _prune_member(member: Any, X: np.ndarray, y: np.ndarray, pruner: MLPPruner) -> Any:
    if hasattr(member, "classes_"):
        # A bootstrap sample may have missed a class; such rows are no use to this member.
        known = np.isin(y, member.classes_)
        X, y = X[known], y[known]
    names = getattr(member, "feature_names_in_", None)
    if names is not None:  # the rows here are arrays; scikit-learn would warn of missing names
        member = copy.copy(member)
        del member.feature_names_in_
    fitted = clone(pruner).set_params(estimator=FrozenEstimator(member)).fit(X, y)
    if names is not None:
        fitted.pruned_estimator_.feature_names_in_ = names
    return fitted.pruned_estimator_
