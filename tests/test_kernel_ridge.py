"""A smooth teacher: what it solves, how it tunes itself, and what it makes of odd tables."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_iris, make_friedman1

from ensprune import kernel_ridge
from ensprune.kernel_ridge import _left_out, _Likeness, _solved, _tuned, smooth

METRICS = ("euclidean", "cityblock")


def points_of(n_samples=40, n_features=3):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(n_samples, n_features))
    target = np.sin(points[:, :1]) + 0.1 * rng.normal(size=(n_samples, 2))
    return points, target, rng.uniform(0.2, 2.0, n_samples)


def ridge(near, target, weight, noise):
    """What each row adds, by the normal equations."""
    return np.linalg.solve(near + noise * np.diag(1 / weight), target)


@pytest.mark.parametrize("metric", METRICS)
def test_likeness_falls_with_the_distance(metric):
    points, *_ = points_of(5)
    scale = np.array([1.0, 0.5, 0.0])
    apart = np.abs(points[:, None] - points) * scale
    distance = apart.sum(axis=2) if metric == "cityblock" else np.sqrt((apart**2).sum(axis=2))
    found = _Likeness(metric, scale, 0.7).between_all(points)
    np.testing.assert_allclose(found, np.exp(-0.7 * distance), atol=1e-7)


@pytest.mark.parametrize("metric", METRICS)
def test_with_all_rows_as_landmarks_it_is_exact(metric):
    points, target, weight = points_of()
    likeness = _Likeness(metric, np.ones(3) / 3, 0.5)
    marks = likeness.scaled(points)
    part = _solved(likeness, marks, points, target, weight, 0.1)
    near = likeness.between_all(points)
    exact = near @ ridge(near, target, weight, 0.1)
    np.testing.assert_allclose(likeness.between(marks, marks) @ part, exact, atol=1e-5)


def test_rows_left_out_are_told_as_if_they_had_been_left_out():
    points, target, weight = points_of()
    likeness = _Likeness("euclidean", np.ones(3), 0.4)
    near = likeness.between_all(points)

    def loss(noise):
        total = 0.0
        for row in range(len(points)):
            others = np.arange(len(points)) != row
            part = ridge(near[np.ix_(others, others)], target[others], weight[others], noise)
            total += weight[row] * ((target[row] - near[row, others] @ part) ** 2).sum()
        return total

    found = _left_out(likeness, points, target, weight)
    by_hand = {noise: loss(noise) for noise in kernel_ridge._NOISES}
    assert found.noise == min(by_hand, key=by_hand.get)
    assert found.loss == pytest.approx(by_hand[found.noise])
    np.testing.assert_allclose(found.part, ridge(near, target, weight, found.noise), atol=1e-8)


@pytest.mark.parametrize("metric", METRICS)
def test_steepness_is_the_slope_of_the_function(metric):
    points, target, weight = points_of()
    likeness = _Likeness(metric, np.array([0.5, 0.3, 0.2]), 0.6)
    part = _left_out(likeness, points, target, weight).part
    slopes = np.zeros(3)
    for row in range(len(points)):
        others = np.arange(len(points)) != row  # the row's own likeness has an edge there
        marks = likeness.scaled(points[others])
        for column in range(3):
            moved = np.repeat(points[row][None], 2, axis=0)
            moved[:, column] += np.array([-1e-5, 1e-5])
            below, above = likeness.between(likeness.scaled(moved), marks) @ part[others]
            slopes[column] += (((above - below) / 2e-5) ** 2).sum()
    np.testing.assert_allclose(likeness.steepness(points, part), np.sqrt(slopes), rtol=1e-4)


def test_columns_that_say_nothing_are_scaled_down():
    X, y = make_friedman1(300, n_features=10, noise=0.3, random_state=0)
    points = (X - X.mean(axis=0)) / X.std(axis=0)
    likeness, _ = _tuned(points, (y - y.mean())[:, None], np.ones(300))
    assert likeness.scale[:5].min() > 1.5 * likeness.scale[5:].max()


def test_it_knows_a_smooth_function_better_than_its_mean_and_noise_no_better():
    X, y = make_friedman1(800, noise=0.5, random_state=0)
    said = smooth(X[:300], y[:300], np.ones(300), None, 0)(X[300:])
    assert said.shape == (1, 500)
    assert np.mean((said[0] - y[300:]) ** 2) < 0.2 * y[300:].var()
    noise = np.random.default_rng(0).normal(size=800)
    said = smooth(X[:300], noise[:300], np.ones(300), None, 0)(X[300:])
    assert np.mean((said[0] - noise[300:]) ** 2) < 1.03 * noise[300:].var()


def test_classes_are_distributions_and_one_that_is_missing_has_no_chance():
    X, y = load_iris(return_X_y=True)
    classes = np.arange(4)
    labels = np.where(y == 2, 3, y)
    said = smooth(X[::2], labels[::2], np.ones(75), classes, 0)(X[1::2])
    assert said.min() >= 0
    np.testing.assert_allclose(said.sum(axis=0), 1)
    assert (said[2] == 0).all()
    assert np.mean(said.argmax(axis=0) == labels[1::2]) > 0.93
    only = smooth(X[:30], labels[:30], np.ones(30), classes, 0)(X)
    np.testing.assert_allclose(only[0], 1)


def test_rows_of_no_weight_have_no_say_and_heavy_ones_much():
    X, y = make_friedman1(120, random_state=0)
    weight = np.where(np.arange(120) < 80, 2.0, 0.0)
    wrong = np.where(weight > 0, y, 1e6)
    found = smooth(X, wrong, weight, None, 0)(X)
    assert np.abs(found).max() < 100
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 120)
    heavy = smooth(X, labels, np.where(labels == 1, 20.0, 1.0), np.arange(2), 0)(X)
    assert heavy[1].mean() > 0.8


def test_missing_constant_and_empty_columns_and_values_out_of_range():
    X, y = make_friedman1(150, random_state=0)
    X[::5, 0] = np.nan
    X[:, 5], X[:, 6] = 1e30, np.nan
    X[0, 7] = 1e30
    asked = X.copy()
    asked[:, 5], asked[:, 6], asked[1] = -1e30, 7.0, np.nan
    model = smooth(X.astype(np.float32), y, np.ones(150), None, 0)
    found = model(asked)
    assert np.isfinite(found).all()
    assert found.min() > y.min() - 10
    assert found.max() < y.max() + 10
    nothing = smooth(np.ones((20, 3)), y[:20], np.ones(20), None, 0)(np.zeros((4, 3)))
    np.testing.assert_allclose(nothing, y[:20].mean())


@pytest.mark.parametrize("metric", METRICS)
def test_copies_of_rows_do_no_harm(monkeypatch, metric):
    monkeypatch.setattr(kernel_ridge, "_METRICS", (metric,))
    X = np.repeat(np.random.default_rng(0).normal(size=(9, 4)) ** 7, 60, axis=0)
    y = np.arange(540) % 2 + 10.0 * X[:, 0]
    found = smooth(X, y, np.ones(540), None, 0)(X)
    np.testing.assert_allclose(found[0], 0.5 + 10.0 * X[:, 0], atol=0.5)


@pytest.mark.parametrize("spread", [1e-5, 1e-6, 1e-7, 1e-8])
@pytest.mark.parametrize("n_features", [1, 4])
def test_rows_that_are_nearly_copies_do_no_harm(spread, n_features):
    rng = np.random.default_rng(0)
    group = rng.integers(0, 2, (800, n_features))
    near = group + spread * rng.normal(size=group.shape)
    chain = group + spread * np.arange(800)[:, None]
    for X in (near, chain):
        found = smooth(X, group[:, 0] * 1.0, np.ones(800), None, 0)(X)
        np.testing.assert_allclose(found[0], group[:, 0], atol=0.05)


def test_columns_too_small_to_be_squared_are_left_out():
    X, y = make_friedman1(100, random_state=0)
    plain = smooth(X[:, :4], y, np.ones(100), None, 0)(X[:, :4])
    X[:, 4] *= 1e-170
    found = smooth(X[:, :5], y, np.ones(100), None, 0)(X[:, :5])
    np.testing.assert_array_equal(found, plain)


def test_of_very_many_columns_those_that_go_with_the_target(monkeypatch):
    X, y = make_friedman1(200, n_features=60, random_state=0)
    monkeypatch.setattr(kernel_ridge, "_MOST_COLUMNS", 8)
    few = smooth(X, y, np.ones(200), None, 0)
    moved = X.copy()
    moved[:, 3] += 1.0  # the column that counts most
    assert np.abs(few(moved) - few(X)).mean() > 1
    moves = [np.abs(few(X + shift) - few(X)).max() for shift in np.eye(60)]
    assert np.count_nonzero(moves) <= 8


def test_many_rows_are_learnt_from_some_and_answered_in_blocks(monkeypatch):
    X, y = make_friedman1(900, noise=0.5, random_state=0)
    whole = smooth(X[:400], y[:400], np.ones(400), None, 0)(X[400:])
    monkeypatch.setattr(kernel_ridge, "_BLOCK", 5000)
    np.testing.assert_allclose(smooth(X[:400], y[:400], np.ones(400), None, 0)(X[400:]), whole)
    monkeypatch.setattr(kernel_ridge, "_MOST_ROWS", 300)
    monkeypatch.setattr(kernel_ridge, "_LANDMARKS", 150)
    some = smooth(X[:400], y[:400], np.ones(400), None, 0)(X[400:])
    assert np.mean((some[0] - y[400:]) ** 2) < 0.35 * y[400:].var()
    again = smooth(X[:400], y[:400], np.ones(400), None, 0)(X[400:])
    np.testing.assert_array_equal(some, again)
