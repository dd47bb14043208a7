"""How good can a forest of so many bytes, or of such a speed, be?

For real data sets, classification and regression, and several splits: RandomForest(256) and every way
to a smaller model of it: fewer trees, shallower trees (``max_depth``, ``max_leaf_nodes``,
``ccp_alpha``), pruning members, re-fitting the leaves of the kept ones, compacting their trees, all of
these together (``shrink``), and distilling into a student. All see the same training rows, nothing else:
pruning and compaction judge out of bag, the full forest teaches the leaves, and of several numbers of
members that are compacted to the same bytes those are taken that are best out of bag.

Writes a CSV line per model as it goes and goes on from there when started again; then a figure per set,
test score against bytes and against time. Prints, for the classification sets, at 5 % of the bytes of
the full forest and for every way, in how many (set, split) pairs the test accuracy is within 0.5 points
of the full forest's: of all pairs, and of those with so many rows to test on that half a point is more
than one of them.
"""

from __future__ import annotations

import argparse
import csv
import pickle
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from ensprune import EnsemblePruner, distill, refine_leaves, shrink
from ensprune.compaction import compaction_path
from ensprune.datasets import load_concrete, load_flights, load_hpc, load_lending_club

DATASETS: dict[str, Callable[..., Any]] = {
    "flights": load_flights,
    "hpc": load_hpc,
    "lending_club": load_lending_club,
    "digits": load_digits,
    "breast_cancer": load_breast_cancer,
    "wine": load_wine,
    "concrete": load_concrete,
    "diabetes": load_diabetes,
}
N_TREES = 256
SIZES = (4, 8, 16, 32, 64, 128)  # members kept
REFINED = (8, 16, 32)  # of these, those whose leaves are fitted anew, which takes longest
BYTES = (0.025, 0.05, 0.1)  # shares of the full forest's pickle
REACH = 0.05, 0.005  # bytes at most, accuracy lost at most
MANY = 400  # rows to test on
FIELDS = (
    *("set", "seed", "n_test", "way", "setting", "bytes", "seconds", "score"),
    *("full_bytes", "full_score"),
)


@dataclass(frozen=True)
class Split:
    """One data set, split once."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    seed: int
    shares: tuple[float, ...] = BYTES

    @property
    def classifies(self) -> bool:
        return self.y.dtype.kind != "f"

    def forest(self, n_trees: int = N_TREES, **params: Any) -> Any:
        kind = RandomForestClassifier if self.classifies else RandomForestRegressor
        return kind(n_trees, random_state=self.seed, **params)

    @cached_property
    def full(self) -> Any:
        return self.forest().fit(self.X, self.y)

    @cached_property
    def pruner(self) -> EnsemblePruner:
        """The forest's path of pruning; fitting it again gives the same trees."""
        pruner = EnsemblePruner(self.forest(), target_size=max(SIZES), validation="oob")
        return pruner.fit(self.X, self.y)

    @cached_property
    def compacted(self) -> dict[float, list[Any]]:
        """Compacted forests of each share of bytes, of once to five times as many members as fit whole."""
        limits = {share: share * n_bytes(self.full) for share in self.shares}
        found: dict[float, list[Any]] = {share: [] for share in self.shares}
        for size in SIZES[:-1]:
            todo = [
                share
                for share in sorted(limits, reverse=True)
                if 1 <= size / (share * N_TREES) < 5.5
            ]
            path = compaction_path(self.pruner.at(size), self.X, self.y, validation="oob")
            for point in path:
                while todo and n_bytes(point.estimator) <= limits[todo[0]]:
                    found[todo.pop(0)].append(point)
                if not todo:
                    break
        return {share: points for share, points in found.items() if points}


def n_bytes(model: Any) -> int:
    return len(pickle.dumps(model, protocol=5))


