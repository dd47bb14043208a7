"""The Gram form of squared error: by hand, out of bag by brute force, shrunk."""

from __future__ import annotations

import numpy as np
import pytest

from ensprune.combiner import LinearCombiner
from ensprune.link import Identity, Probability
from ensprune.objectives.squared import SquaredError, residual_gram, shrunk


def test_gram_by_hand():
    # Two members, two samples: residuals (1, -1) and (2, 0).
    outputs = np.array([[[2.0, 1.0]], [[3.0, 2.0]]])
    target = np.array([[1.0, 2.0]])
    gram = residual_gram(outputs, target, np.array([0.5, 0.5]))
    # (1*1 + 1*1)/2 = 1, (1*2 + -1*0)/2 = 1, (2*2 + 0*0)/2 = 2
    np.testing.assert_allclose(gram, [[1.0, 1.0], [1.0, 2.0]])
    # The mean of both predicts 2.5 and 1.5: squared errors 2.25 and 0.25, mean 1.25 = 5 / 4.
    assert gram.sum() / 4 == pytest.approx(1.25)


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_out_of_bag_gram_by_brute_force(n_outputs):
    rng = np.random.default_rng(0)
    outputs = rng.normal(size=(5, n_outputs, 40))
    target = rng.normal(size=(n_outputs, 40))
    weight = rng.uniform(0.1, 1.0, 40)
    weight /= weight.sum()
    mask = rng.random((5, 40)) < 0.4
    mask[3:, :] = False
    mask[3, :20] = mask[4, 20:] = True  # members 3 and 4 share no sample
    gram = residual_gram(outputs, target, weight, mask)
    for i in range(5):
        for j in range(5):
            shared = mask[i] & mask[j]
            products = ((outputs[i] - target) * (outputs[j] - target)).sum(axis=0)
            if shared.any():
                expected = np.average(products[shared], weights=weight[shared])
                assert gram[i, j] == pytest.approx(expected)
            else:
                assert np.isnan(gram[i, j])
    assert np.isnan(gram[3, 4])
    assert np.isfinite(shrunk(gram)).all()


def test_gram_does_not_depend_on_its_blocks(monkeypatch):
    rng = np.random.default_rng(0)
    outputs = rng.normal(size=(6, 2, 500))
    target = rng.normal(size=(2, 500))
    weight = np.full(500, 1 / 500)
    mask = rng.random((6, 500)) < 0.5
    whole = residual_gram(outputs, target, weight, mask)
    monkeypatch.setattr("ensprune.objectives.squared._BLOCK_BYTES", 800)
    np.testing.assert_allclose(residual_gram(outputs, target, weight, mask), whole, rtol=1e-9)


def test_shrinking_by_hand():
    gram = np.array([[9.0, 2.0, 4.0], [2.0, 9.0, 6.0], [4.0, 6.0, 9.0]])
    # Row means off the diagonal: 3, 4, 5; their mean 4. Additive part (0, 1): 3 + 4 - 4 = 3.
    half = shrunk(gram, 0.5)
    np.testing.assert_allclose(half[0, 1], (2.0 + 3.0) / 2)
    np.testing.assert_allclose(half[1, 2], (6.0 + 5.0) / 2)
    np.testing.assert_allclose(np.diag(half), 9.0)
    np.testing.assert_allclose(shrunk(gram, 0.0), gram)
    np.testing.assert_allclose(shrunk(gram, 1.0)[0, 2], 3.0 + 5.0 - 4.0)


def test_constant_target_follows_sklearns_convention():
    outputs = np.array([[[1.0, 1.0]], [[1.0, 2.0]]])
    objective = SquaredError("r2")
    objective.start(outputs, np.array([1.0, 1.0]), LinearCombiner("mean", Identity(), None, 2))
    np.testing.assert_array_equal(objective.candidates(), [1.0, 0.0])


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
    target = np.eye(3)[y].T
    for row, old in enumerate((4, 1, 6)):
        for new in set(range(7)) - {4, 1, 6}:
            members = [new if t == old else t for t in (4, 1, 6)]
            raw = combiner.take(members).raw(outputs[members])
            assert swaps[row, new] == pytest.approx(-((raw - target) ** 2).sum(axis=0).mean())
