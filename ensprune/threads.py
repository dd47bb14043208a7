"""BLAS beside our own workers: one thread each, so that they do not crowd each other out."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from threadpoolctl import ThreadpoolController

# The number of BLAS threads belongs to the process. Calls that overlap share one limit: the first
# to come sets it, the last to go lifts it, and what there was before is what there is after.
_lock = threading.Lock()
_inside = 0
_limits: Any = None


@lru_cache(maxsize=1)
def _controller(n_modules: int) -> ThreadpoolController:
    """The libraries that are loaded: looking for them takes milliseconds, and they come with modules."""
    return ThreadpoolController()


def blas_threads() -> int:
    """How many threads BLAS computes with, but for limits of our own."""
    with _lock:
        if _inside:
            before = _limits.get_original_num_threads()["blas"]
            return 1 if before is None else int(before)
    libraries = _controller(len(sys.modules)).select(user_api="blas").info()
    return max((library["num_threads"] for library in libraries), default=1)


@contextmanager
def one_blas_thread(needed: bool = True) -> Iterator[None]:
    """While the block runs, BLAS computes in the thread that calls it.

    Threads that BLAS gets back look for work for some milliseconds before they sleep, and keep a
    core from whoever needs it: loops of short blocks go into one long block.

    Parameters
    ----------
    needed : bool, default=True
        False changes nothing: a single worker may have all of BLAS's threads.
    """
    global _inside, _limits
    if not needed:
        yield
        return
    with _lock:
        if _inside == 0:
            _limits = _controller(len(sys.modules)).limit(limits=1, user_api="blas")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _limits.restore_original_limits()


@contextmanager
def openmp_threads(limit: int) -> Iterator[None]:
    """While the block runs, OpenMP computes with so many threads at most where it is called.

    Unlike that of BLAS, their number belongs to the thread that asks for them.
    """
    libraries = _controller(len(sys.modules)).select(user_api="openmp")
    if all(library["num_threads"] <= limit for library in libraries.info()):
        yield
        return
    with libraries.limit(limits=limit):
        yield
