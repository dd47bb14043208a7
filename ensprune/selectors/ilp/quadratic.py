"""The quadratic formulations: squared error over the Gram matrix, and error correlations."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from ...combination import Combination
from ...objectives.base import Given, Objective
from ...objectives.gram import Gram
from ...objectives.out_of_bag import AUTO, out_of_bag_gram
from ...objectives.squared import SquaredError, residual_gram
from ...objectives.targets import squared_target
from ...storage import blocks_of, samples_of
from ..base import Problem
from .bound import Bounding
from .branch import branch_and_bound
from .evidence import Evidence
from .formulation import Formulation, RecallFloors
from .program import Program
from .right import MemberColumns
from .rules import Rules
from .sweep import bound_sizes

# Undecided members from which on the solver's relaxation of the products gives it no chance, and
# the share of the time that branching gets where it has one.
_MANY = 100
_BRANCH_SHARE = 0.8
# Working space for a block of samples.
_BLOCK_BYTES = 1 << 23


class _GivenGram(SquaredError):
    """Minus ``x' gram x / (sum x)^2``, whatever data it is started on."""

    def __init__(self, gram: np.ndarray):
        super().__init__()
        self._products = Gram(gram)

    def _begin(self, given: Given) -> None:
        self.n_members = len(self.gram)
        self._weigh(np.ones(self.n_members))
        self._scale = 1.0
        self._reset()

    def _finish(self, loss: Any) -> Any:
        return -np.asarray(loss)


