"""Who is timed by ``speed.py``, and on what: simulated outputs, and three ways to search greedily.

Each contestant adds, K times, the member that makes the metric best. The two slow ones are timed on
a few of the candidates that they would score and their time is extrapolated: they do the same work
for every candidate.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    mean_squared_error,
    roc_auc_score,
)

from ensprune.combiner import Combiner, LinearCombiner
from ensprune.link import Identity, Probability
from ensprune.objectives import make_objective
from ensprune.selectors import GreedySelector
from ensprune.selectors.base import Problem

Timer = Callable[[], float]

# Seconds on the wall for which a call is repeated at least.
LONG_ENOUGH = 0.3


@dataclass(frozen=True)
class Metric:
    """A metric as each of the contestants knows it.

    Parameters
    ----------
    name : str
    scoring : str
        For ensprune.
    swaps : bool
        Whether ensprune by default swaps members after each that it adds, which the loops do not.
    scored : callable
        ``scored(y, prediction)`` with scikit-learn's metric; predictions as an ensemble averages
        them.
    autogluon : str or None
        Name in ``autogluon.core.metrics``.
    task : {"multiclass", "binary", "regression"}
    rows_read : callable
        Rows of a member's outputs that a step has to read, of how many there are; None where a
        step reads no outputs.
    """

    name: str
    scoring: str
    swaps: bool
    scored: Callable[[np.ndarray, np.ndarray], float]
    autogluon: str | None
    task: str
    rows_read: Callable[[int], int] | None


METRICS = [
    Metric("log-loss", "neg_log_loss", False, log_loss, "log_loss", "multiclass", lambda rows: 1),
    Metric("Brier", "neg_brier_score", True, brier_score_loss, None, "multiclass", None),
    Metric("MSE", "neg_mean_squared_error", True, mean_squared_error, "mean_squared_error", "regression", None),
    Metric("accuracy", "accuracy", False, lambda y, p: accuracy_score(y, p.argmax(axis=1)), "accuracy", "multiclass", lambda rows: rows),
    Metric("macro F1", "f1_macro", False, lambda y, p: f1_score(y, p.argmax(axis=1), average="macro"), "f1_macro", "multiclass", lambda rows: rows),
    Metric("ROC AUC", "roc_auc", False, lambda y, p: roc_auc_score(y, p[:, 1]), "roc_auc", "binary", lambda rows: 1),
]  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """Members, samples, classes, and how many members to choose."""

    n_members: int
    n_samples: int
    n_classes: int
    size: int

    def __str__(self) -> str:
        return f"{self.n_members:,} x {self.n_samples:,} x {self.n_classes}, K={self.size}"


@dataclass(frozen=True)
class Case:
    """Outputs of members (n_members, n_outputs, n_samples), float32, and what they are about."""

    outputs: np.ndarray
    y: np.ndarray
    combiner: Combiner
    size: int

    @property
    def n_scored(self) -> int:
        """Candidates that a search scores which looks at every member at every step."""
        return len(self.outputs) * self.size


def simulate(shape: Shape, task: str, seed: int = 0) -> Case:
    """Members that are right more often than not, each in its own way."""
    rng = np.random.default_rng(seed)
    n_members, n_samples = shape.n_members, shape.n_samples
    if task == "regression":
        y = rng.normal(size=n_samples)
        outputs = np.empty((n_members, 1, n_samples), dtype=np.float32)
        for out in outputs:
            out[0] = 0.5 * y + rng.standard_normal(n_samples, dtype=np.float32)
        return Case(outputs, y, LinearCombiner("mean", Identity(), None, n_members), shape.size)
    n_classes = 2 if task == "binary" else shape.n_classes
    y = rng.integers(0, n_classes, n_samples)
    outputs = np.empty((n_members, n_classes, n_samples), dtype=np.float32)
    everyone = np.arange(n_samples)
    for out in outputs:
        out[...] = rng.random((n_classes, n_samples), dtype=np.float32) ** 3
        out[y, everyone] += 0.3 * rng.random(n_samples, dtype=np.float32)
        out /= out.sum(axis=0)
    combiner = LinearCombiner("mean", Probability(), np.arange(n_classes), n_members)
    return Case(outputs, y, combiner, shape.size)


def predictions(case: Case, some: int) -> list[np.ndarray]:
    """What ``predict_proba`` or ``predict`` of the first members would return."""
    if case.combiner.classes is None:
        return [output[0].astype(np.float64) for output in case.outputs[:some]]
    exact = (output.T.astype(np.float64) for output in case.outputs[:some])
    return [np.ascontiguousarray(p / p.sum(axis=1, keepdims=True)) for p in exact]


def ensprune_once(case: Case, metric: Metric, n_jobs: int, swaps: bool) -> Any:
    """The whole search; ``select`` and nothing else. Without swaps it is the search of the loops."""
    problem = Problem(
        outputs=case.outputs,
        y=case.y,
        combiner=case.combiner,
        objective=make_objective(metric.scoring, case.combiner),
        costs=np.ones(len(case.outputs)),
        budget=case.size,
        n_jobs=n_jobs,
    )
    return GreedySelector(exchanges="auto" if swaps else 0).select(problem)


def fastest(call: Callable[[], object], clock: Timer, runs: int) -> float:
    """Seconds of the fastest of some calls; of more, where these are over at once."""
    seconds: list[float] = []
    begun = time.perf_counter()
    while len(seconds) < runs or time.perf_counter() - begun < LONG_ENOUGH:
        start = clock()
        call()
        seconds.append(clock() - start)
    return min(seconds)


def ensprune(
    case: Case, metric: Metric, clock: Timer, n_jobs: int, runs: int, swaps: bool = True
) -> float:
    """Seconds of a search."""
    return fastest(lambda: ensprune_once(case, metric, n_jobs, swaps), clock, runs)


def naive(case: Case, metric: Metric, clock: Timer, running_sum: bool, runs: int) -> float:
    """Seconds of the loop that calls scikit-learn's metric for every candidate, extrapolated.

    Averages the members chosen and the candidate anew, as such loops are written; with
    ``running_sum`` adds the candidate to the sum of the chosen.
    """
    some = predictions(case, case.size + 1)
    # Halfway through the search, so that as many are chosen as in the mean over all steps.
    chosen = list(range(max(1, case.size // 2)))
    total = np.sum([some[t] for t in chosen], axis=0)
    candidates = range(len(chosen), min(len(chosen) + 4, len(some)))

    def score() -> None:
        for t in candidates:
            if running_sum:
                mean = (total + some[t]) / (len(chosen) + 1)
            else:
                mean = np.mean([some[u] for u in [*chosen, t]], axis=0)
            metric.scored(case.y, mean)

    return fastest(score, clock, runs) / len(candidates) * case.n_scored


def autogluon(case: Case, metric: Metric, clock: Timer, runs: int) -> float:
    """Seconds of AutoGluon's EnsembleSelection, extrapolated; NaN where it is not installed."""
    try:
        from autogluon.core import metrics
        from autogluon.core.models.greedy_ensemble.ensemble_selection import EnsembleSelection
    except ImportError:
        return float("nan")
    if metric.autogluon is None:
        return float("nan")
    n_members, steps = 4, 3
    some = predictions(case, n_members)
    kind = "regression"
    if case.combiner.classes is not None:
        kind = "binary" if len(case.combiner.classes) == 2 else "multiclass"
    if kind == "binary":
        some = [p[:, 1].copy() for p in some]
    scorer = getattr(metrics, metric.autogluon)
    seconds = fastest(lambda: EnsembleSelection(steps, kind, scorer).fit(some, case.y), clock, runs)
    return seconds / (n_members * steps) * case.n_scored


def read_bandwidth(array: np.ndarray, n_jobs: int, runs: int = 5) -> float:
    """Bytes per second at which threads read an array that lies in memory."""
    from concurrent.futures import ThreadPoolExecutor

    parts = np.array_split(array.reshape(-1), n_jobs)
    clock = time.perf_counter if n_jobs > 1 else time.process_time
    seconds = []
    with ThreadPoolExecutor(n_jobs) as pool:
        for _ in range(runs):
            start = clock()
            list(pool.map(np.maximum.reduce, parts))
            seconds.append(clock() - start)
    return array.nbytes / min(seconds)
