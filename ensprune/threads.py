"""BLAS beside our own workers: one thread each, so that they do not crowd each other out."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from threadpoolctl import threadpool_limits

# The number of BLAS threads belongs to the process. Calls that overlap share one limit: the first
# to come sets it, the last to go lifts it, and what there was before is what there is after.
_lock = threading.Lock()
_inside = 0
_limits: Any = None


@contextmanager
def one_blas_thread(needed: bool = True) -> Iterator[None]:
    """While the block runs, BLAS computes in the thread that calls it.

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
            _limits = threadpool_limits(1, user_api="blas")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _limits.restore_original_limits()
