"""Each tree fitted by itself, against small cases and against an ensemble of that tree."""

from __future__ import annotations

import numpy as np
import pytest

from ensprune.link import Identity, Probability
from ensprune.members.leaves import TreeNodes, gather
from ensprune.refinement.alone import _DAMPING, alone
from ensprune.refinement.equations import Equations, Rows
from ensprune.refinement.leaves import solve


def stump(low, high, weights=(1.0, 1.0)):
    """A tree of a root and two leaves."""
    values = np.array([np.zeros_like(low), low, high], dtype=float).reshape(3, -1)
    weight = np.array([sum(weights), *weights], dtype=float)
    return TreeNodes(np.array([1, -1, -1]), np.array([2, -1, -1]), values, weight)


def test_a_leaf_is_the_mean_of_its_rows_and_a_little_of_what_it_was():
    # Two rows of 3 and 5 in a leaf of 0, which had half the weight: 8 / (2 + 0.1 * 2 rows / 2).
    leaves = gather([stump([0.0], [7.0])], np.ones(1))
    values = alone(leaves, np.array([[0], [0]]), np.array([[3.0, 5.0]]))
    np.testing.assert_allclose(values, [[8 / (2 + _DAMPING)], [7.0]])


@pytest.mark.parametrize("n_values", [1, 3])
def test_each_tree_is_an_ensemble_of_its_own(n_values):
    rng = np.random.default_rng(0)
    trees = [
        stump(*rng.dirichlet(np.ones(max(n_values, 2)), 2)[:, :n_values], rng.uniform(1, 5, 2))
        for _ in range(4)
    ]
    sides = rng.integers(0, 2, (30, 4))
    target = rng.dirichlet(np.ones(max(n_values, 2)), 30)[:, :n_values].T
    found = alone(gather(trees, np.full(4, 0.25)), 2 * np.arange(4) + sides, target)
    for t, tree in enumerate(trees):
        leaves = gather([tree], np.ones(1))
        equations = Equations(leaves, Rows(sides[:, [t]], target, np.ones(30)))
        link = Identity() if n_values == 1 else Probability()
        expected = solve(equations, link, leaves.values, _DAMPING)
        np.testing.assert_allclose(found[2 * t : 2 * t + 2], expected, atol=1e-6)


def test_a_tree_that_missed_a_class_says_nothing_of_it():
    tree = stump([1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    leaves = gather([tree], np.ones(1), speaks=np.array([[True, True, False]]))
    values = alone(leaves, np.array([[0], [1], [1]]), np.full((3, 3), 1 / 3))
    np.testing.assert_allclose(values.sum(axis=1), 1.0)
    assert (values[:, 2] == 0).all()
    assert (values[:, :2] > 0).all()
