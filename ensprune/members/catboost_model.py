"""CatBoost's saved models: reading, cutting and re-weighting their trees; no rows and no metric.

A model saved as JSON loads to the same predictions, categorical features and their target
statistics included. It lists symmetric trees as ``oblivious_trees``, a leaf being the bits of its
splits' answers, the first split's the lowest, and any others as nested ``trees``. A scale and a
bias are beside them; the learning rate is inside the leaf values.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import catboost
import numpy as np

from .leaves import TreeNodes

_FILE = "model.json"
_EMPTY = 1e-6  # weight of a leaf without training rows, next to nothing


def read_model(estimator: catboost.CatBoost) -> dict[str, Any]:
    """The saved model as nested dicts.

    Raises
    ------
    ValueError
        If CatBoost cannot write it as JSON: it has text or embedding features.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder, _FILE)
        try:
            estimator.save_model(str(path), format="json")
        except catboost.CatBoostError as error:
            raise ValueError(
                f"CatBoost cannot write this {type(estimator).__name__} as JSON, which its trees "
                f"are read from ({error}); train without text and embedding features"
            ) from error
        return json.loads(path.read_text(encoding="utf-8"))


def load(model: dict[str, Any]) -> catboost.CatBoost:
    """A plain CatBoost model of a saved one."""
    with TemporaryDirectory() as folder:
        path = Path(folder, _FILE)
        path.write_text(json.dumps(model), encoding="utf-8")
        return catboost.CatBoost().load_model(str(path), format="json")


def is_symmetric(model: dict[str, Any]) -> bool:
    return "oblivious_trees" in model


def trees_of(model: dict[str, Any]) -> list[dict[str, Any]]:
    return model["oblivious_trees" if is_symmetric(model) else "trees"]


def loss_of(model: dict[str, Any]) -> str:
    """The name of the loss a model was trained for; empty if the file does not say."""
    return model["model_info"].get("params", {}).get("loss_function", {}).get("type", "")


def scale_and_bias(model: dict[str, Any]) -> tuple[float, np.ndarray]:
    """The factor on the sum of trees, and what is added to it, shape (n_outputs,)."""
    scale, bias = model["scale_and_bias"]
    return float(scale), np.atleast_1d(np.asarray(bias, dtype=np.float64))


def cut(
    model: dict[str, Any], kept: Sequence[int], factors: Sequence[float] | None
) -> dict[str, Any]:
    """A saved model with only some of its trees; the given one is left as it is."""
    trees = [trees_of(model)[t] for t in kept]
    if factors is not None:
        trees = [_scaled(tree, factor) for tree, factor in zip(trees, factors, strict=True)]
    return _with_trees(model, trees)


def with_leaf_values(model: dict[str, Any], values: Sequence[np.ndarray]) -> dict[str, Any]:
    """A saved model of symmetric trees with other leaf values, each (n_leaves, n_outputs)."""
    trees = [
        {**tree, "leaf_values": own.ravel().tolist()}
        for tree, own in zip(trees_of(model), values, strict=True)
    ]
    return _with_trees(model, trees)


def tree_nodes(tree: dict[str, Any], n_outputs: int) -> TreeNodes:
    """The nodes of a symmetric tree, level by level; leaves are last, in CatBoost's order."""
    values = np.asarray(tree["leaf_values"], dtype=np.float64).reshape(-1, n_outputs)
    n_leaves = len(values)
    depth = n_leaves.bit_length() - 1
    n_nodes = 2 * n_leaves - 1
    left, right = (np.full(n_nodes, -1, dtype=np.intp) for _ in range(2))
    for level in range(depth):
        answers = np.arange(2**level)  # to the splits above, as bits
        nodes, below = 2**level - 1 + answers, 2 ** (level + 1) - 1
        left[nodes] = below + answers
        right[nodes] = below + answers + 2**level
    inner = np.zeros((n_leaves - 1, n_outputs))
    # Symmetric trees have leaves that no training row is in.
    weight = np.maximum(tree.get("leaf_weights") or np.ones(n_leaves), _EMPTY)
    return TreeNodes(
        left,
        right,
        np.concatenate([inner, values]),
        np.concatenate([np.zeros(n_leaves - 1), weight]),
    )


def _with_trees(model: dict[str, Any], trees: list[dict[str, Any]]) -> dict[str, Any]:
    """The model around other trees, without the scores of those it was trained with."""
    described = {name: text for name, text in model["model_info"].items() if name != "training"}
    kind = "oblivious_trees" if is_symmetric(model) else "trees"
    return {**model, kind: trees, "model_info": described}


def _scaled(tree: dict[str, Any], factor: float) -> dict[str, Any]:
    """A copy of a tree with its leaf values multiplied."""
    if "leaf_values" in tree:
        return {**tree, "leaf_values": [factor * value for value in tree["leaf_values"]]}
    if "value" in tree:
        return {**tree, "value": (factor * np.asarray(tree["value"])).tolist()}
    return {**tree, **{side: _scaled(tree[side], factor) for side in ("left", "right")}}
