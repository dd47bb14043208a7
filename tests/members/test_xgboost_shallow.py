"""Small trees evaluated in NumPy give, bit for bit, what XGBoost's own predictor gives."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import xgboost
from scipy import sparse

from ensprune.members import open_members, xgboost_shallow
from ensprune.members import xgboost as adapter
from ensprune.members.xgboost_model import read_model, read_nodes, trees_of
from ensprune.members.xgboost_shallow import compares, may_be_small, pays, small_trees
from ensprune.members.xgboost_ubjson import nodes_of

N_ROWS, N_FEATURES = 300, 4
EXTREME = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, 3e38]


@pytest.fixture
def eager(monkeypatch):
    """Few rows pay, and are several batches of several bundles of trees."""
    monkeypatch.setattr(xgboost_shallow, "_LEAST", 1)
    monkeypatch.setattr(xgboost_shallow, "_SHARE", 1)
    monkeypatch.setattr(xgboost_shallow, "_ROWS", 100)
    monkeypatch.setattr(xgboost_shallow, "_TREES", 6)


@pytest.fixture
def calls(monkeypatch):
    """What was read in NumPy."""
    found = []

    def read(*args):
        found.append(args)
        return xgboost_shallow.read_small(*args)

    monkeypatch.setattr(adapter, "read_small", read)
    return found


def by_xgboost(model, X, **how):
    """Outputs that XGBoost predicted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xgboost_shallow, "_THREADS", 0)
        return open_members(model).outputs(X, **how)


def assert_same(found, expected):
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert found.flags.c_contiguous
    assert found.tobytes() == expected.tobytes()


def rows(seed: int, missing: float = np.nan) -> np.ndarray:
    rng = np.random.default_rng(seed)
    X = np.round(4 * rng.normal(size=(N_ROWS, N_FEATURES))) / 4
    X[rng.random(X.shape) < 0.15] = missing
    return X.astype(np.float32)


def fit(seed: int = 0, n_classes: int = 2, X: np.ndarray | None = None, **params):
    X = rows(seed, params.get("missing", np.nan)) if X is None else X
    rng = np.random.default_rng(seed + 1)
    score = np.nan_to_num(X[:, 0]) + X.shape[1] * rng.normal(size=len(X)) / 8
    params = {"n_estimators": 13, "max_depth": 3, "n_jobs": 1, "random_state": seed} | params
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*`booster=dart` is deprecated")
        if n_classes == 1:
            return xgboost.XGBRegressor(**params).fit(X, score)
        y = np.digitize(score, np.quantile(score, np.linspace(0, 1, n_classes + 1)[1:-1]))
        return xgboost.XGBClassifier(**params).fit(X, y)


def difficult_rows(model, seed: int, n_rows: int = 250) -> np.ndarray:
    """Thresholds hit, missed by the last bit, and numbers that are hardly any."""
    saved = trees_of(read_model(model.get_booster()))["trees"]
    # Leaf values are among them.
    thresholds = np.concatenate([tree["split_conditions"] for tree in saved]).astype(np.float32)
    pool = np.concatenate(
        [
            thresholds,
            np.nextafter(thresholds, np.float32(np.inf)),
            np.nextafter(thresholds, np.float32(-np.inf)),
            np.array([*EXTREME, model.missing], dtype=np.float32),
        ]
    )
    return np.random.default_rng(seed).choice(pool, size=(n_rows, model.n_features_in_))


