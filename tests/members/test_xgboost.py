"""The law of adapters on XGBoost's estimators and raw boosters, and what is refused."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from ensprune.link import Exp, Identity, Logistic, LogisticValue, Softmax
from ensprune.members import open_members

xgb = pytest.importorskip("xgboost")
pd = pytest.importorskip("pandas")

from ensprune.members import xgboost_model, xgboost_reading  # noqa: E402  (needs xgboost)
from ensprune.members.xgboost_ubjson import retagged  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*`booster=dart` is deprecated"),
    pytest.mark.filterwarnings("ignore:`XGBRF.*` is deprecated:FutureWarning"),
]

N_ROWS, N_ROUNDS = 300, 12
SMALL = {"n_estimators": N_ROUNDS, "max_depth": 3, "n_jobs": 1, "random_state": 0}


def rows(n_samples: int = N_ROWS, seed: int = 0) -> np.ndarray:
    X = np.random.RandomState(seed).randn(n_samples, 6)
    X[::7, 2] = np.nan
    return X


def frame(n_samples: int = N_ROWS, seed: int = 0) -> pd.DataFrame:
    X = rows(n_samples, seed)
    result = pd.DataFrame(X, columns=list("abcdef"))
    letters = np.array(list("pqrstuvwxyz"))[np.random.RandomState(seed + 1).randint(0, 11, len(X))]
    result["kind"] = pd.Categorical(letters)
    return result


def targets(task: str, X: np.ndarray | pd.DataFrame) -> np.ndarray:
    values = np.asarray(X.iloc[:, :6] if isinstance(X, pd.DataFrame) else X)
    score = values[:, 0] + np.sin(2 * values[:, 1]) + np.nan_to_num(values[:, 2])
    if isinstance(X, pd.DataFrame):
        score = score + X["kind"].cat.codes.to_numpy() % 3
    if task == "regression":
        return 50 + score
    if task == "binary":
        return (score > 0.3).astype(int)
    return np.digitize(score, [-0.7, 0.7])


def cls(task: str) -> type:
    return xgb.XGBRegressor if task == "regression" else xgb.XGBClassifier


def fit_plain(task):
    X = rows()
    return cls(task)(**SMALL).fit(X, targets(task, X)), rows(seed=5)


def fit_dart(task):
    X = rows()
    model = cls(task)(**SMALL, booster="dart", rate_drop=0.5)
    return model.fit(X, targets(task, X)), rows(seed=5)


def fit_rf(task):
    X = rows()
    kind = xgb.XGBRFRegressor if task == "regression" else xgb.XGBRFClassifier
    return kind(**SMALL).fit(X, targets(task, X)), rows(seed=5)


def fit_one_round(task):
    X = rows()
    model = cls(task)(**{**SMALL, "n_estimators": 1}, num_parallel_tree=9, subsample=0.6)
    return model.fit(X, targets(task, X)), rows(seed=5)


def fit_boosted_forest(task):
    X = rows()
    model = cls(task)(**SMALL, num_parallel_tree=3, subsample=0.6)
    return model.fit(X, targets(task, X)), rows(seed=5)


def fit_early_stopped(task):
    X, Xv = rows(), rows(seed=9)
    noise = np.random.RandomState(1)
    y, yv = targets(task, X), noise.permutation(targets(task, Xv))
    y[:200] = noise.permutation(y[:200])
    params = {**SMALL, "n_estimators": 60, "learning_rate": 0.05, "early_stopping_rounds": 5}
    model = cls(task)(**params)
    model.fit(X, y, eval_set=[(X[200:], y[200:]), (Xv, yv)], verbose=False)
    return model, rows(seed=5)


def fit_categorical(task):
    X = frame()
    model = cls(task)(**SMALL, enable_categorical=True, tree_method="hist", max_cat_to_onehot=2)
    return model.fit(X, targets(task, X)), frame(seed=5)


def fit_raw(task):
    return fit_plain(task)[0].get_booster(), rows(seed=5)


FITS = [
    fit_plain,
    fit_dart,
    fit_rf,
    fit_one_round,
    fit_boosted_forest,
    fit_early_stopped,
    fit_categorical,
    fit_raw,
]
TASKS = ["binary", "multiclass", "regression"]

every = [pytest.param(fit, task, id=f"{fit.__name__[4:]}-{task}") for fit in FITS for task in TASKS]


def margin(model, X) -> np.ndarray:
    """Margins as the model gives them, shape (n_outputs, n_samples)."""
    if isinstance(model, xgb.Booster):
        X = xgb.DMatrix(X, enable_categorical=True)
        result = model.predict(X, output_margin=True)
    else:
        result = model.predict(X, output_margin=True)
    return result.reshape(len(result), -1).T.astype(np.float64)


def close(got, wanted, scale=None) -> None:
    scale = max(1.0, np.abs(wanted).max()) if scale is None else scale
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-6 * scale)


def booster_of(model):
    return model if isinstance(model, xgb.Booster) else model.get_booster()


def state(model) -> tuple:
    booster = booster_of(model)
    config = json.loads(booster.save_config())
    config["learner"].pop("generic_param")  # holds the state of a random generator
    generic = json.loads(booster.save_config())["learner"]["generic_param"]
    return bytes(booster.save_raw("ubj")), config, generic["nthread"], generic["device"]


def n_trees_kept(model) -> int:
    params = json.loads(booster_of(model).save_config())["learner"]["gradient_booster"]
    return int(params.get("gbtree", params)["gbtree_model_param"]["num_trees"])


@pytest.mark.parametrize(("fit", "task"), every)
def test_law(fit, task):
    model, X = fit(task)
    before, predicted = state(model), margin(model, X)
    members = open_members(model)
    outputs = members.outputs(X)
    combiner = members.combiner
    assert outputs.dtype == np.float32
    assert outputs.flags.c_contiguous
    assert outputs.shape == (members.n_members, 3 if task == "multiclass" else 1, len(X))
    close(combiner.raw(outputs), predicted)

    rng = np.random.RandomState(0)
    for with_weights in (False, True):
        indices = rng.permutation(members.n_members)[: max(1, members.n_members // 2)]
        weights = rng.uniform(0.0, 2.0, len(indices)) if with_weights else None
        small = members.subset(indices, weights)
        wanted = combiner.take(indices, weights)
        assert type(small) is type(model)
        close(margin(small, X), wanted.raw(outputs[indices]))
        if not isinstance(model, xgb.Booster):
            labels = wanted.predict(outputs[indices])
            if task == "regression":
                close(small.predict(X), labels)
            else:
                np.testing.assert_array_equal(small.predict(X), labels)
                close(small.predict_proba(X), wanted.predict_proba(outputs[indices]))
                assert small.n_classes_ == model.n_classes_
                np.testing.assert_array_equal(small.classes_, model.classes_)
        again = open_members(small)
        assert again.n_members == len(indices)
        close(again.combiner.raw(again.outputs(X)), margin(small, X))

    np.testing.assert_array_equal(margin(model, X), predicted)
    assert state(model) == before


@pytest.mark.parametrize(("fit", "task"), every)
def test_nested_subset(fit, task):
    model, X = fit(task)
    members = open_members(model)
    n = members.n_members
    outer = np.arange(n)[::-1][: max(2, n - 2)]
    outer = outer[outer < n]
    inner = np.arange(len(outer))[::2]
    nested = open_members(members.subset(outer)).subset(inner)
    close(margin(nested, X), margin(members.subset(outer[inner]), X))


@pytest.mark.parametrize(("fit", "task"), every)
def test_the_cut_model_is_a_citizen(fit, task):
    model, X = fit(task)
    members = open_members(model)
    kept = np.arange(members.n_members)[:4]
    small = members.subset(kept)
    forest = members.combiner.kind == "mean"
    booster = booster_of(small)
    assert booster.num_boosted_rounds() == (1 if forest else len(kept))
    assert n_trees_kept(small) == len(kept) * len(members.parts()[0])
    assert booster.attr("best_iteration") is None
    assert booster.attr("best_score") is None
    assert booster.feature_names == booster_of(model).feature_names
    assert booster.feature_types == booster_of(model).feature_types
    assert state(small)[2:] == state(model)[2:]
    np.testing.assert_array_equal(margin(pickle.loads(pickle.dumps(small)), X), margin(small, X))
    if isinstance(model, xgb.Booster):
        return
    wanted = {**model.get_params(), "n_estimators": len(kept)}
    if fit is fit_one_round:
        wanted.update(n_estimators=1, num_parallel_tree=len(kept))
    np.testing.assert_equal(small.get_params(), wanted)
    np.testing.assert_equal(clone(small).get_params(), wanted)
    assert not hasattr(small, "evals_result_")
    assert small.n_features_in_ == model.n_features_in_
    assert small.feature_importances_.shape == model.feature_importances_.shape
    small.set_params(max_depth=2, something=1)
    assert model.max_depth == 3
    assert "something" not in model.get_params()


def test_early_stopping_leaves_only_the_rounds_that_predict():
    model, _ = fit_early_stopped("binary")
    n_rounds = model.get_booster().num_boosted_rounds()
    assert model.best_iteration + 1 < n_rounds
    members = open_members(model)
    assert members.n_members == model.best_iteration + 1
    # A raw Booster predicts with all of its rounds.
    assert open_members(model.get_booster()).n_members == n_rounds
    with pytest.raises(AttributeError):
        _ = members.subset([0]).best_iteration


@pytest.mark.parametrize("fit", [fit_plain, fit_dart, fit_rf, fit_boosted_forest])
def test_bytes_and_json_make_the_same_leaf_booster(fit):
    model, X = fit("multiclass")
    booster = model.get_booster()
    layout = xgboost_model.read_layout(booster)
    fast = xgboost_model.leaf_booster(booster, layout)
    slow = xgboost_model.leaf_booster(xgboost_model.read_model(booster), layout)
    np.testing.assert_array_equal(
        fast.inplace_predict(X, predict_type="margin"),
        slow.inplace_predict(X, predict_type="margin"),
    )
    if fit is not fit_dart:
        raw = bytes(booster.save_raw("ubj"))
        assert retagged(raw, layout.outputs) is not None
        assert retagged(raw.replace(b"tree_info", b"tree_data"), layout.outputs) is None


@pytest.mark.parametrize("fit", [fit_plain, fit_rf, fit_boosted_forest, fit_dart])
def test_outputs_of_chosen_members(fit):
    model, X = fit("multiclass")
    members = open_members(model)
    outputs = members.outputs(X)
    np.testing.assert_array_equal(members.outputs(X, indices=[5, 0, 3]), outputs[[5, 0, 3]])
    np.testing.assert_array_equal(members.outputs(X, indices=[7]), outputs[[7]])
    double = members.outputs(X, dtype=np.float64)
    assert double.dtype == np.float64
    close(double, outputs)


def test_many_rows_and_threads():
    model, _ = fit_plain("multiclass")
    X = rows(5001, seed=3)
    members = open_members(model)
    single = members.outputs(X, n_jobs=1)
    for n_jobs in (None, 2, -1):
        np.testing.assert_array_equal(members.outputs(X, n_jobs=n_jobs), single)
    close(members.combiner.raw(single), margin(model, X))
    booster = open_members(model.get_booster())
    np.testing.assert_array_equal(booster.outputs(xgb.DMatrix(X), n_jobs=2), single)
    assert members.outputs(X[:0]).shape == (N_ROUNDS, 3, 0)


def test_inputs():
    model, X = fit_plain("binary")
    members = open_members(model)
    wanted = members.outputs(X)
    for other in (X.tolist(), pd.DataFrame(X), np.asfortranarray(X)):
        np.testing.assert_array_equal(members.outputs(other), wanted)
    holes = np.where(np.abs(X) < 0.3, 0.0, X)
    for form in (sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array, sparse.coo_matrix):
        given = form(np.nan_to_num(holes))
        close(members.combiner.raw(members.outputs(given)), margin(model, sparse.csr_matrix(given)))


def test_missing_marker():
    X = np.nan_to_num(rows(), nan=-99.0)
    y = targets("regression", np.where(X == -99.0, np.nan, X))
    model = xgb.XGBRegressor(**SMALL, missing=-99.0).fit(X, y)
    members = open_members(model)
    close(members.combiner.raw(members.outputs(X)), margin(model, X))


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("stops", [False, True])
def test_categories_in_another_order(stops, n_jobs, monkeypatch):
    # Slices of a booster forget which category has which number.
    monkeypatch.setattr(xgboost_reading, "_TREES", 1)
    monkeypatch.setattr(xgboost_reading, "_TREES_PER_FEATURE", 0)
    model, X = fit_categorical("regression")
    if stops:
        noise = np.random.RandomState(0).permutation(targets("regression", X))
        model.set_params(n_estimators=60, early_stopping_rounds=5)
        model.fit(X, targets("regression", X), eval_set=[(X, noise)], verbose=False)
    X = X[X["kind"].isin(list("qrsx"))]
    X = X.assign(kind=X["kind"].astype(str).astype(pd.CategoricalDtype(list("xsrq"))))
    members = open_members(model)
    assert members.n_members == (model.best_iteration + 1 if stops else N_ROUNDS)
    close(members.combiner.raw(members.outputs(X, n_jobs)), margin(model, X))
    everyone = members.subset(np.arange(members.n_members))
    close(margin(everyone, X), margin(model, X))
    np.testing.assert_array_equal(members.outputs(X, n_jobs), open_members(everyone).outputs(X, 1))


def test_raw_booster_takes_dmatrix_without_base_margin():
    booster, X = fit_raw("binary")
    members = open_members(booster)
    given = xgb.DMatrix(X)
    np.testing.assert_array_equal(members.outputs(given), members.outputs(X))
    close(members.combiner.predict_proba(members.outputs(X))[:, 1], booster.predict(given))
    np.testing.assert_array_equal(members.combiner.classes, [0, 1])
    given.set_base_margin(np.ones(len(X)))
    with pytest.raises(ValueError, match="base_margin"):
        members.outputs(given)
    with pytest.raises(TypeError, match="get_booster"):
        open_members(fit_plain("binary")[0]).outputs(xgb.DMatrix(X))


OBJECTIVES = {
    "reg:squarederror": Identity(),
    "reg:absoluteerror": Identity(),
    "reg:pseudohubererror": Identity(),
    "reg:squaredlogerror": Identity(),
    "reg:quantileerror": Identity(),
    "reg:logistic": LogisticValue(),
    "binary:logistic": LogisticValue(),
    "count:poisson": Exp(),
    "reg:gamma": Exp(),
    "reg:tweedie": Exp(),
    "survival:cox": Exp(),
}


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_objectives_of_regressors(objective):
    X = rows()
    y = np.abs(targets("regression", X) - 50) + 0.1
    if "logistic" in objective:
        y = y / y.max()
    extra = {"quantile_alpha": 0.3} if "quantile" in objective else {}
    model = xgb.XGBRegressor(**SMALL, objective=objective, **extra).fit(X, y)
    members = open_members(model)
    assert members.combiner.link == OBJECTIVES[objective]
    outputs = members.outputs(X)
    np.testing.assert_allclose(members.combiner.predict(outputs), model.predict(X), rtol=2e-5)
    kept = [7, 2, 4]
    np.testing.assert_allclose(
        members.combiner.take(kept).predict(outputs[kept]),
        members.subset(kept).predict(X),
        rtol=2e-5,
    )


def test_survival_and_ranking():
    X = rows()
    y = np.abs(targets("regression", X) - 50) + 0.1
    given = xgb.DMatrix(X)
    given.set_float_info("label_lower_bound", y)
    given.set_float_info("label_upper_bound", y + 1)
    booster = xgb.train({"objective": "survival:aft", "nthread": 1}, given, 8)
    members = open_members(booster)
    np.testing.assert_allclose(
        members.combiner.predict(members.outputs(X)), booster.predict(given), rtol=2e-5
    )
    ranker = xgb.XGBRanker(**SMALL).fit(X, targets("multiclass", X), qid=np.arange(len(X)) // 10)
    members = open_members(ranker)
    close(members.combiner.predict(members.outputs(X)), ranker.predict(X))
    assert members.subset([1, 2]).predict(X).shape == (len(X),)


def test_objectives_of_classifiers():
    X = rows()
    softmax = xgb.XGBClassifier(**SMALL, objective="multi:softmax").fit(X, targets("multiclass", X))
    members = open_members(softmax)
    assert members.combiner.link == Softmax()
    small, take = members.subset([3, 1]), members.combiner.take([3, 1])
    outputs = members.outputs(X)[[3, 1]]
    np.testing.assert_array_equal(small.predict(X), take.predict(outputs))
    close(small.predict_proba(X), take.predict_proba(outputs))

    def gradients(y_true, raw):  # of a callable objective, which predicts as binary:logistic
        return raw - (2 * y_true - 1), np.ones_like(raw)

    custom = xgb.XGBClassifier(**SMALL, objective=gradients).fit(X, targets("binary", X))
    members = open_members(custom)
    assert members.combiner.link == Logistic()
    close(members.combiner.predict_proba(members.outputs(X)), custom.predict_proba(X))
    custom = xgb.XGBRegressor(**SMALL, objective=gradients).fit(X, targets("binary", X))
    members = open_members(custom)
    close(members.combiner.predict(members.outputs(X)), custom.predict(X))


def test_costs():
    members = open_members(fit_boosted_forest("multiclass")[0])
    parts = members.parts()
    nodes = [sum(len(tree["left_children"]) for tree in part) for part in parts]
    assert [len(part) for part in parts] == [9] * N_ROUNDS
    np.testing.assert_array_equal(members.costs("nodes"), nodes)
    assert (members.costs("bytes") > 100).all()
    assert (members.costs("latency", rows()) > 0).all()


def test_indices_and_weights_are_checked():
    members = open_members(fit_plain("binary")[0])
    for bad in ([], [0, 0], [N_ROUNDS], [-1]):
        with pytest.raises(ValueError, match="indices"):
            members.subset(bad)
    with pytest.raises(ValueError, match="weights"):
        members.subset([0, 1], [1.0, -1.0])


@pytest.mark.parametrize("fit", [fit_plain, fit_rf, fit_raw])
def test_predicts_where_ensprune_cannot_be_imported(fit, tmp_path):
    model, X = fit("multiclass")
    members = open_members(model)
    small = members.subset([4, 2])
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(small))
    np.save(tmp_path / "X.npy", X)
    script = (
        "import pickle, sys, numpy as np\n"
        "sys.modules['ensprune'] = None\n"
        "import xgboost\n"
        "model, X = pickle.load(open('model.pkl', 'rb')), np.load('X.npy')\n"
        "X = xgboost.DMatrix(X) if isinstance(model, xgboost.Booster) else X\n"
        "np.save('margin.npy', model.predict(X, output_margin=True))\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "margin.npy").T, margin(small, X))


def refused(kind, task="binary", y=None, **params):
    X = np.nan_to_num(rows())
    y = targets(task, X) if y is None else y(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kind(**{**SMALL, **params}).fit(X, y)


def two_targets(X):
    return np.stack([X[:, 0], X[:, 1]], axis=1)


REFUSED = {
    "gblinear": (
        lambda: refused(xgb.XGBClassifier, booster="gblinear", verbosity=0),
        TypeError,
        "booster='gbtree'",
    ),
    "two targets": (
        lambda: refused(xgb.XGBRegressor, y=two_targets),
        ValueError,
        "2 targets or labels",
    ),
    "multilabel": (
        lambda: refused(xgb.XGBClassifier, y=lambda X: (two_targets(X) > 0).astype(int)),
        ValueError,
        "2 targets or labels",
    ),
    "vector leaves": (
        lambda: refused(
            xgb.XGBClassifier,
            "multiclass",
            multi_strategy="multi_output_tree",
            tree_method="hist",
        ),
        ValueError,
        "vectors in their leaves",
    ),
    "quantiles": (
        lambda: refused(
            xgb.XGBRegressor,
            "regression",
            objective="reg:quantileerror",
            quantile_alpha=np.array([0.1, 0.9]),
        ),
        ValueError,
        "levels",
    ),
    "logitraw": (
        lambda: refused(xgb.XGBClassifier, objective="binary:logitraw"),
        ValueError,
        "binary:logistic",
    ),
    "hinge": (
        lambda: refused(xgb.XGBClassifier, objective="binary:hinge"),
        ValueError,
        "binary:logistic",
    ),
    "softprob on two classes": (
        lambda: refused(xgb.XGBClassifier, objective="multi:softprob", num_class=2),
        ValueError,
        "indicator",
    ),
    "not fitted": (lambda: xgb.XGBClassifier(), NotFittedError, "fit"),
    "empty Booster": (lambda: xgb.Booster(), NotFittedError, "not fitted"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    make, error, words = REFUSED[name]
    model = make()
    with pytest.raises(error, match=words):
        open_members(model)


def test_rows_that_begin_at_any_byte_are_read():
    X = np.random.default_rng(0).normal(size=(40, 5))
    model = xgb.XGBClassifier(n_estimators=3, max_depth=2).fit(X, X[:, 0] > 0)
    members = open_members(model)
    message = bytearray(X.nbytes + 1)
    shifted = np.frombuffer(message, dtype=X.dtype, count=X.size, offset=1).reshape(X.shape)
    shifted[...] = X
    assert not shifted.flags.aligned
    np.testing.assert_array_equal(members.outputs(shifted, 1), members.outputs(X, 1))
