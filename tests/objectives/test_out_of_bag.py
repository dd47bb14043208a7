"""The out-of-bag Gram matrix: by brute force, free of hard samples, shrunk as far as it is noise."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ensprune.combiner import LinearCombiner
from ensprune.link import Identity
from ensprune.objectives import SquaredError
from ensprune.objectives.out_of_bag import out_of_bag_gram, shrunk, unreliability
from ensprune.objectives.squared import residual_gram


def drawn(n_members=5, n_outputs=1, n_samples=40, seed=0):
    rng = np.random.default_rng(seed)
    outputs = rng.normal(size=(n_members, n_outputs, n_samples))
    target = rng.normal(size=(n_outputs, n_samples))
    weight = rng.uniform(0.1, 1.0, n_samples)
    mask = rng.random((n_members, n_samples)) < 0.4
    return outputs, target, weight / weight.sum(), mask


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_by_brute_force(n_outputs):
    outputs, target, weight, mask = drawn(n_outputs=n_outputs)
    mask[3:, :] = False
    mask[3, :20] = mask[4, 20:] = True  # members 3 and 4 share no sample
    gram = out_of_bag_gram(outputs, target, weight, mask, shrinkage=0.0)
    error = outputs - target
    product = np.einsum("icn,jcn->ijn", error, error)
    pairs = list(itertools.combinations(range(5), 2))
    both = {(i, j): mask[i] & mask[j] for i, j in pairs}

    counts = sum(both.values())
    total = sum(product[i, j] * both[i, j] for i, j in pairs)
    mean = total / np.maximum(counts, 1)  # of the pairs that speak for a sample
    level = np.average(mean, weights=weight * (counts > 0))
    for i, j in pairs:
        share = (weight * both[i, j] * (1 - 1 / np.maximum(counts, 1))).sum() * 10 / 9
        if (i, j) == (3, 4):
            assert share == 0
            continue
        apart = (weight * both[i, j] * (product[i, j] - mean)).sum() / share
        assert gram[i, j] == pytest.approx(level + apart)
        assert gram[j, i] == pytest.approx(gram[i, j])

    counts = mask.sum(axis=0)
    alone = np.einsum("iin->in", product)
    mean = (alone * mask).sum(axis=0) / np.maximum(counts, 1)
    level = np.average(mean, weights=weight * (counts > 0))
    for i in range(5):
        share = (weight * mask[i] * (1 - 1 / np.maximum(counts, 1))).sum() * 5 / 4
        apart = (weight * mask[i] * (alone[i] - mean)).sum() / share
        assert gram[i, i] == pytest.approx(level + apart)
    # Where nothing is known of a pair it has what both are worth on average.
    assert gram[3, 4] == pytest.approx(
        shrunk(np.where(gram == gram[3, 4], np.nan, gram), 0.0)[3, 4]
    )


def test_who_speaks_everywhere_has_the_plain_matrix():
    outputs, target, weight, mask = drawn(n_outputs=2)
    gram = out_of_bag_gram(outputs, target, weight, np.ones_like(mask), shrinkage=0.0)
    np.testing.assert_allclose(gram, residual_gram(outputs, target, weight), atol=1e-12)


def test_a_pair_is_no_worse_for_hard_samples():
    # All members err alike, by 1 on the first half and by 3 on the second; which they are judged
    # on does not tell them apart.
    rng = np.random.default_rng(1)
    size = np.repeat([1.0, 3.0], 30)
    outputs = np.broadcast_to(size, (6, 1, 60)).copy()
    mask = rng.random((6, 60)) < 0.5
    mask[:3, 30:] &= rng.random((3, 30)) < 0.3  # these saw few of the hard ones
    weight = np.full(60, 1 / 60)
    gram = out_of_bag_gram(outputs, np.zeros((1, 60)), weight, mask, shrinkage=0.0)
    np.testing.assert_allclose(gram[np.triu_indices(6, 1)], gram[0, 1])
    np.testing.assert_allclose(np.diag(gram), gram[0, 0])


@pytest.mark.parametrize("n_members", [1, 2, 3])
def test_few_members(n_members):
    outputs, target, weight, mask = drawn(n_members)
    one_half = np.arange(40) % 2 == np.zeros((n_members, 1))
    for some in (mask, np.zeros_like(mask), np.ones_like(mask), one_half):
        assert np.isfinite(out_of_bag_gram(outputs, target, weight, some)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1.0, 1e15])
def test_it_does_not_depend_on_its_blocks(dtype, scale):
    outputs, target, weight, mask = drawn(n_outputs=2, n_samples=301)
    outputs, target = (scale * outputs).astype(dtype), scale * target
    whole = out_of_bag_gram(outputs, target, weight, mask)
    blocks = out_of_bag_gram(outputs, target, weight, mask, block_bytes=700)
    np.testing.assert_allclose(blocks, whole, rtol=1e-3 if dtype == np.float32 else 1e-9)


@pytest.mark.parametrize("shrinkage", [0.0, "auto"])
def test_single_precision_leaves_one_number_per_pair(shrinkage):
    """A search that takes in all members and lets go of most ends at the sum over those left."""
    outputs, target, weight, mask = drawn(n_members=60, n_samples=900)
    outputs = outputs.astype(np.float32)
    gram = out_of_bag_gram(outputs, target, weight, mask, shrinkage=shrinkage)
    np.testing.assert_array_equal(gram, gram.T)
    objective = SquaredError(shrinkage=shrinkage)
    combiner = LinearCombiner("mean", Identity(), None, 60)
    objective.start(outputs, target[0], combiner, weight, mask=mask)
    for t in range(60):
        objective.add(t)
        objective.score()
    for t in range(50):
        objective.drop(t)
    assert objective.score() == pytest.approx(-gram[50:, 50:].mean(), rel=1e-12)


def test_samples_of_no_weight_are_not_there():
    outputs, target, weight, mask = drawn(n_samples=60)
    weight[40:] = 0.0
    weight /= weight.sum()
    first = slice(0, 40)
    np.testing.assert_allclose(
        out_of_bag_gram(outputs, target, weight, mask),
        out_of_bag_gram(outputs[:, :, first], target[:, first], weight[first], mask[:, first]),
    )


def test_shrinking_by_hand():
    gram = np.array([[9.0, 2.0, 4.0], [2.0, 9.0, 6.0], [4.0, 6.0, 9.0]])
    # Row means off the diagonal: 3, 4, 5; their mean 4. Additive part (0, 1): 3 + 4 - 4 = 3.
    half = shrunk(gram, 0.5)
    np.testing.assert_allclose(half[0, 1], (2.0 + 3.0) / 2)
    np.testing.assert_allclose(half[1, 2], (6.0 + 5.0) / 2)
    np.testing.assert_allclose(np.diag(half), 9.0)
    np.testing.assert_allclose(shrunk(gram, 0.0), gram)
    np.testing.assert_allclose(shrunk(gram, 1.0)[0, 2], 3.0 + 5.0 - 4.0)


def test_how_much_is_noise_by_hand():
    # Departures from additivity of four members: rows off the diagonal add up to nothing, so
    # (0, 1) and (2, 3) are alike, as are the other two ways to pair them up.
    def departing(a, b):
        c = -a - b
        return np.array([[5, a, b, c], [a, 5, c, b], [b, c, 5, a], [c, b, a, 5.0]]) + 1.0

    one = departing(1.0, -1.0)
    assert unreliability(one, one) == pytest.approx(0.0)
    assert unreliability(one, departing(-1.0, 1.0)) == 1.0
    # (1, -1, 0) and (1, 0, -1): r = 1/2, so 2 r / (1 + r) = 2/3 is no noise.
    assert unreliability(one, departing(1.0, 0.0)) == pytest.approx(1 / 3)
    # What is worth the same in every pair departs from nothing.
    assert unreliability(departing(0.0, 0.0), one) == 1.0
    assert unreliability(np.eye(2), np.eye(2)) == 1.0


def test_the_more_samples_the_less_is_shrunk():
    # Members in three groups that err together: no additive matrix.
    rng = np.random.default_rng(0)
    found = []
    for n_samples in (60, 600, 20000):
        shared = rng.normal(size=(3, n_samples))
        outputs = (shared[np.arange(12) % 3] + rng.normal(size=(12, n_samples)))[:, None]
        mask = rng.random((12, n_samples)) < 0.4
        weight = np.full(n_samples, 1 / n_samples)
        target = np.zeros((1, n_samples))
        automatic = out_of_bag_gram(outputs, target, weight, mask)
        raw = out_of_bag_gram(outputs, target, weight, mask, shrinkage=0.0)
        off = ~np.eye(12, dtype=bool)
        found.append(np.std(automatic[off]) / np.std(raw[off]))
    assert found == sorted(found)
    assert found[-1] > 0.99
