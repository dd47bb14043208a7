"""What does one iteration of refitting leaves cost, against one prediction of the forest?

Prints, for forests of 50 trees, the CPU time of one iteration of LSQR (regression) and of one sweep
over the trees (classification) on all rows, divided by that of ``predict`` or ``predict_proba`` on
the same rows in one thread: the median over paired runs in one process. The labels are shuffled, so
that no iteration is spared. Reading the leaves and building the sparse system, which happens once,
is given on its own.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from ensprune.leaf_rows import read
from ensprune.members.refittable import open_leaves
from ensprune.refine import Labelled
from ensprune.refinement.equations import Equations
from ensprune.refinement.leaves import solve


def seconds(call: Callable[[], Any]) -> float:
    """CPU seconds, which other work on the machine hardly changes."""
    start = time.process_time()
    call()
    return time.process_time() - start


def ratios(forest: Any, X: np.ndarray, y: np.ndarray, runs: int) -> tuple[float, float]:
    """An iteration's time, and that of reading and setting up, in predictions' times."""
    predict = forest.predict_proba if hasattr(forest, "classes_") else forest.predict
    members = open_leaves(forest)
    leaves, link = members.leaves(), members.combiner.link
    shuffled = np.random.default_rng(0).permutation(y)

    def set_up() -> Equations:
        rows = read(members, [Labelled(X, shuffled, None, seen=False)])
        equations = Equations(leaves, rows)
        equations.transposed  # noqa: B018
        return equations

    equations = set_up()
    iterating, once = [], []
    for _ in range(runs):
        whole = seconds(lambda: predict(X))
        # The difference between many iterations and few leaves out what is done once.
        few, more = (
            seconds(partial(solve, equations, link, leaves.values, 0.01, iterations=count))
            for count in (2, 12)
        )
        iterating.append((more - few) / 10 / whole)
        once.append(seconds(set_up) / whole)
    return statistics.median(iterating), statistics.median(once)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--trees", type=int, default=50)
    parser.add_argument("--runs", type=int, default=5, help="paired runs")
    options = parser.parse_args()

    print(f"{'forest':<24} {'classes':>7} {'rows':>8} {'iteration':>10} {'set-up':>7}")
    for n_classes in (0, 2, 5):
        X, y = make_classification(
            options.rows, 20, n_informative=12, n_classes=max(n_classes, 2), random_state=0
        )
        X = X.astype(np.float32)
        family = RandomForestClassifier if n_classes else RandomForestRegressor
        forest = family(options.trees, min_samples_leaf=2, n_jobs=-1, random_state=0)
        forest.fit(X, y).set_params(n_jobs=1)
        iteration, once = ratios(forest, X, y, options.runs)
        print(
            f"{family.__name__:<24} {n_classes or '-':>7} {options.rows:>8,} {iteration:>10.2f} "
            f"{once:>7.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
