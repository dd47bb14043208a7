"""Every ensemble family in every task it has, fitted small: what the laws are tested on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from xgboost import XGBClassifier, XGBRegressor

N_SAMPLES = 240


@dataclass(frozen=True)
class Family:
    """An unfitted ensemble and the task it is for."""

    name: str
    task: str  # "binary", "multiclass" or "regression"
    make: Callable[[], Any]
    carries_weights: bool = True
    single_precision: bool = False
    integer_labels: bool = False

    @property
    def id(self) -> str:
        return f"{self.name}-{self.task}"


@cache
def data(task: str, integer_labels: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Rows and labels; string labels unless the family wants integers."""
    if task == "regression":
        X, y = make_regression(N_SAMPLES, 8, n_informative=5, noise=5.0, random_state=0)
        return X, y + 1000.0
    n_classes = 2 if task == "binary" else 3
    X, y = make_classification(
        N_SAMPLES, 8, n_informative=5, n_classes=n_classes, flip_y=0.1, random_state=1
    )
    return X, y if integer_labels else np.array(["ash", "birch", "cedar"])[y]


def _learners() -> list[tuple[str, Any]]:
    return [
        ("stump", DecisionTreeClassifier(max_depth=2, random_state=0)),
        ("bayes", GaussianNB()),
        ("tree", DecisionTreeClassifier(max_depth=5, random_state=1)),
        ("line", LogisticRegression(max_iter=500)),
    ]


def _regressors() -> list[tuple[str, Any]]:
    return [
        ("stump", DecisionTreeRegressor(max_depth=2, random_state=0)),
        ("line", LinearRegression()),
        ("tree", DecisionTreeRegressor(max_depth=5, random_state=1)),
        ("deep", DecisionTreeRegressor(max_depth=8, random_state=2)),
    ]


_CLASSIFIERS: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "forest": (lambda: RandomForestClassifier(9, random_state=0), {}),
    "forest-leaf5": (
        lambda: RandomForestClassifier(9, min_samples_leaf=5, random_state=0),
        {},
    ),
    "extra-trees": (lambda: ExtraTreesClassifier(9, random_state=0), {}),
    "bagging": (lambda: BaggingClassifier(n_estimators=8, max_features=0.6, random_state=0), {}),
    "bagging-missed-class": (
        # A pipeline takes no sample weights, so each member really sees four rows only.
        lambda: BaggingClassifier(
            make_pipeline(DecisionTreeClassifier(random_state=0)),
            n_estimators=8,
            max_samples=4,
            random_state=3,
        ),
        {"carries_weights": False},
    ),
    "bagging-votes": (
        lambda: BaggingClassifier(LinearSVC(), n_estimators=6, random_state=0),
        {"carries_weights": False},
    ),
    "adaboost": (lambda: AdaBoostClassifier(n_estimators=8, random_state=0), {}),
    "boosting": (lambda: GradientBoostingClassifier(n_estimators=7, random_state=0), {}),
    "boosting-zero": (
        lambda: GradientBoostingClassifier(n_estimators=7, init="zero", random_state=0),
        {},
    ),
    "boosting-init": (
        lambda: GradientBoostingClassifier(n_estimators=7, init=GaussianNB(), random_state=0),
        {},
    ),
    "hist-boosting": (lambda: HistGradientBoostingClassifier(max_iter=7), {}),
    "voting-soft": (lambda: VotingClassifier(_learners(), voting="soft"), {}),
    "voting-hard": (
        lambda: VotingClassifier(_learners(), voting="hard", weights=[1.125, 2.25, 1.75, 0.5]),
        {},
    ),
    "stacking": (
        lambda: StackingClassifier(_learners(), LogisticRegression(max_iter=500), cv=3),
        {"carries_weights": False},
    ),
    "stacking-passthrough": (
        lambda: StackingClassifier(
            _learners(), LogisticRegression(max_iter=2000), cv=3, passthrough=True
        ),
        {"carries_weights": False},
    ),
    "pipeline": (
        lambda: make_pipeline(StandardScaler(), RandomForestClassifier(8, random_state=0)),
        {},
    ),
    "search": (
        lambda: GridSearchCV(
            RandomForestClassifier(8, random_state=0), {"max_depth": [2, 4]}, cv=2
        ),
        {},
    ),
    "calibrated": (
        lambda: CalibratedClassifierCV(RandomForestClassifier(5, random_state=0), cv=2),
        {},
    ),
    "calibrated-isotonic": (
        lambda: CalibratedClassifierCV(
            GradientBoostingClassifier(n_estimators=5, random_state=0), cv=2, method="isotonic"
        ),
        {},
    ),
    "calibrated-margins": (
        # Bagging of margins has a decision_function, which calibrators prefer to its votes.
        lambda: CalibratedClassifierCV(
            make_pipeline(StandardScaler(), BaggingClassifier(LinearSVC(), 4, random_state=0)), cv=2
        ),
        {"carries_weights": False},
    ),
    "xgboost": (
        lambda: XGBClassifier(n_estimators=7, max_depth=3, n_jobs=1, random_state=0),
        {"single_precision": True, "integer_labels": True},
    ),
}

