"""SHAP's TreeExplainer reads a pruned estimator like any other, and its values add up."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from xgboost import XGBClassifier, XGBRegressor

from ensprune import prune

with warnings.catch_warnings():
    # SHAP sets the colours of its plots when it is imported.
    warnings.filterwarnings("ignore", "The set_.* function will be deprecated")
    shap = pytest.importorskip("shap", reason="needs the extra 'shap'")


def data(task: str) -> tuple[np.ndarray, np.ndarray]:
    if task == "regression":
        return make_regression(400, 6, n_informative=5, noise=5.0, random_state=0)
    n_classes = 2 if task == "binary" else 3
    return make_classification(
        400, 6, n_informative=5, n_redundant=0, n_classes=n_classes, random_state=1
    )


def raw(model, X):
    """What a model's SHAP values add up to."""
    if isinstance(model, XGBClassifier | XGBRegressor):
        return model.predict(X, output_margin=True)
    if hasattr(model, "decision_function"):
        return model.decision_function(X)
    return model.predict_proba(X) if hasattr(model, "classes_") else model.predict(X)


ENSEMBLES = {
    "forest": (RandomForestClassifier(30, random_state=0), "multiclass"),
    "forest-regression": (RandomForestRegressor(30, random_state=0), "regression"),
    "boosting": (GradientBoostingClassifier(n_estimators=30, random_state=0), "binary"),
    "hist-boosting": (HistGradientBoostingRegressor(max_iter=30), "regression"),
    "xgboost": (XGBClassifier(n_estimators=30, max_depth=3, n_jobs=1), "multiclass"),
    "xgboost-binary": (XGBClassifier(n_estimators=30, max_depth=3, n_jobs=1), "binary"),
    "xgboost-regression": (XGBRegressor(n_estimators=30, max_depth=3, n_jobs=1), "regression"),
}


@pytest.mark.parametrize("name", ENSEMBLES)
def test_values_add_up_to_what_is_predicted(name):
    model, task = ENSEMBLES[name]
    X, y = data(task)
    small = prune(model.fit(X[:200], y[:200]), X[200:], y[200:], target_size=8)
    explanation = shap.TreeExplainer(small)(X[:30])
    total = explanation.values.sum(axis=1) + explanation.base_values
    predicted = raw(small, X[:30])
    np.testing.assert_allclose(total, predicted, atol=1e-5 * max(1.0, np.abs(predicted).max()))


def test_values_of_optional_families_add_up():
    lightgbm = pytest.importorskip("lightgbm", reason="needs the extra 'lightgbm'")
    catboost = pytest.importorskip("catboost", reason="needs the extra 'catboost'")
    X, y = data("multiclass")
    silent = {"allow_writing_files": False, "silent": True, "thread_count": 1}
    for model, raw_scores in (
        (lightgbm.LGBMClassifier(n_estimators=20, n_jobs=1, verbose=-1), {"raw_score": True}),
        (catboost.CatBoostClassifier(20, **silent), {"prediction_type": "RawFormulaVal"}),
    ):
        small = prune(model.fit(X[:200], y[:200]), X[200:], y[200:], target_size=6)
        explanation = shap.TreeExplainer(small)(X[:30])
        total = explanation.values.sum(axis=1) + explanation.base_values
        np.testing.assert_allclose(total, small.predict(X[:30], **raw_scores), atol=1e-10)
