"""ClusterSelector: one of each group of members that answer alike."""

from __future__ import annotations

import numpy as np
import pytest

from ensprune import EnsemblePruner, prune
from ensprune.selectors import ClusterSelector
from ensprune.selectors.cluster import distances

from ..families import BOOSTED, FAMILIES, fitted
from .test_ordering import averaging, random_problem, voting

KINDS = [
    (clusterer, representative)
    for clusterer in ("agglomerative", "kmeans")
    for representative in ("best", "central")
]

# Three groups of alike members on ten samples, truth 1 everywhere. Right votes: 0 to 2 on the
# first five samples or all but one of them, 3 to 5 on the last five, 6 nowhere.
HALF, OTHER = [1] * 5 + [0] * 5, [0] * 5 + [1] * 5
GROUPS = [
    HALF,
    [1] * 4 + [0] * 6,
    [0] + [1] * 4 + [0] * 5,
    OTHER,
    [0] * 5 + [1] * 4 + [0],
    [0] * 5 + [1] * 5,
    [0] * 10,
]


@pytest.mark.parametrize("kind", KINDS)
def test_one_of_each_group(kind):
    problem = voting(GROUPS[:6], [1] * 10)
    path = ClusterSelector(*kind, random_state=0).select(problem)
    (two,) = [point for point in path if point.size == 2]
    groups = {0: "first", 1: "first", 2: "first", 3: "second", 4: "second", 5: "second"}
    assert {groups[t] for t in two.indices} == {"first", "second"}


def test_the_central_member_by_hand():
    # Disagreements of 0, 1, 2: 0-1 and 0-2 on 1 sample, 1-2 on 2: 0 is the centre. With two
    # clusters the second is the dissenter, 3.
    votes = [[1] * 8, [1] * 7 + [0], [0] + [1] * 7, [0] * 8]
    problem = voting(votes, [1] * 8)
    expected = np.array([[0, 1, 1, 8], [1, 0, 2, 7], [1, 2, 0, 7], [8, 7, 7, 0]]) / 8
    np.testing.assert_allclose(distances(problem), expected, atol=1e-12)
    path = ClusterSelector("agglomerative", "central").select(problem)
    assert set(path[1].indices) == {0, 3}


def test_distances_of_values_are_mean_squares():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(5, 30)).astype(np.float32) + 1e4
    problem = averaging(values, np.zeros(30))
    difference = values[:, None].astype(float) - values[None]
    np.testing.assert_allclose(distances(problem), (difference**2).mean(axis=2), rtol=1e-6)


def test_distances_out_of_bag_are_over_shared_samples():
    rng = np.random.default_rng(0)
    mask = rng.random((9, 90)) < 0.5
    problem = random_problem(0, 3, mask=mask)
    votes = problem.outputs.argmax(axis=1)
    both = mask[2] & mask[6]
    assert distances(problem)[2, 6] == pytest.approx((votes[2] != votes[6])[both].mean())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("budget", [4.0, 8.5, 100.0])
def test_paths_stay_within_the_budget(kind, budget):
    costs = np.array([3.0, 1, 1, 5, 1, 2, 2, 9, 1])
    problem = random_problem(0, 3, costs=costs, budget=budget)
    path = ClusterSelector(*kind, random_state=0).select(problem)
    ends = [point.cost for point in path]
    assert ends == sorted(ends)
    assert ends[-1] <= budget
    assert all(len(set(point.indices)) == point.size for point in path)
    sizes = [point.size for point in path]
    assert len(set(sizes)) == len(sizes)
    assert 1 in sizes


def test_the_tree_of_clusters_makes_a_nested_path():
    path = ClusterSelector().select(random_problem(0, 3))
    assert [point.size for point in path] == list(range(1, 10))
    for point in path:
        assert set(point.indices) <= set(path[-1].indices[: point.size])


def test_identical_members_are_one_cluster():
    votes = np.repeat([GROUPS[0], GROUPS[3]], 4, axis=0)
    problem = voting(votes, [1] * 10)
    for kind in KINDS:
        path = ClusterSelector(*kind, random_state=0).select(problem)
        two = next(point for point in path if point.size == 2)
        assert {t // 4 for t in two.indices} == {0, 1}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.id)
def test_every_family_is_clustered_or_refused(family):
    ensemble, X, y = fitted(family)
    for kind in ("agglomerative", "kmeans"):
        selector = ClusterSelector(kind, random_state=0)
        if family.name.startswith(BOOSTED):
            with pytest.raises(ValueError, match="stages of gradient boosting have none"):
                prune(ensemble, X, y, target_size=2, selector=selector)
        else:
            pruner = EnsemblePruner(family.make(), target_size=2, selector=selector, random_state=0)
            assert pruner.fit(X, y).n_members_ <= 2


def test_seeds_are_followed():
    problem = random_problem(0, 3)
    paths = [ClusterSelector("kmeans", random_state=seed).select(problem) for seed in (1, 1)]
    assert [p.indices for p in paths[0]] == [p.indices for p in paths[1]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"clusterer": "dbscan"},
            "clusterer='dbscan' is unknown; give 'agglomerative' or 'kmeans'",
        ),
        (
            {"representative": "worst"},
            "representative='worst' is unknown; give 'best' or 'central'",
        ),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        ClusterSelector(**options).select(random_problem(0, 3))
