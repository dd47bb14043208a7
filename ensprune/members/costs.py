"""What members cost: nodes, bytes, seconds. What may be spent on them is for ``budget.py``."""

from __future__ import annotations

import pickle
import statistics
import time
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

if TYPE_CHECKING:
    from .base import Members

CostUnit = Literal["members", "nodes", "bytes", "latency"]

_LATENCY_ROWS = 1000
_LATENCY_REPEATS = 5


def costs_of(members: Members, unit: CostUnit, X: Any) -> np.ndarray:
    """See :meth:`~ensprune.members.Members.costs`."""
    if unit == "members":
        return np.ones(members.n_members)
    if unit == "nodes":
        return np.array([_count_nodes(part) for part in members.parts()], dtype=np.float64)
    if unit == "bytes":
        sizes = [len(pickle.dumps(part, protocol=5)) for part in members.parts()]
        return np.array(sizes, dtype=np.float64)
    if unit == "latency":
        if X is None:
            raise ValueError("cost='latency' is measured on rows: give X")
        return _latencies(members, X)
    raise ValueError(
        f"cost={unit!r} is unknown; give 'members', 'nodes', 'bytes', 'latency' or an array "
        "of one number per member"
    )


def _latencies(members: Members, X: Any) -> np.ndarray:
    """Seconds per 1,000 rows of each member, shape (n_members,)."""
    n_rows = _num_samples(X)
    # Not the first rows: in sorted data they may all take the same short way.
    spaced = np.linspace(0, n_rows - 1, min(n_rows, _LATENCY_ROWS)).astype(np.intp)
    rows = _safe_indexing(X, spaced)
    per_row = 1000.0 / _num_samples(rows)
    return np.array([_seconds(members, rows, t) * per_row for t in range(members.n_members)])


def _seconds(members: Members, rows: Any, member: int) -> float:
    runs = []
    for _ in range(_LATENCY_REPEATS + 1):
        start = time.perf_counter()
        members.outputs(rows, indices=[member])
        runs.append(time.perf_counter() - start)
    return statistics.median(runs[1:])


def _count_nodes(part: Any) -> int:
    """Nodes of a tree, or of the trees in a (nested) list or ensemble of them."""
    if isinstance(part, list | tuple | np.ndarray):
        return sum(_count_nodes(p) for p in part)
    if hasattr(part, "tree_"):
        return int(part.tree_.node_count)
    if hasattr(part, "get_n_leaf_nodes"):  # HistGradientBoosting's TreePredictor: binary trees
        return 2 * int(part.get_n_leaf_nodes()) - 1
    if hasattr(part, "steps"):
        return _count_nodes(part.steps[-1][1])
    if isinstance(part, dict) and "left_children" in part:  # an XGBoost tree
        return len(part["left_children"])
    if isinstance(part, dict) and "num_leaves" in part:  # a LightGBM or CatBoost tree: binary, too
        return 2 * int(part["num_leaves"]) - 1
    from .opening import open_members  # which costs are a method of

    try:
        inner = open_members(part)
    except TypeError:
        raise TypeError(
            f"cost='nodes' needs members that are trees, got {type(part).__name__}; "
            "use cost='bytes' or an array"
        ) from None
    return int(inner.costs("nodes").sum())
