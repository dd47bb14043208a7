"""compact(confidence=...): nodes that go are chosen on one half of the rows, and certified on the other."""

from __future__ import annotations

import numpy as np
import pytest
from families import FAMILIES, fitted
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    AdaBoostClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.tree import DecisionTreeClassifier
from tree_families import assert_same_answers, n_nodes
from xgboost import XGBClassifier

from ensprune import compact


def classes(seed=0, n_samples=900):
    return make_classification(
        n_samples, 8, n_informative=4, flip_y=0.2, class_sep=1.5, random_state=seed
    )


ENSEMBLES = [
    RandomForestClassifier(15, random_state=0),
    AdaBoostClassifier(DecisionTreeClassifier(max_depth=4), n_estimators=8, random_state=0),
    XGBClassifier(n_estimators=10, max_depth=5, n_jobs=1),
]


@pytest.mark.parametrize("ensemble", ENSEMBLES, ids=lambda ensemble: type(ensemble).__name__)
def test_a_certificate_says_how_many_nodes_may_go(ensemble):
    X, y = classes()
    ensemble.fit(X[:300], y[:300])
    judging = {"tolerance": 0.05, "confidence": 0.9, "random_state": 0}
    small, certificate = compact(ensemble, X[300:], y[300:], **judging, return_certificate=True)
    assert certificate.unit == "nodes"
    assert certificate.size == n_nodes(small)
    assert certificate.size_full == n_nodes(ensemble)
    assert certificate.size < 0.9 * certificate.size_full
    assert certificate.loss <= certificate.bound <= 0.05
    assert certificate.n_selection + certificate.n_certification == 600
    assert f"of {certificate.size_full:,} nodes; accuracy lost at most" in str(certificate)
    assert_same_answers(compact(ensemble, X[300:], y[300:], **judging), small, X)


def test_evidence_costs_nodes():
    X, y = classes()
    forest = RandomForestClassifier(15, random_state=0).fit(X[:300], y[:300])
    taken_at_its_word = compact(forest, X[300:], y[300:], tolerance=0.02)
    small, certificate = compact(
        forest,
        X[300:],
        y[300:],
        tolerance=0.02,
        confidence=0.95,
        random_state=0,
        return_certificate=True,
    )
    assert n_nodes(taken_at_its_word) < n_nodes(small) <= n_nodes(forest)
    assert certificate.n_tests >= 1
    with pytest.raises(ValueError, match="cannot be had out of bag"):
        compact(forest, X[:300], y[:300], validation="oob", confidence=0.95)


def test_without_tolerance_only_what_is_lossless_goes():
    X, _ = classes()
    boosting = HistGradientBoostingRegressor(max_iter=5, random_state=0).fit(X[:300], X[:300, 0])
    small, certificate = compact(
        boosting, X[300:], X[300:, 0], confidence=0.99, random_state=0, return_certificate=True
    )
    assert_same_answers(boosting, small, X)
    assert (certificate.loss, certificate.bound) == (0, 0)


def test_sizes_of_wrapped_ensembles_are_nodes_too():
    pipeline, X, y = fitted(next(f for f in FAMILIES if f.id == "pipeline-multiclass"))
    small, certificate = compact(
        pipeline, X, y, tolerance=0.5, confidence=0.5, random_state=0, return_certificate=True
    )
    assert certificate.size == n_nodes(small) < certificate.size_full


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"confidence": 1.0}, ValueError, "confidence=1.0 is not in"),
        ({"confidence": "high"}, TypeError, "confidence='high' is no number"),
        ({"return_certificate": True}, ValueError, "needs a confidence"),
        ({"confidence": 0.9999}, ValueError, "takes at least"),
    ],
)
def test_bad_options_are_refused(options, error, message):
    X, y = classes()
    forest = RandomForestClassifier(3, max_depth=2, random_state=0).fit(X, y)
    with pytest.raises(error, match=message):
        compact(forest, X, y, tolerance=0.1, **options)
    with pytest.raises(ValueError, match="give X and y, too"):
        compact(forest, confidence=0.9)


def test_weights_and_regression_count():
    X, y = classes()
    forest = RandomForestClassifier(8, random_state=0).fit(X[:300], y[:300])
    weight = np.where(y[300:] == 1, 5.0, 0.1)
    judging = {"tolerance": 0.05, "confidence": 0.9, "random_state": 0, "return_certificate": True}
    one, first = compact(forest, X[300:], y[300:], **judging, sample_weight=weight)
    other, second = compact(forest, X[300:], y[300:], **judging)
    assert (n_nodes(one), first.bound) != (n_nodes(other), second.bound)
