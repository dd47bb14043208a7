"""Binary columns for "this sample is labelled right", with what presolve can settle left out."""

from __future__ import annotations

import itertools

import numpy as np

from .evidence import Evidence, Margins
from .program import Program
from .rows import bundle
from .rules import Rules


def activity_range(
    values: np.ndarray, rules: Rules, size: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Least and largest ``values @ x`` over sets with the right size, members kept and dropped.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_members)
    rules : Rules
    size : int or None
        None is any size from one to as many as the budget buys.

    Returns
    -------
    least, largest : ndarray of shape (n_rows,)
    """
    base = values[:, rules.keep].sum(axis=1)
    n_kept = int(rules.keep.sum())
    free = values[:, ~rules.keep & ~rules.drop]
    if size is None:
        spare = rules.slack_budget - rules.costs[rules.keep].sum()
        cheapest = np.sort(rules.costs[~rules.keep & ~rules.drop]).cumsum()
        more = int((cheapest <= spare).sum())
    else:
        more = size - n_kept
    results = []
    for sign in (1.0, -1.0):
        part = sign * free
        if 0 < more < part.shape[1]:
            part = np.partition(part, more - 1, axis=1)[:, :more]
        elif more <= 0:
            part = part[:, :0]
        if size is None:
            total = np.minimum(part, 0.0).sum(axis=1)
            if n_kept == 0 and part.shape[1]:
                # The empty set is not admissible: at least the best single member counts.
                total = np.where(total == 0.0, part.min(axis=1), total)
        else:
            total = part.sum(axis=1)
        results.append(sign * total)
    return base + results[0], base + results[1]


def merged_members(evidence: Evidence, rules: Rules) -> list[np.ndarray]:
    """Members that say the same of every sample and are the same to the rules, as groups."""
    seen: dict[tuple, list[int]] = {}
    for t in range(rules.n_members):
        roles = tuple(bool(group[t]) for group, _ in rules.groups)
        key = (
            evidence.identities[t],
            float(rules.costs[t]),
            bool(rules.keep[t]),
            bool(rules.drop[t]),
            roles,
        )
        seen.setdefault(key, []).append(t)
    return [np.array(group) for group in seen.values()]


class MemberColumns:
    """One integer column for each group of identical members.

    Parameters
    ----------
    program : Program
    evidence : Evidence
    rules : Rules
    size : int or None
    cost : ndarray of shape (n_members,), default=None
        Objective coefficients; zero if None.
    merge : bool, default=True
        False gives every member a column and puts identical members in order instead, for
        programs with products of members.
    """

    def __init__(
        self,
        program: Program,
        evidence: Evidence,
        rules: Rules,
        size: int | None,
        cost: np.ndarray | None = None,
        merge: bool = True,
    ):
        same = merged_members(evidence, rules)
        self.groups = same if merge else [np.array([t]) for t in range(rules.n_members)]
        self.first = np.array([group[0] for group in self.groups])
        # Coefficients of members that are dropped are left out.
        self.live = ~rules.drop[self.first]
        count = np.array([len(group) for group in self.groups], dtype=np.float64)
        lower, upper = rules.bounds()
        self.columns = program.add_columns(
            np.zeros(len(count)) if cost is None else cost[self.first],
            lower=lower[self.first] * count,
            upper=upper[self.first] * count,
            integer=True,
        )
        rules.add_to(program, self.columns, size, self.first)
        if not merge:
            self._order(program, same)

    def _order(self, program: Program, same: list[np.ndarray]) -> None:
        """Among identical members the first go first."""
        pairs = [pair for group in same for pair in itertools.pairwise(group)]
        if pairs:
            columns = self.columns[np.array(pairs)]
            program.add_rows([(columns, np.array([1.0, -1.0]))], ">=", np.zeros(len(pairs)))

    def counts(self, mask: np.ndarray) -> np.ndarray:
        """Column values of a set given as a mask."""
        return np.array([float(mask[group].sum()) for group in self.groups])

    def mask(self, values: np.ndarray, n_members: int) -> np.ndarray:
        """The set of column values."""
        mask = np.zeros(n_members, dtype=bool)
        for group, value in zip(self.groups, np.rint(values[self.columns]).astype(int)):
            mask[group[:value]] = True
        return mask


class RightSamples:
    """Columns ``z`` with ``z_n = 1`` only if sample n beats every other class.

    ``sum_t d_tnc x_t >= threshold - M_nc (1 - z_n)`` with ``M_nc`` the least that row can reach.
    Samples that no admissible set can get right, or wrong, have no column; samples with the same
    rows share one.

    Parameters
    ----------
    program : Program
    members : MemberColumns
    evidence : Evidence
    rules : Rules
    size : int or None
    samples : ndarray of int or None
        None is all.
    """

    def __init__(
        self,
        program: Program,
        members: MemberColumns,
        evidence: Evidence,
        rules: Rules,
        size: int | None,
        samples: np.ndarray | None = None,
    ):
        self.program = program
        self.members = members
        program.repair = self.cut_false_claims
        margins = evidence.margins(samples)
        n = evidence.n_samples
        considered = np.zeros(n, dtype=bool)
        considered[np.arange(n) if samples is None else samples] = True
        least, largest = activity_range(margins.values, rules, size)
        slack = 1e-9 * np.maximum(np.abs(margins.values).max(axis=1, initial=0.0), 1e-300)
        never = largest < margins.threshold - slack
        # Within rounding of the threshold nothing is settled; on it, to the last bit, it is.
        open_row = (least < margins.threshold + slack) & (least != margins.threshold)
        wrong = np.zeros(n, dtype=bool)
        wrong[margins.sample[never]] = True
        undecided = np.zeros(n, dtype=bool)
        undecided[margins.sample[open_row]] = True
        undecided &= ~wrong
        self.always = considered & ~wrong & ~undecided  # (n_samples,)
        self._collapse(margins, open_row & undecided[margins.sample], least, slack)

    def _collapse(
        self, margins: Margins, used: np.ndarray, least: np.ndarray, slack: np.ndarray
    ) -> None:
        """One column for all samples with the same rows, of those that are ``used``."""
        rows = np.flatnonzero(used)
        order = rows[np.argsort(margins.sample[rows], kind="stable")]
        stated = np.column_stack([margins.values[order], margins.threshold[order]])
        bundles = bundle(stated, margins.sample[order])
        self.group_of = [samples for samples, _ in bundles]
        n_columns = len(bundles)
        self.columns = self.program.add_columns(np.zeros(n_columns), integer=True)
        which = np.concatenate([np.zeros(0, dtype=np.intp), *(at for _, at in bundles)])
        self.row_column = np.repeat(np.arange(n_columns), [len(at) for _, at in bundles])
        self.values, self.threshold = stated[which, :-1], stated[which, -1]
        if n_columns:
            big = np.maximum(self.threshold - least[order][which], slack[order][which])
            # sum_t d x - big z >= threshold - big
            members = self.members
            self.program.add_rows(
                [
                    (members.columns, self.values[:, members.first] * members.live),
                    (self.columns[self.row_column][:, None], -big[:, None]),
                ],
                ">=",
                self.threshold - big,
            )

    def totals(self, weight: np.ndarray) -> np.ndarray:
        """Sum of a weight over the samples of each column."""
        return np.array([weight[group].sum() for group in self.group_of])

    def floor(self, weight: np.ndarray, level: float) -> None:
        """State that right samples have at least a share ``level`` of the total weight.

        Parameters
        ----------
        weight : ndarray of shape (n_samples,)
            Zero for samples that do not matter.
        level : float
        """
        total = weight.sum()
        needed = level * total - weight[self.always].sum()
        per_column = self.totals(weight)
        if needed <= 1e-9 * total:
            return
        if per_column.sum() < needed - 1e-9 * total:
            self.program.impossible = True
            return
        used = per_column > 0
        self.program.add_rows(
            [(self.columns[used], per_column[used] / total)], ">=", needed / total - 1e-9
        )

    def fill(self, mask: np.ndarray) -> np.ndarray:
        """Values of the columns for a set given as a mask."""
        right = np.ones(len(self.columns))
        low = self.values[:, mask].sum(axis=1) < self.threshold
        right[self.row_column[low]] = 0.0
        return right

    def cut_false_claims(self, mask: np.ndarray, values: np.ndarray) -> bool:
        """Forbid this set together with samples it only gets right within solver tolerance.

        A margin of ``-1e-9`` passes a solver's ``>= 0`` and is wrong all the same.

        Returns
        -------
        bool
            Whether rows were added.
        """
        claimed = values[self.columns] > 0.5
        false = self.columns[claimed & (self.fill(mask) < 0.5)]
        counts = self.members.counts(mask)
        full = np.array([len(group) for group in self.members.groups])
        if not len(false) or ((counts > 0) & (counts < full)).any():
            return False
        inside = np.where(counts > 0, 1.0, -1.0)
        self.program.add_rows(
            [(self.members.columns, inside), (false[:, None], np.ones((1, 1)))],
            "<=",
            np.full(len(false), counts.sum()),
        )
        return True
