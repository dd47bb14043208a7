"""The same for what is looked at after a fit: reports and displays; and for certificates."""

from __future__ import annotations

from functools import cache
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression

from ensprune import EnsemblePruner, MLPPruner, compact, prune
from ensprune.inspection import (
    KappaErrorDisplay,
    MemberSimilarityDisplay,
    PruningPathDisplay,
    SensitivityDisplay,
)

from .bad_arguments import (
    BAD,
    LABELS,
    NO_WORDS,
    NOT_ENSEMBLES,
    NOTHING,
    ROWS,
    WORDS,
    Call,
    bad_classes,
    bad_labels,
    bad_rows,
    bad_weights,
    fitted,
    network,
    other_columns,
    rows,
)

NOT_PRUNERS: list[Any] = [
    None,
    7,
    "pruner",
    {},
    NOTHING,
    LinearRegression(),
    EnsemblePruner,
    EnsemblePruner(FrozenEstimator(fitted("forest"))),
    MLPPruner(FrozenEstimator(network("binary"))),
]
NO_AXES: list[Any] = [3, "axes", [], {}, NOTHING, plt]
N_JOBS = [0, 1.5, "many", [1], NOTHING]


@cache
def pruned(kind: str) -> Any:
    """A fitted pruner."""
    X, y = rows("binary")
    if kind == "network":
        return MLPPruner(FrozenEstimator(network("binary")), sparsity=0.5, n_steps=1).fit(X, y)
    return EnsemblePruner(FrozenEstimator(fitted(kind)), target_size=2, random_state=0).fit(X, y)


def _drawn(draw: Any) -> Any:
    def run(**given: Any) -> Any:
        mpl.use("Agg")
        try:
            return draw(**given)
        finally:
            plt.close("all")

    return run


def _reports() -> list[Call]:
    X, y = rows("binary")
    calls = []
    for kind in ("forest", "xgboost", "network"):

        def run(kind: str = kind, **given: Any) -> Any:
            return pruned(kind).report(**given)

        calls.append(
            Call(
                f"report({kind})",
                run,
                {"X": [X], "y": [y], "sample_weight": [None, np.ones(len(y))]},
                {
                    "X": bad_rows(X) + other_columns(X),
                    "y": bad_labels(y)[1:],
                    "sample_weight": bad_weights(len(y)),
                },
                WORDS,
            )
        )
    return calls


def _displays() -> list[Call]:
    X, y = rows("binary")
    good = {"X": [X], "y": [y], "ax": [None]}
    on_rows = {"X": bad_rows(X) + other_columns(X), "y": bad_labels(y)[1:] + bad_classes(y)}
    company = {
        "estimator": [*NOT_ENSEMBLES, pruned("network")],
        "out_of_bag": [None, "yes", 2, [], NOTHING],
        "n_jobs": N_JOBS,
        "ax": NO_AXES,
    }
    path = {"x": [*NO_WORDS, "nodes"], "ax": NO_AXES}
    pruners = [[], {}, 3, None, NOT_PRUNERS, [None], {"one": 3}, [pruned("forest"), 7]]
    return [
        Call(
            "MemberSimilarityDisplay",
            _drawn(MemberSimilarityDisplay.from_estimator),
            good | {"estimator": [pruned("forest")]},
            on_rows | company | {"measure": [*NO_WORDS, None], "order": [*NO_WORDS, None]},
            WORDS,
        ),
        Call(
            "KappaErrorDisplay",
            _drawn(KappaErrorDisplay.from_estimator),
            good | {"estimator": [pruned("forest")]},
            on_rows | company | {"estimator": [*NOT_ENSEMBLES, fitted("xgboost")]},
            WORDS | {"estimator": ("classifier",)},
        ),
        Call(
            "PruningPathDisplay.from_estimator",
            _drawn(PruningPathDisplay.from_estimator),
            {"pruner": [pruned("forest")], "ax": [None]},
            path | {"pruner": NOT_PRUNERS},
            {"pruner": ("EnsemblePruner", "MLPPruner")},
        ),
        Call(
            "PruningPathDisplay.from_estimators",
            _drawn(PruningPathDisplay.from_estimators),
            {"pruners": [[pruned("forest")], {"trees": pruned("forest")}], "ax": [None]},
            path | {"pruners": [*pruners, [pruned("forest"), pruned("network")]]},
            {"pruners": ("EnsemblePruner", "MLPPruner", "draw together")},
        ),
        Call(
            "SensitivityDisplay",
            _drawn(SensitivityDisplay.from_estimator),
            good | {"estimator": [network("binary")], "sparsities": [[0.0, 0.5]]},
            on_rows
            | {
                "estimator": NOT_ENSEMBLES,
                "ax": NO_AXES,
                "sparsities": [None, 3, "all", [], [-0.1], [1.5], [np.nan], ["a"], NOTHING],
                "criterion": [*NO_WORDS, None],
                "max_samples": [0, -1, 1.5, None, "all", [], NOTHING],
                "n_jobs": N_JOBS,
                "random_state": BAD["random_state"],
                "scoring": [*NO_WORDS, True],
            },
            WORDS,
        ),
    ]


def _certificates() -> list[Call]:
    X, y = rows("binary")
    good = {"X": [X], "y": [y], "sample_weight": [None], "estimator": [fitted("forest")]}
    bad = {
        "X": bad_rows(X) + other_columns(X) + [X[:3]],
        "y": bad_labels(y) + bad_classes(y),
        "sample_weight": bad_weights(len(y)),
        # The last needs more rows than there are.
        "confidence": [*BAD["confidence"], 1 - 1e-15],
        "tolerance": BAD["tolerance"],
        "scoring": BAD["scoring"],
        "estimator": NOT_ENSEMBLES,
    }
    words = WORDS | {"confidence": ("confidence", "rows"), "X": (*ROWS, "rows"), "y": LABELS}
    return [
        Call(
            "certified prune",
            prune,
            good | {"target_size": ["auto", 2], "confidence": [0.6], "tolerance": [0.3]},
            bad | {"random_state": BAD["random_state"], "target_size": BAD["target_size"]},
            words,
        ),
        Call(
            "certified compact",
            compact,
            good | {"confidence": [0.6], "tolerance": [0.3]},
            bad,
            words,
        ),
    ]


@cache
def inspections() -> list[Call]:
    return _reports() + _displays() + _certificates()
