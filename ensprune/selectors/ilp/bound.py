"""A lower bound on quadratic subset selection, and the members it settles, without a solver."""

from __future__ import annotations

import copy
import time

import numpy as np

from .rest import NOTHING, Rest, rest_of
from .rules import Rules
from .semidefinite import DoublyNonnegative, Prices, Selection

# Steps between two bounds, and bounds without progress after which the rest is not worth it.
_STEPS = 10
PATIENCE = 10
# Progress is this share of the gap that is left.
_PROGRESS = 0.02
# The relaxation is made smaller once so many of its members are settled.
_SHRINK = 0.1
# What the relaxations of sizes or nodes that wait may take together; one may be larger alone.
MOST_BYTES = 1 << 29
# Seconds for a step on n members, with a margin: n cubed times this.
_STEP_SECONDS = 1e-9


def _worths(selection: Selection, prices: Prices) -> tuple[np.ndarray, float, float]:
    """Worth of each member with its best partners, the constant, and a margin for rounding.

    The least sum of ``size`` worths, plus the constant, is a bound for any prices.
    """
    size, n = selection.size, len(selection.gram)
    matrix = selection.gram - prices.curvature
    apart = np.subtract.outer(prices.rows, prices.rows)
    apart *= 0.5
    matrix += apart
    for costs, toll in zip(selection.costs, prices.product):
        if toll.any():
            priced = np.outer(toll, costs)
            np.add(priced, priced.T, out=apart)
            apart *= 0.5
            matrix += apart
    del apart
    # The product rows' own terms, costs_i X_ii, are on the diagonal by now.
    diagonal = np.diag(matrix) + prices.linear @ selection.costs
    diagonal = diagonal - selection.budgets @ prices.product
    constant = -float(prices.linear @ selection.budgets)
    np.fill_diagonal(matrix, np.inf)
    matrix.partition(size - 2, axis=1)
    partners = matrix[:, : size - 1]
    largest = max(np.abs(diagonal).max(), np.diag(prices.curvature).max(), np.abs(partners).max())
    margin = 4 * np.finfo(np.float64).eps * (n + size) * size**2 * (largest + abs(constant) / size)
    return diagonal + partners.sum(axis=1), constant, float(margin)


def _at_a_glance(gram: np.ndarray, size: int) -> float:
    """A bound for where there is no time to look: all pairs are as good as the best one."""
    own = float(np.sort(np.diag(gram))[:size].sum())
    pairs = (
        size * (size - 1) * float(gram.min(where=~np.eye(len(gram), dtype=bool), initial=np.inf))
    )
    if size < 2 or len(gram) < 2:
        pairs = 0.0
    return own + pairs - 1e-12 * (abs(own) + abs(pairs))


