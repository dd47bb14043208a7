"""Defects that public code for pruning ensembles is known to have, each with a test that it is not here."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score

from ensprune import EnsemblePruner
from ensprune.selectors import (
    ClusterSelector,
    GreedySelector,
    ILPSelector,
    OrderingSelector,
    RandomSelector,
    WeightSelector,
)
from ensprune.selectors.ordering import criterion_names

from . import ilp_cases
from .test_cluster import GROUPS
from .test_ordering import MarginDistance, everyone, order, random_problem, started, voting

ALL = criterion_names()


# --- ordering by a criterion that compares an int with tuples, and so orders nothing --------------


@pytest.mark.parametrize("criterion", ALL)
def test_values_are_numbers_one_for_each_member(criterion):
    # Code that ranks (value, index) tuples against plain ints orders nothing, silently.
    problem = random_problem(0, 3)
    values = started(criterion, problem).values(everyone(problem))
    assert values.shape == (9,)
    assert values.dtype == np.float64
    assert not np.isnan(values).any()


@pytest.mark.parametrize("criterion", ALL)
def test_the_order_is_that_of_the_values(criterion):
    problem = random_problem(0, 3)
    values = started(criterion, problem).values(everyone(problem))
    assert values[order(criterion, problem)[0]] == pytest.approx(values.max())
    assert np.ptp(values[np.isfinite(values)]) > 0


# --- margin distance with an average over the wrong axis ------------------------------------------


def test_margin_distance_averages_over_members_not_samples():
    # One sample more than members: signatures are averaged over the members, (n_samples,) long,
    # and distances are taken over the samples. Averaging the wrong axis gives (n_members,).
    votes = np.array([[1, 1, 0], [0, 1, 1]])
    problem = voting(votes, [1, 1, 1])
    criterion = started(MarginDistance(p=0.5), problem)
    # Steps (1, 1, -1) / 2 and (-1, 1, 1) / 2: both at squared distance (0 + 0 + 1) / 3.
    np.testing.assert_allclose(-criterion.values(everyone(problem)), [1 / 3, 1 / 3])
    criterion.add(0)
    # From (1/2, 1/2, -1/2) to (0, 1, 0): off by (1/2, 1/2, 1/2).
    np.testing.assert_allclose(-criterion.values(everyone(problem))[1], 0.25)


# --- the reference vector with the sign turned round ----------------------------------------------


def test_reference_vector_points_at_the_ensemble_and_not_away():
    # The vote is right on samples 0 and 1 and wrong on 2: reference (1, 1, -1). Cosines with
    # (1, 1, -1), (1, -1, -1), (-1, 1, 1): 1, 1/3, -1/3. The closest comes first: code that
    # minimises the similarity begins with the last.
    problem = voting([[1, 0, 0], [1, 1, 0], [0, 1, 1]], [1, 1, 1])
    values = started("reference_vector", problem).values(everyone(problem))
    np.testing.assert_allclose(values, [1 / 3, 1.0, -1 / 3])
    assert order("reference_vector", problem) == [1, 0, 2]


# --- representatives of clusters indexed within their cluster -------------------------------------


def test_representatives_are_members_of_the_ensemble_and_not_positions_in_their_cluster():
    # The best of the second group is its first, member 3: position 0 inside the cluster.
    problem = voting(GROUPS[:6], [1] * 10)
    path = ClusterSelector("agglomerative", "best").select(problem)
    assert set(path[1].indices) == {0, 3}


# --- budgets that a mixed-integer model ignores ---------------------------------------------------


@pytest.mark.parametrize("formulation", ilp_cases.LOSSES)
@pytest.mark.parametrize("costs", [None, np.array([5.0, 1, 2, 1, 3, 1, 2, 4])])
def test_a_mixed_integer_model_stays_within_its_budget(formulation, costs):
    options = {} if costs is None else {"costs": costs}
    for budget in (3.0, 6.5):
        problem = ilp_cases.case(formulation, n_members=8, budget=budget, **options)
        path = ILPSelector(formulation=formulation).select(problem)
        for point in path:
            assert len(set(point.indices)) == point.size
            assert problem.costs[list(point.indices)].sum() == pytest.approx(point.cost)
            assert point.cost <= budget
        if costs is None:
            assert path[-1].size == int(budget)


# --- sampling with replacement where without was meant --------------------------------------------


def test_random_members_are_drawn_without_replacement():
    # Code that draws with replacement keeps fewer members than it says.
    for seed in range(20):
        end = RandomSelector(random_state=seed).select(random_problem(0, 3))[-1]
        assert sorted(end.indices) == list(range(9))


# --- labels that are strings, taken for numbers and never right -----------------------------------


SELECTORS = [
    GreedySelector(),
    GreedySelector(replacement=True, bags=3),
    WeightSelector(),
    ClusterSelector(),
    ILPSelector(),
    *(OrderingSelector(criterion) for criterion in ALL),
]


@pytest.mark.parametrize("selector", SELECTORS, ids=str)
def test_string_labels_are_as_good_as_numbers(selector):
    X, y = load_wine(return_X_y=True)
    names = np.array(["red", "rose", "white"])[y]  # in the order of the numbers
    found = {}
    for labels in (y, names):
        forest = RandomForestClassifier(12, max_depth=3, random_state=0)
        pruner = EnsemblePruner(forest, target_size=4, selector=selector, random_state=0)
        pruner.fit(X[::2], labels[::2])
        found[labels.dtype.kind] = pruner
        predicted = pruner.predict(X[1::2])
        assert predicted.dtype.kind == labels.dtype.kind
        assert accuracy_score(labels[1::2], predicted) > 0.8
        assert pruner.score_pruned_ > 0.8
    numbers, strings = found["i"], found["U"]
    np.testing.assert_array_equal(numbers.selected_, strings.selected_)
    assert numbers.score_pruned_ == strings.score_pruned_
