"""Trees of HistGradientBoosting: TreePredictor's records and bitsets of categories."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from .structure import Tree, TreeCut, float_keys

_CODES = 256  # categories are read as one byte


def read_histogram(predictor: Any, known: np.ndarray, feature_map: np.ndarray) -> Tree:
    """The tree of a TreePredictor.

    Parameters
    ----------
    predictor : TreePredictor
    known : ndarray of shape (n_categorical_features, 8), dtype uint32
        Bitsets of the categories seen in training; others go where missing values go.
    feature_map : ndarray of shape (n_features,)
        The row of ``known`` of each feature.
    """
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(bool)
    missing_left = nodes["missing_go_to_left"].astype(bool)
    categorical = nodes["is_categorical"].astype(bool) & ~leaf
    codes_left = np.zeros((len(nodes), _CODES if categorical.any() else 0), dtype=bool)
    if categorical.any():
        split = nodes[categorical]
        listed = _unpacked(predictor.raw_left_cat_bitsets[split["bitset_idx"]])
        unknown = ~_unpacked(known[feature_map[split["feature_idx"]]])
        codes_left[categorical] = listed | (unknown & missing_left[categorical, None])
    return Tree(
        left=np.where(leaf, -1, nodes["left"].astype(np.intp)),
        right=np.where(leaf, -1, nodes["right"].astype(np.intp)),
        feature=nodes["feature_idx"].astype(np.intp),
        bound=float_keys(nodes["num_threshold"].copy()),
        missing_left=missing_left,
        categorical=categorical,
        codes_left=codes_left,
        values=nodes["value"][:, None].copy(),
        cover=nodes["count"].astype(np.float64),
    )


def _unpacked(bitsets: np.ndarray) -> np.ndarray:
    """Bitsets (n, 8) of 32 categories a word as booleans (n, 256)."""
    shifts = np.arange(32, dtype=np.uint32)
    return ((bitsets[:, :, None] >> shifts) & 1).astype(bool).reshape(len(bitsets), -1)


def cut_histogram(predictor: Any, cut: TreeCut) -> Any:
    """A copy of a TreePredictor with fewer nodes, and only the bitsets that they use."""
    nodes = predictor.nodes[cut.kept]
    leaf = cut.left < 0
    nodes["left"] = np.where(leaf, 0, cut.left)
    nodes["right"] = np.where(leaf, 0, cut.right)
    nodes["depth"] = cut.depth
    nodes["is_leaf"] = leaf
    nodes["value"][leaf] = cut.values[leaf, 0]
    for name in ("feature_idx", "num_threshold", "missing_go_to_left", "bin_threshold"):
        nodes[name][leaf] = 0
    nodes["gain"][leaf] = -1.0  # as the grower has it
    nodes["is_categorical"][leaf] = 0
    split = nodes["is_categorical"].astype(bool)
    used = nodes["bitset_idx"][split]
    nodes["bitset_idx"] = 0
    nodes["bitset_idx"][split] = np.arange(len(used))
    result = copy.copy(predictor)
    result.nodes = nodes
    result.raw_left_cat_bitsets = predictor.raw_left_cat_bitsets[used]
    result.binned_left_cat_bitsets = predictor.binned_left_cat_bitsets[used]
    return result


def marked(predictor: Any) -> Any:
    """A copy that predicts the number of the leaf that a row ends in."""
    result = copy.copy(predictor)
    result.nodes = predictor.nodes.copy()
    result.nodes["value"] = np.arange(len(result.nodes))
    return result
