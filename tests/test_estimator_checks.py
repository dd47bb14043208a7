"""scikit-learn's own checks of an estimator, over several base ensembles and selectors."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingRegressor,
    VotingClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks
from xgboost import XGBRegressor

from ensprune import EnsemblePruner
from ensprune.selectors import ILPSelector

LEARNERS = [
    ("tree", DecisionTreeClassifier(max_depth=2, random_state=0)),
    ("deep", DecisionTreeClassifier(max_depth=4, random_state=0)),
    ("line", LogisticRegression()),
]
REGRESSORS = [
    ("ridge", Ridge()),
    ("line", LinearRegression()),
    ("flat", Ridge(alpha=100.0)),
]


def pruner(ensemble: Any, target_size: Any = 2, **options: Any) -> EnsemblePruner:
    return EnsemblePruner(ensemble, target_size, random_state=0, **options)


PRUNERS = [
    EnsemblePruner(RandomForestClassifier(6, random_state=0), target_size=0.5),
    EnsemblePruner(RandomForestRegressor(6, random_state=0), target_size=3, selector="first"),
    pruner(GradientBoostingRegressor(n_estimators=6, random_state=0), 0.5),
    pruner(AdaBoostClassifier(n_estimators=6, random_state=0), 0.5),
    pruner(ExtraTreesRegressor(6, random_state=0), 0.1, selector="random", validation=0.4),
    pruner(
        RandomForestClassifier(5, max_depth=3, random_state=0),
        "auto",
        scoring="neg_log_loss",
        tolerance=0.1,
    ),
    pruner(RandomForestRegressor(5, max_depth=3, random_state=0), refine="weights"),
    pruner(ExtraTreesClassifier(5, max_depth=3, random_state=0), selector=ILPSelector()),
    pruner(BaggingClassifier(n_estimators=5, random_state=0), selector="ordering"),
    pruner(VotingClassifier(LEARNERS, voting="soft"), selector="weights"),
    pruner(StackingRegressor(REGRESSORS, Ridge(), cv=2), selector="cluster"),
    pruner(HistGradientBoostingRegressor(max_iter=4, min_samples_leaf=3)),
    pruner(XGBRegressor(n_estimators=4, max_depth=2, n_jobs=1)),
]

_ROWS = (
    "a weight of two is not a row given twice: rows are drawn for the bootstrap or split off for "
    "validation"
)
_XGBOOST = "predict is XGBoost's own, which says it in other words"


def expected_failures(pruner: EnsemblePruner) -> dict[str, str]:
    """The checks that cannot hold, and why."""
    failures = {
        "check_sample_weight_equivalence_on_dense_data": _ROWS,
        "check_sample_weight_equivalence_on_sparse_data": _ROWS,
    }
    if isinstance(pruner.estimator, XGBRegressor):
        failures |= {
            "check_n_features_in_after_fitting": _XGBOOST,
            "check_estimators_empty_data_messages": _XGBOOST,
            "check_fit2d_predict1d": _XGBOOST,
        }
    return failures


# XGBoost of sparse formats that it converts.
@pytest.mark.filterwarnings("ignore:Unknown data type")
@parametrize_with_checks(PRUNERS, expected_failed_checks=expected_failures)
def test_scikit_learn_checks(estimator, check):
    check(estimator)
