"""Members of an XGBoost model read in pieces by threads: the same as one after the other."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import xgboost

from ensprune.members import open_members, xgboost_reading
from ensprune.members.xgboost_model import Layout, read_layout
from ensprune.members.xgboost_reading import n_pieces

RNG = np.random.default_rng(0)
X = RNG.normal(size=(1001, 4)).astype(np.float32)
Y = np.digitize(X[:, 0] + X[:, 1] ** 2, [0.3, 1.5])

MODELS = {
    "trees": {"n_estimators": 7},
    "dart": {"n_estimators": 7, "booster": "dart", "rate_drop": 0.5},
    "several trees a round": {"n_estimators": 5, "num_parallel_tree": 3, "subsample": 0.5},
    "forest": {"n_estimators": 1, "num_parallel_tree": 9, "subsample": 0.5},
}


@pytest.fixture(params=list(MODELS))
def model(request):
    return xgboost.XGBClassifier(max_depth=3, n_jobs=1, **MODELS[request.param]).fit(X, Y)


@pytest.fixture
def eager(monkeypatch):
    """Pieces are worth it for any model, and rows are many."""
    monkeypatch.setattr(xgboost_reading, "_TREES", 1)
    monkeypatch.setattr(xgboost_reading, "_TREES_PER_FEATURE", 0)
    monkeypatch.setattr(xgboost_reading, "_VALUES", 2000)


@pytest.mark.parametrize("threads", [2, 3, 20])
def test_pieces_are_the_whole(model, eager, threads):
    members = open_members(model)
    wanted = members.outputs(X, n_jobs=1)
    np.testing.assert_array_equal(members.outputs(X, n_jobs=threads), wanted)
    layout = read_layout(model.get_booster())
    pieces = members._pieces(None, threads)
    assert len(pieces) == (1 if layout.is_forest else min(threads, layout.n_rounds))
    # What is kept is what was asked for last.
    np.testing.assert_array_equal(members.outputs(X, n_jobs=1), wanted)
    np.testing.assert_array_equal(
        members.outputs(X, n_jobs=threads, indices=[4, 1]), wanted[[4, 1]]
    )
    np.testing.assert_array_equal(members.outputs(X, n_jobs=threads), wanted)


def test_threads_that_ask_for_different_members_get_their_own():
    model = xgboost.XGBClassifier(n_estimators=6, max_depth=2, n_jobs=1).fit(X, Y)
    members = open_members(model)
    wanted = members.outputs(X[:9], n_jobs=1)

    def is_its_own(member: int) -> bool:
        found = members.outputs(X[:9], n_jobs=1, indices=[member])
        return np.array_equal(found, wanted[[member]])

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(is_its_own, [0, 1, 2, 3, 4, 5] * 50))
    finally:
        sys.setswitchinterval(interval)


def test_no_rows_and_matrices_in_pieces(eager):
    model = xgboost.XGBClassifier(n_estimators=4, max_depth=3, n_jobs=1).fit(X, Y)
    members = open_members(model)
    assert members.outputs(X[:0], n_jobs=2).shape == (4, 3, 0)
    raw = open_members(model.get_booster())
    matrix = xgboost.DMatrix(X)
    np.testing.assert_array_equal(raw.outputs(matrix, n_jobs=2), members.outputs(X, n_jobs=1))


def test_a_thread_of_its_own_is_for_many_trees_of_few_columns():
    model = xgboost.XGBClassifier(n_estimators=80, max_depth=1, n_jobs=1).fit(X, Y)
    layout = read_layout(model.get_booster())  # 240 trees
    assert [n_pieces(layout, 4, threads) for threads in (1, 2, 3)] == [1, 2, 2]
    assert [n_pieces(layout, n_features, 2) for n_features in (12, 13)] == [2, 1]


def test_a_piece_fits_in_cache():
    layout = Layout(400, 3, 1, "multi:softprob", {})  # 1,200 trees
    assert [n_pieces(layout, 4, threads) for threads in (1, 2, 3, 20)] == [5, 2, 3, 12]
    assert n_pieces(layout, 60, 1) == 2


def test_more_pieces_than_threads(model, eager, monkeypatch):
    wanted, ids = open_members(model).outputs(X, n_jobs=1), open_members(model).leaf_ids(X)
    monkeypatch.setattr(xgboost_reading, "_CACHED", 4)
    members = open_members(model)
    np.testing.assert_array_equal(members.outputs(X, n_jobs=1), wanted)
    np.testing.assert_array_equal(members.leaf_ids(X), ids)
    is_forest = read_layout(model.get_booster()).is_forest
    assert (len(members._pieces(None, 1)) > 1) is not is_forest


def test_an_early_end_is_read_in_pieces(eager):
    model = xgboost.XGBClassifier(
        n_estimators=40, learning_rate=1.0, early_stopping_rounds=3, n_jobs=1
    )
    model.fit(X[:500], Y[:500], eval_set=[(X[500:], Y[500:])], verbose=False)
    members = open_members(model)
    assert 1 < members.n_members < len(model.get_booster().get_dump()) // 3
    outputs = members.outputs(X, n_jobs=2)
    np.testing.assert_array_equal(outputs, members.outputs(X, n_jobs=1))
    np.testing.assert_allclose(
        members.combiner.raw(outputs), model.predict(X, output_margin=True).T, atol=1e-5
    )
