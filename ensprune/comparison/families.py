"""Ensembles to compare, each with the honest baseline: a new one with as few members."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import xgboost
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection._search import BaseSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

Judge = Callable[[BaseEstimator], float]

KINDS = ("average", "boosting", "stack")

_AVERAGES = (
    RandomForestClassifier,
    RandomForestRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    BaggingClassifier,
    BaggingRegressor,
    xgboost.XGBRFClassifier,
    xgboost.XGBRFRegressor,
)
_STACKS = (StackingClassifier, StackingRegressor, VotingClassifier, VotingRegressor)

# What the number of members is called; the learning rate that XGBoost takes for None.
_N_MEMBERS = ("n_estimators", "max_iter")
_XGBOOST_RATE = 0.3


@dataclass(frozen=True)
class Family:
    """An ensemble, the share of members to keep, and the honest baseline.

    Parameters
    ----------
    name : str
    kind : {"average", "boosting", "stack"}
    ensemble : estimator
        Unfitted.
    share : float
        Of the members, to keep where nothing else is asked for.
    retrained : callable
        ``retrained(k, judge)`` gives an unfitted ensemble of ``k`` members; ``judge`` tells the
        validation score of an unfitted candidate, greater is better.
    draws : tuple of dict, default=({},)
        Parameters that make each baseline another draw; their mean score is the baseline's.
    """

    name: str
    kind: str
    ensemble: BaseEstimator
    share: float
    retrained: Callable[[int, Judge], BaseEstimator]
    draws: tuple[dict[str, Any], ...] = ({},)


def families(classifies: bool, seed: int) -> dict[str, Family]:
    """Six ensembles by name; averages are cut to a tenth, the others less.

    Parameters
    ----------
    classifies : bool
    seed : int

    Returns
    -------
    dict of str to Family
    """
    if classifies:
        tree: Any = DecisionTreeClassifier
        bagging: Any = BaggingClassifier
        forest: Any = RandomForestClassifier
        ada: Any = AdaBoostClassifier
        boosting: Any = GradientBoostingClassifier
        xgb: Any = xgboost.XGBClassifier
    else:
        tree, bagging, forest = DecisionTreeRegressor, BaggingRegressor, RandomForestRegressor
        ada, boosting, xgb = AdaBoostRegressor, GradientBoostingRegressor, xgboost.XGBRegressor

    boosted_tree = tree(max_depth=4 if classifies else 8, random_state=seed)
    six = [
        _averaging("Bagging", bagging(tree(), 100, random_state=seed), seed),
        _averaging("RandomForest", forest(100, min_samples_leaf=2, random_state=seed), seed),
        _summing(
            "AdaBoost",
            ada(boosted_tree, n_estimators=50, learning_rate=0.3, random_state=seed),
            share=1 / 5,
        ),
        _summing(
            "GradientBoosting",
            boosting(n_estimators=100, max_features="sqrt", subsample=0.7, random_state=seed),
        ),
        _summing("XGBoost", xgb(n_estimators=100, learning_rate=0.1, n_jobs=1, random_state=seed)),
        _choosing("Stacking", _six_learners(classifies, seed)),
    ]
    return {family.name: family for family in six}


def family_of(model: Any, name: str, seed: int) -> Family:
    """An ensemble of the user's with its baseline.

    Parameters
    ----------
    model : estimator
        Of a known class, or a pipeline that ends in one, or a fitted search for one; its
        parameters count, not what it was fitted to.
    name : str
        How the table calls it.
    seed : int

    Returns
    -------
    Family

    Raises
    ------
    TypeError
        If there is no such baseline for its class.
    """
    if isinstance(model, BaseSearchCV):
        model = model.best_estimator_
    ensemble = clone(model)
    inner, prefix = ensemble, ""
    while isinstance(inner, Pipeline):
        step, inner = inner.steps[-1]
        prefix += f"{step}__"
    if isinstance(inner, _AVERAGES):
        return _averaging(name, ensemble, seed, prefix)
    if isinstance(inner, _STACKS):
        return _choosing(name, ensemble, prefix=prefix)
    params = inner.get_params(deep=False)
    if "learning_rate" in params and any(known in params for known in _N_MEMBERS):
        return _summing(name, ensemble, prefix=prefix)
    raise TypeError(
        f"{type(inner).__name__} has no baseline of fewer members to compare with; give a forest, "
        "bagging, boosting, voting or stacking model, or a pipeline that ends in one"
    )


def _averaging(name: str, ensemble: Any, seed: int, prefix: str = "") -> Family:
    """Forests and bagging: fewer members are just fewer members."""

    def retrained(k: int, judge: Judge) -> BaseEstimator:
        return clone(ensemble).set_params(**{f"{prefix}n_estimators": k})

    draws = tuple({f"{prefix}random_state": seed + 1 + draw} for draw in range(5))
    return Family(name, "average", ensemble, 0.1, retrained, draws)


def _summing(name: str, ensemble: Any, share: float = 1 / 3, prefix: str = "") -> Family:
    """Boosting: fewer rounds want a higher learning rate."""
    params = ensemble.get_params()
    n_members = next(prefix + known for known in _N_MEMBERS if prefix + known in params)
    rate = params[f"{prefix}learning_rate"] or _XGBOOST_RATE
    if params.get(f"{prefix}early_stopping_rounds") is not None:
        ensemble = clone(ensemble).set_params(**{f"{prefix}early_stopping_rounds": None})

    def retrained(k: int, judge: Judge) -> BaseEstimator:
        candidates = [
            clone(ensemble).set_params(**{n_members: k, f"{prefix}learning_rate": factor * rate})
            for factor in (1, 2, 3, 5)
        ]
        return max(candidates, key=judge)

    return Family(name, "boosting", ensemble, share, retrained)


def _choosing(name: str, ensemble: Any, prefix: str = "") -> Family:
    """Stacking and voting: fewer learners, the best on their own."""
    learners = dict(ensemble.get_params()[f"{prefix}estimators"])
    steps = ensemble.steps[:-1] if isinstance(ensemble, Pipeline) else []

    def alone(learner: str) -> BaseEstimator:
        return Pipeline([*steps, ("learner", learners[learner])]) if steps else learners[learner]

    def retrained(k: int, judge: Judge) -> BaseEstimator:
        # One that is dropped by name only has nothing to say.
        known = [one for one in learners if not isinstance(learners[one], str)]
        best = sorted(known, key=lambda learner: judge(alone(learner)), reverse=True)[:k]
        kept = [(learner, learners[learner]) for learner in best]
        chosen: dict[str, Any] = {f"{prefix}estimators": kept}
        if ensemble.get_params().get(f"{prefix}weights") is not None:
            chosen[f"{prefix}weights"] = None
        return clone(ensemble).set_params(**chosen)

    return Family(name, "stack", ensemble, 1 / 2, retrained)


def _six_learners(classifies: bool, seed: int) -> Any:
    """Six learners under a linear model."""
    if classifies:
        learners: dict[str, Any] = {
            "linear": make_pipeline(StandardScaler(), LogisticRegression(solver="newton-cholesky")),
            "bayes": GaussianNB(),
            "neighbours": make_pipeline(StandardScaler(), KNeighborsClassifier(15)),
            "tree": DecisionTreeClassifier(max_depth=6, random_state=seed),
            "forest": ExtraTreesClassifier(20, min_samples_leaf=3, random_state=seed),
            "boosting": xgboost.XGBClassifier(n_estimators=30, n_jobs=1, random_state=seed),
        }
        kind: Any = StackingClassifier
        final: Any = LogisticRegression(solver="newton-cholesky")
    else:
        learners = {
            "linear": make_pipeline(StandardScaler(), Ridge()),
            "kernel": make_pipeline(StandardScaler(), SVR(C=50)),
            "neighbours": make_pipeline(StandardScaler(), KNeighborsRegressor()),
            "tree": DecisionTreeRegressor(max_depth=8, random_state=seed),
            "forest": ExtraTreesRegressor(20, random_state=seed),
            "boosting": xgboost.XGBRegressor(n_estimators=30, n_jobs=1, random_state=seed),
        }
        kind, final = StackingRegressor, Ridge()
    return kind(list(learners.items()), final_estimator=final, cv=3)


__all__ = ["KINDS", "Family", "Judge", "families", "family_of"]
