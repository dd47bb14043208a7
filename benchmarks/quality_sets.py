"""Real data and the ensembles trained on them, for ``quality.py``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from xgboost import XGBClassifier, XGBRegressor

from ensprune.datasets import load_concrete, load_flights, load_hpc, load_lending_club

LOADERS: dict[str, Callable[..., Any]] = {
    "flights": load_flights,
    "hpc_data": load_hpc,
    "lending_club": load_lending_club,
    "digits": load_digits,
    "breast_cancer": load_breast_cancer,
    "concrete": load_concrete,
    "diabetes": load_diabetes,
}
# Trees of a forest; members of the other ensembles.
N_TREES, N_MEMBERS = 256, 100
N_TEST = 3000
# A column with more categories than this is text.
_MOST_CATEGORIES = 50


@dataclass(frozen=True)
class Split:
    """One data set, split once; ``fit`` and ``judge`` are the training rows once more, in two."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    fit: np.ndarray
    judge: np.ndarray

    @property
    def classifies(self) -> bool:
        return self.y.dtype.kind != "f"


def set_names(folder: Path | None) -> list[str]:
    """The sets that come with scikit-learn and ensprune, and those in a folder of Parquet files."""
    more = [] if folder is None else sorted(path.stem for path in folder.glob("*.parquet"))
    return [*LOADERS, *(name for name in more if name not in LOADERS)]


def load_split(name: str, folder: Path | None, n_rows: int, seed: int) -> Split | None:
    """A set without copies of rows, numbered categories, missing values filled in.

    A Parquet file has its target in the column ``__target__``; None if it has no usable features.
    """
    if name in LOADERS:
        X, y = LOADERS[name](return_X_y=True)
        frame = pd.DataFrame(np.asarray(X, dtype=np.float64))
    else:
        assert folder is not None
        frame = pd.read_parquet(folder / f"{name}.parquet")
        y = frame.pop("__target__").to_numpy()
        for column in frame.columns:
            if not pd.api.types.is_numeric_dtype(frame[column]):
                codes = frame[column].astype("category").cat.codes
                frame[column] = codes if codes.nunique() <= _MOST_CATEGORIES else np.nan
        frame = frame.astype(np.float64).dropna(axis=1, how="all")
        if frame.empty:
            return None
    classifies = y.dtype.kind != "f" or len(np.unique(y)) < 20
    y = np.unique(y, return_inverse=True)[1] if classifies else y.astype(np.float64)
    alone = ~frame.assign(target=y).duplicated().to_numpy()
    X = frame.fillna(frame.median()).to_numpy()[alone]
    y = y[alone]
    options = {"random_state": seed, "stratify": y if classifies else None}
    train, test = train_test_split(
        np.arange(len(y)), train_size=min(n_rows, int(0.6 * len(y))), **options
    )
    options["stratify"] = y[train] if classifies else None
    fit, judge = train_test_split(np.arange(len(train)), test_size=0.25, **options)
    test = test[:N_TEST]
    return Split(X[train], y[train], X[test], y[test], fit, judge)


def _tree(classifies: bool, **params: Any) -> Any:
    return (DecisionTreeClassifier if classifies else DecisionTreeRegressor)(**params)


def _forest(classifies: bool, seed: int, **params: Any) -> Any:
    kind: Any = RandomForestClassifier if classifies else RandomForestRegressor
    return kind(N_TREES, random_state=seed, **params)


def _bagging(classifies: bool, seed: int) -> Any:
    kind: Any = BaggingClassifier if classifies else BaggingRegressor
    return kind(_tree(classifies), N_MEMBERS, random_state=seed)


def _adaboost(classifies: bool, seed: int) -> Any:
    kind: Any = AdaBoostClassifier if classifies else AdaBoostRegressor
    return kind(_tree(classifies, max_depth=4), n_estimators=N_MEMBERS, random_state=seed)


def xgboost(classifies: bool, seed: int, n_rounds: int = N_MEMBERS, rate: float = 0.1) -> Any:
    kind: Any = XGBClassifier if classifies else XGBRegressor
    return kind(n_estimators=n_rounds, learning_rate=rate, random_state=seed, n_jobs=1)


# Unfitted, from (classifies, seed).
ENSEMBLES: dict[str, Callable[[bool, int], Any]] = {
    "forest": _forest,
    "shallow forest": lambda classifies, seed: _forest(classifies, seed, max_leaf_nodes=32),
    "bagging": _bagging,
    "adaboost": _adaboost,
    "xgboost": xgboost,
}
# Their members leave rows out: judged on these, nothing is held out.
BOOTSTRAP = ("forest", "shallow forest", "bagging")
