"""The cover formulation: the cheapest sub-ensemble that keeps the score, or every label."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from ...objectives.accuracy import Accuracy
from ...objectives.base import Given, Objective, variance_of
from ...objectives.squared import SquaredError
from .bound import Bounding
from .branch import branch_and_bound
from .enumeration import HOPE
from .evidence import Evidence
from .formulation import Formulation, RecallFloors
from .linear import AccuracyFormulation
from .program import Program
from .quadratic import SquaredErrorFormulation
from .right import MemberColumns
from .rules import Rules
from .sweep import bound_sizes

# Share of the time for branching; the solver has the rest.
_BRANCH_SHARE = 0.8


class _MinusCost(Objective):
    """Minus the total cost."""

    def __init__(self, costs: np.ndarray):
        self.costs = costs

    def _begin(self, given: Given) -> None:
        self.n_members = len(given.outputs)
        self.selected = []

    def candidates(self, drop: bool = False) -> np.ndarray:
        spent = -self.score() if self.selected else 0.0
        if not drop:
            return -(spent + self.costs)
        scores = np.full(self.n_members, -np.inf)
        if len(self.selected) > 1:
            scores[self.selected] = -(spent - self.costs[self.selected])
        return scores

    def add(self, member: int) -> None:
        self.selected.append(int(member))

    def drop(self, member: int) -> None:
        self.selected.remove(int(member))

    def score(self) -> float:
        return -float(self.costs[self.selected].sum()) if self.selected else float("nan")


class CoverFormulation(Formulation):
    """The least cost (the fewest members, if all cost the same) that keeps the score.

    ::

        min  sum_t c_t x_t
        s.t. score(x) >= score(all members) - tolerance

    The score is the objective asked for: accuracy, stated over columns ``z_n`` as in
    :class:`~ensprune.selectors.ilp.linear.AccuracyFormulation`, or squared error (MSE, RMSE, R2,
    Brier score), stated for every size K by ``sum_ij G_ij z_ij <= K^2 (loss allowed)`` over the
    products of :class:`~ensprune.selectors.ilp.quadratic.QuadraticFormulation`.

    With ``faithful=True`` every validation sample keeps the label that all members together give
    it: ``sum_t d_tnc x_t >= eps`` for every sample n and other class c, with ``d`` the margins of
    that label. The rows are hard: there are no ``z``.

    Parameters
    ----------
    evidence : Evidence
    rules : Rules
    recall : RecallFloors
    tolerance : float
    faithful : bool

    References
    ----------
    Set covering as in Balas & Padberg, "On the set-covering problem", Operations Research 20
    (1972). Vidal, Pacheco & Schiffer, "Born-again tree ensembles", ICML 2020, for faithfulness.
    """

    name: ClassVar[str] = "cover"
    exact_size: ClassVar[bool] = False

    def __init__(
        self,
        evidence: Evidence,
        rules: Rules,
        recall: RecallFloors,
        tolerance: float = 0.0,
        faithful: bool = False,
    ):
        super().__init__(evidence, rules, recall)
        self.tolerance = tolerance
        self.faithful = faithful
        asked = evidence.problem.objective
        self.kept: Formulation | None = None
        if faithful:
            full = evidence.relabelled(evidence.full_labels())
            self.kept = AccuracyFormulation(full, rules, RecallFloors())
        elif isinstance(asked, Accuracy):
            self.kept = AccuracyFormulation(evidence, rules, recall)
        elif isinstance(asked, SquaredError) and asked.kind in ("mse", "rmse", "r2", "brier"):
            self.kept = SquaredErrorFormulation(evidence, rules, recall)
            self._allowed = self._loss_allowed(float(self.kept.gram.mean()), asked.kind)
        else:
            raise ValueError(
                "formulation='cover' keeps accuracy, MSE, RMSE, R2 or the Brier score, not "
                f"{type(asked).__name__}; give one of these as scoring, or faithful=True"
            )
        self.sized = isinstance(self.kept, SquaredErrorFormulation)
        # By size, where squared error is what is kept.
        self._bounds: dict[int, Bounding] = {}

    def _loss_allowed(self, full: float, kind: str) -> float:
        """The squared error that the tolerance allows, given that of all members."""
        evidence = self.evidence
        if kind == "rmse":
            return (np.sqrt(max(full, 0.0)) + self.tolerance) ** 2
        if kind == "r2":
            target = np.asarray(evidence.problem.y, dtype=np.float64)
            return full + self.tolerance * variance_of(target, evidence.weight)
        return full + self.tolerance

    def objective(self) -> Objective:
        return _MinusCost(self.rules.costs)

    def greedy_problem(self) -> None:
        return None

    def n_coefficients(self) -> int:
        assert self.kept is not None
        return self.kept.n_coefficients()

    def floors(self) -> list[tuple[Objective, float]]:
        assert self.kept is not None
        objective = self.kept.problem().start()
        if self.sized:
            # Rounding must not make the full ensemble miss its own score.
            return [(objective, -self._allowed - 1e-9 * abs(self._allowed))]
        if self.faithful:
            return [(objective, 1.0)]
        for t in range(self.evidence.n_members):
            objective.add(t)
        level = objective.score() - self.tolerance
        objective.clear()
        self._level = level
        return [(objective, level)]

    def quick_bounds(
        self,
        sizes: Sequence[int | None],
        incumbent: float,
        best: np.ndarray | None,
        deadline: float,
        gap: float,
    ) -> dict[int | None, float]:
        rules = self.rules
        bounds = {size: self._least_cost(size) for size in sizes}
        if not self.sized:
            small = -np.inf if rules.keep.any() else self._small_covers(deadline)
            return {size: max(least, small) for size, least in bounds.items()}
        assert isinstance(self.kept, SquaredErrorFormulation)
        open_sizes = [s for s in sizes if s is not None and bounds[s] < incumbent]
        if open_sizes:
            allowed = self._allowed + 1e-9 * abs(self._allowed)
            gram, room = self.kept.gram, self.evidence.room
            reached = bound_sizes(gram, open_sizes, rules, allowed, None, deadline, 0.0, room)
            for size, one in reached.items():
                if one.value > allowed * float(size) ** 2:
                    bounds[size] = np.inf
            self._bounds = reached
        return bounds

    def branch(
        self, sizes: Sequence[int | None], incumbent: float, deadline: float, gap: float
    ) -> tuple[dict[int | None, float], np.ndarray | None]:
        """Whether any set of a size keeps the loss, the cheapest sizes first."""
        if not self.sized:
            return self._enumerate(incumbent, deadline)
        proved: dict[int | None, float] = {}
        roots = {size: self._bounds[size] for size in sizes if size in self._bounds}
        for position, (size, root) in enumerate(roots.items()):
            now = time.perf_counter()
            share = _BRANCH_SHARE * (deadline - now) / (len(roots) - position)
            allowed = self._allowed + 1e-9 * abs(self._allowed)
            values, best = branch_and_bound(
                {size: root}, allowed, now + share, 0.0, True, self.evidence.room
            )
            if best is not None:
                return proved, best
            if values[size] > allowed:
                proved[size] = np.inf
        return proved, None

    def _enumerate(
        self, incumbent: float, deadline: float
    ) -> tuple[dict[int | None, float], np.ndarray | None]:
        """Look at every set of few members, of one more as long as none will do."""
        assert isinstance(self.kept, AccuracyFormulation)
        level = (1.0 if self.faithful else self._level) - 1e-9
        keep = self.rules.keep
        size, bound = int(keep.sum()) + 1, -np.inf
        if keep.any() or (self.faithful and self.recall.positions) or not self.kept.readable():
            return {}, None
        while self._least_cost(size) < incumbent:
            sets, free, seconds = self.kept.right_sets(size)
            share = _BRANCH_SHARE * (deadline - time.perf_counter())
            if size >= len(free) or seconds > HOPE * share:
                break
            most, found = sets.best(level, time.perf_counter() + share, first=True)
            if found is not None:
                mask = keep.copy()
                mask[free[found]] = True
                return {None: bound}, mask
            if most > level:
                break
            size += 1
            bound = self._least_cost(size)
        return {None: bound}, None

    def _least_cost(self, size: int | None) -> float:
        rules = self.rules
        free = np.sort(rules.costs[~rules.keep & ~rules.drop])
        more = max((1 if size is None else size) - int(rules.keep.sum()), 0)
        return float(rules.costs[rules.keep].sum() + free[:more].sum())

    def _small_covers(self, deadline: float) -> float:
        """A bound from looking at every single member and every pair."""
        objective, level = self.floors()[0]
        free = np.flatnonzero(~self.rules.drop)
        costs = self.rules.costs[free]
        ascending = np.sort(costs)
        best = costs[objective.candidates()[free] >= level - 1e-9].min(initial=np.inf)
        bound = min(best, float(ascending[:2].sum())) if len(free) > 1 else best
        for t, cost in zip(free.tolist(), costs):
            if best <= bound or time.perf_counter() > deadline:
                return bound
            objective.add(t)
            meets = (objective.candidates()[free] >= level - 1e-9) & (free != t)
            objective.drop(t)
            best = min(best, cost + costs[meets].min(initial=np.inf))
        return min(best, float(ascending[:3].sum())) if len(free) > 2 else best

    def round_bound(self, bound: float) -> float:
        if not self.rules.counts or not np.isfinite(bound):
            return bound
        unit = self.rules.costs[0]
        return float(np.ceil(bound / unit - 1e-6) * unit)

    def program(self, size: int | None) -> Program:
        if self.sized:
            assert size is not None
            assert isinstance(self.kept, SquaredErrorFormulation)
            return self.kept.pair_program(
                size, self.rules, None, cost=self.rules.costs, loss_allowed=self._allowed
            )
        program = Program()
        members = MemberColumns(program, self.evidence, self.rules, size, self.rules.costs)
        parts = []
        if self.faithful:
            assert self.kept is not None
            margins = self.kept.evidence.margins()
            rows = np.unique(np.column_stack([margins.values, margins.threshold]), axis=0)
            if len(rows):
                program.add_rows(
                    [(members.columns, rows[:, :-1][:, members.first])], ">=", rows[:, -1]
                )
        right = self.right_samples(program, members, size, everyone=not self.faithful)
        if right is not None:
            parts.append(right)
            if not self.faithful:
                assert isinstance(self.kept, AccuracyFormulation)
                right.floor(self.kept.weight, self._level)
        program.fill = lambda mask: np.concatenate(
            [members.counts(mask), *(part.fill(mask) for part in parts)]
        )
        program.mask = lambda values: members.mask(values, self.rules.n_members)
        return program
