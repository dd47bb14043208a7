"""One budget for several ensembles: against brute force, and never worse than dropping them whole."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from nested_ensembles import nested

from ensprune.combiner import LinearCombiner
from ensprune.link import Identity
from ensprune.members import open_members
from ensprune.nested import NestedCombiner, Slot
from ensprune.objectives import make_objective
from ensprune.selectors import AllocationSelector, FirstSelector, GreedySelector, Problem
from ensprune.selectors.ladder import ladder_of


def averages(sizes, y, errors, costs, budget, scoring="neg_mean_squared_error", weights=None):
    """Averages of averages: member t predicts ``y + errors[t]``; a size of 0 is a whole member."""
    n_members = sum(max(size, 1) for size in sizes)
    errors = np.asarray(errors, dtype=float)
    outputs = (y + errors.reshape(n_members, -1))[:, None]
    slots = tuple(
        Slot(
            LinearCombiner("mean", Identity(), None, size) if size else None,
            "predict",
            lambda response: response[None],
            1,
            True,
        )
        for size in sizes
    )
    outer = LinearCombiner("mean", Identity(), None, len(sizes), weights=weights)
    slot_of = np.repeat(np.arange(len(sizes)), np.maximum(sizes, 1))
    combiner = NestedCombiner(outer, slots, slot_of)
    return Problem(
        outputs=outputs,
        y=y,
        combiner=combiner,
        objective=make_objective(scoring, combiner),
        costs=np.asarray(costs, dtype=float),
        budget=budget,
    )


def random_problem(seed, budget=7.0):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=40)
    # Errors with a part in common within a slot, so that slots correct one another.
    shared = np.repeat(rng.normal(size=(3, 40)), (3, 4, 1), axis=0)
    errors = shared + rng.normal(size=(8, 40))
    return averages([3, 4, 0], y, errors, rng.integers(1, 4, 8), budget)


def test_the_budget_goes_where_it_helps_by_hand():
    # Slots err by +1 and -1 and cancel out; inside, all members are alike and cost 1 and 2.
    y = np.zeros(6)
    problem = averages(
        [3, 3], y, np.repeat([1.0, -1.0], 3)[:, None] * np.ones(6), [1] * 3 + [2] * 3, 3
    )
    path = AllocationSelector().select(problem)
    assert path[-1].objective == pytest.approx(0.0)
    assert path[-1].cost == 3
    assert path.result.kept == (1, 1)
    assert path.result.status == "complete"
    # Whole, only the first slot fits, and that errs by one.
    assert path.result.whole_objective_value == pytest.approx(-1.0)


def test_most_often_the_best_of_all_allocations():
    hits = 0
    for seed in range(12):
        problem = random_problem(seed)
        ladders = [ladder_of(problem, slot, GreedySelector()) for slot in range(3)]
        scores = []
        for choice in itertools.product(*((None, *ladder.points) for ladder in ladders)):
            points = [point for point in choice if point is not None]
            if points and problem.fits(sum(point.cost for point in points)):
                scores.append(problem.evaluate([t for point in points for t in point.indices]))
        point = AllocationSelector().select(problem)[-1]
        assert point.cost <= problem.budget
        assert point.objective <= max(scores) + 1e-12
        hits += point.objective >= max(scores) - 1e-12
    assert hits >= 10


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("budget", [2.0, 5.0, 11.0, 100.0])
def test_never_worse_than_dropping_whole_members(seed, budget):
    problem = random_problem(seed, budget)
    path = AllocationSelector().select(problem)
    slots = [tuple(problem.combiner.members_of(s)) for s in range(3)]
    best = GreedySelector()
    whole_costs = [problem.costs[list(slot)].sum() for slot in slots]
    if min(whole_costs) <= budget:
        plain = Problem(
            outputs=np.stack([problem.outputs[list(slot)].mean(axis=0) for slot in slots]),
            y=problem.y,
            combiner=problem.combiner.outer,
            objective=make_objective("neg_mean_squared_error", problem.combiner.outer),
            costs=np.array(whole_costs),
            budget=budget,
        )
        floor = best.select(plain)[-1].objective
        assert path.result.whole_objective_value == pytest.approx(floor)
        assert path[-1].objective >= floor - 1e-9
    else:
        assert np.isnan(path.result.whole_objective_value)


@pytest.mark.parametrize("seed", range(4))
def test_the_path_rises_in_cost_and_tells_the_truth(seed):
    problem = random_problem(seed, 9.0)
    path = AllocationSelector().select(problem)
    costs = [point.cost for point in path]
    assert costs == sorted(set(costs))
    assert costs[-1] <= 9.0
    for point in path:
        assert len(set(point.indices)) == point.size
        assert point.cost == problem.costs[list(point.indices)].sum()
        assert point.objective == pytest.approx(problem.evaluate(point.indices, point.weight_array))
    kept = [np.isin(path[-1].indices, problem.combiner.members_of(s)).sum() for s in range(3)]
    assert path.result.kept == tuple(kept)


def test_a_harmful_member_is_left_out_though_it_fits():
    y = np.arange(8.0)
    problem = averages([2, 0], y, np.array([0.1, -0.1, 50.0])[:, None] * np.ones(8), [1, 1, 1], 3)
    path = AllocationSelector().select(problem)
    assert set(path[-1].indices) == {0, 1}
    assert path.result.status == "exhausted"


def test_a_slot_without_weight_is_no_choice_alone():
    y = np.arange(8.0)
    errors = np.array([0.0, 0.0, 1.0])[:, None] * np.ones(8)
    problem = averages([2, 0], y, errors, [1, 1, 1], 1, weights=np.array([0.0, 1.0]))
    assert AllocationSelector().select(problem)[-1].indices == (2,)


def test_any_selector_makes_the_paths_inside():
    problem = random_problem(0, 4.0)
    for inner in ("first", "random", FirstSelector(), GreedySelector(exchanges=0)):
        path = AllocationSelector(inner).select(problem)
        assert path[-1].cost <= 4.0
    first = AllocationSelector("first").select(random_problem(0, 100.0))
    for slot in range(3):
        inside = problem.combiner.members_of(slot)
        kept = [t for t in first[-1].indices if t in inside]
        assert kept == inside[: len(kept)].tolist()


def test_labels_are_translated_for_members_that_know_positions():
    ensemble, X, y = nested("voting-soft-multiclass")
    members = open_members(ensemble).deep()
    combiner = members.bind(X)
    problem = Problem(
        outputs=members.outputs(X),
        y=y,
        combiner=combiner,
        objective=make_objective("neg_log_loss", combiner),
        costs=members.costs(),
        budget=8.0,
        carries_weights=True,
    )
    path = AllocationSelector().select(problem)
    assert path[-1].size <= 8
    # Scoring the wrong class would be worse than knowing nothing.
    assert path[-1].objective > -np.log(3)


def test_other_problems_and_impossible_budgets_are_refused():
    problem = random_problem(0)
    flat = Problem(
        outputs=problem.outputs,
        y=problem.y,
        combiner=LinearCombiner("mean", Identity(), None, 8),
        objective=problem.objective,
        costs=problem.costs,
        budget=3.0,
    )
    with pytest.raises(ValueError, match="AllocationSelector shares a budget between"):
        AllocationSelector().select(flat)
    with pytest.raises(ValueError, match=r"no member fits the budget of 0\.5"):
        AllocationSelector().select(random_problem(0, 0.5))
