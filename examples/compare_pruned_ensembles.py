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
import pickle
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import get_scorer
from sklearn.model_selection import GroupShuffleSplit
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, StandardScaler
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from xgboost import XGBClassifier, XGBRegressor

from ensprune import EnsemblePruner
from ensprune.datasets import load_concrete, load_flights, load_hpc, load_lending_club
from ensprune.members import open_members

# name -> loader, scikit-learn scoring, how the table calls it
DATASETS: dict[str, tuple[Callable[..., Any], str, str]] = {
    "flights": (load_flights, "roc_auc", "ROC AUC"),
    "hpc": (load_hpc, "accuracy", "accuracy"),
    "concrete": (load_concrete, "r2", "R2"),
    "lending_club": (load_lending_club, "roc_auc", "ROC AUC"),
}
Judge = Callable[[BaseEstimator], float]
COMPETITORS = ("full", "pruned", "first K", "random K", "retrained")


@dataclass(frozen=True)
class Task:
    """One data set, split; ``groups`` numbers the distinct training rows."""

    name: str
    scoring: str
    metric: str
    X_train: np.ndarray
    y_train: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    groups: np.ndarray

    @property
    def classifies(self) -> bool:
        return self.y_train.dtype.kind == "i"

    def score(self, estimator: BaseEstimator) -> float:
        return get_scorer(self.scoring)(estimator, self.X_test, self.y_test)


@dataclass(frozen=True)
class Family:
    """An ensemble, the share of members to keep, and the honest baseline.

    ``retrained(k, judge)`` gives an unfitted ensemble of ``k`` members; ``judge`` tells the
    validation score of an unfitted candidate, greater is better.
    """

    name: str
    ensemble: BaseEstimator
    share: float
    retrained: Callable[[int, Judge], BaseEstimator]
    n_draws: int = 1  # ensembles whose mean score is the baseline's

    def draws(self, seed: int) -> list[dict[str, int]]:
        """Parameters that make each baseline another draw."""
        if self.n_draws == 1:
            return [{}]
        return [{"random_state": seed + 1 + draw} for draw in range(self.n_draws)]


@dataclass(frozen=True)
class Comparison:
    """One line of the table."""

    dataset: str
    metric: str
    ensemble: str
    members: tuple[int, int]  # full, pruned
    size: tuple[int, int]  # bytes
    seconds: tuple[float, float]
    scores: dict[str, float]

    @property
    def smaller(self) -> float:
        return self.size[0] / self.size[1]

    @property
    def faster(self) -> float:
        return self.seconds[0] / self.seconds[1]


# --- data ----------------------------------------------------------------------------------------


def split(X: np.ndarray, groups: np.ndarray, n_train: int, seed: int) -> Any:
    """Row numbers of two parts in random order; copies of a row stay together."""
    share = 1 - n_train / len(X)
    parts = next(GroupShuffleSplit(1, test_size=share, random_state=seed).split(X, groups=groups))
    # It keeps the order of the file, which cross-validation inside stacking must not see.
    return [np.random.default_rng(seed).permutation(part) for part in parts]


