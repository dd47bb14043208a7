"""Faults from outside: solvers that die or are missing, no time, no disk, workers that are killed.

Each is an error that says what happened, or a result that says how far it got; nothing is left.
"""

from __future__ import annotations

import errno
import gc
import os
import pickle
import resource
import signal
import stat
import tempfile
import threading
import time

import highspy
import joblib
import numpy as np
import psutil
import pulp
import pytest
from joblib.externals.loky import get_reusable_executor
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator

from ensprune import EnsemblePruner, prune
from ensprune.mlp import prune_layer
from ensprune.selectors import ILPSelector
from ensprune.selectors.ilp.solver import _read_highs
from ensprune.storage import on_disk


def _command(tmp_path, does: str) -> pulp.COIN_CMD:
    """A solver that is a process of its own, and does what it is told instead of solving."""
    script = tmp_path / "solver"
    script.write_text(f"#!/bin/sh\n{does}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return pulp.COIN_CMD(path=str(script), msg=False)


# Nothing but a solver knows floors on recall: without them, bounds alone prove small problems.
FLOOR = {0: 0.8, 1: 0.8}


def _children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where temporary files go, for this test alone."""
    own = tmp_path / "temporary"
    own.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(own))
    return own


@pytest.fixture(scope="module")
def problem():
    """Large enough to need a solver."""
    X, y = make_classification(300, 8, n_informative=5, random_state=0)
    forest = RandomForestClassifier(40, max_depth=4, random_state=0).fit(X[:150], y[:150])
    return forest, X[150:], y[150:]


@pytest.fixture
def forest(problem):
    """A fitted forest and its rows; it must be the same afterwards."""
    ensemble, X, y = problem
    before = pickle.dumps(ensemble)
    yield ensemble, X, y
    assert pickle.dumps(ensemble) == before


def test_a_solver_that_is_killed_is_an_error_that_says_so(folder, forest, tmp_path):
    solver = _command(tmp_path, "exec sleep 60")
    already = {child.pid for child in _children()}

    def kill() -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for child in _children():
                if child.pid not in already and "sleep" in child.name():
                    child.kill()
                    return
            time.sleep(0.01)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(RuntimeError, match=r"solver=COIN_CMD .* was killed or failed"):
        prune(*forest, target_size=8, selector=ILPSelector(solver=solver, min_recall=FLOOR))
    killer.join()
    assert os.listdir(folder) == []


@pytest.mark.parametrize("does", ["exit 3", "exit 0"])
def test_a_solver_that_fails_is_an_error_that_says_so(folder, forest, tmp_path, does):
    with pytest.raises(RuntimeError, match="was killed or failed"):
        prune(
            *forest,
            target_size=8,
            selector=ILPSelector(solver=_command(tmp_path, does), min_recall=FLOOR),
        )
    assert os.listdir(folder) == []


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_ends_the_solver_as_well(folder, forest, tmp_path):
    solver = _command(tmp_path, "exec sleep 60")
    already = _children()

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 1.0)
        with pytest.raises(KeyboardInterrupt):
            prune(*forest, target_size=8, selector=ILPSelector(solver=solver, min_recall=FLOOR))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    gc.collect()  # PuLP leaves a log file open
    assert _children() == already
    assert os.listdir(folder) == []


@pytest.mark.parametrize(
    ("kind", "hint"), [("HiGHS", "highspy"), ("COIN_CMD", "ensprune\\[cbc\\]")]
)
def test_a_solver_that_is_missing_is_named_with_what_brings_it(forest, monkeypatch, kind, hint):
    monkeypatch.setattr(getattr(pulp, kind), "available", lambda self: False)
    solver = None if kind == "HiGHS" else "cbc"
    with pytest.raises(ImportError, match=f"is not installed: pip install '{hint}'"):
        prune(*forest, target_size=8, selector=ILPSelector(solver=solver, min_recall=FLOOR))


@pytest.mark.parametrize("formulation", ["squared_error", "margin", "accuracy"])
@pytest.mark.filterwarnings("ignore:.*its time_limit")
def test_hardly_any_time_is_never_worse_than_greedy(forest, formulation):
    ensemble, X, y = forest
    selector = ILPSelector(formulation=formulation, time_limit=0.01)
    begun = time.perf_counter()
    pruner = EnsemblePruner(FrozenEstimator(ensemble), target_size=8, selector=selector)
    result = pruner.fit(X, y).selector_result_
    assert time.perf_counter() - begun < 10
    assert result.status in ("time_limit", "optimal")
    assert result.objective_value >= result.greedy_value - 1e-9
    assert result.bound >= result.objective_value - 1e-9
    assert pruner.pruned_estimator_.n_estimators == pruner.n_members_ <= 8


@pytest.fixture
def two_threads_first():
    """HiGHS with the threads that it has for the rest of a process: two."""
    highspy.Highs.resetGlobalScheduler(True)
    model = highspy.Highs()
    model.setOptionValue("output_flag", False)
    model.setOptionValue("threads", 2)
    model.run()
    yield
    highspy.Highs.resetGlobalScheduler(True)


def test_networks_are_pruned_by_programmes_after_solves_with_other_threads(two_threads_first):
    rng = np.random.default_rng(0)
    W, X = rng.normal(size=(4, 2)), rng.normal(size=(40, 4))
    assert prune_layer(W, X, method="l0_program", epsilon=0.3).status == "optimal"


def test_a_solver_that_does_not_run_is_an_error_not_a_guess(two_threads_first):
    model = highspy.Highs()
    model.setOptionValue("output_flag", False)
    model.setOptionValue("threads", 3)
    model.addVar(0, 1)
    model.run()
    with pytest.raises(RuntimeError, match=r"HiGHS did not run: .* number of threads"):
        _read_highs(model)


def test_a_worker_that_is_killed_is_an_error_that_says_so(forest):
    here = os.getpid()

    def dies(estimator, X, y):
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return 0.5

    try:
        with (
            joblib.parallel_config(backend="loky", n_jobs=2),
            pytest.raises(RuntimeError, match=r"worker process .* was unexpectedly terminated"),
        ):
            prune(*forest, target_size=2, scoring=dies)
        assert prune(*forest, target_size=2, scoring="f1", n_jobs=2).n_estimators == 2
    finally:
        get_reusable_executor().shutdown(wait=True, kill_workers=True)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_an_error_that_says_what_to_do(folder, forest, monkeypatch, code):
    def full(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match=r"members' outputs need 48,000 bytes in .*TMPDIR"):
        prune(*forest, target_size=2, memory_limit=16_849_300)
    assert os.listdir(folder) == []


def test_a_limit_on_the_size_of_files_is_an_error_that_says_what_to_do(folder):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(OSError, match=r"members' outputs need 4,194,304 bytes in .*TMPDIR"):
            on_disk((4, 1, 1 << 18))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(folder) == []
    assert not np.any(on_disk((2, 1, 5)))
