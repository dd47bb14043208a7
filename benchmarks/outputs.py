"""What does reading all members cost, against one prediction of the whole ensemble?

Prints, for forests and XGBoost models of several shapes, the time of ``Members.outputs`` divided by
that of ``predict_proba`` on the same rows in one thread: the median and the smallest over paired runs
in one process. The first reading of an XGBoost model also builds the booster that reads it, so it is
given on its own.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from sklearn.datasets import make_classification
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from xgboost import XGBClassifier

from ensprune.members import open_members

SHAPES = [
    ("RandomForest, 100 trees", RandomForestClassifier(100, random_state=0), 2, 20_000),
    ("RandomForest, 100 trees", RandomForestClassifier(100, random_state=0), 10, 20_000),
    ("ExtraTrees, 100 trees", ExtraTreesClassifier(100, random_state=0), 5, 20_000),
    ("XGBoost, 300 rounds, depth 6", XGBClassifier(n_estimators=300, n_jobs=1), 2, 20_000),
    ("XGBoost, 100 rounds, depth 6", XGBClassifier(n_estimators=100, n_jobs=1), 5, 20_000),
    ("XGBoost, 300 rounds, depth 3", XGBClassifier(n_estimators=300, max_depth=3, n_jobs=1), 2, 20_000),
]  # fmt: skip


def seconds(call: Callable[..., object], X: np.ndarray) -> float:
    start = time.perf_counter()
    call(X)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=11, help="paired runs")
    options = parser.parse_args()

    print(f"{'ensemble':<30} {'classes':>7} {'rows':>7} {'median':>7} {'least':>7} {'first':>7}")
    for name, ensemble, n_classes, n_samples in SHAPES:
        X, y = make_classification(
            n_samples, 20, n_informative=12, n_classes=n_classes, random_state=0
        )
        ensemble.fit(X[:10_000], y[:10_000])
        whole = seconds(ensemble.predict_proba, X)
        start = time.perf_counter()
        read = partial(open_members(ensemble).outputs, n_jobs=1)
        read(X)
        first = (time.perf_counter() - start) / whole
        ratios = [
            seconds(read, X) / seconds(ensemble.predict_proba, X) for _ in range(options.runs)
        ]
        print(
            f"{name:<30} {n_classes:>7} {n_samples:>7} {statistics.median(ratios):>7.2f} "
            f"{min(ratios):>7.2f} {first:>7.2f}"
        )


if __name__ == "__main__":
    main()
