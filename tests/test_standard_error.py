"""Standard errors: by hand for averages, by brute force for the rest, NaN where nobody can tell."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    get_scorer,
    make_scorer,
    r2_score,
    recall_score,
)

from ensprune import standard_error
from ensprune.replay import Replay
from ensprune.standard_error import error_on

RNG = np.random.default_rng(0)
Y = RNG.normal(size=200)
SAID = Y + RNG.normal(size=200)


def error(scoring, y, said, weight=None):
    scorer = get_scorer(scoring)
    classes = np.unique(y) if y.dtype.kind in "Ui" else None
    return error_on(scorer, Replay(classes, predict=said), np.empty((len(y), 0)), y, weight)


def test_of_an_average_it_is_that_of_the_mean():
    losses = (SAID - Y) ** 2
    expected = losses.std() / np.sqrt(len(Y))
    assert error("neg_mean_squared_error", Y, SAID) == pytest.approx(expected)
    # Of a weighted mean, the rows that weigh nothing say nothing.
    weight = np.where(np.arange(200) < 50, 2.0, 0.0)
    half = error("neg_mean_squared_error", Y[:50], SAID[:50])
    assert error("neg_mean_squared_error", Y, SAID, weight) == pytest.approx(half)


def test_roots_and_shares_of_the_variance_by_the_delta_rule():
    of_squares = error("neg_mean_squared_error", Y, SAID)
    mean = np.mean((SAID - Y) ** 2)
    assert error("neg_root_mean_squared_error", Y, SAID) == pytest.approx(
        of_squares / (2 * np.sqrt(mean))
    )
    assert error("r2", Y, SAID) == pytest.approx(of_squares / Y.var())


def test_nothing_wrong_has_no_error_and_no_variance_has_no_share():
    assert error("neg_root_mean_squared_error", Y, Y) == 0.0
    assert np.isnan(error("r2", np.ones(20), SAID[:20]))


def test_other_metrics_leave_out_a_tenth_at_a_time():
    y, said = (Y > 0).astype(int), (SAID > 0).astype(int)
    found = error("f1", y, said)
    # As far apart as samples of this size really are.
    scorer = get_scorer("f1")
    drawn = [
        scorer._score_func(y[rows], said[rows])
        for rows in (RNG.integers(0, 200, 200) for _ in range(300))
    ]
    assert 0.5 < found / np.std(drawn) < 2.0


@pytest.mark.parametrize("n_rows", [1, 9])
def test_too_few_rows_tell_nothing(n_rows):
    y, said = (Y > 0).astype(int)[:n_rows], (SAID > 0).astype(int)[:n_rows]
    assert np.isnan(error("f1", y, said))
    assert np.isnan(error("accuracy", y, said)) == (n_rows == 1)


def test_several_targets_and_metrics_that_need_every_row_have_none():
    two = np.c_[Y, Y]
    replay = Replay(None, predict=two)
    assert np.isnan(error_on(get_scorer("r2"), replay, two, two))

    def needs_all(estimator, X, y):
        if len(y) < 200:
            raise ValueError("a row is missing")
        return r2_score(y, estimator.predict(X))

    assert np.isnan(error_on(needs_all, Replay(None, predict=SAID), two, Y))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize(
    "scoring", ["f1_macro", "precision_macro", "balanced_accuracy", "matthews_corrcoef"]
)
def test_what_labels_tell_is_counted_once_for_all_tenths(scoring, n_classes, weighted, monkeypatch):
    rng = np.random.default_rng(1)
    y = rng.integers(0, n_classes, 137)
    said = np.where(rng.random(137) < 0.6, y, rng.integers(0, n_classes, 137))
    weight = rng.choice([0.0, 0.1, 1.0], 137) if weighted else None
    counted = error(scoring, y, said, weight)
    monkeypatch.setattr(standard_error, "scores_without", lambda *_: None)
    assert counted == pytest.approx(error(scoring, y, said, weight), rel=1e-9)


def test_a_metric_that_is_not_defined_without_a_tenth_has_no_error():
    y = np.repeat([0, 1], [1, 19])
    scorer = make_scorer(recall_score, pos_label=0, zero_division=np.nan)
    found = error_on(scorer, Replay(np.arange(2), predict=y), np.empty((20, 0)), y)
    assert np.isnan(found)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("positive", ["bad", "good"])
@pytest.mark.parametrize("by_decision", [False, True])
def test_average_precision_without_each_tenth_is_that_of_scikit_learn(
    positive, by_decision, weighted, monkeypatch
):
    rng = np.random.default_rng(2)
    y = rng.choice(["bad", "good"], 150)
    second = (rng.integers(0, 8, 150) + 2 * (y == "good")) / 10  # with ties
    answers = {"decision_function": second - 0.5} if by_decision else {}
    answers |= {"predict_proba": np.stack([1 - second, second], axis=1)}
    response = ("decision_function", "predict_proba")
    scorer = make_scorer(average_precision_score, response_method=response, pos_label=positive)
    weight = rng.choice([0.0, 0.1, 1.0], 150) if weighted else None
    judged = Replay(np.array(["bad", "good"]), **answers), np.empty((150, 0)), y, weight
    found = error_on(scorer, *judged)
    monkeypatch.setattr(standard_error, "precision_without", lambda *_: None)
    assert found == pytest.approx(error_on(scorer, *judged), rel=1e-9)
