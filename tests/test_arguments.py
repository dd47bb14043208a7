"""A name that is asked for where anything else is given: refused by its parameter's name."""

from __future__ import annotations

from functools import cache, partial

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.neural_network import MLPClassifier
from sklearn.tree import DecisionTreeClassifier

from ensprune import (
    EnsemblePruner,
    MLPPruner,
    compact,
    distill,
    prune,
    refine_leaves,
    shrink,
)
from ensprune.compaction import compaction_path
from ensprune.inspection import MemberSimilarityDisplay, PruningPathDisplay
from ensprune.mlp import (
    compress,
    erk_sparsities,
    finetune,
    l0_program,
    l1_program,
    neuron_scores,
    obs_eliminate,
    obs_prune,
    prune_layer,
    reconstruct,
    remove_dead_neurons,
    remove_neurons,
    schedule_fractions,
    sensitivity,
    weight_scores,
)
from ensprune.selectors import (
    ClusterSelector,
    GreedySelector,
    ILPSelector,
    OrderingSelector,
    RandomSelector,
    WeightSelector,
)

WRONG = {
    "array": np.array(["auto", "oob"]),
    "numbers": np.zeros((2, 2)),
    "series": pd.Series(["auto", "oob"]),
    "frame": pd.DataFrame({"a": [1, 2]}),
    "list": ["auto", None],
    "dict": {"auto": 1},
    "bytes": b"auto",
    "class": RandomForestClassifier,
    "name": "nonsense",
    "number": 1j,
}


@cache
def _rows():
    return make_classification(60, 5, random_state=0)


@cache
def _forest():
    return RandomForestClassifier(4, max_depth=3, random_state=0).fit(*_rows())


@cache
def _network():
    return MLPClassifier((4,), tol=0.1, n_iter_no_change=1, random_state=0).fit(*_rows())


def _on_forest(function, **given):
    return function(_forest(), *_rows(), **given)


def _selected(selector, **given):
    return prune(_forest(), *_rows(), target_size=2, selector=selector(**given))


def _network_pruned(**given):
    return MLPPruner(FrozenEstimator(_network()), **given).fit(*_rows())


def _path_drawn(**given):
    pruner = EnsemblePruner(FrozenEstimator(_forest()), target_size=2).fit(*_rows())
    return PruningPathDisplay.from_estimator(pruner, **given)


_W = np.eye(3)

