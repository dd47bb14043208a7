"""Stacking and voting models are judged on the rows they were trained on, out of fold."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from families import data
from sklearn import config_context
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import KFold, LeaveOneOut, StratifiedKFold, cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from ensprune import EnsemblePruner, prune, room
from ensprune.members import open_members

CLASSIFIERS = [
    ("stump", DecisionTreeClassifier(max_depth=1, random_state=0)),
    ("bayes", GaussianNB()),
    ("tree", DecisionTreeClassifier(max_depth=4, random_state=0)),
    ("one", DecisionTreeClassifier(max_features=1, random_state=0)),
]
REGRESSORS = [
    (f"depth{depth}", DecisionTreeRegressor(max_depth=depth, random_state=0))
    for depth in (1, 2, 4, 8)
]


def stack(task, passthrough=False, cv=None):
    if task == "regression":
        return StackingRegressor(REGRESSORS, Ridge(), cv=cv or KFold(4), passthrough=passthrough)
    final = LogisticRegression(max_iter=3000)
    cv = cv or StratifiedKFold(4, shuffle=True, random_state=1)
    return StackingClassifier(CLASSIFIERS, final, cv=cv, passthrough=passthrough)


def by_hand(stacking, X, y, kept):
    """Out-of-fold answers of the stacking model of some learners, by scikit-learn alone."""
    classifies = isinstance(stacking, StackingClassifier)
    columns = []
    for t in kept:
        learner = clone(stacking.estimators[t][1])
        if not classifies:
            columns.append(cross_val_predict(learner, X, y, cv=stacking.cv)[:, None])
            continue
        proba = cross_val_predict(learner, X, y, cv=stacking.cv, method="predict_proba")
        columns.append(proba if proba.shape[1] > 2 else proba[:, 1:])
    if stacking.passthrough:
        columns.append(X)
    matrix = np.hstack(columns)
    folds = list(stacking.cv.split(X, y))
    return cross_val_predict(clone(stacking.final_estimator), matrix, y, cv=folds)


@pytest.mark.parametrize("passthrough", [False, True])
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_scores_are_those_of_models_that_have_not_seen_the_row(task, passthrough):
    X, y = data(task)
    stacking = stack(task, passthrough)
    score = r2_score if task == "regression" else accuracy_score
    pruner = EnsemblePruner(stacking, target_size=3).fit(X, y)
    assert pruner.score_full_ == pytest.approx(
        score(y, by_hand(stacking, X, y, range(4))), abs=1e-12
    )
    for point in pruner.path_:
        expected = score(y, by_hand(stacking, X, y, point.indices))
        assert point.score == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_best_pair_is_found_and_nothing_is_held_out(task):
    X, y = data(task)
    stacking = stack(task)
    score = r2_score if task == "regression" else accuracy_score
    pruner = EnsemblePruner(stacking, target_size=2, selector="auto").fit(X, y)
    best = max(score(y, by_hand(stacking, X, y, pair)) for pair in combinations(range(4), 2))
    assert pruner.score_pruned_ == pytest.approx(best, abs=1e-12)

    whole = clone(stacking).fit(X, y)
    np.testing.assert_array_equal(pruner.estimator_.predict(X), whole.predict(X))
    # What is kept is what training the same learners on all rows gives.
    kept = [stacking.estimators[t] for t in pruner.selected_]
    alike = clone(stacking).set_params(estimators=kept).fit(X, y)
    np.testing.assert_array_equal(pruner.predict(X), alike.predict(X))


def test_many_folds_are_left_out_five_at_a_time():
    X, y = data("regression")
    stacking = StackingRegressor(REGRESSORS, Ridge(), cv=KFold(60))
    pruner = EnsemblePruner(stacking, target_size=4).fit(X, y)
    number = np.arange(len(y)) * 60 // len(y) % 5  # the folds follow each other and are alike
    together = [(np.flatnonzero(number != k), np.flatnonzero(number == k)) for k in range(5)]
    columns = [cross_val_predict(one, X, y, cv=together) for _, one in REGRESSORS]
    said = cross_val_predict(Ridge(), np.column_stack(columns), y, cv=together)
    assert pruner.score_full_ == pytest.approx(r2_score(y, said), abs=1e-12)
    alike = clone(stacking).fit(X, y)
    np.testing.assert_allclose(pruner.predict(X), alike.predict(X), rtol=1e-12)


def test_leave_one_out_does_not_tell_the_row_left_out():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 2)), rng.permutation(np.arange(60) % 2)
    # The share of a class among all others tells the class of a row.
    learners = [("share", DummyClassifier(strategy="prior")), ("bayes", GaussianNB())]
    stacking = StackingClassifier(learners, DecisionTreeClassifier(max_depth=3), cv=LeaveOneOut())
    pruner = EnsemblePruner(stacking, target_size=1).fit(X, y)
    assert pruner.score_full_ < 0.7
    assert all(point.score < 0.7 for point in pruner.path_)


@pytest.mark.parametrize("validation", ["auto", 0.25])
@pytest.mark.parametrize("labels", [[-1, 1], ["no", "yes"]])
def test_learners_are_fitted_to_positions_of_classes_as_the_model_fits_them(labels, validation):
    X, y = data("binary")
    positions = (y == y[0]).astype(int)
    y = np.array(labels)[positions]
    stacking = stack("binary").set_params(stack_method="predict")
    kept = EnsemblePruner(stacking, target_size=2, validation=validation, random_state=0)
    coded = clone(kept).fit(X, positions)
    kept.fit(X, y)
    np.testing.assert_array_equal(kept.selected_, coded.selected_)
    assert kept.score_pruned_ == coded.score_pruned_
    np.testing.assert_array_equal(kept.predict(X), np.array(labels)[coded.predict(X)])


def test_what_only_remembers_is_not_believed():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 5)), rng.integers(2, size=300)
    stacking = StackingClassifier(CLASSIFIERS, DecisionTreeClassifier(random_state=0), cv=3)
    pruner = EnsemblePruner(stacking, target_size=3).fit(X, y)
    members = open_members(pruner.estimator_)
    members.set_training_data(X, y)
    assert members.training is not None
    assert np.mean(members.combiner.predict(members.training.outputs) == y) > 0.95
    assert pruner.score_full_ < 0.6
    assert all(point.score < 0.65 for point in pruner.path_)


def test_a_fitted_model_and_its_training_rows():
    X, y = data("regression")
    stacking = stack("regression").fit(X, y)
    pruner = EnsemblePruner(FrozenEstimator(stacking), target_size=2, validation="oob").fit(X, y)
    unfitted = EnsemblePruner(stack("regression"), target_size=2).fit(X, y)
    np.testing.assert_array_equal(pruner.selected_, unfitted.selected_)
    assert pruner.score_pruned_ == unfitted.score_pruned_
    assert len(prune(stacking, X, y, target_size=2, validation="oob").estimators_) == 2


def test_folds_that_name_other_rows_are_told():
    X, y = data("regression")
    folds = list(KFold(3).split(X))
    frozen = FrozenEstimator(stack("regression", cv=folds).fit(X, y))
    with pytest.raises(ValueError, match="do not leave out each of the 100 rows given once"):
        EnsemblePruner(frozen, target_size=2, validation="oob").fit(X[:100], y[:100])


@pytest.mark.parametrize("passthrough", [False, True])
def test_blocks_of_rows_and_halves_that_certify(passthrough, monkeypatch):
    X, y = data("multiclass")
    X = pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])
    stacking = stack("multiclass", passthrough)
    plain = EnsemblePruner(stacking, target_size=3).fit(X, y)
    with monkeypatch.context() as patch:
        patch.setattr(room, "_READING", 2000)  # bytes: some twenty rows
        blocks = EnsemblePruner(stacking, target_size=3).fit(X, y)
    np.testing.assert_array_equal(plain.selected_, blocks.selected_)
    assert [point.score for point in plain.path_] == [point.score for point in blocks.path_]
    certified = EnsemblePruner(
        stacking, target_size="auto", tolerance=0.3, confidence=0.8, random_state=0
    ).fit(X, y)
    assert 1 <= certified.n_members_ <= 4
    assert certified.certificate_.n_selection + certified.certificate_.n_certification == len(y)


def test_a_report_says_how_the_rows_were_judged():
    X, y = data("binary")
    report = str(EnsemblePruner(stack("binary"), target_size=2).fit(X, y).report())
    assert f"{len(y):,} training rows, out of fold" in " ".join(report.split())


def test_weights_of_the_rows_count():
    X, y = data("regression")
    weight = np.random.default_rng(0).uniform(0.1, 3, size=len(y))
    pruner = EnsemblePruner(stack("regression"), target_size=4).fit(X, y, sample_weight=weight)
    folds = list(KFold(4).split(X, y))
    weigh = {"params": {"sample_weight": weight}}
    columns = [cross_val_predict(learner, X, y, cv=folds, **weigh) for _, learner in REGRESSORS]
    said = cross_val_predict(Ridge(), np.column_stack(columns), y, cv=folds, **weigh)
    assert pruner.score_full_ == pytest.approx(r2_score(y, said, sample_weight=weight), abs=1e-12)


def test_weights_go_where_they_are_routed():
    X, y = data("regression")
    weight = np.random.default_rng(0).uniform(0.1, 3, size=len(y))
    folds = list(KFold(4).split(X, y))
    with config_context(enable_metadata_routing=True):
        learners = [
            (name, clone(one).set_fit_request(sample_weight=name == "depth2"))
            for name, one in REGRESSORS[:3]
        ]
        stacking = StackingRegressor(learners, Ridge(), cv=KFold(4))
        pruner = EnsemblePruner(stacking, target_size=3).fit(X, y, sample_weight=weight)
    columns = [
        cross_val_predict(
            one, X, y, cv=folds, params={"sample_weight": weight} if name == "depth2" else None
        )
        for name, one in REGRESSORS[:3]
    ]
    # The final estimator is given them in any case.
    weigh = {"params": {"sample_weight": weight}}
    said = cross_val_predict(Ridge(), np.column_stack(columns), y, cv=folds, **weigh)
    assert pruner.score_full_ == pytest.approx(r2_score(y, said, sample_weight=weight), abs=1e-12)
    whole = pruner.estimator_
    np.testing.assert_allclose(pruner.predict(X), whole.predict(X), rtol=1e-12)


@pytest.mark.parametrize("kind", ["prefit", "pipeline", "folds without a class"])
def test_others_hold_rows_out(kind):
    X, y = data("multiclass")
    if kind == "prefit":
        fitted = [(name, FrozenEstimator(clone(one).fit(X, y))) for name, one in CLASSIFIERS]
        model = StackingClassifier(fitted, LogisticRegression(max_iter=3000), cv="prefit")
    elif kind == "pipeline":
        model = make_pipeline(StandardScaler(), stack("multiclass"))
    else:
        order = np.argsort(y, kind="stable")
        X, y = X[order], y[order]
        half = np.flatnonzero(y != y[0])[0]
        folds = [
            (np.arange(half), np.arange(half, len(y))),
            (np.arange(half, len(y)), np.arange(half)),
        ]
        learners = [("a", GaussianNB()), ("b", DecisionTreeClassifier(max_depth=2))]
        final = LogisticRegression(max_iter=3000)
        model = StackingClassifier(learners, final, cv=folds, stack_method="predict")
        members = open_members(clone(model).fit(X, y))
        members.set_training_data(X, y)
        assert members.out_of_fold() is None
    with pytest.raises(ValueError, match="or a stacking model that is no step of a pipeline"):
        EnsemblePruner(model, target_size=1, validation="oob").fit(X, y)
    if kind == "folds without a class":
        return  # its folds name rows by number, which a part of the rows has not
    pruner = EnsemblePruner(model, target_size=1, random_state=0).fit(X, y)
    assert "validation rows" in str(pruner.report())


VOTES = {"soft": "multiclass", "hard": "binary", "mean": "regression"}


def vote(kind, **options):
    if kind == "mean":
        return VotingRegressor(REGRESSORS, **options)
    return VotingClassifier(CLASSIFIERS, voting=kind, **options)


def said_by(voting, X, y, kept, **params):
    """Out-of-fold answers of the voting model of some learners, by scikit-learn alone."""
    weights = None if voting.weights is None else [voting.weights[t] for t in kept]
    kept = [voting.estimators[t] for t in kept]
    split = KFold if isinstance(voting, VotingRegressor) else StratifiedKFold
    folds = list(split(5, shuffle=True, random_state=0).split(X, y))
    alike = clone(voting).set_params(estimators=kept, weights=weights)
    return cross_val_predict(alike, X, y, cv=folds, **params)


@pytest.mark.parametrize("kind", VOTES)
@pytest.mark.parametrize("validation", ["auto", "oob"])
def test_votes_of_members_that_have_not_seen_the_row(kind, validation):
    X, y = data(VOTES[kind])
    voting, score = vote(kind), r2_score if kind == "mean" else accuracy_score
    pruner = EnsemblePruner(voting, target_size=3, validation=validation).fit(X, y)
    for indices, found in [
        (range(4), pruner.score_full_),
        *((p.indices, p.score) for p in pruner.path_),
    ]:
        assert found == pytest.approx(score(y, said_by(voting, X, y, indices)), abs=1e-12)
    # Nothing is held out: what is kept is what training the same learners on all rows gives.
    kept = [voting.estimators[t] for t in pruner.selected_]
    alike = clone(voting).set_params(estimators=kept).fit(X, y)
    np.testing.assert_array_equal(pruner.predict(X), alike.predict(X))


def test_a_fitted_voting_model_and_its_training_rows():
    X, y = data("multiclass")
    y = np.array(["a", "b", "c"])[np.unique(y, return_inverse=True)[1]]
    voting = vote("soft", weights=[1, 2, 3, 4])
    unfitted = EnsemblePruner(voting, target_size=2).fit(X, y)
    frozen = FrozenEstimator(clone(voting).fit(X, y))
    pruner = EnsemblePruner(frozen, target_size=2, validation="oob").fit(X, y)
    np.testing.assert_array_equal(pruner.selected_, unfitted.selected_)
    assert pruner.score_full_ == unfitted.score_full_
    assert pruner.score_full_ == pytest.approx(
        accuracy_score(y, said_by(voting, X, y, range(4))), abs=1e-12
    )
    assert "training rows, out of fold" in " ".join(str(pruner.report()).split())
    certified = EnsemblePruner(
        voting, target_size="auto", tolerance=0.3, confidence=0.8, random_state=0
    ).fit(X, y)
    assert certified.certificate_.n_selection + certified.certificate_.n_certification == len(y)


def test_weights_of_the_rows_count_for_votes_too():
    X, y = data("regression")
    weight = np.random.default_rng(0).uniform(0.1, 3, size=len(y))
    voting = vote("mean")
    pruner = EnsemblePruner(voting, target_size=4).fit(X, y, sample_weight=weight)
    said = said_by(voting, X, y, range(4), params={"sample_weight": weight})
    assert pruner.score_full_ == pytest.approx(r2_score(y, said, sample_weight=weight), abs=1e-12)


def test_a_class_of_two_rows_makes_two_folds_and_one_of_one_none():
    X, y = data("binary")
    rows = np.concatenate([np.flatnonzero(y == y[0])[:40], np.flatnonzero(y != y[0])[:2]])
    pruner = EnsemblePruner(vote("soft"), target_size=2).fit(X[rows], y[rows])
    assert "out of fold" in " ".join(str(pruner.report()).split())
    members = open_members(clone(vote("soft")).fit(X[rows[:-1]], y[rows[:-1]]))
    members.set_training_data(X[rows[:-1]], y[rows[:-1]])
    assert members.out_of_fold() is None


@pytest.mark.parametrize("lacking", [0, 2])
def test_rows_without_a_class_are_not_those_a_vote_was_trained_on(lacking):
    X, y = data("multiclass")
    frozen = FrozenEstimator(vote("soft").fit(X, y))
    others = y != np.unique(y)[lacking]
    with pytest.raises(ValueError, match="leave rows of every class; VotingClassifier is none"):
        EnsemblePruner(frozen, target_size=2, validation="oob").fit(X[others], y[others])


def test_members_are_not_fitted_anew_without_what_they_were_given():
    X, y = data("regression")
    weight = np.random.default_rng(0).uniform(0.1, 3, size=len(y))
    with config_context(enable_metadata_routing=True):
        learners = [
            (name, clone(one).set_fit_request(sample_weight="trust")) for name, one in REGRESSORS
        ]
        pruner = EnsemblePruner(VotingRegressor(learners), target_size=2, random_state=0)
        assert "validation rows" in str(pruner.fit(X, y, trust=weight).report())
        with pytest.raises(ValueError, match=r"no other fit parameters, and fit got \['trust'\]"):
            pruner.set_params(validation="oob").fit(X, y, trust=weight)


def test_refined_votes_hold_rows_out():
    X, y = data("regression")
    pruner = EnsemblePruner(vote("mean"), target_size=2, refine="weights", random_state=0)
    assert "validation rows" in str(pruner.fit(X, y).report())
    with pytest.raises(ValueError, match=r"a voting model \(with refine=None\)"):
        pruner.set_params(validation="oob").fit(X, y)
