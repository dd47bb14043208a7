"""ILPSelector where something is degenerate, very close, or missing: against every subset again."""

import importlib.util
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pulp
import pytest
from sklearn.exceptions import ConvergenceWarning

from ensprune.combiner import LinearCombiner
from ensprune.link import Logistic
from ensprune.objectives import Accuracy
from ensprune.selectors import ILPSelector
from ensprune.selectors.ilp import run as ilp_run
from ensprune.selectors.ilp.enumeration import RightSets
from ensprune.selectors.ilp.evidence import Evidence
from ensprune.selectors.ilp.formulation import RecallFloors
from ensprune.selectors.ilp.linear import AccuracyFormulation
from ensprune.selectors.ilp.program import Program
from ensprune.selectors.ilp.rules import make_rules
from ensprune.selectors.ilp.solver import make_solver, solve

_spec = importlib.util.spec_from_file_location(
    "ilp_cases", Path(__file__).with_name("ilp_cases.py")
)
cases = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(cases)


@pytest.fixture(params=["every set looked at", "by the solver"])
def search(request, monkeypatch):
    """Small problems would never reach the solver."""
    if request.param == "by the solver":
        monkeypatch.setattr(RightSets, "seconds", staticmethod(lambda *sizes: np.inf))


def margins_problem(seed=0, n_members=9, n_samples=40):
    """Members that give the margin of the second class, in quarters so that ties occur."""
    rng = np.random.default_rng(seed)
    y = np.arange(n_samples) % 2
    outputs = np.round(4 * (rng.normal(size=(n_members, n_samples)) + 0.5 * (2 * y - 1))) / 4
    combiner = LinearCombiner("mean", Logistic(), np.array(["no", "yes"]), n_members)
    return replace(
        cases.classification(n_classes=2),
        outputs=outputs[:, None].astype(np.float32),
        y=combiner.classes[y],
        combiner=combiner,
    )


@pytest.mark.usefixtures("search")
@pytest.mark.parametrize("seed", range(3))
def test_margins_of_two_classes(seed):
    problem = margins_problem(seed)
    says_yes = problem.y == "yes"
    sets = cases.admissible(problem)
    totals = [problem.outputs[m, 0].sum(axis=0, dtype=float) for m in sets]
    # A margin of zero says "no", as scikit-learn's estimators do.
    best = max(((total > 0) == says_yes).mean() for total in totals)
    assert ILPSelector("accuracy").select(problem).result.objective_value == pytest.approx(best)
    signed = [np.where(says_yes, total, -total) / 4 for total in totals]
    least = min(np.maximum(cases.RHO - margin, 0).mean() for margin in signed)
    result = ILPSelector("margin", rho=cases.RHO).select(problem).result
    assert -result.objective_value == pytest.approx(least, rel=2e-6)


@pytest.mark.usefixtures("search")
@pytest.mark.parametrize("seed", range(2))
def test_balanced_accuracy_counts_every_class_alike(seed):
    problem = cases.classification(seed, objective=Accuracy(balanced=True))
    kept = np.r_[0:40:3, 1:20:3, 2:6:3]  # many of the first class, few of the last
    problem = replace(problem, outputs=problem.outputs[:, :, kept], y=problem.y[kept])

    def recalls(members):
        mask = np.isin(np.arange(problem.n_members), members)
        return [cases.recall(problem, mask, label) for label in problem.combiner.classes]

    result = ILPSelector("accuracy").select(problem).result
    best = max(np.mean(recalls(members)) for members in cases.admissible(problem))
    assert result.status == "optimal"
    assert result.objective_value == pytest.approx(best)


def nearly_right():
    """Four members that miss a tie by their last bits, two that are right of some samples."""
    problem = cases.classification(n_classes=2, n_samples=12, n_members=6, budget=2)
    labels, samples = cases.positions(problem), np.arange(12)
    outputs = np.full((6, 2, 12), 0.5, dtype=np.float32)
    outputs[:4, labels, samples] -= 2.0**-25 * np.arange(1, 5)[:, None]
    outputs[4, labels, samples] = np.where(samples < 8, 0.75, 0.25)
    outputs[5, labels, samples] = np.where(samples < 8, 0.25, 0.75)
    return replace(problem, outputs=outputs)


