"""The law of adapters on LightGBM's estimators and raw boosters, and what is refused."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from tree_families import assert_same_answers, categorical_frame

from ensprune import compact, prune
from ensprune.link import Exp, Identity, Logistic, LogisticValue
from ensprune.members import open_members

lgb = pytest.importorskip("lightgbm", reason="needs the extra 'lightgbm'")

from ensprune.members.lightgbm_model import read_model  # noqa: E402  (needs lightgbm)

pytestmark = pytest.mark.filterwarnings("ignore:The argument 'eval_set' is deprecated")

N_ROWS, N_ITERATIONS = 300, 12
SMALL = {
    "n_estimators": N_ITERATIONS,
    "num_leaves": 7,
    "min_child_samples": 5,
    "n_jobs": 1,
    "random_state": 0,
    "verbose": -1,
}


def rows(n_samples: int = N_ROWS, seed: int = 0) -> np.ndarray:
    X = np.random.RandomState(seed).randn(n_samples, 6)
    X[::7, 2] = np.nan
    return X


def targets(task: str, X: np.ndarray | pd.DataFrame) -> np.ndarray:
    values = np.asarray(X.iloc[:, :6] if isinstance(X, pd.DataFrame) else X)
    score = values[:, 0] + np.sin(2 * values[:, 1]) + np.nan_to_num(values[:, 2])
    if isinstance(X, pd.DataFrame):
        score = score + X["kind"].cat.codes.to_numpy() % 3
    if task == "regression":
        return 1000 + score
    if task == "binary":
        return np.where(score > 0.3, "yes", "no")
    return np.digitize(score, [-0.7, 0.7])


def frame(n_samples: int = N_ROWS, seed: int = 0) -> pd.DataFrame:
    X = rows(n_samples, seed)
    result = pd.DataFrame(X, columns=list("abcdef"))
    letters = np.array(list("pqrstuvwxyz"))[np.random.RandomState(seed + 1).randint(0, 11, len(X))]
    result["kind"] = pd.Categorical(letters)
    return result


def cls(task: str) -> type:
    return lgb.LGBMRegressor if task == "regression" else lgb.LGBMClassifier


def fit(task, X=None, **params):
    X = rows() if X is None else X
    return cls(task)(**{**SMALL, **params}).fit(X, targets(task, X)), rows(seed=5)


def fit_dart(task):
    return fit(task, boosting_type="dart", drop_rate=0.5, skip_drop=0.0)


def fit_rf(task):
    return fit(task, boosting_type="rf", subsample=0.6, subsample_freq=1)


def fit_goss(task):
    return fit(task, data_sample_strategy="goss", learning_rate=0.3)


def fit_linear(task):
    return fit(task, linear_tree=True)


def fit_from_zero(task):
    return fit(task, boost_from_average=False)


def fit_early_stopped(task):
    X, Xv = rows(), rows(seed=9)
    noise = np.random.RandomState(1)
    y, yv = targets(task, X), noise.permutation(targets(task, Xv))
    y[:200] = noise.permutation(y[:200])
    stop = lgb.early_stopping(3, verbose=False)
    model = cls(task)(**{**SMALL, "n_estimators": 60, "learning_rate": 0.05})
    model.fit(X, y, eval_set=[(X[200:], y[200:]), (Xv, yv)], callbacks=[stop])
    return model, rows(seed=5)


def fit_categorical(task):
    return fit(task, frame(), min_data_per_group=5, cat_smooth=1.0)[0], frame(seed=5)


def fit_raw(task):
    return fit(task)[0].booster_, rows(seed=5)


FITS = [
    fit,
    fit_dart,
    fit_rf,
    fit_goss,
    fit_linear,
    fit_from_zero,
    fit_early_stopped,
    fit_categorical,
    fit_raw,
]
TASKS = ["binary", "multiclass", "regression"]
every = [pytest.param(f, task, id=f"{f.__name__[4:]}-{task}") for f in FITS for task in TASKS]


def margin(model, X, n_iterations=None) -> np.ndarray:
    """Raw scores as the model gives them, a forest's divided by its size, (n_outputs, n_samples)."""
    raw = model.predict(X, raw_score=True, num_iteration=n_iterations)
    saved = read_model(booster_of(model))
    if saved.averages:  # a raw score is the sum of its trees
        raw = raw / (n_iterations or saved.n_iterations)
    return raw.reshape(len(raw), -1).T


