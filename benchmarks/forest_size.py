"""How much smaller and faster is RandomForest(500) cut to 50 members?

Prints the ratio of the pickles and of the time of ``predict_proba``: the median over paired runs,
in which the full and the pruned forest predict the same rows one after the other in one process.
``--check`` exits with 1 unless the pickle is 8 times smaller and prediction 6 times faster.
"""

from __future__ import annotations

import argparse
import pickle
import statistics
import sys
import time
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from ensprune import prune
from ensprune.datasets import load_hpc


def seconds(forest: Any, X: np.ndarray) -> float:
    start = time.perf_counter()
    forest.predict_proba(X)
    return time.perf_counter() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15, help="paired runs")
    parser.add_argument("--check", action="store_true", help="exit with 1 below 8x and 6x")
    options = parser.parse_args()

    X, y = load_hpc(return_X_y=True)
    full = RandomForestClassifier(500, n_jobs=2, random_state=0).fit(X, y)
    full.set_params(n_jobs=1)  # threads would hide part of the work of the larger forest
    pruned = prune(full, X, y, target_size=50, validation="oob")

    sizes = [len(pickle.dumps(forest)) for forest in (full, pruned)]
    smaller = sizes[0] / sizes[1]
    for forest in (full, pruned):
        seconds(forest, X)  # warm up
    pairs = [(seconds(full, X), seconds(pruned, X)) for _ in range(options.runs)]
    faster = statistics.median(slow / fast for slow, fast in pairs)
    slow, fast = (1000 * statistics.median(column) for column in zip(*pairs))

    print(f"RandomForestClassifier on hpc_data, {len(full)} members cut to {len(pruned)}")
    print(f"pickle:        {sizes[0]:,} bytes -> {sizes[1]:,} bytes, {smaller:.1f}x smaller")
    print(
        f"predict_proba: {slow:.1f} ms -> {fast:.1f} ms for {len(X):,} rows, {faster:.1f}x faster"
    )
    return int(options.check and (smaller < 8 or faster < 6))


if __name__ == "__main__":
    sys.exit(main())
