"""Log-loss where products of probabilities leave the range of their precision."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import get_scorer

from ensprune.combiner import LinearCombiner
from ensprune.link import Probability
from ensprune.objectives import GenericObjective, LogLoss, likelihood, make_objective


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


def certain(n_members=40, n_samples=5000, n_classes=3, right=0.7, seed=0):
    """Members that put all on one class, as trees with pure leaves do."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n_samples)
    hard = rng.random(n_samples) < 0.3  # where they are mostly wrong
    knows = rng.random((n_members, n_samples)) < np.where(hard, 0.2, right)
    said = np.where(knows, y, rng.integers(0, n_classes, (n_members, n_samples)))
    outputs = np.eye(n_classes, dtype=np.float32)[said].transpose(0, 2, 1)
    return np.ascontiguousarray(outputs), y


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("native", [None, "some", "all"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_jobs", [1, 3])
def test_members_that_are_certain_score_as_any_others(weighted, native, dtype, n_jobs, monkeypatch):
    monkeypatch.setattr(likelihood, "_SHARE_BYTES", 0)
    outputs, y = certain()
    rng = np.random.default_rng(1)
    weights = {None: None, "some": np.where(np.arange(40) % 3, 1.0, 0.25), "all": rng.random(40)}
    combiner = LinearCombiner("mean", Probability(), np.arange(3), 40, weights[native])
    sample_weight = rng.random(len(y)) if weighted else None
    objective = LogLoss()
    objective.start(outputs.astype(dtype), y, combiner, sample_weight, n_jobs=n_jobs)
    native_weights = combiner.member_weights
    true = outputs[:, y, np.arange(len(y))].astype(np.float64)
    total, norm = np.zeros(len(y)), 0.0
    eps = np.finfo(np.float64).eps
    share = np.full(len(y), 1 / len(y)) if sample_weight is None else sample_weight
    share = share / share.sum()

    def exact(sign):
        sums = total + sign * native_weights[:, None] * true
        norms = norm + sign * native_weights[:, None]
        return np.log(np.clip(sums / norms, eps, 1 - eps)) @ share

    for member in (7, 0, 21, 4, 11, 30, 2, 9):
        scores, expected = objective.candidates(), exact(1)
        np.testing.assert_allclose(scores, expected, rtol=1e-6)
        chosen = np.isin(np.arange(40), objective.selected)
        for some in (chosen, ~chosen):
            best = np.where(some, expected, -np.inf).argmax()
            assert not some.any() or scores[best] == pytest.approx(expected[best], rel=1e-12)
        objective.add(member)
        total, norm = total + native_weights[member] * true[member], norm + native_weights[member]
        assert objective.score() == pytest.approx(
            np.log(np.clip(total / norm, eps, 1 - eps)) @ share, rel=1e-12
        )
    dropping = objective.candidates(drop=True)
    for member in objective.selected:
        assert dropping[member] == pytest.approx(exact(-1)[member], rel=1e-9)


def test_the_best_of_certain_members_tie_where_they_do():
    # Two halves of the samples are alike, and two rivals say in one what the other says in the other.
    good, y = certain(n_members=2, n_samples=4999, right=0.9)
    bad = np.roll(good, 1, axis=1)
    combiner = LinearCombiner("mean", Probability(), np.arange(3), 4)
    objective = LogLoss()
    one, other = np.concatenate([bad, good]), np.concatenate([bad, good[::-1]])
    objective.start(np.concatenate([one, other], axis=2), np.concatenate([y, y]), combiner)
    for member in (None, 0, 1):
        if member is not None:
            objective.add(member)
        scores = objective.candidates()
        assert scores.argmax() >= 2
        assert abs(scores[2] - scores[3]) <= 1e-13 * abs(scores[2])


def test_one_member_that_is_not_certain_is_enough():
    outputs, y = certain(n_members=5)
    combiner = LinearCombiner("mean", Probability(), np.arange(3), 5)
    outputs[3, :, 17] = 1 / 3
    fast, exact = LogLoss(), GenericObjective(get_scorer("neg_log_loss"))
    for objective in (fast, exact):
        objective.start(outputs, y, combiner)
        objective.add(1)
    np.testing.assert_allclose(fast.candidates(), exact.candidates(), rtol=2e-7)