class Bounding:
    """A bound on ``x' gram x`` that :meth:`run` tightens, and the members it has settled.

    Parameters
    ----------
    gram : ndarray of shape (n_members, n_members)
        Symmetric.
    size : int
    rules : Rules
    incumbent : float
        A value known to be reached, infinite if none is.

    Attributes
    ----------
    value : float
        Admissible sets are no better than this, or worse than the incumbent.
    keep, drop : ndarray of shape (n_members,), dtype bool
        Members in every, or in no, set that is at least as good as the incumbent.
    done : bool
        Whether nothing is left to choose: ``value`` is the optimum, or infinite if there is none.
    curvature : ndarray of shape (n_members, n_members) or None
        Positive semidefinite; the inequality ``sum_ij curvature_ij x_i x_j >= 0`` lifts a
        linearisation to the bound. None where the bound needed no relaxation.
    """

    _rest: Rest

    def __init__(self, gram: np.ndarray, size: int, rules: Rules, incumbent: float):
        self._gram = gram
        self.size = size
        self._rules = rules
        self._incumbent = incumbent
        self.keep, self.drop = rules.keep.copy(), rules.drop.copy()
        self.value = _at_a_glance(gram, size)
        self._best: tuple[np.ndarray, np.ndarray] | None = None  # members and their curvature
        self._relaxation: DoublyNonnegative | None = None
        # Where the relaxation starts from, and the first one of our own: that fits other sizes.
        self._seed: tuple[np.ndarray, DoublyNonnegative] | None = None
        self._first: tuple[np.ndarray, DoublyNonnegative] | None = None
        self._stalled, self._last = 0, -np.inf
        self._restart()

    def _restart(self) -> None:
        """Leave settled members out of the relaxation; go on from where it stood."""
        before, members = self._relaxation, None
        if before is not None:
            old = self._rest.free
            members = np.flatnonzero(~self.keep[old] & ~self.drop[old])
        self._rest = rest_of(self._gram, self.size, self._rules, self.keep, self.drop)
        self._relaxation = None
        fits = self._rest.fits()
        self.done = not fits or self._rest.closed
        if self.done:
            self.value = max(self.value, self._rest.least()[0] if fits else np.inf)
        elif before is not None:
            self._relaxation = DoublyNonnegative(self._rest.selection, before, members)

    @property
    def curvature(self) -> np.ndarray | None:
        if self._best is None:
            return None
        full = np.zeros_like(self._gram)
        members, curvature = self._best
        full[np.ix_(members, members)] = curvature
        return full

    @property
    def splits(self) -> bool:
        """Whether there is a relaxation that says where to split."""
        return self._relaxation is not None

    def best_set(self) -> np.ndarray:
        """The set whose value is :attr:`value`, once :attr:`done` with a finite one, as a mask."""
        chosen = self.keep.copy()
        chosen[self._rest.free[self._rest.least()[1]]] = True
        return chosen

    def split(self, incumbent: float) -> tuple[Bounding, Bounding]:
        """The same with the most undecided member kept, and with it dropped."""
        assert self._relaxation is not None
        member = self._rest.free[np.abs(self._relaxation.chances - 0.5).argmin()]
        kept, dropped = copy.copy(self), copy.copy(self)
        for part in kept, dropped:
            part._incumbent = incumbent
            part.keep, part.drop = self.keep.copy(), self.drop.copy()
            part._first = part._seed = None
        kept.keep[member] = True
        dropped.drop[member] = True
        kept._restart()
        dropped._restart()
        return kept, dropped

    def enough(self, mip_gap: float) -> bool:
        """Whether the bound is within ``mip_gap`` of the incumbent."""
        scale = abs(self._incumbent) if np.isfinite(self._incumbent) else 0.0
        return self.done or self.value >= self._incumbent - mip_gap * scale

    @property
    def seeds(self) -> bool:
        """Whether another size can start from here."""
        return self._first is not None

    @property
    def stalled(self) -> int:
        """How many rounds there have been without progress since the last that made some."""
        return self._stalled

    def start_near(self, other: Bounding) -> None:
        """Start the relaxation, if it has not begun, from that of another size."""
        if self._relaxation is None:
            self._seed = other._first

    def learn(self, other: Bounding, prices: Prices) -> None:
        """What prices found for another size, of the same matrix and rules, prove for this one."""
        mine, theirs = self._rest, other._rest
        if not self.done and np.isin(mine.free, theirs.free).all():
            members = np.searchsorted(theirs.free, mine.free)
            self._look(prices.of(members, theirs.budgets, mine.budgets))

    def prices(self) -> Prices | None:
        """The multipliers as they stand; None before there are any."""
        return None if self._relaxation is None else self._relaxation.prices()

    def run(self, deadline: float, mip_gap: float, patience: int = PATIENCE) -> None:
        """Tighten until within ``mip_gap`` of the incumbent, out of time or without progress."""
        self._stalled, self._last = 0, self.value
        while self._stalled < patience and self.round(deadline, mip_gap):
            pass
        # The last steps count, too.
        if not self.enough(mip_gap):
            self._look()

    def round(self, deadline: float, mip_gap: float) -> bool:
        """One look at the bound, and some steps if it is not good enough; whether to go on."""
        if self.enough(mip_gap):
            return False
        self._look()
        left = deadline - time.perf_counter()
        if self.enough(mip_gap) or left < self._step_seconds():
            return False
        last = self._last
        ahead = self._incumbent - last if np.isfinite(self._incumbent) else abs(last)
        if last == -np.inf or self.value > last + _PROGRESS * ahead:
            self._last, self._stalled = self.value, 0
        else:
            self._stalled += 1
        self._advance(deadline)
        return True

    def release(self) -> None:
        """Forget the relaxation, not what it has proved."""
        self._relaxation = self._first = self._seed = None

    def shelve(self) -> None:
        """Forget all but the value and the members settled; :meth:`wake` begins anew from there."""
        self.release()
        self._best, self._rest = None, NOTHING

    def wake(self) -> None:
        """Make ready what was shelved."""
        if self._rest is NOTHING:
            self._restart()

    @property
    def bytes(self) -> int:
        """About how much memory the relaxation, and what it is made from, takes."""
        n = len(self._rest.free) if self._first is None else len(self._first[0])
        return 72 * n**2

    def round_seconds(self) -> float:
        """About how long :meth:`round` takes."""
        return (_STEPS + 1) * self._step_seconds()

    def _step_seconds(self) -> float:
        return _STEP_SECONDS * len(self._rest.free) ** 3

    def _advance(self, deadline: float) -> None:
        if self._relaxation is None:
            self._relaxation = self._begin()
        for _ in range(_STEPS):
            self._relaxation.step()
            if time.perf_counter() + self._step_seconds() > deadline:
                break
        self._relaxation.balance()

    def _begin(self) -> DoublyNonnegative:
        rest, before, left = self._rest, None, None
        if self._seed is not None:
            members, relaxation = self._seed
            if np.isin(rest.free, members).all():
                before, left = relaxation, np.searchsorted(members, rest.free)
        begun = DoublyNonnegative(rest.selection, before, left)
        if self._first is None:
            self._first = rest.free, begun
        return begun

    def _look(self, prices: Prices | None = None) -> None:
        """Turn prices, by default the relaxation's, into a bound; settle members by it."""
        rest = self._rest
        selection, free = rest.selection, rest.free
        n, size = len(free), selection.size
        related = prices is not None or self._relaxation is not None
        if prices is None and self._relaxation is not None:
            prices = self._relaxation.prices()
        elif prices is None:
            nothing = np.zeros(len(selection.budgets))
            prices = Prices(np.zeros((n, n)), np.zeros(n), nothing, np.zeros((len(nothing), n)))
        worth, constant, margin = _worths(selection, prices)
        ranking = np.argpartition(worth, [size - 1, size])
        chosen, outside = ranking[:size], ranking[size:]
        value = rest.constant + constant + float(worth[chosen].sum()) - margin
        if value > self.value:
            self.value = value
            self._best = (free, prices.curvature) if related else None
        worse = self._incumbent + 1e-9 * abs(self._incumbent) - value
        last, first = worth[ranking[size - 1]], worth[ranking[size]]
        self.drop[free[outside[worth[outside] - last > worse]]] = True
        self.keep[free[chosen[first - worth[chosen] > worse]]] = True
        settled = n - int((~self.keep & ~self.drop).sum())
        if settled > _SHRINK * n:
            self._restart()


