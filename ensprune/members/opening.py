"""Which adapter is that of a fitted ensemble: families register their classes here."""

from __future__ import annotations

import importlib
from functools import singledispatch
from typing import Any

from sklearn.pipeline import Pipeline

from ..combination import Combination
from .base import Members

# Families of optional or slow-to-import libraries: the adapter is imported when an object of
# theirs arrives, not before.
_LAZY_ADAPTERS = {
    "catboost": "ensprune.members.catboost",
    "lightgbm": "ensprune.members.lightgbm",
    "xgboost": "ensprune.members.xgboost",
}


@singledispatch
def open_members(fitted: Any) -> Members:
    """Open a fitted ensemble: its members, their outputs, and how to cut it down.

    Parameters
    ----------
    fitted : object
        A fitted ensemble: RandomForest, ExtraTrees, Bagging, AdaBoost, GradientBoosting,
        HistGradientBoosting, Voting, Stacking (classifier or regressor); XGBoost's or
        LightGBM's scikit-learn estimators or a raw ``Booster``, CatBoost's estimators; a
        ``Pipeline``, fitted search,
        ``FrozenEstimator`` or ``CalibratedClassifierCV`` around one of them.

    Returns
    -------
    Members
        The adapter of its family.

    Raises
    ------
    TypeError
        If no adapter is registered for its class, or the model has no members to drop.
    ValueError
        If it is of a supported class but of a form that cannot be cut.
    sklearn.exceptions.NotFittedError
        If it is not fitted.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(20, random_state=0).fit(X, y)
    >>> members = open_members(forest)
    >>> members.outputs(X).shape
    (20, 3, 150)
    >>> members.subset([3, 1, 4]).n_estimators
    3
    """
    check_family(fitted)
    return open_members(fitted)


def foretold(unfitted: Any) -> Combination | None:
    """How an unfitted ensemble will combine its members, alone or last in a pipeline.

    Parameters
    ----------
    unfitted : estimator

    Returns
    -------
    Combination or None
        None where only the fit shows it, as in a search over the ensemble's parameters.

    Raises
    ------
    TypeError
        If it will have no members to drop.
    """
    adapter = adapter_of(unfitted)
    return None if adapter is None else adapter.foretell(_last(unfitted))


def adapter_of(unfitted: Any) -> type[Members] | None:
    """The adapter of an unfitted ensemble, alone or last in a pipeline; None if a function opens it.

    Parameters
    ----------
    unfitted : estimator
    """
    last = _last(unfitted)
    if not _has_adapter(last):
        return None
    adapter = open_members.dispatch(type(last))
    return adapter if isinstance(adapter, type) and issubclass(adapter, Members) else None


def _last(estimator: Any) -> Any:
    return _last(estimator.steps[-1][1]) if isinstance(estimator, Pipeline) else estimator


_unregistered = open_members.dispatch(object)


def check_family(estimator: Any, parameter: str = "estimator") -> None:
    """Whether there is an adapter for the class of an estimator, fitted or not.

    Parameters
    ----------
    estimator : object
    parameter : str, default="estimator"
        What the argument is called, for messages.

    Raises
    ------
    TypeError
        If there is none.
    """
    if _has_adapter(estimator):
        return
    if isinstance(estimator, type):
        name = estimator.__name__
        raise TypeError(f"{parameter}={name} is a class; give one of it, such as {name}()")
    name = type(estimator).__name__
    if hasattr(estimator, "pruned_estimator_"):
        raise TypeError(
            f"{parameter}={name} is no ensemble but has one; give its pruned_estimator_"
        )
    for role in ("estimator", "regressor"):
        inside = getattr(estimator, role, None)
        if inside is not None and _has_adapter(inside):
            raise TypeError(
                f"{parameter}={name} is no ensemble, but its {role} {type(inside).__name__} can be "
                f"pruned: give that, or give {name} an EnsemblePruner in its place"
            )
    raise TypeError(
        f"{parameter}={name} is no ensemble that ensprune knows; give a random forest, extra trees, "
        "bagging, AdaBoost, (histogram) gradient boosting, XGBoost, LightGBM, CatBoost, voting or "
        f"stacking model, or register an adapter with ensprune.members.open_members.register({name})"
    )


def _has_adapter(estimator: Any) -> bool:
    """Whether the class of an object is registered; adapters of its library are by then."""
    for base in type(estimator).__mro__:
        adapter = _LAZY_ADAPTERS.get(base.__module__.partition(".")[0])
        if adapter is not None:
            importlib.import_module(adapter)
    return open_members.dispatch(type(estimator)) is not _unregistered
