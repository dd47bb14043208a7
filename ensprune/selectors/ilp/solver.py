"""Solving a program through PuLP, in silence, and reading what was really proved."""

from __future__ import annotations

import copy
import re
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...highs import LEAST_TIME, quiet_highs
from .interrupt import no_process_left
from .program import Program

# The objective is scaled so that the solution known is worth this much: the solvers' absolute
# tolerances then are relative ones.
_WORTH = 100.0
# Rows are held within this.
_HELD = 1e-6


@dataclass(frozen=True)
class Solution:
    """What a solver returned.

    Parameters
    ----------
    status : {"optimal", "time_limit", "infeasible"}
        ``"optimal"`` is within the gap asked for.
    values : ndarray of shape (n_cols,) or None
        None if no solution was found.
    bound : float
        No solution costs less; ``-inf`` where the solver says nothing.
    build_time : float
        Seconds that stating the problem to PuLP took.
    """

    status: str
    values: np.ndarray | None
    bound: float
    build_time: float = 0.0


def make_solver(solver: Any) -> Any:
    """A PuLP solver object of our own from what the user gave.

    Parameters
    ----------
    solver : None, str or PuLP solver object
        None and ``"highs"`` are HiGHS, ``"cbc"`` is CBC; any name in ``pulp.listSolvers()``.
        An object is copied and silenced, its options stay.

    Raises
    ------
    ImportError
        If the solver is not installed; names the extra that brings it.
    ValueError
        If there is no solver of that name.
    TypeError
        If it is neither a name nor a PuLP solver.
    """
    import pulp

    extras = {"highs": "highspy", "cbc": "ensprune[cbc]"}
    if solver is None or isinstance(solver, str):
        name = "highs" if solver is None else solver.lower()
        known = {s.lower(): s for s in pulp.listSolvers()}
        if name not in extras and name not in known:
            raise ValueError(
                f"solver={solver!r} is unknown; give 'highs', 'cbc', a PuLP solver object or one "
                f"of {sorted(known.values())}"
            )
        if name == "cbc":
            # PuLP 3 bundles a CBC; asking for it by its own class is deprecated there.
            bundled = getattr(getattr(pulp, "PULP_CBC_CMD", None), "pulp_cbc_path", None)
            tried = [pulp.COIN_CMD(msg=False), pulp.COIN_CMD(msg=False, path=bundled)]
            found = [one for one in tried if one.available()]
        elif name == "highs":
            found = [one for one in (pulp.HiGHS(msg=False),) if one.available()]
        else:
            found = [one for one in (pulp.getSolver(known[name], msg=False),) if one.available()]
        if not found:
            hint = extras.get(name)
            how = f"pip install '{hint}'" if hint else "see PuLP's documentation on installing it"
            raise ImportError(f"solver={solver!r} is not installed: {how}")
        return _own(found[0])
    if not isinstance(solver, pulp.LpSolver):
        raise TypeError(
            f"solver={solver!r} is no PuLP solver; give 'highs', 'cbc' or a PuLP solver object"
        )
    if not solver.available():
        raise ImportError(f"solver={solver.name} is not installed: pip install 'ensprune[cbc]'")
    return _own(solver)


def _own(solver: Any) -> Any:
    import pulp

    if type(solver) is pulp.HiGHS:
        own = quiet_highs()(msg=False)
        own.__dict__.update(copy.copy(solver.__dict__))
    else:
        own = copy.copy(solver)
    own.optionsDict = dict(solver.optionsDict)
    own.msg = False
    return own


def solve(
    program: Program,
    solver: Any,
    *,
    deadline: float,
    mip_gap: float,
    start: np.ndarray | None = None,
) -> Solution:
    """Build, solve, and read status and bound from the solver itself.

    Parameters
    ----------
    program : Program
    solver : PuLP solver object
        From :func:`make_solver`; not changed.
    deadline : float
        ``time.perf_counter()`` at which to stop; building the PuLP problem counts.
    mip_gap : float
        Relative gap to stop at.
    start : ndarray of shape (n_cols,), default=None
        A known solution.

    Returns
    -------
    Solution
    """
    if program.impossible:
        return Solution("infeasible", None, np.inf)
    cost = program.cost
    worth = abs(float(cost @ start)) if start is not None else float(np.abs(cost).max(initial=0.0))
    scale = _WORTH / worth if worth > 0 else 1.0
    begun = time.perf_counter()
    problem, variables = program.to_pulp(scale)
    build_time = time.perf_counter() - begun
    # PuLP translates the problem for the solver at about the price of stating it.
    left = deadline - time.perf_counter() - build_time
    if left < LEAST_TIME:
        return Solution("time_limit", start, -np.inf, build_time)
    own = copy.copy(solver)
    own.deadline = deadline
    if not hasattr(own, "gapRel"):
        own.timeLimit = left if solver.timeLimit is None else min(left, solver.timeLimit)
    if start is not None:
        for variable, value in zip(variables, start.tolist()):
            variable.varValue = value
    if hasattr(own, "gapRel"):  # HiGHS keeps gaps as attributes, commands as options
        own.gapRel = mip_gap if own.gapRel is None else own.gapRel
        own.gapAbs = 1e-7 if own.gapAbs is None else own.gapAbs
    else:
        own.optionsDict = {**own.optionsDict}
        if own.optionsDict.get("gapRel") is None:
            own.optionsDict["gapRel"] = mip_gap
    own.optionsDict = {**own.optionsDict, "warmStart": start is not None}
    with tempfile.TemporaryDirectory(prefix="ensprune") as folder, no_process_left():
        log = Path(folder) / "log"
        if not hasattr(own, "gapRel"):
            own.tmpDir = folder
            own.optionsDict["logPath"] = str(log)
        answer = _answer(problem, own)
        miscounts = _miscounts(problem, variables, cost, scale)
        if miscounts and start is not None:
            own.optionsDict["warmStart"] = False
            answer = _answer(problem, own)
            miscounts = _miscounts(problem, variables, cost, scale)
        text = log.read_text() if log.exists() else ""
    solution = _read(answer, problem, variables, text, scale, mip_gap, cost)
    if miscounts and solution.values is not None:
        solution = replace(solution, status="time_limit", bound=-np.inf)
    if solution.status == "infeasible" and not _believable(program, start, deadline):
        solution = Solution("time_limit", start, -np.inf)
    return replace(solution, build_time=build_time)


