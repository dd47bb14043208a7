"""One solve: greedy incumbent, quick bounds, then a search for every size still in the race."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from .formulation import Formulation
from .incumbent import Floors, Search, first_incumbent, polish
from .rules import Rules
from .solver import solve

# Relative gaps below this are within the solvers' tolerances.
ROUNDING = 1e-8
# Share of the time for the search before the solver, and of what is left for one after it.
_SEARCH_SHARE = 0.25
_POLISH_SHARE = 0.05
# Share of what is left for bounds without a solver.
_BOUND_SHARE = 0.3
# A program with more coefficients than this is not built: it would not solve in its time.
_MOST_TERMS = 4_000_000
# Before presolve: what fits into memory comfortably, and what is looked through in good time.
_MOST_COEFFICIENTS = 60_000_000
_COEFFICIENTS_PER_SECOND = 1_000_000


@dataclass
class Outcome:
    """The best set found and what was proved.

    Parameters
    ----------
    mask : ndarray of shape (n_members,) or None
    loss : float
    bound : float
        No admissible set has a smaller loss.
    greedy_loss : float
        Of the set the solver was started from; infinite if there was none.
    n_rows, n_cols : int
        Of the largest program solved; 0 where bounds alone were proof.
    infeasible : bool
        Whether it is proved that no admissible set exists.
    build_time : float
        Seconds that stating programs took.
    """

    mask: np.ndarray | None = None
    loss: float = np.inf
    bound: float = -np.inf
    greedy_loss: float = np.inf
    n_rows: int = 0
    n_cols: int = 0
    infeasible: bool = False
    build_time: float = 0.0


class Run:
    """Search, bound and solve under one deadline.

    Parameters
    ----------
    formulation : Formulation
    rules : Rules
    floors : Floors
        Recall floors, as started objectives.
    solver : PuLP solver object
    start, deadline : float
        ``time.perf_counter()`` values.
    mip_gap : float
    """

    def __init__(
        self,
        formulation: Formulation,
        rules: Rules,
        floors: Floors,
        solver: Any,
        start: float,
        deadline: float,
        mip_gap: float,
    ):
        self.formulation = formulation
        self.rules = rules
        self.floors = floors
        self.solver = solver
        self.start = start
        self.deadline = deadline
        self.mip_gap = mip_gap
        self.best = Outcome()
        # What is admissible but for floors, for where search gets stuck between groups.
        self._admissible: np.ndarray | None = None
        self._full_size_known = True

    def _left(self) -> float:
        return self.deadline - time.perf_counter()

    def close_enough(self, bound: float) -> bool:
        """Whether no set can beat the incumbent by more than the gap asked for."""
        gap = max(self.mip_gap, ROUNDING)
        return self.best.loss - bound <= gap * abs(self.best.loss) + 1e-12

    def sizes(self) -> list[int | None]:
        """The sizes that have a program each; ``[None]`` is one program for all."""
        form = self.formulation
        taken_full = form.exact_size and self.rules.counts
        if not form.sized and not taken_full:
            return [None]
        self._admissible, most = self.rules.largest(self.solver, self.deadline)
        if taken_full:
            self._full_size_known = most == self._admissible.sum()
            return [int(self._admissible.sum())]
        return list(range(max(1, int(self.rules.keep.sum())), most + 1))

    def run(self) -> Outcome:
        """The best set; where floors rule the full number of members out, of fewer."""
        sizes = self.sizes()
        self.best.infeasible = True
        search = Search(
            self.formulation.problem().start(),
            self.rules,
            self.floors,
            self.start + _SEARCH_SHARE * (self.deadline - self.start),
        )
        while self.best.infeasible and sizes:
            # Something admissible is looked for however late it is.
            self._run_sizes(sizes, search)
            one = sizes[0]
            sizes = [one - 1] if len(sizes) == 1 and one is not None and one > 1 else []
        if not self._full_size_known:  # larger sets were not looked at
            self.best.bound = -np.inf
        return self.best

    def _run_sizes(self, sizes: list[int | None], search: Search) -> None:
        only = sizes[0] if len(sizes) == 1 else None
        found = first_incumbent(self.formulation.greedy_problem(), search, only)
        if found is not None:
            self.best.loss, self.best.mask = -found[0], found[1]
        elif self._admissible is not None and self._admissible.sum() in sizes:
            self._consider(self._admissible, search)
        self.best.greedy_loss = self.best.loss
        bounds = self._quick_bounds(sizes)
        self._branch(bounds, search)
        self._solve_sizes(bounds, search)
        self.best.bound = min(bounds.values())
        self.best.infeasible = self.best.mask is None and all(np.isposinf(list(bounds.values())))
        if self.best.mask is not None:
            self.best.bound = min(self.best.bound, self.best.loss)

    def _quick_bounds(self, sizes: list[int | None]) -> dict[int | None, float]:
        """Bounds that need no solver."""
        now = time.perf_counter()
        end = now + _BOUND_SHARE * (self.deadline - now)
        loss, mask = self.best.loss, self.best.mask
        return self.formulation.quick_bounds(sizes, loss, mask, end, self.mip_gap)

    def _open(self, bounds: dict[int | None, float]) -> list[int | None]:
        """The sizes that may still hold something better, the most promising first."""
        waiting = [s for s in bounds if self.best.mask is None or not self.close_enough(bounds[s])]
        return sorted(waiting, key=lambda size: bounds[size])

    def _branch(self, bounds: dict[int | None, float], search: Search) -> None:
        """Search without a solver, over all sizes at once."""
        waiting = self._open(bounds)
        if self.best.mask is None or not waiting or self._left() <= 0:
            return
        loss, gap = self.best.loss, self.mip_gap
        proved, found = self.formulation.branch(waiting, loss, self.deadline, gap)
        for size, value in proved.items():
            bounds[size] = max(bounds[size], value)
        if found is not None:
            self._consider(found, search)

    def _solve_sizes(self, bounds: dict[int | None, float], search: Search) -> None:
        """Solve the most promising size first, until the bounds of all others are no better."""
        waiting = [size for size in self._open(bounds) if self.formulation.solvable(size)]
        for position, size in enumerate(waiting):
            if self.best.mask is not None and self.close_enough(bounds[size]):
                continue
            if self._left() <= 0:
                return
            share = self._left() / (len(waiting) - position) if len(waiting) > 1 else self._left()
            limit = time.perf_counter() + max(share, 0.2 * self._left())
            self._solve_one(size, bounds, limit, search)

    def _solve_one(
        self, size: int | None, bounds: dict[int | None, float], limit: float, search: Search
    ) -> None:
        most = min(_MOST_COEFFICIENTS, _COEFFICIENTS_PER_SECOND * (limit - time.perf_counter()))
        if self.formulation.n_coefficients() > most or not self.formulation.readable():
            self._without_solver(size, bounds, limit, search)
            return
        begun = time.perf_counter()
        program = self.formulation.program(size)
        self.best.build_time += time.perf_counter() - begun
        bounds[size] = max(bounds[size], program.offset + program.box_bound())
        if program.n_terms > _MOST_TERMS:
            self._without_solver(size, bounds, limit, search)
            return
        solver_limit = limit - _POLISH_SHARE * max(limit - time.perf_counter(), 0.0)
        repaired = True
        while repaired:
            start = None
            mask = self.best.mask
            if mask is not None and (size is None or mask.sum() == size):
                start = program.fill(mask)
            answer = solve(
                program, self.solver, deadline=solver_limit, mip_gap=self.mip_gap, start=start
            )
            self.best.build_time += answer.build_time
            if answer.status == "infeasible":
                bounds[size] = np.inf
                break
            proved = self.formulation.round_bound(answer.bound + program.offset)
            bounds[size] = max(bounds[size], proved)
            repaired = False
            if answer.values is not None:
                found = program.mask(answer.values)
                self._consider(found, search)
                unproved = answer.status == "optimal" and not self.close_enough(bounds[size])
                if unproved and program.repair is not None:
                    repaired = program.repair(found, answer.values)
        self.best.n_rows = max(self.best.n_rows, program.n_rows)
        self.best.n_cols = max(self.best.n_cols, program.n_cols)
        if not self.close_enough(bounds[size]):
            search.deadline = limit
            self._polish(search, size)

    def _without_solver(
        self, size: int | None, bounds: dict[int | None, float], limit: float, search: Search
    ) -> None:
        """The bound and the search again, with the time that a program would have had."""
        now = time.perf_counter()
        half = now + 0.5 * (limit - now)
        loss, mask = self.best.loss, self.best.mask
        again = self.formulation.quick_bounds([size], loss, mask, half, self.mip_gap)
        bounds[size] = max(bounds[size], again[size])
        search.deadline = limit
        self._polish(search, size)

    def _consider(self, mask: np.ndarray, search: Search) -> None:
        """Take a set over as the incumbent if it is admissible and better: judged anew."""
        if not self.rules.allow(mask):
            return
        search.go_to(np.flatnonzero(mask))
        if search.missed() == 0 and -search.value() < self.best.loss:
            self.best.loss, self.best.mask = -search.value(), mask.copy()

    def _polish(self, search: Search, size: int | None) -> None:
        """Exchange search around the incumbent for what is left of the time."""
        if self.best.mask is None:
            return
        search.go_to(np.flatnonzero(self.best.mask))
        found = polish(search, size)
        if found is not None and -found[0] < self.best.loss:
            self.best.loss, self.best.mask = -found[0], found[1]