def booster_of(model):
    return model if isinstance(model, lgb.Booster) else model.booster_


def close(got, wanted) -> None:
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-12 * max(1.0, np.abs(wanted).max()))


@pytest.mark.parametrize(("make", "task"), every)
def test_law(make, task):
    model, X = make(task)
    before, predicted = pickle.dumps(model), margin(model, X)
    members = open_members(model)
    outputs = members.outputs(X, dtype=np.float64)
    combiner = members.combiner
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
        if not isinstance(model, lgb.Booster):
            predictions = wanted.predict(outputs[indices])
            if task == "regression":
                close(small.predict(X), predictions)
            else:
                np.testing.assert_array_equal(small.predict(X), predictions)
                close(small.predict_proba(X), wanted.predict_proba(outputs[indices]))
        again = open_members(small)
        assert again.n_members == len(indices)
        close(again.combiner.raw(again.outputs(X, dtype=np.float64)), margin(small, X))
        loaded = pickle.loads(pickle.dumps(small))
        np.testing.assert_array_equal(margin(loaded, X), margin(small, X))
    np.testing.assert_array_equal(margin(model, X), predicted)
    assert pickle.dumps(model) == before


@pytest.mark.parametrize(("make", "task"), every)
def test_first_iterations_are_what_lightgbm_predicts_with_as_many(make, task):
    model, X = make(task)
    members = open_members(model)
    for size in (1, max(1, members.n_members // 2), members.n_members):
        small = members.subset(range(size))
        np.testing.assert_array_equal(margin(small, X), margin(model, X, size))


@pytest.mark.parametrize(("make", "task"), every)
def test_cut_of_a_cut(make, task):
    model, X = make(task)
    members = open_members(model)
    outer = np.arange(members.n_members)[::-1][:6]
    inner = np.arange(len(outer))[1::2] if len(outer) > 1 else np.array([0])
    nested = open_members(members.subset(outer)).subset(inner)
    close(margin(nested, X), margin(members.subset(outer[inner]), X))


@pytest.mark.parametrize(("make", "task"), every)
def test_the_cut_model_is_a_citizen(make, task):
    model, _ = make(task)
    members = open_members(model)
    small = members.subset(np.arange(members.n_members)[-4:])
    n_kept = min(4, members.n_members)
    booster = booster_of(small)
    assert booster.current_iteration() == n_kept
    assert booster.num_trees() == n_kept * members.n_outputs
    assert booster.best_iteration <= 0
    assert booster.feature_name() == booster_of(model).feature_name()
    assert booster.params["num_iterations"] == n_kept
    assert booster_of(model).params["num_iterations"] == model_size(model)
    if isinstance(model, lgb.Booster):
        return
    assert small.get_params() == {**model.get_params(), "n_estimators": n_kept}
    assert clone(small).get_params() == small.get_params()
    assert (small.n_estimators_, small.n_iter_, small.best_iteration_) == (n_kept, n_kept, 0)
    assert not small.evals_result_
    assert not small.best_score_
    assert small.n_features_in_ == model.n_features_in_
    assert small.feature_importances_.shape == model.feature_importances_.shape
    small.set_params(num_leaves=3, something=1)
    assert model.num_leaves == 7
    assert "something" not in model.get_params()


def model_size(model):
    return model.params["num_iterations"] if isinstance(model, lgb.Booster) else model.n_estimators


def test_the_average_stays_whichever_iterations_go():
    model, X = fit("regression")
    members = open_members(model)
    y = targets("regression", rows())
    np.testing.assert_allclose(members.combiner.offset, y.mean(), rtol=1e-5)
    last = members.subset([N_ITERATIONS - 1])
    assert np.abs(last.predict(X) - y.mean()).max() < np.ptp(y)
    np.testing.assert_array_equal(open_members(last).combiner.offset, members.combiner.offset)


def test_early_stopping_leaves_only_the_iterations_that_predict():
    model, X = fit_early_stopped("binary")
    assert 0 < model.best_iteration_ < 60
    assert open_members(model).n_members == model.best_iteration_
    # What is kept for more training has the later iterations, too, and predicts without them.
    train, valid = (lgb.Dataset(rows(), label=rows()[:, k], free_raw_data=False) for k in (0, 1))
    booster = lgb.train(
        {"verbose": -1, "num_threads": 1, "learning_rate": 0.3},
        train,
        50,
        [valid],
        callbacks=[lgb.early_stopping(3, verbose=False)],
        keep_training_booster=True,
    )
    assert 0 < booster.best_iteration < booster.num_trees()
    members = open_members(booster)
    assert members.n_members == booster.best_iteration
    small = members.subset(range(members.n_members))
    np.testing.assert_array_equal(small.predict(X), booster.predict(X))


def test_reading_and_writing_a_model_changes_nothing():
    for make in FITS:
        booster = booster_of(make("multiclass")[0])
        assert read_model(booster).text() == booster.model_to_string()


def test_an_ensemble_without_a_single_split():
    X = rows(8)
    model = lgb.LGBMRegressor(**{**SMALL, "min_child_samples": 20}).fit(X, 3.0 + X[:, 0])
    members = open_members(model)
    assert members.n_members == 1
    np.testing.assert_array_equal(members.subset([0]).predict(X), model.predict(X))
    # It is the average but for digits that the file does not keep of it.
    np.testing.assert_allclose(members.subset([0], [2.0]).predict(X), model.predict(X), rtol=1e-5)
    assert members.costs("nodes").tolist() == [1.0]


def test_inputs():
    model, X = fit("binary")
    members = open_members(model)
    wanted = members.outputs(X)
    for other in (X.tolist(), pd.DataFrame(X), np.asfortranarray(X)):
        np.testing.assert_array_equal(members.outputs(other), wanted)
    np.testing.assert_array_equal(members.outputs(X, n_jobs=2), wanted)
    np.testing.assert_array_equal(members.outputs(X, indices=[5, 0, 3]), wanted[[5, 0, 3]])
    assert members.outputs(X[:0]).shape == (N_ITERATIONS, 1, 0)
    holes = np.where(np.abs(X) < 0.3, 0.0, np.nan_to_num(X))
    for form in (sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array, sparse.coo_matrix):
        np.testing.assert_array_equal(members.outputs(form(holes)), members.outputs(holes))
    many = rows(9001, seed=3)
    close(members.combiner.raw(members.outputs(many, dtype=np.float64)), margin(model, many))


def test_categories_in_another_order():
    model, X = fit_categorical("regression")
    X = X[X["kind"].isin(list("qrsx"))]
    X = X.assign(kind=X["kind"].astype(str).astype(pd.CategoricalDtype(list("xsrq"))))
    members = open_members(model)
    outputs = members.outputs(X, dtype=np.float64)
    close(members.combiner.raw(outputs), margin(model, X))
    close(margin(members.subset([3, 5]), X), members.combiner.take([3, 5]).raw(outputs[[3, 5]]))


OBJECTIVES = {
    "regression": Identity(),
    "regression_l1": Identity(),
    "huber": Identity(),
    "quantile": Identity(),
    "poisson": Exp(),
    "gamma": Exp(),
    "tweedie": Exp(),
    "cross_entropy": LogisticValue(),
}


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_objectives_of_regressors(objective):
    X = rows()
    y = np.abs(targets("regression", X) - 1000) + 0.1
    y = y / y.max() if objective == "cross_entropy" else y
    model = lgb.LGBMRegressor(**SMALL, objective=objective).fit(X, y)
    members = open_members(model)
    assert members.combiner.link == OBJECTIVES[objective]
    outputs = members.outputs(X, dtype=np.float64)
    np.testing.assert_allclose(members.combiner.predict(outputs), model.predict(X), rtol=1e-12)
    kept = [7, 2, 4]
    np.testing.assert_allclose(
        members.subset(kept).predict(X),
        members.combiner.take(kept).predict(outputs[kept]),
        rtol=1e-12,
    )
    if objective in ("regression_l1", "huber", "quantile"):
        with pytest.raises(ValueError, match="keep its leaves"):
            members.leaves()


def test_custom_objectives_rankers_and_other_sigmoids():
    X = rows()
    y = targets("regression", X)
    model = lgb.LGBMRegressor(**SMALL, objective=lambda true, raw: (raw - true, np.ones(len(raw))))
    members = open_members(model.fit(X, y))
    kept = [1, 8]
    close(
        members.subset(kept).predict(X),
        members.combiner.take(kept).predict(members.outputs(X, indices=kept, dtype=np.float64)),
    )
    ranker = lgb.LGBMRanker(**SMALL).fit(X, targets("multiclass", X), group=[10] * 30)
    assert open_members(ranker).subset([1, 2]).predict(X).shape == (N_ROWS,)
    steep, _ = fit("binary", sigmoid=2.0)
    members = open_members(steep)
    assert members.combiner.link == Logistic(2.0)
    outputs = members.outputs(X, dtype=np.float64)
    close(members.combiner.predict_proba(outputs), steep.predict_proba(X))


@pytest.mark.parametrize(
    ("params", "task", "message"),
    [
        ({"objective": "multiclassova"}, "multiclass", "no class probabilities"),
        ({"objective": "multiclass", "num_class": 2}, "binary", "'binary' on two"),
        ({"objective": "cross_entropy_lambda"}, "unit", "transforms the raw score"),
        ({"reg_sqrt": True}, "regression", "transforms the raw score"),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(value),
)
def test_what_cannot_be_cut_is_refused(params, task, message):
    X = rows()
    if task == "unit":
        y = np.random.RandomState(0).uniform(size=N_ROWS)
    else:
        y = targets(task, X)
    kind = lgb.LGBMRegressor if task == "unit" else cls(task)
    model = kind(**SMALL, **params).fit(X, y)
    with pytest.raises(ValueError, match=message):
        open_members(model)


def test_what_is_not_fitted_or_has_one_class_is_refused():
    with pytest.raises(NotFittedError, match="LGBMClassifier is not fitted"):
        open_members(lgb.LGBMClassifier())
    with pytest.raises(TypeError, match="to_local"):
        open_members(lgb.DaskLGBMRegressor())
    X = rows()
    one = lgb.LGBMClassifier(**SMALL).fit(X, np.zeros(N_ROWS))
    with pytest.raises(ValueError, match="single class"):
        open_members(one)

    def objective(true, raw):
        return raw - true, np.ones(len(raw))

    custom = lgb.LGBMClassifier(**SMALL, objective=objective).fit(X, X[:, 0] > 0)
    with pytest.raises(ValueError, match="objective=a function has no class"):
        open_members(custom)


def test_linear_leaves_and_zeros_that_are_missing_keep_their_trees():
    members = open_members(fit_linear("binary")[0])
    with pytest.raises(ValueError, match="linear functions in its leaves"):
        members.leaves()
    with pytest.raises(ValueError, match="linear functions in its leaves"):
        members.trees()
    X = np.where(np.abs(rows()) < 0.3, 0.0, np.nan_to_num(rows()))
    model, _ = fit("binary", X, zero_as_missing=True)
    members = open_members(model)
    outputs = members.outputs(X, dtype=np.float64)
    close(margin(members.subset([4, 1]), X), members.combiner.take([4, 1]).raw(outputs[[4, 1]]))
    with pytest.raises(ValueError, match="zero_as_missing"):
        members.trees()


def test_weights_of_rows_are_those_of_training():
    X = rows()
    y = targets("binary", X)
    for params in ({"scale_pos_weight": 3.0}, {"is_unbalance": True}, {"class_weight": {"no": 2}}):
        model, _ = fit("binary", **params)
        weights = open_members(model).row_weights(y)
        assert weights is not None
        assert len(np.unique(weights)) == 2
    assert open_members(fit("binary")[0]).row_weights(y) is None
    with pytest.raises(ValueError, match="monotonicity"):
        open_members(fit("binary", monotone_constraints=[1, 0, 0, 0, 0, 0])[0]).leaves()


@pytest.mark.parametrize("boosting_type", ["gbdt", "rf"])
def test_smaller_trees_with_categories_answer_bit_for_bit(boosting_type):
    rng = np.random.default_rng(4)
    X, y = categorical_frame(500, rng)
    y = np.where(X["b"].isna(), 2, y)  # a threshold that parts missing values from all others
    sampled = {"subsample": 0.6, "subsample_freq": 1} if boosting_type == "rf" else {}
    params = {**SMALL, "n_estimators": 4, "min_data_per_group": 5, "cat_smooth": 1.0}
    params.update(boosting_type=boosting_type, max_cat_to_onehot=3, num_leaves=15)
    model = lgb.LGBMClassifier(**params, **sampled).fit(X, y)
    saved = model.booster_.model_to_string()
    few = [
        "leaf_value=" + " ".join(rng.choice(["-0.1", "0.7"], line.count(" ") + 1))
        if line.startswith("leaf_value=")
        else line
        for line in saved.split("\n")
    ]
    few = [line for line in few if not line.startswith("tree_sizes=")]
    model._Booster = lgb.Booster(model_str="\n".join(few))
    assert any(tree.categorical.any() for tree in open_members(model).trees())
    small = compact(model)
    nodes = [open_members(m).costs("nodes").sum() for m in (model, small)]
    assert nodes[1] < 0.9 * nodes[0]
    rows, _ = categorical_frame(600, rng)
    rows.loc[:50, "a"] *= 1e6
    assert_same_answers(model, small, rows)
    assert_same_answers(small, pickle.loads(pickle.dumps(small)), rows)
    codes = rows.assign(c=rng.integers(-3, 40, len(rows)).astype(float)).to_numpy()
    np.testing.assert_array_equal(model.booster_.predict(codes), small.booster_.predict(codes))


def test_pruning_and_refining_say_nothing_and_do_not_lose_much(capfd):
    X, X_val = rows(600), rows(600, seed=2)
    y, y_val = targets("binary", X), targets("binary", X_val)
    model = lgb.LGBMClassifier(**{**SMALL, "n_estimators": 30}).fit(X, y)
    small = prune(model, X_val, y_val, target_size=15, refine="leaves")
    assert small.n_estimators_ == 15
    fresh = rows(2000, seed=3)
    assert small.score(fresh, targets("binary", fresh)) > 0.9
    assert capfd.readouterr() == ("", "")


def test_names_that_n_estimators_was_given_under():
    X = rows()
    model = lgb.LGBMClassifier(**SMALL).set_params(n_estimators=9).fit(X, targets("binary", X))
    small = open_members(model).subset([3, 4])
    assert clone(small).get_params()["n_estimators"] == 2
    assert model.get_params()["n_estimators"] == 9


def test_no_members_are_refused():
    X = rows()
    members = open_members(lgb.LGBMClassifier(**SMALL).fit(X, targets("binary", X)))
    with pytest.raises(ValueError, match="indices must be a non-empty flat sequence of int, got"):
        members.outputs(X, indices=[])
