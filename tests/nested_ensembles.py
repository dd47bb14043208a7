"""Ensembles with ensembles inside, fitted small: what deep pruning is tested on."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from families import data
from sklearn.ensemble import (
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier, XGBRegressor


def _classifiers() -> list[tuple[str, Any]]:
    return [
        ("forest", RandomForestClassifier(6, random_state=0)),
        ("xgb", XGBClassifier(n_estimators=5, max_depth=3, n_jobs=1)),
        ("bayes", GaussianNB()),
        (
            "boosting",
            make_pipeline(
                StandardScaler(), GradientBoostingClassifier(n_estimators=4, random_state=0)
            ),
        ),
    ]


def _regressors() -> list[tuple[str, Any]]:
    return [
        ("forest", RandomForestRegressor(6, random_state=0)),
        ("line", LinearRegression()),
        ("xgb", XGBRegressor(n_estimators=5, max_depth=3, n_jobs=1)),
        ("ada", AdaBoostRegressor(n_estimators=4, random_state=0)),
        ("boosting", GradientBoostingRegressor(n_estimators=4, random_state=0)),
    ]


def _voting_in_voting() -> Any:
    inside = VotingClassifier(
        [
            ("trees", ExtraTreesClassifier(4, random_state=0)),
            ("hist", HistGradientBoostingClassifier(max_iter=3)),
        ],
        voting="soft",
    )
    return VotingClassifier(
        [("inside", inside), ("forest", RandomForestClassifier(5, random_state=1))],
        voting="soft",
        weights=[2, 1],
    )


_MAKE: dict[str, tuple[str, Callable[[], Any]]] = {}
for _task in ("binary", "multiclass"):
    _MAKE |= {
        f"voting-soft-{_task}": (
            _task,
            lambda: VotingClassifier(_classifiers(), voting="soft", weights=[1, 2, 1, 3]),
        ),
        f"voting-hard-{_task}": (_task, lambda: VotingClassifier(_classifiers(), voting="hard")),
        f"voting-in-voting-{_task}": (_task, _voting_in_voting),
        f"stacking-{_task}": (
            _task,
            lambda: StackingClassifier(_classifiers(), LogisticRegression(max_iter=500), cv=2),
        ),
        f"bagging-{_task}": (
            _task,
            lambda: BaggingClassifier(
                RandomForestClassifier(4, random_state=0), 3, max_features=0.8, random_state=0
            ),
        ),
        f"pipeline-{_task}": (
            _task,
            lambda: make_pipeline(
                StandardScaler(), VotingClassifier(_classifiers(), voting="soft")
            ),
        ),
    }
_MAKE |= {
    "voting-regression": ("regression", lambda: VotingRegressor(_regressors())),
    "stacking-regression": (
        "regression",
        lambda: StackingRegressor(_regressors(), LinearRegression(), cv=2, passthrough=True),
    ),
    "bagging-regression": (
        "regression",
        lambda: BaggingRegressor(ExtraTreesRegressor(4, random_state=0), 3, random_state=0),
    ),
}

NESTED = sorted(_MAKE)


@cache
def nested(name: str) -> tuple[Any, np.ndarray, np.ndarray]:
    """A fitted ensemble, shared between tests that must not change it, and its rows."""
    task, make = _MAKE[name]
    X, y = data(task)
    return make().fit(X, y), X, y


def unfitted(name: str) -> Any:
    """The same, not fitted."""
    return _MAKE[name][1]()
