"""Laws that hold for any ensemble, any metric and any data, on examples that hypothesis makes up."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from law import assert_obeys
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from ensprune import EnsemblePruner
from ensprune.members import open_members
from ensprune.objectives import make_objective
from ensprune.selectors import (
    ClusterSelector,
    FirstSelector,
    GreedySelector,
    OrderingSelector,
    Problem,
    RandomSelector,
    WeightSelector,
)

# Examples are the same in every run, and a busy machine is no failure.
laws = settings(
    deadline=None,
    derandomize=True,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

CLASSIFICATION = ("accuracy", "balanced_accuracy", "neg_log_loss", "f1_macro", "neg_brier_score")
CLASSIFICATION += ("roc_auc", "average_precision", "matthews_corrcoef", "jaccard_macro")
REGRESSION = ("r2", "neg_mean_squared_error", "neg_root_mean_squared_error")
REGRESSION += ("neg_mean_absolute_error", "neg_median_absolute_error", "explained_variance")


@cache
def table(n_classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Small rows and labels; values where there are no classes."""
    if n_classes == 0:
        return make_regression(60, 4, noise=5.0, random_state=seed)
    return make_classification(
        60, 4, n_informative=3, n_redundant=0, n_classes=n_classes, flip_y=0.2, random_state=seed
    )


def _voting(n: int, seed: int):
    learners = [("bayes", GaussianNB()), ("line", LogisticRegression())]
    trees = [(f"tree{i}", DecisionTreeClassifier(max_depth=i, random_state=seed)) for i in (1, 3)]
    return VotingClassifier(learners + trees, voting="soft", weights=[1, 2, 1, 3])


KINDS = {
    "forest": lambda n, seed: RandomForestClassifier(n, max_depth=3, random_state=seed),
    "bagging": lambda n, seed: BaggingClassifier(
        n_estimators=n, max_features=0.7, random_state=seed
    ),
    "voting": _voting,
    "xgboost": lambda n, seed: XGBClassifier(n_estimators=n, max_depth=2, n_jobs=1),
    "forest-regressor": lambda n, seed: RandomForestRegressor(n, max_depth=4, random_state=seed),
    "boosting-regressor": lambda n, seed: GradientBoostingRegressor(
        n_estimators=n, max_depth=2, random_state=seed
    ),
}


@cache
def ensemble(kind: str, n: int, n_classes: int, seed: int):
    X, y = table(0 if kind.endswith("regressor") else n_classes, seed)
    return KINDS[kind](n, seed).fit(X, y), X, y


ensembles = st.builds(
    ensemble,
    st.sampled_from(sorted(KINDS)),
    st.integers(4, 7),
    st.sampled_from([2, 3]),
    st.integers(0, 2),
)
averages = st.builds(
    ensemble, st.just("forest"), st.integers(4, 7), st.sampled_from([2, 3]), st.integers(0, 2)
)


@laws
@given(ensembles, st.data())
def test_a_cut_predicts_what_its_members_add_up_to(given_ensemble, data):
    fitted, X, _ = given_ensemble
    members = open_members(fitted)
    kept = data.draw(st.lists(st.integers(0, members.n_members - 1), min_size=1, unique=True))
    weights = data.draw(st.lists(st.floats(0.1, 3), min_size=len(kept), max_size=len(kept)))
    outputs = members.outputs(X, dtype=np.float64)[kept]
    tolerance = 1e-6 if isinstance(fitted, XGBClassifier) else 1e-12
    combiner = members.bind(X)
    assert_obeys(members.subset(kept), combiner.take(kept), outputs, X, tolerance)
    weights = np.array(weights)
    assert_obeys(members.subset(kept, weights), combiner.take(kept, weights), outputs, X, tolerance)


@settings(laws, max_examples=60)
@given(ensembles, st.data())
def test_an_objective_says_what_the_scorer_says_of_the_cut(given_ensemble, data):
    fitted, X, y = given_ensemble
    members = open_members(fitted)
    combiner = members.bind(X)
    names = REGRESSION if combiner.classes is None else CLASSIFICATION
    if combiner.classes is not None and len(combiner.classes) > 2:
        names = names[:4]  # the others are defined for two classes, or for more only lately
    name = data.draw(st.sampled_from(names))
    weight = None
    if name != "neg_median_absolute_error" and data.draw(st.booleans()):
        weight = data.draw(st.lists(st.integers(1, 4), min_size=len(y), max_size=len(y)))
        weight = np.array(weight, dtype=float)
    moves = data.draw(st.lists(st.integers(0, members.n_members - 1), min_size=1, max_size=8))
    objective = make_objective(name, combiner)
    objective.start(members.outputs(X, dtype=np.float64), y, combiner, weight, rows=X)
    kept: list[int] = []
    for member in moves:
        if member in kept:
            if len(kept) == 1:
                continue
            kept.remove(member)
            objective.drop(member)
        else:
            kept.append(member)
            objective.add(member)
    weights = {} if weight is None else {"sample_weight": weight}
    bare = BaggingClassifier if name in ("roc_auc", "average_precision") else ()
    if not isinstance(fitted, bare):  # those scorers ask bagging for what is no sum of outputs
        expected = get_scorer(name)(members.subset(kept), X, y, **weights)
        assert objective.score() == pytest.approx(expected, rel=1e-6, abs=1e-6)


