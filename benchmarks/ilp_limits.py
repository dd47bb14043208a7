"""How far the ILP selector's formulations reach: time, proof, and what it buys on a test set.

One forest per data set; prefixes of it are the ensembles of fewer members. Each row is one
formulation on T members and N validation rows, cut to a tenth (at least 5), solved with every
time limit given: gap proved, objective against greedy search (with swaps, on the same objective)
and against the mean of random sets, and the test metric against greedy and the full ensemble.
A row that is proved within the first limit is not solved again with the next.

    python benchmarks/ilp_limits.py --resume rows.md       # the whole table: 30 minutes
    python benchmarks/ilp_limits.py --members 50 100 --samples 200 --limits 10
    python benchmarks/ilp_limits.py --reach                # how soon "squared_error" is proved, under rules
    python benchmarks/ilp_limits.py --optimum              # how far greedy is from the optimum
    python benchmarks/ilp_limits.py --growth               # the same rows a hundred times over

Rows go to the file given by ``--resume`` as well; those that it has already are not solved again.
"""

from __future__ import annotations

import argparse
import itertools
import os
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning

from ensprune.members import open_members
from ensprune.objectives import Accuracy, SquaredError
from ensprune.selectors import GreedySelector, ILPSelector, Problem
from ensprune.selectors.ilp import FORMULATIONS
from ensprune.selectors.ilp.evidence import Evidence
from ensprune.selectors.ilp.formulation import RecallFloors
from ensprune.selectors.ilp.incumbent import Floors, Search, first_incumbent
from ensprune.selectors.ilp.rules import make_rules

DATASETS = Path(__file__).parents[1] / "datasets"
SKLEARN = {"breast_cancer": load_breast_cancer, "diabetes": load_diabetes, "digits": load_digits}
REGRESSION = {"concrete", "diabetes"}
N_TRAIN, N_TEST = 2400, 2000


def load(name: str, folder: Path, regression: bool) -> tuple[np.ndarray, np.ndarray]:
    """Features (one-hot) and target of one table; the last column of our own is the label."""
    if name in SKLEARN:
        X, y = SKLEARN[name](return_X_y=True)
        return X.astype(np.float32), y
    table = pd.read_csv(folder / f"{name}.csv.gz")
    target = table.columns[-1]
    if regression and table[target].dtype.kind not in "fi":
        # Predict the numeric column of most distinct values instead of the label.
        target = table.select_dtypes("number").nunique().idxmax()
    y = table[target].to_numpy() if regression else pd.factorize(table[target])[0]
    X = pd.get_dummies(table.drop(columns=target)).fillna(0).to_numpy(dtype=np.float32)
    return X, y


