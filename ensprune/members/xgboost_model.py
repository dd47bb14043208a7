"""XGBoost's saved models: reading, cutting and re-tagging their trees; no rows and no metric.

A saved model lists its trees round by round, in a round class by class, for a class one tree per
``num_parallel_tree``. The learning rate is inside the leaf values, ``weight_drop`` is not. It is
beside the trees since XGBoost 3.4 and a level above them, around a whole gbtree, before.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost
from sklearn.exceptions import NotFittedError

from .leaves import TreeNodes
from .xgboost_ubjson import Nodes, nodes_in, nodes_of, retagged, weighs

# Found by early stopping over rounds that a cut model does not have.
STALE_ATTRIBUTES = ("best_iteration", "best_score")


@dataclass(frozen=True)
class Layout:
    """How the trees of a model are arranged, and what they were trained for.

    Parameters
    ----------
    n_rounds : int
    n_outputs : int
        Trees of one round that speak for different classes; 1 unless multiclass.
    n_parallel : int
        Trees of one round that speak for the same class.
    objective : str
    runtime : dict
        ``nthread`` and ``device``, which a saved model does not have.
    """

    n_rounds: int
    n_outputs: int
    n_parallel: int
    objective: str
    runtime: dict[str, Any]

    @property
    def is_forest(self) -> bool:
        """Whether the members are the parallel trees of the only round."""
        return self.n_rounds == 1 and self.n_parallel > 1

    @property
    def n_members(self) -> int:
        return self.n_parallel if self.is_forest else self.n_rounds

    @property
    def n_trees(self) -> int:
        return self.n_rounds * self.n_outputs * self.n_parallel

    @property
    def trees(self) -> np.ndarray:
        """Positions of each member's trees, shape (n_members, n_trees_per_member)."""
        positions = np.arange(self.n_trees)
        if self.is_forest:
            return positions.reshape(self.n_outputs, self.n_parallel).T
        return positions.reshape(self.n_rounds, -1)

    @property
    def outputs(self) -> list[int]:
        """Which output each tree speaks for, as a saved model's ``tree_info`` lists it."""
        once = np.repeat(np.arange(self.n_outputs), self.n_parallel)
        return np.tile(once, self.n_rounds).tolist()


def read_layout(booster: xgboost.Booster) -> Layout:
    """The arrangement of a booster's trees.

    Raises
    ------
    TypeError
        If it has no trees (``booster="gblinear"``).
    ValueError
        If it predicts several targets, or several outputs with one tree.
    sklearn.exceptions.NotFittedError
        If it has not been trained.
    """
    try:
        # Reading the configuration repeats the warnings of training.
        with xgboost.config_context(verbosity=0):
            learner = json.loads(booster.save_config())["learner"]
            n_rounds = booster.num_boosted_rounds()
    except xgboost.core.XGBoostError as error:  # no rows seen, so no number of features
        raise NotFittedError("this Booster is not fitted; train it first") from error
    ensemble = learner["gradient_booster"]
    if ensemble["name"] == "gblinear":
        raise linear_model()
    if n_rounds == 0:
        raise NotFittedError("this Booster has no rounds; train it first")
    shape = learner["learner_model_param"]
    objective = learner["objective"]["name"]
    n_targets = int(shape.get("num_target", 1))
    if n_targets > 1:
        cause = "levels" if objective in _SEVERAL_LEVELS else "targets or labels"
        raise ValueError(
            f"this XGBoost model ({objective}) predicts {n_targets} {cause} at once; pruning "
            f"needs a single one: train one model for each of the {cause}"
        )
    ensemble = ensemble.get("gbtree", ensemble)
    trees = ensemble["gbtree_model_param"]
    generic = learner["generic_param"]
    layout = Layout(
        n_rounds,
        max(1, int(shape["num_class"])),
        int(trees["num_parallel_tree"]),
        objective,
        {"nthread": int(generic["nthread"]), "device": generic.get("device", "cpu")},
    )
    if int(trees["num_trees"]) != layout.n_trees:
        raise ValueError(
            f"this XGBoost model has {trees['num_trees']} trees in {n_rounds} rounds, not "
            f"{layout.n_outputs} x {layout.n_parallel} in each: its trees have vectors in their "
            "leaves, or num_parallel_tree changed during training; train with "
            "multi_strategy='one_output_per_tree' and one num_parallel_tree"
        )
    return layout


_SEVERAL_LEVELS = ("reg:quantileerror", "reg:expectileerror")


def linear_model() -> TypeError:
    """What to say of a booster without trees."""
    return TypeError(
        "booster='gblinear' is a linear model: it has no members to drop; train with "
        "booster='gbtree'"
    )


