"""The formulations over samples: accuracy, hinge loss of margins, absolute error."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from ...combination import Combination
from ...link import Identity, Logistic
from ...objectives.absolute import AbsoluteError
from ...objectives.accuracy import Accuracy
from ...objectives.base import Given, Objective
from ...objectives.running import LinearObjective
from .enumeration import HOPE, RightSets
from .evidence import Evidence
from .formulation import RecallFloors
from .program import Program
from .relaxation import HingeSum
from .right import MemberColumns, activity_range
from .rows import bundle
from .rules import Rules
from .samples import OverSamples

# Share of the time for looking at every set.
_ENUMERATION_SHARE = 0.8


def _need_classes(name: str, combination: Combination) -> None:
    if not combination.classifies:
        raise ValueError(
            f"formulation={name!r} is for classifiers; give formulation='squared_error' or "
            "'absolute_error'"
        )


class AccuracyFormulation(OverSamples):
    """As many samples right as can be.

    ::

        max  sum_n w_n z_n
        s.t. sum_t d_tnc x_t >= eps - M_nc (1 - z_n)   for every sample n, wrong class c

    with margins ``d_tnc = o_{t, y_n, n} - o_{t, c, n}``, ``M_nc`` the largest that is ever needed
    (``eps`` less the least sum an admissible set reaches) and ``eps = 0`` where the true class
    wins ties. Dividing by the number of members changes no label, so one program covers all
    sizes. Sample weights are the objective's where that is a balanced accuracy.

    Big-M rows relax far: where the sets of that size are few enough to be looked at one by one
    (:class:`~ensprune.selectors.ilp.enumeration.RightSets`; 5 or 7 of 50 members, not 26 of 256),
    that proves in seconds what the program does not prove in minutes.

    References
    ----------
    Big-M indicator rows as in Ibaraki, "Integer programming formulation of combinatorial
    optimization problems", Discrete Mathematics 16 (1976).
    """

    name: ClassVar[str] = "accuracy"
    sized = False
    least: ClassVar[float] = -1.0

    @classmethod
    def check(cls, combination: Combination) -> None:
        _need_classes(cls.name, combination)

    def __init__(self, evidence: Evidence, rules: Rules, recall: RecallFloors):
        super().__init__(evidence, rules, recall)
        asked = evidence.problem.objective
        self.balanced = bool(getattr(asked, "balanced", False))
        self.weight = evidence.weight
        if self.balanced:
            per_class = np.bincount(evidence.labels, evidence.weight)
            present = (per_class > 0).sum()
            self.weight = evidence.weight / (per_class[evidence.labels] * present)

    def objective(self) -> Objective:
        return _UntiedAccuracy(self.balanced, self.evidence)

    def hinges(self, size: int | None) -> HingeSum:
        """The big-M rows at their tightest, with fractions of a right sample."""
        margins, weight = self.evidence.margins(), self.weight
        least, largest = activity_range(margins.values, self.rules, size)
        slack = 1e-9 * np.maximum(np.abs(margins.values).max(axis=1, initial=0.0), 1e-300)
        wrong = np.zeros(len(weight), dtype=bool)
        wrong[margins.sample[largest < margins.threshold - slack]] = True
        used = np.flatnonzero((least < margins.threshold - slack) & ~wrong[margins.sample])
        used = used[np.argsort(margins.sample[used], kind="stable")]
        big = margins.threshold[used] - least[used]
        return HingeSum(
            np.zeros(self.rules.n_members),
            margins.values[used] / big[:, None],
            margins.threshold[used] / big,
            margins.sample[used],
            weight,
            float(weight[wrong].sum()) - float(weight.sum()),
        )

    def right_sets(self, size: int) -> tuple[RightSets, np.ndarray, float]:
        """Every set of a size to look at, the members it may add, and about how long it takes."""
        rules, margins = self.rules, self.evidence.margins()
        order = np.argsort(margins.sample, kind="stable")
        free = np.flatnonzero(~rules.keep & ~rules.drop)
        values = margins.values[order]
        threshold = margins.threshold[order] - values[:, rules.keep].sum(axis=1)
        floors = [
            (np.where(self.evidence.labels == position, self.evidence.weight, 0.0), level)
            for position, level in zip(self.recall.positions, self.recall.levels)
        ]

        def allow(added: np.ndarray, right: np.ndarray) -> bool:
            mask = rules.keep.copy()
            mask[free[added]] = True
            return rules.allow(mask) and all(
                weight @ right >= level * weight.sum() - 1e-9 for weight, level in floors
            )

        more = size - int(rules.keep.sum())
        sets = RightSets(
            values[:, free], threshold, margins.sample[order], self.weight, more, allow
        )
        return sets, free, RightSets.seconds(len(free), more, len(values))

    def branch(
        self, sizes: Sequence[int | None], incumbent: float, deadline: float, gap: float
    ) -> tuple[dict[int | None, float], np.ndarray | None]:
        proved: dict[int | None, float] = {}
        for size in sizes if self.readable() else ():
            share = _ENUMERATION_SHARE * (deadline - time.perf_counter())
            if size is None or size <= self.rules.keep.sum():
                continue
            sets, free, seconds = self.right_sets(size)
            if seconds > HOPE * share:
                continue
            bound, found = sets.best(-incumbent, time.perf_counter() + share)
            proved[size] = -bound
            if found is not None:
                mask = self.rules.keep.copy()
                mask[free[found]] = True
                return proved, mask
        return proved, None

    def round_bound(self, bound: float) -> float:
        if self.balanced or np.ptp(self.weight) > 0 or not np.isfinite(bound):
            return bound
        n = len(self.weight)
        return float(np.ceil(bound * n - 1e-6) / n)

    def program(self, size: int | None) -> Program:
        program, rules = Program(), self.settled(size)
        members = MemberColumns(program, self.evidence, rules, size)
        right = self.right_samples(program, members, size, everyone=True, rules=rules)
        assert right is not None
        program.set_cost(right.columns, -right.totals(self.weight))
        program.offset = -float(self.weight[right.always].sum())
        program.fill = lambda mask: np.concatenate([members.counts(mask), right.fill(mask)])
        program.mask = lambda values: members.mask(values, self.rules.n_members)
        return program


class _UntiedAccuracy(Accuracy):
    """Accuracy whose ties are broken by the squared error the formulation's evidence allows."""

    def __init__(self, balanced: bool, evidence: Evidence):
        super().__init__(balanced)
        self._evidence = evidence

    def _breaks_ties(self, given: Given) -> bool:
        return super()._breaks_ties(given) and self._evidence.problem.mask is None


