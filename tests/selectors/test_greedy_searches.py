"""Greedy search with replacement, sorted starts, bags, random starts and first-improvement swaps."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import make_friedman1
from sklearn.ensemble import RandomForestRegressor
from sklearn.frozen import FrozenEstimator

from ensprune import EnsemblePruner
from ensprune.objectives.squared import SquaredError
from ensprune.selectors import GreedySelector
from ensprune.selectors.exchange import swap
from ensprune.selectors.forward import argbest

from ..families import FAMILIES, fitted
from .test_greedy import problem_of, random_problem


def averages(outputs, y, **options):
    """Members that are one number per sample, of squared error."""
    return problem_of(
        np.asarray(outputs, float)[:, None], y, scoring="neg_mean_squared_error", **options
    )


def noise(seed=0, n_members=12, n_samples=60, **options):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=n_samples)
    return averages(y + rng.normal(size=(n_members, n_samples)), y, **options)


# --- backward -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_backward_is_the_naive_loop(seed):
    problem = noise(seed, n_members=7, budget=5)
    path = GreedySelector(direction="backward").select(problem)
    left = set(range(7))
    for size in range(6, 0, -1):
        left = set(max(itertools.combinations(sorted(left), size), key=problem.evaluate))
        if size <= 5:
            assert set(path[size - 1].indices) == left
            assert path[size - 1].objective == pytest.approx(problem.evaluate(left), abs=1e-6)


def test_on_squared_error_a_step_looks_at_no_sample():
    problem = noise(n_members=20, n_samples=333, budget=6)
    objective = problem.start()
    assert isinstance(objective, SquaredError)
    arrays = [value for value in vars(objective).values() if isinstance(value, np.ndarray)]
    assert arrays
    assert all(set(array.shape) == {20} for array in arrays)
    # With the outputs gone, every search still steps.
    problem.outputs[:] = np.nan
    for t in (3, 4, 5):
        objective.add(t)
    assert np.isfinite(objective.candidates()).all()
    assert np.isfinite(objective.candidates(drop=True)[[3, 4, 5]]).all()
    chosen = np.zeros(20, dtype=bool)
    chosen[[3, 4, 5]] = True
    assert swap(problem, objective, chosen) > 0


# --- ties ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("infinite", [-np.inf, np.inf])
def test_rounding_decides_no_tie(infinite):
    everyone = np.ones(4, dtype=bool)
    scores = np.array([0.5, 0.7, 0.7 + 1e-16, 0.7])
    secondary = np.array([9.0, 0.1, 0.3, 0.3 + 1e-16])
    assert argbest(scores, lambda tied: secondary[tied], everyone) == 2
    assert argbest(scores, lambda tied: None, everyone) == 1
    scores[1:3] = infinite
    expected = 3 if infinite < 0 else 2
    assert argbest(scores, lambda tied: secondary[tied], everyone) == expected
    assert argbest(np.full(4, infinite), lambda tied: np.full(4, infinite), everyone) == 0


# --- swaps --------------------------------------------------------------------------------------


def test_the_first_member_that_can_be_improved_on_is_by_hand():
    # y = 0; errors 4, 1, -1, 2, chosen 0 and 3: mean 3, square 9. The first looked at is 0 (error
    # 4): with 1 the mean is 1.5, with 2 it is 0.5, so 2 comes in. Then 3 (error 2) against -1: with
    # 1 the mean is 0. Then nothing helps.
    problem = averages([[4.0], [1.0], [-1.0], [2.0]], [0.0], budget=2)
    objective = problem.start()
    objective.add(0)
    objective.add(3)
    chosen = np.array([True, False, False, True])
    assert swap(problem, objective, chosen, 1) == 1
    assert set(objective.selected) == {2, 3}
    assert swap(problem, objective, chosen, "auto") == 1
    assert set(objective.selected) == {1, 2} == set(np.flatnonzero(chosen))
    assert objective.score() == pytest.approx(0.0)
    assert swap(problem, objective, chosen, "auto") == 0


@pytest.mark.parametrize("scoring", ["neg_mean_squared_error", "neg_mean_absolute_error"])
def test_an_objective_without_a_closed_form_is_swapped_too(scoring):
    rng = np.random.default_rng(3)
    y = rng.normal(size=30)
    outputs = (y + rng.normal(size=(8, 30)))[:, None]
    problem = problem_of(outputs, y, scoring=scoring, budget=3)
    final = GreedySelector(exchanges=100).select(problem)[-1]
    for position, new in itertools.product(range(3), set(range(8)) - set(final.indices)):
        other = list(final.indices)
        other[position] = new
        assert problem.evaluate(other) <= final.objective + 1e-6


def naive_swaps(problem, selected):
    """Where the search ends, by computing one swap after the other."""
    weights = problem.combiner.member_weights

    def loss(members):
        mean = np.average(problem.outputs[members, 0], axis=0, weights=weights[members])
        return np.mean((mean - problem.y) ** 2)

    selected, position, misses = list(selected), 0, 0
    spent = problem.costs[selected].sum()
    while misses < len(selected):
        position %= len(selected)
        old = selected[position]
        others = [t for t in selected if t != old]
        fit = [
            t
            for t in range(problem.n_members)
            if t not in selected and problem.fits(spent - problem.costs[old] + problem.costs[t])
        ]
        losses = {t: loss([*others, t]) for t in fit}
        if losses and min(losses.values()) < loss(selected) * (1 - 1e-9):
            new = min(losses, key=losses.get)
            selected = [*others, new]
            spent += problem.costs[new] - problem.costs[old]
            misses = 0
        else:
            position, misses = position + 1, misses + 1
    return selected


@pytest.mark.parametrize("unlike", [False, True])
@pytest.mark.parametrize("dear", [False, True])
def test_many_swaps_are_made_as_one_by_one(unlike, dear):
    rng = np.random.default_rng(5)
    costs = rng.uniform(1, 3, 80) if dear else np.ones(80)
    start = rng.permutation(80)[:40]
    problem = noise(2, n_members=80, n_samples=20, costs=costs, budget=costs[start].sum())
    if unlike:
        combiner = replace(problem.combiner, weights=rng.uniform(0.5, 2, 80))
        problem = replace(problem, combiner=combiner)
    objective = problem.start()
    for t in start:
        objective.add(t)
    assert swap(problem, objective, np.isin(np.arange(80), start)) > 10
    assert objective.selected == naive_swaps(problem, start)


def test_where_many_swaps_help_few_members_are_looked_at_for_each(monkeypatch):
    looks = []
    better_swaps = SquaredError.better_swaps
    monkeypatch.setattr(
        SquaredError, "better_swaps", lambda *args: looks.append(1) or better_swaps(*args)
    )
    problem = noise(n_members=300, n_samples=50, budget=100)
    objective = problem.start()
    for t in range(100):
        objective.add(t)
    made = swap(problem, objective, np.arange(300) < 100)
    assert made > 40
    assert len(looks) < made / 2


# --- sorted start -------------------------------------------------------------------------------


def test_a_sorted_start_by_hand():
    # y = 0; errors 1, -3, 2, 1.5. In order of their own scores: 0, 3, 2, 1. Two of them start:
    # mean 1.25. Then -3 makes it -0.5 / 3 and 2 would make it 4.5 / 3.
    problem = averages([[1.0], [-3.0], [2.0], [1.5]], [0.0], budget=3)
    path = GreedySelector(sorted_start=2, exchanges=0).select(problem)
    assert [point.indices for point in path] == [(0,), (0, 3), (0, 3, 1)]
    # Without it the second is -3: (1 - 3) / 2 = -1 against 1.25.
    assert GreedySelector(exchanges=0).select(problem)[1].indices == (0, 1)


def test_an_automatic_sorted_start_ends_where_they_score_best_together():
    # Errors 1, -1.1, 1.2, 9, 9, ...: alone 0, 1, 2; means 1, -0.05, 0.37: two start.
    problem = averages([[1.0], [-1.1], [1.2], [9.0], [9.5], [10.0]], [0.0], budget=6)
    path = GreedySelector(sorted_start="auto", exchanges=0).select(problem)
    assert path[1].indices == (0, 1)
    # Within half of the budget: of three members one.
    problem = averages([[1.0], [-1.1], [1.2], [9.0]], [0.0], budget=3)
    selector = GreedySelector(sorted_start="auto", exchanges=0)
    assert selector.select(problem)[0].indices == (0,)
    assert selector.select(problem)[-1].size == 3


def test_a_sorted_start_passes_over_what_does_not_fit():
    problem = averages([[1.0], [-3.0], [2.0], [1.5]], [0.0], budget=3, costs=[4.0, 1.0, 1.0, 1.0])
    path = GreedySelector(sorted_start=3, exchanges=0).select(problem)
    assert path[-1].indices == (3, 2, 1)


# --- bags ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("replacement", [True, False])
def test_bags_keep_what_is_drawn_often(replacement):
    # One member is nearly exact: every bag that has it draws it.
    rng = np.random.default_rng(0)
    y = rng.normal(size=80)
    outputs = y + np.r_[np.full(11, 3.0), 0.01][:, None] * rng.normal(size=(12, 80))
    problem = averages(outputs, y, budget=4, random_state=0)
    path = GreedySelector(replacement=replacement, bags=10).select(problem)
    assert [point.size for point in path] == [1, 2, 3, 4]
    assert path[0].indices == (11,)
    for smaller, larger in itertools.pairwise(path):
        assert larger.indices[: smaller.size] == smaller.indices
    weights = path[-1].weight_array
    assert (weights is not None) == replacement
    if replacement:
        assert weights.argmax() == 0
    assert path[-1].objective == pytest.approx(
        problem.evaluate(path[-1].indices, weights), abs=1e-6
    )


def test_one_bag_of_all_members_has_the_members_of_the_plain_search():
    problem = noise(budget=5)
    plain = GreedySelector(exchanges=0).select(problem)[-1]
    bag = GreedySelector(exchanges=0, bags=1, bag_share=1.0).select(problem)[-1]
    assert set(bag.indices) == set(plain.indices)


def test_bags_smaller_than_the_budget_fill_it_all_the_same():
    problem = noise(budget=10)
    assert GreedySelector(bags=2, bag_share=0.1).select(problem)[-1].size == 10


def test_bags_overfit_less():
    # 40 members that are equally good, judged on 25 samples: what is chosen is luck. Out of sample
    # the bagged choice loses no more than the greedy one, on average.
    losses = {"plain": [], "bags": []}
    rng = np.random.default_rng(0)
    for seed in range(10):
        y, y_test = rng.normal(size=25), rng.normal(size=2000)
        quality = rng.uniform(0.7, 1.3, 40)[:, None]
        seen = y + quality * rng.normal(size=(40, 25))
        unseen = y_test + quality * rng.normal(size=(40, 2000))
        problem = averages(seen, y, budget=6, random_state=seed)
        for name, selector in (
            ("plain", GreedySelector(replacement=True)),
            ("bags", GreedySelector(replacement=True, bags=20)),
        ):
            point = selector.select(problem)[-1]
            weights = np.ones(6) if point.weights is None else point.weight_array
            mean = np.average(unseen[list(point.indices)], axis=0, weights=weights)
            losses[name].append(((mean - y_test) ** 2).mean())
    assert np.mean(losses["bags"]) < np.mean(losses["plain"])


def test_a_path_goes_from_cheap_to_dear_though_swaps_save_costs():
    """Nothing on it is dearer than what the search found later and holds for better."""
    dropped = 0
    for seed in range(30):
        costs = np.random.default_rng(seed).uniform(1, 9, 12)
        problem = noise(seed, budget=25.0, costs=costs)
        path = GreedySelector().select(problem)
        ends = [point.cost for point in path]
        assert ends == sorted(ends)
        assert path.result.objective_value == path[-1].objective
        assert path.result.status in ("complete", "exhausted")
        assert 0 < path.result.solve_time < 60
        by_size = sorted(path, key=lambda point: point.size)
        dropped += by_size[-1].size - len(path)
        for smaller, larger in itertools.pairwise(by_size):
            assert larger.cost > smaller.cost or larger.objective < smaller.objective
    assert dropped > 0


# --- random starts ------------------------------------------------------------------------------


def test_random_starts_never_end_worse_and_find_more_optima():
    hits = {1: 0, 12: 0}
    for seed in range(10):
        problem = noise(seed, n_members=10, n_samples=8, budget=4, random_state=seed)
        best = max(problem.evaluate(s) for s in itertools.combinations(range(10), 4))
        ends = {}
        for starts in hits:
            path = GreedySelector(starts=starts).select(problem)
            ends[starts] = path[-1].objective
            assert path[-1].size == 4
            assert [point.size for point in path] == [1, 2, 3, 4]
            hits[starts] += ends[starts] >= best - 1e-6
        assert ends[12] >= ends[1]
    assert hits[12] >= hits[1]
    assert hits[12] == 10


def test_random_starts_stay_within_a_budget_of_costs():
    costs = np.random.default_rng(0).uniform(1, 3, 12)
    problem = noise(budget=9.0, costs=costs, random_state=0)
    path = GreedySelector(starts=5).select(problem)
    ends = [point.cost for point in path]
    assert ends == sorted(ends)
    assert ends[-1] <= 9.0
    assert path[-1].cost == pytest.approx(costs[list(path[-1].indices)].sum())


def test_draws_follow_the_seed():
    problem = noise(n_members=30, budget=6, random_state=1)
    for options in ({"bags": 5}, {"starts": 4}):
        first = GreedySelector(**options).select(problem)[-1].indices
        assert GreedySelector(**options).select(problem)[-1].indices == first
    seeds = {GreedySelector(bags=3, random_state=s).select(problem)[-1].indices for s in range(8)}
    assert len(seeds) > 1


# --- with real ensembles ------------------------------------------------------------------------


SOME = (
    "forest-multiclass",
    "bagging-regression",
    "adaboost-binary",
    "voting-soft-binary",
    "xgboost-binary",
)


@pytest.mark.parametrize(
    "options",
    [
        {"replacement": True, "sorted_start": "auto", "bags": 4},
        {"sorted_start": 2, "starts": 2},
        {"direction": "backward"},
    ],
    ids=str,
)
@pytest.mark.parametrize("family", [f for f in FAMILIES if f.id in SOME], ids=lambda f: f.id)
def test_every_kind_of_ensemble_is_searched_or_refused(family, options):
    ensemble, X, y = fitted(family)
    selector = GreedySelector(**options, random_state=0)
    pruner = EnsemblePruner(FrozenEstimator(ensemble), target_size=3, selector=selector)
    if family.name == "xgboost":
        with pytest.raises(ValueError, match="re-fits the weights of boosting stages"):
            pruner.fit(X, y)
        return
    pruner.fit(X, y)
    assert 1 <= pruner.n_members_ <= 3
    assert pruner.pruned_estimator_.predict(X).shape == (len(X),)


def test_with_replacement_out_of_bag_the_forest_carries_the_weights():
    X, y = make_friedman1(300, noise=1.0, random_state=0)
    selector = GreedySelector(replacement=True, sorted_start="auto", bags=10)
    forest = RandomForestRegressor(40, random_state=0)
    pruner = EnsemblePruner(forest, target_size=6, selector=selector, random_state=0).fit(X, y)
    trees = [pruner.estimator_.estimators_[t].predict(X) for t in pruner.selected_]
    expected = np.average(trees, axis=0, weights=pruner.weights_)
    np.testing.assert_allclose(pruner.predict(X), expected)
    assert pruner.weights_.max() > 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sorted_start": -1}, "sorted_start=-1 must be 'auto' or an int >= 0"),
        ({"sorted_start": "all"}, "sorted_start='all' must be 'auto' or an int >= 0"),
        ({"bags": "auto"}, "bags='auto' must be an int >= 0"),
        ({"bags": True}, "bags=True must be an int >= 0"),
        ({"bag_share": 0}, r"bag_share=0 must be a number in \(0, 1\]"),
        ({"starts": 0}, "starts=0 must be an int >= 1"),
        ({"starts": 3, "replacement": True}, "starts=3 goes with replacement=False and bags=0"),
        ({"bags": 3, "direction": "backward"}, "bags=3 goes with direction='forward' only"),
        ({"starts": 3, "bags": 2}, "starts=3 goes with replacement=False and bags=0"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        GreedySelector(**options).select(random_problem())
