"""LightGBM's saved models: reading, cutting and re-tagging their trees; no rows and no metric.

A saved model is text: a head, the trees iteration by iteration and in an iteration class by class,
a tail. Learning rate and dart's weights are inside the leaf values. So is the average the model
started from (``boost_from_average``), in those of the first iteration only: the root's
``internal_value`` of that iteration says which number it is, to the six digits it is printed with.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import lightgbm
import numpy as np

from ..trees.leafwise import numbers_of, text_of
from .leaves import TreeNodes

_END = "end of trees"


@dataclass(frozen=True)
class SavedModel:
    """A saved model in pieces.

    Parameters
    ----------
    head : tuple of str
        Lines before the trees, without their sizes.
    trees : tuple of dict of str to str
        The fields of each tree, in the order of the file.
    tail : str
        What comes after the trees.
    """

    head: tuple[str, ...]
    trees: tuple[dict[str, str], ...]
    tail: str

    def field(self, name: str) -> str:
        """A field of the head; empty where there is none."""
        found = (line.partition("=")[2] for line in self.head if line.startswith(f"{name}="))
        return next(found, "")

    def parameter(self, name: str) -> str:
        """A parameter of training; empty where the file does not have it."""
        found = re.search(rf"^\[{name}: (.*)\]$", self.tail, re.MULTILINE)
        return "" if found is None else found[1]

    @property
    def n_outputs(self) -> int:
        """Trees of one iteration, each for a class of its own; 1 unless multiclass."""
        return int(self.field("num_tree_per_iteration"))

    @property
    def n_iterations(self) -> int:
        return len(self.trees) // self.n_outputs

    @property
    def averages(self) -> bool:
        """Whether predictions are a mean over iterations (``boosting="rf"``)."""
        return "average_output" in self.head

    @property
    def offset(self) -> np.ndarray:
        """What the first iteration's leaves have in them beside its own, shape (n_outputs,)."""
        if self.averages:  # in every tree alike, and a mean of it is what it was
            return np.zeros(self.n_outputs)
        return np.array([_root_value(tree) for tree in self.trees[: self.n_outputs]])

    def own_values(self, tree: int) -> np.ndarray:
        """What a tree's leaves add to the raw score, shape (n_leaves,)."""
        values = numbers_of(self.trees[tree], "leaf_value")
        return values - self.offset[tree] if tree < self.n_outputs else values

    def nodes(self, tree: int) -> TreeNodes:
        """A tree's nodes, inner ones before the leaves, weighted by sums of second derivatives."""
        fields = self.trees[tree]
        values = self.own_values(tree)
        n_inner = len(values) - 1
        weight = np.ones(n_inner + len(values))
        if n_inner:
            weight[n_inner:] = numbers_of(fields, "leaf_weight")
        padded = np.concatenate([np.zeros(n_inner), values])
        left, right = _links(fields, "left_child"), _links(fields, "right_child")
        return TreeNodes(left, right, padded[:, None], weight)

    def text(self) -> str:
        """The model as LightGBM loads it."""
        trees = [
            f"Tree={i}\n" + "".join(f"{name}={value}\n" for name, value in tree.items()) + "\n\n"
            for i, tree in enumerate(self.trees)
        ]
        sizes = " ".join(str(len(tree.encode())) for tree in trees)
        head = "\n".join([*self.head, f"tree_sizes={sizes}"])
        return f"{head}\n\n{''.join(trees)}{_END}{self.tail}"


def read_model(booster: lightgbm.Booster) -> SavedModel:
    """The iterations a booster predicts with: up to the best one after early stopping."""
    text = booster.model_to_string(num_iteration=booster.best_iteration)
    body, _, tail = text.partition(f"\n{_END}")
    head, *blocks = body.split("\nTree=")
    lines = tuple(line for line in head.split("\n") if line and not line.startswith("tree_sizes="))
    trees = []
    for block in blocks:
        pairs = (line.partition("=") for line in block.split("\n")[1:] if line)
        trees.append({name: value for name, _, value in pairs})
    return SavedModel(lines, tuple(trees), tail)


