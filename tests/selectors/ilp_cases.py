"""Small random problems for the ILP tests, and every subset of them judged by hand."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from ensprune.combiner import LinearCombiner
from ensprune.link import Identity, Probability
from ensprune.objectives import AbsoluteError, Accuracy, SquaredError
from ensprune.selectors.base import Problem

LOSSES = ("squared_error", "margin", "accuracy", "absolute_error", "pairwise")
RHO = 0.3


def classification(seed=0, n_members=9, n_classes=3, n_samples=40, budget=4, **changes):
    """Members that give noisy class scores, in eighths so that exact ties occur."""
    rng = np.random.default_rng(seed)
    y = np.arange(n_samples) % n_classes
    skill = rng.uniform(0.2, 1.2, size=(n_members, 1, 1))
    raw = rng.exponential(size=(n_members, n_classes, n_samples))
    raw[:, y, np.arange(n_samples)] += skill[:, 0]
    outputs = (np.round(8 * raw / raw.sum(axis=1, keepdims=True)) / 8).astype(np.float32)
    combiner = LinearCombiner(
        "mean", Probability(), np.array(["a", "b", "c", "d"][:n_classes]), n_members
    )
    problem = Problem(
        np.ascontiguousarray(outputs),
        combiner.classes[y],
        combiner,
        Accuracy(),
        np.ones(n_members),
        float(budget),
    )
    return replace(problem, **changes)


def regression(seed=0, n_members=9, n_samples=40, budget=4, **changes):
    """Members that are off by a bias of their own and noise."""
    rng = np.random.default_rng(seed)
    y = rng.normal(size=n_samples)
    noise = rng.normal(size=(n_members, 1, n_samples)) + rng.normal(size=(n_members, 1, 1))
    outputs = (y + 0.7 * noise).astype(np.float32)
    combiner = LinearCombiner("mean", Identity(), None, n_members)
    problem = Problem(outputs, y, combiner, SquaredError("mse"), np.ones(n_members), float(budget))
    return replace(problem, **changes)


def case(formulation, seed=0, **changes):
    if formulation == "absolute_error":
        return regression(seed, **{"objective": AbsoluteError(), **changes})
    return classification(seed, **changes)


def weights_of(problem):
    if problem.sample_weight is None:
        return np.full(problem.outputs.shape[2], 1 / problem.outputs.shape[2])
    return problem.sample_weight / problem.sample_weight.sum()


def positions(problem):
    return np.searchsorted(problem.combiner.classes, problem.y)


def true_loss(problem, members, formulation):
    """The loss of one subset, from its definition."""
    members = list(members)
    weight = weights_of(problem)
    mean = problem.outputs[members].astype(np.float64).mean(axis=0)
    if problem.combiner.classes is None:
        residual = mean[0] - problem.y
        return weight @ (residual**2 if formulation == "squared_error" else np.abs(residual))
    labels = positions(problem)
    at = np.arange(len(labels))
    if formulation == "squared_error":
        hot = labels == np.arange(len(problem.combiner.classes))[:, None]
        halved = 0.5 if len(hot) == 2 else 1.0
        return halved * weight @ ((mean - hot) ** 2).sum(axis=0)
    if formulation == "accuracy":
        return -(
            weight @ (problem.outputs[members].sum(axis=0, dtype=float).argmax(axis=0) == labels)
        )
    if formulation == "margin":
        others = mean.copy()
        others[labels, at] = -np.inf
        return weight @ np.maximum(RHO - (mean[labels, at] - others.max(axis=0)), 0)
    wrong = (problem.outputs.argmax(axis=1) != labels).astype(float)
    both = (wrong * weight) @ wrong.T
    own = np.diag(both)
    total = 0.0
    for i, j in itertools.product(members, repeat=2):
        total += own[i] if i == j else 0.5 * (both[i, j] / own[i] + both[i, j] / own[j])
    return total / len(members) ** 2


def admissible(problem, keep=(), drop=(), groups=(), floors=None, exact=True):
    """Every subset that holds the rules."""
    n = problem.n_members
    counts = np.ptp(problem.costs) == 0
    kept = []
    for bits in itertools.product((False, True), repeat=n):
        mask = np.array(bits)
        if not mask.any() or problem.costs[mask].sum() > problem.budget + 1e-9:
            continue
        if not set(keep) <= set(np.flatnonzero(mask)) or mask[list(drop)].any():
            continue
        if any(mask[list(group)].sum() > k for group, k in groups):
            continue
        if floors and any(recall(problem, mask, c) < v - 1e-9 for c, v in floors.items()):
            continue
        kept.append(np.flatnonzero(mask))
    if counts and exact:
        largest = max(map(len, kept))
        kept = [members for members in kept if len(members) == largest]
    return kept


def recall(problem, mask, label):
    labels = positions(problem)
    predicted = problem.outputs[mask].sum(axis=0, dtype=float).argmax(axis=0)
    of_class = problem.y == label
    weight = weights_of(problem)[of_class]
    return weight @ (predicted[of_class] == labels[of_class]) / weight.sum()


def best_loss(problem, formulation, **rules):
    return min(true_loss(problem, members, formulation) for members in admissible(problem, **rules))