def quadratic_bound(
    gram: np.ndarray,
    size: int,
    rules: Rules,
    incumbent: float,
    deadline: float,
    mip_gap: float,
) -> Bounding:
    """Lower bound on ``x' gram x`` over admissible sets of a size.

    Parameters
    ----------
    gram : ndarray of shape (n_members, n_members)
        Need not be positive semidefinite.
    size : int
    rules : Rules
    incumbent : float
        A value known to be reached, infinite if none is.
    deadline : float
        ``time.perf_counter()`` at which to stop.
    mip_gap : float
        Relative gap at which to stop.

    Returns
    -------
    Bounding

    Notes
    -----
    For positive semidefinite ``S``, antisymmetric ``A`` and prices ``nu, mu_i >= 0`` of budgets
    ``c' x <= B`` every admissible ``x`` has::

        x' G x >= x' (G - S + A) x + nu (c' x - B) + sum_i mu_i x_i (c' x - B)

    and the least right-hand side is found by sorting: member i, if kept, takes the K - 1 cheapest
    partners of its row, and the K members with the smallest sums are kept. So any prices bound,
    whatever the relaxation that they came from has converged to; what rounding may add is taken
    off. Good ones come from :class:`~ensprune.selectors.ilp.semidefinite.DoublyNonnegative`.
    A member whose exchange with the last one kept (or the first one not) lifts the bound over the
    incumbent is settled, and the relaxation shrinks to what is left.

    References
    ----------
    Poljak, Rendl & Wolkowicz, "A recipe for semidefinite relaxation for (0,1)-quadratic
    programming", Journal of Global Optimization 7 (1995). Billionnet & Plateau, "Improving the
    performance of standard solvers for quadratic 0-1 programs by a tight convex reformulation:
    the QCR method", Discrete Applied Mathematics 157 (2009). Adams & Sherali, "A tight
    linearization and an algorithm for zero-one quadratic programming problems", Management
    Science 32 (1986), for the rows that pair every member.
    """
    bounding = Bounding(0.5 * (gram + gram.T), size, rules, incumbent)
    bounding.run(deadline, mip_gap)
    return bounding
