"""How other libraries choose members, written anew from their code and papers for ``quality.py``.

As they do it: on held-out rows, each member with its own class probabilities or values, averaged
without weights, nothing shrunk, ties to the first. Each function returns the members in the order
taken, repeats included where a member can be taken again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from sklearn.cluster import KMeans


@dataclass(frozen=True)
class Library:
    """What the members say on the held-out rows.

    Parameters
    ----------
    proba : ndarray of shape (n_members, n_outputs, n_samples)
        Class probabilities, or values (then ``n_outputs`` is 1).
    y : ndarray of shape (n_samples,)
        Class positions, or values.
    classifies : bool
    seed : int
    """

    proba: np.ndarray
    y: np.ndarray
    classifies: bool
    seed: int

    @cached_property
    def votes(self) -> np.ndarray:
        return self.proba.argmax(axis=1)

    @cached_property
    def right(self) -> np.ndarray:
        return self.votes == self.y

    @cached_property
    def target(self) -> np.ndarray:
        if not self.classifies:
            return self.y[None]
        return (np.arange(self.proba.shape[1])[:, None] == self.y).astype(float)

    def errors(self, mean: np.ndarray) -> np.ndarray:
        """Error rate or mean squared error of averages, (n_some, n_outputs, n_samples)."""
        if self.classifies:
            return (mean.argmax(axis=1) != self.y).mean(axis=1)
        return ((mean[:, 0] - self.y) ** 2).mean(axis=1)

    def squares(self, mean: np.ndarray) -> np.ndarray:
        """Mean squared distance from the target."""
        return ((mean - self.target) ** 2).sum(axis=1).mean(axis=1)

    def log_losses(self, mean: np.ndarray) -> np.ndarray:
        true = mean[:, self.y, np.arange(len(self.y))]
        return -np.log(np.clip(true, 1e-15, 1)).mean(axis=1)


Loss = Callable[[np.ndarray], np.ndarray]


def _forward(
    proba: np.ndarray, n: int, loss: Loss, again: bool = False, first: int = 0
) -> list[int]:
    """Greedy by a loss of the average; ``first`` best members begin."""
    taken = [int(t) for t in loss(proba).argsort(kind="stable")[:first]]
    total = proba[taken].sum(axis=0)
    while len(taken) < n:
        losses = loss((total + proba) / (len(taken) + 1))
        if not again:
            losses[taken] = np.inf
        taken.append(int(losses.argmin()))
        total = total + proba[taken[-1]]
    return taken


def reduced_error(library: Library, n: int) -> list[int]:
    """PyPruning's greedy: error of the average."""
    return _forward(library.proba, n, library.errors)


def individual_error(library: Library, n: int) -> list[int]:
    """PyPruning's ranking by each member's error."""
    return list(library.errors(library.proba).argsort(kind="stable")[:n])


def autogluon(library: Library, n: int) -> list[int]:
    """AutoGluon and auto-sklearn: log-loss (or squared error), with replacement, best of the way."""
    loss = library.log_losses if library.classifies else library.squares
    taken = _forward(library.proba, n, loss, again=True)
    sums = np.cumsum(library.proba[taken], axis=0) / np.arange(1, n + 1)[:, None, None]
    return taken[: int(loss(sums).argmin()) + 1]


