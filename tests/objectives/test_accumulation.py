"""A million samples: sums in blocks of single precision against double precision throughout."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import get_scorer

from ensprune.combiner import LinearCombiner
from ensprune.link import Identity, Logistic, LogisticValue, Probability, Softmax
from ensprune.objectives import GenericObjective, make_objective

N_SAMPLES = 1_000_000


@pytest.fixture(scope="module")
def numbers():
    """Two members that miss values around 300 by one or two: squares of 1 among those of 300."""
    rng = np.random.default_rng(0)
    y = rng.normal(300.0, 3.0, N_SAMPLES)
    outputs = np.stack([y + rng.normal(0.3, scale, N_SAMPLES) for scale in (1.0, 2.0)])
    return outputs[:, None].astype(np.float32), y


@pytest.fixture(scope="module")
def probabilities():
    """Two members that are sure and mostly right: logarithms near zero, a million of them."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, N_SAMPLES)
    outputs = np.empty((2, 3, N_SAMPLES), dtype=np.float32)
    for output in outputs:
        output[...] = 1e-3 * rng.random((3, N_SAMPLES))
        said = np.where(rng.random(N_SAMPLES) < 0.95, y, rng.integers(0, 3, N_SAMPLES))
        output[said, np.arange(N_SAMPLES)] += 1
        output /= output.sum(axis=0)
    return outputs, y


def check(scoring, combiner, outputs, y):
    """The second member's candidate score, and its score once it is in, are the exact ones."""
    objective = make_objective(scoring, combiner)
    assert not isinstance(objective, GenericObjective)
    objective.start(outputs, y, combiner, n_jobs=2)
    objective.add(0)
    candidate = objective.candidates()[1]
    objective.add(1)
    exact = GenericObjective(get_scorer(scoring))
    exact.start(outputs.astype(np.float64), y, combiner)
    exact.add(0), exact.add(1)
    assert candidate == pytest.approx(exact.score(), rel=1e-6)
    assert objective.score() == pytest.approx(exact.score(), rel=1e-6)


@pytest.mark.parametrize(
    "scoring",
    ["neg_mean_squared_error", "neg_root_mean_squared_error", "r2", "neg_mean_absolute_error"],
)
def test_numbers(scoring, numbers):
    outputs, y = numbers
    check(scoring, LinearCombiner("mean", Identity(), None, 2), outputs, y)


@pytest.mark.parametrize("scoring", ["neg_mean_squared_error", "neg_mean_absolute_error"])
def test_numbers_through_a_link(scoring, numbers):
    outputs, y = (0.01 * part for part in numbers)
    combiner = LinearCombiner("sum", LogisticValue(), None, 2, offset=np.array([-6.0]))
    check(scoring, combiner, outputs.astype(np.float32), y / 6)


@pytest.mark.parametrize("scoring", ["accuracy", "balanced_accuracy"])
def test_labels(scoring, probabilities):
    outputs, y = probabilities
    check(scoring, LinearCombiner("mean", Probability(), np.arange(3), 2), outputs, y)


def test_logarithms(probabilities):
    outputs, y = probabilities
    combiner = LinearCombiner("mean", Probability(), np.arange(3), 2)
    objective = make_objective("neg_log_loss", combiner)
    objective.start(outputs, y, combiner)
    objective.add(0)
    candidate = objective.candidates()[1]
    objective.add(1)
    true = outputs[:, y, np.arange(N_SAMPLES)].astype(np.float64)
    exact = np.log(true.mean(axis=0)).mean()
    assert candidate == pytest.approx(exact, rel=1e-6)
    assert objective.score() == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("scoring", ["neg_brier_score", "roc_auc", "average_precision"])
def test_two_probabilities(scoring, probabilities):
    outputs, y = probabilities
    outputs = np.stack([1 - outputs[:, 2], outputs[:, 2]], axis=1)
    check(scoring, LinearCombiner("mean", Probability(), np.arange(2), 2), outputs, y // 2)


@pytest.mark.parametrize(
    ("link", "scoring"),
    [
        (Logistic(), "neg_log_loss"),
        (Logistic(), "neg_brier_score"),
        (Logistic(), "accuracy"),
        (Softmax(), "neg_log_loss"),
        (Softmax(), "accuracy"),
    ],
)
def test_margins(link, scoring, probabilities):
    outputs, y = probabilities
    logits = np.log(outputs)
    if isinstance(link, Logistic):
        logits, y = logits[:, 2:], y // 2
    combiner = LinearCombiner("sum", link, np.unique(y), 2, offset=np.full(len(logits[0]), 0.1))
    check(scoring, combiner, logits, y)
