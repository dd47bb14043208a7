"""What ILPSelector reports is true, nothing is printed or left, and greedy is never better."""

import importlib.util
import itertools
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import AdaBoostClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from ensprune.members import open_members
from ensprune.objectives import AbsoluteError, Accuracy, SquaredError
from ensprune.objectives.out_of_bag import out_of_bag_gram
from ensprune.selectors import GreedySelector, ILPSelector
from ensprune.selectors.base import Problem
from ensprune.selectors.ilp import rules as rules_module
from ensprune.selectors.ilp import solver as solver_module
from ensprune.selectors.ilp.enumeration import RightSets
from ensprune.selectors.ilp.program import Program
from ensprune.selectors.ilp.rules import Rules
from ensprune.selectors.ilp.solver import _miscounts, make_solver, solve

_spec = importlib.util.spec_from_file_location(
    "ilp_cases", Path(__file__).with_name("ilp_cases.py")
)
cases = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(cases)


def problem_of(ensemble, loader, objective, budget, n_val=None):
    X, y = loader(return_X_y=True)
    X, X_val, y, y_val = train_test_split(X, y, test_size=0.4, random_state=0)
    members = open_members(ensemble.fit(X, y))
    X_val, y_val = X_val[:n_val], y_val[:n_val]
    return Problem(
        members.outputs(X_val),
        y_val,
        members.combiner,
        objective,
        np.ones(members.n_members),
        float(budget),
    )


def forest_problem(n_members=40, budget=6, loader=load_wine, **changes):
    forest = RandomForestClassifier(n_members, max_depth=3, max_features=2, random_state=0)
    return replace(problem_of(forest, loader, Accuracy(), budget), **changes)


@pytest.mark.parametrize("loader", [load_wine, load_breast_cancer])
@pytest.mark.filterwarnings("ignore:ILPSelector:sklearn.exceptions.ConvergenceWarning")
def test_never_worse_than_greedy_on_classification(loader):
    problem = forest_problem(loader=loader)
    for formulation, objective in (
        ("accuracy", Accuracy()),
        ("squared_error", SquaredError("brier")),
    ):
        asked = replace(problem, objective=objective)
        greedy = GreedySelector().select(asked)[-1].objective
        path = ILPSelector(formulation, time_limit=1.5).select(asked)
        assert path.result.objective_value >= greedy - 1e-9
        assert path.result.bound >= path.result.objective_value
        assert path.result.greedy_value >= greedy - 1e-9


@pytest.mark.filterwarnings("ignore:ILPSelector:sklearn.exceptions.ConvergenceWarning")
def test_never_worse_than_greedy_on_regression():
    forest = RandomForestRegressor(40, max_depth=6, random_state=0)
    problem = problem_of(forest, load_diabetes, AbsoluteError(), 6, n_val=80)
    for formulation, objective in (
        ("absolute_error", AbsoluteError()),
        ("squared_error", SquaredError("mse")),
    ):
        asked = replace(problem, objective=objective)
        greedy = GreedySelector().select(asked)[-1].objective
        path = ILPSelector(formulation, time_limit=1.5).select(asked)
        assert path.result.objective_value >= greedy * (1 + 1e-9)


@pytest.mark.parametrize(
    ("formulation", "n_members", "n_samples", "budget"),
    [("squared_error", 300, 20, 60), ("accuracy", 70, 50, 12)],
)
def test_time_limit_is_kept_and_the_gap_told(formulation, n_members, n_samples, budget):
    # Members of pure noise on few samples: nothing can be proved quickly.
    problem = cases.classification(
        n_members=n_members, n_samples=n_samples, n_classes=2, budget=budget
    )
    rng = np.random.default_rng(0)
    noise = rng.normal(size=problem.outputs.shape).astype(np.float32)
    problem = replace(problem, outputs=noise)
    start = time.perf_counter()
    with pytest.warns(ConvergenceWarning, match=r"time_limit=2 s with a gap of [0-9.]+ %"):
        path = ILPSelector(formulation, time_limit=2, mip_gap=0.0).select(problem)
    assert time.perf_counter() - start < 2.4
    result = path.result
    assert result.status == "time_limit"
    assert result.gap == pytest.approx(
        (result.bound - result.objective_value) / abs(result.objective_value)
    )
    assert result.gap > 0
    assert result.solve_time < 2.4


