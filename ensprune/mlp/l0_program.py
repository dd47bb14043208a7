"""Fewest non-zero weights with a layer's outputs or margins held: a mixed-integer programme."""

from __future__ import annotations

from typing import Any

import numpy as np

from .programme_arguments import check_programme
from .solver import Outcome, add_variable, linear, minimise

# Binaries (weights) of one programme. Beyond this branch and bound closes no gap in minutes.
L0_PROGRAM_MAX_WEIGHTS = 200
# Weights times rows of one programme: the size of its matrix.
L0_PROGRAM_MAX_ENTRIES = 1_000_000


def l0_program(
    X: np.ndarray,
    target: np.ndarray,
    W: np.ndarray,
    *,
    sparsity: float | None = None,
    epsilon: float | None = None,
    margins: bool = False,
    intercept: bool = True,
    time_limit: float = 60.0,
    mip_gap: float = 0.0,
    weight_bound: float = 4.0,
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Fewest non-zero weights such that outputs or margins hold: a MILP in PuLP, small layers only.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_in)
    target : ndarray of shape (n_samples, n_out)
    W : ndarray of shape (n_in, n_out)
        Dense weights that reproduce `target`: what is returned if nothing better is found in time.
    sparsity : float, default=None
        Give this or `epsilon`. Then the number of non-zero weights is fixed and the programme
        minimises the largest deviation instead.
    epsilon : float, default=None
        With ``margins=False`` the largest deviation of any output, in its standard deviations.
        With ``margins=True`` the most any row's margin may fall, in standard deviations of all
        margins; each row keeps its winning class in any case.
    margins : bool, default=False
        The outputs are class scores (one column: the sign decides) and only margins must hold; all
        output neurons are then one programme, otherwise one for each.
    intercept : bool, default=True
        A free bias, which costs nothing.
    time_limit : float, default=60.0
        Seconds for the layer.
    mip_gap : float, default=0.0
        Relative gap at which to stop.
    weight_bound : float, default=4.0
        No weight may exceed this many times the largest of `W`: the big M of the model. Optimality
        is among such weights.

    Returns
    -------
    coef : ndarray of shape (n_in, n_out)
    bias : ndarray of shape (n_out,)
    proof : dict
        ``status``, ``objective`` (number of non-zero weights, or the largest deviation for a given
        sparsity), ``bound``, ``gap``.

    Raises
    ------
    ValueError
        If one programme would have more than 200 binaries, an argument is out of range, or the
        arrays do not fit each other.
    """
    X, target, W = check_programme(
        "l0_program", X, target, W, sparsity, epsilon,
        margins=margins, intercept=intercept, time_limit=time_limit, mip_gap=mip_gap,
        weight_bound=weight_bound,
    )  # fmt: skip
    n_in, n_out = W.shape
    groups = [list(range(n_out))] if margins else [[j] for j in range(n_out)]
    n_binaries = n_in * len(groups[0])
    if n_binaries > L0_PROGRAM_MAX_WEIGHTS or X.shape[0] * n_binaries > L0_PROGRAM_MAX_ENTRIES:
        raise ValueError(
            f"method='l0_program' is for small layers: {n_binaries} weights on {X.shape[0]} rows in one "
            f"programme; allowed are {L0_PROGRAM_MAX_WEIGHTS} weights and {L0_PROGRAM_MAX_ENTRIES} "
            "weights times rows. Use method='l1_program' or criterion='obs', or fewer rows "
            "(max_samples)."
        )
    big_m = weight_bound * max(float(np.abs(W).max()), 1e-12)
    coef, bias, outcomes = W.copy(), (target - X @ W).mean(axis=0), []
    if not intercept:
        bias = np.zeros(n_out)
    for group in groups:
        n_keep = None
        if sparsity is not None:
            size = n_in * len(group)
            n_keep = size - int(np.floor(sparsity * size + 1e-9))
        rows = _margin_rows(target) if margins else _output_rows(target[:, group])
        w, b, outcome = _solve(
            X, rows, len(group), n_keep, epsilon, intercept, big_m, time_limit / len(groups), mip_gap
        )  # fmt: skip
        if w is not None:
            coef[:, group], bias[group] = w, b
        elif outcome.status == "infeasible" or n_keep is not None:
            raise ValueError(
                f"method='l0_program' ended {outcome.status!r} with no solution (time_limit={time_limit} s "
                "for the layer); give more time, a larger epsilon or a larger weight_bound."
            )
        else:
            # The dense weights hold everything, and the bound the solver reached is still true.
            dense = float(np.count_nonzero(W[:, group]))
            outcome = Outcome("time_limit", dense, outcome.bound)
        outcomes.append(outcome)
    status = "optimal" if all(o.status == "optimal" for o in outcomes) else "time_limit"
    combine = sum if sparsity is None else max
    total = Outcome(
        status,
        float(combine(o.objective for o in outcomes)),
        float(combine(o.bound for o in outcomes)),
    )
    return coef, bias, {**vars(total), "gap": total.gap}


# What must hold, as rows (sample, signs, wanted, spread, floor): with o the outputs of the sample,
# ``signs @ o >= max(wanted - deviation * spread, floor)``.
_Row = tuple[int, np.ndarray, float, float, float]


def _output_rows(target: np.ndarray) -> list[_Row]:
    spread = float(target.std()) or 1.0
    both = (np.array([1.0]), np.array([-1.0]))
    return [
        (n, sign, float(sign[0] * z), spread, -np.inf)
        for n, z in enumerate(target[:, 0])
        for sign in both
    ]


def _margin_rows(target: np.ndarray) -> list[_Row]:
    n_samples, n_out = target.shape
    if n_out == 1:
        sizes, signs = np.abs(target[:, 0]), np.where(target[:, 0] > 0, 1.0, -1.0)
        spread = float(sizes.std()) or 1.0
        return [(n, signs[[n]], float(s), spread, 1e-3 * float(s)) for n, s in enumerate(sizes)]
    winner = target.argmax(axis=1)
    margins = target[np.arange(n_samples), winner][:, None] - target
    losing = np.arange(n_out) != winner[:, None]
    spread = float(margins[losing].std()) or 1.0
    unit = np.eye(n_out)
    return [
        (n, unit[winner[n]] - unit[j], float(margins[n, j]), spread, 1e-3 * float(margins[n, j]))
        for n, j in np.argwhere(losing)
    ]


def _solve(X, rows, n_out, n_keep, epsilon, intercept, big_m, time_limit, mip_gap):
    import pulp

    n_in = X.shape[1]
    problem = pulp.LpProblem("fewest_weights", pulp.LpMinimize)
    w = [add_variable(problem, f"w{c}", -big_m, big_m) for c in range(n_in * n_out)]
    used = [add_variable(problem, f"u{c}", binary=True) for c in range(n_in * n_out)]
    bias = [add_variable(problem, f"b{j}") for j in range(n_out if intercept else 0)]
    fixed_count = n_keep is not None
    if fixed_count:
        deviation = [add_variable(problem, "deviation", 0.0)]
        problem += linear(deviation, np.ones(1))
        problem += linear(used, np.ones(len(used))) <= n_keep
    else:
        deviation = []
        problem += linear(used, np.ones(len(used)))
    for v, u in zip(w, used):
        problem += linear([v, u], np.array([1.0, -big_m])) <= 0
        problem += linear([v, u], np.array([1.0, big_m])) >= 0
    for n, signs, wanted, spread, floor in rows:
        values = [np.outer(signs, X[n]).ravel()]  # w is laid out output by output
        if intercept:
            values.append(signs)
        if fixed_count:
            values.append(np.array([spread]))
            least = wanted
        else:
            least = max(wanted - epsilon * spread, floor)
        problem += linear([*w, *bias, *deviation], np.concatenate(values)) >= float(least)

    outcome = minimise(problem, time_limit, mip_gap, mip=True)
    if np.isnan(outcome.objective):
        return None, None, outcome
    on = np.array([u.varValue for u in used]) > 0.5
    coef = np.where(on, [v.varValue for v in w], 0.0).reshape(n_out, n_in).T
    shift = np.array([b.varValue for b in bias]) if intercept else np.zeros(n_out)
    return coef, shift, outcome
