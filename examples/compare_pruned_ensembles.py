"""Compare pruned ensembles with the full ones and with simply training fewer members.

Six ensembles on four real data sets. Every competitor gets the same training rows: where the
pruner needs validation rows, it takes them out of those. The table shows size, prediction time and
the test score of

- full: all members;
- pruned: K members chosen by ensprune;
- first K and random K: K members of the full ensemble, not chosen by anything;
- retrained: the honest baseline, a new ensemble of K members fitted on all training rows. Boosting
  gets a higher learning rate and stacking its best K learners, both chosen on validation rows.

Run it from anywhere: ``python compare_pruned_ensembles.py --help`` lists the options.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import LabelEncoder

from ensprune.comparison import Comparison, Task, compare, families, row_groups, split, table
from ensprune.datasets import load_concrete, load_flights, load_hpc, load_lending_club

# name -> loader, scikit-learn scoring, how the table calls it
DATASETS: dict[str, tuple[Callable[..., Any], str, str]] = {
    "flights": (load_flights, "roc_auc", "ROC AUC"),
    "hpc": (load_hpc, "accuracy", "accuracy"),
    "concrete": (load_concrete, "r2", "R2"),
    "lending_club": (load_lending_club, "roc_auc", "ROC AUC"),
}

# --- data ----------------------------------------------------------------------------------------


def prepare(name: str, n_train: int, seed: int) -> Task:
    """Load a data set and split it: at most ``n_train`` rows to train on, the rest to test on."""
    loader, scoring, metric = DATASETS[name]
    X, y = loader(return_X_y=True)
    if y.dtype.kind == "U":
        y = LabelEncoder().fit_transform(y)  # XGBoost wants numbers
    groups = row_groups(X)
    train, test = split(groups, min(n_train, 3 * len(X) // 4), seed)
    # GradientBoosting takes no NaN; all get the same rows.
    imputer = SimpleImputer(strategy="median").fit(X[train])
    return Task(
        name,
        scoring,
        metric,
        X_train=imputer.transform(X[train]),
        y_train=y[train],
        X_test=imputer.transform(X[test]),
        y_test=y[test],
        groups=groups[train],
    )


# --- figure --------------------------------------------------------------------------------------


def figure(comparisons: Sequence[Comparison], path: Path) -> bool:
    """Write a figure, a panel per data set; False where matplotlib is missing."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        return False
    names = list(dict.fromkeys(row.dataset for row in comparisons))
    n_columns = min(2, len(names))
    n_rows = -(-len(names) // n_columns)
    with plt.rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        fig, axes = plt.subplots(
            n_rows,
            n_columns,
            figsize=(5.3 * n_columns, 3.1 * n_rows + 1.1),
            squeeze=False,
            layout="constrained",
        )
        for ax in axes.flat[len(names) :]:
            ax.set_visible(False)
        for ax, name in zip(axes.flat, names):
            panel(ax, [row for row in comparisons if row.dataset == name])
        handles, labels = axes.flat[0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
        fig.suptitle(
            "Test score of the whole ensemble and of K of its members; further right is better",
            fontweight="bold",
            fontsize=11.5,
        )
        fig.savefig(path, dpi=100)
        plt.close(fig)
    return True


def panel(ax: Any, rows: Sequence[Comparison]) -> None:
    """One data set: a line per ensemble, a marker per competitor."""
    grey = "#9aa0a6"
    styles: dict[str, dict[str, Any]] = {
        "random K": {"marker": "x", "color": grey, "s": 34, "linewidth": 1.4},
        "first K": {"marker": "s", "facecolor": "none", "edgecolor": grey, "s": 62},
        "retrained": {"marker": "D", "color": "#e07b39", "s": 32},
        "pruned": {"marker": "o", "color": "#1f5fa8", "s": 58},
        "full": {"marker": "|", "color": "black", "s": 190, "linewidth": 2.2},
    }
    labels = {"full": "full ensemble", "retrained": "K retrained on all rows"}
    # Random stages of a boosted sum can be far worse than all else: those go to the edge.
    seen = [row.scores[name] for row in rows for name in ("full", "pruned", "retrained")]
    low, high = min(seen), max(seen)
    margin = 0.12 * (high - low) + 1e-3
    left = low - margin
    height = np.arange(len(rows))[::-1]
    ax.hlines(height, left, high + margin, color="#ececec", linewidth=1, zorder=0)
    for order, (name, style) in enumerate(styles.items()):
        scores = np.array([row.scores[name] for row in rows])
        inside = scores >= left
        ax.scatter(
            scores[inside],
            height[inside],
            label=labels.get(name, name),
            zorder=2 + order,
            **style,
        )
        ax.scatter(
            np.full((~inside).sum(), left),
            height[~inside],
            marker="<",
            color=style.get("color", grey),
            s=26,
            clip_on=False,
            zorder=2,
        )
    ax.set_xlim(left, high + margin)
    ax.set_ylim(-0.6, len(rows) - 0.4)
    ax.set_yticks(height, [f"{row.ensemble}  {row.members[0]}→{row.members[1]}" for row in rows])
    ax.tick_params(axis="y", length=0, pad=8)
    ax.set_xlabel(rows[0].metric)
    ax.set_title(rows[0].dataset, loc="left", fontweight="bold", fontsize=11)
    beside = ax.get_yaxis_transform()
    for y, row in zip(height, rows):
        ax.text(1.03, y, f"{row.smaller:.1f}x smaller", transform=beside, va="center", fontsize=9)


# --- command line --------------------------------------------------------------------------------


def progress(comparisons: Iterable[Comparison], total: int) -> Iterator[Comparison]:
    """Hand results on behind a bar (tqdm) or, without tqdm, a line for each."""
    try:
        from tqdm import tqdm
    except ImportError:
        for number, done in enumerate(comparisons, 1):
            print(f"[{number}/{total}] {done.dataset}, {done.ensemble}", file=sys.stderr)
            yield done
        return
    with tqdm(total=total, desc="comparing", unit="ensemble", ncols=100) as bar:
        for done in comparisons:
            bar.set_postfix_str(f"{done.dataset}, {done.ensemble}", refresh=False)
            bar.update()
            yield done


def share(text: str) -> float:
    """A share of the members, from the command line."""
    number = float(text)
    if not 0 < number <= 1:
        raise argparse.ArgumentTypeError(
            f"{text} is no share; give a number in (0, 1], such as 0.1"
        )
    return number


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", nargs="+", choices=DATASETS, default=list(DATASETS))
    parser.add_argument(
        "--size",
        type=share,
        help="share of the members to keep (default: a tenth of Bagging and RandomForest, a fifth of "
        "AdaBoost, a third of the other boosted ones, half of Stacking)",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("compare_pruned_ensembles.png"), help="the figure"
    )
    parser.add_argument("--rows", type=int, default=2000, help="training rows at most")
    parser.add_argument("--jobs", type=int, default=2, help="comparisons at the same time")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if options.rows < 100:
        parser.error(f"argument --rows: {options.rows} are too few; give 100 or more")
    if options.jobs == 0:
        parser.error("argument --jobs: give 1 or more, or -1 for all processors")
    if not options.output.parent.is_dir():
        parser.error(f"argument --output: there is no folder {options.output.parent}")

    tasks = [prepare(name, options.rows, options.seed) for name in options.datasets]
    steps = [
        delayed(compare)(task, family, options.size or family.share, options.seed)
        for task in tasks
        for family in families(task.y_train.dtype.kind == "i", options.seed).values()
    ]
    results = Parallel(n_jobs=options.jobs, return_as="generator")(steps)
    comparisons = list(progress(results, len(steps)))
    print(table(comparisons))
    if figure(comparisons, options.output):
        print(f"\nfigure: {options.output}")
    else:
        print("\nno figure: matplotlib is not installed")


if __name__ == "__main__":
    main()
