"""Metrics of the confusion matrix: the scorer's own number for every move, its warnings included."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    cohen_kappa_score,
    f1_score,
    fbeta_score,
    get_scorer,
    hamming_loss,
    jaccard_score,
    make_scorer,
    matthews_corrcoef,
    precision_score,
    recall_score,
    zero_one_loss,
)

from ensprune.combiner import LinearCombiner
from ensprune.link import Logistic, Probability, Softmax
from ensprune.objectives import ConfusionScore, GenericObjective, confusion, make_objective

AVERAGED = ["f1", "precision", "recall", "jaccard"]
OF_MANY = [f"{name}_{how}" for name in AVERAGED for how in ("micro", "macro", "weighted")]
OF_MANY += ["matthews_corrcoef"]
MADE = {
    "kappa": make_scorer(cohen_kappa_score),
    "kappa, squared": make_scorer(cohen_kappa_score, weights="quadratic"),
    "F2": make_scorer(fbeta_score, beta=2.0, average="macro"),
    "F0.5 of some": make_scorer(fbeta_score, beta=0.5, average="macro", labels=[0, 2]),
    "balanced, adjusted": make_scorer(balanced_accuracy_score, adjusted=True),
    "wrong": make_scorer(zero_one_loss, greater_is_better=False, normalize=False),
    "right": make_scorer(accuracy_score, normalize=False),
    "Hamming": make_scorer(hamming_loss, greater_is_better=False),
    "worst F1": make_scorer(f1_score, greater_is_better=False, average="macro"),
    "zeros are ones": make_scorer(precision_score, average="macro", zero_division=1),
}


def simulated(n_classes, seed=0, kind="mean", n_members=9, n_samples=300, rare=None):
    """Outputs in single precision, some of them equal for two classes; native weights and offsets."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n_samples)
    if rare is not None:
        y[y == rare] = (rare + 1) % n_classes
        y[:2] = rare
    hot = (y == np.arange(n_classes)[:, None]) * 1.0
    outputs = rng.integers(0, 4, (n_members, n_classes, n_samples)) + hot
    if kind == "mean":
        outputs /= np.maximum(outputs.sum(axis=1, keepdims=True), 1)
        combiner = LinearCombiner("mean", Probability(), np.arange(n_classes), n_members)
    elif n_classes == 2:
        outputs = outputs[:, 1:] - outputs[:, :1]
        offset = np.array([0.1])
        combiner = LinearCombiner("sum", Logistic(), np.arange(2), n_members, offset=offset)
    else:
        offset = np.linspace(0, 0.3, n_classes)
        combiner = LinearCombiner("sum", Softmax(), np.arange(n_classes), n_members, offset=offset)
    return outputs.astype(np.float32), y, combiner, rng.uniform(0, 2, n_samples).round(1)


def moves_agree(scoring, case, weighted):
    outputs, y, combiner, weight = case
    scorer = get_scorer(scoring) if isinstance(scoring, str) else scoring
    fast, exact = make_objective(scoring, combiner), GenericObjective(scorer)
    assert isinstance(fast, ConfusionScore)
    for objective in (fast, exact):
        objective.start(outputs, y, combiner, weight if weighted else None, n_jobs=2)
    for member in (3, 1, 4, 3):
        np.testing.assert_allclose(fast.candidates(), exact.candidates(), rtol=1e-12, atol=1e-12)
        fast.add(member), exact.add(member)
        assert fast.score() == pytest.approx(exact.score(), rel=1e-12, abs=1e-12)
    dropping = fast.candidates(drop=True), exact.candidates(drop=True)
    np.testing.assert_allclose(*dropping, rtol=1e-12, atol=1e-12)
    fast.drop(1), exact.drop(1)
    assert fast.score() == pytest.approx(exact.score(), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["mean", "sum"])
@pytest.mark.parametrize("scoring", [*OF_MANY, *MADE])
def test_several_classes(scoring, kind, weighted):
    moves_agree(MADE.get(scoring, scoring), simulated(3, kind=kind), weighted)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["mean", "sum"])
