"""Every formulation under every rule, against the enumeration of all subsets."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from ensprune.selectors import ILPSelector

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
