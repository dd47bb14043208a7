"""The relaxation by cuts: below every admissible set, close to the solver's, right in what it settles."""

import importlib.util
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import OptimizeResult, linprog

from ensprune.objectives import Accuracy, SquaredError
from ensprune.selectors.ilp import FORMULATIONS, relaxation
from ensprune.selectors.ilp.evidence import Evidence
from ensprune.selectors.ilp.formulation import RecallFloors
from ensprune.selectors.ilp.incumbent import Floors, Search
from ensprune.selectors.ilp.relaxation import HingeSum, relax
from ensprune.selectors.ilp.rules import make_rules
from ensprune.selectors.ilp.solver import make_solver, solve

_spec = importlib.util.spec_from_file_location(
    "ilp_cases", Path(__file__).with_name("ilp_cases.py")
)
cases = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(cases)


def soon():
    return time.perf_counter() + 5.0


def form_of(problem, name, **rules):
    rules = {"must_keep": None, "must_drop": None, "at_most": None, **rules}
    options = {"rho": cases.RHO} if name == "margin" else {}
    made = make_rules(problem, **rules)
    return FORMULATIONS[name](Evidence(problem), made, RecallFloors(), **options)


def losses_of(problem, form, name, size):
    sets = [m for m in cases.admissible(problem, exact=False) if size in (None, len(m))]
    masks = np.zeros((len(sets), problem.n_members), dtype=bool)
    for mask, members in zip(masks, sets, strict=True):
        mask[members] = True
    allowed = np.array([form.rules.allow(mask) for mask in masks])
    losses = np.array([cases.true_loss(problem, m, name) for m in sets])
    return masks[allowed], losses[allowed]


@pytest.mark.parametrize("name", ["margin", "accuracy", "absolute_error"])
@pytest.mark.parametrize("costly", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_bound_and_what_it_settles(name, costly, seed):
    costs = np.random.default_rng(seed).uniform(1, 3, 9) if costly else np.ones(9)
    problem = cases.case(name, seed, costs=costs, budget=8.0 if costly else 4.0)
    form = form_of(problem, name, at_most=[([0, 1, 2, 3], 2)])
    size = None if name == "accuracy" and costly else 3
    masks, losses = losses_of(problem, form, name, size)
    for incumbent in (np.inf, losses.min(), np.median(losses)):
        start = None if np.isinf(incumbent) else masks[np.abs(losses - incumbent).argmin()]
        relaxed = relax(form.hinges(size), form.rules, size, incumbent, start, soon(), 0.0)
        assert relaxed.bound <= losses.min() + 1e-9
        good = masks[losses <= incumbent]
        assert good[:, relaxed.keep].all()
        assert not good[:, relaxed.drop].any()


@pytest.mark.parametrize("name", ["margin", "accuracy", "absolute_error"])
def test_hinges_are_the_loss_or_less(name):
    problem = cases.case(name, 4)
    form = form_of(problem, name)
    hinges = form.hinges(4)
    masks, losses = losses_of(problem, form, name, 4)
    values = np.array([hinges.at(mask.astype(float))[0] for mask in masks])
    if name == "accuracy":
        assert (values <= losses + 1e-12).all()
    else:
        np.testing.assert_allclose(values, losses, rtol=1e-6)


def test_cuts_are_subgradients():
    rng = np.random.default_rng(0)
    owner = np.sort(rng.integers(0, 10, 30))
    loss = HingeSum(
        rng.normal(size=5), rng.normal(size=(30, 5)), rng.random(30), owner, np.ones(10)
    )
    here, there = rng.random((2, 200, 5))
    for x, z in zip(here, there, strict=True):
        value, slope = loss.at(x)
        assert loss.at(z)[0] >= value + slope @ (z - x) - 1e-12


def test_as_good_as_a_program_with_a_column_for_every_sample():
    problem = cases.classification(n_members=20, n_samples=150, n_classes=2, budget=5)
    form = form_of(problem, "margin")
    rows = form.evidence.margins()
    n_rows = len(rows.values)
    program = linprog(
        np.r_[np.zeros(20), np.full(n_rows, 1 / n_rows)],
        A_ub=-np.c_[rows.values / 5, np.eye(n_rows)],
        b_ub=np.full(n_rows, -cases.RHO),
        A_eq=np.r_[np.ones(20), np.zeros(n_rows)][None],
        b_eq=[5.0],
        bounds=[(0, 1)] * 20 + [(0, None)] * n_rows,
    )
    relaxed = relax(form.hinges(5), form.rules, 5, np.inf, None, soon(), 0.0)
    assert relaxed.bound == pytest.approx(program.fun, rel=0.02)
    assert relaxed.bound <= program.fun + 1e-9


@pytest.mark.parametrize("known", [False, True])
def test_no_point_is_proof_only_where_none_is_known(known, monkeypatch):
    form = form_of(cases.case("margin"), "margin")
    start = np.arange(9) < 4 if known else None
    monkeypatch.setattr(relaxation, "linprog", lambda *args, **options: OptimizeResult(status=2))
    relaxed = relax(form.hinges(4), form.rules, 4, np.inf, start, soon(), 0.0)
    assert relaxed.bound == (-np.inf if known else np.inf)


@pytest.mark.parametrize("name", cases.LOSSES)
def test_a_program_costs_every_set_its_loss_and_its_optimum_is_the_best(name):
    problem = cases.case(name, 3)
    form = form_of(problem, name)
    masks, losses = losses_of(problem, form, name, 3)
    program = form.program(3)
    for mask, loss in zip(masks, losses, strict=True):
        values = program.fill(mask)
        assert program.violation(values) < 1e-9
        assert program.offset + program.cost @ values == pytest.approx(loss, abs=1e-6)
    answer = solve(program, make_solver("highs"), deadline=soon(), mip_gap=0.0)
    assert program.offset + program.cost @ answer.values == pytest.approx(losses.min(), abs=1e-6)


def test_the_search_knows_what_every_addition_and_drop_gives():
    problem = cases.classification(2)
    rules = make_rules(problem, None, None, None)
    right = Accuracy()
    right.start(problem.outputs, problem.y, problem.combiner)
    brier = replace(problem, objective=SquaredError("brier")).start()
    search = Search(brier, rules, Floors([right], [0.9]), soon())
    search.go_to([1, 3, 4])
    for drop in (False, True):
        found = search.candidates(drop=drop)
        for t in range(9):
            if search.chosen[t] != drop:
                continue
            search.move(**{"drop" if drop else "add": t})
            assert found[t] == pytest.approx(search.value(), rel=1e-9)
            search.go_to([1, 3, 4])
