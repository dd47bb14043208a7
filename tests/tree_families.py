"""Ensembles whose trees can be cut down, rows that are hard on them, and what they answer."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import xgboost
from families import FAMILIES, fitted
from sklearn.ensemble import HistGradientBoostingClassifier

from ensprune.members import open_members

_NO_TREES = ("voting", "stacking", "bagging-lines", "bagging-votes", "bagging-missed", "margins")
_NO_TREES = (*_NO_TREES, "catboost")  # symmetric, whichever part of one were cut
TREE_FAMILIES = [f for f in FAMILIES if not any(name in f.name for name in _NO_TREES)]
OTHERS = [f for f in FAMILIES if f not in TREE_FAMILIES]


def n_nodes(ensemble: Any) -> int:
    return sum(tree.n_nodes for tree in open_members(ensemble).trees())


def hard_rows(ensemble: Any, width: int, rng: np.random.Generator, n: int = 400) -> np.ndarray:
    """Rows on both sides of thresholds, far away, and without values where those are taken."""
    rows = rng.normal(scale=3.0, size=(n, width))
    rows[:20] *= 1e6
    try:
        ensemble.predict(np.full((1, width), np.nan))
    except ValueError:
        return rows
    rows[rng.random(rows.shape) < 0.15] = np.nan
    return rows


def assert_same_answers(first: Any, second: Any, X: Any) -> None:
    """Equal bit for bit."""
    names = [m for m in ("predict_proba", "decision_function", "predict") if hasattr(first, m)]
    for name in names:
        np.testing.assert_array_equal(getattr(first, name)(X), getattr(second, name)(X))


def categorical_frame(n: int, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """Two numeric columns and a category, all with missing values, and classes of them."""
    category = rng.integers(0, 12, n)
    numbers = rng.normal(size=(n, 2))
    y = (numbers[:, 0] > 0).astype(int) + (category % 3 == 0)
    gone = rng.random((n, 3)) < 0.1
    numbers[gone[:, :2]] = np.nan
    codes = pd.Categorical.from_codes(np.where(gone[:, 2], -1, category), np.arange(12))
    return pd.DataFrame({"a": numbers[:, 0], "b": numbers[:, 1], "c": codes}), y


def histogram_model(rng: np.random.Generator) -> tuple[Any, np.ndarray]:
    """With categories; and rows of categories known, unknown and negative."""
    frame, y = categorical_frame(500, rng)
    X = frame.assign(c=frame["c"].cat.codes.replace(-1, np.nan)).to_numpy(dtype=float)
    X = X[~np.isin(X[:, 2], (7.0, 9.0))]
    y = y[: len(X)]
    model = HistGradientBoostingClassifier(max_iter=4, categorical_features=[2], min_samples_leaf=5)
    model.fit(X, y)
    rows = np.column_stack([3 * rng.normal(size=(600, 2)), rng.integers(-2, 30, 600).astype(float)])
    rows[rng.random(rows.shape) < 0.1] = np.nan
    return model, rows


def gradient_model(booster: str, rng: np.random.Generator) -> tuple[Any, pd.DataFrame]:
    """The same for XGBoost."""
    frame, y = categorical_frame(500, rng)
    model = xgboost.XGBClassifier(
        n_estimators=4,
        max_depth=4,
        booster=booster,
        rate_drop=0.3 if booster == "dart" else None,
        max_cat_to_onehot=3,
        enable_categorical=True,
        n_jobs=1,
        random_state=0,
    ).fit(frame, y)
    return model, categorical_frame(600, rng)[0]


def with_few_answers(model: Any, rng: np.random.Generator) -> Any:
    """A model whose leaves say one of two things, so that many siblings agree."""
    if isinstance(model, xgboost.XGBModel):
        saved = json.loads(bytes(model.get_booster().save_raw("json")))
        ensemble = saved["learner"]["gradient_booster"]
        for tree in ensemble.get("gbtree", ensemble)["model"]["trees"]:
            for node, child in enumerate(tree["left_children"]):
                if child == -1:
                    tree["split_conditions"][node] = float(rng.choice([-0.1, 0.7]))
        model.get_booster().load_model(bytearray(json.dumps(saved).encode()))
        return model
    for stage in model._predictors:
        for tree in stage:
            tree.nodes["value"] = rng.choice([-0.1, 0.7], len(tree.nodes))
    return model


__all__ = [
    "OTHERS",
    "TREE_FAMILIES",
    "assert_same_answers",
    "fitted",
    "gradient_model",
    "hard_rows",
    "histogram_model",
    "n_nodes",
    "with_few_answers",
]
