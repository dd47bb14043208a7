"""Every formulation under every rule, against the enumeration of all subsets."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from ensprune.selectors import ILPSelector
from ensprune.selectors.ilp import quadratic, run
from ensprune.selectors.ilp.enumeration import RightSets

_spec = importlib.util.spec_from_file_location(
    "ilp_cases", Path(__file__).with_name("ilp_cases.py")
)
cases = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(cases)


def solved(problem, formulation, **options):
    if formulation == "margin":
        options["rho"] = cases.RHO
    path = ILPSelector(formulation, time_limit=20, **options).select(problem)
    return path[-1], path.result


def check(problem, formulation, rules, **options):
    point, result = solved(problem, formulation, **options)
    best = cases.best_loss(problem, formulation, **rules)
    assert result.status == "optimal"
    # Outputs are float32: their Gram matrix is exact to about 1e-7.
    np.testing.assert_allclose(-result.objective_value, best, rtol=2e-6, atol=1e-9)
    true = cases.true_loss(problem, point.indices, formulation)
    np.testing.assert_allclose(true, best, rtol=2e-6, atol=1e-9)
    assert result.bound >= result.objective_value
    assert any(set(point.indices) == set(m) for m in cases.admissible(problem, **rules))


@pytest.fixture(params=["every set looked at", "by the solver"])
def search(request, monkeypatch):
    """Small problems would never reach the solver."""
    if request.param == "by the solver":
        monkeypatch.setattr(RightSets, "seconds", staticmethod(lambda *sizes: np.inf))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("formulation", cases.LOSSES)
def test_a_number_of_members(formulation, seed):
    check(cases.case(formulation, seed), formulation, {})


@pytest.mark.parametrize("formulation", cases.LOSSES)
def test_keep_drop_and_groups(formulation):
    rules = {"keep": [7, 2], "drop": [0], "groups": [([1, 2, 3, 4], 1), ([5, 6], 1)]}
    options = {"must_keep": [7, 2], "must_drop": [0], "at_most": rules["groups"]}
    check(cases.case(formulation, budget=5), formulation, rules, **options)


@pytest.mark.parametrize("formulation", cases.LOSSES)
def test_costs(formulation):
    costs = np.random.default_rng(3).uniform(1, 4, 8)
    problem = cases.case(formulation, n_members=8, costs=costs, budget=9.0)
    check(problem, formulation, {"keep": [1]}, must_keep=[1])


@pytest.mark.parametrize("formulation", [f for f in cases.LOSSES if f != "absolute_error"])
def test_recall_floors(formulation):
    problem = cases.case(formulation, 1)
    free = [cases.recall(problem, list(members), "b") for members in cases.admissible(problem)]
    full = cases.recall(problem, np.ones(problem.n_members, bool), "b")
    floor = min(full, np.quantile(free, 0.9))
    check(problem, formulation, {"floors": {"b": floor}}, min_recall={"b": floor})


@pytest.mark.parametrize("n_classes", [2, 3])
def test_accuracy_by_the_solver(n_classes, monkeypatch):
    monkeypatch.setattr(RightSets, "seconds", staticmethod(lambda *sizes: np.inf))
    problem = cases.classification(n_classes=n_classes, budget=5)
    rules = {"keep": [7], "drop": [0], "groups": [([1, 2, 3, 4], 1)]}
    check(problem, "accuracy", rules, must_keep=[7], must_drop=[0], at_most=rules["groups"])
    full = cases.recall(problem, np.ones(9, bool), "b")
    check(problem, "accuracy", {"floors": {"b": full - 0.05}}, min_recall={"b": full - 0.05})


def covered(problem, holds):
    """Least cost of a subset that holds, by enumeration."""
    sets = cases.admissible(problem, exact=False)
    return min(problem.costs[members].sum() for members in sets if holds(members))


@pytest.mark.parametrize("costly", [False, True])
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.usefixtures("search")
def test_cover_keeps_accuracy(seed, costly):
    costs = np.random.default_rng(seed).uniform(1, 3, 9) if costly else np.ones(9)
    problem = cases.classification(seed, costs=costs, budget=costs.sum())
    full = -cases.true_loss(problem, range(9), "accuracy")
    least = covered(
        problem, lambda m: -cases.true_loss(problem, m, "accuracy") >= full - 0.05 - 1e-9
    )
    point, result = solved(problem, "cover", tolerance=0.05)
    assert result.status == "optimal"
    assert point.cost == pytest.approx(least)
    assert -cases.true_loss(problem, point.indices, "accuracy") >= full - 0.05 - 1e-9


@pytest.mark.parametrize("costly", [False, True])
@pytest.mark.parametrize("kind", ["mse", "r2", "rmse"])
def test_cover_keeps_squared_error(kind, costly):
    costs = np.random.default_rng(5).uniform(1, 3, 9) if costly else np.ones(9)
    objective = cases.SquaredError(kind)
    problem = cases.regression(1, costs=costs, budget=costs.sum(), objective=objective)

    def score(members):
        loss = cases.true_loss(problem, members, "squared_error")
        return {"mse": -loss, "r2": 1 - loss / problem.y.var(), "rmse": -np.sqrt(loss)}[kind]

    least = covered(problem, lambda m: score(m) >= score(range(9)) - 0.05 - 1e-7)
    point, result = solved(problem, "cover", tolerance=0.05)
    assert result.status == "optimal"
    assert point.cost == pytest.approx(least)
    assert score(point.indices) >= score(range(9)) - 0.05 - 1e-6


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.usefixtures("search")
def test_faithful_cover_keeps_every_label(seed):
    problem = cases.classification(seed, budget=9, n_samples=15)
    full = problem.outputs.sum(axis=0).argmax(axis=0)
    least = covered(
        problem, lambda m: (problem.outputs[m].sum(axis=0).argmax(axis=0) == full).all()
    )
    point, result = solved(problem, "cover", faithful=True)
    assert result.status == "optimal"
    assert point.cost == least
    kept = problem.outputs[list(point.indices)].sum(axis=0).argmax(axis=0)
    np.testing.assert_array_equal(kept, full)


@pytest.mark.parametrize("formulation", cases.LOSSES)
def test_sample_weights(formulation):
    weight = np.random.default_rng(2).uniform(0, 2, 40)
    check(cases.case(formulation, 2, sample_weight=weight), formulation, {})


@pytest.mark.parametrize("formulation", cases.LOSSES)
def test_identical_members_and_samples(formulation):
    problem = cases.case(formulation, 3)
    outputs, y = problem.outputs.copy(), problem.y.copy()
    outputs[4] = outputs[5] = outputs[1]
    outputs[:, :, 10:20], y[10:20] = outputs[:, :, :10], y[:10]
    check(cases.replace(problem, outputs=outputs, y=y), formulation, {})


@pytest.mark.parametrize("formulation", ["squared_error", "margin", "accuracy", "pairwise"])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_more_and_fewer_classes(formulation, n_classes):
    check(cases.classification(4, n_classes=n_classes), formulation, {})


def test_recall_floors_that_only_fewer_members_reach():
    problem = cases.classification(7, n_members=7, n_samples=30, budget=4)
    group = [([0, 1, 2], 1)]
    full = {c: cases.recall(problem, np.ones(7, bool), c) for c in "abc"}
    for floors in ({c: full[c] - d for c in "abc"} for d in (0.0, 0.05, 0.1, 0.15, 0.2)):
        reached = [
            m
            for m in cases.admissible(problem, groups=group, exact=False)
            if all(cases.recall(problem, m, c) >= v - 1e-9 for c, v in floors.items())
        ]
        options = {"min_recall": floors, "at_most": group}
        if not reached:
            with pytest.raises(ValueError, match=r"min_recall=.* cannot hold"):
                solved(problem, "squared_error", **options)
            continue
        largest = max(map(len, reached))
        best = min(
            cases.true_loss(problem, m, "squared_error") for m in reached if len(m) == largest
        )
        _, result = solved(problem, "squared_error", **options)
        assert -result.objective_value == pytest.approx(best, rel=2e-6)


@pytest.mark.parametrize("costly", [False, True])
@pytest.mark.parametrize("formulation", ["squared_error", "pairwise"])
def test_branching_without_the_solver(formulation, costly, monkeypatch):
    # Bounds alone prove small problems.
    monkeypatch.setattr(run, "_BOUND_SHARE", 0.0)
    found = []
    search = quadratic.branch_and_bound

    def listening(*given, **options):
        found.append(search(*given, **options))
        return found[-1]

    monkeypatch.setattr(quadratic, "branch_and_bound", listening)
    for seed in range(6):
        costs = np.random.default_rng(seed).uniform(1, 3, 10) if costly else np.ones(10)
        make = cases.classification if formulation == "pairwise" else cases.regression
        problem = make(seed, n_members=10, costs=costs, budget=10.0 if costly else 5.0)
        check(problem, formulation, {})
    assert found
