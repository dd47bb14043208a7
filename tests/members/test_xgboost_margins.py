"""Reading margins from XGBoost's memory gives what its own prediction gives, or leaves it to it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import xgboost

from ensprune.members import open_members
from ensprune.members.xgboost_margins import (
    _free_waiting_threads,
    as_dense,
    can_read,
    margins,
    side_by_side,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 5))
X[RNG.random(X.shape) < 0.1] = np.nan
NAMES = ["a", "b", "c", "d", "e"]
FRAME = pd.DataFrame(X, columns=NAMES)
Y = (np.nan_to_num(X[:, 0]) + RNG.normal(size=400) > 0).astype(int)


@pytest.fixture(scope="module")
def model():
    return xgboost.XGBClassifier(n_estimators=7, max_depth=3, n_jobs=1).fit(FRAME, Y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("missing", [np.nan, -1.0])
def test_margins_are_those_of_inplace_predict(model, dtype, missing):
    booster = model.get_booster()
    rows = np.where(np.isnan(X), missing, X).astype(dtype)
    expected = booster.inplace_predict(
        rows, predict_type="margin", missing=missing, strict_shape=True, validate_features=False
    )
    assert can_read(rows, booster, "cpu")
    np.testing.assert_array_equal(margins(booster, rows, missing), expected)


def test_threads_do_not_share_the_memory(model):
    booster = model.get_booster()
    parts = [np.ascontiguousarray(X[start::40]) for start in range(40)]
    expected = [margins(booster, part, np.nan).copy() for part in parts]

    def read(part):
        return [margins(booster, part, np.nan).copy() for _ in range(20)]

    with ThreadPoolExecutor(8) as pool:
        for found, own in zip(pool.map(read, parts), expected, strict=True):
            for one in found:
                np.testing.assert_array_equal(one, own)


def unaligned(rows):
    """A copy that begins one byte off."""
    memory = np.empty(rows.nbytes + 1, dtype=np.uint8)
    copy = memory[1:].view(rows.dtype).reshape(rows.shape)
    copy[...] = rows
    return copy


def test_rows_that_begin_anywhere_in_memory_are_read(model):
    members = open_members(model)
    np.testing.assert_array_equal(members.outputs(unaligned(X)), members.outputs(X))


@pytest.mark.parametrize(
    "rows",
    [
        unaligned(X),
        FRAME,
        X.tolist(),
        X[:, :4],
        np.asfortranarray(X),
        X.astype(">f8"),
        X.astype(np.float16),
        np.ma.masked_array(X),
    ],
    ids=["unaligned", "frame", "list", "columns", "fortran", "byte order", "half", "masked"],
)
def test_other_rows_are_left_to_xgboost(model, rows):
    assert not can_read(rows, model.get_booster(), "cpu")


def test_other_devices_are_left_to_xgboost(model):
    assert not can_read(X, model.get_booster(), "cuda:0")


def test_a_frame_of_numbers_becomes_an_array(model):
    mixed = FRAME.assign(b=RNG.integers(0, 9, 400), c=RNG.random(400) < 0.5)
    dense = as_dense(mixed, model.get_booster())
    assert dense.dtype == np.float32
    np.testing.assert_array_equal(
        model.get_booster().inplace_predict(mixed),
        model.get_booster().inplace_predict(dense, validate_features=False),
    )


@pytest.mark.parametrize(
    "frame",
    [FRAME[NAMES[::-1]], FRAME.astype({"a": "Float64"}), FRAME.astype({"b": "category"})],
    ids=["order", "nullable", "categories"],
)
def test_other_frames_stay_frames(model, frame):
    assert as_dense(frame, model.get_booster()) is frame


def test_frames_and_arrays_have_the_same_outputs(model):
    members = open_members(model)
    np.testing.assert_array_equal(members.outputs(FRAME), members.outputs(X))
    with pytest.raises(ValueError, match="feature_names mismatch"):
        members.outputs(FRAME[NAMES[::-1]])


def test_an_error_of_xgboost_is_raised():
    with pytest.raises(xgboost.core.XGBoostError):
        margins(xgboost.Booster(), X, np.nan)


def test_predictions_go_on_where_waiting_threads_were_freed():
    model = xgboost.XGBClassifier(n_estimators=7, max_depth=3, n_jobs=2).fit(X, Y)
    expected = model.predict_proba(X)
    for _ in range(3):
        _free_waiting_threads()
        np.testing.assert_array_equal(model.predict_proba(X), expected)


@pytest.mark.parametrize("fails_here", [True, False])
def test_an_error_in_any_thread_is_raised_and_the_rest_is_left(fails_here):
    here = threading.get_ident()
    done = []

    def fill(rows):
        if (threading.get_ident() == here) == fails_here:
            raise RuntimeError("these rows")
        time.sleep(0.01)
        done.append(rows)

    batches = [slice(i, i + 1) for i in range(100)]
    with pytest.raises(RuntimeError, match="these rows"):
        side_by_side(fill, [batches], 2)
    assert len(done) < 10
    threads = {thread.ident for thread in threading.enumerate()}
    side_by_side(done.append, [batches], 2)
    assert {thread.ident for thread in threading.enumerate()} == threads


def test_each_thread_begins_with_its_own_and_helps_the_others():
    here, by_whom = threading.get_ident(), {}
    both_began = threading.Barrier(2, timeout=30)

    def fill(job):
        if job in ("a0", "b0"):
            both_began.wait()
        if job == "b0":  # until the other thread has helped
            helped.wait(timeout=30)
        if job == "b1":
            helped.set()
        by_whom[job] = threading.get_ident()

    helped = threading.Event()
    side_by_side(fill, [["a0", "a1"], ["b0", "b1"]], 2)
    assert set(by_whom) == {"a0", "a1", "b0", "b1"}
    assert by_whom["a0"] == by_whom["a1"] == by_whom["b1"] == here != by_whom["b0"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_process_does_not_wait_for_threads_it_has_not_got():
    program = """
import os, signal
import numpy as np, xgboost
from ensprune.members import open_members

X = np.random.default_rng(0).normal(size=(600, 3))
model = xgboost.XGBClassifier(n_estimators=5, n_jobs=2).fit(X, X[:, 0] > 0)
members = open_members(model)
expected = members.outputs(X, n_jobs=1)
model.predict_proba(X)  # OpenMP's threads are there, in this process
child = os.fork()
if child == 0:
    signal.alarm(30)
    os._exit(0 if np.array_equal(members.outputs(X, n_jobs=2), expected) else 1)
assert os.waitpid(child, 0)[1] == 0
"""
    # In a process of its own: forking one with many threads warns, for good reason.
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
