"""The Gram form of squared error: by hand, and its swaps by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import r2_score

from ensprune.combiner import LinearCombiner
from ensprune.link import Identity, Probability
from ensprune.objectives.squared import SquaredError, residual_gram


def test_gram_by_hand():
    # Two members, two samples: residuals (1, -1) and (2, 0).
    outputs = np.array([[[2.0, 1.0]], [[3.0, 2.0]]])
    target = np.array([[1.0, 2.0]])
    gram = residual_gram(outputs, target, np.array([0.5, 0.5]))
    # (1*1 + 1*1)/2 = 1, (1*2 + -1*0)/2 = 1, (2*2 + 0*0)/2 = 2
    np.testing.assert_allclose(gram, [[1.0, 1.0], [1.0, 2.0]])
    # The mean of both predicts 2.5 and 1.5: squared errors 2.25 and 0.25, mean 1.25 = 5 / 4.
    assert gram.sum() / 4 == pytest.approx(1.25)


def test_gram_does_not_depend_on_its_blocks(monkeypatch):
    rng = np.random.default_rng(0)
    outputs = rng.normal(size=(6, 2, 500))
    target = rng.normal(size=(2, 500))
    weight = np.full(500, 1 / 500)
    whole = residual_gram(outputs, target, weight)
    monkeypatch.setattr("ensprune.objectives.residuals._BLOCK_BYTES", 800)
    np.testing.assert_allclose(residual_gram(outputs, target, weight), whole, rtol=1e-9)


def test_constant_target_follows_sklearns_convention():
    outputs = np.array([[[1.0, 1.0]], [[1.0, 2.0]]])
    objective = SquaredError("r2")
    objective.start(outputs, np.array([1.0, 1.0]), LinearCombiner("mean", Identity(), None, 2))
    np.testing.assert_array_equal(objective.candidates(), [1.0, 0.0])


def test_a_constant_target_whose_mean_rounds_is_constant():
    y = np.full(999, 0.1)  # their weighted mean is not exactly 0.1
    combiner = LinearCombiner("mean", Identity(), None, 2)
    outputs = np.random.default_rng(0).normal(size=(2, 1, 999))
    objective = SquaredError("r2")
    objective.start(outputs, y, combiner)
    objective.add(0)
    assert objective.score() == 0.0 == r2_score(y, outputs[0, 0])


def test_swaps_by_brute_force():
    rng = np.random.default_rng(0)
    outputs = rng.dirichlet([1, 1, 1], size=(7, 50)).transpose(0, 2, 1)
    y = rng.integers(0, 3, 50)
    combiner = LinearCombiner(
        "mean", Probability(), np.arange(3), 7, weights=rng.uniform(0.5, 2, 7)
    )
    objective = SquaredError("brier")
    objective.start(outputs, y, combiner)
    for member in (4, 1, 6):
        objective.add(member)
    swaps = objective.swaps()
    np.testing.assert_array_equal(objective.swaps(slice(1, 3)), swaps[1:])
    target = np.eye(3)[y].T
    for row, old in enumerate((4, 1, 6)):
        for new in set(range(7)) - {4, 1, 6}:
            members = [new if t == old else t for t in (4, 1, 6)]
            raw = combiner.take(members).raw(outputs[members])
            assert objective.swaps(row)[new] == swaps[row, new]
            assert swaps[row, new] == pytest.approx(-((raw - target) ** 2).sum(axis=0).mean())


@pytest.mark.parametrize("kind", ["mse", "rmse", "r2", "brier"])
@pytest.mark.parametrize("weights", ["none", "alike", "own"])
@pytest.mark.parametrize("seed", range(4))
def test_better_swaps_are_those_of_all_that_score_more(kind, weights, seed):
    rng = np.random.default_rng(seed)
    n_members, n_samples = 60, 40
    if kind == "brier":
        y, link, classes = rng.integers(0, 3, n_samples), Probability(), np.arange(3)
        outputs = rng.dirichlet([1, 1, 1], size=(n_members, n_samples)).transpose(0, 2, 1)
    else:
        y, link, classes = rng.normal(size=n_samples), Identity(), None
        outputs = 0.4 * y + rng.normal(size=(n_members, 1, n_samples))
    outputs[7] = outputs[3]  # twins tie
    native = {"none": None, "alike": np.full(n_members, 0.3), "own": rng.uniform(0.5, 2, n_members)}
    combiner = LinearCombiner("mean", link, classes, n_members, weights=native[weights])
    objective = SquaredError(kind)
    objective.start(outputs, y, combiner)
    chosen = rng.choice(n_members, 12, replace=False)
    for member in chosen:
        objective.add(int(member))
    entering = rng.random(n_members) < 0.8
    entering[chosen] = False
    swaps = np.where(entering, objective.swaps(), -np.inf)
    found_some = False
    for share in (0.0, 0.5, 0.9, 0.99, 1.0):
        enough = float(np.quantile(swaps[:, entering], share))
        enough += 1e-9 * abs(enough)
        positions, members, scores = objective.better_swaps(entering, enough)
        expected = np.argwhere(swaps > enough)
        np.testing.assert_array_equal(np.stack([positions, members], axis=1), expected)
        np.testing.assert_allclose(scores, swaps[positions, members], rtol=1e-12)
        found_some |= len(expected) > 0
    assert found_some
    nobody = objective.better_swaps(np.zeros(n_members, dtype=bool), -np.inf)
    assert all(len(part) == 0 for part in nobody)