class QuadraticFormulation(Formulation):
    """Minimise ``x' G x / K^2`` over sets of K members.

    Binary products are linearised by first-level RLT, which brings no row per pair::

        min  sum_i G_ii x_i + 2 sum_{i<j} G_ij z_ij
        s.t. sum_{j != i} z_ij = (K - 1) x_i   for every i
             sum_i x_i = K,   0 <= z <= 1,   x binary

    With a budget ``c' x <= B`` the products of that row with every ``x_i`` are stated as well:
    ``sum_{j != i} c_j z_ij <= (B - c_i) x_i``. Identical members are put in order.

    Parameters
    ----------
    evidence : Evidence
    rules : Rules
    recall : RecallFloors
    """

    gram: np.ndarray

    def __init__(self, evidence: Evidence, rules: Rules, recall: RecallFloors):
        super().__init__(evidence, rules, recall)
        self.gram = self._gram()
        # By size: what the bound has settled.
        self._bounds: dict[int, Bounding] = {}

    def _gram(self) -> np.ndarray:
        raise NotImplementedError

    def objective(self) -> Objective:
        return _GivenGram(self.gram)

    def problem(self) -> Problem:
        # All that the objective reads is the matrix.
        evidence = self.evidence
        return replace(
            evidence.problem, combiner=evidence.combiner, objective=self.objective(), mask=None
        )

    def quick_bounds(
        self,
        sizes: Sequence[int | None],
        incumbent: float,
        best: np.ndarray | None,
        deadline: float,
        gap: float,
    ) -> dict[int | None, float]:
        known = [size for size in sizes if size is not None]
        near = None if best is None else int(best.sum())
        room = self.evidence.room
        self._bounds = bound_sizes(
            self.gram, known, self.rules, incumbent, near, deadline, gap, room
        )
        return {size: one.value / float(size) ** 2 for size, one in self._bounds.items()}

    def branch(
        self, sizes: Sequence[int | None], incumbent: float, deadline: float, gap: float
    ) -> tuple[dict[int | None, float], np.ndarray | None]:
        # Only the solver knows floors.
        roots = {size: root for size, root in self._bounds.items() if size in sizes}
        if self.recall.positions or not roots:
            return {}, None
        if any(self.solvable(size) for size in sizes):
            deadline -= (1 - _BRANCH_SHARE) * (deadline - time.perf_counter())
        room = self.evidence.room
        values, best = branch_and_bound(roots, incumbent, deadline, gap, most_bytes=room)
        return dict(values.items()), best

    def _undecided(self, size: int | None) -> int:
        root = self._bounds.get(size) if size is not None else None
        return self.rules.n_members if root is None else int((~root.keep & ~root.drop).sum())

    def solvable(self, size: int | None) -> bool:
        return bool(self.recall.positions) or self._undecided(size) <= _MANY

    def program(self, size: int | None) -> Program:
        assert size is not None
        rules, curvature, bound = self.rules, None, self._bounds.get(size)
        if bound is not None:
            rules = replace(rules, keep=bound.keep, drop=bound.drop)
            curvature = bound.curvature
        return self.pair_program(size, rules, self.gram / float(size) ** 2, curvature=curvature)

    def pair_program(
        self,
        size: int,
        rules: Rules,
        gram: np.ndarray | None,
        cost: np.ndarray | None = None,
        loss_allowed: float | None = None,
        curvature: np.ndarray | None = None,
    ) -> Program:
        """The program with products.

        Parameters
        ----------
        size : int
        rules : Rules
            Members that are to be dropped have no products.
        gram : ndarray of shape (n_members, n_members) or None
            The objective; None leaves it to ``cost``.
        cost : ndarray of shape (n_members,), default=None
        loss_allowed : float, default=None
            Bounds ``x' G x / K^2``.
        curvature : ndarray of shape (n_members, n_members), default=None
            Positive semidefinite; its row lifts the relaxation to the bound it comes from.
        """
        program = Program()
        free = np.flatnonzero(~rules.drop)
        n = len(free)
        i, j = (free[part] for part in np.triu_indices(n, 1))
        linear = np.diag(gram).copy() if gram is not None else cost
        members = MemberColumns(program, self.evidence, rules, size, linear, merge=False)
        x = members.columns
        z = program.add_columns(2.0 * gram[i, j] if gram is not None else np.zeros(len(i)))
        if loss_allowed is not None:
            # What is allowed can be nothing (or less, by an out-of-bag estimate): no unit to use.
            unit = np.abs(self.gram).max() or 1.0
            limit = loss_allowed * float(size) ** 2 / unit
            parts = [(x, np.diag(self.gram) / unit), (z, 2.0 * self.gram[i, j] / unit)]
            program.add_rows(parts if len(z) else parts[:1], "<=", limit + 1e-9 * abs(limit))
        if curvature is not None and len(z):
            unit = np.abs(curvature).max() or 1.0
            curved = [(x, np.diag(curvature) / unit), (z, 2.0 * curvature[i, j] / unit)]
            program.add_rows(curved, ">=", 0.0)
        if n > 1:
            _tie_pairs(program, rules, size, x[free], z)
        right = self.right_samples(program, members, size)

        def fill(mask: np.ndarray) -> np.ndarray:
            on = mask.astype(np.float64)
            parts = [on, on[i] * on[j]]
            if right is not None:
                parts.append(right.fill(mask))
            return np.concatenate(parts)

        program.fill = fill
        program.mask = lambda values: values[x] > 0.5
        return program


def _tie_pairs(program: Program, rules: Rules, size: int, x: np.ndarray, z: np.ndarray) -> None:
    """Rows that tie products to the members they are of.

    Parameters
    ----------
    program : Program
    rules : Rules
    size : int
    x : ndarray of shape (n_free,), dtype int
        Columns of the members that are not dropped, two or more.
    z : ndarray of shape (n_free * (n_free - 1) / 2,), dtype int
        Columns of their pairs, in the order of ``np.triu_indices``.
    """
    n, free = len(x), ~rules.drop
    pair = np.zeros((n, n), dtype=np.intp)
    pair[np.triu_indices(n, 1)] = z
    pair = np.maximum(pair, pair.T)
    others = ~np.eye(n, dtype=bool)
    partners = pair[others].reshape(n, n - 1)
    program.add_rows(
        [(partners, np.ones((n, n - 1))), (x[:, None], np.full((n, 1), 1.0 - size))],
        "==",
        np.zeros(n),
    )
    for k in np.flatnonzero(rules.keep[free]):
        # A pair with a kept member is the other one.
        other = np.delete(np.arange(n), k)
        program.add_rows(
            [(pair[k, other][:, None], np.ones((1, 1))), (x[other][:, None], -1.0)],
            "==",
            np.zeros(n - 1),
        )
    if not rules.counts:
        unit = rules.costs[free] / rules.costs.max()
        rest = rules.slack_budget / rules.costs.max() - unit
        price = np.broadcast_to(unit, (n, n))[others].reshape(n, n - 1)
        program.add_rows([(partners, price), (x[:, None], -rest[:, None])], "<=", np.zeros(n))


