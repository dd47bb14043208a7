"""Calls side by side, workers inside them, and other processes: the same answers, nothing changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score, get_scorer
from threadpoolctl import threadpool_info, threadpool_limits

from ensprune import EnsemblePruner, MLPPruner, threads
from ensprune.members import open_members
from ensprune.mlp import obs_prune
from ensprune.objectives import make_objective
from ensprune.selectors import GreedySelector, Problem
from ensprune.threads import one_blas_thread, openmp_threads

from .bad_arguments import ENSEMBLES, fitted, network, rows

# What differs in how the work is shared out between threads.
SELECTORS = ("greedy", "ilp", "ordering", "weights", "cluster", "random")


def blas_threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def process_state() -> dict:
    """What belongs to the process, not to a call.

    But for the filters of warnings: scikit-learn itself puts them aside while it looks at labels.
    """
    return {
        "errors": np.geterr(),
        "random": np.random.get_state()[1].tolist(),  # noqa: NPY002
        "sklearn": sklearn.get_config(),
        "environment": dict(os.environ),
        "directory": os.getcwd(),
        "threads": blas_threads(),
        "recursion": sys.getrecursionlimit(),
    }


def answer(name: str, selector: str, n_jobs: int | None) -> list:
    """All that a pruner decides, as plain values."""
    X, y = rows(ENSEMBLES[name][0])
    pruner = EnsemblePruner(
        FrozenEstimator(fitted(name)),
        target_size=3,
        selector=selector,
        scoring="f1" if ENSEMBLES[name][0] == "binary" else "neg_median_absolute_error",
        n_jobs=n_jobs,
        random_state=0,
    ).fit(X, y)
    points = [[list(p.indices), p.score, p.objective] for p in pruner.path_]
    return [pruner.selected_.tolist(), pruner.score_pruned_, points]


def answers(n_jobs: int | None) -> dict[str, list]:
    asked = [("forest", selector) for selector in SELECTORS]
    asked += [(name, "greedy") for name in ("voting", "boosting", "xgboost")]
    return {f"{name} {selector}": answer(name, selector, n_jobs) for name, selector in asked}


@pytest.fixture(scope="module")
def expected():
    return answers(None)


@pytest.mark.parametrize("n_jobs", [2, -1])
def test_the_number_of_workers_changes_nothing(expected, n_jobs):
    assert answers(n_jobs) == expected


def test_another_process_with_other_threads_answers_alike(expected):
    here = Path(__file__).parents[1]
    code = (
        "import json, warnings; warnings.simplefilter('ignore');"
        "from trust.test_threads import answers; print(json.dumps(answers(2)))"
    )
    paths = [str(here), str(here.parent)]
    environment = os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(paths)}
    environment["OMP_NUM_THREADS"] = "2"  # one more than here
    environment["OMP_WAIT_POLICY"] = "PASSIVE"  # they wait for each other, not for other tests
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == json.loads(json.dumps(expected))


def test_calls_side_by_side_do_not_meet(expected):
    X, y = rows("binary")
    alone = MLPPruner(
        FrozenEstimator(network("binary")), sparsity=0.4, criterion="obs", n_steps=2, random_state=0
    )
    weights = alone.fit(X, y).pruned_estimator_.coefs_[0]
    before = process_state()

    def pruned_network(_) -> np.ndarray:
        return sklearn.clone(alone).fit(X, y).pruned_estimator_.coefs_[0]

    with ThreadPoolExecutor(4) as pool:
        networks = [pool.submit(pruned_network, i) for i in range(4)]
        both = [pool.submit(answers, n_jobs) for n_jobs in (2, None)]
        assert all(one.result() == expected for one in both)
        for one in networks:
            np.testing.assert_array_equal(one.result(), weights)
    assert process_state() == before


def problem_of(members, X, y, scoring: str) -> Problem:
    combiner = members.bind(X)
    return Problem(
        outputs=members.outputs(X),
        y=y,
        combiner=combiner,
        objective=make_objective(get_scorer(scoring), combiner),
        costs=np.ones(members.n_members),
        budget=4.0,
    )


class _Watching(BaseEstimator):
    """A scorer that remembers how many threads BLAS had while it ran."""

    def __init__(self):
        self.seen = []

    def __call__(self, estimator, X, y):
        self.seen += blas_threads()
        return accuracy_score(y, estimator.predict(X))


@pytest.mark.parametrize(("n_jobs", "expected"), [(2, {1}), (1, {2})])
def test_workers_do_not_crowd_each_other_out(n_jobs, expected):
    X, y = rows("binary")
    watching = _Watching()
    with threadpool_limits(2, user_api="blas"):
        pruner = EnsemblePruner(
            FrozenEstimator(fitted("forest")), target_size=1, scoring=watching, n_jobs=n_jobs
        )
        pruner.fit(X, y)
        candidates = watching.seen[: 4 * len(blas_threads())]
        assert set(candidates) == expected
        obs_prune(np.eye(4), np.eye(4), 2, n_jobs=2)
        assert set(blas_threads()) == {2}


def test_limits_that_overlap_leave_what_was_before():
    with threadpool_limits(2, user_api="blas"):
        first, second = one_blas_thread(), one_blas_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert set(blas_threads()) == {1}
        second.__exit__(None, None, None)
        assert set(blas_threads()) == {2}


def test_the_thread_that_comes_first_may_go_first():
    # Where only one thread may set BLAS's threads, it must not be one that has no more to do.
    with threadpool_limits(2, user_api="blas"), ThreadPoolExecutor(1) as pool:
        first, second = one_blas_thread(), one_blas_thread()
        pool.submit(first.__enter__).result()
        second.__enter__()
        pool.submit(first.__exit__, None, None, None).result()
        assert set(blas_threads()) == {1}
        second.__exit__(None, None, None)
        assert set(blas_threads()) == {2}
        with one_blas_thread():
            assert set(blas_threads()) == {1}
        with threadpool_limits(3, user_api="blas"):
            assert set(blas_threads()) == {3}


def test_a_block_that_nobody_leaves_ends_when_it_is_forgotten():
    with threadpool_limits(2, user_api="blas"):
        block = one_blas_thread()
        block.__enter__()
        assert set(blas_threads()) == {1}
        del block
        assert set(blas_threads()) == {2}


@pytest.mark.parametrize("begun", ["looking for libraries", "limit set"])
def test_a_block_that_did_not_begin_limits_nothing_as_long_as_its_error_is_kept(begun, monkeypatch):
    change = threads._from_any_thread

    def interrupted(step) -> None:
        if callable(step):
            change(step)
        raise KeyboardInterrupt

    name = "_controller" if begun == "looking for libraries" else "_from_any_thread"
    with threadpool_limits(2, user_api="blas"):
        with monkeypatch.context() as patch:
            patch.setattr(threads, name, interrupted)
            with pytest.raises(KeyboardInterrupt) as kept:
                one_blas_thread().__enter__()
        with one_blas_thread():
            assert set(blas_threads()) == {1}
        assert set(blas_threads()) == {2}
    assert kept.tb is not None


@pytest.mark.parametrize("scoring", ["neg_log_loss", "accuracy", "roc_auc", "neg_brier_score"])
@pytest.mark.parametrize("options", [{}, {"direction": "backward"}, {"starts": 3}, {"bags": 3}])
def test_a_search_takes_threads_from_blas_once(scoring, options, monkeypatch):
    # BLAS's threads spin when they get back what they had: step after step they would crowd out ours.
    X, y = rows("binary")
    limits = []
    find = threads._controller

    def watched(n_modules):
        return SimpleNamespace(
            limit=lambda **how: limits.append(how) or find(n_modules).limit(**how),
            select=find(n_modules).select,
        )

    monkeypatch.setattr(threads, "_controller", watched)
    problem = problem_of(open_members(fitted("forest")), X, y, scoring)
    with threadpool_limits(2, user_api="blas"):
        path = GreedySelector(**options).select(problem)
        assert set(blas_threads()) == {2}
    n_starts = 2 if scoring == "neg_brier_score" else 1  # what it starts with is a limit of its own
    assert len(path) > 2
    assert 1 <= len(limits) <= n_starts + len(options)


def test_what_blas_has_is_told_through_limits_of_our_own():
    with threadpool_limits(2, user_api="blas"), one_blas_thread():
        assert threads.blas_threads() == 2


def openmp() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "openmp"}


def test_a_limit_of_openmp_is_lifted_again_and_raises_none():
    with threadpool_limits(2, user_api="openmp"):
        with openmp_threads(1):
            assert openmp() == {1}
            with openmp_threads(2):
                assert openmp() == {1}
        assert openmp() == {2}
