"""What a sub-ensemble must hold: budget, kept and dropped members, groups, recall floors."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base import Problem
from .program import Program
from .solver import solve


@dataclass(frozen=True)
class Rules:
    """Linear rules on the members, checked against each other.

    Parameters
    ----------
    costs : ndarray of shape (n_members,)
    budget : float
    keep, drop : ndarray of shape (n_members,), dtype bool
    groups : tuple of (ndarray of shape (n_members,), int)
        Masks of which at most so many members may be kept.
    """

    costs: np.ndarray
    budget: float
    keep: np.ndarray
    drop: np.ndarray
    groups: tuple[tuple[np.ndarray, int], ...]

    @property
    def n_members(self) -> int:
        return len(self.costs)

    @property
    def counts(self) -> bool:
        """Whether all members cost the same, so that the budget is a number of members."""
        return bool(np.ptp(self.costs) == 0 and self.costs[0] > 0)

    @property
    def only_budget(self) -> bool:
        """Whether nothing but the budget restricts."""
        return not (self.keep.any() or self.drop.any() or self.groups)

    @property
    def slack_budget(self) -> float:
        return self.budget * (1 + 1e-9)

    def allow(self, chosen: np.ndarray) -> bool:
        """Whether a set, given as a mask, is admissible."""
        return bool(
            chosen.any()
            and self.costs[chosen].sum() <= self.slack_budget
            and chosen[self.keep].all()
            and not chosen[self.drop].any()
            and all((chosen & group).sum() <= k for group, k in self.groups)
        )

    def addable(self, chosen: np.ndarray) -> np.ndarray:
        """Members that may join a set that holds all rules, shape (n_members,), dtype bool."""
        free = ~chosen & ~self.drop
        free &= self.costs[chosen].sum() + self.costs <= self.slack_budget
        for group, k in self.groups:
            if (chosen & group).sum() >= k:
                free &= ~group
        return free

    def swappable(self, chosen: np.ndarray, member: int) -> np.ndarray:
        """Members that may take the place of ``member``, shape (n_members,), dtype bool."""
        if self.keep[member]:
            return np.zeros(self.n_members, dtype=bool)
        left = chosen.copy()
        left[member] = False
        free = self.addable(left)
        free[member] = False
        return free & ~chosen

    def add_to(
        self, program: Program, x: np.ndarray, size: int | None, first: np.ndarray | None = None
    ) -> None:
        """State the rules over the columns ``x`` of a program.

        Parameters
        ----------
        program : Program
        x : ndarray of int
            Columns that count members.
        size : int or None
            The number of members, or None where it is free.
        first : ndarray of int, default=None
            The member that each column stands for; None is all members in order.
        """
        first = np.arange(self.n_members) if first is None else first
        ones, costs = np.ones(len(x)), self.costs[first]
        if size is None:
            program.add_rows([(x, ones)], ">=", 1.0)
        else:
            program.add_rows([(x, ones)], "==", float(size))
        if not self.counts or size is None:
            scale = self.costs.max()
            program.add_rows([(x, costs / scale)], "<=", self.slack_budget / scale)
        for group, k in self.groups:
            held = group[first]
            if held.any():
                program.add_rows([(x[held], ones[held])], "<=", float(k))

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bounds of the members' columns."""
        return self.keep.astype(np.float64), 1.0 - self.drop

    def largest(self, solver: Any, deadline: float) -> tuple[np.ndarray, int]:
        """A largest admissible set, as a mask, and how many members none exceeds.

        These differ only where the time is too short to tell.
        """
        chosen = self.keep.copy()
        for t in np.argsort(self.costs, kind="stable"):
            if not chosen[t] and self.addable(chosen)[t]:
                chosen[t] = True
        spare = self.slack_budget - self.costs[self.keep].sum()
        cheapest = np.sort(self.costs[~self.keep & ~self.drop]).cumsum()
        most = int(self.keep.sum() + (cheapest <= spare).sum())
        if chosen.sum() == most:
            return chosen, most
        # Groups are in the way.
        program = Program()
        lower, upper = self.bounds()
        x = program.add_columns(-np.ones(len(lower)), lower=lower, upper=upper, integer=True)
        self.add_to(program, x, None)
        limit = max(deadline, time.perf_counter() + 1.0)
        start = chosen.astype(np.float64)
        found = solve(program, solver, deadline=limit, mip_gap=0.0, start=start)
        if found.values is not None and (found.values > 0.5).sum() > chosen.sum():
            chosen = found.values > 0.5
        if np.isfinite(found.bound):
            most = min(most, int(np.floor(1e-6 - found.bound)))
        return chosen, max(int(chosen.sum()), most)


