"""Log-loss where products of probabilities leave the range of their precision."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import get_scorer

from ensprune.combiner import LinearCombiner
from ensprune.link import Probability
from ensprune.objectives import GenericObjective, LogLoss, make_objective


@pytest.mark.parametrize("native", [None, [1.0, 0.5, 2.0, 3.0, 0.25], [2.0] * 5])
@pytest.mark.parametrize("precision", [np.float32, np.float64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("share", [0.02, 0.5, 1.0])
def test_labels_that_members_hold_to_be_impossible(share, dtype, precision, native):
    rng = np.random.default_rng(0)
    n_members, n_samples = 5, 3000
    y = rng.integers(0, 3, n_samples)
    outputs = rng.dirichlet(np.ones(3), size=(n_members, n_samples)).transpose(0, 2, 1)
    impossible = rng.random(n_samples) < share
    outputs[:, :, impossible] = np.eye(3)[(y[impossible] + 1) % 3].T
    outputs = np.ascontiguousarray(outputs, dtype=dtype)
    combiner = LinearCombiner(
        "mean",
        Probability(),
        np.arange(3),
        n_members,
        weights=None if native is None else np.array(native),
        dtype=np.dtype(precision),
    )
    fast = make_objective("neg_log_loss", combiner)
    assert isinstance(fast, LogLoss)
    exact = GenericObjective(get_scorer("neg_log_loss"))
    for objective in (fast, exact):
        objective.start(outputs, y, combiner)
    for member in (3, 0):
        np.testing.assert_allclose(fast.candidates(), exact.candidates(), rtol=1e-5)
        fast.add(member), exact.add(member)
        assert fast.score() == pytest.approx(exact.score(), rel=1e-5)


def test_leaves_that_are_pure_cost_no_digits():
    # Members as sure as those of a forest: for the first steps many samples are not spoken for.
    rng = np.random.default_rng(0)
    n_members, n_samples = 30, 20_000
    y = rng.integers(0, 3, n_samples)
    outputs = rng.dirichlet(np.full(3, 0.3), size=(n_members, n_samples)).transpose(0, 2, 1)
    outputs = np.ascontiguousarray(np.where(outputs < 0.2, 0, outputs), dtype=np.float32)
    combiner = LinearCombiner("mean", Probability(), np.arange(3), n_members)
    objective = LogLoss()
    objective.start(outputs, y, combiner)
    total = np.zeros(n_samples)
    true = outputs[:, y, np.arange(n_samples)].astype(np.float64)
    eps = np.finfo(np.float64).eps
    for step, member in enumerate((7, 0, 21, 4, 11), 1):
        exact = np.log(np.clip((total + true) / step, eps, 1 - eps)).mean(axis=1)
        np.testing.assert_allclose(objective.candidates(), exact, rtol=2e-7)
        objective.add(member)
        total += true[member]
