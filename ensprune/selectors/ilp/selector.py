"""ILPSelector: the parameters, and the order in which search, bounds and solver take turns."""

from __future__ import annotations

import math
import numbers
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ...arguments import check_option
from ...combination import Combination
from ...path import PruningPath
from ..base import Problem, Selector
from .cover import CoverFormulation
from .evidence import Evidence
from .explain import explain, recall_floors
from .formulation import Formulation, RecallFloors
from .incumbent import Floors
from .linear import AbsoluteErrorFormulation, AccuracyFormulation, MarginFormulation
from .quadratic import PairwiseFormulation, SquaredErrorFormulation
from .rules import Rules, check_kept, make_rules, named_members
from .run import ROUNDING, Outcome, Run
from .solver import make_solver

FORMULATIONS: dict[str, type[Formulation]] = {
    cls.name: cls
    for cls in (
        SquaredErrorFormulation,
        MarginFormulation,
        AccuracyFormulation,
        AbsoluteErrorFormulation,
        PairwiseFormulation,
        CoverFormulation,
    )
}


@dataclass(frozen=True)
class ILPResult:
    """What the solver found and proved. Objectives are greater-is-better.

    Parameters
    ----------
    status : str
        ``"optimal"``: within ``mip_gap`` of the bound; ``"time_limit"``: not proved in time.
        Infeasible constraints are a ``ValueError`` that names them.
    objective_value : float
        The formulation's objective of the chosen members: minus the squared or absolute error,
        the hinge loss, the mean error correlation or the cost; plus the accuracy.
    bound : float
        No admissible sub-ensemble has a larger objective.
    gap : float
        ``(bound - objective_value) / |objective_value|``.
    solve_time : float
        Wall-clock seconds of greedy search, bounds, building and solving; reading the outputs
        (into a Gram matrix, for the quadratic formulations) comes before and counts against
        ``time_limit`` only.
    build_time : float
        Of these, seconds spent on stating programs to PuLP.
    solver : str
        The PuLP solver's name.
    n_rows, n_cols : int
        Size of the largest program that was solved; 0 where bounds without a solver were proof.
    greedy_value : float
        The objective of the solution that the solver was started from.
    """

    status: str
    objective_value: float
    bound: float
    gap: float
    solve_time: float
    build_time: float
    solver: str
    n_rows: int
    n_cols: int
    greedy_value: float


