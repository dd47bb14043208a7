"""Ctrl-C: the caller is free within moments, nothing is half done, nothing stays behind."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

from ensprune import EnsemblePruner

# Fits, says when the main thread has come to a certain function, and reports how it ended.
SCRIPT = """
import glob, os, pickle, sys, tempfile, threading, time
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score
from ensprune import EnsemblePruner
from ensprune.selectors import ILPSelector
from ensprune.selectors.ilp import run as ilp_run

# The solver's turn is to come soon, and to last.
ilp_run._SEARCH_SHARE = ilp_run._BOUND_SHARE = 0.01

X, y = make_classification(700, 20, n_informative=8, n_classes=3, flip_y=0.2, random_state=0)
forest = RandomForestClassifier(60, max_depth=6, random_state=0).fit(X[:300], y[:300])
before = pickle.dumps(forest)

def slow(estimator, X, y):
    time.sleep(0.01)
    return accuracy_score(y, estimator.predict(X))

def children():
    with open(f"/proc/{os.getpid()}/task/{os.getpid()}/children") as file:
        return file.read().split()

def run(name, pruner, reached):
    def watch():
        while True:
            frame, names = sys._current_frames()[threading.main_thread().ident], set()
            while frame is not None:
                names.add(frame.f_code.co_name)
                frame = frame.f_back
            if reached in names:
                break
            time.sleep(0.01)
        time.sleep(0.3)
        print(name, "is at work", flush=True)

    attributes = dict(vars(pruner))
    threading.Thread(target=watch, daemon=True).start()
    try:
        pruner.fit(X[300:], y[300:])
        print("was not interrupted", flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    same = vars(pruner).keys() == attributes.keys() and all(
        value is attributes[key] for key, value in vars(pruner).items()
    )
    left = glob.glob(os.path.join(tempfile.gettempdir(), "*"))
    print([same, pickle.dumps(forest) == before, left, children()], flush=True)

frozen = FrozenEstimator(forest)
run("greedy", EnsemblePruner(frozen, 12, scoring=slow), "candidates")
ilp = ILPSelector(formulation="accuracy", time_limit=60)
pruner = EnsemblePruner(frozen, 12).fit(X[300:], y[300:])
run("highs", pruner.set_params(selector=ilp), "run_interruptibly")
ilp = ILPSelector(formulation="accuracy", time_limit=60, solver="cbc")
run("cbc", EnsemblePruner(frozen, 12, selector=ilp), "_wait")
"""


def cbc_is_there():
    import pulp

    from ensprune.selectors.ilp.solver import make_solver

    try:
        return pulp.__version__.startswith("3.") and bool(make_solver("cbc"))
    except ImportError:
        return False


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="looks for processes in /proc")
def test_a_real_interrupt(tmp_path):
    script = SCRIPT if cbc_is_there() else SCRIPT[: SCRIPT.rindex("ilp = ")]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as child:
        assert child.stdout is not None
        names = []
        for line in child.stdout:
            names.append(line.split()[0])
            assert line.endswith("is at work\n"), line
            sent = time.perf_counter()
            child.send_signal(signal.SIGINT)
            assert child.stdout.readline() == "interrupted\n"
            assert time.perf_counter() - sent < 2
            assert child.stdout.readline() == "[True, True, [], []]\n"
    assert child.returncode == 0
    assert names == ["greedy", "highs", "cbc"][: script.count("\nrun(")]


@pytest.mark.parametrize("fitted_before", [False, True])
def test_an_error_leaves_the_pruner_as_it_was(fitted_before):
    """Wherever it strikes: here at every fourth line of the last step of fit."""
    names = ("_select", "_problem", "_choose", "_keep")
    steps = [getattr(EnsemblePruner, name).__code__ for name in names]
    X, y = load_iris(return_X_y=True)
    pruner = EnsemblePruner(RandomForestClassifier(5, max_depth=2, random_state=0), 2)
    if fitted_before:
        pruner.fit(X, y)
    before = dict(vars(pruner))
    pruner.set_params(target_size=3)
    lines = 0

    def strike(frame, event, argument, at):
        if frame.f_code not in steps:
            return None

        def on_line(frame, event, argument):
            nonlocal lines
            if event == "line":
                lines += 1
                if lines == at:
                    raise KeyboardInterrupt
            return on_line

        return on_line

    at = 1
    while True:
        lines = 0
        tracer = sys.gettrace()
        sys.settrace(lambda *event, at=at: strike(*event, at))
        try:
            pruner.fit(X, y)
        except KeyboardInterrupt:
            pass
        else:
            break
        finally:
            sys.settrace(tracer)
        assert vars(pruner) == before | {"target_size": 3}
        at += 4
    assert at > 20
    assert pruner.n_members_ == 3


def test_fit_again_forgets_what_belonged_to_the_other_fit():
    X, y = load_iris(return_X_y=True)
    forest = RandomForestClassifier(8, max_depth=2, random_state=0)
    pruner = EnsemblePruner(forest, 3, refine="weights").fit(X, y)
    assert hasattr(pruner, "refinement_")
    pruner.set_params(refine=None).fit(X, y)
    assert not hasattr(pruner, "refinement_")
    fresh = EnsemblePruner(forest, 3).fit(X, y)
    assert vars(pruner).keys() == vars(fresh).keys()
    np.testing.assert_array_equal(pruner.predict_proba(X), fresh.predict_proba(X))
