"""Sums and counts of zeros and ones by products in single precision: what is exact, and how far off the rest."""

from __future__ import annotations

import numpy as np
import pytest

from ensprune.objectives.certain import are_certain, counted, summed_gains, summed_gains_near_best


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_who_gains_most_does_so_however_sums_are_rounded(dtype):
    # Gains that are all the same round the same way, every time: here those of one member mostly up,
    # those of another, who gains slightly more, mostly down.
    up, down, n = 0.5641851297135386, 0.498642925647812, 1024
    rest = (n * up * (1 + 2e-7) - n * down) / 70
    gains = np.concatenate([np.full(n, up), np.full(n, down), np.full(70, rest), [1.0]])
    rows = np.zeros((2, len(gains)), dtype=dtype)
    rows[0, :n] = rows[1, n:-1] = 1
    sums = summed_gains_near_best(rows, np.arange(2), gains, np.zeros(2, dtype=bool))
    assert sums.argmax() == 1
    np.testing.assert_array_equal(sums, summed_gains(rows, np.arange(2), gains))


@pytest.mark.parametrize("n_levels", [1, 2, 3, 20])
def test_sums_that_are_not_the_best_are_good_to_a_millionth(n_levels):
    rng = np.random.default_rng(0)
    for n_members, n_samples in ((1, 1), (2, 1000), (7, 5000), (40, 257)) * 5:
        share = rng.uniform(0, 1, n_members)[:, None]
        rows = (rng.random((n_members, n_samples)) < share).astype(np.float32)
        gains = rng.exponential(size=n_levels)[rng.integers(n_levels, size=n_samples)]
        some = np.arange(n_members // 3, n_members)
        exact = summed_gains(rows, some, gains)
        sums = summed_gains_near_best(rows, some, gains, rng.random(len(some)) < 0.5)
        np.testing.assert_allclose(sums, exact, rtol=0, atol=1e-6 * exact.max())


def test_members_that_gain_nothing_tie():
    rows = np.eye(3, 5, dtype=np.float32)
    sums = summed_gains_near_best(rows, np.arange(3), np.zeros(5), np.zeros(3, dtype=bool))
    np.testing.assert_array_equal(sums, 0)


@pytest.mark.parametrize("n_groups", [1, 2, 5])
def test_counts_of_more_samples_than_one_number_holds(n_groups):
    rng = np.random.default_rng(0)
    n_samples = 3 * 4095 + 7
    rows = np.ones((4, n_samples), dtype=np.float32)
    rows[1:3] = rng.random((2, n_samples)) < 0.5
    groups = np.sort(rng.integers(n_groups, size=n_samples))  # blocks of one group only
    members = np.array([1, 3])
    expected = [np.bincount(groups, rows[t], n_groups) for t in members]
    np.testing.assert_array_equal(counted(rows, members, groups, n_groups), expected)


def test_nearly_certain_is_not_certain():
    rows = np.eye(3, dtype=np.float32)[:, None]
    assert are_certain(rows)
    rows[2, 0, 1] = np.nextafter(np.float32(0), np.float32(1))
    assert not are_certain(rows)
    rows[2, 0, 1] = np.nextafter(np.float32(1), np.float32(0))
    assert not are_certain(rows)