def make_rules(problem: Problem, must_keep: Any, must_drop: Any, at_most: Any) -> Rules:
    """Rules from the selector's parameters.

    Raises
    ------
    ValueError
        If an index is out of range or rules contradict each other; names the parameters.
    """
    n = problem.n_members
    keep, drop, groups = named_members(must_keep, must_drop, at_most, n)
    costs = np.asarray(problem.costs, dtype=np.float64)
    rules = Rules(costs, float(problem.budget), keep, drop, groups)
    spent = costs[keep].sum()
    if rules.counts:
        check_kept(must_keep, problem.budget / costs[0])
    if spent > rules.slack_budget:
        raise ValueError(
            f"must_keep has members that cost {spent:g} but target_size allows {problem.budget:g}"
        )
    if not keep.any() and not rules.addable(keep).any():
        cheapest = costs[~drop].min()
        if cheapest > rules.slack_budget:
            raise ValueError(
                f"must_drop leaves no member within the budget: target_size allows "
                f"{problem.budget:g}, the cheapest one left costs {cheapest:g}"
            )
        raise ValueError("at_most leaves no member to choose; give larger numbers")
    return rules


def named_members(
    must_keep: Any, must_drop: Any, at_most: Any, n: int
) -> tuple[np.ndarray, np.ndarray, tuple[tuple[np.ndarray, int], ...]]:
    """The members that rules name, as masks, and the groups with how many of each may be kept.

    Raises
    ------
    ValueError
        If an index is out of range, a member is to be kept and dropped, more of a group are to be
        kept than may be, or all are to be dropped.
    """
    keep = _mask(must_keep, n, "must_keep")
    drop = _mask(must_drop, n, "must_drop")
    both = np.flatnonzero(keep & drop)
    if len(both):
        raise ValueError(f"must_keep and must_drop both name member {both[0]}")
    if drop.all():
        raise ValueError(f"must_drop names all {n} members; leave at least one")
    groups = _groups(at_most, n)
    for group, k in groups:
        kept = int((keep & group).sum())
        if kept > k:
            raise ValueError(f"must_keep has {kept} members of a group of which at_most allows {k}")
    return keep, drop, groups


def check_kept(must_keep: Any, most: float) -> None:
    """Whether so many members may be kept as are to be; a member named twice is one.

    Raises
    ------
    ValueError
        If they are too many.
    """
    given = np.asarray(must_keep)
    # What are no indices is refused as such.
    n_kept = len(np.unique(given)) if given.dtype.kind in "iu" else 0
    if n_kept > most * (1 + 1e-9):
        raise ValueError(f"must_keep has {n_kept} members but target_size is {most:g}")


def _mask(members: Any, n: int, name: str) -> np.ndarray:
    mask = np.zeros(n, dtype=bool)
    if members is None:
        return mask
    given = np.asarray(members)
    if given.size == 0:
        return mask
    if given.ndim != 1 or given.dtype.kind not in "iu":
        raise ValueError(f"{name}={members!r} is no list of member indices (ints in [0, {n - 1}])")
    wrong = given[(given < 0) | (given >= n)]
    if len(wrong):
        raise ValueError(
            f"{name} has index {wrong[0]}, but the ensemble has {n} members: give ints in "
            f"[0, {n - 1}]"
        )
    mask[given] = True
    return mask


def _groups(at_most: Any, n: int) -> tuple[tuple[np.ndarray, int], ...]:
    groups = []
    if at_most is not None and not isinstance(at_most, Iterable):
        raise ValueError(f"at_most={at_most!r} is no list of pairs (indices, k)")
    for position, entry in enumerate(() if at_most is None else at_most):
        try:
            members, k = entry
        except (TypeError, ValueError):
            raise ValueError(
                f"at_most[{position}]={entry!r} is no pair (indices, k) such as ([0, 1, 2], 1)"
            ) from None
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 0:
            raise ValueError(f"at_most[{position}] allows {k!r} members; give an int >= 0")
        groups.append((_mask(members, n, f"at_most[{position}]"), int(k)))
    return tuple(groups)