MODELS = {
    "one split": {"max_depth": 1},
    "depth 2": {"max_depth": 2},
    "depth 3": {},
    "depth 4": {"max_depth": 4},
    "depth 4, pruned": {"max_depth": 4, "gamma": 1.0, "tree_method": "exact"},
    "eight leaves": {"max_depth": 0, "max_leaves": 8, "grow_policy": "lossguide"},
    "nine leaves": {"max_depth": 0, "max_leaves": 9, "grow_policy": "lossguide"},
    "regression": {"n_classes": 1, "base_score": 0.3},
    "three classes": {"n_classes": 3},
    "four classes, depth 4": {"n_classes": 4, "max_depth": 4},
    "missing is zero": {"missing": 0.0},
    "missing is a tenth": {"missing": 0.1, "max_depth": 4},
    "forest": {"n_estimators": 1, "num_parallel_tree": 9, "subsample": 0.5},
    "forest, three classes": {
        "n_classes": 3,
        "n_estimators": 1,
        "num_parallel_tree": 5,
        "subsample": 0.5,
    },
    "dart": {"booster": "dart", "rate_drop": 0.5},
    "leaves only": {"gamma": 1e6},
    "some leaves only": {"min_child_weight": 30, "learning_rate": 1.0},
}


@pytest.mark.parametrize("name", list(MODELS))
def test_outputs_are_those_of_xgboost(name, eager, calls):
    for seed in range(3):
        model = fit(seed, **MODELS[name])
        members = open_members(model)
        X = np.concatenate([rows(seed + 9, model.missing), difficult_rows(model, seed)])
        some = np.random.default_rng(seed).permutation(members.n_members)[:3]
        for n_rows in (len(X), 1):
            for dtype in (np.float32, np.float64):
                expected = by_xgboost(model, X[:n_rows], dtype=dtype)
                for threads in (1, 2):
                    found = members.outputs(X[:n_rows], threads, dtype=dtype)
                    assert_same(found, expected)
        assert_same(members.outputs(X, indices=some), by_xgboost(model, X, indices=some))
    assert len(calls) == 3 * 9


@pytest.mark.parametrize(
    "given",
    [
        lambda X: X.astype(np.float64) * (1 + 1e-9),
        lambda X: np.where(np.isnan(X), 1e300, X.astype(np.float64)),
        np.asfortranarray,
        lambda X: np.repeat(X, 2, axis=0)[::2],
        lambda X: np.nan_to_num(X).clip(-9, 9).astype(np.int64),
        lambda X: X > 0,
        lambda X: X.tolist(),
        lambda X: pd.DataFrame(X),
        lambda X: pd.DataFrame(X).astype({0: np.float64}).assign(**{"1": 1}).iloc[:, :N_FEATURES],
    ],
    ids=["double", "huge", "fortran", "strided", "int", "bool", "list", "frame", "mixed frame"],
)
@pytest.mark.parametrize("missing", [np.nan, 0.0])
def test_rows_of_any_kind(given, missing, eager, calls):
    model = fit(missing=missing)
    X = given(difficult_rows(model, 5))
    before = pd.DataFrame(X).copy()
    if isinstance(X, pd.DataFrame):
        model.get_booster().feature_names = [str(name) for name in X.columns]
    found = open_members(model).outputs(X, n_jobs=2)
    assert len(calls) == 1
    assert_same(found, by_xgboost(model, X))
    pd.testing.assert_frame_equal(pd.DataFrame(X), before)


def test_one_feature_and_a_raw_booster(eager, calls):
    X = rows(0)[:, :1]
    booster = fit(X=X).get_booster()
    assert_same(open_members(booster).outputs(X), by_xgboost(booster, X))
    assert len(calls) == 1


def test_an_early_end(eager, calls):
    X, y = rows(0), rows(1)[:, 0] > 0
    model = xgboost.XGBClassifier(
        n_estimators=60, max_depth=3, learning_rate=1.0, early_stopping_rounds=3, n_jobs=1
    )
    model.fit(X[:200], y[:200], eval_set=[(X[200:], y[200:])], verbose=False)
    outputs = open_members(model).outputs(X)
    assert len(calls) == 1
    assert len(outputs) == model.best_iteration + 1
    assert_same(outputs, by_xgboost(model, X))


@pytest.mark.parametrize(
    "params",
    [
        {"max_depth": 5},
        {"max_depth": 0, "max_leaves": 16, "grow_policy": "lossguide"},  # unbalanced
        {"num_parallel_tree": 3, "subsample": 0.5},
    ],
    ids=["depth 5", "leaves", "parallel trees"],
)
def test_other_models_are_left_to_xgboost(params, eager, calls):
    model = fit(**params, n_estimators=9)
    open_members(model).outputs(rows(1))
    assert not calls


