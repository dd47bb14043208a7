"""PuLP and HiGHS, silently, for PuLP 3.3 and 4: variables, a solve, what was proven."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from ..highs import quiet_highs


@dataclass(frozen=True)
class Outcome:
    """What a solve came to.

    Parameters
    ----------
    status : str
        "optimal", "time_limit" or "infeasible".
    objective : float
        Of the best solution found; NaN if there is none.
    bound : float
        What the solver proved the minimum cannot be below; NaN if nothing.
    """

    status: str
    objective: float
    bound: float

    @property
    def gap(self) -> float:
        """Return ``(objective - bound) / objective``, 0 for an objective of 0."""
        if not isfinite(self.objective) or not isfinite(self.bound):
            return float("nan")
        slack = max(self.objective - self.bound, 0.0)
        return slack / abs(self.objective) if self.objective else slack


def add_variable(
    problem: Any, name: str, low: float | None = None, up: float | None = None, binary: bool = False
) -> Any:
    """Add a variable to a PuLP problem; its bounds may be None for none."""
    import pulp

    cat = "Binary" if binary else "Continuous"
    low, up = (0.0, 1.0) if binary else (low, up)
    if hasattr(problem, "add_variable"):  # PuLP 4: a variable belongs to its problem
        return problem.add_variable(name, low, up, cat)
    return pulp.LpVariable(name, low, up, cat)


def linear(variables: list[Any], coefficients: np.ndarray) -> Any:
    """Return the PuLP expression ``sum_i coefficients[i] * variables[i]``, zeros left out."""
    import pulp

    terms = [(v, float(c)) for v, c in zip(variables, coefficients) if c != 0]
    if hasattr(pulp.LpAffineExpression, "from_list"):
        return pulp.LpAffineExpression.from_list(terms)
    return pulp.LpAffineExpression(terms)


def minimise(problem: Any, time_limit: float, mip_gap: float = 0.0, mip: bool = False) -> Outcome:
    """Solve a PuLP minimisation with HiGHS in one thread, printing nothing.

    The status is read from HiGHS itself: PuLP calls a solve optimal that stopped on its time limit.
    """
    import highspy

    solver = quiet_highs()(
        msg=False,
        timeLimit=max(time_limit, 0.01),
        gapRel=mip_gap,
        # Not threads=1: HiGHS refuses to run with another number than it had first in this
        # process, with a model of integer programming for instance.
        parallel="off",
        random_seed=0,
    )
    problem.solve(solver)
    model = problem.solverModel
    found = model.getModelStatus()
    objective = model.getInfo().objective_function_value
    bound = model.getInfo().mip_dual_bound if mip else objective
    if found == highspy.HighsModelStatus.kNotset:
        raise RuntimeError("HiGHS did not run; its log (with msg=True) may say why")
    if found == highspy.HighsModelStatus.kOptimal:
        return Outcome("optimal", objective, bound)
    if found in (
        highspy.HighsModelStatus.kInfeasible,
        highspy.HighsModelStatus.kUnboundedOrInfeasible,
    ):
        return Outcome("infeasible", float("nan"), float("nan"))
    has_solution = model.getInfo().primal_solution_status == 2  # 2: feasible
    return Outcome(
        "time_limit",
        objective if has_solution else float("nan"),
        bound if mip and isfinite(bound) else float("nan"),
    )
