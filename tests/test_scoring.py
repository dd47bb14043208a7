"""What is wrong with a scorer, or with what is to be pruned, is said before anything is fitted."""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    cohen_kappa_score,
    f1_score,
    fbeta_score,
    get_scorer,
    get_scorer_names,
    jaccard_score,
    log_loss,
    make_scorer,
    mean_squared_error,
    precision_score,
    top_k_accuracy_score,
)
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from ensprune import EnsemblePruner, compact, prune, refine_leaves
from ensprune.members import open_members
from ensprune.objectives import make_objective
from ensprune.scoring import check_scores

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
WORDS = np.where(X[:, 0] + RNG.normal(size=120) > 0, "good", "bad")
THREE = np.digitize(X[:, 0], [-0.5, 0.5])


class NeverFitted(RandomForestClassifier):
    """Fitting it is the failure."""

    def fit(self, X, y, sample_weight=None):
        raise AssertionError("the ensemble was fitted before the arguments were looked at")


class Alone(DecisionTreeClassifier):
    fit = NeverFitted.fit


@pytest.mark.parametrize(
    ("scoring", "y", "message"),
    [
        ("f1", WORDS, r"scoring='f1' cannot score .*make_scorer\(f1_score, pos_label='good', \.\.\.\)"),
        ("average_precision", WORDS, "name the positive class"),
        ("neg_brier_score", WORDS, "name the positive class"),
        (make_scorer(f1_score, pos_label="well"), WORDS, "pos_label=well is not a valid label"),
        ("r2", WORDS, "scoring='r2' cannot score these labels: could not convert"),
        ("f1", THREE, "scoring='f1' cannot score these labels: Target is multiclass"),
        (make_scorer(jaccard_score, zero_division=np.nan), THREE, "'zero_division' parameter of jacc"),
        (make_scorer(fbeta_score, beta=-1.0), THREE, "'beta' parameter of fbeta_score"),
    ],
)  # fmt: skip
def test_scorers_that_cannot_score_the_labels(scoring, y, message):
    with pytest.raises(ValueError, match=message):
        EnsemblePruner(NeverFitted(10), scoring=scoring).fit(X, y)
    with pytest.raises(ValueError, match=message):
        EnsemblePruner(FrozenEstimator(RandomForestClassifier(5).fit(X, y)), scoring=scoring).fit(
            X, y
        )


@pytest.mark.parametrize("scoring", ["f1_macro", "roc_auc_ovr", "neg_log_loss", "accuracy"])
@pytest.mark.parametrize("y", [WORDS, THREE], ids=["words", "three"])
def test_scorers_that_can(scoring, y):
    assert EnsemblePruner(RandomForestClassifier(5), scoring=scoring).fit(X, y).n_members_ == 1


def test_the_labels_asked_about_are_those_that_judge():
    forest = RandomForestClassifier(10, random_state=0)
    two = THREE != 1
    with pytest.raises(ValueError, match="Target is multiclass"):
        EnsemblePruner(forest, scoring="f1").fit(X[two], THREE[two] > 0, X_val=X, y_val=THREE)
    good = make_scorer(f1_score, pos_label="good")
    pruner = EnsemblePruner(forest, scoring=good, target_size=3).fit(X, WORDS)
    assert 0 < pruner.score_pruned_ <= 1


@pytest.mark.parametrize(
    "scoring",
    [
        make_scorer(log_loss, response_method="predict_proba", labels=[0, 1, 2]),
        make_scorer(top_k_accuracy_score, response_method="predict_proba", labels=[0, 1, 2]),
        make_scorer(f1_score, labels=[0, 2], average="macro", zero_division=0),
    ],
)
def test_rows_that_judge_may_lack_a_class(scoring):
    some = THREE != 2
    forest = RandomForestClassifier(10, random_state=0)
    given = EnsemblePruner(forest, scoring=scoring, target_size=2)
    assert given.fit(X, THREE, X_val=X[some], y_val=THREE[some]).n_members_ == 2
    frozen = FrozenEstimator(forest.fit(X, THREE))
    assert EnsemblePruner(frozen, scoring=scoring, target_size=2).fit(X[some], THREE[some])