_REGRESSORS: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "forest": (lambda: RandomForestRegressor(9, random_state=0), {}),
    "extra-trees": (
        lambda: ExtraTreesRegressor(9, bootstrap=True, random_state=0),
        {},
    ),
    "bagging": (lambda: BaggingRegressor(n_estimators=8, random_state=0), {}),
    "bagging-lines": (
        lambda: BaggingRegressor(
            LinearRegression(), n_estimators=6, max_features=0.5, random_state=0
        ),
        {"carries_weights": False},
    ),
    "adaboost": (lambda: AdaBoostRegressor(n_estimators=8, random_state=0), {}),
    "boosting": (
        lambda: GradientBoostingRegressor(n_estimators=7, loss="huber", random_state=0),
        {},
    ),
    "boosting-init": (
        lambda: GradientBoostingRegressor(n_estimators=7, init=LinearRegression(), random_state=0),
        {},
    ),
    "hist-boosting": (lambda: HistGradientBoostingRegressor(max_iter=7), {}),
    "hist-poisson": (lambda: HistGradientBoostingRegressor(max_iter=7, loss="poisson"), {}),
    "voting": (lambda: VotingRegressor(_regressors(), weights=[1, 2, 1, 3]), {}),
    "stacking": (
        lambda: StackingRegressor(_regressors(), LinearRegression(), cv=3),
        {"carries_weights": False},
    ),
    "pipeline": (
        lambda: make_pipeline(StandardScaler(), RandomForestRegressor(8, random_state=0)),
        {},
    ),
    "xgboost": (
        lambda: XGBRegressor(n_estimators=7, max_depth=3, n_jobs=1, random_state=0),
        {"single_precision": True},
    ),
}

# Optional libraries; those of the extra "test" are all there.
_LIGHTGBM = {"min_child_samples": 5, "num_leaves": 7, "n_jobs": 1, "random_state": 0, "verbose": -1}

if find_spec("lightgbm"):
    from lightgbm import LGBMClassifier, LGBMRegressor

    _LIGHTGBM_FOREST = {"boosting_type": "rf", "subsample": 0.6, "subsample_freq": 1, **_LIGHTGBM}
    _CLASSIFIERS["lightgbm"] = lambda: LGBMClassifier(n_estimators=7, **_LIGHTGBM), {}
    _CLASSIFIERS["averaging-lightgbm"] = (
        lambda: LGBMClassifier(n_estimators=7, **_LIGHTGBM_FOREST),
        {},
    )
    _REGRESSORS["lightgbm"] = lambda: LGBMRegressor(n_estimators=7, **_LIGHTGBM), {}
    _REGRESSORS["averaging-lightgbm"] = (
        lambda: LGBMRegressor(n_estimators=7, **_LIGHTGBM_FOREST),
        {},
    )

if find_spec("catboost"):
    from catboost import CatBoostClassifier, CatBoostRegressor

    _CATBOOST = {"depth": 4, "thread_count": 1, "random_seed": 0, "silent": True}
    _CATBOOST["allow_writing_files"] = False
    _CLASSIFIERS["catboost"] = lambda: CatBoostClassifier(n_estimators=7, **_CATBOOST), {}
    _REGRESSORS["catboost"] = lambda: CatBoostRegressor(n_estimators=7, **_CATBOOST), {}

BOOSTED = ("boosting", "hist", "xgboost", "lightgbm", "catboost")  # their names start so

FAMILIES = [
    Family(name, task, make, **options)
    for task in ("binary", "multiclass")
    for name, (make, options) in _CLASSIFIERS.items()
] + [Family(name, "regression", make, **options) for name, (make, options) in _REGRESSORS.items()]


@cache
def _fitted(family: Family) -> Any:
    X, y = data(family.task, family.integer_labels)
    return clone(family.make()).fit(X, y)


def fitted(family: Family) -> tuple[Any, np.ndarray, np.ndarray]:
    """The fitted ensemble, shared between tests that must not change it, and its rows."""
    X, y = data(family.task, family.integer_labels)
    return _fitted(family), X, y


def frozen(family: Family) -> tuple[Any, np.ndarray, np.ndarray]:
    """The same, frozen."""
    ensemble, X, y = fitted(family)
    return FrozenEstimator(ensemble), X, y