def read_model(booster: xgboost.Booster) -> dict[str, Any]:
    """The saved model as nested dicts."""
    return json.loads(bytes(booster.save_raw("json")))


def trees_of(model: dict[str, Any]) -> dict[str, Any]:
    """The part of a saved model that holds ``trees`` and what is parallel to it."""
    booster = model["learner"]["gradient_booster"]
    return booster.get("gbtree", booster)["model"]


def tree_weights(model: dict[str, Any]) -> np.ndarray:
    """What the leaf values of each tree are multiplied by: dart's weights, else ones; (n_trees,)."""
    ensemble = trees_of(model)
    for holder in (model["learner"]["gradient_booster"], ensemble):
        if "weight_drop" in holder:
            # In the precision that dart predicts in.
            return np.asarray(holder["weight_drop"], dtype=np.float32).astype(np.float64)
    return np.ones(len(ensemble["trees"]))


def read_nodes(booster: xgboost.Booster, n_trees: int) -> tuple[Nodes, np.ndarray]:
    """The nodes of a booster's trees, and the :func:`tree_weights`; the model is parsed if need be."""
    saved = bytes(booster.save_raw("ubj"))
    nodes = None if weighs(saved) else nodes_in(saved, n_trees)
    if nodes is not None:
        return nodes, np.ones(n_trees)
    model = read_model(booster)
    return nodes_of(trees_of(model)["trees"]), tree_weights(model)