def problem_of(fitted, X, y, budget, costs=None, scoring=None, order=None, **options) -> Problem:
    members = open_members(fitted)
    outputs, combiner = members.outputs(X), members.bind(X)
    if order is not None:
        outputs, combiner = np.ascontiguousarray(outputs[order]), combiner.take(order)
    costs = np.ones(len(outputs)) if costs is None else np.asarray(costs, dtype=float)
    objective = make_objective(scoring, combiner)
    return Problem(outputs, y, combiner, objective, costs, budget, random_state=0, **options)


SEARCHES = {
    "greedy": GreedySelector(),
    "plain greedy": GreedySelector(exchanges=0),
    "backward": GreedySelector(direction="backward"),
    "ordering": OrderingSelector(),
    "weights": WeightSelector(),
    "clusters": ClusterSelector(),
    "first": FirstSelector(),
    "random": RandomSelector(),
}


@pytest.mark.parametrize("search", SEARCHES)
@settings(laws, max_examples=12)
@given(averages, st.data())
def test_a_path_rises_in_cost_and_stays_in_the_budget(search, given_ensemble, data):
    fitted, X, y = given_ensemble
    n = len(fitted.estimators_)
    costs = np.array(data.draw(st.lists(st.integers(1, 9), min_size=n, max_size=n)), dtype=float)
    budget = float(data.draw(st.integers(int(costs.max()), int(costs.sum()))))
    path = SEARCHES[search].select(problem_of(fitted, X, y, budget, costs))
    spent = [point.cost for point in path]
    assert spent == sorted(spent)
    assert len(set(spent)) == len(spent)
    assert spent[-1] <= budget
    for point in path:
        assert len(set(point.indices)) == point.size
        assert point.cost == costs[list(point.indices)].sum()


@pytest.mark.parametrize("search", ["plain greedy", "ordering", "first", "random"])
@settings(laws, max_examples=8)
@given(averages, st.integers(1, 3))
def test_a_point_of_a_nested_path_is_what_a_fit_of_that_size_gives(search, given_ensemble, size):
    fitted, X, y = given_ensemble
    selector = SEARCHES[search]
    pruner = EnsemblePruner(FrozenEstimator(fitted), 4, selector, random_state=0).fit(X, y)
    fresh = EnsemblePruner(FrozenEstimator(fitted), size, selector, random_state=0).fit(X, y)
    np.testing.assert_array_equal(pruner.at(size).predict_proba(X), fresh.predict_proba(X))
    assert pruner.path_[size - 1].indices == fresh.path_[-1].indices


@pytest.mark.parametrize("search", ["greedy", "plain greedy", "backward", "weights", "clusters"])
@settings(laws, max_examples=8)
@given(
    st.builds(
        ensemble, st.just("forest-regressor"), st.integers(4, 7), st.just(0), st.integers(0, 2)
    ),
    st.data(),
)
def test_members_in_another_order_are_chosen_alike(search, given_ensemble, data):
    fitted, X, y = given_ensemble
    order = data.draw(st.permutations(range(len(fitted.estimators_))))
    given_order = SEARCHES[search].select(problem_of(fitted, X, y, 3))
    other_order = SEARCHES[search].select(problem_of(fitted, X, y, 3, order=list(order)))
    translated = [[order[t] for t in point.indices] for point in other_order]
    assert [sorted(point) for point in translated] == [
        sorted(point.indices) for point in given_order
    ]


@laws
@given(ensembles, st.sampled_from([None, "neg_log_loss"]))
def test_a_duplicate_is_worth_what_its_original_is_worth_once_more(given_ensemble, scoring):
    fitted, X, y = given_ensemble
    members = open_members(fitted)
    if members.combiner.classes is None:
        scoring = None
    n, combiner = members.n_members, members.bind(X)
    outputs = members.outputs(X, dtype=np.float64)
    twice = combiner.take([*range(n), *range(n)])
    alone, doubled = make_objective(scoring, combiner), make_objective(scoring, combiner)
    alone.start(outputs, y, combiner, rows=X)
    doubled.start(np.concatenate([outputs, outputs]), y, twice, rows=X)
    for member in (1, 0):
        alone.add(member)
        doubled.add(member)
        expected = alone.candidates()  # members that are in already: once more
        for part in (doubled.candidates()[:n], doubled.candidates()[n:]):
            np.testing.assert_allclose(part, expected, rtol=1e-9, atol=1e-12)


@laws
@given(averages, st.integers(0, 3))
def test_a_duplicate_is_no_better_start_and_no_member_is_drawn_twice(given_ensemble, copied):
    fitted, X, y = given_ensemble
    n = len(fitted.estimators_)
    plain = GreedySelector(exchanges=0)
    single = plain.select(problem_of(fitted, X, y, n))
    double = plain.select(problem_of(fitted, X, y, n + 1, order=[*range(n), copied]))
    assert double[0].indices == single[0].indices  # of two alike the first
    assert double[0].objective == single[0].objective
    assert sorted(double[-1].indices) == list(range(n + 1))