@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss", "roc_auc_ovr"])
@pytest.mark.parametrize("inside", ["itself", "a pipeline", "a search"])
def test_stacking_by_default_has_no_methods_before_it_is_fitted(scoring, inside):
    learners = [("bayes", GaussianNB()), ("stump", DecisionTreeClassifier(max_depth=1))]
    stacking = StackingClassifier(learners, cv=3)
    ensemble = {
        "itself": stacking,
        "a pipeline": make_pipeline(StandardScaler(), stacking),
        "a search": GridSearchCV(stacking, {"passthrough": [False]}, cv=2),
    }[inside]
    pruner = EnsemblePruner(ensemble, target_size=1, scoring=scoring, random_state=0)
    small = pruner.fit(X, THREE, X_val=X, y_val=THREE).pruned_estimator_
    assert pruner.score_pruned_ == pytest.approx(get_scorer(scoring)(small, X, THREE))


def test_filters_of_warnings_stay_while_labels_are_tried():
    # They belong to the process: put aside by two threads at once, they may never come back.
    def metric(true, said):
        seen.append((list(warnings.filters), true.tolist(), said.tolist()))
        return 1.0

    metric.__module__ = "sklearn.metrics.of_a_test"
    seen = []
    check_scores(make_scorer(metric), "mine", WORDS, classifies=True)
    (filters, true, said), *others = seen
    assert filters == list(warnings.filters)
    assert not others
    assert set(true) == set(said) == set(WORDS)


def test_nothing_is_asked_of_callables_that_may_look_at_anything():
    def picky(estimator, X, y):
        if len(y) < 10:
            raise ValueError("too few rows for me")
        return estimator.score(X, y)

    check_scores(picky, picky, WORDS, classifies=True)
    check_scores(
        make_scorer(lambda true, said: 1 / (len(true) - 2)), "mine", WORDS, classifies=True
    )
    # Of one class nobody can say, and numbers are no classes.
    check_scores(make_scorer(f1_score), "f1", np.zeros(9), classifies=True)
    check_scores(make_scorer(f1_score), "f1", np.arange(9999.0), classifies=True)


KINDS = {
    "0, 1": X[:, 0] > 0,
    "-1, 1": np.where(X[:, 0] > 0, 1, -1),
    "1, 2": np.where(X[:, 0] > 0, 2, 1),
    "words": WORDS,
    "three": THREE,
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_refused_is_what_scikit_learn_refuses(kind):
    y = KINDS[kind]
    forest = RandomForestClassifier(5, max_depth=2, random_state=0).fit(X, y)

    def refused(call):
        try:
            call()
        except (TypeError, ValueError):
            return True
        return False

    for name in get_scorer_names():
        pruner = EnsemblePruner(RandomForestClassifier(), scoring=name)
        ours, theirs = (
            refused(lambda p=pruner: p._check_scoring(y)),
            refused(lambda n=name: get_scorer(n)(forest, X, y)),
        )
        assert ours == theirs, name


def test_a_metric_is_no_scorer():
    with pytest.raises(
        TypeError, match=r"of a metric .* sklearn\.metrics\.make_scorer makes a scorer"
    ):
        EnsemblePruner(NeverFitted(), scoring=f1_score).fit(X, THREE)


def test_answers_that_the_ensemble_will_not_have():
    vote = VotingClassifier([("a", NeverFitted()), ("b", GaussianNB())])
    with pytest.raises(
        TypeError, match="asks for predict_proba, which VotingClassifier does not have"
    ):
        EnsemblePruner(vote, scoring="neg_log_loss").fit(X, THREE)
    # Either will do.
    EnsemblePruner(
        RandomForestClassifier(5),
        scoring=make_scorer(
            average_precision_score,
            response_method=("decision_function", "predict_proba"),
            pos_label="bad",
        ),
    ).fit(X, WORDS)


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda tree: tree,
        lambda tree: make_pipeline(StandardScaler(), tree),
        lambda tree: GridSearchCV(make_pipeline(StandardScaler(), tree), {}),
    ],
    ids=["alone", "in a pipeline", "in a search"],
)
def test_what_is_no_ensemble_is_not_fitted(wrapped):
    with pytest.raises(TypeError, match="estimator=Alone is no ensemble that ensprune knows"):
        EnsemblePruner(wrapped(Alone())).fit(X, THREE)
    for estimator in (LogisticRegression(), IsolationForest()):
        with pytest.raises(TypeError, match="no ensemble that ensprune knows"):
            EnsemblePruner(estimator).fit(X, THREE)


