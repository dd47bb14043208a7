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


def forest(kind: type, trees: int = 100) -> tuple[str, object]:
    return f"{kind.__name__.removesuffix('Classifier')}, {trees} trees", kind(trees, random_state=0)


def boosted(rounds: int, depth: int, leaves: int = 0) -> tuple[str, object]:
    name = f"XGBoost, {rounds:,} rounds, " + (f"{leaves} leaves" if leaves else f"depth {depth}")
    grown = {"max_leaves": leaves, "grow_policy": "lossguide"} if leaves else {}
    return name, XGBClassifier(n_estimators=rounds, max_depth=depth, **grown)


# Name, ensemble, classes, rows, features.
SHAPES = [
    (*forest(RandomForestClassifier), 2, 20_000, 20),
    (*forest(RandomForestClassifier), 10, 20_000, 20),
    (*forest(ExtraTreesClassifier), 5, 20_000, 20),
    (*boosted(300, 6), 2, 20_000, 20),
    (*boosted(100, 6), 5, 20_000, 20),
    (*boosted(200, 6), 5, 5_000, 20),
    (*boosted(300, 5), 2, 20_000, 20),
    (*boosted(300, 4), 2, 20_000, 20),
    (*boosted(200, 4), 3, 5_000, 20),
    (*boosted(300, 3), 2, 20_000, 20),
    (*boosted(1000, 3), 2, 20_000, 20),
    (*boosted(200, 3), 3, 20_000, 20),
    (*boosted(100, 3), 10, 20_000, 20),
    (*boosted(300, 3), 2, 20_000, 5),
    (*boosted(300, 3), 2, 20_000, 100),
    (*boosted(300, 3), 2, 2_000, 20),
    (*boosted(300, 0, leaves=8), 2, 20_000, 20),
    (*boosted(300, 2), 2, 20_000, 20),
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
        f"{'ensemble':<30} {'classes':>7} {'rows':>7} {'features':>8} {'threads':>7} "
        f"{'median':>7} {'least':>7} {'first':>7}"
    )
    for name, ensemble, n_classes, n_samples, n_features in SHAPES:
        X, y = make_classification(
            n_samples,
            n_features,
            n_informative=min(12, n_features),
            n_redundant=2 if n_features > 12 else 0,
            n_classes=n_classes,
            random_state=0,
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
                f"{name:<30} {n_classes:>7} {n_samples:>7} {n_features:>8} {threads:>7} "
                f"{statistics.median(members) / usual:>7.2f} {min(members) / min(whole):>7.2f} "
                f"{first / usual:>7.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
