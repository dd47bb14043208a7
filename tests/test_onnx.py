"""A pruned estimator is a plain one to ONNX: converted, it predicts what it predicted."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from xgboost import XGBClassifier, XGBRegressor

from ensprune import prune, refine_leaves

skl2onnx = pytest.importorskip("skl2onnx", reason="needs the extra 'onnx'")
onnxmltools = pytest.importorskip("onnxmltools", reason="needs the extra 'onnx'")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")

FLOAT32 = 1e-5  # ONNX adds up in single precision


def data(task: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows that single precision holds exactly, so that no threshold lies between two readings."""
    if task == "regression":
        X, y = make_regression(600, 8, n_informative=5, noise=5.0, random_state=0)
        return X.astype(np.float32), y
    n_classes = 2 if task == "binary" else 3
    X, y = make_classification(600, 8, n_informative=5, n_classes=n_classes, random_state=1)
    return X.astype(np.float32), y


def graph_of(model, n_features: int):
    """A model in ONNX."""
    if type(model).__module__.startswith("sklearn."):
        options = {id(model): {"zipmap": False}} if hasattr(model, "classes_") else None
        example = np.zeros((1, n_features), dtype=np.float32)
        return skl2onnx.to_onnx(model, example, options=options)
    kind = onnxmltools.convert.common.data_types.FloatTensorType([None, n_features])
    library = type(model).__module__.partition(".")[0]
    return getattr(onnxmltools, f"convert_{library}")(model, initial_types=[("X", kind)])


def converted(model, n_features: int):
    """An onnxruntime session of a model."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # LightGBM's converter declares a label for one row only
    return onnxruntime.InferenceSession(graph_of(model, n_features).SerializeToString(), options)


def assert_same_in_onnx(model, X):
    session = converted(model, X.shape[1])
    found = session.run(None, {session.get_inputs()[0].name: X})
    if not hasattr(model, "classes_"):
        np.testing.assert_allclose(found[0].ravel(), model.predict(X), rtol=FLOAT32, atol=1e-3)
        return
    proba = found[1]
    if isinstance(proba, list):  # a dictionary for each row
        proba = np.array([[row[label] for label in model.classes_] for row in proba])
    np.testing.assert_allclose(proba, model.predict_proba(X), atol=FLOAT32)
    certain = np.sort(proba, axis=1)[:, -1] - np.sort(proba, axis=1)[:, -2] > FLOAT32
    np.testing.assert_array_equal(found[0][certain], model.predict(X)[certain])


ENSEMBLES = {
    "forest": (RandomForestClassifier(30, random_state=0), "multiclass"),
    "forest-binary": (RandomForestClassifier(30, random_state=0), "binary"),
    "forest-regression": (RandomForestRegressor(30, random_state=0), "regression"),
    "extra-trees-regression": (ExtraTreesRegressor(30, random_state=0), "regression"),
    "boosting": (GradientBoostingClassifier(n_estimators=30, random_state=0), "binary"),
    "xgboost": (XGBClassifier(n_estimators=30, max_depth=3, n_jobs=1), "multiclass"),
    "xgboost-binary": (XGBClassifier(n_estimators=30, max_depth=3, n_jobs=1), "binary"),
    "xgboost-regression": (XGBRegressor(n_estimators=30, max_depth=3, n_jobs=1), "regression"),
}


@pytest.mark.parametrize("name", ENSEMBLES)
def test_pruned_ensembles_predict_the_same(name):
    model, task = ENSEMBLES[name]
    X, y = data(task)
    full = model.fit(X[:300], y[:300])
    small = prune(full, X[300:], y[300:], target_size=8)
    assert_same_in_onnx(small, X)
    sizes = [len(graph_of(model, 8).SerializeToString()) for model in (full, small)]
    assert sizes[1] < 0.6 * sizes[0]


def test_pruned_lightgbm_predicts_the_same():
    lightgbm = pytest.importorskip("lightgbm", reason="needs the extra 'lightgbm'")
    X, y = data("multiclass")
    full = lightgbm.LGBMClassifier(n_estimators=30, n_jobs=1, verbose=-1).fit(X[:300], y[:300])
    assert_same_in_onnx(prune(full, X[300:], y[300:], target_size=8), X)


@pytest.mark.parametrize("kind", [RandomForestClassifier, RandomForestRegressor])
def test_refined_leaves_are_converted(kind):
    X, y = data("regression" if kind is RandomForestRegressor else "multiclass")
    forest = kind(8, min_samples_leaf=3, random_state=0).fit(X[:300], y[:300])
    assert_same_in_onnx(refine_leaves(forest, X[300:], y[300:]), X)