def _believable(program: Program, start: np.ndarray | None, deadline: float) -> bool:
    """Whether there can be no solution: none is known, and the solver had its time."""
    known = start is not None and program.violation(start) <= _HELD
    return not known and time.perf_counter() < deadline


def _miscounts(problem: Any, variables: list[Any], cost: np.ndarray, scale: float) -> bool:
    """Whether HiGHS's own objective is not that of its own solution.

    Started from a solution, its presolve may lose the cost of a column (seen with HiGHS 1.16), and
    its bound with it.
    """
    model = getattr(problem, "solverModel", None)
    if model is None or not hasattr(model, "getModelStatus"):
        return False
    reported = float(model.getInfo().objective_function_value)
    values = np.array([v.varValue or 0.0 for v in variables])
    counted = float(cost @ values) * scale
    return bool(np.isfinite(reported)) and abs(reported - counted) > 1e-6 * max(1.0, abs(counted))


def _answer(problem: Any, solver: Any) -> Any:
    import pulp

    try:
        return problem.solve(solver)
    except pulp.PulpSolverError as error:
        raise RuntimeError(
            f"solver={solver.name} gave no answer: it was killed or failed ({error})"
        ) from error


def _read(
    answer: Any,
    problem: Any,
    variables: list[Any],
    log: str,
    scale: float,
    mip_gap: float,
    cost: np.ndarray,
) -> Solution:
    model = getattr(problem, "solverModel", None)
    found = [v.varValue for v in variables]
    if model is not None and hasattr(model, "getModelStatus"):
        status, has_values, bound = _read_highs(model)
    else:
        status, has_values, bound = _read_pulp(answer, problem, log)
    if status == "infeasible":
        return Solution(status, None, np.inf)
    # Columns in no row and not in the objective are not sent: their lower bound does.
    values = np.array([0.0 if v is None else v for v in found]) if has_values else None
    if bound is None and status == "optimal" and values is not None:
        bound = float(cost @ values) * scale
        bound -= mip_gap * abs(bound)
    if bound is not None and status == "time_limit" and values is not None:
        reached = float(cost @ values) * scale
        # Whoever has closed the gap does not stop for want of time: CBC, stopped within its cuts at
        # the root, reports a bound far above solutions it has, or that solution's value.
        if bound >= reached - 1e-9 * abs(reached):
            bound = None
    return Solution(status, values, -np.inf if bound is None else bound / scale)


def _read_highs(model: Any) -> tuple[str, bool, float | None]:
    import highspy

    kind, report = model.getModelStatus(), model.getInfo()
    infeasible = (
        highspy.HighsModelStatus.kInfeasible,
        highspy.HighsModelStatus.kUnboundedOrInfeasible,
    )
    if kind in infeasible:
        return "infeasible", False, None
    if kind == highspy.HighsModelStatus.kNotset:
        raise RuntimeError(
            "solver=HiGHS did not run: in one process it keeps the number of threads that it had "
            "first; give it no threads of its own, or call "
            "highspy.Highs.resetGlobalScheduler(True) before"
        )
    has_values = bool(np.isfinite(report.objective_function_value)) and (
        report.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    )
    status = "optimal" if kind == highspy.HighsModelStatus.kOptimal else "time_limit"
    bound = float(report.mip_dual_bound)
    return status, has_values, bound if np.isfinite(bound) else None


def _read_pulp(answer: Any, problem: Any, log: str) -> tuple[str, bool, float | None]:
    import pulp

    lower = re.findall(r"(?:Lower bound:|best possible)\s+([-+]?[0-9][-+0-9.eE]*)", log)
    bound = float(lower[-1].rstrip(".,")) if lower else None
    stopped = re.search(r"Stopped on time|Exiting on maximum time", log) is not None
    if hasattr(answer, "has_solution"):  # PuLP 4 says why a solver stopped
        infeasible = answer.status == pulp.const.LpSolveStatus.Infeasible
        proven = answer.status == pulp.const.LpSolveStatus.Optimal and not stopped
        has_values = answer.has_solution
        bound = answer.best_bound if answer.best_bound is not None else bound
    else:  # PuLP 3 calls a time limit "Optimal"; the status of the solution says more
        infeasible = problem.status == pulp.LpStatusInfeasible
        proven = problem.sol_status == pulp.LpSolutionOptimal and not stopped
        has_values = problem.sol_status in (
            pulp.LpSolutionOptimal,
            pulp.LpSolutionIntegerFeasible,
        )
    if infeasible and not stopped:
        return "infeasible", False, None
    return ("optimal" if proven else "time_limit"), has_values, None if proven else bound
