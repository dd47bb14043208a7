"""The linear relaxation of losses over samples, by cuts: its size does not grow with the samples."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from scipy.optimize import OptimizeResult, linprog

from .program import Program
from .rows import starts_of
from .rules import Rules

# Cuts are made this far from the best point known to the relaxation's own.
_INWARDS = 0.3
# Rounds without a gain of this share of the gap after which the rest is left to the solver.
_PATIENCE = 8
_PROGRESS = 0.02
# What the solver's tolerances may add to the bound, relative to the loss.
_TOLERANCE = 1e-6
_LEAST_TIME = 0.02


class HingeSum:
    """``constant + linear @ x + sum_n weight_n max(0, max_r (right_r - rows_r @ x))``.

    The inner maximum is over the rows of sample n.

    Parameters
    ----------
    linear : ndarray of shape (n_members,)
    rows : ndarray of shape (n_rows, n_members)
    right : ndarray of shape (n_rows,)
    owner : ndarray of shape (n_rows,)
        The sample of each row, sorted.
    weight : ndarray of shape (n_samples,)
    constant : float, default=0.0
    """

    def __init__(
        self,
        linear: np.ndarray,
        rows: np.ndarray,
        right: np.ndarray,
        owner: np.ndarray,
        weight: np.ndarray,
        constant: float = 0.0,
    ):
        self.linear, self.rows, self.right, self.constant = linear, rows, right, constant
        self._starts = starts_of(owner)
        self._lengths = np.diff(np.r_[self._starts, len(owner)])
        self._weight = weight[owner[self._starts]]

    def at(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Value and a subgradient, which together bound the loss everywhere."""
        if not len(self.rows):
            return self.constant + float(self.linear @ x), self.linear.copy()
        short = self.right - self.rows @ x
        worst = np.maximum.reduceat(short, self._starts)
        # The first of the rows that are shortest, for every sample.
        at = np.flatnonzero(short == np.repeat(worst, self._lengths))
        sample = np.repeat(np.arange(len(worst)), self._lengths)[at]
        row = at[np.unique(sample, return_index=True)[1]]
        on = worst > 0
        price = np.zeros(len(short))
        price[row[on]] = self._weight[on]
        value = self.constant + float(self.linear @ x) + float(self._weight[on] @ worst[on])
        return value, self.linear - price @ self.rows


@dataclass(frozen=True)
class Relaxed:
    """What the relaxation has proved.

    Parameters
    ----------
    bound : float
        No admissible set has a smaller loss.
    keep, drop : ndarray of shape (n_members,), dtype bool
        Members in every, or in no, set that is at least as good as the incumbent.
    """

    bound: float
    keep: np.ndarray
    drop: np.ndarray


class _Master:
    """The program over the members alone: their rules, and a row for every look at the loss.

    Parameters
    ----------
    rules : Rules
    size : int or None
    unit : float
        What the loss, the last column, is measured in.
    """

    def __init__(self, rules: Rules, size: int | None, unit: float):
        self._n, self._unit = rules.n_members, unit
        program = Program()
        lower, upper = rules.bounds()
        rules.add_to(
            program, program.add_columns(np.zeros(self._n), lower=lower, upper=upper), size
        )
        self._matrix, self._right, self._equal, self._equal_right = program.dense()
        self._box = np.c_[np.r_[lower, -np.inf], np.r_[upper, np.inf]]
        self._cuts: list[np.ndarray] = []
        self._levels: list[float] = []

    def cut(self, point: np.ndarray, value: float, slope: np.ndarray) -> None:
        """The loss is nowhere below the plane that touches it at a point."""
        self._cuts.append(np.r_[slope, -self._unit] / self._unit)
        self._levels.append((slope @ point - value) / self._unit)

    def solved(self, time_limit: float) -> OptimizeResult:
        """Least loss by what is known, in units, and where."""
        matrix, equal = self._matrix, self._equal
        return linprog(
            np.r_[np.zeros(self._n), 1.0],
            A_ub=np.vstack([np.c_[matrix, np.zeros(len(matrix))], self._cuts]),
            b_ub=np.r_[self._right, self._levels],
            A_eq=np.c_[equal, np.zeros(len(equal))] if len(equal) else None,
            b_eq=self._equal_right if len(equal) else None,
            bounds=self._box,
            method="highs-ds",
            options={"time_limit": time_limit},
        )


def relax(
    loss: HingeSum,
    rules: Rules,
    size: int | None,
    incumbent: float,
    start: np.ndarray | None,
    deadline: float,
    gap: float,
) -> Relaxed:
    """Minimise a loss over the members' rules, taken as fractions.

    Cutting planes: a linear program over the members alone, with one row for every point at which
    the loss has been looked at; all samples enter that row together. Points lie between the
    program's solution and the best one known, which keeps them from wandering.

    Parameters
    ----------
    loss : HingeSum
        No more than the true loss, at every admissible set.
    rules : Rules
    size : int or None
        None leaves it free.
    incumbent : float
        A true loss known to be reached, infinite if none is.
    start : ndarray of shape (n_members,), dtype bool, or None
        The set that has it.
    deadline : float
        ``time.perf_counter()`` at which to stop.
    gap : float
        Relative gap to the incumbent at which to stop.

    Returns
    -------
    Relaxed

    References
    ----------
    Kelley, "The cutting-plane method for solving convex programs", SIAM Journal 8 (1960).
    Ben-Ameur & Neto, "Acceleration of cutting-plane and column generation algorithms: applications
    to network design", Networks 49 (2007), for points in between. Members are settled by reduced
    costs: Nemhauser & Wolsey, Integer and Combinatorial Optimization (1988), II.2.1.
    """
    n = rules.n_members
    free = rules.keep | ~rules.drop
    inside = start.astype(np.float64) if start is not None else free / free.sum() * (size or 1)
    known, slope = loss.at(inside)
    unit = max(abs(known), abs(incumbent) if np.isfinite(incumbent) else 0.0) or 1.0
    master = _Master(rules, size, unit)
    master.cut(inside, known, slope)
    if start is None:
        known = np.inf  # equal fractions need not hold the rules
    keep, drop = rules.keep.copy(), rules.drop.copy()
    bound, last, stalled = -np.inf, -np.inf, 0
    goal = incumbent - gap * abs(incumbent) if np.isfinite(incumbent) else np.inf
    while stalled < _PATIENCE and bound < goal:
        left = deadline - time.perf_counter()
        if left < _LEAST_TIME:
            break
        answer = master.solved(left)
        if answer.status == 2 and start is None:
            return Relaxed(np.inf, keep, drop)
        if answer.status != 0:
            break
        value = unit * (answer.fun - _TOLERANCE)
        bound = max(bound, value)
        if np.isfinite(incumbent):
            ahead = (incumbent - value) / unit + _TOLERANCE
            drop |= answer.lower.marginals[:n] > ahead
            keep |= -answer.upper.marginals[:n] > ahead
        outer = answer.x[:n]
        between = [inside + _INWARDS * (outer - inside)] if np.isfinite(known) else []
        for point in [*between, outer]:
            value, slope = loss.at(point)
            master.cut(point, value, slope)
            if value < known:
                known, inside = value, point
        if known - bound <= 10 * _TOLERANCE * unit:
            break
        if bound > last + _PROGRESS * (known - bound):
            last, stalled = bound, 0
        else:
            stalled += 1
    return Relaxed(bound, keep & ~rules.drop | rules.keep, drop & ~rules.keep | rules.drop)
