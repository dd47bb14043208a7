"""Columns of wide tables: standardised, ranked, and looked at some at a time."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import make_classification, make_friedman1

from ensprune import boosted as boosted_module
from ensprune import columns as columns_module
from ensprune.boosted import boosted
from ensprune.columns import Columns


def odd_rows():
    X, y = make_friedman1(200, n_features=60, random_state=0)
    X[::7, 50], X[:, 20], X[:, 30], X[0, 40] = np.nan, 3.0, np.nan, np.inf
    return X, (y - y.mean())[:, None]


def test_columns_are_standardised_and_those_that_are_alike_are_left_out():
    X, _ = odd_rows()
    columns = Columns.of(X)
    assert sorted(set(range(60)) - set(columns.used)) == [20, 30]
    known = X.copy()
    known[::7, 50] = np.nanmedian(X[:, 50])
    known[0, 40] = np.median(X[1:, 40])
    known = known[:, columns.used]
    expected = (known - known.mean(axis=0)) / known.std(axis=0)
    np.testing.assert_allclose(columns(X), np.clip(expected, -5, 5), atol=1e-12)


def test_first_come_those_that_go_best_with_the_target():
    X, target = odd_rows()
    columns = Columns.of(X)
    order = columns.ranked(X, target)
    pull = np.abs(columns(X).T @ target)[:, 0]
    assert (np.diff(pull[order]) <= 0).all()
    assert set(columns.used[order[:4]]) == {0, 1, 3, 4}  # of the third it is a parabola


def test_very_many_columns_are_looked_at_some_at_a_time(monkeypatch):
    X, target = odd_rows()
    whole = Columns.of(X)
    monkeypatch.setattr(columns_module, "_BLOCK", 7 * len(X))
    some = Columns.of(X)
    np.testing.assert_array_equal(some.used, whole.used)
    np.testing.assert_allclose(some(X), whole(X), rtol=1e-9)
    np.testing.assert_array_equal(some.ranked(X, target), whole.ranked(X, target))


@pytest.mark.parametrize("classify", [False, True])
def test_boosting_looks_at_some_columns_of_a_wide_table(monkeypatch, classify):
    if classify:
        X, y = make_classification(400, 80, n_informative=4, shuffle=False, random_state=0)
    else:
        X, y = make_friedman1(400, n_features=80, random_state=0)
    classes = np.arange(2) if classify else None
    monkeypatch.setattr(boosted_module, "_MOST_COLUMNS", 20)
    looked_at = []
    for seed in (0, 1):
        model = boosted(X, y, np.ones(400), classes, seed)
        moves = [np.abs(model(X + 9 * shift) - model(X)).max() for shift in np.eye(80)]
        looked_at.append(set(np.flatnonzero(moves)))
        assert len(looked_at[-1]) <= 20
    assert looked_at[0] != looked_at[1], "the other half is drawn"
    right = model(X)[-1]
    assert np.mean((right - y) ** 2) < 0.4 * y.var()


def test_boosting_of_a_wide_table_in_which_all_columns_are_alike(monkeypatch):
    monkeypatch.setattr(boosted_module, "_MOST_COLUMNS", 2)
    y = np.arange(50) % 2
    said = boosted(np.ones((50, 6)), y, np.ones(50), np.arange(2), 0)(np.zeros((3, 6)))
    np.testing.assert_allclose(said, 0.5, atol=1e-6)