def cut(
    model: dict[str, Any],
    kept: Sequence[int],
    factors: Sequence[float] | None,
    n_rounds: int,
    n_parallel: int,
    replaced: Sequence[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """A saved model with only some of its trees; the given one is left as it is.

    Parameters
    ----------
    model : dict
    kept : sequence of int
        Positions of the trees to keep, in a model's order.
    factors : sequence of float or None
        What the leaf values of each kept tree are multiplied by.
    n_rounds : int
        Rounds of the result.
    n_parallel : int
        Parallel trees in a round of the result.
    replaced : sequence of dict, default=None
        Trees that take the place of the model's own before anything is cut.
    """
    result = _copied_dicts(model)
    learner = result["learner"]
    ensemble = trees_of(result)
    source = ensemble["trees"] if replaced is None else replaced
    trees = [source[t] for t in kept]
    if factors is not None:
        trees = [_scaled(tree, factor) for tree, factor in zip(trees, factors, strict=True)]
    ensemble["trees"] = [{**tree, "id": i} for i, tree in enumerate(trees)]
    for holder in (learner["gradient_booster"], ensemble):
        for name in ("tree_info", "weight_drop"):
            if name in holder:
                holder[name] = [holder[name][t] for t in kept]
    ensemble["iteration_indptr"] = list(range(0, len(kept) + 1, len(kept) // n_rounds))
    ensemble["gbtree_model_param"]["num_trees"] = str(len(kept))
    ensemble["gbtree_model_param"]["num_parallel_tree"] = str(n_parallel)
    for name in STALE_ATTRIBUTES:
        learner.get("attributes", {}).pop(name, None)
    return result


def encodes(booster: xgboost.Booster) -> bool:
    """Whether a booster may know the names of categories, which slices of it forget (XGBoost 3.2)."""
    return "c" in (booster.feature_types or ())


def first_rounds(booster: xgboost.Booster, layout: Layout, n_rounds: int) -> xgboost.Booster:
    """A booster of some rounds of another, whose arrangement ``layout`` is."""
    if not encodes(booster):
        return booster[:n_rounds]
    kept = range(n_rounds * layout.n_outputs * layout.n_parallel)
    model = cut(read_model(booster), kept, None, n_rounds, layout.n_parallel)
    return load(model, layout.runtime)


def load(model: dict[str, Any] | bytes, runtime: dict[str, Any]) -> xgboost.Booster:
    """A booster of a saved model."""
    if isinstance(model, dict):
        model = json.dumps(model, separators=(",", ":")).encode()
    booster = xgboost.Booster()
    booster.load_model(bytearray(model))
    booster.set_param(runtime)
    return booster


def leaf_booster(source: xgboost.Booster | dict[str, Any], layout: Layout) -> xgboost.Booster:
    """A booster whose margin is the leaf value of every tree, shape (n_samples, n_trees).

    Each tree becomes the only one of an output of its own. One ordinary prediction then costs
    about as much as one of the whole ensemble, and missing values and categories go the way they
    always go; asking for leaf indices is several times slower.

    Parameters
    ----------
    source : Booster or dict
        A booster, or a saved model.
    layout : Layout
        Of the source.
    """
    saved: bytes | dict[str, Any] | None = None
    if isinstance(source, xgboost.Booster):
        # Editing bytes takes a tenth of the time of parsing them.
        saved = retagged(bytes(source.save_raw("ubj")), layout.outputs)
        source = source if saved is not None else read_model(source)
    if isinstance(source, dict):
        saved = _one_output_each(source, layout)
    assert saved is not None
    # The caller shares the rows out among threads.
    booster = load(saved, {**layout.runtime, "nthread": 1})
    booster.set_param(
        {"objective": "multi:softprob", "num_class": layout.n_trees, "base_score": 0.0}
    )
    # The first prediction configures a booster, which threads must not do side by side.
    one_row = np.full((1, booster.num_features()), np.nan, dtype=np.float32)
    found = booster.inplace_predict(one_row, predict_type="margin", strict_shape=True).shape
    if found != (1, layout.n_trees):
        raise ValueError(
            f"XGBoost {xgboost.__version__} predicts an array of shape {found} where one output "
            f"for each of {layout.n_trees} trees was asked for"
        )
    return booster


def _one_output_each(model: dict[str, Any], layout: Layout) -> dict[str, Any]:
    """The same on nested dicts, with ``weight_drop`` moved into the leaves."""
    result = _copied_dicts(model)
    learner = result["learner"]
    ensemble = trees_of(result)
    if ensemble["tree_info"] != layout.outputs:
        raise ValueError(
            "the trees of this XGBoost model are not ordered round by round and class by class"
        )
    ensemble["tree_info"] = list(range(layout.n_trees))
    outer = learner["gradient_booster"]
    if "gbtree" in outer:
        drop = np.asarray(outer["weight_drop"], dtype=np.float32)
        ensemble["trees"] = [
            _scaled(tree, factor) for tree, factor in zip(ensemble["trees"], drop, strict=True)
        ]
        learner["gradient_booster"] = outer["gbtree"]
    return result


def _copied_dicts(node: Any) -> Any:
    """A copy of nested dicts that shares the lists in them, trees above all."""
    if isinstance(node, dict):
        return {name: _copied_dicts(value) for name, value in node.items()}
    return node


def tree_nodes(model: dict[str, Any]) -> list[TreeNodes]:
    """The nodes of each tree, weighted by their sums of second derivatives.

    Values, shape (n_nodes, 1), have dart's ``weight_drop`` in them.
    """
    result = []
    for tree, factor in zip(trees_of(model)["trees"], tree_weights(model), strict=True):
        values = np.asarray(tree["split_conditions"], dtype=np.float32).astype(np.float64)
        result.append(
            TreeNodes(
                np.asarray(tree["left_children"]),
                np.asarray(tree["right_children"]),
                (values * factor)[:, None],
                np.asarray(tree["sum_hessian"], dtype=np.float64),
            )
        )
    return result


def with_leaf_values(model: dict[str, Any], values: Sequence[np.ndarray]) -> dict[str, Any]:
    """A saved model with other leaf values; the given one is left as it is.

    Parameters
    ----------
    model : dict
    values : sequence of ndarray of shape (n_leaves,)
        Per tree, in the order of its leaves' nodes; ``weight_drop`` becomes 1.
    """
    result = _copied_dicts(model)
    ensemble = trees_of(result)
    ensemble["trees"] = [
        _with_values(tree, own) for tree, own in zip(ensemble["trees"], values, strict=True)
    ]
    for holder in (result["learner"]["gradient_booster"], ensemble):
        if "weight_drop" in holder:
            holder["weight_drop"] = [1.0] * len(values)
    return result


def _with_values(tree: dict[str, Any], own: np.ndarray) -> dict[str, Any]:
    leaves = TreeNodes(
        np.asarray(tree["left_children"]), np.asarray(tree["right_children"]), *2 * [np.empty(0)]
    ).leaves
    values, weights = (
        np.asarray(tree[name], dtype=np.float32) for name in ("split_conditions", "base_weights")
    )
    values[leaves] = weights[leaves] = own
    return {**tree, "split_conditions": values.tolist(), "base_weights": weights.tolist()}


def _scaled(tree: dict[str, Any], factor: float) -> dict[str, Any]:
    """A copy of a tree with its leaf values multiplied; they are where others split."""
    leaf = np.asarray(tree["left_children"]) == -1
    values = np.asarray(tree["split_conditions"], dtype=np.float32)
    values[leaf] = values[leaf].astype(np.float64) * float(factor)  # rounded once
    weights = np.asarray(tree["base_weights"], dtype=np.float32) * np.float32(factor)
    return {**tree, "split_conditions": values.tolist(), "base_weights": weights.tolist()}
