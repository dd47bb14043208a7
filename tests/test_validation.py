"""Reading members a few at a time: the same outputs, and the whole ensemble's own answer."""

from __future__ import annotations

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.metrics import get_scorer
from sklearn.tree import DecisionTreeClassifier

from ensprune import validation
from ensprune.combiner import LinearCombiner
from ensprune.link import Probability
from ensprune.members import open_members
from ensprune.room import Room
from ensprune.validation import Validation


@pytest.mark.parametrize("kind", ["mean", "vote", "sum"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("offset", [None, np.array([0.1, -0.2, 0.3])])
def test_sums_in_parts_are_the_same_to_the_last_bit(kind, weighted, offset):
    rng = np.random.default_rng(0)
    outputs = rng.normal(size=(17, 3, 40))
    weights = rng.uniform(0.5, 2.0, 17) if weighted else None
    combiner = LinearCombiner(kind, Probability(), np.arange(3), 17, weights, offset)
    parts = [outputs[:1], outputs[1:9], outputs[9:]]
    np.testing.assert_array_equal(combiner.raw_in_parts(parts), combiner.raw(outputs))


@pytest.mark.parametrize("on_file", [False, True])
@pytest.mark.parametrize(
    "ensemble",
    [
        RandomForestClassifier(12, random_state=0),
        RandomForestRegressor(12, random_state=0),
        BaggingClassifier(n_estimators=12, random_state=0),
        GradientBoostingClassifier(n_estimators=12, random_state=0),
    ],
    ids=lambda ensemble: type(ensemble).__name__,
)
def test_parts_make_the_outputs_and_the_score_of_the_whole(ensemble, on_file, monkeypatch):
    regresses = isinstance(ensemble, RandomForestRegressor)
    X, y = (make_regression if regresses else make_classification)(300, random_state=0)
    ensemble.fit(X[:150], y[:150])
    scorer = get_scorer("neg_mean_squared_error" if regresses else "neg_log_loss")
    monkeypatch.setattr(validation, "_PASSING", 10_000)
    monkeypatch.setattr(Room, "on_disk", on_file)
    calls = []
    read = validation.read_members
    monkeypatch.setattr(
        validation, "read_members", lambda *args, **how: calls.append(how) or read(*args, **how)
    )
    judge = Validation(open_members(ensemble), X, y, scorer)
    apart = open_members(ensemble).reads_one_by_one
    assert apart == (not isinstance(ensemble, GradientBoostingClassifier))
    assert (len(calls) > 2) == apart
    np.testing.assert_array_equal(judge.outputs, open_members(ensemble).outputs(X))
    assert judge.score_full()[0] == pytest.approx(scorer(ensemble, X, y), rel=1e-14)


def test_a_member_of_a_later_part_is_named(monkeypatch):
    X, y = make_classification(200, random_state=0)
    forest = RandomForestClassifier(6, random_state=0).fit(X, y)
    forest.estimators_[4].tree_.value[...] = np.nan
    monkeypatch.setattr(validation, "_PASSING", 5000)
    with pytest.raises(ValueError, match="member 4 of RandomForestClassifier outputs NaN"):
        Validation(open_members(forest), X, y, get_scorer("neg_log_loss"))


def test_other_processes_are_asked_once(monkeypatch):
    X, y = make_classification(200, random_state=0)
    forest = RandomForestClassifier(6, random_state=0).fit(X, y)
    monkeypatch.setattr(validation, "_PASSING", 5000)
    calls = []
    read = validation.read_members
    monkeypatch.setattr(
        validation, "read_members", lambda *args, **how: calls.append(how) or read(*args, **how)
    )
    with parallel_config(backend="loky", n_jobs=1):
        Validation(open_members(forest), X, y, get_scorer("neg_log_loss"))
    assert len(calls) == 1


def test_where_nobody_speaks_there_is_no_score():
    X, y = make_classification(50, random_state=0)
    forest = RandomForestClassifier(3, random_state=0).fit(X, y)
    judge = Validation(open_members(forest), X, y, get_scorer("accuracy"))
    assert np.isnan(judge.score_raw(judge.combiner, np.full((2, len(y)), np.nan))).all()


def test_a_vote_of_four_classes_ties_where_adaboost_does():
    # Areas count ties: the softmax must be AdaBoost's to the last digit.
    X, y = make_classification(300, 8, n_informative=5, n_classes=4, random_state=11)
    boosting = AdaBoostClassifier(DecisionTreeClassifier(max_depth=3), n_estimators=8)
    boosting.set_params(random_state=11).fit(X[:150], y[:150])
    members = open_members(boosting)
    outputs = members.outputs(X, dtype=np.float64)
    for kept in (np.arange(8), np.array([5, 0, 3])):
        said = members.combiner.take(kept).predict_proba(outputs[kept])
        np.testing.assert_array_equal(said, members.subset(kept).predict_proba(X))
