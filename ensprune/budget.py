"""Budgets: what members cost, and what ``target_size`` allows."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np

from .members.base import Members

CostLike = str | np.ndarray | list[float]


def member_costs(members: Members, cost: CostLike, X: Any = None) -> np.ndarray:
    """The cost of every member.

    Parameters
    ----------
    members : Members
    cost : {"members", "nodes", "bytes", "latency"} or array-like of shape (n_members,)
    X : array-like of shape (n_samples, n_features), default=None
        Rows to time ``"latency"`` on.

    Returns
    -------
    ndarray of shape (n_members,), dtype float64

    Raises
    ------
    ValueError
        If the unit is unknown, or an array has the wrong length, negative or non-finite entries,
        or no positive one.
    """
    if isinstance(cost, str):
        return members.costs(cost, X)  # type: ignore[arg-type]
    return check_cost(cost, members.n_members)


def check_cost(cost: CostLike, n_members: int | None = None) -> np.ndarray:
    """Costs given as numbers.

    Parameters
    ----------
    cost : array-like of shape (n_members,)
    n_members : int, default=None
        None is not known yet.

    Raises
    ------
    TypeError
        If they are no numbers.
    ValueError
        If they are negative or not finite, none is positive, or they are more or fewer than the
        members.
    """
    try:
        costs = np.asarray(cost, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"cost={cost!r} is neither an array of numbers nor 'members', 'nodes', 'bytes' or "
            "'latency'"
        ) from error
    if not np.isfinite(costs).all() or (costs < 0).any() or not (costs > 0).any():
        raise ValueError(
            "cost must be finite and non-negative with a positive entry, got "
            + (f"values from {costs.min()} to {costs.max()}" if costs.size else "no values")
        )
    if n_members is not None and costs.shape != (n_members,):
        raise ValueError(
            f"cost has shape {costs.shape}, but the ensemble has {n_members} members; "
            "give one number per member, or 'members', 'nodes', 'bytes' or 'latency'"
        )
    return costs


def check_target_size(
    target_size: Any,
    allowed: str = "give an int, 1 or more, a float in (0, 1] for a share, 'auto' or '1se'",
) -> None:
    """Refuse what is no budget of any ensemble.

    Raises
    ------
    TypeError
        If ``target_size`` is neither an int nor a float.
    ValueError
        If it is out of range.
    """
    if isinstance(target_size, str) and target_size in ("auto", "1se"):
        return
    if isinstance(target_size, bool | np.bool_) or not isinstance(target_size, numbers.Real):
        raise TypeError(f"target_size={target_size!r} is no number; {allowed}")
    if isinstance(target_size, numbers.Integral):
        if target_size < 1:
            raise ValueError(f"target_size={target_size} is less than 1; {allowed}")
    elif not 0 < float(target_size) <= 1:
        raise ValueError(f"target_size={float(target_size)} is a share outside (0, 1]; {allowed}")


def budget_of(target_size: Any, costs: np.ndarray, ensemble: str, unit: str) -> float:
    """Turn ``target_size`` into a bound on the total cost.

    Parameters
    ----------
    target_size : int, float, "auto" or "1se"
        An int is the bound itself, a float in (0, 1] a share of the full cost; the words stand
        for no bound but the full cost.
    costs : ndarray of shape (n_members,)
    ensemble : str
        What to call the ensemble in messages.
    unit : str
        What to call the cost in messages.

    Returns
    -------
    float

    Raises
    ------
    TypeError
        If ``target_size`` is neither an int nor a float.
    ValueError
        If it is out of range, or buys no member at all.
    """
    full = float(costs.sum())
    whole = f"{full:g} {unit}" if unit == "members" else f"full cost of {full:g} ({unit})"
    allowed = "give a float in (0, 1] for a share, 'auto' or '1se'"
    least = 1 if unit == "members" else max(1, math.ceil(costs.min()))
    if least <= full:  # seconds are fewer than one
        allowed = (
            f"give an int in [{least}, {int(full)}], a float in (0, 1] for a share, 'auto' or '1se'"
        )
    check_target_size(target_size, allowed)
    if isinstance(target_size, str):
        return full
    if isinstance(target_size, numbers.Integral):
        target_size = int(target_size)
        if target_size > full * (1 + 1e-9):
            raise ValueError(
                f"target_size={target_size} is more than the {whole} of {ensemble}; {allowed}"
            )
        budget = float(target_size)
    else:
        budget = float(target_size) * full
        if unit == "members":
            # A share is of whole members, and at least of one.
            return float(max(1, int(np.floor(budget * (1 + 1e-9)))))
    cheapest = costs.min()
    if budget * (1 + 1e-9) < cheapest:
        raise ValueError(
            f"target_size={target_size} allows a cost of {budget:g}, but the cheapest member of "
            f"{ensemble} costs {cheapest:g} ({unit}); {allowed}"
        )
    return budget
