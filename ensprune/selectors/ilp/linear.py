"""The formulations over samples: accuracy, hinge loss of margins, absolute error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ...link import Identity, Logistic
from ...objectives.absolute import AbsoluteError
from ...objectives.accuracy import Accuracy
from ...objectives.base import Objective
from ...objectives.running import LinearObjective
from .evidence import Evidence
from .formulation import Formulation, RecallFloors
from .program import Program
from .right import MemberColumns, activity_range
from .rules import Rules


def _need_classes(name: str, evidence: Evidence) -> None:
    if not evidence.classifies:
        raise ValueError(
            f"formulation={name!r} is for classifiers; give formulation='squared_error' or "
            "'absolute_error'"
        )


class _OverSamples(Formulation):
    """A formulation with rows for every sample."""

    def n_coefficients(self) -> int:
        evidence = self.evidence
        rows = evidence.n_samples * max(evidence.outputs.shape[1] - 1, 1)
        return rows * evidence.n_members


class AccuracyFormulation(_OverSamples):
    """As many samples right as can be.

    ::

        max  sum_n w_n z_n
        s.t. sum_t d_tnc x_t >= eps - M_nc (1 - z_n)   for every sample n, wrong class c

    with margins ``d_tnc = o_{t, y_n, n} - o_{t, c, n}``, ``M_nc`` the largest that is ever needed
    (``eps`` less the least sum an admissible set reaches) and ``eps = 0`` where the true class
    wins ties. Dividing by the number of members changes no label, so one program covers all
    sizes. Sample weights are the objective's where that is a balanced accuracy.

    References
    ----------
    Big-M indicator rows as in Ibaraki, "Integer programming formulation of combinatorial
    optimization problems", Discrete Mathematics 16 (1976).
    """

    name: ClassVar[str] = "accuracy"
    sized = False

    def __init__(self, evidence: Evidence, rules: Rules, recall: RecallFloors):
        _need_classes(self.name, evidence)
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

    def quick_bounds(
        self,
        sizes: Sequence[int | None],
        incumbent: float,
        near: int | None,
        deadline: float,
        gap: float,
    ) -> dict[int | None, float]:
        return dict.fromkeys(sizes, -1.0)

    def program(self, size: int | None) -> Program:
        program = Program()
        members = MemberColumns(program, self.evidence, self.rules, size)
        right = self.right_samples(program, members, size, everyone=True)
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

    def start(self, *args: Any, **kwargs: Any) -> None:
        super().start(*args, **kwargs)
        if self._evidence.problem.mask is not None:
            self._ties = None


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


class MarginFormulation(_OverSamples):
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

    def __init__(self, evidence: Evidence, rules: Rules, recall: RecallFloors, rho: float = 0.2):
        _need_classes(self.name, evidence)
        super().__init__(evidence, rules, recall)
        self.rho = rho

    def objective(self) -> Objective:
        return _Hinge(self.rho)

    def program(self, size: int | None) -> Program:
        assert size is not None
        program = Program()
        evidence = self.evidence
        members = MemberColumns(program, evidence, self.rules, size)
        margins = evidence.margins()
        rows = margins.values / size
        least, _ = activity_range(rows, self.rules, size)
        used = np.flatnonzero(least < self.rho - 1e-12)
        order = used[np.argsort(margins.sample[used], kind="stable")]
        bundles = bundle(rows[order], margins.sample[order])
        xi = program.add_columns(
            np.array([evidence.weight[group].sum() for group, _ in bundles]), upper=np.inf
        )
        which = np.concatenate([at for _, at in bundles]) if bundles else used
        column = np.repeat(np.arange(len(bundles)), [len(at) for _, at in bundles])
        kept = rows[order][which] if len(which) else rows[:0]
        if len(kept):
            program.add_rows(
                [(members.columns, kept[:, members.first]), (xi[column][:, None], np.ones((1, 1)))],
                ">=",
                np.full(len(kept), self.rho),
            )
        right = self.right_samples(program, members, size)

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


def bundle(rows: np.ndarray, owner: np.ndarray) -> list[tuple[list[int], np.ndarray]]:
    """Samples with the same rows, together.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_members)
    owner : ndarray of shape (n_rows,)
        The sample of each row, sorted.

    Returns
    -------
    list of (samples, positions of the first sample's rows)
    """
    rows = np.ascontiguousarray(rows)
    if not len(rows):
        return []
    starts = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]])
    seen: dict[bytes, tuple[list[int], np.ndarray]] = {}
    for start, end in zip(starts, np.r_[starts[1:], len(owner)]):
        entry = seen.setdefault(rows[start:end].tobytes(), ([], np.arange(start, end)))
        entry[0].append(int(owner[start]))
    return list(seen.values())


class AbsoluteErrorFormulation(_OverSamples):
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

    def __init__(self, evidence: Evidence, rules: Rules, recall: RecallFloors):
        if evidence.classifies or not isinstance(evidence.combiner.link, Identity):
            raise ValueError(
                "formulation='absolute_error' is for regressors that average; give "
                "formulation='squared_error', 'margin' or 'accuracy'"
            )
        super().__init__(evidence, rules, recall)

    def objective(self) -> Objective:
        return AbsoluteError()

    def program(self, size: int | None) -> Program:
        assert size is not None
        program = Program()
        evidence = self.evidence
        target = np.asarray(evidence.problem.y, dtype=np.float64)
        rows = (evidence.filled[:, 0].astype(np.float64) - target).T / size
        least, largest = activity_range(rows, self.rules, size)
        side = np.where(largest <= 0, -1.0, 1.0)
        cost = (evidence.weight * side) @ rows
        members = MemberColumns(program, evidence, self.rules, size, cost)
        used = np.flatnonzero((least < 0) & (largest > 0))
        bundles = bundle(rows[used], used)
        q = program.add_columns(
            np.array([2 * evidence.weight[group].sum() for group, _ in bundles]), upper=np.inf
        )
        kept = rows[used][[at[0] for _, at in bundles]]
        if len(kept):
            program.add_rows(
                [(members.columns, kept[:, members.first]), (q[:, None], np.ones((1, 1)))],
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
