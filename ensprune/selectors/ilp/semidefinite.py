"""The doubly non-negative relaxation of quadratic subset selection, by a first-order method.

Every dual point it visits is made a rigorous bound in ``bound``; nothing here is a proof yet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

# Length of the multiplier step; 1 to 1.618 converges, longer is faster.
_STEP = 1.6
# Factor by which the penalty follows the residuals.
_BALANCE = 1.1


@dataclass(frozen=True)
class Selection:
    """Minimise ``x' gram x`` over sets of ``size`` members under budgets.

    Parameters
    ----------
    gram : ndarray of shape (n_members, n_members)
        Symmetric; linear costs are on the diagonal.
    size : int
        At least 2.
    costs : ndarray of shape (n_budgets, n_members)
        At least 0.
    budgets : ndarray of shape (n_budgets,)
        ``costs @ x <= budgets``.
    products : ndarray of shape (n_budgets,), dtype bool
        Whether the budget times every ``x_i`` is a row as well: stronger, n_members more rows.
    """

    gram: np.ndarray
    size: int
    costs: np.ndarray
    budgets: np.ndarray
    products: np.ndarray


@dataclass(frozen=True)
class Prices:
    """Multipliers; any of them, with the signs named, prove a bound.

    Parameters
    ----------
    curvature : ndarray of shape (n_members, n_members)
        Positive semidefinite: ``x' curvature x >= 0`` may be taken off the objective.
    rows : ndarray of shape (n_members,)
        Of ``sum_{j != i} X_ij = (size - 1) X_ii``.
    linear : ndarray of shape (n_budgets,)
        At least 0, of the budgets.
    product : ndarray of shape (n_budgets, n_members)
        At least 0, of ``sum_j costs_j X_ij <= budget X_ii``.
    """

    curvature: np.ndarray
    rows: np.ndarray
    linear: np.ndarray
    product: np.ndarray

    def of(self, members: np.ndarray, known: np.ndarray, asked: np.ndarray) -> Prices:
        """Prices for fewer members and other budgets; of those not known they are zero.

        Parameters
        ----------
        members : ndarray of int
            Positions, ascending.
        known, asked : ndarray of int
            Names of the budgets that have prices here, and of those that are to have some.
        """
        linear, product = np.zeros(len(asked)), np.zeros((len(asked), len(members)))
        for row, name in enumerate(asked):
            for at in np.flatnonzero(known == name):
                linear[row], product[row] = self.linear[at], self.product[at, members]
        curvature = self.curvature
        if len(members) < len(curvature):
            curvature = curvature[np.ix_(members, members)]
        return Prices(curvature, self.rows[members], linear, product)


class DoublyNonnegative:
    """Alternating directions on the dual of the relaxation.

    ::

        min  <gram, X>
        s.t. sum_j X_ij = size X_ii  for every i,   trace X = size,
             budgets on the diagonal and, where asked for, on every row,
             X positive semidefinite, X >= 0

    ``X`` stands for ``x x'``. Each step solves for the multipliers of the rows, then for those of
    ``X >= 0``, then, by one eigendecomposition, for those of the cone; inequalities have slack
    columns. The penalty follows the ratio of the two residuals, gently: small residuals are worth
    less here than dual points that bound well, and a penalty that runs away gives none.

    Parameters
    ----------
    selection : Selection
    before : DoublyNonnegative, default=None
        Where to start from: what was reached on a larger selection, or for another size.
    members : ndarray of int, default=None
        The members of ``before`` that are left.

    References
    ----------
    Wen, Goldfarb & Yin, "Alternating direction augmented Lagrangian methods for semidefinite
    programming", Mathematical Programming Computation 2 (2010), algorithm 1 and section 3.2.
    Rendl, Rinaldi & Wiegele, "Solving max-cut to optimality by intersecting semidefinite and
    polyhedral relaxations", Mathematical Programming 121 (2010), for such bounds in exact search.
    """

    _unit: float  # the objective's scale

    def __init__(
        self,
        selection: Selection,
        before: DoublyNonnegative | None = None,
        members: np.ndarray | None = None,
    ):
        self.selection = selection
        gram, size = selection.gram, selection.size
        n = len(gram)
        self._unit = before._unit if before else float(np.linalg.norm(gram)) / n or 1.0
        self._cost = gram / self._unit
        scales = np.sqrt((selection.costs**2).mean(axis=1))
        self._scales = np.where(scales > 0, scales, 1.0)
        self._weights = np.vstack([np.ones(n), selection.costs / self._scales[:, None]])
        self._limits = np.r_[float(size), selection.budgets / self._scales]
        # Families of rows: one for the size, and one for each budget that is multiplied out.
        self._families = np.r_[0, 1 + np.flatnonzero(selection.products)]
        n_rows = n * len(self._families)
        self._is_slack = np.r_[np.zeros(n, dtype=bool), np.ones(n_rows - n, dtype=bool)]
        self._is_slack = np.r_[self._is_slack, False, np.ones(len(scales), dtype=bool)]
        self._right = np.r_[np.zeros(n_rows), self._limits]
        self._factor = scipy.linalg.cho_factor(self._normal_matrix())
        if before is None:
            self._x = np.full((n, n), size * (size - 1) / (n * (n - 1)))
            np.fill_diagonal(self._x, size / n)
            self._cone = np.zeros((n, n))  # multiplier of the positive semidefinite cone
            self._sign = np.zeros((n, n))  # multiplier of X >= 0
            self._penalty = 1.0
        else:
            left = np.ix_(members, members)  # type: ignore[arg-type]
            self._x, self._cone, self._sign = (
                before._x[left],
                before._cone[left],
                before._sign[left],
            )
            self._penalty = before._penalty
            # What it says of members and of pairs, for the number of each that is left.
            chances = np.diag(self._x) * (size / max(np.trace(self._x), 1e-3 * size))
            pairs = self._x.sum() - np.trace(self._x)
            self._x = self._x * (size * (size - 1) / max(pairs, 1e-3 * size * (size - 1)))
            np.fill_diagonal(self._x, chances)
        self._slack = np.maximum(self._right - self._apply(self._x), 0.0)[self._is_slack]
        self._slack_sign = np.zeros_like(self._slack)
        self.step()

    def _normal_matrix(self) -> np.ndarray:
        """Inner products of the rows, slack columns included."""
        n = len(self._cost)
        w, limits = self._weights, self._limits
        blocks = []
        for a in self._families:
            line = []
            for b in self._families:
                block = 0.5 * np.outer(w[b], w[a])
                own = 0.5 * (w[a] @ w[b]) - limits[b] * w[a] - limits[a] * w[b]
                block[np.diag_indices(n)] += own + limits[a] * limits[b]
                line.append(block)
            line.append((w[a] - limits[a])[:, None] * w.T)
            blocks.append(line)
        last = [(w[a] - limits[a])[None, :] * w for a in self._families]
        matrix = np.block([*blocks, [*last, w @ w.T]])
        matrix[np.diag_indices(len(matrix))] += self._is_slack + 1e-12 * n
        return matrix

    def _apply(self, matrix: np.ndarray) -> np.ndarray:
        """Left-hand sides of all rows."""
        diagonal = np.diag(matrix)
        rows = [matrix @ self._weights[a] - self._limits[a] * diagonal for a in self._families]
        return np.concatenate([*rows, self._weights @ diagonal])

    def _adjoint(self, y: np.ndarray) -> np.ndarray:
        n = len(self._cost)
        count = len(self._families)
        rows = y[: n * count].reshape(count, n)
        half = rows.T @ self._weights[self._families]
        total = half + half.T
        total *= 0.5
        diagonal = y[n * count :] @ self._weights - self._limits[self._families] @ rows
        total[np.diag_indices(n)] += diagonal
        return total

    @property
    def chances(self) -> np.ndarray:
        """The relaxed ``x``, shape (n_members,)."""
        return np.diag(self._x)

    def step(self) -> None:
        """One round of alternating directions; few matrices of n x n are held at a time."""
        penalty = self._penalty
        missing = self._apply(self._x) - self._right
        missing[self._is_slack] += self._slack
        apart = self._cone + self._sign
        apart -= self._cost
        dual = self._apply(apart)
        dual[self._is_slack] += self._slack_sign
        self._y = -scipy.linalg.cho_solve(self._factor, penalty * missing + dual)
        rest = self._adjoint(self._y)
        np.subtract(self._cost, rest, out=rest)
        np.multiply(self._x, penalty, out=apart)
        np.subtract(rest, self._cone, out=self._sign)
        self._sign -= apart
        np.maximum(self._sign, 0.0, out=self._sign)
        rest -= self._sign
        rest -= apart
        del apart
        values, vectors = np.linalg.eigh(rest)
        # Build the part of smaller rank, the other one is the difference.
        negative = vectors[:, values < 0]
        negative *= np.sqrt(-values[values < 0])
        positive = vectors[:, values > 0]
        positive *= np.sqrt(values[values > 0])
        del vectors
        if positive.shape[1] <= negative.shape[1]:
            np.matmul(positive, positive.T, out=self._cone)
            below = np.subtract(self._cone, rest, out=rest)
        else:
            below = negative @ negative.T
            np.add(rest, below, out=self._cone)
        self._root = positive
        below *= _STEP / penalty
        self._x *= 1 - _STEP
        self._x += below
        away = -self._y[self._is_slack] - penalty * self._slack
        self._slack_sign = np.maximum(away, 0.0)
        new = (self._slack_sign - away) / penalty
        self._slack = (1 - _STEP) * self._slack + _STEP * new

    def balance(self) -> None:
        """Move the penalty towards equal primal and dual residuals."""
        missing = self._apply(self._x) - self._right
        missing[self._is_slack] += self._slack
        primal = np.linalg.norm(missing) / (1 + np.linalg.norm(self._right))
        negative = np.linalg.norm(np.minimum(self._x, 0.0))
        primal = max(primal, negative / (1 + np.linalg.norm(self._x)))
        wrong = self._adjoint(self._y) + self._cone + self._sign - self._cost
        dual = np.linalg.norm(wrong) / (1 + np.linalg.norm(self._cost))
        if primal < 0.5 * dual:
            self._penalty *= _BALANCE
        elif primal > 2 * dual:
            self._penalty /= _BALANCE

    def prices(self) -> Prices:
        """The multipliers as they stand, in the units of ``selection``."""
        n = len(self._cost)
        count = len(self._families)
        unit, y = self._unit, self._y
        rows = y[: n * count].reshape(count, n)
        linear = y[n * count + 1 :]
        product = np.zeros((len(linear), n))
        product[self._families[1:] - 1] = np.maximum(-rows[1:], 0.0)
        return Prices(
            unit * (self._root @ self._root.T),
            unit * rows[0],
            unit * np.maximum(-linear, 0.0) / self._scales,
            unit * product / self._scales[:, None],
        )
