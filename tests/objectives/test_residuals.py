"""Products of residuals over blocks of samples: directly from the outputs, from files, in any split."""

from __future__ import annotations

import gc
import pickle
import threading

import numpy as np
import pytest

from ensprune import storage
from ensprune.objectives import residuals
from ensprune.objectives.residuals import Residuals
from ensprune.storage import on_disk


@pytest.fixture(params=[1, 3])
def case(request):
    """Outputs, target and weights; the target's square is about twice a residual's."""
    rng = np.random.default_rng(request.param)
    target = rng.normal(size=(request.param, 700))
    outputs = 0.3 * target + 0.4 * rng.normal(size=(9, request.param, 700))
    return outputs, target, rng.dirichlet(np.ones(700))


def exact(outputs, target, weight):
    residual = outputs - target
    return np.einsum("icn,jcn,n->ij", residual, residual, weight)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("least", [0.0, 1e9])
def test_products_by_definition(case, weighted, least, monkeypatch):
    monkeypatch.setattr(residuals, "_BLOCK_BYTES", 20_000)
    monkeypatch.setattr(residuals, "_PART_BYTES", 4_000)
    outputs, target, weight = case
    weight = weight if weighted else np.full(700, 1 / 700)
    products = Residuals(outputs, target, weight)
    known = exact(outputs, target, weight)
    some = np.array([1, 4, 8])
    np.testing.assert_allclose(products.across(some, least), known[some], rtol=1e-11)
    np.testing.assert_allclose(products.square(some), known[np.ix_(some, some)], rtol=1e-11)
    np.testing.assert_allclose(products.square(np.arange(9)), known, rtol=1e-11)
    np.testing.assert_allclose(products.survey(), [np.diag(known), known.mean(axis=0)], rtol=1e-11)


@pytest.mark.parametrize("on_file", [False, True])
def test_outputs_are_used_directly_only_where_that_loses_nothing(case, on_file, monkeypatch):
    outputs, target, weight = case
    held = on_disk(outputs.shape) if on_file else np.empty(outputs.shape, np.float32)
    held[...] = outputs
    read = []
    original = Residuals._of
    monkeypatch.setattr(
        Residuals,
        "_of",
        lambda self, members, *rest: read.append(members) or original(self, members, *rest),
    )
    some = np.array([0, 5])
    for shift, direct in ((0.0, not on_file), (100.0, False)):
        held[...] = outputs + shift
        products = Residuals(held, target + shift, weight)
        known = exact(held.astype(np.float64), target + shift, weight)
        read.clear()
        rows = products.across(some, np.diag(known).min())
        np.testing.assert_allclose(rows, known[some], rtol=1e-6)
        assert all((members is some) == direct for members in read)
        assert read


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("on_file", [False, True])
def test_a_survey_in_single_precision_loses_nothing_of_the_target(
    case, on_file, weighted, monkeypatch
):
    monkeypatch.setattr(residuals, "_PART_BYTES", 4_000)
    monkeypatch.setattr(storage, "_MAPPED", 4_000)
    outputs, target, weight = case
    weight = weight if weighted else np.full(700, 1 / 700)
    # So far from zero that the target's second part, the same for all samples, counts.
    target = np.full_like(target, 1000.1)
    held = on_disk(outputs.shape) if on_file else np.empty(outputs.shape, np.float32)
    held[...] = target + 0.01 * outputs + 0.005
    known = exact(held.astype(np.float64), target, weight)
    own, company = Residuals(held, target, weight).survey()
    np.testing.assert_allclose(own, np.diag(known), rtol=1e-6)
    np.testing.assert_allclose(company, known.mean(axis=0), rtol=2e-2)


def test_half_a_digit_is_lost_at_most():
    rng = np.random.default_rng(0)
    target = rng.normal(size=(1, 60_000))
    # As far from the target's zero as direct products are allowed to be.
    spread = np.sqrt(1 / residuals._MODEST)
    outputs = (target + spread * rng.normal(size=(40, 1, 60_000))).astype(np.float32)
    weight = np.full(60_000, 1 / 60_000)
    known = exact(outputs.astype(np.float64), target, weight)
    some = np.arange(0, 40, 7)
    size = np.sqrt(np.outer(np.diag(known)[some], np.diag(known)))
    products = Residuals(outputs, target, weight)
    errors = {
        least: np.abs(products.across(some, least) - known[some]) / size for least in (0.0, 1e9)
    }
    assert errors[1e9].max() < 3e-7
    assert errors[0.0].max() < 1e-7


@pytest.mark.parametrize("jobs", [1, 2])
def test_room_is_written_to_again(case, jobs, monkeypatch):
    monkeypatch.setattr(residuals, "_BLOCK_BYTES", 20_000)
    monkeypatch.setattr(residuals, "_WORTH_A_THREAD", 1)
    monkeypatch.setattr(residuals, "blas_threads", lambda: 1)
    monkeypatch.setattr(residuals, "cores", lambda: 2)
    outputs, target, weight = case
    products = Residuals(outputs, target, weight, n_jobs=jobs)
    products.survey()
    rooms = list(products._rooms)
    memory = products._rooms[0]._memory
    products.across(np.array([1, 2]))
    products.square(np.arange(9))
    assert len(rooms) == jobs
    assert {id(room) for room in products._rooms} == {id(room) for room in rooms}
    if jobs == 1:
        assert products._rooms[0]._memory is memory


def test_threads_stay_for_the_next_sum_and_end_with_the_products(case, monkeypatch):
    monkeypatch.setattr(residuals, "_BLOCK_BYTES", 20_000)
    monkeypatch.setattr(residuals, "_WORTH_A_THREAD", 1)
    outputs, target, weight = case
    before = set(threading.enumerate())
    products = Residuals(outputs, target, weight, n_jobs=2)
    first = products.survey()
    own = set(threading.enumerate()) - before
    products.square(np.arange(9))
    assert set(threading.enumerate()) - before == own
    again = pickle.loads(pickle.dumps(products))
    np.testing.assert_array_equal(again.survey(), first)
    del products, again
    gc.collect()
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=5)
    assert set(threading.enumerate()) <= before
