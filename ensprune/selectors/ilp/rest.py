"""What is left of quadratic subset selection once some members are settled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .rules import Rules
from .semidefinite import Selection


@dataclass(frozen=True)
class Rest:
    """What is left to choose once some members are settled."""

    free: np.ndarray  # members, ascending
    budgets: np.ndarray  # positions of those that may bind, ascending
    constant: float
    selection: Selection

    @property
    def closed(self) -> bool:
        """Whether the size leaves no pairs to choose."""
        return self.selection.size < 2 or self.selection.size >= len(self.free)

    def least(self) -> tuple[float, np.ndarray]:
        """The optimum where it is closed, and which of the free members it takes."""
        chosen = self.selection
        size, n = chosen.size, len(self.free)
        if size == 0:
            return self.constant, np.zeros(0, dtype=np.intp)
        if size == n:
            return self.constant + float(chosen.gram.sum()), np.arange(n)
        fit = (chosen.costs <= chosen.budgets[:, None]).all(axis=0)
        alone = np.where(fit, np.diag(chosen.gram), np.inf)
        return self.constant + float(alone.min()), np.array([alone.argmin()])

    def fits(self) -> bool:
        """Whether the cheapest members of that number hold every budget, one by one."""
        chosen = self.selection
        if not 0 <= chosen.size <= len(self.free) or (chosen.budgets < 0).any():
            return False
        cheapest = np.sort(chosen.costs, axis=1)[:, : chosen.size].sum(axis=1)
        return bool((cheapest <= chosen.budgets).all())


# Stands for what is not held.
NOTHING = Rest(
    np.zeros(0, dtype=np.intp),
    np.zeros(0, dtype=np.intp),
    0.0,
    Selection(np.zeros((0, 0)), 0, np.zeros((0, 0)), np.zeros(0), np.zeros(0, dtype=bool)),
)


def rest_of(gram: np.ndarray, size: int, rules: Rules, keep: np.ndarray, drop: np.ndarray) -> Rest:
    """What is left of ``x' gram x`` over sets of a size.

    Parameters
    ----------
    gram : ndarray of shape (n_members, n_members)
    size : int
    rules : Rules
    keep, drop : ndarray of shape (n_members,), dtype bool
        Members that are settled.
    """
    free = np.flatnonzero(~keep & ~drop)
    part = gram
    if len(free) < len(gram):
        part = gram[np.ix_(free, free)]
        part[np.diag_indices(len(free))] += 2 * gram[np.ix_(free, np.flatnonzero(keep))].sum(axis=1)
    rows = [group.astype(np.float64) for group, _ in rules.groups]
    limits = [float(k) for _, k in rules.groups]
    products = [False] * len(rows)
    if not rules.counts:
        rows.append(rules.costs / rules.costs.max())
        # The sums below round: leave them more slack than the rules themselves have.
        limits.append(rules.slack_budget * (1 + 1e-9) / rules.costs.max())
        products.append(True)
    costs = np.array(rows).reshape(len(rows), rules.n_members)
    budgets = np.array(limits) - costs[:, keep].sum(axis=1)
    binding = costs[:, free].sum(axis=1) > budgets
    selection = Selection(
        part,
        size - int(keep.sum()),
        costs[binding][:, free],
        budgets[binding],
        np.array(products, dtype=bool)[binding],
    )
    constant = float(gram[np.ix_(keep, keep)].sum())
    return Rest(free, np.flatnonzero(binding), constant, selection)
