"""Does pruning keep to its memory limit, with outputs many times as large?

Prunes an ensemble of simulated members (a few integer operations per output, so that reading them
costs next to nothing) and prints the peak of the resident memory so far, on top of what the process
had before, divided by ``memory_limit``. The outputs' file goes to the temporary directory.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.frozen import FrozenEstimator

from ensprune import EnsemblePruner
from ensprune.combiner import Combiner, LinearCombiner
from ensprune.link import Identity, Probability
from ensprune.members import Members, open_members
from ensprune.selectors import ILPSelector, OrderingSelector
from ensprune.selectors.ilp import FORMULATIONS
from ensprune.selectors.ordering import criterion_names


class Simulated(ClassifierMixin, BaseEstimator):
    """An ensemble whose members' probabilities are hashes of a row's number and label."""

    def __init__(self, n_members: int = 1000, n_classes: int = 2):
        self.n_members = n_members
        self.n_classes = n_classes
        self.classes_ = np.arange(n_classes)

    def fit(self, X: Any, y: Any) -> Simulated:
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return open_members(self).outputs(X).mean(axis=0).T

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self.predict_proba(X).argmax(axis=1)


class SimulatedNumbers(RegressorMixin, BaseEstimator):
    """The same of numbers."""

    def __init__(self, n_members: int = 1000):
        self.n_members = n_members

    def fit(self, X: Any, y: Any) -> SimulatedNumbers:
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        return open_members(self).outputs(X).mean(axis=0)[0]


class SimulatedMembers(Members):
    @property
    def n_members(self) -> int:
        return self.estimator.n_members

    @property
    def combiner(self) -> Combiner:
        if isinstance(self.estimator, SimulatedNumbers):
            return LinearCombiner("mean", Identity(), None, self.n_members)
        return LinearCombiner("mean", Probability(), self.estimator.classes_, self.n_members)

    def outputs(self, X, n_jobs=None, *, indices=None, dtype=np.float32):
        chosen = range(self.n_members) if indices is None else indices
        rows, labels = X[:, 0].astype(np.uint32), X[:, 1].astype(dtype)
        numbers = isinstance(self.estimator, SimulatedNumbers)
        n_classes = 1 if numbers else self.estimator.n_classes
        result = np.empty((len(chosen), n_classes, len(X)), dtype=dtype)
        for t, out in zip(chosen, result, strict=True):
            hashed = (rows + np.uint32(t * 977)) * np.uint32(2654435761)
            hashed ^= hashed >> np.uint32(15)
            hashed *= np.uint32(2246822519)
            hashed >>= np.uint32(8)
            noise = hashed * dtype(2.0**-24)
            # The better a member, the less noise is in its probability of the true label.
            share = dtype(0.55 + 0.4 * t / self.n_members)
            if n_classes <= 2:
                out[-1] = noise * share + labels * (1 - share)
                if n_classes == 2:
                    out[0] = 1 - out[1]
                continue
            # Some of the noise is for one class, the rest for all alike.
            out[:] = (1 - noise) * (share / n_classes)
            everywhere, drawn = np.arange(len(X)), hashed % np.uint32(n_classes)
            out[drawn, everywhere] += noise * share
            out[X[:, 1].astype(np.intp), everywhere] += 1 - share
        return result

    def subset(self, indices, weights=None) -> Simulated | SimulatedNumbers:
        return clone(self.estimator).set_params(n_members=len(indices))

    def parts(self) -> Iterable[Any]:
        return range(self.n_members)

    def out_of_bag(self, n_samples):
        rng = np.random.default_rng(1)
        return np.stack([rng.random(n_samples) < 0.37 for _ in range(self.n_members)])


open_members.register(Simulated, SimulatedMembers)
open_members.register(SimulatedNumbers, SimulatedMembers)


# Of these metrics members have one output.
OF_NUMBERS = {"r2", "neg_mean_squared_error", "neg_mean_absolute_error"}


def peak_bytes() -> int:
    """Largest resident memory of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def rows_of(n_samples: int, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows that are a number and a label each, and labels of which a fifth are others."""
    rng = np.random.default_rng(0)
    X = np.empty((n_samples, 2), dtype=np.float64)
    X[:, 0] = np.arange(n_samples)
    X[:, 1] = rng.integers(n_classes, size=n_samples)
    other = rng.random(n_samples) < 0.2
    return X, np.where(other, (X[:, 1] + 1) % n_classes, X[:, 1]).astype(int)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=1000)
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--classes", type=int, default=2)
    parser.add_argument("--limit", type=int, default=1000, help="megabytes")
    parser.add_argument("--size", type=int, default=5, help="members to keep")
    parser.add_argument("--scoring", nargs="*", default=["neg_log_loss"])
    parser.add_argument(
        "--selector",
        default="greedy",
        help="or another, a criterion to order by, or a formulation of integer programming",
    )
    parser.add_argument("--out-of-bag", action="store_true")
    parser.add_argument("--check", action="store_true", help="a small run; fail above 1.2")
    options = parser.parse_args()
    # Classes, rows and metrics; the peak is that of all before, so what is largest comes last.
    runs = [(options.classes, options.samples, options.scoring)]
    if options.check:
        options.members, options.limit = 150, 60
        runs = [
            (2, 100_000, ["neg_log_loss", "neg_brier_score", "neg_mean_squared_error"]),
            (2, 100_000, ["accuracy", "roc_auc"]),
            (20, 15_000, ["neg_log_loss", "neg_brier_score", "accuracy", "explained_variance"]),
        ]

    limit = options.limit * 1_000_000
    selector = options.selector
    if selector in criterion_names():
        selector = OrderingSelector(selector)
    elif selector in FORMULATIONS:
        selector = ILPSelector(selector)
    X, y = rows_of(1000, 2)
    warm = EnsemblePruner(FrozenEstimator(Simulated(20)), target_size=2, scoring="roc_auc")
    warm.fit(X, y)
    before = peak_bytes()
    for n_classes, n_samples, metrics in runs:
        X, y = rows_of(n_samples, n_classes)
        for scoring in metrics:
            start = time.perf_counter()
            ensemble: Any = Simulated(options.members, n_classes)
            n_outputs = n_classes
            if scoring in OF_NUMBERS:
                ensemble, n_outputs = SimulatedNumbers(options.members), 1
            megabytes = options.members * n_outputs * n_samples * 4 / 1e6
            pruner = EnsemblePruner(
                FrozenEstimator(ensemble),
                target_size=options.size,
                selector=selector,
                scoring=scoring,
                memory_limit=limit,
                validation="oob" if options.out_of_bag else "auto",
            ).fit(X, y)
            seconds = time.perf_counter() - start
            share = (peak_bytes() - before) / limit
            print(
                f"{scoring:<22} {options.members} members x {n_outputs} outputs x {n_samples:,} "
                f"rows, {megabytes:,.0f} MB: limit {options.limit:,} MB, peak {share:.2f} of it, "
                f"{seconds:.0f} s, score {pruner.score_pruned_:.4f}",
                flush=True,
            )
            if options.check and share > 1.2:
                sys.exit(f"{scoring}: peak memory is {share:.2f} of the limit, more than 1.2")


if __name__ == "__main__":
    main()
