"""AutoSelector: what it takes for which ensemble, and that it says so."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator

from ensprune import EnsemblePruner, prune
from ensprune.selectors import (
    AutoSelector,
    GreedySelector,
    ILPSelector,
    OrderingSelector,
    make_selector,
)

from ..families import FAMILIES, fitted
from .test_greedy import problem_of


def drawn(n_members, **options):
    rng = np.random.default_rng(0)
    y = rng.normal(size=50)
    outputs = (y + rng.normal(size=(n_members, 50)))[:, None]
    return problem_of(outputs, y, scoring="neg_mean_absolute_error", **options)


@pytest.mark.parametrize(
    ("n_members", "budget", "expected"),
    [(8, 3, ILPSelector), (40, 3, GreedySelector), (3000, 2500, GreedySelector)],
)
def test_averages_by_their_size(n_members, budget, expected, monkeypatch):
    taken = []
    for kind in (ILPSelector, GreedySelector):
        # What is taken matters here, and not that it takes its time.
        monkeypatch.setattr(kind, "select", lambda self, problem: taken.append(self) or FIRST)
    problem = drawn(n_members, budget=budget)
    result = AutoSelector().select(problem).result
    assert type(result.selector) is expected
    assert taken == [result.selector]
    assert f"an average of {n_members} members" in result.reason
    if n_members == 3000:
        assert result.selector.exchanges == 0
        assert "too many for swaps" in result.reason


FIRST = make_selector("first").select(drawn(3, budget=1))


def test_few_members_end_at_the_best_sub_ensemble():
    problem = drawn(9, budget=4)
    path = AutoSelector().select(problem)
    assert path.result.status == "optimal"
    assert path.result.inner.gap == pytest.approx(0.0, abs=1e-6)


# Wrappers are opened before a selector is asked, and stacking takes its time with any.
KINDS = [f for f in FAMILIES if f.name.startswith(("forest", "bagging", "ada", "voting", "xgb"))]


@pytest.mark.parametrize("family", KINDS, ids=lambda family: family.id)
def test_every_family_is_pruned_and_the_result_says_how(family):
    ensemble, X, y = fitted(family)
    pruner = EnsemblePruner(FrozenEstimator(ensemble), target_size=3, selector="auto").fit(X, y)
    assert 1 <= pruner.n_members_ <= 3
    result = pruner.selector_result_
    assert result.status == result.inner.status
    assert result.objective_value == result.inner.objective_value
    assert result.reason
    if family.name == "adaboost" and family.task == "regression":
        assert type(result.selector) is OrderingSelector
    elif family.name.startswith("forest"):
        assert type(result.selector) is ILPSelector
    elif family.name.startswith(("xgboost", "adaboost", "voting-hard")):
        assert type(result.selector) is GreedySelector


def test_large_forests_out_of_bag_get_what_the_default_gives():
    X, y = make_classification(300, random_state=0)
    forest = RandomForestClassifier(50, random_state=0).fit(X, y)
    cuts = [
        prune(forest, X, y, target_size=6, selector=name, validation="oob")
        for name in ("auto", "greedy")
    ]
    np.testing.assert_array_equal(*(cut.predict_proba(X) for cut in cuts))
