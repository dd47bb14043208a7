"""Accuracy by margins: every move against the labels of the summed outputs, ties included."""

from __future__ import annotations

import numpy as np
import pytest

from ensprune.combiner import LinearCombiner
from ensprune.link import Logistic, Probability, Softmax, Votes
from ensprune.objectives import Accuracy, margins

N_MEMBERS, N_SAMPLES = 12, 600


def right(combiner, outputs, chosen, y, weight, balanced):
    labels = combiner.take(chosen).predict(outputs[chosen].astype(np.float64))
    hit = (labels == y) * weight
    if not balanced:
        return hit.sum() / weight.sum()
    return np.mean([hit[y == c].sum() / weight[y == c].sum() for c in np.unique(y)])


def grid(rng, link, n_classes):
    """Outputs that single precision adds up exactly and that tie often."""
    rows = 1 if isinstance(link, Logistic) else n_classes
    if isinstance(link, Probability | Votes):
        counts = rng.multinomial(4, np.ones(rows) / rows, size=(N_MEMBERS, N_SAMPLES))
        return np.ascontiguousarray(counts.transpose(0, 2, 1) / 4)
    return rng.integers(-3, 4, size=(N_MEMBERS, rows, N_SAMPLES)) / 2


def smooth(rng, link, n_classes):
    """Outputs whose differences single precision rounds."""
    rows = 1 if isinstance(link, Logistic) else n_classes
    if isinstance(link, Probability | Votes):
        return rng.dirichlet(np.ones(rows), (N_MEMBERS, N_SAMPLES)).transpose(0, 2, 1)
    return rng.normal(size=(N_MEMBERS, rows, N_SAMPLES))


CASES = [
    (Probability(), 2, "mean"),
    (Probability(), 4, "mean"),
    (Probability(), 3, "vote"),
    (Votes(), 3, "mean"),
    (Logistic(), 2, "sum"),
    (Logistic(closed=True), 2, "sum"),
    (Logistic(), 2, "vote"),
    (Softmax(), 3, "sum"),
]


@pytest.mark.parametrize("outputs_of", [grid, smooth])
@pytest.mark.parametrize("how", ["plain", "weighted", "balanced"])
@pytest.mark.parametrize(("link", "n_classes", "kind"), CASES)
def test_every_move(link, n_classes, kind, how, outputs_of, monkeypatch):
    monkeypatch.setattr(margins, "_TILE_BYTES", 512)
    rng = np.random.default_rng(0)
    outputs = outputs_of(rng, link, n_classes).astype(np.float32)
    y = rng.integers(0, n_classes, N_SAMPLES)
    weight = rng.choice([0.5, 1.0, 2.0], N_SAMPLES) if how == "weighted" else np.ones(N_SAMPLES)
    native = rng.choice([0.5, 1.0, 3.0], N_MEMBERS) if kind == "vote" else None
    offset = rng.integers(-2, 3, len(outputs[0])) / 2.0 if kind == "sum" else None
    combiner = LinearCombiner(
        kind, link, np.arange(n_classes), N_MEMBERS, weights=native, offset=offset
    )
    objective = Accuracy(balanced=how == "balanced")
    objective.start(outputs, y, combiner, weight if how == "weighted" else None, n_jobs=2)

    def expected(chosen):
        return right(combiner, outputs, chosen, y, weight, how == "balanced")

    chosen: list[int] = []
    for member in (7, 2, 9, 4, 0, 11):
        candidates = objective.candidates()
        for t in range(N_MEMBERS):
            assert candidates[t] == pytest.approx(expected([*chosen, t]), abs=1e-12)
        objective.add(member)
        chosen.append(member)
        assert objective.score() == pytest.approx(expected(chosen), abs=1e-12)
    dropping = objective.candidates(drop=True)
    for t in chosen:
        rest = [u for u in chosen if u != t]
        assert dropping[t] == pytest.approx(expected(rest), abs=1e-12)
    for member in (9, 7):
        objective.drop(member)
        chosen.remove(member)
        assert objective.score() == pytest.approx(expected(chosen), abs=1e-12)
        candidates = objective.candidates()
        assert candidates[5] == pytest.approx(expected([*chosen, 5]), abs=1e-12)


