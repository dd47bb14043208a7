"""Ranking metrics: scikit-learn's own values with ties and weights, for every kind of response."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, get_scorer, make_scorer, roc_auc_score

from ensprune.combiner import LinearCombiner
from ensprune.link import Logistic, Probability, Softmax
from ensprune.objectives import (
    AveragePrecision,
    GenericObjective,
    RocAuc,
    certain,
    make_objective,
    ranking,
)

N_MEMBERS, N_SAMPLES = 6, 90


def outputs_of(link, n_classes, rng):
    """Outputs of few values, so that samples tie."""
    if isinstance(link, Probability):
        counts = rng.multinomial(4, np.ones(n_classes) / n_classes, size=(N_MEMBERS, N_SAMPLES))
        return np.ascontiguousarray(counts.transpose(0, 2, 1) / 4.0)
    rows = 1 if isinstance(link, Logistic) else n_classes
    return rng.integers(-3, 4, size=(N_MEMBERS, rows, N_SAMPLES)) / 2.0


CASES = [
    ("roc_auc", Probability(), 2, "mean"),
    ("roc_auc", Logistic(), 2, "sum"),
    ("roc_auc", Logistic(scale=2.0), 2, "vote"),
    ("roc_auc_ovr", Probability(), 2, "mean"),
    ("roc_auc_ovr", Logistic(), 2, "sum"),
    ("roc_auc_ovr", Probability(), 4, "mean"),
    ("roc_auc_ovr", Softmax(), 3, "sum"),
    ("roc_auc_ovr_weighted", Probability(), 3, "vote"),
    ("roc_auc_ovo", Probability(), 3, "mean"),
    ("roc_auc_ovo", Softmax(), 4, "sum"),
    ("roc_auc_ovo_weighted", Probability(), 4, "vote"),
    ("average_precision", Probability(), 2, "mean"),
    ("average_precision", Logistic(), 2, "sum"),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("scoring", "link", "n_classes", "kind"), CASES)
def test_every_candidate_scores_as_scikit_learn_says(
    scoring, link, n_classes, kind, weighted, dtype
):
    rng = np.random.default_rng(0)
    outputs = outputs_of(link, n_classes, rng).astype(dtype)
    y = rng.integers(0, n_classes, N_SAMPLES)
    weighted &= not scoring.startswith("roc_auc_ovo")  # has no weights
    weight = rng.choice([0.0, 0.5, 2.0], N_SAMPLES) if weighted else None
    native = rng.uniform(0.5, 2.0, N_MEMBERS) if kind == "vote" else None
    offset = rng.normal(size=len(outputs[0])) if kind == "sum" else None
    combiner = LinearCombiner(
        kind, link, np.arange(n_classes), N_MEMBERS, weights=native, offset=offset
    )
    fast = make_objective(scoring, combiner)
    assert isinstance(fast, RocAuc | AveragePrecision)
    exact = GenericObjective(get_scorer(scoring))
    for objective in (fast, exact):
        objective.start(outputs, y, combiner, weight, n_jobs=2)
    for member in (3, 1, 4):
        np.testing.assert_allclose(fast.candidates(), exact.candidates(), atol=1e-12)
        fast.add(member), exact.add(member)
        assert fast.score() == pytest.approx(exact.score(), abs=1e-12)
    np.testing.assert_allclose(fast.candidates(drop=True), exact.candidates(drop=True), atol=1e-12)


def test_pairs_of_classes_take_no_weights():
    combiner = LinearCombiner("mean", Probability(), np.arange(3), 2)
    objective = make_objective("roc_auc_ovo", combiner)
    with pytest.raises(ValueError, match="sample_weight has no meaning"):
        objective.start(np.full((2, 3, 6), 1 / 3), np.arange(6) % 3, combiner, np.ones(6))


def test_single_precision_probabilities_tie_where_the_ensemble_rounds_them():
    # expit(18) and expit(19) are both 1 in float32: the wrong order of the last two is a tie.
    outputs = np.array([[[-1.0, 0.0, 18.0, 19.0]]])
    combiner = LinearCombiner(
        "sum", Logistic(), np.arange(2), 1, dtype=np.dtype(np.float32), hides_raw=True
    )
    objective = make_objective("roc_auc", combiner)
    objective.start(outputs, np.array([0, 0, 1, 0]), combiner)
    # The positive beats two of three, and half of the third.
    assert objective.candidates()[0] == pytest.approx(2.5 / 3)


def test_a_class_that_is_not_there_has_no_area():
    combiner = LinearCombiner("mean", Probability(), np.arange(2), 2)
    objective = make_objective("roc_auc", combiner)
    objective.start(np.full((2, 2, 5), 0.5), np.ones(5, dtype=int), combiner)
    assert np.isnan(objective.candidates()).all()


def test_where_nothing_is_positive_there_is_no_precision():
    combiner = LinearCombiner("mean", Probability(), np.arange(2), 2)
    objective = make_objective("average_precision", combiner)
    objective.start(np.full((2, 2, 5), 0.5), np.zeros(5, dtype=int), combiner)
    np.testing.assert_array_equal(objective.candidates(), [0.0, 0.0])  # as scikit-learn has it


@pytest.mark.parametrize(
    "scorer",
    [
        make_scorer(roc_auc_score),  # of labels
        make_scorer(
            roc_auc_score,
            response_method=("decision_function", "predict_proba"),
            greater_is_better=False,
        ),
        get_scorer("roc_auc_ovo"),
    ],
)
def test_scorers_that_ask_for_something_else_have_no_fast_form(scorer):
    combiner = LinearCombiner("mean", Probability(), np.arange(2), 2)
    assert type(make_objective(scorer, combiner)) is GenericObjective


ANY_RESPONSE = [
    (average_precision_score, "predict_proba", {"pos_label": "bad"}),
    (average_precision_score, "predict_proba", {"pos_label": "good"}),
    (average_precision_score, ("decision_function", "predict_proba"), {"pos_label": "bad"}),
    (average_precision_score, ("predict_proba", "decision_function"), {"pos_label": "bad"}),
    (roc_auc_score, "predict_proba", {}),
    (roc_auc_score, ["predict_proba", "decision_function"], {}),
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("link", "kind"), [(Probability(), "mean"), (Logistic(2.0), "sum")])
@pytest.mark.parametrize(("metric", "response", "options"), ANY_RESPONSE)
def test_two_classes_are_ranked_whatever_is_asked(metric, response, options, link, kind, weighted):
    rng = np.random.default_rng(1)
    outputs = outputs_of(link, 2, rng)
    y = rng.choice(["bad", "good"], N_SAMPLES, p=[0.2, 0.8])
    weight = rng.choice([0.0, 0.5, 2.0], N_SAMPLES) if weighted else None
    offset = rng.normal(size=1) if kind == "sum" else None
    combiner = LinearCombiner(kind, link, np.array(["bad", "good"]), N_MEMBERS, offset=offset)
    scorer = make_scorer(metric, response_method=response, **options)
    fast, exact = make_objective(scorer, combiner), GenericObjective(scorer)
    assert isinstance(fast, RocAuc | AveragePrecision)
    for objective in (fast, exact):
        objective.start(outputs, y, combiner, weight)
    for member in (3, 1, 4):
        np.testing.assert_allclose(fast.candidates(), exact.candidates(), atol=1e-12)
        fast.add(member), exact.add(member)
        assert fast.score() == pytest.approx(exact.score(), abs=1e-12)
    np.testing.assert_allclose(fast.candidates(drop=True), exact.candidates(drop=True), atol=1e-12)


def test_the_first_of_two_labels_may_be_the_one():
    # scikit-learn's average precision takes 1 for the positive class, wherever it stands.
    combiner = LinearCombiner("mean", Probability(), np.array([1, 2]), 2)
    objective = make_objective("average_precision", combiner)
    assert isinstance(objective, AveragePrecision)
    scores = np.array([[0.9, 0.4, 0.6], [0.2, 0.8, 0.7]])
    outputs = np.stack([scores, 1 - scores], axis=1)
    objective.start(outputs, np.array([1, 2, 1]), combiner)
    # Ranked first and second; the last, and second: (1/2 + 2/3) / 2.
    np.testing.assert_allclose(objective.candidates(), [1.0, 7 / 12])


@pytest.mark.parametrize(
    "scorer",
    [
        make_scorer(average_precision_score, response_method="predict_proba", pos_label=3),
        make_scorer(average_precision_score, response_method="predict_proba", average="micro"),
        make_scorer(average_precision_score, response_method="decision_function"),
        make_scorer(roc_auc_score, response_method="predict_proba", max_fpr=0.1),
        make_scorer(roc_auc_score, response_method=("predict_proba", "predict")),
    ],
)
def test_what_is_asked_for_and_not_there_has_no_fast_form(scorer):
    combiner = LinearCombiner("mean", Probability(), np.arange(2), 2)
    assert type(make_objective(scorer, combiner)) is GenericObjective


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("native", [None, [1.0, 2.0, 1.0, 1.0, 2.0, 0.1]])
@pytest.mark.parametrize("precision", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("scoring", "n_classes"),
    [
        ("roc_auc", 2),
        ("average_precision", 2),
        ("roc_auc_ovr", 4),
        ("roc_auc_ovr_weighted", 3),
        ("roc_auc_ovo", 3),
    ],
)
def test_members_that_are_certain_are_counted_instead_of_sorted(
    scoring, n_classes, precision, native, dtype, monkeypatch
):
    monkeypatch.setattr(certain, "_COUNTED", 32)  # several blocks
    rng = np.random.default_rng(0)
    y = rng.integers(0, n_classes, N_SAMPLES)
    knows = rng.random((N_MEMBERS, N_SAMPLES)) < 0.5
    said = np.where(knows, y, rng.integers(0, n_classes, (N_MEMBERS, N_SAMPLES)))
    outputs = np.ascontiguousarray(np.eye(n_classes)[said].transpose(0, 2, 1), dtype=dtype)
    weights = None if native is None else np.array(native)
    combiner = LinearCombiner(
        "vote", Probability(), np.arange(n_classes), N_MEMBERS, weights, dtype=np.dtype(precision)
    )
    counting, sorting = (make_objective(scoring, combiner) for _ in range(2))
    exact = GenericObjective(get_scorer(scoring))
    for objective in (counting, sorting, exact):
        objective.start(outputs, y, combiner)
    for member in (5, 0, 3, 1):
        scores = counting.candidates()
        with monkeypatch.context() as patch:
            patch.setattr(ranking, "_MOST_LEVELS", 0)
            np.testing.assert_allclose(scores, sorting.candidates(), rtol=1e-15)
        np.testing.assert_allclose(scores, exact.candidates(), rtol=1e-12)
        for objective in (counting, sorting, exact):
            objective.add(member)
    np.testing.assert_array_equal(counting.candidates(drop=True), sorting.candidates(drop=True))


def test_members_that_are_certain_are_counted_side_by_side():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, N_SAMPLES)
    said = np.where(rng.random((N_MEMBERS, N_SAMPLES)) < 0.5, y, 2)
    outputs = np.ascontiguousarray(np.eye(3, dtype=np.float32)[said].transpose(0, 2, 1))
    combiner = LinearCombiner("mean", Probability(), np.arange(3), N_MEMBERS)
    alone, together = (make_objective("roc_auc_ovr", combiner) for _ in range(2))
    for objective, n_jobs in ((alone, 1), (together, 3)):
        objective.start(outputs, y, combiner, n_jobs=n_jobs)
        objective.add(2)
        objective.add(4)
    for drop in (False, True, False):
        np.testing.assert_array_equal(together.candidates(drop), alone.candidates(drop))
