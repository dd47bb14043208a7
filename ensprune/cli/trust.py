"""Which types a skops file may hold, and that the trees in it are trees.

skops trusts scikit-learn's public estimators. It does not trust the arrays that trees are kept
in, because scikit-learn follows the node numbers in them without looking: a crafted file reads
beyond the array or runs in circles. They are accepted here because :func:`check_content` looks
before anything is predicted. What is not listed holds code, or indices nobody checks.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from types import MethodType
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.utils import check_array

# Hold numbers and settings.
_PLAIN = (
    "builtins.dict",
    "collections.OrderedDict",
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.compose._column_transformer._RemainderColsList",
    "sklearn.compose._column_transformer.make_column_selector",
    "sklearn.metrics._scorer._PassthroughScorer",
    "sklearn.metrics._scorer._Scorer",
    "sklearn.utils._bunch.Bunch",
    *(
        f"sklearn.model_selection._split.{name}"
        for name in (
            "GroupKFold",
            "GroupShuffleSplit",
            "KFold",
            "LeaveOneGroupOut",
            "PredefinedSplit",
            "RepeatedKFold",
            "RepeatedStratifiedKFold",
            "ShuffleSplit",
            "StratifiedGroupKFold",
            "StratifiedKFold",
            "StratifiedShuffleSplit",
            "TimeSeriesSplit",
        )
    ),
)

# Functions of numbers only, to choose columns by.
_COLUMN_SCORES = tuple(
    f"sklearn.feature_selection.{module}.{name}"
    for module, names in {
        "_univariate_selection": ("chi2", "f_classif", "f_regression", "r_regression"),
        "_mutual_info": ("mutual_info_classif", "mutual_info_regression"),
    }.items()
    for name in names
)

# Their content is read by XGBoost as it reads its own files.
_XGBOOST = (
    "xgboost.core.Booster",
    *(
        f"xgboost.sklearn.{name}"
        for name in ("XGBClassifier", "XGBRFClassifier", "XGBRFRegressor", "XGBRegressor")
    ),
)

# Looked through by check_content.
_CHECKED = (
    "functools.partial",  # histogram boosting has one, of check_array
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
    "sklearn.utils.validation.check_array",
)


def trusted_types() -> set[str]:
    """Names of the types and functions a skops file may hold, beside those skops trusts."""
    metrics = {get_scorer(name)._score_func for name in get_scorer_names()}
    return {
        *(f"{metric.__module__}.{metric.__name__}" for metric in metrics),
        *_PLAIN,
        *_COLUMN_SCORES,
        *_XGBOOST,
        *_CHECKED,
    }


def check_content(model: Any) -> None:
    """Look through what cannot be trusted by its type alone: trees and partial functions.

    Parameters
    ----------
    model : object
        Just read; nothing was predicted with it.

    Raises
    ------
    ValueError
        If a node points outside the tree, back to a node before it, or at a column or category
        that is not there; if trees expect other columns than the model around them; or if a
        partial function is of another function than ``check_array``.
    """
    for part in _parts(model):
        if isinstance(part, functools.partial):
            if part.func is not check_array:
                raise ValueError("it holds a function that is not expected in a model")
        elif isinstance(part, TreePredictor):
            _check_predictor(part)
        elif hasattr(part, "_predictors") and hasattr(part, "_bin_mapper"):
            _check_histogram_model(part)
        elif isinstance(part, BaseEstimator) and hasattr(part, "tree_"):
            _check_tree(part.tree_, part.n_features_in_)
        elif isinstance(part, BaseEstimator) and not hasattr(part, "estimators_features_"):
            # Forests and boosting models hand rows to their trees without looking at the width.
            for member in _flat(getattr(part, "estimators_", ())):
                if hasattr(member, "tree_") and member.n_features_in_ != part.n_features_in_:
                    raise ValueError("a tree was grown on other columns than its ensemble")


def _parts(model: Any) -> Iterator[Any]:
    """All objects inside an object, each once."""
    seen: dict[int, Any] = {}
    waiting = [model]
    while waiting:
        part = waiting.pop()
        if id(part) in seen or isinstance(part, str | bytes | int | float | type(None)):
            continue
        seen[id(part)] = part
        yield part
        if isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, list | tuple | set):
            waiting += part
        elif isinstance(part, np.ndarray):
            waiting += part.ravel().tolist() if part.dtype == object else []
        elif isinstance(part, functools.partial):
            waiting += [part.func, part.args, part.keywords]
        elif isinstance(part, MethodType):
            waiting.append(part.__self__)
        elif hasattr(part, "__dict__") and not isinstance(part, type):
            waiting += vars(part).values()


def _flat(members: Any) -> list[Any]:
    """Members in lists of lists; not by NumPy, which would open ensembles that have a length."""
    if isinstance(members, np.ndarray):
        members = members.tolist()
    if not isinstance(members, list | tuple):
        return [members]
    return [one for member in members for one in _flat(member)]


def _check_tree(tree: Any, n_features: int) -> None:
    if tree.node_count < 1:
        raise ValueError("a tree has no nodes")
    if tree.n_features != n_features:
        raise ValueError("a tree was grown on other columns than its estimator")
    inner = tree.children_left != -1
    _check_children(tree.children_left[inner], tree.children_right[inner], inner)
    _check_below(tree.feature[inner], n_features, "column")


def _check_predictor(tree: Any) -> None:
    nodes = tree.nodes
    if nodes.ndim != 1 or len(nodes) == 0:
        raise ValueError("a tree has no nodes")
    inner = nodes["is_leaf"] == 0
    _check_children(nodes["left"][inner], nodes["right"][inner], inner)
    splits_categories = inner & (nodes["is_categorical"] != 0)
    _check_below(
        nodes["bitset_idx"][splits_categories], len(tree.raw_left_cat_bitsets), "set of categories"
    )


def _check_histogram_model(model: Any) -> None:
    categorical = np.asarray(model._bin_mapper.is_categorical_, dtype=bool)
    if not len(categorical) == model._n_features == model.n_features_in_:
        raise ValueError("the bins are of other columns than the model")
    for column in np.flatnonzero(categorical):
        _check_below(model._bin_mapper.bin_thresholds_[column], 256, "category")
    for tree in _flat(model._predictors):
        nodes = tree.nodes
        inner = nodes["is_leaf"] == 0
        _check_below(nodes["feature_idx"][inner], len(categorical), "column")
        splits_categories = inner & (nodes["is_categorical"] != 0)
        if not categorical[nodes["feature_idx"][splits_categories]].all():
            raise ValueError("a tree splits categories of a column that has none")


def _check_children(left: np.ndarray, right: np.ndarray, inner: np.ndarray) -> None:
    """Children come after their parents: so they are found, and no way leads back."""
    parents = np.flatnonzero(inner)
    for children in (left, right):
        _check_below(children, len(inner), "node")
        if (children.astype(np.int64) <= parents).any():
            raise ValueError("a tree leads back to a node before")


def _check_below(positions: np.ndarray, end: int, what: str) -> None:
    given = np.asarray(positions)
    if len(given) and not (given.min() >= 0 and given.max() < end):
        raise ValueError(f"a tree points at a {what} that is not there")
