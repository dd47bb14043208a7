"""How strongly to damp and to shrink: judged on rows that neither trees nor leaf values have seen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..link import Link, Probability
from ..members.leaves import Leaves
from ..objectives.convex import ConvexLoss
from .equations import Equations, Rows
from .leaves import solve
from .shrinkage import shrunk

# From strong to weak; what is strongest is to leave the values alone.
DAMPINGS = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
SHRINKAGES = (0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)

# Shares of what labels say that may be left to who is better informed.
TRUSTS = (0.5, 0.8)
TAUGHT_TRUSTS = (0.0, 0.5, 0.8, 0.95)

# Enough where each solution starts from the last.
_TRIAL_ITERATIONS = 15
_TRIAL_SWEEPS = 4

# Weaker dampings are not tried once so many in a row were worse than the best.
_PATIENCE = 2

# A gain of so many of its standard errors is believed: it is the best of some fifty.
_SURE = 3.0


@dataclass(frozen=True)
class Strength:
    """How much of the leaf values is kept as it was.

    Parameters
    ----------
    damping : float, default=inf
        Against moving away from the shrunk values; infinity keeps them.
    shrinkage : float, default=0.0
        Of the values towards the nodes above them, in training rows.
    out_of_bag : bool, default=False
        Whether rows count a second time through the trees that have not seen them.
    corrective: bool = False
        Whether each tree is weighed anew, together with its values.
    trust : float, default=0.0
        Share of what the values are fitted to that the uncut ensemble says, where it has not seen
        the row; the rest is the label. If ``taught``, labelled rows weigh so much less instead.
    taught : bool, default=False
        Whether the values are fitted to a teacher's answers on synthetic rows as well.
    step : float, default=1.0
        How far the values go from where they were to where they are best.
    """

    damping: float = np.inf
    shrinkage: float = 0.0
    out_of_bag: bool = False
    corrective: bool = False
    trust: float = 0.0
    taught: bool = False
    step: float = 1.0

    @property
    def leaves_alone(self) -> bool:
        """Whether nothing changes."""
        return np.isinf(self.damping) and self.shrinkage == 0 and not self.corrective


def refit(
    leaves: Leaves, rows: Rows, link: Link, strength: Strength, iterations: int | None = None
) -> np.ndarray:
    """Leaf values refitted to rows at a given strength, shape (n_leaves, n_values)."""
    equations = Equations(leaves, rows.trusting(strength.trust), strength.out_of_bag)
    prior = shrunk(leaves, strength.shrinkage)
    found = solve(equations, link, prior, strength.damping, None, iterations, strength.corrective)
    return _gone(leaves, found, strength)


def _gone(leaves: Leaves, found: np.ndarray, strength: Strength) -> np.ndarray:
    """The values as far on their way to others as the strength says."""
    return found if strength.step == 1 else leaves.values + strength.step * (found - leaves.values)


def _enough(link: Link) -> int:
    """Iterations that suffice where strengths are compared."""
    return _TRIAL_SWEEPS if isinstance(link, Probability) else _TRIAL_ITERATIONS


@dataclass(frozen=True)
class Apart:
    """Trees, the rows they were grown on, and rows that nothing of them has seen.

    Parameters
    ----------
    leaves : Leaves
    fit : Rows
    judge : Rows
    taught : Rows, default=None
        ``fit`` and synthetic rows that a teacher tells of; None without a teacher.
    """

    leaves: Leaves
    fit: Rows
    judge: Rows
    taught: Rows | None = None

    def first(self, n_trees: int) -> Apart:
        """With so many of the trees, or all if there are fewer."""
        if n_trees >= self.leaves.n_trees:
            return self
        taught = None if self.taught is None else self.taught.first(n_trees)
        first = self.fit.first(n_trees), self.judge.first(n_trees)
        return Apart(self.leaves.first(n_trees), *first, taught)

    def trial(self, link: Link) -> Trial:
        return Trial(self.leaves, self.fit, self.judge, link, self.taught)

    def raw(self, link: Link, strength: Strength) -> np.ndarray:
        """Raw scores of the judging rows once leaves are refitted, shape (n_outputs, n_judge)."""
        rows = self.fit if self.taught is None or not strength.taught else self.taught
        values = refit(self.leaves, rows, link, strength, _enough(link))
        return Equations(self.leaves, self.judge).raw(values)


class Trial:
    """Trees, rows to refit their leaves on, and other rows to judge the result.

    Parameters
    ----------
    leaves : Leaves
    fit, judge : Rows
        ``judge`` must be rows that the trees were not grown on, and not among ``fit``.
    link : Link
    taught : Rows, default=None
        What is fitted to instead of ``fit`` if there is a teacher: the same rows, and synthetic
        ones that it tells of.
    """

    def __init__(
        self, leaves: Leaves, fit: Rows, judge: Rows, link: Link, taught: Rows | None = None
    ):
        self.leaves = leaves
        self._rows = {False: fit, True: taught}
        self._fit: dict[tuple[bool, bool, float], Equations] = {}
        self._judge = Equations(leaves, judge)
        self._link = link
        self._last: np.ndarray | None = None

    @property
    def weight(self) -> float:
        """Of all judging rows."""
        return float(self._judge.weight.sum())

    @property
    def knows_out_of_bag(self) -> bool:
        return self._rows[False].unseen is not None  # type: ignore[union-attr]

    @property
    def has_opinion(self) -> bool:
        return self._rows[False].opinion is not None  # type: ignore[union-attr]

    @property
    def has_teacher(self) -> bool:
        return self._rows[True] is not None

    def _equations(self, bag: bool, taught: bool, trust: float) -> Equations:
        key = bag, taught, trust
        if key not in self._fit:
            if trust:
                self._fit[key] = self._equations(bag, taught, 0.0).trusting(trust)
            else:
                rows = self._rows[taught]
                assert rows is not None
                self._fit[key] = Equations(self.leaves, rows, bag)
        return self._fit[key]

    @property
    def sums_up(self) -> bool:
        """Whether trees may be weighed anew: a sum of stages, not a mean, which has no scale."""
        return not isinstance(self._link, Probability)

    def losses(self, strength: Strength) -> np.ndarray:
        """Weighted loss of each judging row, shape (n_judge,)."""
        values = solve(
            self._equations(strength.out_of_bag, strength.taught, strength.trust),
            self._link,
            shrunk(self.leaves, strength.shrinkage),
            strength.damping,
            self._last,
            _enough(self._link),
            strength.corrective,
        )
        if not np.isinf(strength.damping):
            self._last = values
        return row_losses(self._judge, self._link, _gone(self.leaves, values, strength))


def row_losses(equations: Equations, link: Link, values: np.ndarray) -> np.ndarray:
    """The loss of each row, times its weight: squared error (Brier) or deviance, (n_samples,)."""
    raw = equations.raw(values)
    loss = ConvexLoss(link, equations.target, equations.weight)
    return equations.weight * loss.per_sample(raw)


def choose(
    trials: Sequence[Trial], dampings: Iterable[float], shrinkages: Iterable[float]
) -> tuple[Strength, float, float]:
    """The strength whose loss over all trials is least; the stronger one of those that tie.

    Shrinkage alone first, which solves nothing; then damping, along a path from strong to weak
    on which solutions follow each other; then what costs more, each from the best so far uphill
    on one grid after the other. The best of many gains by chance, too: if it gains less than three
    standard errors, values go only so much of the way.

    Parameters
    ----------
    trials : sequence of Trial
    dampings, shrinkages : iterable of float
        What to choose from, in this order.

    Returns
    -------
    strength : Strength
    loss, loss_alone : float
        Mean over the judging rows' weight, at this strength and with the values left alone.
    """
    dampings, shrinkages = tuple(dampings), tuple(shrinkages)
    finite = tuple(damping for damping in dampings if not np.isinf(damping))
    kept = np.inf in dampings
    judges = Judges(trials)
    begin = Strength(np.inf if kept else max(finite), shrinkages[0])
    best = judges.best_of(replace(begin, shrinkage=s) for s in shrinkages)
    if not finite:
        return judges.verdict(best)
    bags = (False, True) if all(trial.knows_out_of_bag for trial in trials) else (False,)
    for bag in bags:
        found = judges.along(replace(best, out_of_bag=bag), "damping", finite)
        best = judges.best_of([best, found])
    if all(trial.has_teacher for trial in trials):
        best = judges.best_of([best, _taught(judges, best, finite)])
    elif all(trial.has_opinion for trial in trials):
        trusting = [judges.along(replace(best, trust=trust), "damping", finite) for trust in TRUSTS]
        best = judges.best_of([best, *trusting])
    if kept and all(trial.sums_up for trial in trials):
        held = replace(best, corrective=True, damping=np.inf)
        weighed = replace(best, corrective=True)
        if np.isinf(best.damping):
            found = judges.along(weighed, "damping", finite)
        else:
            found = judges.uphill(weighed, "damping", finite)
        best = judges.best_of([best, held, found])
    if not np.isinf(best.damping):
        best = judges.uphill(best, "shrinkage", shrinkages)
        best = judges.uphill(best, "damping", finite)
    return judges.verdict(judges.as_far_as_sure(best) if kept else best)


def _taught(judges: Judges, best: Strength, dampings: tuple[float, ...]) -> Strength:
    """The best with a teacher: coarsely along the dampings, then uphill.

    A teacher that has not seen a row misleads no tree that has: no need to hear these apart.
    """
    middle = TAUGHT_TRUSTS[len(TAUGHT_TRUSTS) // 2]
    begin = replace(best, taught=True, trust=middle, out_of_bag=False)
    found = judges.along(begin, "damping", dampings[1::2] or dampings, patience=1)
    found = judges.uphill(found, "damping", dampings)
    found = judges.uphill(found, "trust", TAUGHT_TRUSTS)
    return judges.uphill(found, "damping", dampings)


class Judges:
    """The losses of strengths over all trials, each computed once.

    Parameters
    ----------
    trials : sequence of Trial
    """

    def __init__(self, trials: Sequence[Trial]):
        self._trials = trials
        self._seen: dict[Strength, float] = {}

    def loss(self, strength: Strength) -> float:
        if strength not in self._seen:
            self._seen[strength] = float(self._losses(strength).sum())
        return self._seen[strength]

    def _losses(self, strength: Strength) -> np.ndarray:
        """Weighted loss of each judging row of all trials: not kept, rows may be many."""
        return np.concatenate([trial.losses(strength) for trial in self._trials])

    def best_of(self, candidates: Iterable[Strength]) -> Strength:
        """The first of the best."""
        return min(candidates, key=self.loss)

    def along(
        self, begin: Strength, name: str, grid: Sequence[float], patience: int = _PATIENCE
    ) -> Strength:
        """The best on a path through a grid, given up once so many in a row were worse."""
        path = [_with(begin, name, value) for value in grid]
        best = path[0]
        for position, strength in enumerate(path):
            if self.loss(strength) < self.loss(best):
                best = strength
            elif position - path.index(best) >= patience:
                break
        return best

    def uphill(self, begin: Strength, name: str, grid: Sequence[float]) -> Strength:
        """From one point of a grid to its better neighbour, as long as there is one."""
        best, at = begin, grid.index(getattr(begin, name))
        for step in (-1, 1):
            position = at + step
            while 0 <= position < len(grid):
                strength = _with(best, name, grid[position])
                if self.loss(strength) >= self.loss(best):
                    break
                best, position = strength, position + step
        return best

    def as_far_as_sure(self, best: Strength) -> Strength:
        """A step as long as the gain over leaving values alone is sure; none is to leave them."""
        gain = self._losses(Strength()) - self._losses(best)
        doubt = _SURE * np.sqrt(len(gain)) * gain.std()
        step = 1.0 if gain.sum() >= doubt else round(float(gain.sum() / doubt), 2)
        return replace(best, step=step) if step > 0 else Strength()

    def verdict(self, best: Strength) -> tuple[Strength, float, float]:
        """A strength with its mean loss, and that of leaving the values alone."""
        total = sum(trial.weight for trial in self._trials)
        return best, self.loss(best) / total, self.loss(Strength()) / total


def _with(strength: Strength, name: str, value: float) -> Strength:
    change: dict[str, Any] = {name: value}
    return replace(strength, **change)


def folds(labels: np.ndarray, n_folds: int, rng: np.random.Generator) -> np.ndarray:
    """A fold for each row, alike in their labels, shape (n_samples,)."""
    order = np.lexsort((rng.random(len(labels)), labels))
    result = np.empty(len(labels), dtype=int)
    start = rng.integers(n_folds)
    result[order] = (np.arange(len(labels)) + start) % n_folds
    return result
