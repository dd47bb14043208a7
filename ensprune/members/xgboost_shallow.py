"""Small XGBoost trees evaluated in NumPy, many rows at once; large trees are left to XGBoost.

XGBoost follows each row down each tree. NumPy does all comparisons of a small tree, whether a row's
path needs them or not, in less than half of the time. They are the bits of a code, for which a table
has the value of the leaf: codes instead of paths are the idea of QuickScorer (Lucchese et al. 2015,
"QuickScorer: a fast algorithm to rank documents with additive ensembles of regression trees", SIGIR).
Values are written samples last, so that nothing is to be turned afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xgboost
from sklearn.utils import gen_batches

from .xgboost_margins import is_plain_frame, side_by_side
from .xgboost_reading import new_result
from .xgboost_ubjson import Nodes

_SPLITS = 8  # of a code, a byte
_SIDE = 7  # of either side of a root, whose own decision is the eighth bit
_MOST = 2 * _SIDE + 1  # splits of a tree
_TREES = 32  # evaluated together, divided by their codes: some of their comparisons are the same
_ROWS = 2**14  # evaluated together: threads wait for each other where calls take little time
_LEAST = 2**10  # rows worth the calls
_SHARE = 2**12  # rows worth a thread
_THREADS = 4  # that Python lets work side by side


class SmallTrees(NamedTuple):
    """Trees whose decisions are the bits of a byte.

    Where no tree has more than eight splits, each has one code. Otherwise each has two, for what is
    on either side of its root; the root's own decision says which of them counts and is the last bit.

    A decision is ``value < threshold`` where missing values go right, and ``value >= threshold``
    where they go left: either is false for NaN.
    """

    features: np.ndarray  # (n_trees, n_slots); a slot without a split compares what no table heeds
    thresholds: np.ndarray  # (n_trees, n_slots), float32
    defaults_left: np.ndarray  # (n_trees, n_slots), bool
    n_codes: int  # with two, slots are those of the root's true side, its false side, and itself
    tables: np.ndarray  # (n_trees, 2 ** n_bits), float32: the leaf value for each code


class Bundle(NamedTuple):
    """Consecutive trees and their comparisons: equal ones once, those of a feature side by side."""

    trees: slice
    comparisons: Sequence[tuple[np.ufunc, int, np.ndarray, slice]]  # of what, with what, which
    n_comparisons: int
    decisions: np.ndarray  # (n_trees, n_slots): which comparison each of them is


class Reader(NamedTuple):
    """All that is needed to evaluate some trees."""

    features: np.ndarray  # the features that any of them compares
    bundles: list[Bundle]
    n_codes: int
    tables: np.ndarray  # (n_trees, 2 ** n_bits)
    factor: int  # what leaf values are multiplied by


def pays(n_samples: int, threads: int) -> bool:
    """Whether rows are worth reading small trees here.

    One thread does the work of two of XGBoost's; more need long calls to be of use.
    """
    return threads <= _THREADS and n_samples >= (_LEAST if threads <= 2 else 2 * threads * _SHARE)


def compares(X: Any, booster: xgboost.Booster) -> bool:
    """Whether :func:`read_small` takes these rows: XGBoost, too, turns them into float32."""
    if type(X) is not np.ndarray:
        return is_plain_frame(X, booster)
    plain = X.dtype.kind in "iub" or X.dtype in (np.float32, np.float64)
    return X.ndim == 2 and plain and X.dtype.isnative


def may_be_small(booster: xgboost.Booster, n_trees: int) -> bool:
    """Whether a booster has few enough splits; costs less than reading its trees to see."""
    splits = np.sum(list(booster.get_score(importance_type="weight").values()))
    return bool(splits <= n_trees * _MOST)


def small_trees(nodes: Nodes, weights: np.ndarray) -> SmallTrees | None:
    """Trees made ready, leaf values times weights, shape (n_trees,).

    None if not all of them are small, or one splits on categories.
    """
    sizes = nodes.sizes
    if sizes.max() > 2 * _MOST + 1 or nodes.values["split_type"].any():
        return None
    there = np.arange(sizes.max()) < sizes[:, None]  # (n_trees, n_nodes)

    def padded(name: str, dtype: Any) -> np.ndarray:
        result = np.zeros(there.shape, dtype=dtype)
        result[there] = nodes.values[name]
        return result

    left, right = padded("left_children", np.intp), padded("right_children", np.intp)
    thresholds = padded("split_conditions", np.float32)
    if np.isnan(thresholds).any():
        return None
    splits = there & (left >= 0)
    defaults_left = padded("default_left", bool)
    # Leaves lead to themselves.
    itself = np.broadcast_to(np.arange(there.shape[1]), there.shape)
    true = np.where(splits, np.where(defaults_left, right, left), itself)
    false = np.where(splits, np.where(defaults_left, left, right), itself)

    places = _places(true, false, splits)
    if places is None:
        return None
    slots, bits, n_codes = places
    tree, node = np.nonzero(splits)

    def at_slots(values: np.ndarray) -> np.ndarray:
        result = np.zeros((len(sizes), slots.max(initial=0) + 1), dtype=values.dtype)
        result[tree, slots[tree, node]] = values[tree, node]
        return result

    # Dart's weights are in float32, their products with leaf values are rounded once.
    values = (thresholds * weights[:, None]).astype(np.float32)
    leaves = _leaves(true, false, bits, 1 << (bits.max() + 1))
    return SmallTrees(
        at_slots(padded("split_indices", np.intp)),
        at_slots(thresholds),
        at_slots(defaults_left),
        n_codes,
        values.ravel()[leaves] + np.float32(0),  # no -0: XGBoost adds, too
    )


def _places(
    true: np.ndarray, false: np.ndarray, splits: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int] | None:
    """Slots and bits of the splits, shape (n_trees, n_nodes), and the number of codes."""
    if splits.sum(axis=1).max() <= _SPLITS:
        bits = np.maximum(np.cumsum(splits, axis=1) - 1, 0)
        return bits, bits, 1
    at_false = _below(true, false, splits)
    slots, bits = np.zeros_like(true), np.zeros_like(true)
    for code, side in enumerate((splits & ~at_false, splits & at_false)):
        side[:, 0] = False
        if side.sum(axis=1).max() > _SIDE:
            return None
        bits[side] = (np.cumsum(side, axis=1) - 1)[side]
        slots[side] = bits[side] + code * _SIDE
    bits[:, 0], slots[:, 0] = _SIDE, 2 * _SIDE
    return slots, bits, 2


def _below(true: np.ndarray, false: np.ndarray, splits: np.ndarray) -> np.ndarray:
    """Which nodes are on the false side of the root, shape (n_trees, n_nodes)."""
    tree, node = np.nonzero(splits)
    parent = np.zeros_like(true)
    for children in (true, false):
        parent[tree, children[tree, node]] = node
    top = np.broadcast_to(np.arange(true.shape[1]), true.shape)
    while True:
        above = np.take_along_axis(parent, top, axis=1)
        if not above.any():
            return top == false[:, :1]
        top = np.where(above > 0, above, top)


def _leaves(true: np.ndarray, false: np.ndarray, bits: np.ndarray, n_values: int) -> np.ndarray:
    """The leaf that each value of a code leads to, among all nodes, shape (n_trees, n_values)."""
    first = np.arange(true.size, step=true.shape[1])[:, None]
    children = np.stack([first + false, first + true], axis=-1).ravel()
    bits, codes = bits.ravel().astype(np.uint8), np.arange(n_values).astype(np.uint8)
    node = np.repeat(first, n_values, axis=1)
    while True:
        decision = (codes >> bits[node]) & 1
        after = children[2 * node + decision]
        if np.array_equal(after, node):
            return node
        node = after


def reader_of(trees: SmallTrees, chosen: np.ndarray, factor: int) -> Reader:
    """What evaluates the trees at these positions, in this order, times a factor."""
    features, thresholds, defaults_left, tables = (
        values[chosen]
        for values in (trees.features, trees.thresholds, trees.defaults_left, trees.tables)
    )
    read, columns = np.unique(features, return_inverse=True)
    columns = columns.reshape(features.shape)
    bundles = []
    for some in gen_batches(len(tables), _TREES // trees.n_codes):
        bundles.append(_bundle(some, columns[some], thresholds[some], defaults_left[some]))
    return Reader(read, bundles, trees.n_codes, tables, factor)


def _bundle(
    trees: slice, columns: np.ndarray, thresholds: np.ndarray, defaults_left: np.ndarray
) -> Bundle:
    kind = 2 * columns.ravel() + defaults_left.ravel()  # one call for each
    order = np.lexsort((thresholds.ravel(), kind))
    kind, value = kind[order], thresholds.ravel()[order]
    begins = np.concatenate([[True], kind[1:] != kind[:-1]])
    new = begins | np.concatenate([[True], value[1:] != value[:-1]])
    decisions = np.empty(columns.shape, dtype=np.intp)
    decisions.flat[order] = np.cumsum(new) - 1
    kind, value = kind[new], value[new]
    first = np.flatnonzero(begins[new])
    comparisons = []
    for start, end in zip(first, [*first[1:], len(kind)], strict=True):
        compare = np.greater_equal if kind[start] % 2 else np.less
        rows = slice(int(start), int(end))
        comparisons.append((compare, int(kind[start]) // 2, value[rows, None], rows))
    return Bundle(trees, comparisons, len(kind), decisions)


def read_small(
    reader: Reader,
    X: np.ndarray | pd.DataFrame,
    missing: float,
    shape: tuple[int, int, int],
    dtype: type,
    threads: int,
) -> np.ndarray:
    """The leaf value of every tree.

    Parameters
    ----------
    reader : Reader
    X : ndarray or DataFrame of shape (n_samples, n_features)
        Rows that it :func:`compares`.
    missing : float
        What stands for a missing value, besides NaN.
    shape : tuple of int
        Members, outputs, samples: the trees are those of all outputs, member by member.
    dtype : {float32, float64}
    threads : int

    Returns
    -------
    ndarray of the given shape, C-contiguous
    """
    n_samples = shape[-1]
    tables = reader.tables.astype(dtype, copy=False) * dtype(reader.factor)
    threads = max(1, min(threads, n_samples // _SHARE))
    result = new_result(shape, dtype, threads)
    by_tree = result.reshape(len(tables), n_samples)

    def fill(rows: slice) -> None:
        some = X[rows] if isinstance(X, np.ndarray) else X.iloc[rows].to_numpy(dtype=np.float32)
        columns = _columns(some, reader.features, missing)
        _evaluate(reader, tables, columns, by_tree[:, rows])

    turns = -(-n_samples // (_ROWS * threads))
    batches = list(gen_batches(n_samples, -(-n_samples // (turns * threads))))
    side_by_side(fill, [batches], threads)
    return result


def _columns(rows: np.ndarray, features: np.ndarray, missing: float) -> np.ndarray:
    """These features of some rows as XGBoost reads them, shape (n_features, n_rows), float32."""
    result = np.empty((len(features), len(rows)), dtype=np.float32)
    with np.errstate(over="ignore"):  # becomes infinite, there, too
        for column, feature in zip(result, features, strict=True):
            column[:] = rows[:, feature]
        if not np.isnan(missing):
            result[result == np.float32(missing)] = np.nan
    return result


def _evaluate(reader: Reader, tables: np.ndarray, columns: np.ndarray, result: np.ndarray) -> None:
    """Write the leaf values of some rows, shape (n_trees, n_rows), to ``result``."""
    n_rows, n_codes = columns.shape[1], reader.n_codes
    n_trees, n_slots = reader.bundles[0].decisions.shape
    n_splits = _SIDE if n_codes == 2 else n_slots
    compared = np.empty((max(bundle.n_comparisons for bundle in reader.bundles), n_rows), bool)
    decided = np.empty((n_trees, n_slots, n_rows), dtype=np.uint8)
    codes = np.empty((n_trees, n_codes, n_rows), dtype=np.uint8)
    index = np.empty((n_trees, n_rows), dtype=np.intp)
    values = np.empty((n_trees, n_rows), dtype=tables.dtype)
    weights = (1 << np.arange(n_splits, dtype=np.uint8))[:, None]
    begins = np.arange(n_trees)[:, None] * tables.shape[1]
    for trees, comparisons, n_comparisons, decisions in reader.bundles:
        n_trees = len(decisions)
        for compare, column, thresholds, where in comparisons:
            compare(columns[column], thresholds, out=compared[where])
        known = compared[:n_comparisons].view(np.uint8)
        own = known.take(decisions, axis=0, out=decided[:n_trees], mode="clip")
        bits = own[:, : n_codes * n_splits].reshape(n_trees, n_codes, n_splits, n_rows)
        bits *= weights
        code = np.bitwise_or.reduce(bits, axis=2, out=codes[:n_trees])
        if n_codes == 2:
            _choose(code, own[:, -1])
        at = index[:n_trees]
        at[...] = code[:, 0]
        at += begins[:n_trees]
        # All indices are inside, and this is the fastest way not to check them.
        result[trees] = tables[trees].ravel().take(at, out=values[:n_trees], mode="wrap")


def _choose(codes: np.ndarray, root: np.ndarray) -> None:
    """Make the first of two codes the one that counts, with the root's decision in it."""
    true, false = codes[:, 0], codes[:, 1]
    np.negative(root, out=root)  # all bits
    true ^= false
    true |= 1 << _SIDE
    true &= root
    true ^= false
