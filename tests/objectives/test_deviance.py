"""Averages over samples: scikit-learn's own values, and candidates where they are not defined."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import get_scorer

from ensprune.combiner import LinearCombiner
from ensprune.link import Exp, Identity
from ensprune.objectives import GenericObjective, MeanLoss, make_objective

SCORINGS = [
    "neg_mean_absolute_percentage_error",
    "neg_mean_squared_log_error",
    "neg_root_mean_squared_log_error",
    "neg_mean_poisson_deviance",
    "neg_mean_gamma_deviance",
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("link", [Identity(), Exp()], ids=str)
@pytest.mark.parametrize("scoring", SCORINGS)
def test_every_candidate_scores_as_scikit_learn_says(scoring, link, weighted):
    rng = np.random.default_rng(0)
    outputs = rng.uniform(0.2, 2.0, (5, 1, 80)).astype(np.float32)
    y = rng.gamma(2.0, 1.0, 80) + 1e-3
    weight = rng.uniform(0.5, 2.0, 80) if weighted else None
    combiner = LinearCombiner("sum" if isinstance(link, Exp) else "mean", link, None, 5)
    fast, exact = make_objective(scoring, combiner), GenericObjective(get_scorer(scoring))
    assert isinstance(fast, MeanLoss)
    for objective in (fast, exact):
        objective.start(outputs, y, combiner, weight, n_jobs=2)
    for member in (3, 1):
        np.testing.assert_allclose(fast.candidates(), exact.candidates(), rtol=1e-12)
        fast.add(member), exact.add(member)
        assert fast.score() == pytest.approx(exact.score(), rel=1e-12)
    np.testing.assert_allclose(fast.candidates(True), exact.candidates(True), rtol=1e-12)


@pytest.mark.parametrize(
    ("scoring", "predicted"),
    [
        ("neg_mean_poisson_deviance", -1.0),
        ("neg_mean_poisson_deviance", 0.0),
        ("neg_mean_gamma_deviance", 0.0),
        ("neg_mean_gamma_deviance", -1.0),
        ("neg_mean_squared_log_error", -1.5),
    ],
)
def test_a_prediction_for_which_it_is_not_defined_excludes_the_member(scoring, predicted):
    outputs = np.array([[[1.0, 2.0]], [[predicted, 2.0]]])
    combiner = LinearCombiner("mean", Identity(), None, 2)
    objective = make_objective(scoring, combiner)
    objective.start(outputs, np.array([1.0, 2.0]), combiner)
    np.testing.assert_array_equal(objective.candidates(), [0.0, np.nan])


def test_no_counts_is_a_value_of_its_own():
    # y = 0: the deviance is 2 p.
    combiner = LinearCombiner("mean", Identity(), None, 1)
    objective = make_objective("neg_mean_poisson_deviance", combiner)
    objective.start(np.full((1, 1, 2), 0.5), np.zeros(2), combiner)
    assert objective.candidates()[0] == pytest.approx(-1.0)
