"""ClusterSelector: group members that answer alike, keep one of each group."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.cluster import AgglomerativeClustering, KMeans

from ..arguments import check_arguments, check_option
from ..combination import Combination
from ..path import PathPoint, PruningPath, SelectorResult, cheap_to_dear
from ..storage import blocks_of, release, samples_of
from .base import Problem, Selector, register_selector
from .baseline import points_in_order
from .ordering.ballots import Ballots

# Numbers of clusters tried grow by at least this factor once they are large.
_GROWTH = 1.1

# Bytes of a block of samples.
_BLOCK_BYTES = 1 << 23


class ClusterSelector(Selector):
    """Clusters of members that answer alike, and a representative of each.

    Parameters
    ----------
    clusterer : {"agglomerative", "kmeans"}, default="agglomerative"
        - ``"agglomerative"``: average linkage on how often two members disagree (classifiers) or
          on their mean squared difference (regressors). One tree of clusters serves all sizes, so
          the path is nested.
        - ``"kmeans"``: k-means on the vectors of the members' outputs, anew for every number of
          clusters; the sub-ensembles of the path are not nested.
    representative : {"best", "central"}, default="best"
        Of each cluster: the member that scores best on its own, by the metric, or the one nearest
        to the centre (for ``"agglomerative"``: with the least mean distance to its cluster; the
        path is then not nested).
    random_state : int, RandomState instance or None, default=None
        Starts of k-means; None takes the pruner's.

    Notes
    -----
    Out of bag two members are compared on the samples that neither was trained on; k-means, which
    needs whole vectors, sees all samples. Members dearer than the whole budget are left out. The
    stages of gradient boosting do not predict on their own: they are refused.

    References
    ----------
    Giacinto & Roli, "An approach to the automatic design of multiple classifier systems", Pattern
    Recognition Letters 22 (2001). Lazarevic & Obradovic, "Effective pruning of neural network
    classifier ensembles", IJCNN 2001. Bakker & Heskes, "Clustering ensembles of neural network
    models", Neural Networks 16 (2003).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from ensprune import prune
    >>> from ensprune.selectors import ClusterSelector
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(50, random_state=0).fit(X, y)
    >>> small = prune(forest, X, y, target_size=5, selector=ClusterSelector(), validation="oob")
    >>> small.n_estimators
    5
    """

    def __init__(
        self,
        clusterer: str = "agglomerative",
        representative: str = "best",
        random_state: Any = None,
    ):
        self.clusterer = clusterer
        self.representative = representative
        self.random_state = random_state

    def select(self, problem: Problem) -> PruningPath:
        begin = time.perf_counter()
        self.check(problem.combination)
        members = np.flatnonzero(problem.fits(problem.costs) & problem.heard)
        if len(members) == 0:
            raise ValueError("no member with a weight of its own is within the budget")
        alone = problem.start().candidates()
        if self.clusterer == "kmeans":
            points = self._by_kmeans(problem, members, alone)
        elif self.representative == "central":
            points = self._by_tree(problem, members)
        else:
            points = points_in_order(problem, self._survivors(problem, members, alone))
        points = cheap_to_dear(points)
        elapsed = time.perf_counter() - begin
        return PruningPath(tuple(points), SelectorResult("complete", points[-1].objective, elapsed))

    def check(self, combination: Combination | None) -> None:
        for name, allowed in (
            ("clusterer", ("agglomerative", "kmeans")),
            ("representative", ("best", "central")),
        ):
            check_option(name, getattr(self, name), allowed)
        check_arguments("ClusterSelector", random_state=self.random_state)
        if combination is not None and combination.kind == "sum":
            raise ValueError(
                "ClusterSelector compares members by their own predictions, and stages of gradient "
                "boosting have none; use selector='greedy'"
            )

    # --- one tree of clusters ---------------------------------------------------------------------

    @staticmethod
    def _survivors(problem: Problem, members: np.ndarray, alone: np.ndarray) -> np.ndarray:
        """Members by how late a better one joins their cluster: k clusters have the first k."""
        score = np.nan_to_num(alone[members], nan=-np.inf)
        best = list(range(len(members)))  # of every cluster in the tree, by position in members
        out = []
        for left, right in _merges(distances(problem)[np.ix_(members, members)]):
            # Ties go to the member that comes first.
            winner, loser = sorted((best[left], best[right]), key=lambda t: (-score[t], t))
            best.append(winner)
            out.append(loser)
        return members[[best[-1], *out[::-1]]]

    def _by_tree(self, problem: Problem, members: np.ndarray) -> list[PathPoint]:
        distance = distances(problem)[np.ix_(members, members)]
        merges = list(_merges(distance))
        found = []
        for k in _sizes(problem, len(members)):
            labels = _cut_tree(merges, len(members), k)
            chosen = []
            for label in range(k):
                inside = np.flatnonzero(labels == label)
                mean = distance[np.ix_(inside, inside)].mean(axis=1)
                chosen.append(members[inside[mean.argmin()]])
            found.append(chosen)
        return self._points(problem, found)

    # --- clusters anew for every size -------------------------------------------------------------

    def _by_kmeans(
        self, problem: Problem, members: np.ndarray, alone: np.ndarray
    ) -> list[PathPoint]:
        seed = problem.random_state if self.random_state is None else self.random_state
        vectors, distinct = _coordinates(problem, members)
        score = np.nan_to_num(alone[members], nan=-np.inf)
        found = []
        for k in _sizes(problem, len(members)):
            if k > distinct:
                break
            means = KMeans(k, n_init=3, random_state=seed).fit(vectors)
            away = means.transform(vectors)  # (n_members, k)
            chosen = []
            for label in range(k):
                inside = np.flatnonzero(means.labels_ == label)
                if self.representative == "best":
                    chosen.append(members[inside[score[inside].argmax()]])
                else:
                    chosen.append(members[inside[away[inside, label].argmin()]])
            found.append(chosen)
        return self._points(problem, found)

    @staticmethod
    def _points(problem: Problem, found: list[list[int]]) -> list[PathPoint]:
        points = []
        objective = problem.start()
        for chosen in found:
            if not problem.fits(problem.costs[chosen].sum()):
                continue
            for member in list(objective.selected):
                if member not in chosen:
                    objective.drop(member)
            for member in chosen:
                if member not in objective.selected:
                    objective.add(int(member))
            points.append(problem.point(objective.selected, objective.score()))
        return points


def distances(problem: Problem) -> np.ndarray:
    """How differently each pair of members answers, (n_members, n_members).

    Parameters
    ----------
    problem : Problem

    Returns
    -------
    ndarray, dtype float64
        Weighted share of samples with different labels, or mean squared difference of predicted
        values, over the samples that both speak for; 0 where there are none.
    """
    ballots = Ballots.of(problem)
    n_members = ballots.n_members
    shared, differ = np.zeros((2, n_members, n_members))
    for block in ballots.sample_blocks():
        speaks = ballots.speaks[:, block].astype(np.float64)
        weight, said = ballots.weight[block], samples_of(ballots.predictions, block)
        both = (speaks * weight) @ speaks.T
        shared += both
        if ballots.n_classes:
            differ += both
            for label in range(ballots.n_classes):
                voted = (said == label) * speaks
                differ -= (voted * weight) @ voted.T
        else:
            # Centred by sample: differences keep their digits.
            values = (said - said.mean(axis=0)) * speaks
            squares = (values**2 * weight) @ speaks.T
            differ += squares + squares.T - 2 * (values * weight) @ values.T
    differ = np.divide(differ, shared, out=np.zeros_like(differ), where=shared > 0)
    np.fill_diagonal(differ, 0.0)
    return np.maximum(0.5 * (differ + differ.T), 0.0)


def _coordinates(problem: Problem, members: np.ndarray) -> tuple[np.ndarray, int]:
    """Points as far from each other as the members' outputs, one coordinate per member.

    k-means looks at distances only, so it finds the same clusters among them.

    Returns
    -------
    points : ndarray of shape (len(members), len(members))
    distinct : int
        How many of the members' outputs differ.
    """
    outputs = problem.outputs
    n_members, n_outputs, n_samples = outputs.shape
    gram = np.zeros((n_members, n_members))
    for block in blocks_of(n_samples, 8 * n_members * n_outputs, _BLOCK_BYTES):
        some = samples_of(outputs, block, np.float64).reshape(n_members, -1)
        some -= some.mean(axis=0)
        gram += some @ some.T
    values, directions = np.linalg.eigh(gram[np.ix_(members, members)])
    contents = set()
    for t in members:
        contents.add(hashlib.blake2b(outputs[t].tobytes()).digest())
        release(outputs)
    return directions * np.sqrt(np.maximum(values, 0.0)), len(contents)


def _merges(distance: np.ndarray) -> Iterator[tuple[int, int]]:
    """Pairs of clusters that average linkage joins; the i-th pair becomes cluster n + i."""
    if len(distance) < 2:
        return
    tree = AgglomerativeClustering(
        n_clusters=None, distance_threshold=0.0, metric="precomputed", linkage="average"
    ).fit(distance)
    for left, right in tree.children_:
        yield int(left), int(right)


def _cut_tree(merges: list[tuple[int, int]], n: int, k: int) -> np.ndarray:
    """Cluster of each member, 0 to k - 1, after all merges but the last k - 1."""
    inside: dict[int, list[int]] = {t: [t] for t in range(n)}
    for step, (left, right) in enumerate(merges[: n - k]):
        inside[n + step] = inside.pop(left) + inside.pop(right)
    labels = np.empty(n, dtype=np.intp)
    for label, cluster in enumerate(inside.values()):
        labels[cluster] = label
    return labels


def _sizes(problem: Problem, n_members: int) -> list[int]:
    """Numbers of clusters to try: all small ones, then steps of a tenth, and the largest."""
    largest = min(problem.most_members(), n_members)
    sizes = [1]
    while sizes[-1] < largest:
        sizes.append(min(max(sizes[-1] + 1, int(sizes[-1] * _GROWTH)), largest))
    return sizes


register_selector("cluster", ClusterSelector)