class Case:
    """A forest of the most members needed, and its outputs on validation and test rows."""

    def __init__(self, name: str, folder: Path, regression: bool, n_members: int, n_samples: int):
        X, y = load(name, folder, regression)
        order = np.random.default_rng(0).permutation(len(X))
        # Validation rows come first, as long as 1,000 are left to train and test.
        spare = max(len(X) - n_samples, min(2 * len(X) // 3, 1000))
        n_train, n_test = min(N_TRAIN, int(0.6 * spare)), min(N_TEST, int(0.4 * spare))
        train, test = order[:n_train], order[n_train : n_train + n_test]
        validation = order[n_train + n_test :][:n_samples]
        kind = RandomForestRegressor if regression else RandomForestClassifier
        forest = kind(n_members, min_samples_leaf=2, random_state=0, n_jobs=2)
        members = open_members(forest.fit(X[train], y[train]))
        self.regression, self.combiner = regression, members.combiner
        self.outputs, self.y = members.outputs(X[validation]), y[validation]
        self.test_outputs, self.test_y = members.outputs(X[test]), y[test]
        self.nodes = members.costs("nodes")

    def problem(self, n_members: int, n_samples: int, size: int, nodes: bool = False) -> Problem:
        costs = self.nodes[:n_members] if nodes else np.ones(n_members)
        return Problem(
            np.ascontiguousarray(self.outputs[:n_members, :, :n_samples]),
            self.y[:n_samples],
            self.combiner.take(np.arange(n_members)),
            SquaredError("mse") if self.regression else Accuracy(),
            costs,
            size * costs.mean() if nodes else float(size),
        )

    def test_error(self, members: np.ndarray) -> float:
        """Test error rate, or the root of the mean squared error over the target's deviation."""
        predicted = self.combiner.take(members).predict(self.test_outputs[members])
        if self.regression:
            return float(np.sqrt(((predicted - self.test_y) ** 2).mean()) / self.test_y.std())
        return float((predicted != self.test_y).mean())


def greedy(problem: Problem, formulation: str) -> tuple[float, np.ndarray]:
    """Greedy search with swaps on the formulation's own objective."""
    rules = make_rules(problem, None, None, None)
    form = FORMULATIONS[formulation](Evidence(problem), rules, RecallFloors())
    floors = Floors()
    for objective, level in form.floors():
        floors.objectives.append(objective)
        floors.levels.append(level)
    deadline = time.perf_counter() + 60
    search = Search(form.problem().start(), rules, floors, deadline)
    exact = rules.counts and form.exact_size
    found = first_incumbent(form.greedy_problem(), search, int(problem.budget) if exact else None)
    assert found is not None
    return found[0], np.flatnonzero(found[1])


def random_value(problem: Problem, formulation: str, size: int) -> float:
    """Mean objective of ten random sets of the size."""
    rules = make_rules(problem, None, None, None)
    form = FORMULATIONS[formulation](Evidence(problem), rules, RecallFloors())
    rng = np.random.default_rng(0)
    values = []
    for _ in range(10):
        objective = form.problem().start()
        for t in rng.choice(problem.n_members, size, replace=False):
            objective.add(int(t))
        values.append(objective.score())
    return float(np.mean(values))


def limits_table(options: argparse.Namespace) -> None:
    limits = options.limits
    head = ["formulation", "T", "N", "K", "rows", "cols", "build s"]
    head += [f"{part} {limit:g} s" for limit in limits for part in ("time at", "gap % at")]
    head += ["objective", "greedy", "random", "test", "greedy's", "all's"]
    print("| " + " | ".join(head) + " |")
    print("|" + " --- |" * len(head), flush=True)
    known = options.resume.read_text().splitlines() if options.resume.exists() else []
    cases: dict[bool, Case] = {}
    for formulation in options.formulations:
        regression = formulation == "absolute_error"
        for n_members in options.members:
            for n_samples in options.samples:
                start = f"| {formulation} | {n_members} | {n_samples} | "
                rows = [row for row in known if row.startswith(start)]
                if not rows:
                    if regression not in cases:
                        name = options.regression_data if regression else options.data
                        most = max(options.members), max(options.samples)
                        cases[regression] = Case(name, options.folder, regression, *most)
                    case = cases[regression]
                    rows = [limits_row(case, formulation, n_members, n_samples, limits)]
                    with options.resume.open("a") as file:
                        file.write(rows[0] + "\n")
                print(rows[0], flush=True)


def limits_row(
    case: Case, formulation: str, n_members: int, n_samples: int, limits: list[float]
) -> str:
    covers = formulation == "cover"
    size = n_members if covers else max(5, n_members // 10)
    problem = case.problem(n_members, n_samples, size)
    reference, greedy_members = greedy(problem, formulation)
    cells: list[str] = []
    path = None
    for limit in limits:
        if path is None or path.result.status != "optimal":
            path = ILPSelector(formulation, time_limit=limit).select(problem)
        result, members = path.result, np.array(path[-1].indices)
        cells += [f"{result.solve_time:.1f}", f"{100 * result.gap:.2g}"]
    shuffled = float("nan") if covers else random_value(problem, formulation, size)
    start = [formulation, n_members, n_samples, len(members)]
    start += [result.n_rows, result.n_cols, f"{result.build_time:.2f}"]
    end = [f"{v:.5g}" for v in (result.objective_value, reference, shuffled)]
    everyone = np.arange(n_members)
    end += [f"{case.test_error(m):.4f}" for m in (members, greedy_members, everyone)]
    return "| " + " | ".join(str(cell) for cell in [*start, *cells, *end]) + " |"


def growth_table(options: argparse.Namespace) -> None:
    """Seconds of ``"squared_error"`` on the same validation rows once and a hundred times over."""
    head = ["T", "K", "within", "budget", "solve s, once", "solve s, 100 times", "ratio"]
    head += ["with reading, once", "with reading, 100 times"]
    print("| " + " | ".join(head) + " |")
    print("|" + " --- |" * len(head), flush=True)
    case = Case(options.data, options.folder, False, 256, 1000)
    for (n_members, size, _), gap, nodes in itertools.product(
        REACH[:2], (0.01, 1e-6), (False, True)
    ):
        once = case.problem(n_members, 1000, size, nodes)
        often = replace(once, outputs=np.tile(once.outputs, 100), y=np.tile(once.y, 100))
        least = np.full((2, 2), np.inf)
        for _ in range(5 if gap == 0.01 else 2):
            for position, problem in enumerate((once, often)):
                start = time.perf_counter()
                result = ILPSelector(mip_gap=gap).select(problem).result
                seconds = result.solve_time, time.perf_counter() - start
                least[position] = np.minimum(least[position], seconds)
        cells = [n_members, size, f"{100 * gap:g} %", "nodes" if nodes else "members"]
        cells += [f"{seconds:.3f}" for seconds in least[:, 0]]
        cells += [f"{least[1, 0] / least[0, 0]:.2f}", *(f"{s:.3f}" for s in least[:, 1])]
        print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


OPTIMUM_DATA = ["flights", "hpc_data", "lending_club", "concrete", *SKLEARN]
# Members, how many are kept, and seconds that a proof within 1 % may take; rules may treble it.
REACH = ((100, 10, 5.0), (256, 26, 20.0), (500, 50, 90.0))


def reach_table(options: argparse.Namespace) -> None:
    """Seconds until ``"squared_error"`` is proved within 1 %, and greedy's distance to the bound."""
    head = ["data", "T", "K", "N", "rules", "limit s", "s to 1 %", "gap %"]
    head += ["greedy's distance to the bound %"]
    print("| " + " | ".join(head) + " |")
    print("|" + " --- |" * len(head), flush=True)
    known = options.resume.read_text().splitlines() if options.resume.exists() else []
    for name in options.reach_data:
        regression, case = name in REGRESSION, None
        n_samples = max(options.samples)
        for n_members, size, seconds in REACH:
            for rules in ("size", *RULES):
                if regression and rules == "recall":
                    continue
                start = f"| {name} | {n_members} | {size} | "
                rows = [row for row in known if row.startswith(start) and f"| {rules} |" in row]
                if not rows:
                    case = case or Case(name, options.folder, regression, 500, n_samples)
                    problem = case.problem(n_members, n_samples, size, rules in ("nodes", "all"))
                    limit = seconds if rules == "size" else 3 * seconds
                    rows = [start + reach_row(problem, rules, limit)]
                    with options.resume.open("a") as file:
                        file.write(rows[0] + "\n")
                print(rows[0], flush=True)


def reach_row(problem: Problem, rules: str, limit: float) -> str:
    selector = ILPSelector(time_limit=limit, mip_gap=0.01, **_rules(rules, problem))
    result = selector.select(problem).result
    away = 100 * (result.bound - result.greedy_value) / abs(result.greedy_value)
    cells = [str(problem.outputs.shape[2]), rules, f"{limit:g}", f"{result.solve_time:.1f}"]
    return " | ".join([*cells, f"{100 * result.gap:.2f}", f"{away:.2f}"]) + " |"


def optimum_table(options: argparse.Namespace) -> None:
    """How far greedy search is from the proved optimum of ``"squared_error"``, in per cent of it.

    The last column is the distance to the bound, which the distance to the optimum cannot exceed.
    """
    head = ["data", "T", "K", "N", "status", "greedy %", "with swaps %", "at most %"]
    head += ["test: greedy", "optimum", "all"]
    print("| " + " | ".join(head) + " |")
    print("|" + " --- |" * len(head), flush=True)
    known = options.resume.read_text().splitlines() if options.resume.exists() else []
    for name in options.optimum_data:
        regression, case = name in REGRESSION, None
        for n_members in options.members:
            size = max(5, n_members // 10)
            start = f"| {name} | {n_members} | {size} | "
            rows = [row for row in known if row.startswith(start)]
            if not rows:
                most = max(options.members), max(options.samples)
                case = case or Case(name, options.folder, regression, *most)
                problem = case.problem(n_members, max(options.samples), size)
                rows = [start + optimum_row(case, problem, max(options.limits))]
                with options.resume.open("a") as file:
                    file.write(rows[0] + "\n")
            print(rows[0], flush=True)


def optimum_row(case: Case, problem: Problem, limit: float) -> str:
    kind = SquaredError("mse" if case.regression else "brier")
    path = ILPSelector(time_limit=limit, mip_gap=1e-4).select(problem)
    best, chosen = path.result, np.array(path[-1].indices)
    plain = np.array(GreedySelector().select(replace(problem, objective=kind))[-1].indices)
    objective = replace(problem, objective=kind).start()
    for t in plain:
        objective.add(int(t))
    losses = -objective.score(), -best.greedy_value
    cells = [str(problem.outputs.shape[2]), best.status]
    cells += [f"{100 * (loss / -best.objective_value - 1):.2f}" for loss in losses]
    cells += [f"{100 * (losses[0] / -best.bound - 1):.2f}"]
    everyone = np.arange(problem.n_members)
    cells += [f"{case.test_error(m):.4f}" for m in (plain, chosen, everyone)]
    return " | ".join(cells) + " |"


RULES = ("nodes", "groups", "keep and drop", "recall", "all")


def _rules(name: str, problem: Problem) -> dict:
    """Ten groups, at most a fifth from each; two members kept, two dropped; a floor; or all of it."""
    n, kept = problem.n_members, max(1, int(problem.budget / problem.costs.mean()) // 5)
    rules: dict = {}
    if name in ("groups", "all"):
        rules["at_most"] = [(list(range(i, n, 10)), kept) for i in range(10)]
    if name in ("keep and drop", "all"):
        rules |= {"must_keep": [0, 1], "must_drop": [2, 3]}
    if name == "recall" or (name == "all" and problem.combiner.classes is not None):
        classes = problem.combiner.classes
        predicted = problem.combiner.predict(problem.outputs)
        rarest = classes[np.bincount(np.searchsorted(classes, problem.y)).argmin()]
        full = (predicted[problem.y == rarest] == rarest).mean()
        rules["min_recall"] = {rarest: float(full) * (0.9 if name == "all" else 1.0)}
    return rules


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, nargs="+", default=[50, 100, 256])
    parser.add_argument("--samples", type=int, nargs="+", default=[200, 1000, 5000])
    parser.add_argument("--limits", type=float, nargs="+", default=[10.0, 60.0])
    parser.add_argument("--formulations", nargs="+", default=list(FORMULATIONS))
    parser.add_argument("--data", default="flights")
    parser.add_argument("--regression-data", default="lending_club")
    parser.add_argument("--resume", type=Path, default=Path(os.devnull), help="file of rows")
    parser.add_argument("--reach", action="store_true", help="the reach of squared_error instead")
    parser.add_argument("--reach-data", nargs="+", default=["flights", "hpc_data", "concrete"])
    parser.add_argument("--optimum", action="store_true", help="greedy's distance to it instead")
    parser.add_argument("--optimum-data", nargs="+", default=OPTIMUM_DATA)
    parser.add_argument("--growth", action="store_true", help="time with more samples instead")
    parser.add_argument("--folder", type=Path, default=DATASETS, help="where the .csv.gz files are")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    if options.optimum:
        optimum_table(options)
    elif options.growth:
        growth_table(options)
    else:
        (reach_table if options.reach else limits_table)(options)


if __name__ == "__main__":
    main()