def load(name: str, n_rows: int, seed: int, shares: tuple[float, ...] = BYTES) -> Split:
    """A set of that name, or a CSV file whose last column is the target; without missing values."""
    if name in DATASETS:
        X, y = DATASETS[name](return_X_y=True)
    else:
        frame = pd.read_csv(name)
        X, y = frame.iloc[:, :-1].select_dtypes("number").to_numpy(), frame.iloc[:, -1].to_numpy()
    X = np.asarray(X, dtype=np.float64)
    classifies = y.dtype.kind != "f" or len(np.unique(y)) < 20
    y = np.unique(y, return_inverse=True)[1] if classifies else y
    parts = train_test_split(
        X,
        y,
        train_size=min(n_rows, int(0.7 * len(X))),
        random_state=seed,
        stratify=y if classifies else None,
    )
    imputer = SimpleImputer(strategy="median").fit(parts[0])
    at_most = 5 * n_rows
    X_test, y_test = imputer.transform(parts[1])[:at_most], parts[3][:at_most]
    return Split(imputer.transform(parts[0]), parts[2], X_test, y_test, seed, shares)


# --- ways to a smaller model: (setting, fitted model) ---------------------------------------------

Models = Iterator[tuple[str, Any]]


def full(split: Split) -> Models:
    yield "", split.full


def fewer_trees(split: Split) -> Models:
    for size in SIZES:
        yield f"n_estimators={size}", split.forest(size).fit(split.X, split.y)


def shallower_trees(split: Split) -> Models:
    spread = 0.5 if split.classifies else np.var(split.y)
    settings: list[tuple[str, Any]] = [
        *(("max_depth", depth) for depth in (4, 8, 12)),
        *(("max_leaf_nodes", leaves) for leaves in (8, 32, 128)),
        *(("ccp_alpha", share * spread) for share in (0.001, 0.01)),
    ]
    for name, value in settings:
        yield f"{name}={value:g}", split.forest(**{name: value}).fit(split.X, split.y)


def pruned(split: Split) -> Models:
    for size in SIZES:
        yield f"members={size}", split.pruner.at(size)


def pruned_leaves(split: Split) -> Models:
    for size in REFINED:
        cut = split.pruner.at(size)
        yield (
            f"members={size}",
            refine_leaves(
                *(cut, split.X, split.y),
                validation="oob",
                teacher=split.full,
                random_state=split.seed,
            ),
        )


def pruned_compacted(split: Split) -> Models:
    for share, points in split.compacted.items():
        forest = max(points, key=lambda point: point.score).estimator
        yield f"bytes={share:g} members={len(forest)}", forest


def all_together(split: Split) -> Models:
    for share in split.shares:
        forest = shrink(
            *(split.full, split.X, split.y),
            target_size=share,
            validation="oob",
            random_state=split.seed,
        )
        yield f"bytes={share:g} members={len(forest)}", forest


def distilled(split: Split) -> Models:
    tree: Any = DecisionTreeClassifier if split.classifies else DecisionTreeRegressor
    for leaves in (32, 256):
        student = tree(max_leaf_nodes=leaves, random_state=split.seed)
        yield (
            f"tree leaves={leaves}",
            distill(split.full, split.X, student, random_state=split.seed),
        )
    for size, leaves in product((10, 30), (100, 400)):
        student = split.forest(size, max_leaf_nodes=leaves)
        found = distill(split.full, split.X, student, random_state=split.seed)
        yield f"forest trees={size} leaves={leaves}", found


WAYS: dict[str, Callable[[Split], Models]] = {
    "full": full,
    "fewer trees": fewer_trees,
    "shallower trees": shallower_trees,
    "pruned": pruned,
    "pruned + leaves": pruned_leaves,
    "pruned + compacted": pruned_compacted,
    "shrink": all_together,
    "distilled": distilled,
}

# --- measuring -----------------------------------------------------------------------------------


def seconds(model: Any, X: np.ndarray, repeats: int = 5) -> float:
    """Seconds of ``predict`` per 1,000 rows: the least of several."""
    X = np.resize(X, (1000, X.shape[1]))
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        model.predict(X)
        taken.append(time.perf_counter() - start)
    return min(taken)


