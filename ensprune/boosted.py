"""Gradient boosting as a teacher: numbers in, numbers out."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from .codes import one_hot
from .columns import Columns
from .sparse_columns import SparseColumns
from .teacher import Model

# Rounds and learning rate; with many classes fewer and larger steps, as each is a tree per class.
_ROUNDS = 60
_MOST_TREES = 1000
_FEWEST_ROUNDS = 20
_TRAVEL = 9.0
_LARGEST_RATE = 0.3
_MAX_LEAF_NODES = 15
_MAX_FEATURES = 0.5
_MOST_AT_A_SPLIT = 200

# Wide tables: what a tree costs is, row for row and node for node, columns times bins. So many columns
# at most, half of them those that go best with the target, half any others: neighbours, of which only
# one is needed, are alike in what they go with.
_MOST_COLUMNS = 400
_MOST_BINS, _FEWEST_BINS = 1 << 14, 24

# Against steps of any length where few rows of many classes leave hardly any curvature.
_L2 = 0.1


def boosted(
    rows: Any,
    labels: np.ndarray,
    weight: np.ndarray,
    classes: np.ndarray | None,
    seed: int,
) -> Model:
    """Fit gradient boosting to rows, dense or csr; a class they lack has no chance."""
    present = np.unique(labels)
    if classes is not None and len(present) == 1:
        only = np.zeros((len(classes), 1))
        only[present] = 1.0
        return lambda asked: np.repeat(only, asked.shape[0], axis=1)
    columns = _some_columns(rows, labels, weight, classes, seed)
    rows = _dense(rows, columns)
    n_trees = 1 if classes is None or len(present) == 2 else len(present)
    rounds = int(np.clip(_MOST_TREES // n_trees, _FEWEST_ROUNDS, _ROUNDS))
    family = HistGradientBoostingRegressor if classes is None else HistGradientBoostingClassifier
    boosting = family(
        max_iter=rounds,
        learning_rate=min(_TRAVEL / rounds, _LARGEST_RATE),
        max_leaf_nodes=_MAX_LEAF_NODES,
        max_features=min(_MAX_FEATURES, _MOST_AT_A_SPLIT / rows.shape[1]),
        max_bins=int(np.clip(_MOST_BINS // rows.shape[1], _FEWEST_BINS, 255)),
        l2_regularization=_L2,
        early_stopping=False,
        random_state=seed,
    )
    empty = np.isnan(rows).all(axis=0)  # a column of nothing cannot be binned
    # Weights make binning twice as slow as boosting.
    alike = weight.min() == weight.max()
    boosting.fit(_filled(rows, empty), labels, sample_weight=None if alike else weight)

    def answers(asked: np.ndarray) -> np.ndarray:
        asked = _filled(_dense(asked, columns), empty)
        if classes is None:
            return boosting.predict(asked)[None]
        result = np.zeros((len(classes), len(asked)))
        result[present] = boosting.predict_proba(asked).T
        return result

    return answers


def _dense(rows: Any, columns: np.ndarray | None) -> np.ndarray:
    """Some of the columns, None for all."""
    some = rows if columns is None else rows[:, columns]
    return some.toarray() if sparse.issparse(some) else some


def _filled(rows: np.ndarray, empty: np.ndarray) -> np.ndarray:
    return np.where(empty, 0.0, rows) if empty.any() else rows


def _some_columns(
    rows: Any,
    labels: np.ndarray,
    weight: np.ndarray,
    classes: np.ndarray | None,
    seed: int,
) -> np.ndarray | None:
    """Positions of those that are looked at, None if they are all."""
    if rows.shape[1] <= _MOST_COLUMNS:
        return None
    known: Any = SparseColumns if sparse.issparse(rows) else Columns
    columns = known.of(rows)
    used = columns.used
    if len(used) > _MOST_COLUMNS:
        target = labels[:, None] if classes is None else one_hot(labels, len(classes)).T
        centred = target - np.average(target, axis=0, weights=weight)
        order = used[columns.ranked(rows, weight[:, None] * centred)]
        best, others = np.split(order, [_MOST_COLUMNS // 2])
        some = np.random.default_rng(seed).permutation(others)[: _MOST_COLUMNS - len(best)]
        used = np.sort(np.concatenate([best, some]))
    return used if len(used) else np.zeros(1, dtype=int)