def cut(model: SavedModel, kept: Sequence[int], factors: np.ndarray | None) -> SavedModel:
    """A saved model with only some of its iterations; the given one is left as it is.

    Parameters
    ----------
    model : SavedModel
    kept : sequence of int
        Iterations to keep, in the order they are to be in.
    factors : ndarray of shape (len(kept),) or None
        What the leaf values of each are multiplied by.
    """
    offset = model.offset
    trees = []
    for position, t in enumerate(kept):
        factor = 1.0 if factors is None else float(factors[position])
        had, has = (0.0 if model.averages or at else 1.0 for at in (int(t), position))
        for output in range(model.n_outputs):
            tree = model.trees[int(t) * model.n_outputs + output]
            # A tree that says what it said is left as it is written, so that nothing is rounded.
            if factor != 1.0 or had != has:
                tree = _scaled(tree, had * offset[output], factor)
                tree = _carrying(tree, offset[output]) if has else tree
            trees.append(tree)
    return replace(model, trees=tuple(trees), tail=_resized(model.tail, len(kept)))


def with_trees(model: SavedModel, trees: Sequence[dict[str, str]]) -> SavedModel:
    """A saved model with other trees in the place of its own."""
    return replace(model, trees=tuple(trees))


def with_own_values(model: SavedModel, values: Sequence[np.ndarray]) -> SavedModel:
    """A saved model with other leaf values, those of :meth:`SavedModel.own_values`."""
    offset = model.offset
    trees = [
        {**tree, "leaf_value": text_of(own + offset[t] if t < model.n_outputs else own)}
        for t, (tree, own) in enumerate(zip(model.trees, values, strict=True))
    ]
    return replace(model, trees=tuple(trees))


def load(model: SavedModel, params: dict[str, Any] | None = None) -> lightgbm.Booster:
    """A booster of a saved model."""
    booster = lightgbm.Booster(model_str=model.text())
    if params is not None:
        booster.params = params
    return booster


def leaf_booster(model: SavedModel) -> lightgbm.Booster:
    """A booster whose raw score is the leaf value of every tree, shape (n_samples, n_trees).

    Each tree becomes the only one of an output of its own, so that one ordinary prediction reads
    them all, and missing values, categories and linear leaves go the way they always go.
    """
    own = ("num_class=", "num_tree_per_iteration=", "objective=", "average_output")
    head = [line for line in model.head if not line.startswith(own)]
    counts = [f"{name}{len(model.trees)}" for name in own[:2]]
    return load(replace(model, head=(*head[:2], *counts, *head[2:])))


def _links(fields: dict[str, str], side: str) -> np.ndarray:
    """Children of all nodes, inner ones before the leaves; -1 in a leaf."""
    children = numbers_of(fields, side, np.intp)
    n_inner = len(children)
    inner = np.where(children < 0, n_inner + ~children, children)
    return np.concatenate([inner, np.full(n_inner + 1, -1)])


def _root_value(tree: dict[str, str]) -> float:
    if tree["num_leaves"] == "1":
        return float(f"{float(tree['leaf_value']):g}")
    return float(tree["internal_value"].split(" ", 1)[0])


def _scaled(tree: dict[str, str], offset: float, factor: float) -> dict[str, str]:
    """A tree whose leaves say ``factor`` times what they say beside ``offset``."""
    result = dict(tree)
    for name in ("leaf_value", "internal_value", "leaf_const"):
        if name in tree:
            result[name] = text_of(factor * (numbers_of(tree, name) - offset))
    for name in ("shrinkage", "leaf_coeff"):
        if name in tree:
            result[name] = _multiplied(tree[name], factor)
    return result


def _multiplied(numbers: str, factor: float) -> str:
    # Split at every space: linear leaves without a slope are told by two spaces in a row.
    return " ".join(repr(float(x) * factor) if x else x for x in numbers.split(" "))


def _carrying(tree: dict[str, str], offset: float) -> dict[str, str]:
    """A tree with the offset in its leaves, where the first iteration has it."""
    result = dict(tree)
    for name in ("leaf_value", "internal_value", "leaf_const"):
        if name in tree:
            result[name] = text_of(numbers_of(tree, name) + offset)
    return telling(result, offset)


def telling(tree: dict[str, str], offset: float) -> dict[str, str]:
    """A tree whose root says which offset its leaves have in them."""
    values = numbers_of(tree, "internal_value")
    values[:1] = offset
    return {**tree, "internal_value": text_of(values)}


def _resized(tail: str, n_iterations: int) -> str:
    """The parameters in the tail with another number of iterations."""
    lines = tail.split("\n")
    name = "[num_iterations: "
    return "\n".join(f"{name}{n_iterations}]" if line.startswith(name) else line for line in lines)