def weka(library: Library, n: int) -> list[int]:
    """WEKA's EnsembleSelection: bags of half the members, sorted start, with replacement."""
    rng = np.random.default_rng(library.seed)
    size = len(library.proba)
    tally = np.zeros(size)
    for _ in range(5):
        bag = rng.permutation(size)[: size // 2]
        taken = _forward(library.proba[bag], n, library.squares, again=True, first=min(n, 5))
        np.add.at(tally, bag[taken], 1)
    return [int(t) for t in tally.argsort(kind="stable")[::-1][:n]]


def kappa(library: Library, n: int) -> list[int]:
    """PyPruning's individual kappa: members that agree least with the rest on average."""
    votes = library.votes
    size = len(votes)
    values = np.zeros((size, size))
    for i in range(size):
        for j in range(i):
            values[i, j] = values[j, i] = _kappa(votes[i], votes[j])
    return list(values.sum(axis=1).argsort(kind="stable")[:n])


def _kappa(first: np.ndarray, second: np.ndarray) -> float:
    chance = float(np.bincount(first, minlength=64) @ np.bincount(second, minlength=64))
    chance /= len(first) ** 2
    return 1.0 if chance == 1 else ((first == second).mean() - chance) / (1 - chance)


def complementarity(library: Library, n: int) -> list[int]:
    """PyPruning's complementarity: right where the average so far is wrong."""
    proba, right = library.proba, library.right
    taken = [int(right.mean(axis=1).argmax())]
    total = proba[taken[0]].copy()
    while len(taken) < n:
        wrong = total.argmax(axis=0) != library.y
        worth = (right & wrong).sum(axis=1).astype(float)
        worth[taken] = -1
        taken.append(int(worth.argmax()))
        total += proba[taken[-1]]
    return taken


def drep(library: Library, n: int, rho: float = 0.25) -> list[int]:
    """PyPruning's DREP: of the members that differ most from the average, the most accurate."""
    proba = library.proba
    taken = [int(library.errors(proba).argmin())]
    total = proba[taken[0]].copy()
    while len(taken) < n:
        differ = (library.votes != total.argmax(axis=0)).mean(axis=1)
        differ[taken] = -1
        most = differ.argsort(kind="stable")[::-1][: max(1, int(rho * (len(proba) - len(taken))))]
        losses = library.errors((total + proba[most]) / (len(taken) + 1))
        taken.append(int(most[losses.argmin()]))
        total += proba[taken[-1]]
    return taken


def margin_distance(library: Library, n: int, p: float = 0.075) -> list[int]:
    """Margin distance minimisation on signatures."""
    signatures = np.where(library.right, 1.0, -1.0) / len(library.right)
    missing = np.full(signatures.shape[1], p)
    taken: list[int] = []
    while len(taken) < n:
        distance = ((missing - signatures) ** 2).sum(axis=1)
        distance[taken] = np.inf
        taken.append(int(distance.argmin()))
        missing = missing - signatures[taken[-1]]
    return taken


def reference_vector(library: Library, n: int) -> list[int]:
    """Largest cosine with the signature of the ensemble's vote made orthogonal to the mean."""
    signatures = np.where(library.right, 1.0, -1.0)
    mean = signatures.mean(axis=0)
    ones = np.ones(len(mean))
    reference = ones - (ones @ mean) / (mean @ mean) * mean
    cosine = signatures @ reference / (np.linalg.norm(reference) * np.sqrt(len(mean)) + 1e-12)
    return list((-cosine).argsort(kind="stable")[:n])


def individual_contribution(library: Library, n: int) -> list[int]:
    """Lu et al.: right in the minority counts most."""
    votes, y = library.votes, library.y
    counts = np.stack([(votes == c).sum(axis=0) for c in range(library.proba.shape[1])])
    columns = np.arange(len(y))
    top = counts.max(axis=0)
    true = counts[y, columns]
    others = np.sort(counts, axis=0)
    second = others[-2] if len(others) > 1 else np.zeros_like(top)
    own = counts[votes, columns]
    minority = true < top
    value = np.where(library.right, np.where(minority, 2 * top - true, second), true - own - top)
    return list((-value.sum(axis=1)).argsort(kind="stable")[:n])


def margin_diversity(library: Library, n: int, alpha: float = 0.2) -> list[int]:
    """Guo et al.: right on samples of small margin."""
    votes, y = library.votes, library.y
    counts = np.stack([(votes == c).sum(axis=0) for c in range(library.proba.shape[1])])
    columns = np.arange(len(y))
    true = counts[y, columns].astype(float)
    others = counts.copy()
    others[y, columns] = -1
    margin = np.abs(true - others.max(axis=0)) / len(votes)
    share = np.maximum(true, 1) / len(votes)
    worth = alpha * -np.log(np.maximum(margin, 1e-12)) + (1 - alpha) * -np.log(share)
    return list((-(library.right * worth).sum(axis=1)).argsort(kind="stable")[:n])


def kmeans(library: Library, n: int) -> list[int]:
    """PyPruning's clusters: k-means on the outputs, the most accurate of each."""
    vectors = library.proba.reshape(len(library.proba), -1)
    labels = KMeans(n, n_init=1, random_state=library.seed).fit_predict(vectors)
    errors = library.errors(library.proba)
    groups = [np.flatnonzero(labels == k) for k in range(n)]
    return [int(group[errors[group].argmin()]) for group in groups if len(group)]


# Those for classifiers and regressors, and those for classifiers only.
FOR_BOTH: dict[str, Callable[[Library, int], list[int]]] = {
    "reduced error": reduced_error,
    "individual error": individual_error,
    "AutoGluon": autogluon,
    "WEKA": weka,
    "k-means": kmeans,
}
FOR_CLASSIFIERS: dict[str, Callable[[Library, int], list[int]]] = {
    "kappa": kappa,
    "complementarity": complementarity,
    "DREP": drep,
    "margin distance": margin_distance,
    "reference vector": reference_vector,
    "individual contribution": individual_contribution,
    "margin diversity": margin_diversity,
}