class _Hinge(LinearObjective):
    """Minus the mean of ``max(0, rho - margin)``, the margin to the best other class."""

    def __init__(self, rho: float):
        self.rho = rho

    def _contributions(self, raw: np.ndarray, block: slice) -> np.ndarray:
        labels = self._targets[block]
        if isinstance(self.combiner.link, Logistic):
            margin = np.where(labels == 1, raw[0], -raw[0])
        else:
            at = np.arange(raw.shape[1])
            true = raw[labels, at].copy()
            raw[labels, at] = -np.inf
            margin = true - raw.max(axis=0)
        return -np.maximum(self.rho - margin, 0.0)


class MarginFormulation(OverSamples):
    """Least hinge loss of the margins: a linear program but for the choice of members.

    ::

        min  sum_n w_n xi_n
        s.t. xi_n >= rho - (1/K) sum_t d_tnc x_t   for every sample n, wrong class c
             xi_n >= 0

    Rows that no admissible set can violate are left out; samples with the same rows share a
    column.

    Parameters
    ----------
    evidence : Evidence
    rules : Rules
    recall : RecallFloors
    rho : float
        The margin asked for.

    References
    ----------
    Li, Yu & Zhou, "Diversity regularized ensemble pruning", ECML PKDD 2012, for the margin view;
    Demiriz, Bennett & Shawe-Taylor, "Linear programming boosting via column generation", Machine
    Learning 46 (2002), for the program without the choice.
    """

    name: ClassVar[str] = "margin"

    @classmethod
    def check(cls, combination: Combination) -> None:
        _need_classes(cls.name, combination)

    def __init__(self, evidence: Evidence, rules: Rules, recall: RecallFloors, rho: float = 0.2):
        super().__init__(evidence, rules, recall)
        self.rho = rho

    def objective(self) -> Objective:
        return _Hinge(self.rho)

    def _rows(self, size: int, rules: Rules) -> tuple[np.ndarray, np.ndarray]:
        """Margins of means that can fall short of ``rho``, and their samples, ascending."""
        margins = self.evidence.margins()
        rows = margins.values / size
        least, _ = activity_range(rows, rules, size)
        used = np.flatnonzero(least < self.rho - 1e-12)
        order = used[np.argsort(margins.sample[used], kind="stable")]
        return rows[order], margins.sample[order]

    def hinges(self, size: int | None) -> HingeSum:
        assert size is not None
        rows, sample = self._rows(size, self.rules)
        nothing = np.zeros(self.rules.n_members)
        right = np.full(len(rows), self.rho)
        return HingeSum(nothing, rows, right, sample, self.evidence.weight)

    def program(self, size: int | None) -> Program:
        assert size is not None
        program, rules = Program(), self.settled(size)
        evidence = self.evidence
        members = MemberColumns(program, evidence, rules, size)
        rows, sample = self._rows(size, rules)
        bundles = bundle(rows, sample)
        xi = program.add_columns(
            np.array([evidence.weight[group].sum() for group, _ in bundles]), upper=np.inf
        )
        which = np.concatenate([at for _, at in bundles]) if bundles else np.zeros(0, dtype=int)
        column = np.repeat(np.arange(len(bundles)), [len(at) for _, at in bundles])
        kept = rows[which]
        if len(kept):
            values = kept[:, members.first] * members.live
            program.add_rows(
                [(members.columns, values), (xi[column][:, None], np.ones((1, 1)))],
                ">=",
                np.full(len(kept), self.rho),
            )
        right = self.right_samples(program, members, size, rules=rules)

        def fill(mask: np.ndarray) -> np.ndarray:
            short = np.zeros(len(xi))
            np.maximum.at(short, column, self.rho - kept[:, mask].sum(axis=1))
            parts = [members.counts(mask), short]
            if right is not None:
                parts.append(right.fill(mask))
            return np.concatenate(parts)

        program.fill = fill
        program.mask = lambda values: members.mask(values, self.rules.n_members)
        return program


