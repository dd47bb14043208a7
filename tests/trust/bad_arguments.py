"""Public calls with their good and their bad arguments: what the fuzz test draws from.

A value under ``bad`` is wrong whatever the other arguments are; values under ``good`` go together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils._testing import ignore_warnings
from xgboost import XGBClassifier, XGBRegressor

from ensprune import EnsemblePruner, MLPPruner, compact, distill, prune, refine_leaves
from ensprune.mlp import prune_layer, weight_scores
from ensprune.selectors import (
    AllocationSelector,
    ClusterSelector,
    GreedySelector,
    ILPSelector,
    OrderingSelector,
    WeightSelector,
)

N_ROWS = 48
N_COLUMNS = 4

Values = dict[str, list[Any]]


@dataclass(frozen=True)
class Call:
    """A public call.

    Parameters
    ----------
    name : str
    run : callable
        Takes the arguments by name.
    good, bad : dict of list
        Values of each argument. One that is in ``good`` is always given.
    words : dict of str
        What an argument may be called instead in a message.
    """

    name: str
    run: Callable[..., Any]
    good: Values
    bad: Values
    words: dict[str, tuple[str, ...]] = field(default_factory=dict)


@cache
def rows(task: str) -> tuple[np.ndarray, np.ndarray]:
    if task == "regression":
        return make_regression(N_ROWS, N_COLUMNS, noise=1.0, random_state=0)
    return make_classification(
        N_ROWS, N_COLUMNS, n_informative=3, n_redundant=0, flip_y=0.2, random_state=0
    )


def _trees() -> list[tuple[str, Any]]:
    return [
        ("stump", DecisionTreeClassifier(max_depth=1, random_state=0)),
        ("bayes", GaussianNB()),
        ("tree", DecisionTreeClassifier(max_depth=3, random_state=0)),
    ]


ENSEMBLES: dict[str, tuple[str, Callable[[], Any]]] = {
    "forest": ("binary", lambda: RandomForestClassifier(4, max_depth=3, random_state=0)),
    "forest-regressor": (
        "regression",
        lambda: RandomForestRegressor(4, max_depth=3, random_state=0),
    ),
    "bagging": ("binary", lambda: BaggingClassifier(n_estimators=4, random_state=0)),
    "adaboost": ("binary", lambda: AdaBoostClassifier(n_estimators=4, random_state=0)),
    "boosting": ("regression", lambda: GradientBoostingRegressor(n_estimators=4, random_state=0)),
    "hist": ("binary", lambda: HistGradientBoostingClassifier(max_iter=4, min_samples_leaf=5)),
    "xgboost": ("binary", lambda: XGBClassifier(n_estimators=4, max_depth=2, n_jobs=1)),
    "xgboost-regressor": (
        "regression",
        lambda: XGBRegressor(n_estimators=4, max_depth=2, n_jobs=1),
    ),
    "voting": ("binary", lambda: VotingClassifier(_trees(), voting="soft")),
    "stacking": ("binary", lambda: StackingClassifier(_trees(), LogisticRegression(), cv=2)),
}


@cache
def fitted(name: str) -> Any:
    task, make = ENSEMBLES[name]
    return make().fit(*rows(task))


@cache
def network(kind: str) -> Any:
    make = MLPRegressor if kind == "regression" else MLPClassifier
    with ignore_warnings(category=ConvergenceWarning):
        return make(hidden_layer_sizes=(3,), max_iter=5, random_state=0).fit(*rows(kind))


class NoEstimator:
    """Has nothing."""

    def __repr__(self) -> str:
        return "NoEstimator()"


class Raises:
    """Cannot be asked anything."""

    def __array__(self, dtype=None, copy=None):
        raise ValueError("X: this is no array")


NOTHING = NoEstimator()
NO_NUMBERS: list[Any] = ["many", [1], {}, object, NOTHING, 1j, b"3", np.array([0.1, 0.2])]
NO_WORDS: list[Any] = [
    "nonsense",
    "",
    7,
    -1.5,
    [],
    ["greedy"],
    {},
    object,
    NOTHING,
    b"greedy",
    np.nan,
]


def bad_rows(X: np.ndarray) -> list[Any]:
    return [
        None,
        7,
        "rows",
        {},
        {"a": 1},
        object(),
        X[:0],
        X[:, :0],
        X[:5],
        X[0],
        X[None],
        X.astype(complex),
        np.full(X.shape, "a"),
        [[1.0], [2.0, 3.0]],
        iter(X),
        sp.csr_matrix(X)[:7],
        lambda: X,
        Raises(),
    ]


def other_columns(X: np.ndarray) -> list[Any]:
    return [X[:, :2], np.hstack([X, X])]


def bad_labels(y: np.ndarray) -> list[Any]:
    return [
        None,
        7,
        "labels",
        {},
        object(),
        y[:0],
        y[:-1],
        np.append(y, y),
        np.c_[y, y],
        y[None, None],
        np.where(np.arange(len(y)) == 3, np.nan, y),
        np.where(np.arange(len(y)) == 3, np.inf, y),
        np.full(len(y), None),
        [[1]] * (len(y) - 1) + [[1, 2]],
        iter(y),
        y.astype(complex),
    ]


def bad_classes(y: np.ndarray) -> list[Any]:
    return [y + 5, np.where(np.arange(len(y)) == 3, 9, y), y.astype(str)]


def bad_weights(n: int) -> list[Any]:
    ones = np.ones(n)
    return [
        "heavy",
        {},
        object(),
        -ones,
        ones[:-1],
        np.c_[ones, ones],
        ones * np.nan,
        np.where(np.arange(n) == 3, np.inf, ones),
        np.where(np.arange(n) == 3, -1.0, ones),
        np.full(n, "a"),
        ones * 0,
        ones.astype(complex),
    ]


GOOD: Values = {
    "target_size": [1, 2, 0.5, 1.0, "auto", "1se"],
    "selector": ["greedy", "first", "random"],
    "scoring": [None],
    "tolerance": [0.0, 0.1],
    "cost": ["members", "bytes"],
    "n_jobs": [None, 1],
    "random_state": [0, None],
    "verbose": [0],
    "memory_limit": [None],
    "deep": [False],
    "refine": [None],
    "confidence": [None],
}
BAD: Values = {
    "target_size": [
        0,
        -1,
        10**6,
        10**30,
        0.0,
        -0.5,
        1.5,
        np.nan,
        np.inf,
        -np.inf,
        True,
        None,
        "AUTO",
        "2se",
        "",
        *NO_NUMBERS,
    ],
    "selector": [*NO_WORDS, None, True, GreedySelector, "Greedy", "ILP"],
    "scoring": [*NO_WORDS, True, "Accuracy", lambda: 1.0, lambda *given, **weights: "good"],
    "tolerance": [-0.1, np.nan, -np.inf, None, *NO_NUMBERS],
    "confidence": [0, 1, 0.0, 1.0, -0.5, 2, np.nan, np.inf, *NO_NUMBERS],
    "validation": [0, 1, -0.5, 2.0, np.nan, None, "OOB", "", *NO_NUMBERS],
    "cost": [
        "",
        "dollars",
        3,
        None,
        NOTHING,
        [1.0],
        [1.0] * 99,
        [-1.0] * 4,
        [0.0] * 4,
        [np.nan] * 4,
        [np.inf] * 4,
        ["a"] * 4,
        [[1.0] * 4],
        {},
        1j,
        [None] * 4,
        [1j] * 4,
    ],
    "refine": [*NO_WORDS, True, "leafs"],
    "deep": [None, "yes", 2, [], NOTHING, np.nan],
    "n_jobs": [0, 1.5, np.nan, *NO_NUMBERS],
    "random_state": ["seed", -1, 1.5, [1, 2], {}, NOTHING, np.nan, 2**40],
    "verbose": [-1, 0.5, None, np.nan, *NO_NUMBERS],
    "memory_limit": [0, -1, 1, 10, 2.5, np.nan, *NO_NUMBERS],
}
# An ensemble's parameters may be taken by its own rows: these are how a message may say so.
ROWS = (
    "array",
    "sample",
    "feature",
    "dimension",
    "column",
    "dtype",
    "float",
    "input",
    "rows",
    "data",
)
LABELS = ("label", "target", "sample", "array", "class", "values", "input", "data")
WORDS = {"X": ROWS, "y": LABELS, "sample_weight": ("weight",)}
NOT_ENSEMBLES: list[Any] = [
    None,
    7,
    "forest",
    {},
    NOTHING,
    RandomForestClassifier,
    RandomForestClassifier(4),
    XGBClassifier(),
    VotingClassifier([]),
    StackingClassifier([]),
    LinearRegression(),
    FrozenEstimator(RandomForestClassifier(4)),
    [RandomForestClassifier(4)],
]


def _pruner(**given: Any) -> Any:
    X, y = given.pop("X"), given.pop("y")
    fit = {name: given.pop(name) for name in FIT_ARGUMENTS if name in given}
    return EnsemblePruner(**given).fit(X, y, **fit)


FIT_ARGUMENTS = ("X_val", "y_val", "sample_weight", "sample_weight_val")


def _calls_on(name: str) -> list[Call]:
    """prune, EnsemblePruner, refine_leaves, compact and distill on one ensemble."""
    task, make = ENSEMBLES[name]
    X, y = rows(task)
    ensemble = fitted(name)
    labels = bad_labels(y)
    unknown = bad_classes(y) if task == "binary" else [np.full(len(y), "a")]
    # To a fitted ensemble these are bad as well.
    on_fit = {"X": bad_rows(X), "y": labels, "sample_weight": bad_weights(len(y))}
    on_rows = on_fit | {"X": bad_rows(X) + other_columns(X), "y": labels + unknown}
    good_rows: Values = {"X": [X], "y": [y], "sample_weight": [None, np.ones(len(y))]}
    frozen = {"estimator": [FrozenEstimator(ensemble)]}
    calls = [
        Call(
            f"prune({name})",
            prune,
            GOOD | good_rows | {"estimator": [ensemble], "validation": ["auto"]},
            BAD | on_rows | {"estimator": NOT_ENSEMBLES, "validation": [0.3, *BAD["validation"]]},
            WORDS,
        ),
        Call(
            f"EnsemblePruner({name})",
            _pruner,
            GOOD | good_rows | {"estimator": [make()], "validation": [0.3]},
            BAD | on_fit | {"estimator": NOT_ENSEMBLES[:5] + NOT_ENSEMBLES[-1:]},
            WORDS,
        ),
        Call(
            f"EnsemblePruner({name}, X_val)",
            _pruner,
            GOOD | good_rows | frozen | {"X_val": [X], "y_val": [y], "sample_weight_val": [None]},
            {"X_val": (bad_rows(X) + other_columns(X))[1:], "y_val": (labels + unknown)[1:]}
            | {"sample_weight_val": bad_weights(len(y)), "validation": ["oob"]},
            {"X_val": ("X", *ROWS), "y_val": ("y", *LABELS), "sample_weight_val": ("weight",)},
        ),
    ]
    fitted_words: Values = {"estimator": [ensemble]}
    if name != "adaboost" and name not in ("voting", "stacking"):
        calls.append(
            Call(
                f"refine_leaves({name})",
                refine_leaves,
                good_rows | fitted_words | {"validation": ["auto"], "damping": [1.0, "auto"]},
                on_rows
                | {"validation": ["OOB", None, 0.3, [], NOTHING], "estimator": NOT_ENSEMBLES}
                | {"damping": [0, -1.0, np.nan, True, None, *NO_NUMBERS]}
                | {"shrinkage": [-1.0, np.nan, np.inf, True, None, *NO_NUMBERS]}
                | {"n_jobs": BAD["n_jobs"], "random_state": BAD["random_state"]},
                WORDS,
            )
        )
    if name not in ("voting", "stacking"):
        calls.append(
            Call(
                f"compact({name})",
                compact,
                good_rows | fitted_words | {"tolerance": [0.0, 0.1], "method": ["depth"]},
                on_rows
                | {"tolerance": [-0.1, np.nan, np.inf, None, True, *NO_NUMBERS]}
                | {"method": ["width", None, 3, [], NOTHING], "scoring": BAD["scoring"]}
                | {"validation": ["OOB", None, 0.3, [], NOTHING], "estimator": NOT_ENSEMBLES}
                | {"n_jobs": BAD["n_jobs"]},
                WORDS,
            )
        )
    student = DecisionTreeClassifier(max_depth=2) if task == "binary" else LinearRegression()
    wrong = LinearRegression() if task == "binary" else DecisionTreeClassifier()
    calls.append(
        Call(
            f"distill({name})",
            distill,
            fitted_words | {"X": [X], "student": [student], "n_augment": [0, 5]},
            {"X": bad_rows(X)[:3], "n_augment": [-1, 1.5, None, "all", np.nan, [], NOTHING, True]}
            | {"student": [None, wrong, "tree", 3, NOTHING, DecisionTreeClassifier]}
            | {"estimator": NOT_ENSEMBLES, "random_state": BAD["random_state"]},
            WORDS,
        )
    )
    return calls


def _selector_calls() -> list[Call]:
    forest, (X, y) = fitted("forest"), rows("binary")
    calls = []
    for kind, good, bad in [
        (
            GreedySelector,
            {},
            {"direction": NO_WORDS, "replacement": [None, "yes", 2, [], NOTHING]}
            | {"exchanges": [-1, 1.5, None, np.nan, True, *NO_NUMBERS]},
        ),
        (OrderingSelector, {}, {"criterion": [*NO_WORDS, None]}),
        (
            ClusterSelector,
            {},
            {"clusterer": [*NO_WORDS, None], "representative": [*NO_WORDS, None]},
        ),
        (WeightSelector, {}, {"loss": [*NO_WORDS, None]}),
        (AllocationSelector, {}, {"inner": [*NO_WORDS, None]}),
        (
            ILPSelector,
            {"time_limit": [2.0], "formulation": ["margin", "accuracy", "squared_error"]},
            {
                "formulation": [*NO_WORDS, None],
                "must_keep": ["all", [9], [-1], [0.5], [[0]], NOTHING, {}, [None], 3],
                "must_drop": ["all", [9], [-1], [0.5], [[0]], NOTHING, {}, [None], range(4)],
                "min_recall": [
                    "all",
                    0.5,
                    [0.5],
                    {9: 0.5},
                    {0: 2.0},
                    {0: -1},
                    {0: np.nan},
                    {0: "much"},
                    {0: None},
                    NOTHING,
                ],
                "at_most": [
                    "all",
                    3,
                    [3],
                    [([0, 9], 1)],
                    [([0], -1)],
                    [([0], 0.5)],
                    NOTHING,
                    {1: 2},
                ],
                "faithful": ["yes", None, 2, NOTHING],
                "tolerance": [-0.1, np.nan, None, *NO_NUMBERS],
                "rho": [-0.1, np.nan, None, *NO_NUMBERS],
                "time_limit": [0, -1.0, np.nan, None, *NO_NUMBERS],
                "mip_gap": [-0.1, np.nan, None, *NO_NUMBERS],
                "solver": ["best", 3, NOTHING, [], GreedySelector()],
            },
        ),
    ]:

        def run(kind: Any = kind, **given: Any) -> Any:
            size = given.pop("target_size")
            return prune(forest, X, y, target_size=size, selector=kind(**given))

        calls.append(Call(kind.__name__, run, good | {"target_size": [2]}, bad))
    return calls


def _network_calls() -> list[Call]:
    calls = []
    for task in ("binary", "regression"):
        X, y = rows(task)
        labels = bad_labels(y)[:7] + bad_labels(y)[9:]

        def run(X: Any, y: Any, estimator: Any, **given: Any) -> Any:
            fit = {name: given.pop(name) for name in ("X_val", "y_val") if name in given}
            return MLPPruner(estimator, **given).fit(X, y, **fit)

        calls.append(
            Call(
                f"MLPPruner({task})",
                run,
                {"estimator": [FrozenEstimator(network(task))], "X": [X], "y": [y]}
                | {"sparsity": [0.5, 0.3], "n_steps": [1, 2], "finetune_epochs": [0, 1]},
                {
                    "estimator": NOT_ENSEMBLES,
                    "X": bad_rows(X) + other_columns(X),
                    "y": labels,
                    "sparsity": [1.0, -0.1, 2, np.nan, None, [0.5], [], True, *NO_NUMBERS],
                    "criterion": [*NO_WORDS, None],
                    "scope": [*NO_WORDS, None],
                    "structure": [*NO_WORDS, None],
                    "method": [*NO_WORDS, None],
                    "schedule": [*NO_WORDS, None],
                    "n_steps": [0, -1, 1.5, None, np.nan, *NO_NUMBERS],
                    "finetune_epochs": [-1, 1.5, None, [1] * 9, [], "many", {}, NOTHING],
                    "finetune_learning_rate": [0, -1.0, np.nan, *NO_NUMBERS],
                    "rewind": [0, 1, -1, 1.5, *NO_NUMBERS],
                    "reconstruct": [None, "yes", 2, [], NOTHING],
                    "epsilon": [0.1, 0, -1.0, np.nan, *NO_NUMBERS],
                    "time_limit": [0, -1, None, np.nan, *NO_NUMBERS],
                    "max_samples": [0, -1, 1.5, None, *NO_NUMBERS],
                    "scoring": [*NO_WORDS, True],
                    "validation": [0.0, 1.0, 1, -1, "oob", np.nan, *NO_NUMBERS],
                    "n_jobs": [1.5, *NO_NUMBERS],
                    "random_state": BAD["random_state"],
                },
                WORDS,
            )
        )
    W = np.arange(12.0).reshape(4, 3) - 5
    X = rows("binary")[0]
    arrays = {"W": [None, 3, "w", W[0], W[None], W * np.nan, W[:0], {}, NOTHING]}
    calls.append(
        Call(
            "prune_layer",
            prune_layer,
            {"W": [W], "sparsity": [0.5]},
            arrays
            | {
                "X": [3, "x", X[0], X[:, :2], X * np.nan, X[:0], {}, NOTHING],
                "sparsity": [1.0, -0.1, 2, np.nan, [0.5, 0.5], [], *NO_NUMBERS[1:]],
                "intercept": ["b", np.ones(9), np.ones((3, 3)), [np.nan] * 3, {}, NOTHING],
                "criterion": [*NO_WORDS, None, "taylor", "wanda", "obs"],
                "method": [*NO_WORDS, None, "l1_program", "l0_program"],
                "mask": ["m", np.ones((2, 2)), W * np.nan, 3, {}, NOTHING],
                "reconstruct_weights": [None, "yes", 2, [], NOTHING, True],
            },
        )
    )
    calls.append(
        Call(
            "weight_scores",
            weight_scores,
            {"W": [W], "criterion": ["magnitude", "l2"]},
            arrays | {"criterion": [*NO_WORDS, None, "taylor", "wanda"]},
        )
    )
    return calls


@cache
def calls() -> list[Call]:
    ensembles = [call for name in ENSEMBLES for call in _calls_on(name)]
    return ensembles + _selector_calls() + _network_calls()
