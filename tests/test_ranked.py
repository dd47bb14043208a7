"""The area under the ROC curve from one sort: scikit-learn's own, and the spread of drawn samples."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import get_scorer, make_scorer, roc_auc_score

from ensprune.ranked import RankedRows
from ensprune.replay import Replay
from ensprune.standard_error import error_on

AUC = get_scorer("roc_auc")
CLASSES = np.array(["no", "yes"])


def sample(n_samples, seed=0, ties=False):
    rng = np.random.default_rng(seed)
    y = rng.random(n_samples) < 0.3
    scores = y + rng.normal(scale=1.5, size=n_samples)
    return CLASSES[y.astype(int)], np.round(scores) if ties else scores, rng


def ranked(y, scores):
    found = RankedRows.of(AUC, Replay(CLASSES, decision_function=scores), y)
    assert found is not None
    return found


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("drawn", ["once", "again", "weighted", "some without weight"])
def test_the_area_is_that_of_scikit_learn(ties, drawn):
    y, scores, rng = sample(120, ties=ties)
    weight = {
        "once": np.ones(120),
        "again": np.bincount(rng.integers(120, size=120), minlength=120),
        "weighted": rng.exponential(size=120),
        "some without weight": rng.integers(0, 3, 120) * rng.random(120),
    }[drawn]
    expected = roc_auc_score(y, scores, sample_weight=weight)
    assert ranked(y, scores).area(weight) == pytest.approx(expected, abs=1e-12)


def test_a_class_without_weight_has_no_area():
    y, scores, _ = sample(50)
    rows = ranked(y, scores)
    assert np.isnan(rows.area(1.0 * (y == "no")))
    assert np.isnan(rows.standard_error(1.0 * (y == "yes")))
    assert np.isnan(ranked(np.repeat("no", 9), scores[:9]).standard_error())


def test_the_standard_error_by_hand():
    # Of four pairs three are in order, (1, 3), (1, 4) and (2, 4): each of "yes" has beaten 1/2 and 1
    # of "no", and each of "no" is beaten by 1 and 1/2 of "yes"; all are 1/4 from 3/4.
    y = np.array(["no", "yes", "no", "yes"])
    expected = np.sqrt(4 * (0.5 * 0.25) ** 2)
    assert ranked(y, np.arange(4.0)).standard_error() == pytest.approx(expected)


@pytest.mark.parametrize("ties", [False, True])
def test_the_standard_error_is_the_spread_of_samples(ties):
    drawn = [sample(400, seed, ties)[:2] for seed in range(300)]
    areas = [roc_auc_score(y, scores) for y, scores in drawn]
    errors = [ranked(y, scores).standard_error() for y, scores in drawn]
    assert np.mean(errors) == pytest.approx(np.std(areas), rel=0.15)
    # Rows without weight say nothing, and whole weights are as many rows but not as many samples.
    y, scores = drawn[0]
    kept = np.arange(400) < 250
    alone = ranked(y[kept], scores[kept]).standard_error()
    assert ranked(y, scores).standard_error(kept * 7.0) == pytest.approx(alone)


def test_it_is_asked_for_where_it_holds():
    y, scores, _ = sample(60)
    replay = Replay(CLASSES, decision_function=scores)
    assert error_on(AUC, replay, scores[:, None], y) == ranked(y, scores).standard_error()
    proba = np.c_[1 - scores, scores]
    of_proba = RankedRows.of(AUC, Replay(CLASSES, predict_proba=proba), y)
    assert of_proba.standard_error() == ranked(y, scores).standard_error()
    others = [
        get_scorer("average_precision"),
        make_scorer(roc_auc_score, response_method="predict_proba"),
        make_scorer(roc_auc_score, response_method="predict_proba", max_fpr=0.1),
        make_scorer(roc_auc_score, greater_is_better=False),
        lambda estimator, X, y: 0.5,
    ]
    assert all(RankedRows.of(scorer, replay, y) is None for scorer in others)
    assert RankedRows.of(AUC, Replay(np.arange(3), decision_function=scores), y) is None
    assert RankedRows.of(AUC, Replay(CLASSES, predict=y), y) is None
