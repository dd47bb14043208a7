"""Which selector keeps the quality of an ensemble best? All of them on real data.

Data sets x {forest of full trees, forest of shallow trees, bagging, AdaBoost, XGBoost} x seeds: the
ensemble is trained once, every selector cuts it to 5, 10 and 20 % of its members, and the cuts are
scored on test rows. All see the same training rows and nothing else. Ensembles that bootstrap are
judged out of bag, for the others a quarter of the training rows is held out before they are fitted;
the selectors of other libraries always have such a hold-out, as these libraries do it.

Baselines: the full ensemble trained on all rows, the first K members of the pruned ensemble, random
members, the first K members trained on all rows (what training fewer would give), and for XGBoost
as many rounds as are kept, trained on all rows at the learning rate that is best on the hold-out.

Writes a line per result as it goes and goes on from there when started again; ``--report`` prints
tables from the file and draws the figure.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from quality_peers import FOR_BOTH, FOR_CLASSIFIERS, Library
from quality_sets import BOOTSTRAP, ENSEMBLES, Split, load_split, set_names, xgboost
from tqdm import tqdm

from ensprune.members import open_members
from ensprune.objectives import make_objective
from ensprune.objectives.squared import SquaredError
from ensprune.selectors import (
    AutoSelector,
    ClusterSelector,
    FirstSelector,
    GreedySelector,
    ILPSelector,
    OrderingSelector,
    Problem,
    RandomSelector,
    Selector,
    WeightSelector,
)
from ensprune.selectors.ordering import criterion_names

SIZES = (0.05, 0.1, 0.2)
RATES = (0.1, 0.2, 0.3, 0.5)
EVERY = tuple(ENSEMBLES)
FIELDS = (
    *("set", "task", "ensemble", "seed", "selector", "size", "members"),
    *("loss", "error", "seconds"),
)


@dataclass(frozen=True)
class Way:
    """A selector of this library, and where it goes."""

    make: Callable[[int], Selector]
    ensembles: tuple[str, ...] = (*BOOTSTRAP, "adaboost")
    nested: bool = True  # one search, read at every size
    sizes: tuple[float, ...] = SIZES


def _ordering(criterion: str) -> Callable[[int], Selector]:
    return lambda seed: OrderingSelector(criterion)


WAYS: dict[str, Way] = {
    "greedy": Way(lambda seed: GreedySelector(), EVERY),
    "auto": Way(lambda seed: AutoSelector(), EVERY, nested=False),
    "greedy, no swaps": Way(lambda seed: GreedySelector(exchanges=0), BOOTSTRAP),
    "greedy, backward": Way(lambda seed: GreedySelector(direction="backward"), BOOTSTRAP),
    "greedy, 5 starts": Way(
        lambda seed: GreedySelector(starts=5, random_state=seed), BOOTSTRAP, nested=False
    ),
    "greedy, replacement": Way(lambda seed: GreedySelector(replacement=True), BOOTSTRAP),
    "Caruana": Way(
        lambda seed: GreedySelector(
            replacement=True, sorted_start="auto", bags=20, random_state=seed
        ),
        BOOTSTRAP,
    ),
    "ilp": Way(
        lambda seed: ILPSelector(time_limit=2, mip_gap=0.01),
        BOOTSTRAP,
        nested=False,
        sizes=(0.1,),
    ),
    "weights": Way(lambda seed: WeightSelector(), BOOTSTRAP),
    "cluster": Way(lambda seed: ClusterSelector()),
    "cluster, k-means": Way(
        lambda seed: ClusterSelector("kmeans", random_state=seed),
        BOOTSTRAP,
        nested=False,
        sizes=(0.1,),
    ),
    **{f"ordering: {name}": Way(_ordering(name)) for name in criterion_names()},
    "first K": Way(lambda seed: FirstSelector(), EVERY),
    "random K": Way(lambda seed: RandomSelector(seed), EVERY),
}


class Judged:
    """A fitted ensemble: the problem it poses to selectors, and what its cuts score on test rows."""

    def __init__(self, fitted: Any, split: Split, rows: np.ndarray, out_of_bag: bool):
        self.split = split
        members = open_members(fitted)
        X, y = split.X[rows], split.y[rows]
        self._combiner = members.bind(split.X_test)
        self._test = members.outputs(split.X_test)
        self.n_members = members.n_members
        combiner = members.bind(X)
        if out_of_bag:
            objective: Any = SquaredError("brier" if split.classifies else "mse")
        else:
            objective = make_objective(None, combiner)
        self._problem = Problem(
            outputs=members.outputs(X),
            y=y,
            combiner=combiner,
            objective=objective,
            costs=np.ones(members.n_members),
            budget=float(members.n_members),
            mask=members.out_of_bag(len(y)) if out_of_bag else None,
            rows=X,
            carries_weights=members.carries_weights,
        )

    def problem(self, size: float, seed: int) -> Problem:
        given = {**vars(self._problem), "budget": float(self.kept(size)), "random_state": seed}
        return Problem(**given)

    def kept(self, size: float) -> int:
        return max(1, round(size * self.n_members))

    def library(self, seed: int) -> Library:
        """The members as other libraries see them."""
        outputs, combiner = self._problem.outputs, self._problem.combiner
        if self.split.classifies:
            alone = [
                combiner.take([t]).predict_proba(outputs[t : t + 1]).T for t in range(len(outputs))
            ]
            # Labels are positions; those of the ensemble are the same.
            outputs = np.stack(alone)
        return Library(outputs.astype(np.float64), self._problem.y, self.split.classifies, seed)

    def scores(self, members: Any, weights: np.ndarray | None = None) -> tuple[float, float]:
        """Test loss (Brier score summed over classes, or mean squared error) and error (rate, MAE)."""
        chosen = [int(t) for t in members]
        combiner = self._combiner.take(chosen, weights)
        outputs = self._test[chosen]
        return judge(self.split, combiner(outputs), _proba(combiner, outputs))


def _proba(combiner: Any, outputs: np.ndarray) -> np.ndarray | None:
    return combiner.predict_proba(outputs) if combiner.has_proba else None


def judge(split: Split, predicted: Any, proba: Any) -> tuple[float, float]:
    y = split.y_test
    if not split.classifies:
        return float(((predicted - y) ** 2).mean()), float(np.abs(predicted - y).mean())
    hot = y[:, None] == np.arange(split.y.max() + 1)
    # What votes for labels only has its 0-1 predictions for probabilities.
    given = proba if proba is not None else predicted[:, None] == np.arange(hot.shape[1])
    return float(((given - hot) ** 2).sum(axis=1).mean()), float((predicted != y).mean())


# --- one ensemble on one split: lazily fitted, one generator per competitor -----------------------

Result = tuple[float, int, float, float, float]  # size, members, loss, error, seconds


class Unit:
    """One ensemble on one split of one set."""

    def __init__(self, split: Split, ensemble: str, seed: int):
        self.split, self.ensemble, self.seed = split, ensemble, seed
        self.bootstraps = ensemble in BOOTSTRAP

    @cached_property
    def full(self) -> Judged:
        """Trained on all rows, judged out of bag where it bootstraps."""
        rows = np.arange(len(self.split.y))
        return Judged(self._fitted(rows), self.split, rows, self.bootstraps)

    @cached_property
    def held_out(self) -> Judged:
        """Trained on three quarters, judged on the rest."""
        return Judged(self._fitted(self.split.fit), self.split, self.split.judge, False)

    @cached_property
    def library(self) -> Library:
        return self.held_out.library(self.seed)

    def _fitted(self, rows: np.ndarray) -> Any:
        model = ENSEMBLES[self.ensemble](self.split.classifies, self.seed)
        return model.fit(self.split.X[rows], self.split.y[rows])

    def competitors(self) -> dict[str, Callable[[], Iterator[Result]]]:
        """By name; nothing is fitted before one is called."""
        found: dict[str, Callable[[], Iterator[Result]]] = {
            "full": lambda: self._taken(lambda k: range(self.full.n_members), self.full),
            "first K on all rows": lambda: self._taken(range, self.full),
        }
        criteria = criterion_names(regression=not self.split.classifies)
        for name, way in WAYS.items():
            criterion = name.partition("ordering: ")[2]
            if self.ensemble not in way.ensembles or (criterion and criterion not in criteria):
                continue
            found[name] = partial(self._selected, way, self.bootstraps)
        if self.bootstraps:
            for name in ("greedy", "auto"):
                found[f"{name} on a hold-out"] = partial(self._selected, WAYS[name], False)
        if self.ensemble == "xgboost":
            found["fewer rounds, higher rate"] = self._retrained
            return found
        peers = FOR_BOTH | (FOR_CLASSIFIERS if self.split.classifies else {})
        for name, choose in peers.items():
            found[f"peer: {name}"] = partial(self._peer, choose)
        return found

    def _peer(self, choose: Callable[[Library, int], list[int]]) -> Iterator[Result]:
        yield from self._taken(lambda k: choose(self.library, k), self.held_out)

    def _taken(self, choose: Callable[[int], Any], judged: Judged) -> Iterator[Result]:
        """Members by a function of how many; repeats are weights."""
        for size in SIZES:
            start = time.perf_counter()
            taken = np.asarray(choose(judged.kept(size)))
            seconds = time.perf_counter() - start
            members, times = np.unique(taken, return_counts=True)
            weights = None if times.max() == 1 else times.astype(float)
            yield size, len(members), *judged.scores(members, weights), seconds

    def _selected(self, way: Way, out_of_bag: bool) -> Iterator[Result]:
        judged = self.full if out_of_bag else self.held_out
        path = None
        for size in sorted(way.sizes, reverse=True):
            if path is None or not way.nested:
                start = time.perf_counter()
                path = way.make(self.seed).select(judged.problem(size, self.seed))
                seconds = time.perf_counter() - start
            point = path.within(judged.kept(size))
            scores = judged.scores(point.indices, point.weight_array)
            yield size, point.size, *scores, seconds

    def _retrained(self) -> Iterator[Result]:
        split = self.split
        for size in SIZES:
            start = time.perf_counter()
            rounds = self.full.kept(size)
            tried = []
            for rate in RATES:
                model = xgboost(split.classifies, self.seed, rounds, rate)
                model.fit(split.X[split.fit], split.y[split.fit])
                tried.append(model.score(split.X[split.judge], split.y[split.judge]))
            best = RATES[int(np.argmax(tried))]
            model = xgboost(split.classifies, self.seed, rounds, best).fit(split.X, split.y)
            seconds = time.perf_counter() - start
            proba = model.predict_proba(split.X_test) if split.classifies else None
            yield size, rounds, *judge(split, model.predict(split.X_test), proba), seconds


def measure(args: argparse.Namespace) -> None:
    """Write what is not in the file yet, one split of all sets and ensembles after the other."""
    done = set()
    if args.results.exists():
        known = pd.read_csv(args.results)
        done = set(zip(known["set"], known["ensemble"], known["seed"], known["selector"]))
    units = [
        (name, ensemble, seed)
        for seed in args.seeds
        for name in args.sets or set_names(args.data)
        for ensemble in args.ensembles
    ]
    progress = tqdm(units, unit="ensemble", mininterval=5)
    for name, ensemble, seed in progress:
        progress.set_description(f"{name}, {ensemble}, seed {seed}")
        split = load_split(name, args.data, args.rows, seed)
        if split is None:
            continue
        task = "classification" if split.classifies else "regression"
        unit = Unit(split, ensemble, seed)
        place = name, task, ensemble, seed
        for selector, run in unit.competitors().items():
            if (name, ensemble, seed, selector) in done:
                continue
            if args.selectors and selector not in args.selectors:
                continue
            try:
                results = list(run())
            except ValueError as error:  # what refuses one ensemble does not stop the others
                progress.write(f"{name}, {ensemble}, seed {seed}, {selector}: {error}")
                continue
            rows = [
                (*place, selector, size, members, *(f"{value:.6g}" for value in numbers))
                for size, members, *numbers in results
            ]
            write(args.results, rows)
    progress.close()


def write(path: Path, rows: list[tuple[Any, ...]]) -> None:
    """Append, with a header in an empty file."""
    with path.open("a", newline="") as stream:
        writer = csv.writer(stream)
        if stream.tell() == 0:
            writer.writerow(FIELDS)
        writer.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data",
        type=Path,
        default=os.environ.get("ENSPRUNE_DATA"),
        help="folder of Parquet files with a column __target__: more sets",
    )
    parser.add_argument("--sets", nargs="+", help="some of the sets only")
    parser.add_argument("--ensembles", nargs="+", choices=ENSEMBLES, default=list(ENSEMBLES))
    parser.add_argument("--selectors", nargs="+", help="some of the competitors only")
    parser.add_argument("--rows", type=int, default=2000, help="training rows at most")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--results", type=Path, default=Path("quality.csv"))
    parser.add_argument("--report", action="store_true", help="only report what is in the file")
    parser.add_argument("--figure", type=Path, default=Path("quality.png"))
    args = parser.parse_args()
    args.data = None if args.data is None else Path(args.data)
    known = set_names(args.data)
    unknown = sorted(set(args.sets or ()).difference(known))
    if unknown:
        parser.error(f"--sets: {', '.join(unknown)} is not among {', '.join(known)}")
    if not args.report:
        measure(args)
    if not args.results.exists():
        parser.error(f"nothing was measured: there is no {args.results} to report on")
    from quality_report import figure, report

    results = pd.read_csv(args.results)
    print(report(results))
    figure(results, args.figure)


if __name__ == "__main__":
    main()
