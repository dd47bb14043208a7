"""Baselines of the user's own ensembles: fewer of the same, whatever is around them."""

from __future__ import annotations

import pytest
from sklearn.datasets import make_regression
from sklearn.ensemble import (
    BaggingRegressor,
    GradientBoostingRegressor,
    RandomForestClassifier,
    StackingRegressor,
    VotingRegressor,
)
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeRegressor
from xgboost import XGBRegressor

from ensprune.comparison import family_of

LEARNERS = [
    ("line", LinearRegression()),
    ("stump", DecisionTreeRegressor(max_depth=1, random_state=0)),
    ("gone", "drop"),
    ("tree", DecisionTreeRegressor(max_depth=3, random_state=0)),
]


def likes_trees(model):
    inner = model[-1] if hasattr(model, "steps") else model
    return getattr(inner, "max_depth", 0) or 0


@pytest.mark.parametrize(
    "around", [lambda model: model, lambda m: make_pipeline(StandardScaler(), m)]
)
def test_averages_are_as_they_were_with_fewer_members(around):
    family = family_of(around(RandomForestClassifier(50, max_depth=3)), "mine", seed=4)
    small = family.retrained(7, lambda model: 0.0)
    inner = small[-1] if hasattr(small, "steps") else small
    assert (family.name, family.kind) == ("mine", "average")
    assert (inner.n_estimators, inner.max_depth) == (7, 3)
    assert len({str(draw) for draw in family.draws}) == len(family.draws) == 5
    for draw in family.draws:
        assert set(draw) <= set(small.get_params())


@pytest.mark.parametrize(
    "around", [lambda model: model, lambda m: make_pipeline(StandardScaler(), m)]
)
@pytest.mark.parametrize(
    "model",
    [
        GradientBoostingRegressor(n_estimators=40, learning_rate=0.1),
        XGBRegressor(n_estimators=40, learning_rate=0.1, early_stopping_rounds=3),
        XGBRegressor(n_estimators=40),
    ],
)
def test_boosting_takes_the_rate_that_scores_best(model, around):
    rates = []

    def judge(candidate):
        inner = candidate[-1] if hasattr(candidate, "steps") else candidate
        rates.append(inner.learning_rate)
        return -abs(inner.learning_rate - 3 * (model.learning_rate or 0.3))

    small = family_of(around(model), "mine", seed=0).retrained(6, judge)
    inner = small[-1] if hasattr(small, "steps") else small
    assert inner.n_estimators == 6
    assert inner.learning_rate == pytest.approx(3 * (model.learning_rate or 0.3))
    assert len(rates) == 4
    # There are no rows to stop on.
    assert getattr(inner, "early_stopping_rounds", None) is None


@pytest.mark.parametrize(
    "around", [lambda model: model, lambda m: make_pipeline(StandardScaler(), m)]
)
@pytest.mark.parametrize(
    "model", [StackingRegressor(LEARNERS, Ridge()), VotingRegressor(LEARNERS, weights=[1, 2, 1, 3])]
)
def test_stacks_keep_the_learners_that_are_best_alone(model, around):
    small = family_of(around(model), "mine", seed=0).retrained(2, likes_trees)
    inner = small[-1] if hasattr(small, "steps") else small
    assert [name for name, _ in inner.estimators] == ["tree", "stump"]
    X, y = make_regression(40, 3, random_state=0)
    assert small.fit(X, y).predict(X).shape == (40,)


def test_a_search_stands_for_the_best_it_found():
    X, y = make_regression(40, 3, random_state=0)
    search = GridSearchCV(BaggingRegressor(n_estimators=3), {"max_samples": [0.5]}, cv=2).fit(X, y)
    small = family_of(search, "mine", seed=0).retrained(2, lambda model: 0.0)
    assert (type(small), small.n_estimators, small.max_samples) == (BaggingRegressor, 2, 0.5)


def test_what_has_no_fewer_members_is_refused():
    with pytest.raises(TypeError, match="SVC has no baseline of fewer members"):
        family_of(make_pipeline(StandardScaler(), SVC()), "mine", seed=0)
