"""Scores of a path are scikit-learn's, though its checks are passed over."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import get_scorer, log_loss, make_scorer

from ensprune import EnsemblePruner
from ensprune.averages import quick_score
from ensprune.replay import Replay


@pytest.fixture(scope="module")
def rows():
    X, y = make_classification(500, 8, n_informative=5, flip_y=0.2, random_state=0)
    return X, y, np.random.default_rng(0).uniform(0.1, 2.0, len(y))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss", "neg_brier_score"])
def test_path(scoring, weighted, rows):
    X, y, weight = rows
    weight = weight[200:] if weighted else None
    forest = RandomForestClassifier(12, random_state=0).fit(X[:200], y[:200])
    pruner = EnsemblePruner(FrozenEstimator(forest), target_size=12, scoring=scoring)
    pruner.fit(X[200:], y[200:], sample_weight=weight)
    scorer = get_scorer(scoring)
    for point in pruner.path_:
        small = pruner.at(len(point.indices))
        expected = scorer(small, X[200:], y[200:], sample_weight=weight)
        assert point.score == pytest.approx(expected, rel=1e-14)
        if scoring == "accuracy":
            assert point.score == expected


def test_other_metrics_are_left_to_scikit_learn(rows):
    _, y, _ = rows
    said = Replay(np.arange(2), y, np.stack([1 - y, y], axis=1).astype(float))
    with_options = make_scorer(
        log_loss, greater_is_better=False, response_method="predict_proba", labels=[0, 1]
    )
    for scorer in (get_scorer("f1"), get_scorer("roc_auc"), with_options, lambda e, X, y: 1.0):
        assert quick_score(scorer, said, y) is None
