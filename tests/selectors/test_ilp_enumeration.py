"""Looking at every set of few members finds the best, and knows when it did not get through."""

import itertools
import time

import numpy as np
import pytest

from ensprune.selectors.ilp.enumeration import RightSets


def anything(mask, right):
    return True


def instance(seed, n_members, n_rows_each, integer):
    rng = np.random.default_rng(seed)
    owner = np.sort(rng.integers(0, 30, 30 * n_rows_each)) if n_rows_each > 1 else np.arange(30)
    values = rng.normal(0.1, 1, (len(owner), n_members))
    threshold = np.zeros(len(owner))
    if integer:
        values = np.rint(values)
        threshold = rng.integers(0, 2, len(owner)).astype(float)
    weight = rng.random(30) if seed % 2 else np.full(30, 1 / 30)
    return values, threshold, owner, weight


def right_of(values, threshold, owner, members):
    right = np.zeros(30, dtype=bool)
    right[owner] = True
    right[owner[values[:, members].sum(axis=1) < threshold]] = False
    return right


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("n_rows_each", [1, 3])
@pytest.mark.parametrize("integer", [True, False])
def test_finds_the_best_set_that_is_allowed(size, n_rows_each, integer):
    for seed in range(3):
        values, threshold, owner, weight = instance(seed, 8, n_rows_each, integer)

        def allow(mask, right):
            return not mask[[0, 1]].all()

        worths = {
            members: weight @ right_of(values, threshold, owner, list(members))
            for members in itertools.combinations(range(8), size)
            if not {0, 1} <= set(members)
        }
        most = max(worths.values(), default=0.0)
        sets = RightSets(values, threshold, owner, weight, size, allow)
        for reached in (0.0, 0.9 * most, most):
            bound, best = sets.best(reached, time.perf_counter() + 60)
            assert bound == pytest.approx(max(most, reached))
            if best is None:
                assert reached == most
            else:
                assert worths[tuple(np.flatnonzero(best))] == pytest.approx(most)


def test_first_is_any_better_set():
    values, threshold, owner, weight = instance(0, 12, 1, False)
    sets = RightSets(values, threshold, owner, weight, 4, anything)
    most = sets.best(0.0, time.perf_counter() + 60)[0]
    _, best = sets.best(0.5 * most, time.perf_counter() + 60, first=True)
    assert weight @ right_of(values, threshold, owner, np.flatnonzero(best)) > 0.5 * most


def test_no_bound_without_the_time():
    values, threshold, owner, weight = instance(0, 12, 1, False)
    sets = RightSets(values, threshold, owner, weight, 6, anything)
    assert sets.best(0.0, time.perf_counter() - 1)[0] == np.inf


def test_gives_up_early_where_the_time_will_not_do():
    rng = np.random.default_rng(0)
    values, threshold = rng.normal(0.1, 1, (300, 40)), np.zeros(300)
    sets = RightSets(values, threshold, np.arange(300), np.full(300, 1 / 300), 12, anything)
    start = time.perf_counter()
    assert sets.best(0.0, start + 4)[0] == np.inf
    assert time.perf_counter() - start < 1


def test_sums_that_do_not_fit_are_not_tried():
    assert RightSets.seconds(1000, 2, 5000) == np.inf
    assert RightSets.seconds(1000, 1, 5000) < 1