def hard_program():
    """A market-split program: feasible, and far from provable in a second."""
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 100, (5, 40)).astype(float)
    program = Program()
    x = program.add_columns(np.zeros(40), integer=True)
    over = program.add_columns(np.ones(5), upper=np.inf)
    under = program.add_columns(np.ones(5), upper=np.inf)
    right = np.floor(rows.sum(axis=1) / 2)
    program.add_rows(
        [(x, rows), (over[:, None], -np.ones((5, 1))), (under[:, None], np.ones((5, 1)))],
        "==",
        right,
    )
    return program


def installed_solvers():
    import pulp

    bundled = hasattr(pulp, "PULP_CBC_CMD")
    return ["highs", "cbc"] if bundled or pulp.COIN_CMD(msg=False).available() else ["highs"]


@pytest.mark.parametrize("name", installed_solvers())
def test_a_time_limit_is_not_called_optimal(name):
    program = hard_program()
    solver = make_solver(name)
    answer = solve(program, solver, deadline=time.perf_counter() + 1.5, mip_gap=0.0)
    assert answer.status == "time_limit"
    assert answer.values is not None
    assert program.violation(answer.values) < 1e-5
    value = program.cost @ answer.values
    assert answer.bound < value


@pytest.mark.parametrize("name", installed_solvers())
@pytest.mark.parametrize("seconds", [0.1, 0.2, 0.3, 0.5])
def test_no_bound_is_above_what_can_be_reached(name, seconds):
    # Stopped within its cuts at the root, CBC says "best possible 4.7e+08" and has 3000.
    program = hard_program()
    end = time.perf_counter() + seconds
    answer = solve(program, make_solver(name), deadline=end, mip_gap=0.0)
    assert answer.status == "time_limit"
    if answer.values is not None:
        assert answer.bound < program.cost @ answer.values


@pytest.mark.parametrize("name", installed_solvers())
def test_infeasible_is_told(name):
    program = Program()
    x = program.add_columns(np.ones(3), integer=True)
    program.add_rows([(x, np.ones(3))], "==", 1.5)
    answer = solve(program, make_solver(name), deadline=time.perf_counter() + 5, mip_gap=0.0)
    assert answer.status == "infeasible"
    assert answer.values is None


@pytest.mark.parametrize("name", installed_solvers())
@pytest.mark.parametrize("formulation", ["squared_error", "accuracy"])
def test_solvers_agree(name, formulation):
    problem = cases.classification(5)
    path = ILPSelector(formulation, must_keep=[0], solver=name).select(problem)
    best = cases.best_loss(problem, formulation, keep=[0])
    assert -path.result.objective_value == pytest.approx(best, rel=2e-6)
    assert path.result.status == "optimal"


_PRINTS = """
import sys
sys.path[:0] = [{root!r}, {here!r}]
import ilp_cases
import pulp
from ensprune.selectors import ILPSelector
for solver in {solvers!r} + [pulp.HiGHS(msg=True)]:
    for formulation in ilp_cases.LOSSES:
        ILPSelector(formulation, solver=solver, mip_gap=0.0).select(ilp_cases.case(formulation))
"""


def test_nothing_is_printed_and_nothing_left(tmp_path):
    root = Path(__file__).parents[2]
    code = _PRINTS.format(
        root=str(root), here=str(Path(__file__).parent), solvers=installed_solvers()
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        cwd=tmp_path,
        env=environment,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == (b"", b"", 0)
    assert list(tmp_path.iterdir()) == []


def test_importing_ensprune_does_not_import_pulp():
    code = "import sys, ensprune, ensprune.selectors; assert not {'pulp', 'highspy'} & set(sys.modules)"
    root = str(Path(__file__).parents[2])
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)


def test_out_of_bag_uses_the_shrunk_pairwise_matrix():
    rng = np.random.default_rng(0)
    problem = cases.regression(2)
    mask = rng.random((9, 40)) < 0.6
    path = ILPSelector().select(replace(problem, mask=mask))
    weight = np.full(40, 1 / 40)
    gram = out_of_bag_gram(problem.outputs, problem.y[None], weight, mask)
    sets = cases.admissible(problem)
    losses = [gram[np.ix_(m, m)].mean() for m in sets]
    assert -path.result.objective_value == pytest.approx(min(losses))
    assert set(path[-1].indices) == set(sets[int(np.argmin(losses))])


@pytest.mark.parametrize("formulation", ["pairwise", "margin", "accuracy", "cover"])
def test_other_formulations_go_out_of_bag_too(formulation):
    mask = np.random.default_rng(1).random((9, 40)) < 0.6
    problem = replace(cases.classification(2), mask=mask)
    result = ILPSelector(formulation, **({"faithful": False} if formulation == "cover" else {}))
    if formulation == "cover":
        problem = replace(problem, budget=9.0)
    path = result.select(problem)
    assert path.result.status == "optimal"


