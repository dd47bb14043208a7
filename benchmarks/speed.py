"""How fast is the search, against loops that call the metric for every candidate?

In one run: seconds of a greedy search of ensprune, and how many times as long it takes (a) the
naive loop around scikit-learn's metric, (b) the same loop with a running sum, (c) AutoGluon's
EnsembleSelection where ``autogluon.core`` is installed; how the time grows with members, samples and
members chosen; how far it is from the time that reading the outputs takes; and what reading the
members costs in all of ``prune``.

The loops only add members. So does ensprune, but by squared error, where that is cheap, it also
swaps members after each: both searches are measured, and compared with the same loop.

Everything is given one thread and measured in seconds of processor time, which other work on the
machine hardly changes; ``--jobs`` above 1 measures seconds on the wall. The slow ones are
extrapolated from a few candidates. ``--check`` compares with floors, in less than half a minute.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from speed_contestants import (
    METRICS,
    Case,
    Metric,
    Shape,
    autogluon,
    ensprune,
    naive,
    read_bandwidth,
    simulate,
)
from threadpoolctl import threadpool_limits

from ensprune import prune, validation
from ensprune.members import open_members
from ensprune.selectors import GreedySelector

SHAPES = [Shape(256, 2_000, 10, 32), Shape(500, 20_000, 3, 50), Shape(1_000, 100_000, 2, 50)]

# Times of the running sum over ours at ``CHECKED`` that are clearly too little: about half of what
# is usual.
CHECKED = Shape(200, 5_000, 3, 20)
FLOORS = {
    "log-loss": 200.0,
    "Brier": 300.0,
    "MSE": 75.0,
    "accuracy": 17.0,
    "macro F1": 18.0,
    "ROC AUC": 12.0,
}

Timer = Callable[[], float]


def compare(
    shape: Shape, metrics: list[Metric], clock: Timer, jobs: int, runs: int
) -> list[dict[str, float | str]]:
    """A row per metric and search: who needs how long at one shape."""
    print(f"\n{shape} (ROC AUC: 2 classes; MSE: numbers)")
    print(
        f"{'':<12} {'ensprune':>10} {'naive':>9} {'running sum':>12} {'AutoGluon':>10} "
        f"{'of the read limit':>18}"
    )
    rows: list[dict[str, float | str]] = []
    task = ""
    for metric in metrics:
        if metric.task != task:
            task = metric.task
            case = simulate(shape, task)
            bandwidth = read_bandwidth(case.outputs, jobs)
        others = {
            "naive": naive(case, metric, clock, False, runs),
            "running sum": naive(case, metric, clock, True, runs),
            "AutoGluon": autogluon(case, metric, clock, runs),
        }
        for swaps in (False, True)[: 1 + metric.swaps]:
            name = f"{metric.name}, swaps" if swaps else metric.name
            ours = ensprune(case, metric, clock, jobs, runs, swaps)
            row: dict[str, float | str] = {"metric": name, "shape": str(shape), "seconds": ours}
            row |= {other: seconds / ours for other, seconds in others.items()}
            row["limit"] = ours / (bytes_read(case, metric) / bandwidth)
            shown = "" if np.isnan(others["AutoGluon"]) else f"{row['AutoGluon']:.0f}x"
            limit = "" if metric.rows_read is None else f"{row['limit']:.1f}x"
            print(
                f"{name:<12} {1000 * ours:>7.1f} ms {row['naive']:>8.0f}x "
                f"{row['running sum']:>11.0f}x {shown:>10} {limit:>18}",
                flush=True,
            )
            rows.append(row)
    print(f"read limit: {bandwidth / 1e9:.0f} GB/s")
    return rows


def bytes_read(case: Case, metric: Metric) -> float:
    """What a search has to read: all outputs once, and at every step the rows the metric needs."""
    n_members, n_outputs, n_samples = case.outputs.shape
    per_step = 0 if metric.rows_read is None else metric.rows_read(n_outputs)
    return 4.0 * n_members * n_samples * (n_outputs + case.size * per_step)


def scaling(clock: Timer, jobs: int, runs: int) -> dict[tuple[str, str], float]:
    """Exponents ``b`` in ``seconds ~ size^b``, of members, samples and members chosen."""
    grids = {
        "members": [Shape(m, 20_000, 3, 16) for m in (100, 200, 400, 800)],
        "samples": [Shape(200, n, 3, 16) for n in (10_000, 20_000, 40_000, 80_000)],
        "K": [Shape(200, 20_000, 3, k) for k in (8, 16, 32, 64)],
    }
    sizes = {"members": "n_members", "samples": "n_samples", "K": "size"}
    exponents = {}
    print(f"\n{'exponent in':<10} " + " ".join(f"{name:>8}" for name in grids))
    for metric in METRICS:
        for name, shapes in grids.items():
            seconds = [
                ensprune(simulate(shape, metric.task), metric, clock, jobs, runs)
                for shape in shapes
            ]
            size = [getattr(shape, sizes[name]) for shape in shapes]
            exponents[metric.name, name] = float(np.polyfit(np.log(size), np.log(seconds), 1)[0])
        line = " ".join(f"{exponents[metric.name, name]:>8.2f}" for name in grids)
        print(f"{metric.name:<10} {line}", flush=True)
    return exponents


@contextmanager
def spent(clock: Timer) -> Iterator[dict[str, float]]:
    """Seconds spent in parts of ``prune``, which are timed while the block runs."""
    seconds: dict[str, float] = defaultdict(float)
    parts = {
        "reading": (validation, "read_members"),
        "holding": (validation.Validation, "_read"),
        "searching": (GreedySelector, "select"),
    }

    def timed(name: str, call: Callable[..., object]) -> Callable[..., object]:
        def of(*args: object, **options: object) -> object:
            start, before = clock(), seconds["reading"]
            result = call(*args, **options)
            seconds[name] += clock() - start
            seconds[f"reading in {name}"] += seconds["reading"] - before
            return result

        return of

    with ExitStack() as stack:
        for name, (place, attribute) in parts.items():
            wrapper = timed(name, getattr(place, attribute))
            stack.enter_context(mock.patch.object(place, attribute, wrapper))
        yield seconds


def end_to_end(jobs: int, runs: int) -> tuple[float, float, float, float]:
    """Reading members over one prediction; shares of all of ``prune``, where that was fastest.

    Of reading members, of that with all that is done to hold their outputs (checks, the answer of the
    whole ensemble, single precision), and of the search.
    """
    X, y = make_classification(40_000, 20, n_informative=12, n_classes=3, random_state=0)
    forest = RandomForestClassifier(500, n_jobs=-1, random_state=0)
    forest.fit(X[:20_000], y[:20_000])
    forest.set_params(n_jobs=jobs)
    X, y = X[20_000:], y[20_000:]
    clock = time.process_time if jobs == 1 else time.perf_counter
    reading, predicting, shares = [], [], []
    for _ in range(runs):
        start = clock()
        open_members(forest).outputs(X, n_jobs=jobs)
        reading.append(clock() - start)
        start = clock()
        forest.predict_proba(X)
        predicting.append(clock() - start)
        with spent(clock) as seconds:
            start = clock()
            prune(forest, X, y, target_size=50, scoring="neg_log_loss", n_jobs=jobs)
            whole = clock() - start
        # The path's members are read again, in double precision.
        held = seconds["holding"] + seconds["reading"] - seconds["reading in holding"]
        parts = seconds["reading"], held, seconds["searching"]
        shares.append([whole, *(part / whole for part in parts)])
    return min(reading) / min(predicting), *min(shares)[1:]


def draw(rows: list[dict[str, float | str]], path: Path) -> None:
    """Times of the others over ours, a panel per shape."""
    import matplotlib.pyplot as plt

    shapes = list(dict.fromkeys(str(row["shape"]) for row in rows))
    figure, axes = plt.subplots(
        1, len(shapes), figsize=(9, 3.2), sharex=True, sharey=True, layout="constrained"
    )
    others = {"naive": ("o", "C1"), "running sum": ("s", "C2"), "AutoGluon": ("D", "C3")}
    for axis, shape in zip(np.atleast_1d(axes), shapes, strict=True):
        here = [row for row in rows if row["shape"] == shape]
        for height, row in enumerate(here[::-1]):
            values = [float(row[name]) for name in others]
            axis.plot([1, np.nanmax(values)], [height, height], color="0.85", zorder=0)
            for value, (marker, color) in zip(values, others.values(), strict=True):
                axis.plot(value, height, marker, color=color, markersize=6, alpha=0.9)
        axis.set_yticks(range(len(here)), [str(row["metric"]) for row in here[::-1]])
        axis.set_xscale("log")
        axis.set_xticks([1, 10, 100, 1000], ["1x", "10x", "100x", "1000x"])
        axis.axvline(1, color="C0", linewidth=2)
        members, samples, rest = shape.split(" x ")
        axis.set_title(
            f"{members} members, {samples} samples,\n{rest.replace(',', ' classes,')}", fontsize=9
        )
        axis.spines[["top", "right"]].set_visible(False)
    for name, (marker, color) in others.items():
        axes[0].plot([], [], marker, color=color, label=name)
    axes[0].plot([], [], "-", color="C0", label="ensprune")
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False
    )
    figure.supxlabel("times as long as ensprune's search", fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def check() -> None:
    """Fail where a search has become much slower than the loop it is measured against."""
    for metric in METRICS:
        case = simulate(CHECKED, metric.task)
        best = 0.0
        # Other work on the machine makes ratios worse and better; a loss of speed stays.
        for _ in range(4):
            ours = ensprune(case, metric, time.process_time, 1, 2)
            best = max(best, naive(case, metric, time.process_time, True, 3) / ours)
            if best >= 1.5 * FLOORS[metric.name]:
                break
        print(
            f"{metric.name:<10} {best:.0f}x the loop with a running sum (at least {FLOORS[metric.name]:.0f}x)"
        )
        if best < FLOORS[metric.name]:
            sys.exit(
                f"{metric.name}: {best:.0f} times as fast as calling the metric for every "
                f"candidate, less than {FLOORS[metric.name]:.0f}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1, help="threads; above 1: wall time")
    parser.add_argument("--runs", type=int, default=3, help="of which the fastest counts")
    parser.add_argument(
        "--metrics",
        nargs="+",
        choices=[metric.name for metric in METRICS],
        help="compare by these only, and measure nothing else",
    )
    parser.add_argument("--figure", type=Path, help="where to draw the comparison")
    parser.add_argument("--check", action="store_true", help="a small run; fail below the floors")
    options = parser.parse_args()
    clock = time.process_time if options.jobs == 1 else time.perf_counter

    with threadpool_limits(options.jobs):
        if options.check:
            check()
            return
        print("times as long as ensprune; naive, running sum and AutoGluon extrapolated")
        metrics = [m for m in METRICS if options.metrics is None or m.name in options.metrics]
        rows = [
            row
            for shape in SHAPES
            for row in compare(shape, metrics, clock, options.jobs, options.runs)
        ]
        if options.metrics is not None:
            return
        scaling(clock, options.jobs, options.runs)
        reading, read, held, search = end_to_end(options.jobs, options.runs)
    print(
        f"\nRandomForest(500), 20,000 rows: reading all members takes {reading:.2f} times as long as predict_proba"
    )
    print(
        f"prune to 50 by log-loss: reading members is {100 * read:.0f} % of it, {100 * held:.0f} % with "
        f"what is done to hold their outputs; the search is {100 * search:.0f} %"
    )
    if options.figure is not None:
        draw(rows, options.figure)


if __name__ == "__main__":
    main()
