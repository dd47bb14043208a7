"""Accuracy ties: argmax's own rule inside a sample, squared error between candidates."""

from __future__ import annotations

import numpy as np
import pytest

from ensprune.combiner import LinearCombiner
from ensprune.link import Logistic, Probability
from ensprune.objectives import Accuracy
from ensprune.objectives.residuals import Residuals
from ensprune.objectives.squared import SquaredError


def start(outputs, y, n_classes=3):
    outputs = np.asarray(outputs, dtype=np.float32)
    objective = Accuracy()
    combiner = LinearCombiner("mean", Probability(), np.arange(n_classes), len(outputs))
    objective.start(outputs, np.asarray(y), combiner)
    return objective


def test_a_tie_goes_to_the_first_class():
    # One member says half class 1, half class 2: argmax takes class 1.
    outputs = [[[0.0, 0.0, 0.0], [0.5, 0.5, 0.2], [0.5, 0.5, 0.8]]]
    assert start(outputs, [1, 2, 2]).candidates()[0] == pytest.approx(2 / 3)


def test_equal_accuracy_is_told_apart_by_squared_error():
    # Both are right on both samples; the second is surer.
    outputs = [[[0.6, 0.4], [0.4, 0.6]], [[0.9, 0.1], [0.1, 0.9]]]
    objective = start(outputs, [0, 1], n_classes=2)
    np.testing.assert_array_equal(objective.candidates(), [1.0, 1.0])
    # Squared errors 2 * 0.4^2 = 0.32 and 2 * 0.1^2 = 0.02.
    np.testing.assert_allclose(objective.tiebreaks(), [-0.32, -0.02], rtol=1e-6)


@pytest.mark.parametrize(("closed", "expected"), [(True, 1.0), (False, 0.0)])
def test_a_margin_of_zero_follows_the_ensemble(closed, expected):
    objective = Accuracy()
    combiner = LinearCombiner("sum", Logistic(closed=closed), np.array(["a", "b"]), 1)
    objective.start(np.zeros((1, 1, 4), np.float32), np.array(["b"] * 4), combiner)
    assert objective.candidates()[0] == expected


def test_blocks_do_not_change_the_score(monkeypatch):
    rng = np.random.default_rng(0)
    outputs = rng.dirichlet([1, 1, 1, 1], size=(6, 1000)).transpose(0, 2, 1)
    y = rng.integers(0, 4, 1000)
    whole = start(outputs, y, 4).candidates()
    monkeypatch.setattr(Accuracy, "_block_bytes", 1000)
    np.testing.assert_allclose(start(outputs, y, 4).candidates(), whole, rtol=1e-12)


@pytest.mark.parametrize("kind", ["mean", "vote", "offset"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(3))
def test_ties_are_broken_by_what_squared_error_scores(kind, dtype, seed):
    rng = np.random.default_rng(seed)
    outputs = rng.dirichlet([1, 1, 1], size=(20, 200)).transpose(0, 2, 1).astype(dtype)
    y, weight = rng.integers(0, 3, 200), rng.uniform(0.5, 2.0, 200)
    native = None if kind == "mean" else rng.uniform(0.5, 2.0, 20)
    combiner = LinearCombiner(
        "vote" if kind == "vote" else "mean",
        Probability(),
        np.arange(3),
        20,
        weights=native,
        offset=np.array([0.1, 0.0, -0.1]) if kind == "offset" else None,
    )
    accuracy, squared = Accuracy(), SquaredError()
    some = np.array([3, 7, 19])
    for objective in (accuracy, squared):
        objective.start(outputs, y, combiner, weight)
    for members, drop in (([], False), ([4, 7], False), ([3, 19], False), ([], True)):
        for member in members:
            accuracy.add(member)
            squared.add(member)
        known = squared.candidates(drop)
        asked = accuracy.tiebreaks_of(some, drop)
        np.testing.assert_allclose(asked, known[some], rtol=2e-6)
        inside = np.isfinite(known)
        np.testing.assert_allclose(accuracy.tiebreaks(drop)[inside], known[inside], rtol=2e-6)


def test_only_those_who_tie_are_read(monkeypatch):
    rng = np.random.default_rng(0)
    objective = start(rng.dirichlet([1, 1, 1], size=(70, 90)).transpose(0, 2, 1), [0, 1, 2] * 30)
    read = []
    original = Residuals._of
    monkeypatch.setattr(
        Residuals,
        "_of",
        lambda self, members, *rest: read.append(members) or original(self, members, *rest),
    )
    objective.add(4)
    objective.candidates()
    assert not read
    tied = np.array([3, 60])
    objective.tiebreaks_of(tied)
    assert all(members is tied for members in read)
    assert read


def test_where_all_tie_again_and_again_the_outputs_are_read_a_few_times():
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, 90)
    outputs = 0.3 * rng.dirichlet([1, 1, 1], size=(70, 90)).transpose(0, 2, 1)
    outputs = (outputs + 0.7 * (y == np.arange(3)[:, None])).astype(np.float32)
    objective, squared = start(outputs.copy(), y), SquaredError()
    squared.start(outputs, y, objective.combiner)
    for member in range(6):
        assert objective.candidates() == pytest.approx(1.0)
        np.testing.assert_allclose(objective.tiebreaks(), squared.candidates(), rtol=2e-6)
        objective.add(member)
        squared.add(member)
    assert objective.tiebreaks() is not None
    objective._residuals._outputs[:] = np.nan
    for drop in (False, True):
        np.testing.assert_allclose(objective.tiebreaks(drop), squared.candidates(drop), rtol=2e-6)
    objective.drop(2)
    squared.drop(2)
    np.testing.assert_allclose(objective.tiebreaks(), squared.candidates(), rtol=2e-6)
    objective.clear()
    squared.clear()
    np.testing.assert_allclose(objective.tiebreaks(), squared.candidates(), rtol=2e-6)