@pytest.mark.usefixtures("search")
def test_a_sample_that_is_wrong_by_the_last_bit_is_wrong():
    result = ILPSelector("accuracy", time_limit=10).select(nearly_right()).result
    assert result.objective_value == pytest.approx(8 / 12)
    assert result.status == "optimal"


@pytest.mark.parametrize("out_of_bag", [False, True])
def test_ties_are_broken_by_squared_error_of_what_all_may_say(out_of_bag):
    mask = np.random.default_rng(0).random((9, 40)) < 0.4 if out_of_bag else None
    evidence = Evidence(cases.classification(mask=mask))
    rules = make_rules(evidence.problem, None, None, None)
    objective = AccuracyFormulation(evidence, rules, RecallFloors()).objective()
    objective.start(evidence.filled, evidence.problem.y, evidence.combiner)
    assert (objective.tiebreaks() is None) == out_of_bag


def test_what_a_solver_claims_within_its_tolerance_is_forbidden():
    problem = nearly_right()
    rules = make_rules(problem, None, None, None)
    form = AccuracyFormulation(Evidence(problem), rules, RecallFloors())
    program = form.program(2)
    short = np.arange(6) < 2
    honest = program.fill(short)
    assert program.violation(honest) < 1e-9
    # Within a solver's tolerance the samples that win ties are right.
    lies = np.arange(len(honest)) >= 6  # columns of samples come last
    lies &= [program.violation(np.maximum(honest, one)) < 1e-6 for one in np.eye(len(honest))]
    assert lies.any()
    claimed = np.where(lies, 1.0, honest)
    assert program.repair(short, claimed)
    assert program.violation(claimed) > 0.5
    assert program.violation(honest) < 1e-9
    best = program.fill(np.isin(np.arange(6), [0, 4]))
    assert program.violation(best) < 1e-9
    assert not program.repair(np.isin(np.arange(6), [0, 4]), best)


@pytest.mark.parametrize("formulation", ["squared_error", "pairwise"])
def test_members_that_are_the_same_twice(formulation):
    problem = cases.classification(1, n_members=9)
    outputs = problem.outputs.copy()
    outputs[5:8] = outputs[2]
    problem = replace(problem, outputs=outputs)
    floors = {"a": 0.7}
    result = ILPSelector(formulation, min_recall=floors, time_limit=20).select(problem).result
    best = cases.best_loss(problem, formulation, floors=floors)
    assert -result.objective_value == pytest.approx(best, rel=2e-6)


def test_floors_that_every_set_holds_change_nothing():
    problem = cases.classification(3)
    plain = ILPSelector("margin").select(problem).result
    floored = ILPSelector("margin", min_recall={"a": 0.0, "b": 0.01}).select(problem).result
    assert floored.objective_value == pytest.approx(plain.objective_value, rel=1e-6)


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ({}, ""),
        ({"must_drop": [1], "at_most": [([2, 3], 1)]}, r"must_drop \(1 members\), at_most \(1 gr"),
        ({"must_keep": [0, 2, 3, 4]}, r"must_keep \(4 members\)"),
    ],
)
@pytest.mark.parametrize("formulation", ["accuracy", "margin", "squared_error", "pairwise"])
def test_floors_that_no_set_holds_are_named_with_what_stands_beside_them(formulation, rules, told):
    # All members are right of class "a", but for one sample that only member 1 is right of.
    problem = cases.classification(n_samples=30)
    outputs = problem.outputs.copy()
    outputs[:, :, problem.y == "a"] = np.eye(3)[0][:, None]
    outputs[:, :, 3] = [0.45, 0.55, 0.0]
    outputs[1, :, 3] = [1.0, 0.0, 0.0]
    problem = replace(problem, outputs=outputs)
    selector = ILPSelector(formulation, time_limit=20, min_recall={"a": 1.0}, **rules)
    if not rules:
        assert 1 in selector.select(problem)[-1].indices
        return
    with pytest.raises(
        ValueError, match=rf"min_recall=.* cannot hold within .* together with {told}"
    ):
        selector.select(problem)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"min_recall": {"c": 0.5}}, "min_recall names the class 'c', of which y has no sample"),
        ({"at_most": 3}, r"at_most=3 is no list of pairs \(indices, k\)"),
    ],
)
def test_more_bad_rules_are_named(options, match):
    problem = cases.classification()
    here = problem.y != "c"
    problem = replace(problem, outputs=problem.outputs[:, :, here], y=problem.y[here])
    with pytest.raises(ValueError, match=match):
        ILPSelector(**options).select(problem)