def test_a_class_is_no_estimator():
    for call in (
        EnsemblePruner(RandomForestClassifier).fit,
        partial(prune, RandomForestClassifier),
    ):
        with pytest.raises(TypeError, match=r"estimator|class"):
            call(X, THREE)
    with pytest.raises(TypeError, match=r"is a class; give one of it, such as ForestLike\(\)"):
        EnsemblePruner(type("ForestLike", (RandomForestClassifier,), {})).fit(X, THREE)


def test_what_is_around_an_ensemble_is_told_what_to_give():
    around = OneVsRestClassifier(RandomForestClassifier(5, random_state=0))
    with pytest.raises(TypeError, match="its estimator RandomForestClassifier can be pruned: give"):
        EnsemblePruner(around).fit(X, THREE)
    inside = EnsemblePruner(around.estimator, target_size=2)
    ones = around.set_params(estimator=inside).fit(X, THREE).estimators_
    assert [one.pruned_estimator_.n_estimators for one in ones] == [2, 2, 2]
    with pytest.raises(TypeError, match="no ensemble that ensprune knows"):
        EnsemblePruner(OneVsRestClassifier(LogisticRegression())).fit(X, THREE)


def test_a_fitted_pruner_is_told_what_to_give():
    pruner = EnsemblePruner(RandomForestClassifier(5), target_size=2).fit(X, THREE)
    for call in (prune, compact, refine_leaves):
        with pytest.raises(
            TypeError, match="EnsemblePruner is no ensemble but has one; give its pru"
        ):
            call(pruner, X, THREE)


@pytest.mark.parametrize(
    "scorer",
    [
        make_scorer(jaccard_score, zero_division=np.nan),
        make_scorer(precision_score, average="macros"),
        make_scorer(fbeta_score, beta=-2.0, average="macro"),
        make_scorer(cohen_kappa_score, weights="cubic"),
    ],
)
def test_fast_forms_check_the_parameters_that_scikit_learn_checks(scorer):
    forest = RandomForestClassifier(5, random_state=0).fit(X, THREE)
    with pytest.raises(ValueError, match="parameter of") as theirs:
        scorer(forest, X, THREE)
    with pytest.raises(ValueError, match="parameter of") as ours:
        make_objective(scorer, open_members(forest).combiner)
    assert str(ours.value) == str(theirs.value)


def test_a_scorer_of_numbers_asks_for_nothing_else():
    check_scores(make_scorer(mean_squared_error), "mse", THREE, classifies=True)


@pytest.mark.parametrize("options", [{}, {"target_size": "auto"}, {"target_size": "1se"}])
def test_a_metric_that_always_fails_says_so_out_of_bag_too(options):
    def broken(estimator, X, y):
        raise ValueError("the metric is broken")

    X, y = make_classification(200, random_state=0)
    forest = RandomForestClassifier(4, random_state=0)  # some rows are in every bag
    with pytest.raises(ValueError, match="the metric is broken"):
        EnsemblePruner(forest, **{"target_size": 2, "scoring": broken} | options).fit(X, y)


def test_a_metric_that_fails_where_few_members_speak_leaves_these_without_a_score():
    def demanding(estimator, X, y):
        if len(y) < 0.5 * n_rows:
            raise ValueError("too few rows")
        return estimator.score(X, y)

    X, y = make_classification(200, random_state=0)
    n_rows = len(y)
    pruner = EnsemblePruner(RandomForestClassifier(8, random_state=0), 4, scoring=demanding)
    scores = pruner.fit(X, y).path_.to_frame()["score"].to_numpy()
    assert np.isnan(scores[0])
    assert np.isfinite(scores[-1])
    assert np.isfinite(pruner.score_full_)


def test_rows_out_of_bag_that_lack_a_class_leave_no_score():
    X, y = make_classification(60, n_classes=3, n_informative=4, random_state=0)
    pruner = EnsemblePruner(
        RandomForestClassifier(2, random_state=0), 1, scoring="neg_log_loss", validation="oob"
    )
    bags = pruner.fit(X, y).estimator_.estimators_samples_
    spoken_for = ~np.all([np.isin(np.arange(len(y)), bag) for bag in bags], axis=0)
    y = np.where(spoken_for & (y == 1), 2, y)  # bags are drawn by position
    assert 1 in y
    pruner.fit(X, y)
    assert np.isnan(pruner.score_full_)
    assert pruner.path_.to_frame()["score"].isna().all()
