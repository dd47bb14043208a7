"""XGBoost's objectives: what a model predicts, given its margins, and what its leaves minimise."""

from __future__ import annotations

from typing import Any

import numpy as np
import xgboost

from ..link import Exp, Identity, Link, Logistic, LogisticValue, Softmax
from .xgboost_model import Layout

_LOGISTIC = ("binary:logistic", "reg:logistic")
_SOFTMAX = ("multi:softprob", "multi:softmax")
_SURVIVAL = "survival:"
_OTHER_LOSSES = (
    "reg:absoluteerror",
    "reg:pseudohubererror",
    "reg:quantileerror",
    "reg:expectileerror",
    "reg:squaredlogerror",
)
_EXP = ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft")


def link_of(estimator: Any, booster: xgboost.Booster, layout: Layout) -> Link:
    """How a model turns margins into predictions; its own objective decides, always.

    A callable objective of a scikit-learn estimator trains under a built-in one's name, and
    that one's transformation is what the estimator predicts with.

    Parameters
    ----------
    estimator : XGBModel or Booster
    booster : Booster
        What the estimator predicts with; the estimator itself, if that is a booster.
    layout : Layout
        Of the booster.

    Raises
    ------
    ValueError
        If the predictions are no labels, probabilities or numbers that members could add up to.
    """
    objective = layout.objective
    raw = isinstance(estimator, xgboost.Booster)
    name = type(estimator).__name__
    n_classes = getattr(estimator, "n_classes_", None)
    classifies = n_classes is not None or (raw and objective in ("binary:logistic", *_SOFTMAX))
    if n_classes == 1:
        raise ValueError(f"{name} was fitted on a single class: nothing to prune")
    if classifies and objective in _SOFTMAX:
        if n_classes == 2 and objective == "multi:softprob":
            raise ValueError(
                f"{name} with objective='multi:softprob' on two classes predicts indicator "
                "columns instead of labels; train with objective='binary:logistic'"
            )
        return Softmax()
    if layout.n_outputs > 1:
        raise ValueError(
            f"{name} with objective={objective!r} predicts {layout.n_outputs} numbers "
            "for a row; train a classifier, or one model for each"
        )
    if classifies and objective in _LOGISTIC:
        return Logistic()
    if classifies or objective == "binary:hinge":
        raise ValueError(
            f"{name} with objective={objective!r} has no class probabilities and thresholds "
            "what is none; train with objective='binary:logistic'"
        )
    if objective in _LOGISTIC:
        return LogisticValue()
    if objective in _EXP:
        return Exp()
    value, margin = (
        booster.inplace_predict(missing_row(booster), predict_type=kind)
        for kind in ("value", "margin")
    )
    if not np.array_equal(value, margin):
        raise ValueError(
            f"objective={objective!r} transforms the margin in a way that ensprune does not "
            "know; train with another objective"
        )
    return Identity()


def missing_row(booster: xgboost.Booster) -> np.ndarray:
    """A row of missing values, shape (1, n_features), dtype float32."""
    return np.full((1, booster.num_features()), np.nan, dtype=np.float32)


def refuse_other_losses(name: str, objective: str) -> None:
    """Refuse objectives whose leaves are no means, which squared error or likelihood would undo.

    Raises
    ------
    ValueError
        If the objective is one of those.
    """
    if objective in _OTHER_LOSSES or objective.startswith(_SURVIVAL):
        raise ValueError(
            f"{name} is fitted for {objective!r}; refitted leaf values minimise squared "
            "error or a log-likelihood and would undo that; keep its leaves (refine=None)"
        )