@pytest.mark.parametrize("scoring", [*AVERAGED, *OF_MANY, "kappa"])
def test_two_classes(scoring, kind, weighted):
    moves_agree(MADE.get(scoring, scoring), simulated(2, kind=kind), weighted)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("scoring", [*OF_MANY, *MADE])
def test_classes_that_are_hardly_or_not_there(scoring, weighted):
    outputs, y, combiner, weight = simulated(4, rare=1)
    y[y == 3] = 0  # in nobody's labels, though some predict it
    outputs[::2, 1] = 0  # and a rare one, which some never predict
    weight[:2] = 0
    moves_agree(MADE.get(scoring, scoring), (outputs, y, combiner, weight), weighted)


def test_blocks_and_batches_change_nothing(monkeypatch):
    monkeypatch.setattr(ConfusionScore, "_block_bytes", 1000)
    monkeypatch.setattr(confusion, "_MOST_ENTRIES", 20)
    moves_agree("f1_macro", simulated(3), True)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.parametrize("scoring", ["f1_macro", "precision_weighted", "matthews_corrcoef"])
def test_many_classes(scoring):
    moves_agree(scoring, simulated(30, n_members=5), True)


def test_labels_of_any_kind():
    outputs, y, _, weight = simulated(2)
    combiner = LinearCombiner("mean", Probability(), np.array(["no", "yes"]), len(outputs))
    case = outputs, combiner.classes[y], combiner, weight
    moves_agree(make_scorer(f1_score, pos_label="yes"), case, True)
    moves_agree(make_scorer(recall_score, pos_label="no"), case, True)
    moves_agree("f1_macro", case, True)


def test_the_scorers_errors_and_warnings():
    outputs, y, combiner, _ = simulated(3)
    objective = make_objective("f1", combiner)
    objective.start(outputs, y, combiner)
    with pytest.raises(ValueError, match="average='binary'"):
        objective.candidates()
    outputs[:, 2] = 0
    objective = make_objective("precision_macro", combiner)
    objective.start(outputs, y, combiner)
    with pytest.warns(UndefinedMetricWarning, match="Precision is ill-defined"):
        objective.candidates()
    # F1 has something to divide by as long as the class is there.
    objective = make_objective("f1_macro", combiner)
    objective.start(outputs, y, combiner)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(objective.candidates()).all()


def test_by_hand():
    # Right, wrong and missed of class 1: 2, 1 and 1. Precision, recall and F1 are 2/3, Jaccard 2/4.
    y = np.array([1, 1, 1, 0, 0, 0])
    said = np.array([1, 1, 0, 1, 0, 0])
    outputs = np.stack([1 - said, said])[None].astype(np.float32)
    combiner = LinearCombiner("mean", Probability(), np.arange(2), 1)
    expected = {"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "jaccard": 1 / 2}
    # (2 * 2 - 1 * 1) / (3 * 3), and agreement of 4/6 where chance has 1/2.
    expected |= {matthews_corrcoef: 1 / 3, cohen_kappa_score: 1 / 3, jaccard_score: 1 / 2}
    for metric, value in expected.items():
        scoring = metric if isinstance(metric, str) else make_scorer(metric)
        objective = make_objective(scoring, combiner)
        objective.start(outputs, y, combiner)
        assert objective.candidates()[0] == pytest.approx(value)


def test_ties_go_to_the_smaller_squared_error():
    # Both are right everywhere; the second is surer.
    outputs = np.array([[[0.6, 0.4], [0.4, 0.6]], [[0.9, 0.1], [0.1, 0.9]]], dtype=np.float32)
    combiner = LinearCombiner("mean", Probability(), np.arange(2), 2)
    objective = make_objective("f1", combiner)
    objective.start(outputs, np.array([0, 1]), combiner)
    np.testing.assert_array_equal(objective.candidates(), [1.0, 1.0])
    np.testing.assert_allclose(objective.tiebreaks(), [-0.32, -0.02], rtol=1e-6)


def test_other_responses_have_no_fast_form():
    _, _, combiner, _ = simulated(2)
    scorer = make_scorer(f1_score, response_method="predict_proba")
    assert isinstance(make_objective(scorer, combiner), GenericObjective)
