"""The contract of a formulation: an objective to search by and a program to prove by."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ...combination import Combination
from ...objectives.base import Objective
from ..base import Problem
from .evidence import Evidence
from .program import Program
from .right import MemberColumns, RightSamples
from .rules import Rules


@dataclass(frozen=True)
class RecallFloors:
    """Recall that classes must keep.

    Parameters
    ----------
    positions : tuple of int
        Classes, as positions in ``combiner.classes``.
    levels : tuple of float
    names : tuple
        The labels, for messages.
    """

    positions: tuple[int, ...] = ()
    levels: tuple[float, ...] = ()
    names: tuple[Any, ...] = ()


class Formulation(ABC):
    """One way to state which sub-ensemble is best.

    Losses are what programs minimise; objectives are minus losses.

    Parameters
    ----------
    evidence : Evidence
    rules : Rules
    recall : RecallFloors
    """

    name: ClassVar[str]
    # Whether the loss divides by the number of members, so that a program is for one size.
    sized: bool = True
    # Whether members of equal cost are taken to the full budget.
    exact_size: ClassVar[bool] = True

    @classmethod  # noqa: B027
    def check(cls, combination: Combination) -> None:
        """Refuse ensembles that this formulation is not for.

        Parameters
        ----------
        combination : Combination
            Linear, and no sum.

        Raises
        ------
        ValueError
            That says what it is for.
        """

    def __init__(self, evidence: Evidence, rules: Rules, recall: RecallFloors):
        self.evidence = evidence
        self.rules = rules
        self.recall = recall

    @abstractmethod
    def objective(self) -> Objective:
        """A new objective whose score is minus the loss; not started."""

    def problem(self) -> Problem:
        """The problem of plain averages that :meth:`objective` is started on."""
        evidence = self.evidence
        return replace(
            evidence.problem,
            outputs=evidence.filled,
            combiner=evidence.combiner,
            objective=self.objective(),
            mask=None,
        )

    def greedy_problem(self) -> Problem | None:
        """What greedy search is to be run on; None where greedy has no such objective."""
        return self.problem()

    def n_coefficients(self) -> int:
        """How many coefficients presolve would have to look at."""
        evidence = self.evidence
        if not evidence.classifies or not self.recall.positions:
            return 0
        rows = evidence.n_samples * max(evidence.outputs.shape[1] - 1, 1)
        return rows * evidence.n_members

    def readable(self) -> bool:
        """Whether memory allows to look at that many."""
        return self.evidence.may_look_at(self.n_coefficients())

    def floors(self) -> list[tuple[Objective, float]]:
        """Started objectives that must not fall below a level, apart from recall."""
        return []

    def round_bound(self, bound: float) -> float:
        """A bound made tighter by what values the loss can take."""
        return bound

    @abstractmethod
    def program(self, size: int | None) -> Program:
        """The program of a size; None leaves the size free."""

    def quick_bounds(
        self,
        sizes: Sequence[int | None],
        incumbent: float,
        best: np.ndarray | None,
        deadline: float,
        gap: float,
    ) -> dict[int | None, float]:
        """Lower bounds on the loss that need no solver, for every size.

        Parameters
        ----------
        sizes : sequence of int or None
            Ascending; ``[None]`` leaves the size free.
        incumbent : float
            The least loss known, infinite if none is.
        best : ndarray of shape (n_members,), dtype bool, or None
            The set that has it.
        deadline : float
            ``time.perf_counter()`` at which to stop.
        gap : float
            Relative gap at which a bound is good enough.
        """
        return dict.fromkeys(sizes, 0.0)

    def branch(
        self, sizes: Sequence[int | None], incumbent: float, deadline: float, gap: float
    ) -> tuple[dict[int | None, float], np.ndarray | None]:
        """Better bounds by a search without a solver, and a better set if it found one."""
        return {}, None

    def solvable(self, size: int | None) -> bool:
        """Whether the program of a size is worth a solver's time."""
        return True

    def right_samples(
        self,
        program: Program,
        members: MemberColumns,
        size: int | None,
        everyone: bool = False,
        rules: Rules | None = None,
    ) -> RightSamples | None:
        """Columns that say which samples are right, with the recall floors stated over them.

        None where neither ``everyone`` nor a floor asks for them.
        """
        rules = self.rules if rules is None else rules
        evidence, recall = self.evidence, self.recall
        if not everyone and not recall.positions:
            return None
        samples = None
        if not everyone:
            samples = np.flatnonzero(np.isin(evidence.labels, recall.positions))
        right = RightSamples(program, members, evidence, rules, size, samples)
        for position, level in zip(recall.positions, recall.levels):
            right.floor(np.where(evidence.labels == position, evidence.weight, 0.0), level)
        return right
