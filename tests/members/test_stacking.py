"""Cutting stacking models: slicing a linear final estimator, refitting any."""

from __future__ import annotations

import numpy as np
import pytest
from families import data
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier, StackingClassifier, StackingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import get_scorer
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from ensprune import EnsemblePruner, prune
from ensprune.members import open_members

LEARNERS = [
    ("stump", DecisionTreeClassifier(max_depth=1, random_state=0)),
    ("bayes", GaussianNB()),
    ("tree", DecisionTreeClassifier(max_depth=4, random_state=0)),
]


@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize("passthrough", [False, True])
def test_linear_final_estimator_is_sliced(task, passthrough):
    X, y = data(task)
    final = LogisticRegression(max_iter=3000)
    stacking = StackingClassifier(LEARNERS, final, cv=3, passthrough=passthrough).fit(X, y)
    cut = open_members(stacking).subset([2, 0])
    width = 1 if task == "binary" else 3
    columns = np.r_[2 * width : 3 * width, 0:width]
    if passthrough:
        columns = np.r_[columns, 3 * width : 3 * width + X.shape[1]]
    np.testing.assert_array_equal(
        cut.final_estimator_.coef_, stacking.final_estimator_.coef_[:, columns]
    )
    assert stacking.final_estimator_.coef_.shape[1] == 3 * width + passthrough * X.shape[1]
    assert cut.predict_proba(X).shape == (len(X), len(stacking.classes_))


@pytest.mark.parametrize(
    "final", [LogisticRegression(C=0.1), DecisionTreeClassifier(max_depth=3, random_state=0)]
)
def test_final_estimator_is_refitted_where_the_matrix_can_be_rebuilt(final):
    X, y = data("binary")
    stacking = StackingClassifier(LEARNERS, final, cv=KFold(4)).fit(X, y)
    members = open_members(stacking)
    members.set_training_data(X, y)
    cut = members.subset([0, 2])

    positions = (y == stacking.classes_[1]).astype(int)
    columns = [
        cross_val_predict(clone(LEARNERS[t][1]), X, y, cv=KFold(4), method="predict_proba")[:, 1]
        for t in (0, 2)
    ]
    expected = clone(final).fit(np.column_stack(columns), positions)
    seen = cut.transform(X)
    assert seen.shape == (len(X), 2)
    np.testing.assert_allclose(cut.predict_proba(X), expected.predict_proba(seen))


def test_the_whole_keeps_its_final_estimator():
    X, y = data("binary")
    stacking = StackingClassifier(LEARNERS, cv=3).fit(X, y)
    members = open_members(stacking)
    members.set_training_data(X, y)
    assert members.subset([0, 1, 2]).final_estimator_ is stacking.final_estimator_


def test_prefit_base_learners_predict_for_the_refit():
    X, y = data("regression")
    learners = [(f"t{d}", DecisionTreeRegressor(max_depth=d).fit(X, y)) for d in (1, 2, 3)]
    stacking = StackingRegressor(learners, Ridge(), cv="prefit").fit(X, y)
    members = open_members(stacking)
    members.set_training_data(X, y)
    cut = members.subset([1, 2])
    columns = np.column_stack([learners[t][1].predict(X) for t in (1, 2)])
    np.testing.assert_allclose(cut.final_estimator_.coef_, Ridge().fit(columns, y).coef_)


@pytest.mark.parametrize("piped", [False, True])
def test_learners_that_come_fitted_stay_fitted(piped):
    X, y = data("multiclass")
    learners = [(name, clone(learner).fit(X[:120], y[:120])) for name, learner in LEARNERS]
    stacking = StackingClassifier(learners, cv="prefit")
    whole = make_pipeline(FunctionTransformer(), stacking) if piped else stacking
    pruner = EnsemblePruner(whole, target_size=2, random_state=0).fit(X[120:], y[120:])
    cut = pruner.pruned_estimator_[-1] if piped else pruner.pruned_estimator_
    assert all(any(kept is given for _, given in learners) for kept in cut.estimators_)
    assert len(cut.estimators_) == 2
    assert not hasattr(stacking, "final_estimator_")


def test_a_final_estimator_that_is_not_linear_needs_rows():
    X, y = data("binary")
    stacking = StackingClassifier(LEARNERS, RandomForestClassifier(5, random_state=0), cv=3)
    members = open_members(stacking.fit(X, y))
    with pytest.raises(ValueError, match="RandomForestClassifier is not linear"):
        members.subset([0])
    members.set_blending_data(X, y)
    assert members.subset([0]).predict(X).shape == (len(X),)


def test_pruner_refits_and_reports_what_the_pruned_one_scores():
    X, y = data("multiclass")
    stacking = StackingClassifier(LEARNERS, DecisionTreeClassifier(max_depth=3, random_state=0))
    pruner = EnsemblePruner(stacking, target_size=2).fit(
        X[:160], y[:160], X_val=X[160:], y_val=y[160:]
    )
    assert len(pruner.pruned_estimator_.estimators_) == 2
    assert pruner.score_pruned_ == pruner.pruned_estimator_.score(X[160:], y[160:])
    one = pruner.at(1)
    assert one.score(X[160:], y[160:]) == pruner.path_[0].score


@pytest.mark.parametrize("scaled", [False, True])
def test_a_final_estimator_without_a_seed_is_the_one_that_was_scored(scaled):
    X, y = data("multiclass")
    forest = RandomForestClassifier(3, max_depth=3)
    final = make_pipeline(StandardScaler(), forest) if scaled else forest
    stacking = StackingClassifier(LEARNERS, final, cv=3).fit(X[:160], y[:160])
    pruner = EnsemblePruner(FrozenEstimator(stacking), target_size=2, scoring="neg_log_loss")
    pruner.fit(X[:160], y[:160], X_val=X[160:], y_val=y[160:])
    small = pruner.pruned_estimator_
    kept = get_scorer("neg_log_loss")(small, X[160:], y[160:])
    assert kept == pytest.approx(pruner.score_pruned_, abs=1e-12)
    np.testing.assert_array_equal(pruner.at(2).predict_proba(X), small.predict_proba(X))
    for name in ("random_state", "randomforestclassifier__random_state"):
        assert small.final_estimator_.get_params().get(name) is None


def test_frozen_stacking_blends_on_one_half_and_judges_on_the_other():
    X, y = data("regression")
    learners = [(f"t{d}", DecisionTreeRegressor(max_depth=d, random_state=0)) for d in (1, 3, 6)]
    stacking = StackingRegressor(learners, LinearRegression(), cv=3).fit(X[:120], y[:120])
    cut = prune(stacking, X[120:], y[120:], target_size=2, random_state=0)
    assert len(cut.estimators_) == 2
    # Dropping a column of a linear model without refitting shifts its predictions.
    assert abs(np.mean(cut.predict(X[120:]) - y[120:])) < 0.2 * np.std(y)


def test_a_final_estimator_is_not_refitted_on_fewer_classes():
    X, y = data("multiclass")
    stacking = StackingClassifier(LEARNERS, cv=3).fit(X, y)
    rows = y != stacking.classes_[0]
    with pytest.raises(ValueError, match=r"y has none of \['ash'\]"):
        prune(stacking, X[rows], y[rows], target_size=2)


def test_coefficients_that_are_computed_cannot_be_sliced():
    X, y = data("binary")
    stacking = StackingClassifier(LEARNERS, SVC(kernel="linear"), cv=3).fit(X, y)
    with pytest.raises(ValueError, match="SVC is not linear, or keeps no coefficients"):
        open_members(stacking).subset([0])