class SquaredErrorFormulation(QuadraticFormulation):
    """Least squared error of the mean: MSE of regressors, Brier score of classifiers.

    ``G_ij = sum_n w_n <e_in, e_jn>`` with residuals ``e_in = o_in - y_n``, or, out of bag, the
    matrix of :func:`ensprune.objectives.out_of_bag.out_of_bag_gram`. Binary Brier scores are halved,
    as in scikit-learn. See :class:`QuadraticFormulation` for the program; its size does not depend
    on the number of samples.

    References
    ----------
    Adams & Sherali, Management Science 32 (1986), for the linearisation.
    """

    name: ClassVar[str] = "squared_error"

    def _gram(self) -> np.ndarray:
        evidence = self.evidence
        target = squared_target(evidence.problem.y, evidence.combiner)
        mask = evidence.problem.mask
        if mask is None:
            gram = residual_gram(evidence.outputs, target, evidence.weight)
        else:
            shrinkage = getattr(evidence.problem.objective, "shrinkage", AUTO)
            gram = out_of_bag_gram(evidence.outputs, target, evidence.weight, mask, shrinkage)
        halved = evidence.classifies and len(target) == 2
        return gram * 0.5 if halved else gram


class PairwiseFormulation(QuadraticFormulation):
    """Members that err rarely, and not together: the error-correlation matrix.

    With ``P_nt = 1`` where member t is wrong and ``E = P' W P``, the matrix is
    ``G_tt = E_tt / sum w`` and ``G_ts = (E_ts / E_tt + E_ts / E_ss) / 2``; the mean entry over the
    kept members, ``x' G x / K^2``, is minimised. Out of bag, entries are means over the samples
    that both members left out. See :class:`QuadraticFormulation` for the program.

    References
    ----------
    Zhang, Burer & Street, "Ensemble pruning via semi-definite programming", Journal of Machine
    Learning Research 7 (2006), eqs. 5-8; solved exactly here instead of by a semi-definite
    relaxation.
    """

    name: ClassVar[str] = "pairwise"

    @classmethod
    def check(cls, combination: Combination) -> None:
        if not combination.classifies:
            raise ValueError(
                "formulation='pairwise' counts wrong labels and so is for classifiers; give "
                "formulation='squared_error' or 'absolute_error'"
            )

    def _gram(self) -> np.ndarray:
        evidence = self.evidence
        labels, link = evidence.labels, evidence.combiner.link
        outputs, mask, weight = evidence.outputs, evidence.problem.mask, evidence.weight
        n_members, n_outputs, n_samples = outputs.shape
        shared, both = np.zeros((2, n_members, n_members))
        for block in blocks_of(n_samples, 8 * n_members * (n_outputs + 4), _BLOCK_BYTES):
            said = [link.labels(output) for output in samples_of(outputs, block)]
            errors = (np.stack(said) != labels[block]).astype(np.float64)
            speaks = np.ones_like(errors)
            if mask is not None:
                speaks = mask[:, block].astype(np.float64)
                errors *= speaks
            shared += (speaks * weight[block]) @ speaks.T
            both += (errors * weight[block]) @ errors.T
        both /= np.maximum(shared, 1e-300)
        own = np.diag(both)
        with np.errstate(divide="ignore", invalid="ignore"):
            given = np.where(own[:, None] > 0, both / own[:, None], 0.0)
        gram = 0.5 * (given + given.T)
        np.fill_diagonal(gram, own)
        return gram
