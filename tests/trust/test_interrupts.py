"""Interrupts at random moments: the ensemble is as it was, nothing is left over, all works on.

Ctrl-C raises KeyboardInterrupt between two lines of whatever runs; here a trace function does, at
lines drawn at random. ``ENSPRUNE_INTERRUPTS=2000`` draws more.
"""

from __future__ import annotations

import contextlib
import linecache
import multiprocessing
import os
import pickle
import random
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import ThreadpoolController, threadpool_info, threadpool_limits

from ensprune import MLPPruner, compact, distill, prune, refine_leaves
from ensprune.selectors import ILPSelector
from ensprune.threads import one_blas_thread, openmp_threads

from .bad_arguments import fitted, network, rows

N_INTERRUPTS = int(os.environ.get("ENSPRUNE_INTERRUPTS", "240"))


@dataclass(frozen=True)
class Work:
    """Something that takes time, on an estimator that has to stay as it is."""

    estimator: Callable[[], Any]
    run: Callable[[Any, np.ndarray, np.ndarray], Any]
    task: str = "binary"


def _ensemble(name: str) -> Callable[[], Any]:
    return lambda: fitted(name)


WORKS = {
    "greedy": Work(_ensemble("forest"), lambda e, X, y: prune(e, X, y, target_size=2)),
    "out of bag": Work(
        _ensemble("forest"), lambda e, X, y: prune(e, X, y, target_size=2, validation="oob")
    ),
    "on disk": Work(
        _ensemble("bagging"),
        lambda e, X, y: prune(
            e, X, y, target_size=2, memory_limit=16_788_400, scoring="f1", n_jobs=2
        ),
    ),
    "pursuit": Work(
        _ensemble("boosting"), lambda e, X, y: prune(e, X, y, target_size=2), "regression"
    ),
    "xgboost": Work(_ensemble("xgboost"), lambda e, X, y: prune(e, X, y, target_size=2)),
    "stacking": Work(_ensemble("stacking"), lambda e, X, y: prune(e, X, y, target_size=2)),
    "votes": Work(
        _ensemble("voting"), lambda e, X, y: prune(e, X, y, target_size=2, validation="oob")
    ),
    "certificate": Work(
        _ensemble("forest"),
        lambda e, X, y: prune(
            e, X, y, target_size="auto", tolerance=0.3, confidence=0.6, random_state=0
        ),
    ),
    "highs": Work(
        _ensemble("forest"), lambda e, X, y: prune(e, X, y, target_size=2, selector="ilp")
    ),
    "cbc": Work(
        _ensemble("forest"),
        lambda e, X, y: prune(e, X, y, target_size=2, selector=ILPSelector(solver="cbc")),
    ),
    "leaves": Work(
        _ensemble("forest"), lambda e, X, y: refine_leaves(e, X, y, damping=1.0, shrinkage=1.0)
    ),
    "compact": Work(_ensemble("forest"), lambda e, X, y: compact(e, X, y, tolerance=0.1)),
    "distill": Work(
        _ensemble("forest"), lambda e, X, y: distill(e, X, DecisionTreeClassifier(), n_augment=20)
    ),
    "network": Work(
        lambda: network("binary"),
        lambda e, X, y: (
            MLPPruner(FrozenEstimator(e), sparsity=0.3, n_steps=2, random_state=0)
            .fit(X, y)
            .pruned_estimator_
        ),
    ),
}
# Code that is interrupted; what it calls is interrupted between its own lines.
FILES = ("ensprune", "pulp", "joblib", "tempfile", "subprocess", "sklearn/ensemble")


class Interrupting:
    """Counts lines, and interrupts at one of them."""

    def __init__(self, at: int = -1):
        self.at = at
        self.seen = 0

    def __call__(self, frame, event, argument):
        name = frame.f_code.co_filename
        if "/tests/" in name or not any(part in name for part in FILES):
            return None
        return self._line

    def _line(self, frame, event, argument):
        # A with statement comes again when its block has ended, and what is raised there skips the
        # end of the context. Real signals come after that call.
        if event == "line" and not _is_with(frame):
            self.seen += 1
            if self.seen == self.at:
                sys.settrace(None)
                raise KeyboardInterrupt
        return self._line

    def during(self, call: Callable[[], Any]) -> Any:
        before = sys.gettrace()
        sys.settrace(self)
        try:
            return call()
        finally:
            sys.settrace(before)


