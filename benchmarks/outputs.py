"""What does reading all members cost, against one prediction of the whole ensemble?

Prints, for forests and XGBoost models of several shapes, the time of ``Members.outputs`` divided by
that of ``predict_proba`` on the same rows with as many threads: the median of the one divided by the
median of the other, and the same of the smallest, over runs that take turns in one process. The first reading of an XGBoost model also builds the booster that reads it, so it is
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
    ("XGBoost, 300 rounds, depth 6", XGBClassifier(n_estimators=300), 2, 20_000),
    ("XGBoost, 100 rounds, depth 6", XGBClassifier(n_estimators=100), 5, 20_000),
    ("XGBoost, 200 rounds, depth 6", XGBClassifier(n_estimators=200), 5, 5_000),
    ("XGBoost, 300 rounds, depth 3", XGBClassifier(n_estimators=300, max_depth=3), 2, 20_000),
    ("XGBoost, 1,000 rounds, depth 3", XGBClassifier(n_estimators=1000, max_depth=3), 2, 20_000),
    ("XGBoost, 200 rounds, depth 3", XGBClassifier(n_estimators=200, max_depth=3), 3, 20_000),
]


def seconds(call: Callable[..., object], X: np.ndarray) -> float:
    start = time.perf_counter()
    call(X)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=11, help="runs of each")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()

    print(
        f"{'ensemble':<30} {'classes':>7} {'rows':>7} {'threads':>7} {'median':>7} {'least':>7} "
        f"{'first':>7}"
    )
    for name, ensemble, n_classes, n_samples in SHAPES:
        X, y = make_classification(
            n_samples, 20, n_informative=12, n_classes=n_classes, random_state=0
        )
        ensemble.set_params(n_jobs=-1).fit(X[:10_000], y[:10_000])
        for threads in options.threads:
            ensemble.set_params(n_jobs=threads)
            if hasattr(ensemble, "get_booster"):
                ensemble.get_booster().set_param({"nthread": threads})
            seconds(ensemble.predict_proba, X)
            start = time.perf_counter()
            read = partial(open_members(ensemble).outputs, n_jobs=threads)
            read(X)
            first = time.perf_counter() - start
            whole, members = [], []
            for _ in range(options.runs):
                whole.append(seconds(ensemble.predict_proba, X))
                members.append(seconds(read, X))
            usual = statistics.median(whole)
            print(
                f"{name:<30} {n_classes:>7} {n_samples:>7} {threads:>7} "
                f"{statistics.median(members) / usual:>7.2f} {min(members) / min(whole):>7.2f} "
                f"{first / usual:>7.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
