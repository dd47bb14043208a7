"""What holding rows out costs a voting model, against judging its members out of fold.

Ten learners of different kinds vote, are trained on the same rows and cut to five, three and two:
once with a quarter of the rows held out to choose by, once out of fold, where all rows train what
is kept. Printed is the test loss (Brier score or squared error) with the hold-out over that out of
fold: above 1 out of fold is better. Beside it, the full vote of learners trained on all rows over
the cut out of fold.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from quality_sets import load_split, set_names
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from ensprune import EnsemblePruner

SIZES = (5, 3, 2)
HOLD_OUT = 0.25


def vote(classifies: bool, seed: int) -> Any:
    """Ten learners, some of which are much better than others."""
    tree: Any = DecisionTreeClassifier if classifies else DecisionTreeRegressor
    forest: Any = RandomForestClassifier if classifies else RandomForestRegressor
    extra: Any = ExtraTreesClassifier if classifies else ExtraTreesRegressor
    near: Any = KNeighborsClassifier if classifies else KNeighborsRegressor
    seeded = {"random_state": seed}
    learners = [
        LogisticRegression(max_iter=1000) if classifies else Ridge(),
        GaussianNB() if classifies else Ridge(100.0),
        near(5),
        near(25),
        tree(max_depth=3, **seeded),
        tree(max_depth=6, **seeded),
        tree(min_samples_leaf=5, **seeded),
        extra(15, min_samples_leaf=2, **seeded),
        forest(15, min_samples_leaf=2, **seeded),
        forest(15, max_features=0.8, min_samples_leaf=5, **seeded),
    ]
    named = [(f"m{i}", make_pipeline(StandardScaler(), one)) for i, one in enumerate(learners)]
    return VotingClassifier(named, voting="soft") if classifies else VotingRegressor(named)


def loss(model: Any, X: np.ndarray, y: np.ndarray) -> float:
    if not hasattr(model, "classes_"):
        return float(np.mean((model.predict(X) - y) ** 2))
    said = model.predict_proba(X)
    return float(np.mean(np.sum((said - (y[:, None] == model.classes_)) ** 2, axis=1)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--more", type=Path, help="a folder of Parquet files with __target__")
    parser.add_argument("--sets", nargs="+", help="only these")
    parser.add_argument("--rows", type=int, default=1500, help="training rows at most")
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()

    print(f"{'':16}{'hold-out / out of fold':>24}{'full vote / out of fold':>28}")
    print(f"{'members':16}" + 2 * f"{SIZES[0]:>12}{SIZES[1]:>8}{SIZES[2]:>8}")
    ratios = []
    for name in options.sets or set_names(options.more):
        for seed in range(options.seeds):
            split = load_split(name, options.more, options.rows, seed)
            if split is None:
                continue
            model = vote(split.classifies, seed)
            pruners = [
                EnsemblePruner(
                    model, target_size=max(SIZES), validation=validation, random_state=seed
                ).fit(split.X, split.y)
                for validation in (HOLD_OUT, "oob")
            ]
            held, apart = (
                np.array([loss(p.at(size), split.X_test, split.y_test) for size in SIZES])
                for p in pruners
            )
            full = loss(pruners[1].estimator_, split.X_test, split.y_test)
            ratios.append(np.concatenate([held / apart, full / apart]))
            print(f"{name + ' ' + str(seed):16}" + _row(ratios[-1]), flush=True)
    found = np.array(ratios)
    print(f"{'geometric mean':16}" + _row(np.exp(np.log(found).mean(axis=0))))
    wins = "".join(
        f"{n:>12}" if i % 3 == 0 else f"{n:>8}" for i, n in enumerate((found > 1).sum(axis=0))
    )
    print(f"{f'above 1 of {len(found)}':16}{wins}")


def _row(values: np.ndarray) -> str:
    return "".join(f"{v:>12.3f}" if i % 3 == 0 else f"{v:>8.3f}" for i, v in enumerate(values))


if __name__ == "__main__":
    main()