def _is_with(frame: Any) -> bool:
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
    return line.lstrip().startswith("with ")


def left_behind() -> dict[str, Any]:
    """What a call must leave as it found it."""
    return {
        "processes": [child.pid for child in psutil.Process().children(recursive=True)],
        "multiprocessing": multiprocessing.active_children(),
        "threads": [
            thread.name
            for thread in threading.enumerate()
            # Pools that are closed end a moment later, joblib keeps its own for the next call.
            if thread.name.startswith("ensprune")
        ],
        "files": os.listdir(tempfile.gettempdir()),
        "errors": np.geterr(),
        "directory": os.getcwd(),
        "pools": [(pool["filepath"], pool["num_threads"]) for pool in threadpool_info()],
    }


@pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", WORKS)
@threadpool_limits.wrap(limits=1)
def test_an_interrupt_leaves_everything_as_it_was(name, tmp_path, monkeypatch):
    work = WORKS[name]
    X, y = rows(work.task)
    estimator = work.estimator()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    expected = work.run(estimator, X, y).predict(X)
    as_it_was, original = left_behind(), pickle.dumps(estimator)
    count = Interrupting()
    count.during(lambda: work.run(estimator, X, y))
    rng = random.Random(name)
    n_interrupts = 0
    while n_interrupts < -(-N_INTERRUPTS // len(WORKS)):
        at = rng.randint(1, count.seen)
        interrupting = Interrupting(at)
        try:
            interrupting.during(lambda: work.run(estimator, X, y))
            assert interrupting.seen < at  # waiting for threads takes more or fewer lines
        except KeyboardInterrupt:
            n_interrupts += 1
        assert left_behind() == as_it_was, at
        assert pickle.dumps(estimator) == original, at
    np.testing.assert_array_equal(work.run(estimator, X, y).predict(X), expected)


def limited() -> None:
    with one_blas_thread(), one_blas_thread(), openmp_threads(1):
        pass


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_at_any_call_leaves_no_limit_behind():
    # Signals are heeded where a function begins, and where C comes back.
    seen = at = 0

    def profile(frame, event, argument):
        nonlocal seen
        seen += event in ("call", "c_return")
        if seen == at:
            sys.setprofile(None)
            raise KeyboardInterrupt

    limited()  # libraries are looked for once
    libraries, before = ThreadpoolController(), sys.getprofile()
    with threadpool_limits(2):
        as_it_was = libraries.info()
        while seen >= at:  # the last round is not interrupted
            seen, at = 0, at + 1
            try:
                sys.setprofile(profile)
                limited()
            except KeyboardInterrupt:
                pass
            finally:
                sys.setprofile(before)
            assert libraries.info() == as_it_was, at
    assert at > 100


@pytest.fixture
def untraced():
    """Nobody traces: coverage has a lock of its own, and a signal in there leaves it locked."""
    before, in_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    yield
    threading.settrace(in_threads)
    sys.settrace(before)


@pytest.mark.usefixtures("untraced")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_signals_and_other_threads_leave_no_limit_behind():
    # Real ones, at moments drawn at random, while another thread comes and goes.
    def interrupt(*_) -> None:
        nonlocal armed
        armed = False
        raise KeyboardInterrupt

    def come_and_go() -> None:
        while not done.is_set():
            limited()

    rng, done = random.Random(0), threading.Event()
    before = signal.signal(signal.SIGALRM, interrupt)
    with threadpool_limits(2):
        as_it_was = threadpool_info()
        other = threading.Thread(target=come_and_go)
        other.start()
        try:
            for _ in range(2000):
                armed = True
                with contextlib.suppress(KeyboardInterrupt):
                    signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-6, 5e-4))
                    while armed:  # one that falls into the end of a generator is not heard of
                        limited()
        finally:
            signal.signal(signal.SIGALRM, before)
            done.set()
            other.join()
        assert threadpool_info() == as_it_was