def prepare(name: str, n_train: int, seed: int) -> Task:
    """Load a data set and split it: at most ``n_train`` rows to train on, the rest to test on."""
    loader, scoring, metric = DATASETS[name]
    X, y = loader(return_X_y=True)
    if y.dtype.kind == "U":
        y = LabelEncoder().fit_transform(y)  # XGBoost wants numbers
    groups = pd.util.hash_pandas_object(pd.DataFrame(X), index=False).to_numpy()
    train, test = split(X, groups, min(n_train, 3 * len(X) // 4), seed)
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


# --- ensembles -----------------------------------------------------------------------------------


def families(classifies: bool, seed: int) -> list[Family]:
    """The six ensembles; averages are cut to a tenth, the others less."""
    if classifies:
        tree: Any = DecisionTreeClassifier
        bagging: Any = BaggingClassifier
        forest: Any = RandomForestClassifier
        ada: Any = AdaBoostClassifier
        boosting: Any = GradientBoostingClassifier
        xgb: Any = XGBClassifier
    else:
        tree, bagging, forest = DecisionTreeRegressor, BaggingRegressor, RandomForestRegressor
        ada, boosting, xgb = AdaBoostRegressor, GradientBoostingRegressor, XGBRegressor

    boosted_tree = tree(max_depth=4 if classifies else 8, random_state=seed)
    return [
        averaging("Bagging", bagging(tree(), 100, random_state=seed)),
        averaging("RandomForest", forest(100, min_samples_leaf=2, random_state=seed)),
        summing(
            "AdaBoost",
            ada(boosted_tree, n_estimators=50, learning_rate=0.3, random_state=seed),
            share=1 / 5,
        ),
        summing(
            "GradientBoosting",
            boosting(n_estimators=100, max_features="sqrt", subsample=0.7, random_state=seed),
            share=1 / 3,
        ),
        summing(
            "XGBoost",
            xgb(n_estimators=100, learning_rate=0.1, n_jobs=1, random_state=seed),
            share=1 / 3,
        ),
        stacking(classifies, seed),
    ]


def averaging(name: str, ensemble: Any) -> Family:
    """Forests and bagging: fewer members are just fewer members."""

    def retrained(k: int, judge: Judge) -> BaseEstimator:
        return clone(ensemble).set_params(n_estimators=k)

    return Family(name, ensemble, 0.1, retrained, n_draws=5)


def summing(name: str, ensemble: Any, share: float) -> Family:
    """Boosting: fewer rounds want a higher learning rate."""

    def retrained(k: int, judge: Judge) -> BaseEstimator:
        rates = [factor * ensemble.learning_rate for factor in (1, 2, 3, 5)]
        candidates = [
            clone(ensemble).set_params(n_estimators=k, learning_rate=rate) for rate in rates
        ]
        return max(candidates, key=judge)

    return Family(name, ensemble, share, retrained)


def stacking(classifies: bool, seed: int) -> Family:
    """Six learners under a linear model."""
    if classifies:
        learners: dict[str, Any] = {
            "linear": make_pipeline(StandardScaler(), LogisticRegression(solver="newton-cholesky")),
            "bayes": GaussianNB(),
            "neighbours": make_pipeline(StandardScaler(), KNeighborsClassifier(15)),
            "tree": DecisionTreeClassifier(max_depth=6, random_state=seed),
            "forest": ExtraTreesClassifier(20, min_samples_leaf=3, random_state=seed),
            "boosting": XGBClassifier(n_estimators=30, n_jobs=1, random_state=seed),
        }
        kind: Any = StackingClassifier
        final: Any = LogisticRegression(solver="newton-cholesky")
    else:
        learners = {
            "linear": make_pipeline(StandardScaler(), Ridge()),
            "kernel": make_pipeline(StandardScaler(), SVR(C=50)),
            "neighbours": make_pipeline(StandardScaler(), KNeighborsRegressor()),
            "tree": DecisionTreeRegressor(max_depth=8, random_state=seed),
            "forest": ExtraTreesRegressor(20, random_state=seed),
            "boosting": XGBRegressor(n_estimators=30, n_jobs=1, random_state=seed),
        }
        kind, final = StackingRegressor, Ridge()

    def stack(names: Iterable[str]) -> Any:
        return kind([(name, learners[name]) for name in names], final_estimator=final, cv=3)

    def retrained(k: int, judge: Judge) -> BaseEstimator:
        return stack(sorted(learners, key=lambda name: judge(learners[name]), reverse=True)[:k])

    return Family("Stacking", stack(learners), 1 / 2, retrained)


# --- competitors ---------------------------------------------------------------------------------


def compare(task: Task, family: Family, share: float, seed: int) -> Comparison:
    """Fit, prune, and score all competitors on the test rows."""
    X, y = task.X_train, task.y_train
    pruner = EnsemblePruner(
        family.ensemble, target_size=share, scoring=task.scoring, random_state=seed
    )
    # Forests and bagging are judged out of bag: they saw all rows. The others gave a quarter away.
    saw_all = getattr(family.ensemble, "bootstrap", False)
    pruner.fit(X, y)
    full = pruner.estimator_ if saw_all else clone(family.ensemble).fit(X, y)
    pruned = pruner.pruned_estimator_
    k = pruner.n_members_

    members = open_members(full)
    members.set_training_data(X, y)  # for stacking: its final estimator is refitted
    rng = np.random.default_rng(seed)
    draws = [rng.choice(members.n_members, k, replace=False) for _ in range(5)]

    baseline = family.retrained(k, validation_judge(task, seed))
    retrained = [clone(baseline).set_params(**draw).fit(X, y) for draw in family.draws(seed)]
    seconds = predict_seconds([full, pruned], task.X_test)
    return Comparison(
        task.name,
        task.metric,
        family.name,
        members=(members.n_members, k),
        size=(len(pickle.dumps(full)), len(pickle.dumps(pruned))),
        seconds=(seconds[0], seconds[1]),
        scores={
            "full": task.score(full),
            "pruned": task.score(pruned),
            "first K": task.score(members.subset(np.arange(k))),
            "random K": float(np.mean([task.score(members.subset(draw)) for draw in draws])),
            "retrained": float(np.mean([task.score(fitted) for fitted in retrained])),
        },
    )


def validation_judge(task: Task, seed: int) -> Judge:
    """Score of an unfitted candidate: fitted on three quarters of the training rows."""
    fit, held_out = split(task.X_train, task.groups, 3 * len(task.X_train) // 4, seed)
    scorer = get_scorer(task.scoring)

    def judge(candidate: BaseEstimator) -> float:
        fitted = clone(candidate).fit(task.X_train[fit], task.y_train[fit])
        return scorer(fitted, task.X_train[held_out], task.y_train[held_out])

    return judge


def predict_seconds(fitted: Sequence[Any], X: np.ndarray, repeats: int = 3) -> list[float]:
    """Median seconds per call of ``predict``, taking turns so that all meet the same weather."""
    taken: list[list[float]] = [[] for _ in fitted]
    for _ in range(repeats):
        for times, estimator in zip(taken, fitted, strict=True):
            start = time.perf_counter()
            estimator.predict(X)
            times.append(time.perf_counter() - start)
    return [float(np.median(times)) for times in taken]


# --- report --------------------------------------------------------------------------------------


def table(comparisons: Sequence[Comparison]) -> str:
    """All comparisons as text, a block per data set; ``*`` marks the best with K members."""
    names = "".join(f"{name:>8} " for name in COMPETITORS).rstrip()
    header = [
        f"{'':25} |{'pickle':>16}{'':6} |{'predict, ms':>14}{'':5} |{'test score':>25}",
        f"{'ensemble':17}{'members':>8} |{'full':>8}{'pruned':>8}{'ratio':>6} |"
        f"{'full':>7}{'pruned':>7}{'ratio':>6} |{names}",
    ]
    lines = list(header)
    for number, row in enumerate(comparisons):
        if number == 0 or row.dataset != comparisons[number - 1].dataset:
            title = f"-- {row.dataset}, {row.metric} "
            lines.append(title.ljust(max(map(len, header)) + 1, "-"))
        lines.append(table_line(row))
    return "\n".join([*lines, "", *notes(comparisons)])


def table_line(row: Comparison) -> str:
    """One comparison as a line of the table."""
    best = max(round(row.scores[name], 3) for name in COMPETITORS[1:])
    scores = "".join(
        f"{row.scores[name]:>8.3f}"
        + ("*" if name != "full" and round(row.scores[name], 3) == best else " ")
        for name in COMPETITORS
    )
    milliseconds = "".join(f"{1000 * seconds:>7.1f}" for seconds in row.seconds)
    sizes = "".join(f"{byte_size(size):>8}" for size in row.size)
    return (
        f"{row.ensemble:17}{f'{row.members[0]}>{row.members[1]}':>8} |"
        f"{sizes}{row.smaller:>5.1f}x |{milliseconds}{row.faster:>5.1f}x |{scores}"
    ).rstrip()


def notes(comparisons: Sequence[Comparison]) -> list[str]:
    """What the columns are, and a count of who won."""

    def wins(kept: Iterable[str], over: str) -> str:
        rows = [row for row in comparisons if row.ensemble in kept]
        won = sum(row.scores["pruned"] > row.scores[over] for row in rows)
        return f"{won} of {len(rows)}"

    averages = ("Bagging", "RandomForest")
    boosted = ("AdaBoost", "GradientBoosting", "XGBoost")
    return [
        "Higher is better; * is the best with K members. retrained: K members fitted afresh on all",
        "training rows (Bagging, RandomForest: mean of 5 such; boosting: best of 4 learning rates;",
        "Stacking: best K learners). random K: mean of 5 draws. One split of the data: differences of",
        "0.01 and more may be chance, and other splits (--seed) count other winners.",
        f"pruned beats retrained: Bagging and RandomForest {wins(averages, 'retrained')}, "
        f"boosting {wins(boosted, 'retrained')}, Stacking {wins(['Stacking'], 'retrained')}.",
    ]


def byte_size(size: float) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


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


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", nargs="+", choices=DATASETS, default=list(DATASETS))
    parser.add_argument(
        "--size",
        type=float,
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

    tasks = [prepare(name, options.rows, options.seed) for name in options.datasets]
    steps = [
        delayed(compare)(task, family, options.size or family.share, options.seed)
        for task in tasks
        for family in families(task.classifies, options.seed)
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