def test_out_of_bag_accuracy_counts_only_members_that_may_speak():
    mask = np.random.default_rng(1).random((9, 40)) < 0.6
    problem = replace(cases.classification(2), mask=mask)
    path = ILPSelector("accuracy").select(problem)
    spoken = problem.outputs * mask[:, None]
    labels = cases.positions(problem)
    best = max(
        (spoken[m].sum(axis=0).argmax(axis=0) == labels).mean() for m in cases.admissible(problem)
    )
    assert path.result.objective_value == pytest.approx(best)


def test_votes_enter_with_their_weights():
    boosted = AdaBoostClassifier(n_estimators=9, random_state=0)
    problem = problem_of(boosted, load_wine, Accuracy(), 4)
    path = ILPSelector("accuracy").select(problem)
    alpha = problem.combiner.member_weights
    labels = np.searchsorted(problem.combiner.classes, problem.y)
    best = 0.0
    for members in cases.admissible(replace(problem, costs=np.ones(problem.n_members))):
        total = (alpha[members, None, None] * problem.outputs[members]).sum(axis=0)
        best = max(best, (total.argmax(axis=0) == labels).mean())
    assert path.result.objective_value == pytest.approx(best)
    for formulation in ("squared_error", "margin", "pairwise"):
        assert ILPSelector(formulation, time_limit=5).select(problem).result.gap < 1e-4


def test_the_result_is_frozen_and_complete():
    result = ILPSelector("margin").select(cases.classification()).result
    names = [
        "status",
        "objective_value",
        "bound",
        "gap",
        "solve_time",
        "solver",
        "n_rows",
        "n_cols",
    ]
    assert all(hasattr(result, name) for name in names)
    assert result.solver == "HiGHS"
    assert result.n_rows > 0
    with pytest.raises(FrozenInstanceError):
        result.status = "better"


def test_global_state_is_left_alone():
    import pulp

    before = pulp.LpSolverDefault, tempfile.gettempdir(), os.getcwd()
    ILPSelector("margin").select(cases.classification())
    assert (pulp.LpSolverDefault, tempfile.gettempdir(), os.getcwd()) == before