def test_categories_are_left_to_xgboost(eager, calls):
    X = pd.DataFrame(rows(0)).add_prefix("x")
    X["x0"] = pd.Categorical.from_codes(np.arange(N_ROWS) % 3, list("abc"))
    model = xgboost.XGBClassifier(
        n_estimators=3, max_depth=2, n_jobs=1, tree_method="hist", enable_categorical=True
    )
    members = open_members(model.fit(X, np.arange(N_ROWS) % 3 == 1))
    members.outputs(X)
    assert not calls
    # Its rows as numbers may be read, but not its trees.
    members.outputs(X.assign(x0=X["x0"].cat.codes).to_numpy())
    assert not calls
    assert small_trees(*read_nodes(members._booster, 3)) is None


@pytest.mark.parametrize("kind", [sparse.csr_matrix, np.ma.masked_array, xgboost.DMatrix])
def test_other_rows_are_left_to_xgboost(kind, eager, calls):
    booster = fit().get_booster()
    X = np.nan_to_num(rows(1))
    assert compares(X, booster)
    assert not compares(kind(X), booster)
    open_members(booster).outputs(kind(X))
    assert not calls


@pytest.mark.parametrize("dtype", [np.float16, ">f4", np.longdouble, object])
def test_other_numbers_are_left_to_xgboost(dtype):
    assert not compares(rows(1).astype(dtype), fit().get_booster())


@pytest.mark.parametrize("max_depth", [2, 5], ids=["small", "large"])
def test_no_members_are_refused(max_depth, eager):
    members = open_members(fit(max_depth=max_depth))
    with pytest.raises(ValueError, match=r"indices must be a non-empty flat sequence of int, got"):
        members.outputs(rows(0), indices=[])


def test_no_rows(eager):
    assert open_members(fit(n_classes=3)).outputs(rows(0)[:0]).shape == (13, 3, 0)


def test_the_wrong_number_of_features_is_refused(eager):
    with pytest.raises(ValueError, match="X has 3 features, but XGBClassifier is expecting 4"):
        open_members(fit()).outputs(rows(0)[:, :3])


def test_many_rows_or_few_threads():
    assert pays(1024, 1)
    assert pays(1024, 2)
    assert not pays(1023, 1)
    assert not pays(24_575, 3)
    assert pays(32_768, 4)
    assert not pays(10**6, 5)


def test_deep_models_are_not_read():
    assert may_be_small(fit(max_depth=4).get_booster(), 13)
    assert not may_be_small(fit(max_depth=8, min_child_weight=0).get_booster(), 13)
    assert may_be_small(fit(gamma=1e6).get_booster(), 13)  # no splits, no scores


def test_by_hand():
    """Where x < 2: 1 if x < 1, else 3; otherwise 5. Missing values go left, then right."""
    tree = {
        "left_children": [1, 3, -1, -1, -1],
        "right_children": [2, 4, -1, -1, -1],
        "split_conditions": [2.0, 1.0, 5.0, 1.0, 3.0],
        "split_indices": [0, 0, 0, 0, 0],
        "split_type": [0] * 5,
        "default_left": [1, 0, 0, 0, 0],
    }
    trees = small_trees(nodes_of([tree]), np.ones(1))
    # Bits: not less than 2, less than 1.
    np.testing.assert_array_equal(trees.tables, [[3, 5, 1, 5]])
    reader = xgboost_shallow.reader_of(trees, np.array([0]), 1)
    x = np.array([[0.5], [1.0], [np.nan], [2.0], [-np.inf], [np.inf], [7.0]])
    found = xgboost_shallow.read_small(reader, x, 7.0, (1, 1, 7), np.float32, 1)
    np.testing.assert_array_equal(found, [[[1, 3, 3, 5, 1, 5, 3]]])