class AbsoluteErrorFormulation(OverSamples):
    """Least absolute error of the mean, for regression.

    ::

        min  sum_n w_n |r_n|,   r_n = (1/K) sum_t (o_tn - y_n) x_t

    with ``|r_n| = r_n + 2 q_n, q_n >= -r_n, q_n >= 0``: one row per sample. Samples on which all
    admissible sets err to the same side need none.

    References
    ----------
    Charnes, Cooper & Ferguson, "Optimal estimation of executive compensation by linear
    programming", Management Science 1 (1955), for absolute values by linear programming.
    """

    name: ClassVar[str] = "absolute_error"

    @classmethod
    def check(cls, combination: Combination) -> None:
        if combination.classifies or not combination.may_have(Identity):
            raise ValueError(
                "formulation='absolute_error' is for regressors that average; give "
                "formulation='squared_error', 'margin' or 'accuracy'"
            )

    def objective(self) -> Objective:
        return AbsoluteError()

    def _rows(self, size: int) -> np.ndarray:
        """Residuals over the size, shape (n_samples, n_members)."""
        target = np.asarray(self.evidence.problem.y, dtype=np.float64)
        return (self.evidence.filled[:, 0].astype(np.float64) - target).T / size

    def hinges(self, size: int | None) -> HingeSum:
        assert size is not None
        rows, weight = self._rows(size), self.evidence.weight
        n = len(rows)
        # |r| = r + 2 max(0, -r)
        return HingeSum(weight @ rows, 2.0 * rows, np.zeros(n), np.arange(n), weight)

    def program(self, size: int | None) -> Program:
        assert size is not None
        program, rules = Program(), self.settled(size)
        evidence, rows = self.evidence, self._rows(size)
        least, largest = activity_range(rows, rules, size)
        side = np.where(largest <= 0, -1.0, 1.0)
        cost = (evidence.weight * side) @ rows
        members = MemberColumns(program, evidence, rules, size, cost)
        used = np.flatnonzero((least < 0) & (largest > 0))
        bundles = bundle(rows[used], used)
        q = program.add_columns(
            np.array([2 * evidence.weight[group].sum() for group, _ in bundles]), upper=np.inf
        )
        kept = rows[used][[at[0] for _, at in bundles]]
        if len(kept):
            values = kept[:, members.first] * members.live
            program.add_rows(
                [(members.columns, values), (q[:, None], np.ones((1, 1)))],
                ">=",
                np.zeros(len(kept)),
            )

        def fill(mask: np.ndarray) -> np.ndarray:
            return np.concatenate(
                [members.counts(mask), np.maximum(-kept[:, mask].sum(axis=1), 0.0)]
            )

        program.fill = fill
        program.mask = lambda values: members.mask(values, self.rules.n_members)
        return program