@pytest.mark.filterwarnings("ignore:ILPSelector:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("formulation", [*cases.LOSSES, "cover"])
@pytest.mark.parametrize("costly", [False, True])
def test_no_time_is_not_called_infeasible(formulation, costly):
    costs = np.random.default_rng(0).uniform(1, 3, 9) if costly else np.ones(9)
    budget = costs.sum() if formulation == "cover" else 6.0
    problem = cases.case(formulation, costs=costs, budget=budget)
    drop = [2] if formulation != "cover" else None
    path = ILPSelector(formulation, must_drop=drop, time_limit=1e-9).select(problem)
    assert 2 not in path[-1].indices or formulation == "cover"
    assert path[-1].cost <= budget * (1 + 1e-9)
    assert path.result.bound >= path.result.objective_value


@pytest.mark.filterwarnings("ignore:ILPSelector:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("formulation", ["squared_error", "margin", "accuracy"])
@pytest.mark.parametrize("solver_is_late", [False, True])
def test_groups_and_no_time_are_not_called_infeasible(formulation, solver_is_late, monkeypatch):
    if solver_is_late:
        # However long it is given, as on a machine that is busy with something else.
        answer = solver_module.Solution("time_limit", None, -np.inf)
        monkeypatch.setattr(rules_module, "solve", lambda *args, **options: answer)
    groups = [([0, 1, 2, 3], 1), ([2, 3, 4, 5], 1), ([0, 5, 6, 7, 8], 1)]
    problem = cases.case(formulation, budget=6)
    path = ILPSelector(formulation, at_most=groups, time_limit=1e-9).select(problem)
    assert all(len(set(path[-1].indices) & set(members)) <= k for members, k in groups)
    assert path.result.bound >= path.result.objective_value


@pytest.mark.filterwarnings("ignore:ILPSelector:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("costly", [False, True])
def test_a_solver_that_denies_what_is_there_proves_nothing(costly, monkeypatch):
    costs = np.random.default_rng(0).uniform(1, 3, 9) if costly else np.ones(9)
    problem = cases.case("margin", costs=costs, budget=8.0 if costly else 4.0)
    honest = ILPSelector("margin", mip_gap=0.0).select(problem).result
    monkeypatch.setattr(solver_module, "_read_highs", lambda model: ("infeasible", False, None))
    denied = ILPSelector("margin", mip_gap=0.0).select(problem).result
    assert denied.status == "time_limit"
    assert denied.bound >= honest.objective_value - 1e-9
    assert denied.objective_value <= honest.objective_value + 1e-9


def test_callbacks_of_a_solver_that_is_given_are_called():
    import highspy
    import pulp

    heard = []
    problem = cases.classification(5)
    own = pulp.HiGHS(
        msg=False,
        callbackTuple=(lambda kind, message, out, answer, data: heard.append(kind), None),
        callbacksToActivate=[highspy.cb.HighsCallbackType.kCallbackMipInterrupt],
    )
    path = ILPSelector("margin", rho=cases.RHO, solver=own, mip_gap=0.0).select(problem)
    assert heard
    assert -path.result.objective_value == pytest.approx(cases.best_loss(problem, "margin"))


def test_infeasible_is_not_believed_after_the_deadline(monkeypatch):
    program = Program()
    x = program.add_columns(np.ones(3), integer=True)
    program.add_rows([(x, np.ones(3))], "==", 2.0)
    end = time.perf_counter() + 0.5

    def late(model):
        time.sleep(max(end - time.perf_counter(), 0.0))
        return "infeasible", False, None

    monkeypatch.setattr(solver_module, "_read_highs", late)
    answer = solve(program, make_solver(None), deadline=end, mip_gap=0.0)
    assert (answer.status, answer.values, answer.bound) == ("time_limit", None, -np.inf)


def test_how_many_members_rules_allow():
    rng = np.random.default_rng(0)
    sets = np.array(list(itertools.product((False, True), repeat=8)))
    for _ in range(30):
        costs = rng.uniform(1, 3, 8) if rng.random() < 0.5 else np.ones(8)
        groups = tuple((rng.random(8) < 0.6, int(rng.integers(1, 3))) for _ in range(3))
        keep, drop = np.zeros((2, 8), dtype=bool)
        drop[rng.integers(8)] = True
        rules = Rules(costs, float(rng.uniform(3, 8)), keep, drop, groups)
        most = max(int(mask.sum()) for mask in sets if rules.allow(mask))
        largest, bound = rules.largest(make_solver(None), time.perf_counter() + 5)
        assert rules.allow(largest)
        assert largest.sum() == bound == most


def test_cover_of_a_perfect_ensemble():
    problem = cases.regression(objective=SquaredError("mse"), budget=9.0)
    outputs = problem.outputs.copy()
    outputs[:] = problem.y.astype(np.float32)
    outputs[:4] += 1
    outputs[4:8] -= 1
    problem = replace(problem, outputs=outputs, y=outputs[8, 0].astype(np.float64))
    path = ILPSelector("cover", time_limit=10).select(problem)
    assert path[-1].indices == (8,)
    assert path.result.status == "optimal"


def test_an_objective_that_is_not_of_its_own_solution_is_not_believed():
    class Model:
        def __init__(self, reported):
            self.reported = reported

        def getModelStatus(self):
            raise AssertionError("not asked for")

        def getInfo(self):
            return SimpleNamespace(objective_function_value=self.reported)

    variables = [SimpleNamespace(varValue=value) for value in (1.0, 0.0, 2.0)]
    cost = np.array([3.0, 5.0, 4.0])  # 3 + 8 = 11, and 22 at twice the scale
    for reported, miscounts in ((22.0, False), (14.0, True), (np.inf, False)):
        problem = SimpleNamespace(solverModel=Model(reported))
        assert _miscounts(problem, variables, cost, 2.0) is miscounts
    assert not _miscounts(SimpleNamespace(), variables, cost, 2.0)  # other solvers


def test_more_sets_than_float64_can_count_are_not_looked_at():
    assert RightSets.seconds(1200, 400, 40) == float("inf")


def test_sets_of_a_size_that_is_not_known_to_be_the_largest_are_no_optimum(monkeypatch):
    problem = forest_problem(n_members=12, budget=6)
    rule = {"at_most": [([0, 1, 2], 1), ([2, 3, 4], 1)]}
    proved = ILPSelector(**rule).select(problem).result
    assert proved.status == "optimal"
    largest = Rules.largest

    def unproved(self, solver, deadline):
        mask, most = largest(self, solver, deadline)
        return mask, most + 1

    monkeypatch.setattr(Rules, "largest", unproved)
    with pytest.warns(ConvergenceWarning):
        result = ILPSelector(**rule).select(problem).result
    assert result.status == "time_limit"
    assert result.objective_value == proved.objective_value
