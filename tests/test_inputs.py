"""The forms in which rows and labels come: the same data, the same answer; or a clear error.

What an ensemble itself takes, its pruner takes. Each form of the rows is compared with the plain
array of the same values.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier, XGBRegressor

from ensprune import EnsemblePruner, prune
from ensprune.selectors.base import _registry

from .families import FAMILIES, Family, data

N_ROWS = 120


def _kinds() -> list[Family]:
    """One of each family and task, but wrappers, whose inside is what reads."""
    wrappers = ("pipeline", "search", "calibrated", "calibrated-isotonic", "calibrated-margins")
    return [f for f in FAMILIES if f.task != "multiclass" and f.name not in wrappers]


KINDS = _kinds()
FOREST = next(f for f in FAMILIES if f.id == "forest-leaf5-multiclass")
# Naive Bayes adds up in another order where the rows lie otherwise in memory: another ensemble.
SAME_FIT = [f for f in KINDS if f.id != "boosting-init-binary"]
DENSE_ONLY = ("hist", "boosting-init", "bagging-missed", "voting", "stacking")
NO_SPARSE_ARRAYS = ("lightgbm", "averaging-lightgbm", "catboost")  # sparse matrices only


def _id(family: Family) -> str:
    return family.id


def _columns() -> list[str]:
    return [f"measured_{j}" for j in range(8)]


def _memory_map(X, tmp_path):
    joblib.dump(X, tmp_path / "rows.joblib")
    return joblib.load(tmp_path / "rows.joblib", mmap_mode="r")


def _read_only(values):
    values = values.copy()
    values.flags.writeable = False
    return values


def _misaligned(values):
    room = np.empty(values.nbytes + 1, dtype=np.uint8)[1:]
    result = room.view(values.dtype).reshape(values.shape)
    result[...] = values
    assert not result.flags.aligned
    return result


DENSE = {
    "frame": lambda X, _: pd.DataFrame(X, columns=_columns(), index=np.arange(len(X))[::-1]),
    "polars": lambda X, _: pl.DataFrame(X, schema=_columns()),
    "read-only": lambda X, _: _read_only(X),
    "fortran": lambda X, _: np.asfortranarray(X),
    "single-precision": lambda X, _: X.astype(np.float32),
    "memory-map": _memory_map,
    "misaligned": lambda X, _: _misaligned(X),
    "strided": lambda X, _: np.repeat(X, 2, axis=0)[::2],
}
SPARSE = {"csr": sp.csr_matrix, "csc-array": sp.csc_array}


def _rows(family: Family):
    X, y = data(family.task, family.integer_labels)
    # Every form holds these values exactly.
    return X[:N_ROWS].astype(np.float32).astype(np.float64), y[:N_ROWS]


def _assert_same(family: Family, pruner, plain, form, X):
    np.testing.assert_array_equal(pruner.selected_, plain.selected_)
    assert pruner.score_pruned_ == pytest.approx(plain.score_pruned_, rel=1e-5)
    got, expected = pruner.predict(form), plain.predict(X)
    if family.task == "regression":
        np.testing.assert_allclose(got, expected, rtol=1e-5)
    else:
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("form", DENSE)
@pytest.mark.parametrize("family", SAME_FIT, ids=_id)
def test_a_form_of_the_rows_changes_nothing(family: Family, form, tmp_path):
    X, y = _rows(family)
    rows = DENSE[form](X, tmp_path)
    pruner = EnsemblePruner(family.make(), target_size=3, random_state=0).fit(rows, _read_only(y))
    plain = EnsemblePruner(family.make(), target_size=3, random_state=0).fit(X, y)
    _assert_same(family, pruner, plain, rows, X)


@pytest.mark.parametrize(
    ("family", "form"),
    [
        pytest.param(family, form, id=f"{family.id}-{form}")
        for family in KINDS
        for form in SPARSE
        if not family.name.startswith(DENSE_ONLY)
        and not (form == "csc-array" and family.name.startswith(NO_SPARSE_ARRAYS))
    ],
)
def test_sparse_rows_change_nothing(family: Family, form):
    X, y = _rows(family)
    # Shifted: a zero that is not stored means "missing" to XGBoost.
    X = X - X.min() + 1.0
    rows = SPARSE[form](X)
    # scikit-learn grows other trees from sparse rows: one ensemble, judged on both forms.
    pruner = EnsemblePruner(FrozenEstimator(family.make().fit(rows, y)), target_size=3)
    plain = clone(pruner).fit(X, y)
    _assert_same(family, pruner.fit(rows, y), plain, rows, X)


FORMS = DENSE | {"list": lambda X, _: X.tolist()}
# Each selector, and what else looks at rows.
SEARCHES = {name: {"selector": name} for name in sorted(_registry)} | {
    "held-out": {"validation": 0.4},
    "certified": {"target_size": "auto", "tolerance": 0.2, "confidence": 0.6},
    "weights-refined": {"refine": "weights"},
    "leaves-refined": {"refine": "leaves"},
}


def _search(search: str, ensemble) -> EnsemblePruner:
    return EnsemblePruner(ensemble, **{"target_size": 3, "random_state": 0} | SEARCHES[search])


@cache
def _searched(search: str):
    X, y = _rows(FOREST)
    return _search(search, FOREST.make()).fit(X, y)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("search", SEARCHES)
def test_every_search_takes_every_form(search, form, tmp_path):
    X, y = _rows(FOREST)
    rows = FORMS[form](X, tmp_path)
    pruner = _search(search, FOREST.make()).fit(rows, y.tolist() if form == "list" else y)
    _assert_same(FOREST, pruner, _searched(search), rows, X)


@cache
def _searched_frozen(search: str):
    X, y = _rows(FOREST)
    forest = FrozenEstimator(FOREST.make().fit(sp.csr_matrix(X), y))
    return _search(search, forest).fit(X, y)


@pytest.mark.parametrize("form", SPARSE)
@pytest.mark.parametrize("search", [search for search in SEARCHES if search != "held-out"])
def test_every_search_takes_sparse_rows(search, form):
    X, y = _rows(FOREST)
    plain = _searched_frozen(search)
    rows = SPARSE[form](X)
    _assert_same(FOREST, clone(plain).fit(rows, y), plain, rows, X)


@pytest.mark.parametrize(
    "ensemble",
    [
        RandomForestClassifier(9, random_state=0),
        BaggingClassifier(n_estimators=8, random_state=0),
        HistGradientBoostingClassifier(max_iter=7),
        XGBClassifier(n_estimators=7, n_jobs=1),
    ],
    ids=lambda ensemble: type(ensemble).__name__,
)
def test_missing_values_where_the_ensemble_takes_them(ensemble):
    X, y = make_classification(150, 6, random_state=0)
    X[::5, 2] = np.nan
    pruner = EnsemblePruner(ensemble, target_size=3, random_state=0).fit(X, y)
    everyone = prune(pruner.estimator_, X, y, target_size=1.0)
    full = pruner.estimator_.predict_proba(X)
    np.testing.assert_allclose(everyone.predict_proba(X), full, atol=1e-6)
    assert pruner.score(X, y) > 0.8


LABELS = {
    "str": np.array(["ash", "birch", "cedar"]),
    "object": np.array(["ash", "birch", "cedar"], dtype=object),
    "negative": np.array([-1, 0, 1]),
    "float": np.array([0.0, 1.0, 2.0]),
    "gaps": np.array([3, 30, 300]),
}
CLASSIFIERS = [
    RandomForestClassifier(9, random_state=0),
    AdaBoostClassifier(n_estimators=8, random_state=0),
    GradientBoostingClassifier(n_estimators=6, random_state=0),
    HistGradientBoostingClassifier(max_iter=6),
    VotingClassifier(
        [
            ("tree", DecisionTreeClassifier(random_state=0)),
            ("line", LogisticRegression()),
            ("stump", DecisionTreeClassifier(max_depth=1)),
        ]
    ),
]


@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss", "f1_macro"])
@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("ensemble", CLASSIFIERS, ids=lambda ensemble: type(ensemble).__name__)
def test_labels_are_names_and_change_nothing(ensemble, labels, scoring):
    if scoring == "neg_log_loss" and isinstance(ensemble, VotingClassifier):
        ensemble = VotingClassifier(ensemble.estimators, voting="soft")
    X, codes = make_classification(150, 6, n_informative=4, n_classes=3, random_state=0)
    fits = [
        EnsemblePruner(ensemble, target_size=2, scoring=scoring, random_state=0).fit(X, y)
        for y in (codes, LABELS[labels][codes])
    ]
    np.testing.assert_array_equal(fits[0].selected_, fits[1].selected_)
    assert fits[0].score_pruned_ == fits[1].score_pruned_
    np.testing.assert_array_equal(LABELS[labels][fits[0].predict(X)], fits[1].predict(X))


@pytest.mark.parametrize(
    "y",
    [
        lambda codes: codes > 0,
        lambda codes: pd.Series(codes > 0, dtype="boolean"),
        lambda codes: pd.Series(pd.Categorical.from_codes(codes, ["no", "yes"])),
        lambda codes: pd.Series(np.array(["no", "yes"])[codes], dtype="string"),
        lambda codes: (codes > 0).tolist(),
        lambda codes: pl.Series(codes),
    ],
    ids=["bool", "pandas-boolean", "categorical", "pandas-string", "list", "polars"],
)
def test_binary_labels_of_any_kind(y):
    X, codes = make_classification(150, 6, random_state=0)
    pruner = EnsemblePruner(RandomForestClassifier(9, random_state=0), target_size=3)
    expected = pruner.fit(X, codes).selected_
    np.testing.assert_array_equal(pruner.fit(X, y(codes)).selected_, expected)
    assert len(pruner.classes_) == 2


# --- degenerate ----------------------------------------------------------------------------------


def test_one_row_judges():
    X, y = make_classification(60, 5, random_state=0)
    forest = RandomForestClassifier(9, random_state=0).fit(X, y)
    assert prune(forest, X[:1], y[:1], target_size=2).n_estimators == 2


def test_no_rows_are_refused_by_name():
    X, y = data("binary")
    forest = RandomForestClassifier(5, random_state=0)
    with pytest.raises(ValueError, match="X has no rows"):
        prune(clone(forest).fit(X, y), X[:0], y[:0], target_size=2)
    with pytest.raises(ValueError, match="X_val has no rows"):
        EnsemblePruner(forest).fit(X, y, X_val=X[:0], y_val=y[:0])


def test_one_row_to_fit_and_to_judge_is_refused():
    with pytest.raises(ValueError, match=r"validation=0.25 holds out .* there is only 1"):
        EnsemblePruner(GradientBoostingClassifier()).fit([[0.0]], [1])


@pytest.mark.parametrize("family", KINDS, ids=_id)
def test_an_ensemble_of_one_member_stays(family: Family):
    X, y = _rows(family)
    one = prune(family.make().fit(X, y), X, y, target_size=1)
    again = prune(one, X, y, target_size=1)
    np.testing.assert_array_equal(again.predict(X), one.predict(X))


def test_one_class_only():
    X = np.random.default_rng(0).normal(size=(40, 3))
    y = np.full(40, "only")
    pruner = EnsemblePruner(RandomForestClassifier(9, random_state=0), target_size=3).fit(X, y)
    assert set(pruner.predict(X)) == {"only"}
    for boosting in (
        AdaBoostClassifier(),
        HistGradientBoostingClassifier(),
        XGBClassifier(n_estimators=3),
    ):
        fitted = boosting.fit(X, np.zeros(40, dtype=int))
        name = type(boosting).__name__
        with pytest.raises(ValueError, match=f"{name} was fitted on a single class: nothing to"):
            prune(fitted, X, np.zeros(40, dtype=int))


def test_validation_rows_of_one_class_judge_by_what_they_can():
    X, y = make_classification(120, 5, random_state=0)
    forest = RandomForestClassifier(9, random_state=0).fit(X, y)
    rows = y == 1
    assert prune(forest, X[rows], y[rows], target_size=3).n_estimators == 3


@pytest.mark.parametrize("make", [RandomForestRegressor, ExtraTreesRegressor])
def test_constant_and_identical_members(make):
    X = np.random.default_rng(0).normal(size=(60, 3))
    y = X[:, 0]
    constant = make(7, max_leaf_nodes=None, min_samples_leaf=60, bootstrap=False, random_state=0)
    pruner = EnsemblePruner(FrozenEstimator(constant.fit(X, y)), target_size=3).fit(X, y)
    # All alike: the first ones are as good as any, and nothing is lost.
    assert len(set(pruner.selected_)) == 3
    assert pruner.score_pruned_ == pytest.approx(pruner.score_full_, abs=1e-12)


@pytest.mark.parametrize("ensemble", [HistGradientBoostingRegressor(max_iter=5), XGBRegressor()])
def test_a_constant_target(ensemble):
    X = np.random.default_rng(0).normal(size=(60, 3))
    fitted = ensemble.fit(X, np.full(60, 3.0))
    small = prune(fitted, X, np.full(60, 3.0), target_size=2, scoring="neg_mean_squared_error")
    np.testing.assert_allclose(small.predict(X), 3.0, rtol=1e-6)


@pytest.mark.parametrize("name", ["y", "y_val"])
def test_a_target_that_is_missing_is_named(name):
    X, y = make_classification(60, 5, random_state=0)
    bad = y.astype(float)
    bad[3] = np.nan
    given = {"y": y, "X_val": X, "y_val": y} | {name: bad}
    with pytest.raises(ValueError, match=f"Input {name} contains NaN"):
        EnsemblePruner(RandomForestClassifier(5)).fit(X, **given)


def test_several_targets_are_refused_before_anything_is_fitted():
    X, y = make_classification(60, 5, random_state=0)
    with pytest.raises(ValueError, match="y should be a 1d array"):
        EnsemblePruner(RandomForestClassifier(5)).fit(X, np.c_[y, y])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_member_that_outputs_no_number_is_named(value):
    X, y = make_classification(60, 5, random_state=0)
    forest = RandomForestClassifier(5, random_state=0).fit(X, y)
    forest.estimators_[3].tree_.value[:] = value
    with pytest.raises(ValueError, match="member 3 of RandomForestClassifier outputs NaN or inf"):
        prune(forest, X, y, target_size=2)


@pytest.mark.parametrize(
    ("scoring", "asked"),
    [
        ("top_k_accuracy", "decision_function or predict_proba"),
        ("neg_log_loss", "predict_proba"),
        (lambda vote, X, y: vote.predict_proba(X)[:, 1].mean(), "predict_proba"),
        (lambda vote, X, y: len(vote.estimators_), "estimators_"),
    ],
)
def test_what_a_metric_asks_in_vain_is_named(scoring, asked):
    X, y = make_classification(60, 5, random_state=0)
    learners = [("line", LogisticRegression()), ("tree", DecisionTreeClassifier(max_depth=2))]
    vote = VotingClassifier(learners).fit(X, y)
    with pytest.raises(TypeError, match=f"^scoring=.* asks for {asked}, which this ensemble"):
        prune(vote, X, y, target_size=1, scoring=scoring)


def test_a_metric_that_fails_by_itself_is_left_its_error():
    X, y = make_classification(60, 5, random_state=0)
    forest = RandomForestClassifier(5, random_state=0).fit(X, y)
    with pytest.raises(AttributeError, match="no attribute 'means'"):
        prune(forest, X, y, target_size=2, scoring=lambda vote, X, y: y.means())


STOPPING = [lambda: XGBClassifier(n_estimators=9, max_depth=2, early_stopping_rounds=3, n_jobs=1)]
if find_spec("lightgbm"):
    from lightgbm import LGBMClassifier

    STOPPING.append(lambda: LGBMClassifier(n_estimators=9, early_stopping_round=3, verbose=-1))


@pytest.mark.filterwarnings("ignore:The argument 'eval_set' is deprecated")  # LightGBM 4.7
@pytest.mark.parametrize("inside", [lambda model: model, lambda model: make_pipeline(model)])
@pytest.mark.parametrize("make", STOPPING)
def test_rows_to_stop_on_are_asked_for(make, inside):
    X, y = make_classification(80, 5, random_state=0)
    model = inside(make())
    argument = (
        "eval_set" if model.__class__ is make().__class__ else f"{model.steps[-1][0]}__eval_set"
    )
    pruner = EnsemblePruner(model, target_size=2)
    with pytest.raises(ValueError, match=rf"needs rows to stop on, .* fit\(X, y, {argument}="):
        pruner.fit(X, y)
    pruner.fit(X, y, **{argument: [(X, y)]})
    assert pruner.n_members_ <= 2


def test_a_search_keeps_its_own_metric():
    X, y = make_classification(150, 6, n_informative=4, weights=[0.8], random_state=0)
    forest = RandomForestClassifier(8, max_depth=3, random_state=0)
    search = GridSearchCV(forest, {"max_depth": [2, 4]}, scoring="f1", cv=2).fit(X, y)
    pruner = EnsemblePruner(FrozenEstimator(search), target_size=3).fit(X, y)
    assert pruner.score_full_ == pytest.approx(get_scorer("f1")(search, X, y))
    asked = clone(pruner).set_params(scoring="accuracy").fit(X, y)
    assert asked.score_full_ == pytest.approx(get_scorer("accuracy")(search, X, y))
