"""XGBoost's members read side by side: which thread reads which trees of which rows, samples last.

How a booster predicts some rows is for ``xgboost_margins.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import xgboost
from sklearn.utils import gen_batches, gen_even_slices

from .xgboost_margins import side_by_side
from .xgboost_model import Layout, leaf_booster

# Rows predicted at once: a call costs the time of some 50 rows, too many values leave the cache.
ROWS = 4096
_VALUES = 2**20
_HUGE_PAGE = 2**21  # bytes
_BLOCK = 512  # rows turned samples-last at once, which is faster than a whole transposition
_LEAST = 128  # rows worth a call of their own

# Trees of a piece, at least: for each of the pieces, all features of a row are read once more.
_TREES = 100
_TREES_PER_FEATURE = 10
_CACHED = 256  # trees that stay in cache from one block of rows to the next, roughly


class Piece(NamedTuple):
    """Members next to each other, and a booster that predicts the leaf values of their trees."""

    members: slice
    booster: xgboost.Booster


def n_pieces(layout: Layout, n_features: int, threads: int) -> int:
    """In how many pieces to read a model: one for each of the threads where that is worth it.

    Threads that read trees of their own have these in cache, and write to memory of their own. A
    single thread reads as many trees at once as stay in cache; several gain nothing by that.
    """
    if layout.is_forest:  # parallel trees of one round cannot be sliced
        return 1
    least = max(_TREES, _TREES_PER_FEATURE * n_features)
    wanted = threads if threads > 1 else round(layout.n_trees / _CACHED)
    return max(1, min(wanted, layout.n_rounds, layout.n_trees // least))


def pieces_of(booster: xgboost.Booster, layout: Layout, count: int, threads: int) -> list[Piece]:
    """All members in so many pieces."""
    if count == 1:
        return [Piece(slice(None), leaf_booster(booster, layout))]
    rounds = list(gen_even_slices(layout.n_rounds, count))
    # Slicing may configure the booster, which threads must not do side by side.
    parts = [booster[some.start : some.stop] for some in rounds]
    built: dict[int, Piece] = {}

    def build(i: int) -> None:
        own = replace(layout, n_rounds=rounds[i].stop - rounds[i].start)
        built[i] = Piece(rounds[i], leaf_booster(parts[i], own))

    side_by_side(build, [[i] for i in range(count)], min(threads, count))
    return [built[i] for i in range(count)]


def read_pieces(
    pieces: list[Piece],
    layout: Layout,
    margin: Callable[[xgboost.Booster, slice], np.ndarray],
    shape: tuple[int, int, int],
    dtype: type,
    threads: int,
) -> np.ndarray:
    """What each member adds to the margin.

    Parameters
    ----------
    pieces : list of Piece
    layout : Layout
        Of the model that they are pieces of.
    margin : callable
        ``margin(booster, rows)`` predicts leaf values, shape (n_rows, n_trees of the booster).
    shape : tuple of int
        Members, outputs, samples.
    dtype : {float32, float64}
    threads : int

    Returns
    -------
    ndarray of the given shape, C-contiguous
    """
    sharing = -(-threads // len(pieces))  # threads for each of the pieces
    result = new_result(shape, dtype, sharing)

    def fill(job: tuple[Piece, slice]) -> None:
        piece, rows = job
        _turn(margin(piece.booster, rows), result[piece.members, :, rows], layout)

    batches = _batches(shape, layout.n_parallel, len(pieces), sharing)
    jobs = [[(piece, rows) for rows in batches] for piece in pieces]
    side_by_side(fill, jobs, min(threads, len(pieces) * len(batches)))
    return result


def new_result(shape: tuple[int, ...], dtype: type, threads: int) -> np.ndarray:
    """Memory that so many threads write to next to each other."""
    result: np.ndarray = np.empty(shape, dtype=dtype)
    if threads > 1:
        # Threads that are the first to write to the same huge page would each make one.
        result.reshape(-1)[:: _HUGE_PAGE // result.itemsize] = 0
    return result


def _batches(
    shape: tuple[int, int, int], n_parallel: int, n_pieces: int, sharing: int
) -> list[slice]:
    """Rows to predict at once, in equal shares for the threads that share a piece."""
    n_members, n_outputs, n_samples = shape
    if not n_samples:
        return []
    values = max(1, n_members * n_outputs * n_parallel // n_pieces)
    most = max(_LEAST, min(ROWS, _VALUES // values))
    turns = -(-n_samples // (most * sharing))
    return list(gen_batches(n_samples, max(_LEAST, -(-n_samples // (turns * sharing)))))


def _turn(found: np.ndarray, result: np.ndarray, layout: Layout) -> None:
    """Leaf values of rows and trees as (members, outputs, rows), written to ``result``."""
    n_members, n_outputs, _ = result.shape
    arranged = (n_members, n_outputs, layout.n_parallel)  # rounds, outputs, parallel trees
    if layout.is_forest:
        arranged = (1, n_outputs, n_members)
    leaves = found.reshape(-1, *arranged)
    for rows in gen_batches(len(leaves), _BLOCK):
        some, block = leaves[rows], result[:, :, rows]
        if layout.is_forest:
            block[...] = some[:, 0].transpose(2, 1, 0)
            block *= layout.n_parallel
            continue
        block[...] = some[:, :, :, 0].transpose(1, 2, 0)
        for tree in range(1, layout.n_parallel):
            block += some[:, :, :, tree].transpose(1, 2, 0)
