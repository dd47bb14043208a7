"""Margins read in threads, where XGBoost's C interface leaves them; not which model or rows.

``Booster.inplace_predict`` copies what it predicted into new memory. For one number per row that is
nothing, for one per row and tree it is a tenth of the time.
"""

from __future__ import annotations

import ctypes
import json
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import xgboost
from xgboost.libpath import find_lib_path

_MARGIN = 1  # the C interface's number for the type of prediction
_PROCESS = os.getpid()
_SOFT = 1  # OpenMP's: keep what the threads know


def is_plain_frame(X: Any, booster: xgboost.Booster) -> bool:
    """Whether this is a frame of numbers with the columns that a booster knows."""
    if not isinstance(X, pd.DataFrame) or list(map(str, X.columns)) != booster.feature_names:
        return False
    return all(isinstance(dtype, np.dtype) and dtype.kind in "fiub" for dtype in X.dtypes)


def as_dense(X: Any, booster: xgboost.Booster) -> Any:
    """A plain frame as the float32 array that XGBoost would make of it.

    Whatever is something else, or does not fit the booster, is returned as it is: the booster
    itself says what is wrong with it.
    """
    return X.to_numpy(dtype=np.float32) if is_plain_frame(X, booster) else X


def can_read(X: Any, booster: xgboost.Booster, device: str) -> bool:
    """Whether :func:`margins` takes these rows."""
    return (
        type(X) is np.ndarray
        and X.ndim == 2
        and X.dtype in (np.float32, np.float64)
        and X.dtype.isnative
        and X.flags.c_contiguous
        and X.flags.aligned  # what comes unpickled from another process may not be
        and X.shape[1] == booster.num_features()
        and device == "cpu"
    )


def margins(booster: xgboost.Booster, X: np.ndarray, missing: float) -> np.ndarray:
    """Margins of rows that :func:`can_read` accepts.

    Parameters
    ----------
    booster : Booster
    X : ndarray of shape (n_samples, n_features)
    missing : float
        What stands for a missing value, besides NaN.

    Returns
    -------
    ndarray of shape (n_samples, n_outputs), dtype float32
        XGBoost's own memory: it holds these numbers until this thread predicts again, and as long
        as the booster lives.

    Raises
    ------
    xgboost.core.XGBoostError
        If the booster cannot predict.
    """
    library = _library()
    # Rows that another process sent may begin at any byte of its message.
    X = np.require(X, requirements=["A"])
    rows = {
        "data": (X.ctypes.data, True),
        "shape": X.shape,
        "typestr": X.dtype.str,
        "version": 3,
    }
    options = {
        "type": _MARGIN,
        "training": False,
        "iteration_begin": 0,
        "iteration_end": 0,
        "missing": float(missing),
        "strict_shape": True,
        "cache_id": 0,
    }
    shape = ctypes.POINTER(ctypes.c_uint64)()
    n_dimensions = ctypes.c_uint64()
    found = ctypes.POINTER(ctypes.c_float)()
    failed = library.XGBoosterPredictFromDense(
        booster.handle,
        json.dumps(rows).encode(),
        json.dumps(options).encode(),
        None,
        ctypes.byref(shape),
        ctypes.byref(n_dimensions),
        ctypes.byref(found),
    )
    if failed:
        raise xgboost.core.XGBoostError(library.XGBGetLastError().decode())
    return np.ctypeslib.as_array(found, tuple(shape[: n_dimensions.value]))


def side_by_side(
    fill: Callable[[Any], None], queues: Sequence[Sequence[Any]], threads: int
) -> None:
    """Call ``fill`` on everything in the queues, in this thread and ``threads - 1`` others.

    Each thread begins with a queue of its own, as far as there are enough, and then helps with the
    others. Single-threaded predictions side by side: turning their result samples-last is then
    parallel as well, and happens while the result is in cache. This thread takes its share because
    XGBoost keeps memory for it from one call to the next.
    """
    waiting = [deque(queue) for queue in queues]

    def work(first: int) -> None:
        for queue in waiting[first:] + waiting[:first]:
            while True:
                try:
                    job = queue.popleft()
                except IndexError:
                    break
                try:
                    fill(job)
                except BaseException:  # nobody begins what nobody will see
                    for left in waiting:
                        left.clear()
                    raise

    if threads < 2:
        work(0)
        return
    _free_waiting_threads()
    with ThreadPoolExecutor(threads - 1) as pool:
        others = [pool.submit(work, i % len(waiting)) for i in range(1, threads)]
        work(0)
    for other in others:
        other.result()


def _free_waiting_threads() -> None:
    """Have the threads end that XGBoost's last parallel prediction has left behind.

    OpenMP's threads wait for more work by keeping their cores busy for milliseconds, in which this
    process could predict with threads of its own: on two cores, that is up to half of a prediction.
    They are started again when OpenMP next needs them, and no setting changes (OpenMP 5.0,
    section 3.2.44, ``omp_pause_resource_all``). An OpenMP that does not know how leaves them.

    A forked process has none of its parent's threads, but GNU's OpenMP believes it has, and would
    wait for them for ever: there, nothing is done.
    """
    if os.getpid() != _PROCESS or multiprocessing.parent_process() is not None:
        return
    try:
        pause = _library().omp_pause_resource_all
    except AttributeError:
        return
    pause(_SOFT)


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(find_lib_path()[0])  # the one that xgboost itself has loaded
    library.XGBGetLastError.restype = ctypes.c_char_p
    return library
