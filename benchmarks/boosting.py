"""Cut a boosting model, or boost anew for fewer rounds?

XGBoost, 200 rounds at a learning rate of 0.1, on real data sets, a third of the rows kept for testing,
brought down to 10, 25 and 50 % of its rounds in every way there is:

    first        the first rounds,
    prune        the default choice of stages, their weights fitted anew,
    prune+leaves the same with ``refine="leaves"``,
    retrain      as few rounds boosted anew, at the learning rate out of five that is best on a held-out
                 quarter, which is not trained on,
    ret+leaves   that one with its leaves refitted,
    born again   ``distill``: as few rounds at that rate, fitted to what the full model predicts,
    kept         what ``retrain=True, refine="leaves"`` keeps.

Each test loss (mean squared error or log-loss) is divided by that of the honest baseline: as few rounds
at the validated rate, trained on all rows. Below 1 is better. ``best rate`` is the best of the five
rates on the test rows themselves, which nobody can know; ``full`` the full model on all rows. Writes a
CSV line per case and goes on from there when started again. Further sets by ``--more``, as in
``refine.py``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from refine import tables
from sklearn.base import clone
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.model_selection import train_test_split
from xgboost import XGBClassifier, XGBRegressor

from ensprune import EnsemblePruner, distill
from ensprune.leaf_refinement import LeafRefinement
from ensprune.members import open_members
from ensprune.refine import Labelled, Opinion
from ensprune.retraining import rounds_of

ROUNDS = 200
SHARES = (0.1, 0.25, 0.5)
WAYS = (
    "first",
    "prune",
    "prune+leaves",
    "retrain",
    "ret+leaves",
    "born again",
    "kept",
    "best rate",
    "full",
)


def loss(model: Any, X: np.ndarray, y: np.ndarray) -> float:
    if hasattr(model, "classes_"):
        return float(log_loss(y, model.predict_proba(X), labels=model.classes_))
    return float(mean_squared_error(y, model.predict(X)))


def compare(
    X: np.ndarray, y: np.ndarray, regression: bool, seed: int, shares: list[float]
) -> list[dict[str, Any]]:
    stratify = None if regression else y
    X, X_test, y, y_test = train_test_split(
        X, y, test_size=1 / 3, random_state=seed, stratify=stratify
    )
    stratify = None if regression else y
    X_fit, X_val, y_fit, y_val = train_test_split(
        X, y, test_size=0.25, random_state=seed, stratify=stratify
    )
    family = XGBRegressor if regression else XGBClassifier
    model = family(n_estimators=ROUNDS, learning_rate=0.1, max_depth=6, n_jobs=1, random_state=seed)
    scoring = "neg_mean_squared_error" if regression else "neg_log_loss"
    rounds = rounds_of(model)
    full = clone(model).fit(X, y)
    found = []
    for share in shares:
        size = int(share * ROUNDS)
        pruner = EnsemblePruner(
            model, size, scoring=scoring, refine="leaves", retrain=True, random_state=seed
        ).fit(X_fit, y_fit, X_val=X_val, y_val=y_val)
        part = open_members(pruner.estimator_)
        opinion = Opinion.of(part.bind(X_val), part.outputs(X_val), None)
        evidence = [
            Labelled(X_val, y_val, None, False, opinion=opinion),
            Labelled(X_fit, y_fit, None, True),
        ]
        rate = pruner.retrained_.learning_rate
        few = rounds.model(size, rate)
        retrained = clone(few).fit(X_fit, y_fit)
        refinement = LeafRefinement(random_state=seed).fit(retrained, evidence)
        models = {
            "first": part.subset(range(size)),
            "prune": part.subset(pruner.selected_, pruner.weights_),
            "prune+leaves": pruner.at(size),
            "retrain": retrained,
            "ret+leaves": refinement.refined(retrained, evidence),
            "born again": distill(full, X, few, random_state=seed),
            "kept": pruner.pruned_estimator_,
        }
        losses = {name: loss(one, X_test, y_test) for name, one in models.items()}
        on_all = {
            rate: loss(rounds.model(size, rate).fit(X, y), X_test, y_test) for rate in rounds.rates
        }
        losses["best rate"] = min(on_all.values())
        losses["full"] = loss(full, X_test, y_test)
        row = {"seed": seed, "share": share, "which": pruner.retrained_.kept, "rate": rate}
        row["baseline"] = on_all[rate]
        found.append(row | {name: value / on_all[rate] for name, value in losses.items()})
    return found


def measure(options: argparse.Namespace) -> None:
    """Write what is not in the file yet."""
    path = options.results
    known = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=["set", "seed"])
    done = set(zip(known["set"], known["seed"], strict=True))
    for seed in range(options.seeds):
        for name, X, y, regression in tables(options.max_rows, options.more):
            if (name, seed) in done or (options.sets and name not in options.sets):
                continue
            if not regression:
                y = np.unique(y, return_inverse=True)[1]
            rows = compare(X, y, regression, seed, options.shares)
            table = pd.DataFrame([{"set": name, "regression": regression, **row} for row in rows])
            table.to_csv(path, mode="a", header=not path.exists(), index=False)
            print(table.round(3).to_string(header=False, index=False), flush=True)


def report(table: pd.DataFrame) -> None:
    """Geometric means of the ratios, and who wins, by share of the rounds."""
    for regression, rows in table.groupby("regression"):
        kind = "regression, mean squared error" if regression else "classification, log-loss"
        print(f"\n{kind}: {rows['set'].nunique()} sets, geometric mean of loss / baseline's loss")
        print(f"{'rounds':<8}" + "".join(f"{way:>14}" for way in WAYS))
        for share, some in rows.groupby("share"):
            means = np.exp(np.log(some[list(WAYS)]).mean())
            print(f"{share:<8.0%}" + "".join(f"{mean:>14.3f}" for mean in means))
            wins = [f"{int((some[way] < 1).sum())}/{len(some)}" for way in WAYS]
            print(f"{'wins':<8}" + "".join(f"{count:>14}" for count in wins))
            kept = some["which"].value_counts()
            print("  kept: " + ", ".join(f"{name} {count}" for name, count in kept.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--more", type=Path, help="a Python file that loads further sets")
    parser.add_argument("--sets", nargs="+", help="only these")
    parser.add_argument("--max-rows", type=int, default=3000, help="of each set")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--shares", type=float, nargs="+", default=list(SHARES))
    parser.add_argument("--results", type=Path, default=Path("boosting.csv"))
    parser.add_argument("--report", action="store_true", help="measure nothing, read the results")
    options = parser.parse_args()
    if not options.report:
        measure(options)
    report(pd.read_csv(options.results))


if __name__ == "__main__":
    main()
