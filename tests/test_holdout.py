"""Rows kept aside: every class is trained on, and what they cannot judge is said before the fit."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

from ensprune import EnsemblePruner
from ensprune.certificate import certification_split
from ensprune.holdout import hold_out

X, numbers = make_classification(160, 6, n_informative=4, n_classes=3, random_state=0)
WORDS = np.array(["red", "green", "blue"], dtype=object)[numbers]


class Unwilling(ExtraTreesClassifier):
    """It takes hours to fit."""

    def fit(self, *rows, **weights):
        raise AssertionError("fitted")


class UnwillingForest(RandomForestClassifier):
    """The same, with rows out of bag."""

    fit = Unwilling.fit


def with_rare(n_rows):
    y = WORDS.copy()
    y[:n_rows] = "rare"
    return y


@pytest.mark.parametrize("seed", range(6))
def test_a_class_of_one_row_is_trained_on(seed):
    y = with_rare(1)
    train, held_out = hold_out(y, 0.25, True, seed)
    assert 0 in train
    assert sorted([*train, *held_out]) == list(range(len(y)))
    pruner = EnsemblePruner(ExtraTreesClassifier(6, random_state=0), target_size=2)
    pruner.set_params(random_state=seed).fit(X, y)
    assert "rare" in pruner.pruned_estimator_.classes_


@pytest.mark.parametrize("seed", range(4))
def test_more_classes_than_rows_held_out(seed):
    y = np.repeat(np.arange(30), 2)  # 15 rows to hold out
    train, held_out = hold_out(y, 0.25, True, seed)
    assert set(train) | set(held_out) == set(range(60))
    assert np.isin(y[held_out], y[train]).all()


def test_where_every_row_is_a_class_there_is_nothing_to_spare():
    train, held_out = hold_out(np.arange(8), 0.25, True, 0)
    assert (len(train), len(held_out)) == (6, 2)


@pytest.mark.parametrize("seed", range(4))
def test_half_of_the_rows_certifies_whatever_their_classes(seed):
    y = np.repeat([0, 1, 2], [19, 20, 1])
    _, certifying = certification_split(y, 0.95, True, seed)
    assert len(certifying) == 20
    alone = np.arange(40)
    taken = [len(half) for half in certification_split(alone, 0.95, True, seed)]
    assert taken == [20, 20]


def test_a_class_of_one_row_may_certify():
    y = np.repeat([0, 1, 2], [19, 20, 1])
    halves = [certification_split(y, 0.95, True, seed) for seed in range(12)]
    assert {bool(np.isin(39, certifying)) for _, certifying in halves} == {True, False}


@pytest.mark.parametrize("scoring", ["neg_log_loss", "roc_auc_ovr"])
def test_a_metric_that_misses_a_class_says_so_before_the_fit(scoring):
    told = rf"scoring='{scoring}' cannot score these labels: .* no row that judges .* class 'rare'"
    with pytest.raises(ValueError, match=told):
        EnsemblePruner(Unwilling(), scoring=scoring, random_state=0).fit(X, with_rare(1))


@pytest.mark.parametrize(
    ("estimator", "given", "halves"),
    [
        (Unwilling(), {}, "20 of 40"),
        (UnwillingForest(), {"validation": "oob"}, "80 of 160"),
        (Unwilling(), {"X_val": X[:30], "y_val": WORDS[:30]}, "15 of 30"),
    ],
)
def test_too_few_rows_to_certify_are_said_before_the_fit(estimator, given, halves):
    rows = {name: given[name] for name in ("X_val", "y_val") if name in given}
    pruner = EnsemblePruner(estimator, target_size="auto", confidence=0.99, random_state=0)
    pruner.set_params(validation=given.get("validation", "auto"))
    with pytest.raises(ValueError, match=rf"takes at least 100 rows .* there are {halves}"):
        pruner.fit(X, WORDS, **rows)
