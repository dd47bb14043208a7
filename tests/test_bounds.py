"""Confidence bounds: against the exact ones where those exist, and by their coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ensprune.bounds import bootstrap_bound, mean_bound, resampled


@pytest.mark.parametrize("events", [0, 1, 7, 60, 100])
@pytest.mark.parametrize("confidence", [0.9, 0.99])
def test_the_bound_of_rare_events_is_the_exact_one(events, confidence):
    # Clopper and Pearson (1934): the quantile of Beta(events + 1, n - events).
    n = 100
    differences = np.repeat([1.0, 0.0], [events, n - events])
    exact = stats.beta.ppf(confidence, events + 1, n - events) if events < n else 1.0
    bound = mean_bound(differences, 1.0, confidence)
    assert bound == pytest.approx(exact, abs=0.008)  # simulated from 2,000 draws or more


def test_no_difference_at_all_is_the_rule_of_three():
    assert mean_bound(np.zeros(600), 1.0, 0.95) == pytest.approx(3 / 600, rel=0.1)
    assert mean_bound(np.zeros(600), 0.0, 0.95) == 0.0


@pytest.mark.parametrize(
    ("draw", "mean"),
    [
        (lambda rng: rng.normal(size=60), 0.0),
        (lambda rng: rng.lognormal(size=60), np.exp(0.5)),
        (lambda rng: rng.choice([1.0, -1.0, 0.0], 60, p=[0.03, 0.02, 0.95]), 0.01),
    ],
    ids=["normal", "skewed", "rare"],
)
def test_the_bound_covers_the_mean(draw, mean):
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(400):
        sample = draw(rng)
        covered.append(mean_bound(sample, max(1.0, sample.max()), 0.9) >= mean)
    # Fewer would happen once in a thousand if the coverage were 0.9.
    assert sum(covered) >= stats.binom.ppf(1e-3, 400, 0.9)


def test_weights_are_repetitions_up_to_their_scale():
    rng = np.random.default_rng(0)
    differences = rng.normal(size=400)
    plain = mean_bound(differences, 4.0, 0.95)
    assert mean_bound(differences, 4.0, 0.95, np.full(400, 7.0)) == pytest.approx(plain, abs=0.02)
    weight = np.where(differences > 0, 0.0, 1.0)
    assert mean_bound(differences, 4.0, 0.95, weight) < 0 < plain


def test_a_bootstrap_of_a_mean_agrees_with_normal_theory():
    values = np.random.default_rng(0).normal(size=2000)
    losses = resampled(lambda rows: values[rows].mean(), 2000)
    assert bootstrap_bound(losses, 0.95) == pytest.approx(
        values.mean() + 1.645 / np.sqrt(2000), abs=0.008
    )


def test_resampling_is_the_same_for_any_number_of_threads_and_paired_by_its_seed():
    values = np.random.default_rng(0).normal(size=200)
    one, two = (resampled(lambda rows: values[rows].mean(), 200, 3, n) for n in (1, 2))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_allclose(resampled(lambda rows: 2 * values[rows].mean(), 200, 3), 2 * one)


def test_where_the_metric_is_undefined_nothing_is_bounded():
    losses = np.zeros(100)
    losses[:20] = np.nan
    assert bootstrap_bound(losses, 0.9) == np.inf
    assert bootstrap_bound(losses, 0.7) == 0.0
