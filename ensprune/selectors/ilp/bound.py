"""A fast lower bound on quadratic subset selection: the RLT relaxation, by its dual."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from .rules import Rules


@dataclass(frozen=True)
class QuadraticBound:
    """A lower bound, and what it settles.

    Parameters
    ----------
    value : float
    keep, drop : ndarray of shape (n_members,), dtype bool
        Members in every, or in no, set that is at least as good as the incumbent.
    """

    value: float
    keep: np.ndarray
    drop: np.ndarray


def quadratic_bound(
    gram: np.ndarray,
    size: int,
    rules: Rules,
    incumbent: float,
    deadline: float,
    mip_gap: float,
) -> QuadraticBound:
    """Lower bound on ``x' gram x`` over admissible sets of a size.

    Parameters
    ----------
    gram : ndarray of shape (n_members, n_members)
    size : int
    rules : Rules
        Budget, kept and dropped members count; groups are relaxed.
    incumbent : float
        A value known to be reached, infinite if none is; it scales the steps.
    deadline : float
        ``time.perf_counter()`` at which to stop.
    mip_gap : float
        Relative gap at which to stop.

    Returns
    -------
    QuadraticBound

    Notes
    -----
    With products ``y_ij = x_i x_j``, the rows ``sum_{j != i} y_ij = (K - 1) x_i`` and
    ``sum_j c_j y_ij <= B x_i`` and ``y_ij <= x_i`` (first-level RLT), the symmetry
    ``y_ij = y_ji`` is priced by an antisymmetric matrix ``A`` and the budget by ``mu_i >= 0``.
    What is left splits: member i, if kept, takes the K - 1 cheapest partners under
    ``gram_ij + A_ij + mu_i c_j``, and the K members with the smallest sums are kept. Subgradient
    steps of Polyak's length on ``A`` and ``mu``, O(n_members^2) each. A member whose exchange with
    the last one kept (or the first one not) lifts the bound over the incumbent is settled.

    References
    ----------
    Adams & Sherali, "A tight linearization and an algorithm for zero-one quadratic programming
    problems", Management Science 32 (1986). Caprara, Pisinger & Toth, "Exact solution of the
    quadratic knapsack problem", INFORMS Journal on Computing 11 (1999).
    """
    free = np.flatnonzero(~rules.drop)
    in_all, in_none = rules.keep.copy(), rules.drop.copy()
    if size > len(free):
        return QuadraticBound(np.inf, in_all, in_none)
    costs = rules.costs[free]
    keep = rules.keep[free]
    priced = not rules.counts
    diagonal = np.diag(gram)[free]
    if size == 1:
        fits = costs <= rules.slack_budget
        fits &= keep | (keep.sum() == 0)
        least = float(diagonal[fits].min()) if fits.any() else np.inf
        return QuadraticBound(least, in_all, in_none)
    partner_cost = gram[np.ix_(free, free)].copy()
    np.fill_diagonal(partner_cost, 0.0)
    n = len(free)
    if np.isfinite(incumbent):
        target = incumbent
    else:  # the average set of that size
        target = size * diagonal.mean() + size * (size - 1) * partner_cost.sum() / (n * n - n)
    unit = costs / max(costs.max(), 1e-300)
    limit = rules.slack_budget / max(costs.max(), 1e-300)
    prices = np.zeros((n, n))  # antisymmetric
    tolls = np.zeros(n + 1)  # budget prices: of each member's partners, and of the members
    best, best_at = -np.inf, (prices, tolls)
    pace, stalled = 1.0, 0
    for _ in range(2000):
        matrix = partner_cost + prices
        if priced:
            matrix = matrix + tolls[:n, None] * unit[None, :]
        ranked = matrix.copy()
        ranked[:, keep] = -np.inf
        np.fill_diagonal(ranked, np.inf)
        partners = np.argpartition(ranked, size - 2, axis=1)[:, : size - 1]
        worth = diagonal + np.take_along_axis(matrix, partners, axis=1).sum(axis=1)
        value = 0.0
        if priced:
            worth = worth - tolls[:n] * (limit - unit) + tolls[n] * unit
            value = -tolls[n] * limit
        order = np.where(keep, -np.inf, worth)
        ends = [size - 1, size] if size < n else [size - 1]
        ranking = np.argpartition(order, ends)
        chosen = ranking[:size]
        value += float(worth[chosen].sum())
        if size < n:
            outside = ranking[size:]
            last, first = worth[ranking[size - 1]], worth[ranking[size]]
            worse = incumbent + 1e-9 * abs(incumbent) - value
            in_none[free[outside[worth[outside] - last > worse]]] = True
            swapped = chosen[~keep[chosen]]
            in_all[free[swapped[first - worth[swapped] > worse]]] = True
        if value > best + 1e-6 * abs(best) or best == -np.inf:
            best, best_at, stalled = value, (prices, tolls), 0
        else:
            stalled += 1
        if best >= incumbent - mip_gap * abs(target):
            break
        if stalled > 10:
            pace, stalled = pace * 0.6, 0
            prices, tolls = best_at
        late = time.perf_counter() > deadline
        if pace < 2e-3 or late:
            break
        taken = np.zeros((n, n))
        taken[chosen[:, None], partners[chosen]] = 1.0
        slope = taken - taken.T
        length = float((slope**2).sum())
        if priced:
            inner = np.zeros(n)
            inner[chosen] = (taken[chosen] @ unit) - (limit - unit[chosen])
            toll_slope = np.append(inner, unit[chosen].sum() - limit)
            toll_slope = np.where((tolls > 0) | (toll_slope > 0), toll_slope, 0.0)
            length += float((toll_slope**2).sum())
        if length == 0:
            break
        step = pace * max(target - value, 1e-12 * abs(target)) / length
        prices = prices + step * slope
        if priced:
            tolls = np.maximum(tolls + step * toll_slope, 0.0)
    return QuadraticBound(best, in_all, in_none)