def measure(
    names: list[str],
    ways: list[str],
    n_rows: int,
    seeds: range,
    shares: tuple[float, ...],
    path: Path,
) -> None:
    """Write what is not in the file yet."""
    known = (
        pd.read_csv(path, keep_default_na=False) if path.exists() else pd.DataFrame(columns=FIELDS)
    )
    done = set(zip(known["set"], known["seed"], known["way"], strict=True))
    units = [(name, seed) for seed in seeds for name in names]
    for number, (name, seed) in enumerate(units, 1):
        todo = [way for way in ways if (name, seed, way) not in done]
        if not todo:
            continue
        split = load(name, n_rows, seed, shares)
        size = n_bytes(split.full)
        score = split.full.score(split.X_test, split.y_test)
        for way in todo:
            start = time.perf_counter()
            rows = [
                {
                    "set": name,
                    "seed": seed,
                    "n_test": len(split.y_test),
                    "way": way,
                    "setting": setting,
                    "bytes": n_bytes(model),
                    "seconds": f"{seconds(model, split.X_test):.6f}",
                    "score": f"{model.score(split.X_test, split.y_test):.5f}",
                    "full_bytes": size,
                    "full_score": f"{score:.5f}",
                }
                for setting, model in WAYS[way](split)
            ]
            with path.open("a", newline="") as stream:
                writer = csv.DictWriter(stream, FIELDS)
                if stream.tell() == 0:
                    writer.writeheader()
                writer.writerows(rows)
            spent = time.perf_counter() - start
            print(f"[{number}/{len(units)}] {name} {seed} {way}: {spent:.1f} s", file=sys.stderr)


# --- report --------------------------------------------------------------------------------------


def report(results: pd.DataFrame) -> str:
    """How each way fares at shares of the full forest's bytes, over (set, split) pairs."""
    results = results[results["way"] != "full"].copy()
    results["share"] = results["bytes"] / results["full_bytes"]
    results["lost"] = results["full_score"] - results["score"]
    classifies = [name for name in results["set"].unique() if name not in ("concrete", "diabetes")]
    results = results[results["set"].isin(classifies)]
    pairs = results[["set", "seed"]].drop_duplicates().shape[0]
    lines = [
        f"accuracy lost against RandomForest({N_TREES}), points: median over {pairs} (set, split) "
        "pairs of the largest",
        "model within the bytes (of one way's settings the one nearest below)",
        f"{'way':30}"
        + "".join(f"{share:>9.1%}" for share in BYTES)
        + f"{'reach: pairs':>18}{f'of >= {MANY} rows':>18}{'sets':>9}",
    ]
    for way in WAYS:
        if way == "full" or way not in set(results["way"]):
            continue
        cells = []
        for share in BYTES:
            largest = within(results[results["way"] == way], share)
            cells.append(f"{100 * largest['lost'].median():>9.2f}" if len(largest) else f"{'-':>9}")
        largest = within(results[results["way"] == way], REACH[0])
        kept = int((largest["lost"] <= REACH[1] + 1e-9).sum())
        means = largest.groupby("set")["lost"].mean()
        sets = int((means <= REACH[1] + 1e-9).sum())
        many = largest[largest["n_test"] >= MANY]
        kept_of_many = int((many["lost"] <= REACH[1] + 1e-9).sum())
        reached = (
            f"{kept} of {pairs}",
            f"{kept_of_many} of {len(many)}",
            f"{sets} of {len(classifies)}",
        )
        lines.append(
            f"{way:30}" + "".join(cells) + f"{reached[0]:>18}{reached[1]:>18}{reached[2]:>9}"
        )
    lines.append(
        f"reach: pairs in which at {REACH[0]:.0%} of the bytes at most {100 * REACH[1]:.1f} points "
        f"are lost, of them those with {MANY} rows to test on, and sets in which they are in the mean "
        "over splits"
    )
    return "\n".join(lines)


