"""BLAS beside our own workers: one thread each, so that they do not crowd each other out."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from typing import Any
from weakref import ReferenceType, ref

from joblib import cpu_count
from threadpoolctl import OpenBLASController, ThreadpoolController

# The number of BLAS threads belongs to the process. Blocks that overlap share one limit: the first
# to come sets it, the last to go lifts it, and what there was before is what there is after. They
# are listed, not counted: Ctrl-C may fall between any two steps, and who is gone is then told from
# whether it is alive. Whoever comes by puts back what is left over.
_lock = threading.RLock()  # garbage collection may end a block in the midst of another's beginning
_blocks: list[ReferenceType[_Block]] = []
_before: Any = None


class _Block(AbstractContextManager[None]):
    """Needs BLAS in one thread until it is left, or nothing refers to it any more."""

    left = False

    def __enter__(self) -> None:
        try:
            self._begin()
        except BaseException:  # a debugger or a notebook keeps what it was raised in alive
            self.__exit__()
            raise

    def _begin(self) -> None:
        global _before
        with _lock:
            _settle()
            _blocks.append(ref(self, _settle))
            if _before is None:
                controller = _controller(len(sys.modules))
                _before = controller.select(user_api="blas").limit(limits=None)
                _from_any_thread(lambda: controller.limit(limits=1, user_api="blas"))

    def __exit__(self, *error: object) -> None:
        self.left = True
        try:
            _settle()
        finally:  # Ctrl-C fell into that: once more
            _settle()


def _settle(_: Any = None) -> None:
    """Forget the blocks that are over, and give BLAS its threads back after the last of them."""
    global _before
    with _lock:
        _blocks[:] = [block for block in _blocks if not getattr(block(), "left", True)]
        if not _blocks and _before is not None:
            _from_any_thread(_before.restore_original_limits)
            _before = None


def _from_any_thread(change: Callable[[], object]) -> None:
    """Change BLAS's threads whoever did so before, and leave that to whoever comes next.

    From 3.8 on threadpoolctl heeds the first thread that asks for as long as it is alive, and
    silently does nothing in others; the last block to go may be in another one than the first.
    """
    free = getattr(OpenBLASController, "clear_controlling_thread", None)
    if free is None:
        change()
        return
    free(force=True)
    change()
    free(force=True)


@lru_cache(maxsize=1)
def _controller(n_modules: int) -> ThreadpoolController:
    """The libraries that are loaded: looking for them takes milliseconds, and they come with modules."""
    return ThreadpoolController()


@lru_cache(maxsize=1)
def cores() -> int:
    """How many cores this process may use: asked once, as that takes longer than a step of a search."""
    return int(cpu_count())


def blas_threads() -> int:
    """How many threads BLAS computes with, but for limits of our own."""
    with _lock:
        if _before is not None:
            before = _before.get_original_num_threads()["blas"]
            return 1 if before is None else int(before)
    libraries = _controller(len(sys.modules)).select(user_api="blas").info()
    return max((library["num_threads"] for library in libraries), default=1)


def one_blas_thread(needed: bool = True) -> AbstractContextManager[None]:
    """While the block runs, BLAS computes in the thread that calls it.

    Threads that BLAS gets back look for work for some milliseconds before they sleep, and keep a
    core from whoever needs it: loops of short blocks go into one long block.

    Parameters
    ----------
    needed : bool, default=True
        False changes nothing: a single worker may have all of BLAS's threads.
    """
    return _Block() if needed else nullcontext()


@contextmanager
def openmp_threads(limit: int) -> Iterator[None]:
    """While the block runs, OpenMP computes with so many threads at most where it is called.

    Unlike that of BLAS, their number belongs to the thread that asks for them.
    """
    libraries = _controller(len(sys.modules)).select(user_api="openmp")
    if all(library["num_threads"] <= limit for library in libraries.info()):
        yield
        return
    before = libraries.limit(limits=None)
    try:
        libraries.limit(limits=limit)
        yield
    finally:
        try:
            before.restore_original_limits()
        finally:  # Ctrl-C fell into that: once more
            before.restore_original_limits()
