"""Means and sums that start from an offset: every fast form says what the generic one says."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import get_scorer

from ensprune.combiner import LinearCombiner
from ensprune.link import Exp, Identity, Logistic, Probability, Softmax
from ensprune.objectives import GenericObjective, make_objective

N_MEMBERS, N_SAMPLES = 6, 60

CASES = [
    ("r2", Identity(), None),
    ("neg_mean_squared_error", Exp(), None),
    ("neg_root_mean_squared_error", Identity(), None),
    ("neg_mean_absolute_error", Identity(), None),
    ("neg_mean_poisson_deviance", Exp(), None),
    ("accuracy", Logistic(), 2),
    ("accuracy", Softmax(), 3),
    ("balanced_accuracy", Probability(), 3),
    ("neg_log_loss", Logistic(), 2),
    ("neg_log_loss", Softmax(), 3),
    ("neg_brier_score", Logistic(), 2),
    ("roc_auc", Logistic(), 2),
    ("roc_auc_ovr", Softmax(), 3),
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["mean", "sum", "vote"])
@pytest.mark.parametrize(("scoring", "link", "n_classes"), CASES)
def test_every_move_is_scored_from_the_offset(scoring, link, n_classes, kind, weighted):
    rng = np.random.default_rng(0)
    n_outputs = n_classes if n_classes and not isinstance(link, Logistic) else 1
    outputs = rng.normal(size=(N_MEMBERS, n_outputs, N_SAMPLES)) / 2
    y = rng.integers(0, n_classes, N_SAMPLES) if n_classes else rng.gamma(2.0, size=N_SAMPLES)
    combiner = LinearCombiner(
        kind,
        link,
        None if n_classes is None else np.arange(n_classes),
        N_MEMBERS,
        weights=rng.uniform(0.5, 2.0, N_MEMBERS) if kind == "vote" else None,
        offset=rng.normal(size=n_outputs),
    )
    weight = rng.uniform(0.5, 2.0, N_SAMPLES) if weighted else None
    fast, exact = make_objective(scoring, combiner), GenericObjective(get_scorer(scoring))
    assert type(fast) is not GenericObjective
    for objective in (fast, exact):
        objective.start(outputs, y, combiner, weight)
    near = {"rtol": 1e-6, "atol": 1e-9}
    for member in (3, 1, 4):
        np.testing.assert_allclose(fast.candidates(), exact.candidates(), **near)
        fast.add(member), exact.add(member)
        np.testing.assert_allclose(fast.score(), exact.score(), **near)
    np.testing.assert_allclose(fast.candidates(drop=True), exact.candidates(drop=True), **near)
    fast.drop(1), exact.drop(1)
    np.testing.assert_allclose(fast.candidates(), exact.candidates(), **near)
    np.testing.assert_allclose(fast.score(), exact.score(), **near)