def within(rows: pd.DataFrame, share: float) -> pd.DataFrame:
    """Of each pair the largest model of at most this share of bytes; no test score chooses."""
    fitting = rows[rows["share"] <= share]
    return fitting.loc[fitting.groupby(["set", "seed"])["share"].idxmax()]


def figure(results: pd.DataFrame, name: str, folder: Path) -> Path:
    """Test score against bytes and time, relative to the full forest, the mean over splits."""
    import matplotlib.pyplot as plt

    rows = results[results["set"] == name].copy()
    fulls = rows[rows["way"] == "full"].set_index("seed")
    rows["bytes"] = rows["bytes"] / rows["full_bytes"]
    rows["seconds"] = rows["seconds"] / rows["seed"].map(fulls["seconds"])
    # The settings of the compacted name their members, which differ between splits.
    rows["setting"] = rows["setting"].str.replace(r"(bytes=\S+) .*", r"\1", regex=True)
    means = rows.groupby(["way", "setting"])[["bytes", "seconds", "score"]].mean().reset_index()
    styles = {
        "fewer trees": ("#9aa0a6", "s"),
        "shallower trees": ("#c8b273", "x"),
        "pruned": ("#1f5fa8", "o"),
        "pruned + leaves": ("#5fa8d3", "o"),
        "pruned + compacted": ("#2e8b57", "^"),
        "shrink": ("#c0392b", "^"),
        "distilled": ("#e07b39", "D"),
    }
    with plt.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        fig, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True, layout="constrained")
        best = means.loc[means["way"] == "full", "score"].iloc[0]
        shown = means[means["way"].isin(["fewer trees", "pruned", "full"])]["score"]
        for ax, column in zip(axes, ("bytes", "seconds"), strict=True):
            ax.axhline(best, color="black", linewidth=1, linestyle=":", label="full forest")
            for way, (color, marker) in styles.items():
                curve = means[means["way"] == way].sort_values(column)
                line = "none" if way in ("shallower trees", "distilled") else "-"
                ax.plot(
                    curve[column],
                    curve["score"],
                    linestyle=line,
                    marker=marker,
                    color=color,
                    label=way,
                    ms=4.5,
                )
            ax.set_xscale("log")
            ax.set_xlabel(f"{column} / full forest's")
            spread = shown.max() - shown.min()
            ax.set_ylim(shown.min() - 0.25 * spread, max(means["score"].max(), best) + 0.1 * spread)
        axes[0].set_ylabel("test score")
        fig.suptitle(name, fontweight="bold", x=0.02, ha="left")
        handles, labels = axes[0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
        path = folder / f"frontier_{Path(name).stem}.png"
        fig.savefig(path, dpi=90)
        plt.close(fig)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", nargs="+", choices=DATASETS, default=list(DATASETS))
    parser.add_argument("--csv", nargs="*", default=[], help="more sets: files, target column last")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--rows", type=int, default=1000, help="training rows at most")
    parser.add_argument("--seeds", type=int, default=3, help="splits of each set")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument(
        "--shares",
        nargs="+",
        type=float,
        default=BYTES,
        help="of the bytes, to compact and shrink to",
    )
    parser.add_argument("--results", type=Path, default=Path("frontier.csv"))
    parser.add_argument("--figures", type=Path, default=Path("."), help="folder of the figures")
    parser.add_argument("--report", action="store_true", help="measure nothing, read the results")
    options = parser.parse_args()

    names = [*options.datasets, *options.csv]
    if not options.report:
        seeds = range(options.first_seed, options.first_seed + options.seeds)
        shares = tuple(options.shares)
        measure(names, options.ways, options.rows, seeds, shares, options.results)
    results = pd.read_csv(options.results, keep_default_na=False)
    print(report(results))
    fulls = results[results["way"] == "full"]
    try:
        for name in fulls["set"].unique():
            print("figure:", figure(results, name, options.figures))
    except ImportError:
        print("no figures: matplotlib is not installed")


if __name__ == "__main__":
    main()
