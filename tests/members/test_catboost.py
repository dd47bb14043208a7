"""The law of adapters on CatBoost's estimators, and what is refused."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import get_scorer
from sklearn.pipeline import make_pipeline

from ensprune import EnsemblePruner, compact, prune, shrink
from ensprune.link import Exp, Identity, Logistic
from ensprune.members import open_members

catboost = pytest.importorskip("catboost", reason="needs the extra 'catboost'")

N_ROWS, N_TREES = 300, 10
SMALL = {
    "iterations": N_TREES,
    "depth": 3,
    "thread_count": 1,
    "random_seed": 0,
    "verbose": False,
    "allow_writing_files": False,
}


def frame(n_samples: int = N_ROWS, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    result = pd.DataFrame(rng.normal(size=(n_samples, 4)), columns=list("abcd"))
    result.loc[::7, "c"] = np.nan
    result["kind"] = rng.choice(list("pqrstuvwxyz"), n_samples)
    result["side"] = rng.choice(["left", "right"], n_samples)
    return result


def targets(task: str, X: pd.DataFrame) -> np.ndarray:
    score = X["a"] + np.sin(2 * X["b"]) + X["c"].fillna(0) + 2 * X["kind"].isin(list("pqr"))
    score = (score + (X["side"] == "left")).to_numpy()
    if task == "regression":
        return 100 + score
    if task == "binary":
        return np.where(score > 1, "yes", "no")
    return np.digitize(score, [0.5, 1.5])


def cls(task: str) -> type:
    return catboost.CatBoostRegressor if task == "regression" else catboost.CatBoostClassifier


NUMBERS = list("abcd")
CATEGORIES = ("kind", "side")  # CatBoost cannot be cloned with a list
FORMS = {
    "numbers": ({}, NUMBERS),
    "one-hot": ({"cat_features": CATEGORIES, "one_hot_max_size": 20}, None),
    "statistics": ({"cat_features": CATEGORIES, "one_hot_max_size": 2}, None),
    "depthwise": ({"grow_policy": "Depthwise", "cat_features": CATEGORIES}, None),
    "lossguide": ({"grow_policy": "Lossguide"}, NUMBERS),
    "ordered": ({"boosting_type": "Ordered"}, NUMBERS),
}
every = [
    pytest.param(form, task, id=f"{form}-{task}")
    for form in FORMS
    for task in ("binary", "multiclass", "regression")
]


def fit(form, task, **more):
    params, columns = FORMS[form]
    X = frame()
    y = targets(task, X)
    X, fresh = (rows if columns is None else rows[columns] for rows in (X, frame(seed=5)))
    return cls(task)(**{**SMALL, **params, **more}).fit(X, y), fresh


def margin(model, X, n_trees=0) -> np.ndarray:
    raw = model.predict(X, prediction_type="RawFormulaVal", ntree_end=n_trees)
    return np.asarray(raw).reshape(len(X), -1).T


def close(got, wanted) -> None:
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-12 * max(1.0, np.abs(wanted).max()))


@pytest.mark.parametrize(("form", "task"), every)
def test_law(form, task):
    model, X = fit(form, task)
    predicted = margin(model, X)
    members = open_members(model)
    outputs = members.outputs(X, dtype=np.float64)
    combiner = members.combiner
    assert outputs.flags.c_contiguous
    assert outputs.shape == (N_TREES, 3 if task == "multiclass" else 1, N_ROWS)
    close(combiner.raw(outputs), predicted)
    rng = np.random.default_rng(0)
    for with_weights in (False, True):
        indices = rng.permutation(N_TREES)[:5]
        weights = rng.uniform(0.0, 2.0, 5) if with_weights else None
        small = members.subset(indices, weights)
        wanted = combiner.take(indices, weights)
        assert type(small) is type(model)
        close(margin(small, X), wanted.raw(outputs[indices]))
        predictions = np.ravel(small.predict(X))
        if task == "regression":
            close(predictions, wanted.predict(outputs[indices]))
        else:
            np.testing.assert_array_equal(predictions, wanted.predict(outputs[indices]))
            close(small.predict_proba(X), wanted.predict_proba(outputs[indices]))
            np.testing.assert_array_equal(small.classes_, model.classes_)
        again = open_members(small)
        close(again.combiner.raw(again.outputs(X, dtype=np.float64)), margin(small, X))
        loaded = pickle.loads(pickle.dumps(small))
        np.testing.assert_array_equal(margin(loaded, X), margin(small, X))
        nested = open_members(small).subset([4, 1])
        both = None if weights is None else weights[[4, 1]]
        close(margin(nested, X), margin(members.subset(indices[[4, 1]], both), X))
    for size in (1, 6, N_TREES):
        close(margin(members.subset(range(size)), X), margin(model, X, size))
    np.testing.assert_array_equal(margin(model, X), predicted)


def test_the_cut_model_is_a_citizen():
    model, X = fit("statistics", "binary", eval_metric="AUC")
    small = open_members(model).subset([3, 0])
    assert small.tree_count_ == 2
    assert small.get_params() == {**model.get_params(), "iterations": 2}
    assert clone(small).get_params() == small.get_params()
    assert model.get_params()["iterations"] == N_TREES
    assert small.n_features_in_ == model.n_features_in_ == 6
    assert small.feature_names_ == model.feature_names_
    assert small.feature_importances_.shape == (6,)
    assert not np.allclose(small.feature_importances_, model.feature_importances_)
    assert not small.evals_result_
    assert small.best_iteration_ is None
    model, _ = fit("numbers", "regression", iterations=None, num_trees=4)
    assert open_members(model).subset([2]).get_params()["num_trees"] == 1
    again = clone(small).fit(X, targets("binary", X))
    assert again.tree_count_ == 2


def test_early_stopping_leaves_only_the_trees_that_predict():
    X, Xv = frame()[NUMBERS], frame(seed=9)[NUMBERS]
    y = targets("regression", frame())
    yv = targets("regression", frame(seed=9)) + np.random.default_rng(0).normal(size=N_ROWS)
    params = {**SMALL, "iterations": 60, "early_stopping_rounds": 3, "learning_rate": 0.5}
    model = cls("regression")(**params).fit(X, y, eval_set=(Xv, yv))
    members = open_members(model)
    assert members.n_members == model.tree_count_ == model.best_iteration_ + 1 < 60
    assert members.subset([0]).best_iteration_ is None


def test_inputs():
    model, X = fit("numbers", "binary")
    members = open_members(model)
    wanted = members.outputs(X)
    array = X.to_numpy()
    for other in (array, array.tolist(), np.asfortranarray(array), catboost.Pool(array)):
        np.testing.assert_array_equal(members.outputs(other), wanted)
    np.testing.assert_array_equal(members.outputs(X, n_jobs=2), wanted)
    np.testing.assert_array_equal(members.outputs(X, indices=[5, 0]), wanted[[5, 0]])
    assert members.outputs(X[:0]).shape == (N_TREES, 1, 0)
    given = sparse.csr_matrix(np.nan_to_num(array))
    np.testing.assert_array_equal(members.outputs(given), members.outputs(np.nan_to_num(array)))
    many = frame(9001, seed=3)[NUMBERS]
    close(members.combiner.raw(members.outputs(many, dtype=np.float64)), margin(model, many))


@pytest.mark.parametrize(
    ("loss", "link"),
    [
        ("RMSE", Identity()),
        ("MAE", Identity()),
        ("Quantile:alpha=0.7", Identity()),
        ("Poisson", Exp()),
        ("Tweedie:variance_power=1.5", Exp()),
    ],
)
def test_losses_of_regressors(loss, link):
    X = frame()
    y = np.abs(targets("regression", X) - 100)
    model = catboost.CatBoostRegressor(**SMALL, loss_function=loss).fit(X[NUMBERS], y)
    members = open_members(model)
    assert members.combiner.link == link
    outputs = members.outputs(X[NUMBERS], dtype=np.float64)
    close(members.combiner.predict(outputs), model.predict(X[NUMBERS]))
    small = members.subset([7, 2], [1.5, 1.0])
    close(
        members.combiner.take([7, 2], [1.5, 1.0]).predict(outputs[[7, 2]]),
        small.predict(X[NUMBERS]),
    )
    if link == Identity() and loss != "RMSE":
        with pytest.raises(ValueError, match="keep its leaves"):
            members.leaves()


def test_plain_models_rankers_and_scales():
    X = frame()
    numbers = X[NUMBERS]
    plain = catboost.CatBoost({**SMALL, "loss_function": "Logloss"})
    plain.fit(numbers, (targets("binary", X) == "yes").astype(int))
    members = open_members(plain)
    assert members.combiner.link == Logistic()
    close(members.combiner.raw(members.outputs(numbers, dtype=np.float64)), margin(plain, numbers))
    ranker = catboost.CatBoostRanker(**SMALL)
    ranker.fit(numbers, targets("multiclass", X), group_id=np.arange(N_ROWS) // 10)
    assert open_members(ranker).subset([1, 2]).predict(numbers).shape == (N_ROWS,)
    model, fresh = fit("numbers", "regression")
    model.set_scale_and_bias(2.5, 7.0)
    members = open_members(model)
    outputs = members.outputs(fresh, dtype=np.float64)
    kept = [4, 9]
    close(margin(members.subset(kept), fresh), members.combiner.take(kept).raw(outputs[kept]))


def test_what_cannot_be_cut_is_refused():
    X = frame()
    numbers, y = X[NUMBERS], targets("multiclass", X)
    with pytest.raises(NotFittedError, match="CatBoostClassifier is not fitted"):
        open_members(catboost.CatBoostClassifier())
    apart = catboost.CatBoostClassifier(**SMALL, loss_function="MultiClassOneVsAll")
    with pytest.raises(ValueError, match=r"MultiClassOneVsAll.*no class probabilities"):
        open_members(apart.fit(numbers, y))
    both = catboost.CatBoostRegressor(**SMALL, loss_function="MultiRMSE")
    with pytest.raises(ValueError, match="predicts 2 numbers"):
        open_members(both.fit(numbers, np.column_stack([y, y + 1.0])))
    strict, _ = fit("numbers", "binary")
    strict.set_probability_threshold(0.7)
    with pytest.raises(ValueError, match=r"probability of 0\.7 on"):
        open_members(strict)
    texts = X[["a"]].assign(text=X["kind"] + " of " + X["side"])
    read = catboost.CatBoostClassifier(**SMALL, text_features=["text"])
    with pytest.raises(ValueError, match="train without text"):
        open_members(read.fit(texts, targets("binary", X)))
    grown, _ = fit("depthwise", "binary")
    with pytest.raises(ValueError, match="symmetric trees only"):
        open_members(grown).leaves()
    monotone, _ = fit("numbers", "regression", monotone_constraints=[1, 0, 0, 0])
    with pytest.raises(ValueError, match="monotonicity"):
        open_members(monotone).leaves()


def test_weights_of_rows_are_those_of_training():
    y = targets("binary", frame())
    for params in ({"class_weights": {"no": 2.0, "yes": 1.0}}, {"scale_pos_weight": 3.0}):
        model, _ = fit("numbers", "binary", **params)
        weights = open_members(model).row_weights(y)
        wanted = {"no": 2.0, "yes": 1.0} if "class_weights" in params else {"no": 1.0, "yes": 3.0}
        np.testing.assert_array_equal(weights, [wanted[label] for label in y])
    balanced, _ = fit("numbers", "binary", auto_class_weights="Balanced")
    weights = open_members(balanced).row_weights(y)
    np.testing.assert_allclose(weights[y == "yes"].sum(), weights[y == "no"].sum(), rtol=1e-6)
    assert open_members(fit("numbers", "binary")[0]).row_weights(y) is None
    assert open_members(fit("numbers", "regression")[0]).row_weights(y) is None


@pytest.mark.parametrize(
    ("task", "refine", "score"),
    [("binary", "weights", 0.75), ("multiclass", None, 0.65), ("regression", "leaves", 0.6)],
)
def test_pruning(task, refine, score, capfd):
    X, X_val, fresh = (frame(400, seed) for seed in range(3))
    model = cls(task)(**{**SMALL, "iterations": 20, "cat_features": CATEGORIES})
    model.fit(X, targets(task, X))
    small = prune(model, X_val, targets(task, X_val), target_size=8, refine=refine)
    assert small.tree_count_ == 8
    assert small.score(fresh, targets(task, fresh)) > score
    assert capfd.readouterr() == ("", "")


def test_an_unfitted_model_is_fitted_and_pruned():
    X = frame()
    pruner = EnsemblePruner(catboost.CatBoostClassifier(**SMALL), target_size=4, random_state=0)
    pruner.fit(X[NUMBERS], targets("multiclass", X))
    assert pruner.pruned_estimator_.tree_count_ == 4
    assert pruner.predict(X[NUMBERS]).shape[0] == N_ROWS


@pytest.mark.parametrize(
    "wrap", [lambda model: model, lambda model: make_pipeline("passthrough", model)]
)
def test_categories_named_to_the_constructor(wrap):
    X, y = frame(), targets("binary", frame())
    model = catboost.CatBoostClassifier(**SMALL, cat_features=CATEGORIES)
    pruner = EnsemblePruner(wrap(model), target_size=4, refine="leaves", random_state=0).fit(X, y)
    assert pruner.score(X, y) > 0.7
    assert not model.is_fitted()


@pytest.mark.parametrize("cut", [compact, shrink])
def test_trees_that_cannot_be_cut_down_are_refused_in_words(cut):
    X, y = frame()[NUMBERS], targets("binary", frame())
    model = catboost.CatBoostClassifier(**SMALL).fit(X, y)
    told = r"^CatBoostClassifier is no ensemble whose trees .*; prune\(\) drops whole members"
    with pytest.raises(TypeError, match=told):
        cut(model, X, y)


@pytest.mark.parametrize("scoring", [None, "accuracy", "f1_macro", "neg_log_loss"])
def test_labels_in_a_column_are_scored_on_rows_given(scoring):
    X, y = frame()[NUMBERS], targets("multiclass", frame())
    model = catboost.CatBoostClassifier(**SMALL)
    assert model.fit(X, y).predict(X).ndim == 2
    pruner = EnsemblePruner(FrozenEstimator(model), target_size=4, scoring=scoring).fit(X, y)
    report = pruner.report(X, y)
    told = get_scorer(scoring or "accuracy")(pruner.pruned_estimator_, X, y)
    assert report.score_pruned.value == pytest.approx(told, abs=1e-12)
    assert report.score_pruned.low < told


def test_a_regressor_is_scored_on_rows_given():
    # Its classes_ are an empty list, which makes it no classifier.
    X, y = frame()[NUMBERS], targets("regression", frame())
    pruner = EnsemblePruner(catboost.CatBoostRegressor(**SMALL), target_size=4, random_state=0)
    report = pruner.fit(X, y).report(X, y)
    assert report.score_pruned.value == pytest.approx(pruner.score(X, y))
