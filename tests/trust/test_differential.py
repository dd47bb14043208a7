"""Against public ground truth: what the libraries themselves say of the first stages of a model."""

from __future__ import annotations

from functools import cache

import lightgbm
import numpy as np
import pytest
from families import data
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from xgboost import XGBClassifier, XGBRegressor

from ensprune.members import open_members

N_STAGES = 9
TASKS = ("binary", "multiclass", "regression")
STAGED = {
    "adaboost": (AdaBoostClassifier, AdaBoostRegressor, "n_estimators"),
    "boosting": (GradientBoostingClassifier, GradientBoostingRegressor, "n_estimators"),
    "hist": (HistGradientBoostingClassifier, HistGradientBoostingRegressor, "max_iter"),
}


@cache
def staged(name: str, task: str):
    classifier, regressor, size = STAGED[name]
    X, y = data(task)
    kind = regressor if task == "regression" else classifier
    return kind(**{size: N_STAGES}, random_state=0).fit(X, y), X


@pytest.mark.parametrize("size", range(1, N_STAGES + 1))
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", STAGED)
def test_first_stages_predict_as_scikit_learn_stages_them(name, task, size):
    ensemble, X = staged(name, task)
    small = open_members(ensemble).subset(range(size))
    pairs = [("predict", "staged_predict")]
    if task != "regression":
        pairs += [
            ("predict_proba", "staged_predict_proba"),
            ("decision_function", "staged_decision_function"),
        ]
    for method, by_stage in pairs:
        expected = list(getattr(ensemble, by_stage)(X))[size - 1].reshape(-1)
        got = getattr(small, method)(X).reshape(-1)  # stages of two classes are a column
        if expected.dtype.kind == "f":
            np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)
        else:
            np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("size", [1, 4, N_STAGES])
@pytest.mark.parametrize("booster", ["gbtree", "dart"])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.filterwarnings("ignore:.*booster=dart. is deprecated")
def test_first_rounds_predict_as_xgboost_slices_them(task, booster, size):
    X, y = data(task, integer_labels=True)
    kind = XGBRegressor if task == "regression" else XGBClassifier
    model = kind(n_estimators=N_STAGES, max_depth=3, n_jobs=1, booster=booster).fit(X, y)
    method = "predict" if task == "regression" else "predict_proba"
    small = open_members(model).subset(range(size))
    expected = getattr(model, method)(X, iteration_range=(0, size))
    np.testing.assert_allclose(getattr(small, method)(X), expected, rtol=1e-6, atol=1e-6)
    sliced = model.get_booster()[:size].inplace_predict(X, predict_type="margin")
    margin = small.get_booster().inplace_predict(X, predict_type="margin")
    np.testing.assert_allclose(margin, sliced, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [1, 4, N_STAGES])
@pytest.mark.parametrize("task", TASKS)
def test_first_iterations_predict_as_lightgbm_says(task, size):
    X, y = data(task, integer_labels=True)
    kind = lightgbm.LGBMRegressor if task == "regression" else lightgbm.LGBMClassifier
    model = kind(n_estimators=N_STAGES, num_leaves=7, n_jobs=1, verbose=-1).fit(X, y)
    method = "predict" if task == "regression" else "predict_proba"
    small = open_members(model).subset(range(size))
    expected = getattr(model, method)(X, num_iteration=size)
    np.testing.assert_allclose(getattr(small, method)(X), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("size", [1, 5, 12])
@pytest.mark.parametrize("task", TASKS)
def test_the_first_trees_are_a_forest_grown_that_small(task, size):
    X, y = data(task)
    kind = RandomForestRegressor if task == "regression" else RandomForestClassifier
    small = open_members(kind(12, random_state=0).fit(X, y)).subset(range(size))
    grown = kind(size, random_state=0).fit(X, y)
    method = "predict" if task == "regression" else "predict_proba"
    np.testing.assert_array_equal(getattr(small, method)(X), getattr(grown, method)(X))
