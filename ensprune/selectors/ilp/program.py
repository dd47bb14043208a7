"""A mixed-integer program as blocks of arrays, and its translation to PuLP by whole rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


class Program:
    """Minimise ``cost @ v`` over columns ``v`` with bounds, some integer, under linear rows.

    Formulations add columns and whole blocks of rows; nothing is built term by term before
    :meth:`to_pulp`.

    Attributes
    ----------
    n_cols, n_rows, n_terms : int
        Size so far; terms are the non-zero coefficients of the rows.
    fill : callable
        ``fill(mask)`` gives the values of all columns for a sub-ensemble: the warm start.
    mask : callable
        ``mask(values)`` gives the sub-ensemble of column values.
    repair : callable or None
        ``repair(mask, values)`` adds rows against claims of a solution that are true only within
        the solver's tolerance, and says whether it did.
    offset : float
        What presolve took out of the objective; not part of :attr:`cost`.
    impossible : bool
        Whether presolve found that no sub-ensemble can hold the rows.
    """

    def __init__(self) -> None:
        self._columns: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
        self._rows: list[tuple[np.ndarray, np.ndarray, str, np.ndarray]] = []
        self.n_cols = 0
        self.n_rows = 0
        self.n_terms = 0
        self.impossible = False
        self.offset = 0.0
        self.fill: Callable[[np.ndarray], np.ndarray]
        self.mask: Callable[[np.ndarray], np.ndarray]
        self.repair: Callable[[np.ndarray, np.ndarray], bool] | None = None

    def add_columns(
        self,
        cost: Any,
        lower: Any = 0.0,
        upper: Any = 1.0,
        integer: Any = False,
    ) -> np.ndarray:
        """Add columns.

        Parameters
        ----------
        cost : array-like of shape (n_columns,)
        lower, upper, integer : scalar or array-like of shape (n_columns,)
            ``upper`` may be infinite.

        Returns
        -------
        ndarray of shape (n_columns,), dtype intp
            Their positions.
        """
        n = len(cost)
        self._columns.append(
            tuple(  # type: ignore[arg-type]
                np.broadcast_to(np.asarray(part), (n,)) for part in (cost, lower, upper, integer)
            )
        )
        positions = np.arange(self.n_cols, self.n_cols + n)
        self.n_cols += n
        return positions

    def add_rows(self, parts: list[tuple[Any, Any]], sense: str, right: Any) -> None:
        """Add a block of rows ``sum of parts (sense) right``.

        Parameters
        ----------
        parts : list of (columns, values)
            Each of shape (n_rows, k), or (k,) for the same in every row.
        sense : {"<=", ">=", "=="}
        right : scalar or array-like of shape (n_rows,)
            A scalar is one row, unless a part has more.
        """
        n = max([np.size(right), *(len(a) for part in parts for a in part if np.ndim(a) == 2)])
        columns, values = [], []
        for where, what in parts:
            where, what = np.atleast_1d(where), np.asarray(what, dtype=np.float64)
            width = max(where.shape[-1], what.shape[-1] if what.ndim else 1)
            columns.append(np.broadcast_to(where, (n, width)))
            values.append(np.broadcast_to(what, (n, width)))
        block = np.concatenate(values, axis=1)
        right = np.broadcast_to(np.asarray(right, dtype=np.float64), (n,))
        self._rows.append((np.concatenate(columns, axis=1), block, sense, right))
        self.n_rows += n
        self.n_terms += int(np.count_nonzero(block))

    def set_cost(self, columns: np.ndarray, cost: np.ndarray) -> None:
        """Replace the objective coefficients of one block of columns."""
        start = 0
        for position, block in enumerate(self._columns):
            if len(columns) and start == columns[0]:
                self._columns[position] = (np.asarray(cost), *block[1:])
            start += len(block[0])

    @property
    def cost(self) -> np.ndarray:
        """Objective coefficients, shape (n_cols,)."""
        return np.concatenate([part[0] for part in self._columns]).astype(np.float64)

    def box_bound(self) -> float:
        """The least objective within the columns' own bounds."""
        least = 0.0
        for cost, lower, upper, _ in self._columns:
            ends = np.where(cost > 0, lower, upper)
            least += float(np.sum(cost * np.where(cost == 0, 0.0, ends)))
        return least

    def dense(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The rows of a small program as matrices.

        Returns
        -------
        matrix, right : ndarray of shape (n_inequalities, n_cols) and (n_inequalities,)
            ``matrix @ v <= right``.
        equal, equal_right : ndarray of shape (n_equations, n_cols) and (n_equations,)
        """
        parts: dict[bool, tuple[list[np.ndarray], list[np.ndarray]]] = {}
        for columns, block, sense, right in self._rows:
            sign = -1.0 if sense == ">=" else 1.0
            rows = np.zeros((len(block), self.n_cols))
            np.add.at(rows, (np.arange(len(block))[:, None], columns), sign * block)
            matrices, sides = parts.setdefault(sense == "==", ([], []))
            matrices.append(rows)
            sides.append(sign * right)
        results = []
        for equations in (False, True):
            matrices, sides = parts.get(equations, ([], []))
            results.append(np.concatenate([np.zeros((0, self.n_cols)), *matrices]))
            results.append(np.concatenate([np.zeros(0), *sides]))
        return tuple(results)  # type: ignore[return-value]

    def violation(self, values: np.ndarray) -> float:
        """How far column values are from holding all rows."""
        worst = 0.0
        for columns, block, sense, right in self._rows:
            excess = (block * values[columns]).sum(axis=1) - right
            if sense == ">=":
                excess = -excess
            elif sense == "==":
                excess = np.abs(excess)
            worst = max(worst, float(excess.max(initial=0.0)))
        return worst

    def to_pulp(self, scale: float = 1.0) -> tuple[Any, list[Any]]:
        """The same program as a ``pulp.LpProblem``.

        Parameters
        ----------
        scale : float, default=1.0
            Factor on the objective.

        Returns
        -------
        problem : pulp.LpProblem
        variables : list of pulp.LpVariable
            In the order of the columns.
        """
        import pulp

        problem = pulp.LpProblem("ensprune", pulp.LpMinimize)
        # PuLP 4 keeps variables inside the problem and builds expressions by class methods.
        new = getattr(problem, "add_variable", pulp.LpVariable)
        affine = getattr(pulp.LpAffineExpression, "from_list", pulp.LpAffineExpression)
        variables: list[Any] = []
        for _, lower, upper, integer in self._columns:
            for low, high, whole in zip(lower.tolist(), upper.tolist(), integer.tolist()):
                category = pulp.LpInteger if whole else pulp.LpContinuous
                name = f"v{len(variables)}"
                variables.append(new(name, low, None if np.isinf(high) else high, category))
        weights = (self.cost * scale).tolist()
        problem.setObjective(affine([(v, w) for v, w in zip(variables, weights) if w != 0]))
        senses = {"<=": pulp.LpConstraintLE, ">=": pulp.LpConstraintGE, "==": pulp.LpConstraintEQ}
        for columns, block, sense, right in self._rows:
            for where, what, bound in zip(columns, block, right.tolist()):
                used = np.flatnonzero(what)
                terms = [
                    (variables[c], w) for c, w in zip(where[used].tolist(), what[used].tolist())
                ]
                expression = affine(terms)
                if new is pulp.LpVariable:
                    row = pulp.LpConstraint(expression, senses[sense], rhs=bound)
                elif sense == "==":
                    row = expression == bound
                else:
                    row = expression <= bound if sense == "<=" else expression >= bound
                problem.addConstraint(row)
        return problem, variables