def test_rules_of_nobody_are_no_rules():
    problem = cases.classification()
    plain = ILPSelector("margin").select(problem)
    ruled = ILPSelector("margin", must_keep=[], must_drop=np.array([]), at_most=[]).select(problem)
    assert ruled.result.objective_value == pytest.approx(plain.result.objective_value)


@pytest.mark.parametrize("formulation", cases.LOSSES)
def test_a_group_of_dropped_members_holds_anyway(formulation):
    problem = cases.case(formulation)
    rules = {"must_drop": [0, 1], "at_most": [([0, 1], 1)]}
    result = ILPSelector(formulation, rho=cases.RHO, **rules).select(problem).result
    best = cases.best_loss(problem, formulation, drop=[0, 1])
    assert -result.objective_value == pytest.approx(best, rel=2e-6)


@pytest.mark.parametrize("formulation", ["squared_error", "pairwise", "margin", "accuracy"])
def test_one_member_that_may_stay(formulation):
    problem = cases.classification(budget=1)
    path = ILPSelector(formulation, must_drop=list(range(8)), min_recall={"a": 0.0}).select(problem)
    assert path[-1].indices == (8,)
    assert path.result.gap == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("formulation", ["accuracy", "margin", "squared_error"])
def test_members_that_are_always_right(formulation):
    problem = cases.classification()
    sure = np.broadcast_to(np.eye(3)[:, cases.positions(problem)], problem.outputs.shape)
    problem = replace(problem, outputs=sure.astype(np.float32))
    path = ILPSelector(formulation, rho=0.5).select(problem)
    assert path.result.status == "optimal"
    assert abs(path.result.objective_value) == (formulation == "accuracy")


# --- programs too large, solvers of the user's own -----------------------------------------------


@pytest.mark.parametrize("limit", ["_MOST_TERMS", "_MOST_COEFFICIENTS"])
@pytest.mark.parametrize("formulation", ["margin", "accuracy", "absolute_error"])
def test_a_program_too_large_to_build_still_has_a_bound(formulation, limit, monkeypatch):
    monkeypatch.setattr(ilp_run, limit, 10)
    monkeypatch.setattr(RightSets, "seconds", staticmethod(lambda *sizes: np.inf))
    problem = cases.case(formulation)
    best = -cases.best_loss(problem, formulation)
    with pytest.warns(ConvergenceWarning, match="with a gap of"):
        result = ILPSelector(formulation, rho=cases.RHO, time_limit=1).select(problem).result
    assert result.status == "time_limit"
    assert result.objective_value <= best + 1e-7
    assert result.bound >= best - 1e-7
    assert result.n_rows == 0


def test_solvers_by_other_names_and_of_the_users_own(monkeypatch):
    assert not pulp.getSolver("GUROBI_CMD", msg=False).available()
    with pytest.raises(ImportError, match=r"solver='gurobi_cmd' is not installed: see PuLP's"):
        make_solver("gurobi_cmd")
    with pytest.raises(ImportError, match=r"solver=COIN_CMD is not installed"):
        make_solver(pulp.COIN_CMD(path="/nowhere/cbc", msg=False))


def test_a_limit_of_the_solver_itself_counts_too():
    program = Program()
    x = program.add_columns(-np.ones(3), integer=True)
    program.add_rows([(x, np.ones(3))], "<=", 2.0)
    own = pulp.HiGHS(msg=False, timeLimit=5, gapRel=0.5, gapAbs=0.5)
    answer = solve(program, make_solver(own), deadline=time.perf_counter() + 5, mip_gap=0.0)
    assert program.cost @ answer.values >= -2
    late = solve(program, make_solver(own), deadline=time.perf_counter() - 1, mip_gap=0.0)
    assert (late.status, late.values, late.bound) == ("time_limit", None, -np.inf)


def test_a_program_that_is_impossible_asks_no_solver():
    program = Program()
    program.add_columns(np.ones(2), integer=True)
    program.impossible = True
    answer = solve(program, None, deadline=time.perf_counter() + 5, mip_gap=0.0)
    assert (answer.status, answer.values, answer.bound) == ("infeasible", None, np.inf)