class ILPSelector(Selector):
    """Choose members by integer programming: a proof of how good, and rules greedy cannot hold.

    Parameters
    ----------
    formulation : str, default="squared_error"
        What is best: ``"squared_error"``, ``"margin"``, ``"accuracy"``, ``"absolute_error"``,
        ``"pairwise"`` or ``"cover"``. Equations and sources are in the classes of
        :mod:`ensprune.selectors.ilp`.
    must_keep, must_drop : array-like of int, default=None
        Members that have to stay or go.
    min_recall : dict, default=None
        The least recall of classes on the validation data, such as ``{"bad": 0.9}``; no more than
        the full ensemble reaches there.
    at_most : list of (indices, k), default=None
        Of each group of members at most ``k`` are kept.
    faithful : bool, default=False
        With ``"cover"``: every validation sample keeps the label that the full ensemble gives it.
    tolerance : float, default=0.0
        With ``"cover"``: how much of the full ensemble's score may be lost.
    rho : float, default=0.2
        With ``"margin"``: the margin up to which more is better, in units of the outputs.
    time_limit : float, default=30.0
        Seconds for everything: greedy search, bounds, building and solving.
    mip_gap : float, default=1e-6
        Relative gap at which the proof is good enough.
    solver : None, str or PuLP solver object, default=None
        None is HiGHS; ``"cbc"`` where CBC is installed (extra ``cbc``). An object's own options
        stay; it is copied and silenced.

    Raises
    ------
    ValueError
        If a parameter is out of range, constraints contradict each other or cannot be met (the
        message names them), the full ensemble itself misses a recall floor, or the formulation
        does not go with the ensemble.
    ImportError
        If the solver is not installed.

    Warns
    -----
    ConvergenceWarning
        If a gap is left; the message has its value.

    Notes
    -----
    The search starts from :class:`~ensprune.selectors.GreedySelector` on the formulation's own
    objective and never returns anything worse (unless greedy search alone would take more than
    half the time limit; then it is cut short). Where all members cost the same the budget is used
    up (except by ``"cover"``, and as far as ``at_most`` and ``min_recall`` allow); under other
    costs any size within the budget is allowed.

    Boosting sums its stages, so an unweighted subset of them is no smaller model but a shifted
    one: sums are refused here; :class:`~ensprune.selectors.GreedySelector` re-fits stage weights.
    Votes (AdaBoost) enter as outputs times the native weight over the mean weight.

    Out of bag, ``"squared_error"`` and ``"pairwise"`` use the pairwise matrices; the others let a
    member be silent on samples it was trained on.

    Programs are stated as whole blocks of rows and handed to PuLP row by row; PuLP's time for
    that is ``build_time`` in the result, and ``benchmarks/ilp_limits.py`` prints it beside the
    solver's. It grows with the coefficients presolve leaves: where there are more than a few
    million the solver would have no time left, so exchange search and the bounds below are all
    that is done.

    Outputs in a file (under ``memory_limit``) are read in blocks by the quadratic formulations. The
    others search there too, but bounds and programs would hold margins in many times the memory
    of the outputs: files of more than some 65,000 margins have neither, and the gap that is
    reported is to what no loss can be below.

    The relaxations that wait in the quadratic formulations' search tree take half a gigabyte
    together at most. A single one of n members takes some 70 n^2 bytes while it is worked on, under
    a budget in other units than members 100 n^2: from 2,700 members on that alone is more.

    Bounds come without a solver first, and settle members; only what is left becomes a program.
    The quadratic formulations have a doubly non-negative relaxation and branching on it
    (:mod:`ensprune.selectors.ilp.bound`), for every size that a budget allows
    (:mod:`ensprune.selectors.ilp.sweep`); those over samples their linear relaxation by cuts,
    whose size does not grow with the samples (:mod:`ensprune.selectors.ilp.relaxation`). Accuracy
    and covers relax far, so sets of few members are looked at one by one
    (:mod:`ensprune.selectors.ilp.enumeration`).
    """

    def __init__(
        self,
        formulation: str = "squared_error",
        must_keep: Any = None,
        must_drop: Any = None,
        min_recall: Mapping[Any, float] | None = None,
        at_most: Any = None,
        faithful: bool = False,
        tolerance: float = 0.0,
        rho: float = 0.2,
        time_limit: float = 30.0,
        mip_gap: float = 1e-6,
        solver: Any = None,
    ):
        self.formulation = formulation
        self.must_keep = must_keep
        self.must_drop = must_drop
        self.min_recall = min_recall
        self.at_most = at_most
        self.faithful = faithful
        self.tolerance = tolerance
        self.rho = rho
        self.time_limit = time_limit
        self.mip_gap = mip_gap
        self.solver = solver

    @property
    def asks_each_sample(self) -> bool:
        """All formulations do but squared error, whose size depends on the members only."""
        return self.formulation != "squared_error" or bool(self.min_recall)

    def select(self, problem: Problem) -> PruningPath:
        start = time.perf_counter()
        self.check(problem.combination)
        solver = make_solver(self.solver)
        rules = make_rules(problem, self.must_keep, self.must_drop, self.at_most)
        evidence = Evidence(problem)
        recall = self._recall(evidence)
        form = self._make(evidence, rules, recall)
        floors = Floors()
        for objective, level in [*recall_floors(evidence, recall), *form.floors()]:
            floors.objectives.append(objective)
            floors.levels.append(level)
        read = time.perf_counter()
        run = Run(form, rules, floors, solver, start, start + self.time_limit, self.mip_gap)
        outcome = run.run()
        if outcome.mask is None:
            raise ValueError(explain(form, rules, recall, self.time_limit, outcome))
        result = self._result(outcome, solver.name, time.perf_counter() - read)
        if result.status != "optimal":
            warnings.warn(
                f"ILPSelector(formulation={self.formulation!r}) stopped within its "
                f"time_limit={self.time_limit:g} s with a gap of {100 * result.gap:.3g} % to the "
                "proved bound",
                ConvergenceWarning,
                stacklevel=2,
            )
        members = np.flatnonzero(outcome.mask)
        return PruningPath((problem.point(members, result.objective_value),), result)

    def _result(self, outcome: Outcome, solver: str, elapsed: float) -> ILPResult:
        value, bound = -float(outcome.loss), -float(outcome.bound)
        gap = max(bound - value, 0.0)
        gap = gap / abs(value) if value else (0.0 if gap <= 1e-12 else float("inf"))
        near = max(self.mip_gap, ROUNDING) * (1 + 1e-6)
        status = "optimal" if bound - value <= near * abs(value) + 1e-12 else "time_limit"
        return ILPResult(
            status,
            value,
            bound,
            gap,
            elapsed,
            outcome.build_time,
            solver,
            outcome.n_rows,
            outcome.n_cols,
            -outcome.greedy_loss,
        )

    def check(self, combination: Combination | None) -> None:
        self._check_options()
        make_solver(self.solver)
        if combination is None:
            return
        if not combination.linear:
            raise ValueError(
                "ILPSelector needs members that are averaged, not combined by "
                f"{combination.in_words}; give selector='greedy'"
            )
        if combination.kind == "sum":
            raise ValueError(
                "ILPSelector chooses unweighted members, but this ensemble sums its stages and an "
                "unweighted subset would shift the sum; give selector='greedy', which re-fits "
                "stage weights"
            )
        FORMULATIONS[self.formulation].check(combination)
        if self.faithful and not combination.classifies:
            raise ValueError(
                "faithful=True keeps labels and so is for classifiers; give faithful=False and a "
                "tolerance"
            )
        if self.min_recall and not combination.classifies:
            raise ValueError("min_recall is for classifiers, this ensemble is a regressor")
        if combination.exactly is not None:
            named_members(self.must_keep, self.must_drop, self.at_most, combination.exactly)

    def check_size(self, most: float) -> None:
        check_kept(self.must_keep, most)

    def _check_options(self) -> None:
        check_option("formulation", self.formulation, sorted(FORMULATIONS))
        if not isinstance(self.faithful, bool | np.bool_):
            raise ValueError(f"faithful={self.faithful!r} must be True or False")
        for name, low, strict in (
            ("time_limit", 0, True),
            ("mip_gap", 0, False),
            ("tolerance", 0, False),
            ("rho", 0, True),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float | np.number):
                raise ValueError(f"{name}={value!r} is no number")
            if not (value > low if strict else value >= low):
                raise ValueError(f"{name}={value!r} must be {'>' if strict else '>='} {low}")
        if self.formulation != "cover":
            for name, default in (("faithful", False), ("tolerance", 0.0)):
                if getattr(self, name) != default:
                    raise ValueError(
                        f"{name}={getattr(self, name)!r} goes with formulation='cover' only, got "
                        f"formulation={self.formulation!r}"
                    )
        if self.min_recall is None:
            return
        if not isinstance(self.min_recall, Mapping):
            raise ValueError(f"min_recall={self.min_recall!r} is no dict of {{class: value}}")
        for label, level in self.min_recall.items():
            if not isinstance(level, numbers.Real) or not 0 <= level <= 1:
                raise ValueError(f"min_recall={{{label!r}: {level!r}}} must be in [0, 1]")

    def _make(self, evidence: Evidence, rules: Rules, recall: RecallFloors) -> Formulation:
        options: dict[str, Any] = {}
        if self.formulation == "cover":
            options = {"tolerance": self.tolerance, "faithful": self.faithful}
        elif self.formulation == "margin":
            options = {"rho": self.rho}
        return FORMULATIONS[self.formulation](evidence, rules, recall, **options)

    def _recall(self, evidence: Evidence) -> RecallFloors:
        if not self.min_recall:
            return RecallFloors()
        classes = evidence.classes.tolist()
        for label in self.min_recall:
            if label not in classes:
                raise ValueError(
                    f"min_recall names the class {label!r}; the ensemble has {classes}"
                )
            if not (evidence.labels == classes.index(label)).any():
                raise ValueError(f"min_recall names the class {label!r}, of which y has no sample")
        positions = tuple(classes.index(label) for label in self.min_recall)
        levels = tuple(float(level) for level in self.min_recall.values())
        # As Python's own values, which messages show as the user would write them.
        names = tuple(classes[position] for position in positions)
        recall = RecallFloors(positions, levels, names)
        for (objective, level), label in zip(recall_floors(evidence, recall), names):
            for t in range(evidence.n_members):
                objective.add(t)
            reached = objective.score()
            if reached < level - 1e-9:
                allowed = math.floor(1e4 * reached + 1e-5) / 1e4
                raise ValueError(
                    f"min_recall={{{label!r}: {level:g}}} cannot be asked for: even the full "
                    f"ensemble only reaches {reached:.4g} on the validation data; give at most "
                    f"{allowed:g}"
                )
        return recall
