"""Which columns a fitted model wants, and which of their values it knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import xgboost
from sklearn.base import BaseEstimator


def feature_names(model: Any) -> list[str] | None:
    """Names of the columns that a fitted model wants; None if it knows only their number."""
    if isinstance(model, xgboost.Booster):
        return None if model.feature_names is None else list(model.feature_names)
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        names = _own_names(model)
        # What CatBoost and LightGBM call the columns of an array.
        if all(name in (str(i), f"Column_{i}") for i, name in enumerate(names)):
            return None
    return [str(name) for name in names]


def n_features(model: Any) -> int | None:
    """How many columns a fitted model wants."""
    if isinstance(model, xgboost.Booster):
        return model.num_features()
    # CatBoost's own count is 0 once a model was saved.
    return len(_own_names(model)) or getattr(model, "n_features_in_", None)


def text_columns(model: Any) -> list[str]:
    """Columns whose categories are text in a fitted encoder or an XGBoost model."""
    found = []
    for part in _inside(model):
        names = getattr(part, "feature_names_in_", None)
        categories = getattr(part, "categories_", None)
        if names is None or not isinstance(categories, list) or len(names) != len(categories):
            continue
        found += [str(name) for name, known in zip(names, categories) if _is_text(known)]
    for name, known in xgboost_categories(model).items():
        if known is not None and _is_text(known):
            found.append(name)
    return found


def xgboost_categories(model: Any) -> dict[str, np.ndarray | None]:
    """Categorical columns of an XGBoost model with the categories it knows, None if it does not."""
    if isinstance(model, xgboost.XGBModel):
        model = model.get_booster()
    if not isinstance(model, xgboost.Booster) or not model.feature_types:
        return {}
    names = model.feature_names or []
    wanted = [name for name, kind in zip(names, model.feature_types) if kind == "c"]
    known: dict[str, Any] = dict.fromkeys(wanted)
    if wanted and hasattr(model, "get_categories"):  # since XGBoost 3.1
        stored = model.get_categories(export_to_arrow=True).to_arrow()
        known |= {name: values.to_numpy(False) for name, values in stored if values is not None}
    return known


def is_lightgbm(model: Any) -> bool:
    return type(model).__module__.startswith("lightgbm.")


def _own_names(model: Any) -> list[str]:
    """Names that a CatBoost model or a LightGBM Booster keeps in its own way."""
    if is_lightgbm(model) and hasattr(model, "feature_name"):
        return model.feature_name()
    return list(getattr(model, "feature_names_", None) or [])


def _inside(model: Any) -> Iterator[BaseEstimator]:
    """A fitted estimator and those inside it, through steps, transformers and members."""
    waiting, seen = [model], set()
    while waiting:
        part = waiting.pop()
        if isinstance(part, list | tuple):
            waiting += part
        elif isinstance(part, BaseEstimator) and id(part) not in seen:
            seen.add(id(part))
            yield part
            waiting += vars(part).values()


def _is_text(categories: Any) -> bool:
    values = [v for v in np.asarray(categories, dtype=object) if isinstance(v, str)]
    return len(values) > 0
