"""What teachers say together: the best of all averages and pools, and what is done about silence."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ensprune.consensus import Average, Pool, consensus


def labels(n_samples=400, n_classes=3, seed=0):
    """Labels one-hot, and the logarithms of the probabilities they were drawn by."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n_classes, n_samples))
    drawn = (logits + rng.gumbel(size=logits.shape)).argmax(axis=0)
    return np.eye(n_classes)[drawn].T, logits


def proba(logits):
    powers = np.exp(logits)
    return powers / powers.sum(axis=0)


def brier(said, target, weight):
    return weight @ ((said - target) ** 2).sum(axis=0)


def test_teachers_of_values_have_the_shares_of_the_least_error():
    rng = np.random.default_rng(0)
    target = rng.normal(size=(2, 50))
    said = [target + size * rng.normal(size=(2, 50)) for size in (1.0, 0.7, 1.5)]
    said[0][:, :5] = np.nan
    weight = rng.uniform(0, 2, 50)

    def loss(shares):
        mixed = sum(share * each for share, each in zip(shares, said, strict=True))
        return np.nansum(weight * (target - mixed) ** 2)

    found = consensus(target, said, weight, classify=False)
    assert isinstance(found, Average)
    assert found.weights.min() >= 0
    assert found.weights.sum() == pytest.approx(1)
    grid = np.linspace(0, 1, 101)
    tried = [(a, b, 1 - a - b) for a in grid for b in grid if a + b <= 1]
    assert loss(found.weights) <= min(map(loss, tried)) + 1e-9
    expected = sum(w * s for w, s in zip(found.weights, said, strict=True))
    np.testing.assert_allclose(found.of(said), expected)


@pytest.mark.parametrize("classify", [False, True])
def test_who_is_never_wrong_or_never_speaks_is_heard_alone(classify):
    target, logits = labels(50)
    others = [proba(logits), proba(2 * logits)]
    silent = np.full(target.shape, np.nan)
    for first in (target, silent):
        found = consensus(target, [first, *others], np.ones(50), classify)
        np.testing.assert_array_equal(found.weights, [1, 0, 0])
        np.testing.assert_array_equal(found.of([others[0], None, None]), others[0])


def test_powers_are_those_of_the_least_brier_score():
    target, logits = labels()
    rng = np.random.default_rng(1)
    said = [proba(logits + size * rng.normal(size=logits.shape)) for size in (1.0, 0.7)]
    said[0][:, :9] = np.nan
    weight = rng.uniform(0, 2, len(target.T))
    found = consensus(target, said, weight, classify=True)
    assert isinstance(found, Pool)
    heard = slice(9, None)

    def loss(powers):
        pool = Pool(np.array(powers), found.prior)
        return brier(pool.of([s[:, heard] for s in said]), target[:, heard], weight[heard])

    grid = np.linspace(0, 2, 41)
    assert loss(found.weights) <= min(map(loss, itertools.product(grid, grid))) + 1e-6


def test_cautious_voices_are_sharpened():
    target, logits = labels(2000)
    cautious = proba(0.4 * logits)
    found = consensus(target, [cautious], np.ones(2000), classify=True)
    np.testing.assert_allclose(found.weights, 2.5, atol=0.25)
    np.testing.assert_allclose(found.of([cautious]), proba(logits), atol=0.05)
    np.testing.assert_allclose(found.of([cautious]).sum(axis=0), 1.0)


def test_of_noise_the_frequency_of_the_classes_is_left():
    rng = np.random.default_rng(0)
    target = np.eye(2)[(rng.random(5000) < 0.1).astype(int)].T
    said = [rng.dirichlet(np.ones(2), 5000).T for _ in range(2)]
    together = consensus(target, said, np.ones(5000), classify=True).of(said)
    np.testing.assert_allclose(together[1], 0.1, atol=0.03)


def test_a_class_that_nobody_has_seen_is_not_out_of_the_question():
    target, logits = labels(100, 2)
    target = np.vstack([target, np.zeros(100)])
    said = [np.vstack([proba(logits), np.zeros(100)])] * 2
    together = consensus(target, said, np.ones(100), classify=True).of(said)
    assert np.isfinite(together).all()
    assert together[2].max() < 0.05
