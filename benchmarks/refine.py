"""Does a tenth of a forest's trees, with refitted leaves, beat the whole forest?

RandomForest(200) with ``min_samples_leaf`` 1 and 2 on real data sets, a third of the rows kept for
testing, cut to 20 and to 10 trees out of bag. Prints for each the test loss (Brier score or mean
squared error) and the error (misclassified; mean squared error again) of

    cut      the pruned forest,
    refined  the one pruned with ``refine="leaves"``, which may keep other trees,
    fresh    a forest of as many trees (the first ones of the full forest: the same as training
             RandomForest(K) with its seed),
    f+ref    that one with its leaves refitted, the full forest its teacher,

each divided by the full forest's, and at the end on how many (set, seed) pairs which is better.
Writes a CSV line per forest as it goes and goes on from there when started again. Further sets come
from ``--more``, a Python file with ``NAMES`` and a function
``load(name, encode=True, max_rows=n) -> (X, y, task)``.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn import datasets as sklearn_datasets
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split

from ensprune import EnsemblePruner, datasets, prune, refine_leaves
from ensprune.members import open_members

OWN = ("flights", "concrete", "hpc", "lending_club")
SKLEARN = ("breast_cancer", "digits", "wine", "diabetes")
REGRESSION = ("concrete", "diabetes")
COLUMNS = ("cut", "refined", "fresh", "f+ref")


def tables(max_rows: int, more: Path | None) -> Iterator[tuple[str, Any, np.ndarray, bool]]:
    """Name, rows (dense or sparse), labels or values, and whether it is a regression."""
    for module, names in ((datasets, OWN), (sklearn_datasets, SKLEARN)):
        for name in names:
            X, y = getattr(module, f"load_{name}")(return_X_y=True)
            rows = np.random.default_rng(0).permutation(len(y))[:max_rows]
            yield name, np.asarray(X, dtype=np.float32)[rows], y[rows], name in REGRESSION
    if more is not None:
        spec = importlib.util.spec_from_file_location("more_tables", more)
        assert spec is not None
        assert spec.loader is not None
        loader = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loader)
        packed = {"flights", "concrete", "hpc_data", "lending_club", *SKLEARN}
        for name in loader.NAMES:
            if name in packed:
                continue
            X, y, task = loader.load(name, encode=True, max_rows=max_rows)
            yield name, X, y, task == "regression"


def scores(forest: Any, X: Any, y: np.ndarray) -> tuple[float, float]:
    """Brier score and error, or the mean squared error twice."""
    if not hasattr(forest, "classes_"):
        loss = float(((forest.predict(X) - y) ** 2).mean())
        return loss, loss
    proba = forest.predict_proba(X)
    assert proba.min() >= 0
    assert np.allclose(proba.sum(axis=1), 1)
    hot = y[:, None] == forest.classes_
    return float(((proba - hot) ** 2).sum(axis=1).mean()), float((forest.predict(X) != y).mean())


def compare(
    X: Any, y: np.ndarray, regression: bool, seed: int, min_leaf: int, sizes: list[int]
) -> Iterator[dict[str, Any]]:
    stratify = None if regression else y
    split = train_test_split(X, y, test_size=1 / 3, random_state=seed, stratify=stratify)
    X_train, X_test, y_train, y_test = split
    family = RandomForestRegressor if regression else RandomForestClassifier
    full = family(200, min_samples_leaf=min_leaf, random_state=seed).fit(X_train, y_train)
    loss, error = scores(full, X_test, y_test)
    members = open_members(full)
    for size in sizes:
        start = time.perf_counter()
        pruner = EnsemblePruner(
            FrozenEstimator(full),
            target_size=size,
            validation="oob",
            refine="leaves",
            random_state=0,
        ).fit(X_train, y_train)
        fresh = members.subset(np.arange(size))
        forests = {
            "cut": prune(full, X_train, y_train, target_size=size, validation="oob"),
            "refined": pruner.pruned_estimator_,
            "fresh": fresh,
            "f+ref": refine_leaves(
                fresh, X_train, y_train, validation="oob", teacher=full, random_state=0
            ),
        }
        row: dict[str, Any] = {"min_leaf": min_leaf, "size": size, "seed": seed}
        row["full_loss"], row["full_error"] = loss, error
        for name, forest in forests.items():
            row[f"loss {name}"], row[f"error {name}"] = scores(forest, X_test, y_test)
        strength = pruner.refinement_.strength
        row["damping"], row["shrinkage"] = strength.damping, strength.shrinkage
        row["trust"], row["taught"] = strength.trust, int(strength.taught)
        row["step"] = strength.step
        row["seconds"] = time.perf_counter() - start
        yield row


def line(row: dict[str, Any]) -> str:
    parts = [f"{row['set']:<14} {row['min_leaf']:>4} {row['size']:>4} {row['seed']:>4}"]
    for kind in ("loss", "error"):
        full = row[f"full_{kind}"]
        ratios = [row[f"{kind} {name}"] / full if full > 0 else np.nan for name in COLUMNS]
        parts.append(f"{full:>10.4g} " + " ".join(f"{ratio:>7.3f}" for ratio in ratios))
    parts.append(
        f"{row['damping']:>6g} {row['shrinkage']:>5g} {row['trust']:>5g} {row['taught']:>4} {row['step']:>4g} {row['seconds']:>5.0f}s"
    )
    return " ".join(parts)


def share(better: pd.Series) -> str:
    return f"{int(better.sum())} of {len(better)} ({100 * better.mean():.0f} %)"


def summary(table: pd.DataFrame) -> None:
    for (min_leaf, size), rows in table.groupby(["min_leaf", "size"]):
        print(f"\nmin_samples_leaf={min_leaf}, 200 trees cut to {size}; over {len(rows)} pairs")
        for kind in ("loss", "error"):
            refined, full = rows[f"{kind} refined"], rows[f"full_{kind}"]
            means = rows.groupby("set")[[f"{kind} refined", f"{kind} cut"]].mean()
            worst = (means[f"{kind} refined"] / means[f"{kind} cut"].clip(lower=1e-12)).max()
            print(
                f"  {kind:<5} refined below the full forest's {share(refined < full)}; "
                f"below fresh trees' {share(refined < rows[f'{kind} fresh'])}, cut alone "
                f"{share(rows[f'{kind} cut'] < rows[f'{kind} fresh'])}; below fresh refitted "
                f"trees' {share(refined < rows[f'{kind} f+ref'])}; worst set {worst:.3f} of the cut"
            )
            for name in COLUMNS:
                ratio = rows[f"{kind} {name}"] / full
                ratio = ratio[(ratio > 0) & np.isfinite(ratio)]
                print(f"        {name:<8} {np.exp(np.log(ratio).mean()):.3f} of the full forest's")


def measure(options: argparse.Namespace) -> None:
    """Write what is not in the file yet."""
    path = options.results
    done: set[tuple[str, int, int]] = set()
    if path.exists():
        known = pd.read_csv(path)
        done = set(zip(known["set"], known["seed"], known["min_leaf"], strict=True))
    print(heading())
    for seed in range(options.seeds):
        for name, X, y, regression in tables(options.max_rows, options.more):
            for min_leaf in options.min_leaf:
                if (name, seed, min_leaf) in done:
                    continue
                found = compare(X, y, regression, seed, min_leaf, options.sizes)
                rows = [{"set": name, **row} for row in found]
                for row in rows:
                    print(line(row), flush=True)
                pd.DataFrame(rows).to_csv(path, mode="a", header=not path.exists(), index=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--more", type=Path, help="a Python file that loads further sets")
    parser.add_argument("--max-rows", type=int, default=5000, help="of each set")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20, 10])
    parser.add_argument("--min-leaf", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--results", type=Path, default=Path("refine.csv"))
    parser.add_argument("--report", action="store_true", help="measure nothing, read the results")
    options = parser.parse_args()

    if not options.report:
        measure(options)
    table = pd.read_csv(options.results)
    print(heading())
    for row in table.to_dict("records"):
        print(line(row))
    summary(table)


def heading() -> str:
    names = " ".join(f"{name:>7}" for name in COLUMNS)
    return (
        f"{'set':<14} leaf size seed {'full loss':>10} {names} {'full error':>10} {names} "
        f"{'damp':>6} {'shr':>5} {'trust':>5} {'tau':>4} {'step':>4}"
    )


if __name__ == "__main__":
    main()