@pytest.mark.parametrize("native", [None, 3.0])
@pytest.mark.parametrize("n_classes", [2, 3, 6])
def test_leaves_of_one_class_tie_at_zero(n_classes, native):
    # Of most members a sample hears zeros and ones, of the others what single precision rounds.
    rng = np.random.default_rng(0)
    outputs = smooth(rng, Probability(), n_classes)
    sure = np.eye(n_classes)[rng.integers(0, n_classes, (N_MEMBERS, N_SAMPLES))].transpose(0, 2, 1)
    outputs = np.where(rng.random((N_MEMBERS, 1, N_SAMPLES)) < 0.7, sure, outputs)
    outputs = outputs.astype(np.float32)
    y = rng.integers(0, n_classes, N_SAMPLES)
    weights = None if native is None else np.full(N_MEMBERS, native)
    combiner = LinearCombiner("mean", Probability(), np.arange(n_classes), N_MEMBERS, weights)
    objective = Accuracy()
    objective.start(outputs, y, combiner)
    chosen: list[int] = []
    for member in (7, 2, 9, 4, 0, 11):
        candidates = objective.candidates()
        for t in range(N_MEMBERS):
            known = right(combiner, outputs, [*chosen, t], y, np.ones(N_SAMPLES), False)
            assert candidates[t] == pytest.approx(known, abs=1e-12)
        objective.add(member)
        chosen.append(member)


def test_a_margin_that_single_precision_rounds_is_looked_up():
    # The first leads by 1/3 - 1e-9 in exact numbers, the second trails by just as much and a bit
    # more, or less: in single precision all three margins are the same.
    lead = np.float32(0.75) - np.float32(1e-9).astype(np.float64)
    assert np.float32(lead) == np.float32(0.75)
    outputs = np.array([[[1e-9], [0.75]], [[0.75], [0.0]], [[0.75], [2e-9]]], dtype=np.float32)
    combiner = LinearCombiner("mean", Probability(), np.arange(2), 3)
    objective = Accuracy()
    objective.start(outputs, np.array([1]), combiner)
    objective.add(0)
    np.testing.assert_array_equal(objective.candidates()[1:], [0.0, 1.0])


@pytest.mark.parametrize("label", [0, 1])
def test_a_weighed_margin_that_single_precision_rounds_is_looked_up(label):
    # A third of 0.3 is more than 0.1 in their float32 values, and a bit less of it is less: in
    # single precision all three are the same.
    native = np.array([1.0, 1 / 3, (1 - 5e-8) / 3])
    assert (
        len(
            {
                np.float32(w * float(np.float32(v)))
                for w, v in zip(native, (0.1, 0.3, 0.3), strict=True)
            }
        )
        == 1
    )
    sign = 1 if label else -1
    outputs = sign * np.array([[[-0.1]], [[0.3]], [[0.3]]], dtype=np.float32)
    combiner = LinearCombiner("vote", Logistic(), np.arange(2), 3, weights=native)
    objective = Accuracy()
    objective.start(outputs, np.array([label]), combiner)
    objective.add(0)
    np.testing.assert_array_equal(objective.candidates()[1:], [1.0, 0.0])


@pytest.mark.parametrize("outputs_of", [grid, smooth])
def test_samples_that_nobody_can_turn_are_left_out(outputs_of):
    rng = np.random.default_rng(0)
    outputs = outputs_of(rng, Probability(), 3)
    y = rng.integers(0, 3, N_SAMPLES)
    outputs[:, y, np.arange(N_SAMPLES)] += 1
    outputs = outputs.astype(np.float32)
    combiner = LinearCombiner("mean", Probability(), np.arange(3), N_MEMBERS)
    objective = Accuracy()
    objective.start(outputs, y, combiner)
    looked_at = []
    for member in range(N_MEMBERS - 1):
        candidates = objective.candidates()
        at = objective._margins._looked.at
        looked_at.append(N_SAMPLES if at is None else len(at))
        expected = right(combiner, outputs, [*range(member), 11], y, np.ones(N_SAMPLES), False)
        assert candidates[11] == pytest.approx(expected, abs=1e-12)
        objective.add(member)
    assert looked_at[0] == N_SAMPLES
    assert looked_at[-1] < N_SAMPLES / 2


def test_a_single_class_is_always_right():
    combiner = LinearCombiner("mean", Probability(), np.arange(1), 2)
    objective = Accuracy()
    objective.start(np.ones((2, 1, 5), dtype=np.float32), np.zeros(5, dtype=int), combiner)
    np.testing.assert_array_equal(objective.candidates(), [1.0, 1.0])