# Who takes which names; one at least is wrong of each of the above.
CALLS = {
    "prune": (
        partial(_on_forest, prune),
        ["target_size", "validation", "cost", "refine", "scoring"],
    ),
    "refine_leaves": (
        partial(_on_forest, refine_leaves),
        ["validation", "damping", "shrinkage", "return_report"],
    ),
    "shrink": (partial(_on_forest, shrink), ["validation", "cost", "scoring", "target_size"]),
    "compact": (
        partial(_on_forest, compact),
        ["validation", "method", "scoring", "return_certificate"],
    ),
    "compact-lossless": (
        partial(compact, RandomForestClassifier()),
        ["validation", "method", "sample_weight", "scoring"],
    ),
    "compaction_path": (
        lambda **given: list(_on_forest(compaction_path, **given)),
        ["validation", "method", "scoring", "n_jobs"],
    ),
    "distill": (
        lambda **given: distill(_forest(), _rows()[0], DecisionTreeClassifier(), **given),
        ["n_augment"],
    ),
    "greedy": (
        partial(_selected, GreedySelector),
        ["direction", "replacement", "exchanges", "sorted_start", "random_state"],
    ),
    "ilp": (
        partial(_selected, ILPSelector),
        ["formulation", "solver", "faithful", "at_most", "must_keep"],
    ),
    "ordering": (partial(_selected, OrderingSelector), ["criterion"]),
    "weights": (partial(_selected, WeightSelector), ["loss"]),
    "cluster": (
        partial(_selected, ClusterSelector),
        ["clusterer", "representative", "random_state"],
    ),
    "random": (partial(_selected, RandomSelector), ["random_state"]),
    "similarity": (
        lambda **given: MemberSimilarityDisplay.from_estimator(_forest(), _rows()[0], **given),
        ["measure", "order", "out_of_bag", "n_jobs"],
    ),
    "path": (_path_drawn, ["x"]),
    "MLPPruner": (
        _network_pruned,
        ["criterion", "scope", "structure", "method", "schedule", "reconstruct", "n_jobs"],
    ),
    "prune_layer": (
        partial(prune_layer, _W, X=_W, method="l1_program", sparsity=0.3),
        ["criterion", "method", "reconstruct_weights", "relu", "margins", "time_limit", "target"],
    ),
    "weight_scores": (partial(weight_scores, _W), ["criterion"]),
    "neuron_scores": (
        lambda **given: neuron_scores(
            **{"W_in": _W, "W_out": _W, "A": _W, "D": _W, "criterion": "obs"} | given
        ),
        ["W_in", "W_out", "A", "D", "criterion", "damping", "random_state"],
    ),
    "erk_sparsities": (
        partial(erk_sparsities, shapes=[(3, 2), (2, 1)], sparsity=0.5),
        ["structure", "shapes"],
    ),
    "schedule_fractions": (
        lambda **given: schedule_fractions(
            **{"schedule": "cubic", "n_steps": 2, "n_layers": 2} | given
        ),
        ["schedule", "n_steps", "n_layers"],
    ),
    "l1_program": (
        lambda **given: l1_program(**{"X": _W, "target": _W, "W": _W, "epsilon": 0.5} | given),
        ["X", "target", "W", "sparsity", "epsilon", "relu", "intercept", "time_limit", "n_jobs"],
    ),
    "l0_program": (
        lambda **given: l0_program(**{"X": _W, "target": _W, "W": _W, "epsilon": 0.5} | given),
        ["X", "target", "W", "epsilon", "margins", "intercept", "mip_gap", "weight_bound"],
    ),
    "reconstruct": (
        lambda **given: reconstruct(**{"W": _W, "H": _W, "mask": _W > 0} | given),
        ["H", "mask", "n_jobs"],
    ),
    "obs_prune": (
        lambda **given: obs_prune(**{"W": _W, "H": _W, "n_zeros": 2} | given),
        ["H", "n_zeros", "mask", "n_rounds", "n_jobs"],
    ),
    "obs_eliminate": (
        lambda **given: obs_eliminate(**{"w": _W[0], "H_inv": _W, "drop": [0]} | given),
        ["H_inv", "drop"],
    ),
    "remove_neurons": (
        lambda **given: remove_neurons(
            **{"net": _network(), "keep": [np.arange(4) > 0], "X": _rows()[0]} | given
        ),
        ["net", "keep", "X", "refit"],
    ),
    "remove_dead_neurons": (remove_dead_neurons, ["net"]),
    "finetune": (
        lambda **given: finetune(
            **dict(zip(("net", "X", "y"), (_network(), *_rows()), strict=True))
            | {"masks": None, "epochs": 1, "rng": np.random.RandomState(0)}
            | given
        ),
        ["net", "X", "y", "masks", "epochs", "rng", "learning_rate", "decay"],
    ),
    "compress": (lambda **given: compress(_network(), **given), ["storage", "prefer", "dtype"]),
    "sensitivity": (
        lambda X=None, y=None, **given: sensitivity(
            _network(), _rows()[0] if X is None else X, _rows()[1] if y is None else y, **given
        ),
        ["X", "y", "criterion", "sparsities", "max_samples", "n_jobs", "scoring"],
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize(
    ("call", "name"), [(call, name) for call, (_, names) in CALLS.items() for name in names]
)
def test_what_is_none_of_the_options_is_refused_by_name(call, name, wrong):
    with pytest.raises((TypeError, ValueError), match=name) as raised:
        CALLS[call][0](**{name: WRONG[wrong]})
    assert "ambiguous" not in str(raised.value)


@pytest.mark.parametrize("wrong", [np.inf, 1j, -1.0, "heavy", [1.0], [[1.0], [2.0, 3.0]]])
@pytest.mark.parametrize("call", [prune, refine_leaves, shrink, compact])
def test_weights_that_are_none_are_named(call, wrong):
    with pytest.raises(ValueError, match="sample_weight must hold a number of 0 or more"):
        _on_forest(call, sample_weight=wrong)


@pytest.mark.parametrize("call", [prune, refine_leaves, shrink, compact])
def test_rows_and_labels_of_other_lengths_are_named(call):
    X, y = _rows()
    with pytest.raises(ValueError, match="X must have a row for each of the 50 labels or values"):
        call(_forest(), X, y[:50])


@pytest.mark.parametrize(
    "wrong",
    [3, "none", 1j, np.zeros(60, dtype=complex), [[0], [1, 2]], {"a": 1}, csr_array(np.eye(60))],
)
def test_labels_that_are_none_are_named(wrong):
    X, y = _rows()
    pruner = EnsemblePruner(RandomForestClassifier(4, random_state=0), target_size=2)
    with pytest.raises(ValueError, match="y_val"):
        pruner.fit(X, y, X_val=X, y_val=wrong)
    pruner.fit(X, y)
    with pytest.raises(ValueError, match=r"\by\b.*1d array|Complex data not supported: y"):
        pruner.report(X, wrong)


def test_rows_of_a_report_are_named():
    X, y = _rows()
    pruner = EnsemblePruner(FrozenEstimator(_forest()), target_size=2).fit(X, y)
    with pytest.raises(TypeError, match="X=int has no rows"):
        pruner.report(3, y)
    with pytest.raises(ValueError, match="X must have a row for each of the 50 labels or values"):
        pruner.report(X, y[:50])
