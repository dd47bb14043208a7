"""Gradient boosting as a teacher: numbers in, numbers out."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from .teacher import Model

# Rounds and learning rate; with many classes fewer and larger steps, as each is a tree per class.
_ROUNDS = 60
_MOST_TREES = 1000
_FEWEST_ROUNDS = 20
_TRAVEL = 9.0
_LARGEST_RATE = 0.3
_MAX_LEAF_NODES = 15
_MAX_FEATURES = 0.5
_MOST_COLUMNS = 200  # looked at for a split

# Against steps of any length where few rows of many classes leave hardly any curvature.
_L2 = 0.1


def boosted(
    rows: np.ndarray,
    labels: np.ndarray,
    weight: np.ndarray,
    classes: np.ndarray | None,
    seed: int,
) -> Model:
    """Fit gradient boosting to rows; a class they lack has no chance."""
    present = np.unique(labels)
    if classes is not None and len(present) == 1:
        only = np.zeros((len(classes), 1))
        only[present] = 1.0
        return lambda asked: np.repeat(only, len(asked), axis=1)
    n_trees = 1 if classes is None or len(present) == 2 else len(present)
    rounds = int(np.clip(_MOST_TREES // n_trees, _FEWEST_ROUNDS, _ROUNDS))
    family = HistGradientBoostingRegressor if classes is None else HistGradientBoostingClassifier
    boosting = family(
        max_iter=rounds,
        learning_rate=min(_TRAVEL / rounds, _LARGEST_RATE),
        max_leaf_nodes=_MAX_LEAF_NODES,
        max_features=min(_MAX_FEATURES, _MOST_COLUMNS / rows.shape[1]),
        l2_regularization=_L2,
        early_stopping=False,
        random_state=seed,
    )
    empty = np.isnan(rows).all(axis=0)  # a column of nothing cannot be binned
    # Weights make binning twice as slow as boosting.
    alike = weight.min() == weight.max()
    boosting.fit(np.where(empty, 0.0, rows), labels, sample_weight=None if alike else weight)

    def answers(asked: np.ndarray) -> np.ndarray:
        asked = np.where(empty, 0.0, asked)
        if classes is None:
            return boosting.predict(asked)[None]
        result = np.zeros((len(classes), len(asked)))
        result[present] = boosting.predict_proba(asked).T
        return result

    return answers
