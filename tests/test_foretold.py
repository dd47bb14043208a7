"""What cannot be searched, refined or judged so is refused before the ensemble is fitted."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from xgboost import XGBClassifier, XGBRegressor, XGBRFRegressor

from ensprune import EnsemblePruner, prune
from ensprune.combiner import LinearCombiner
from ensprune.holdout import hold_out
from ensprune.members import Members, open_members
from ensprune.members.opening import foretold
from ensprune.scoring import check_scores
from ensprune.selectors import (
    AllocationSelector,
    ClusterSelector,
    GreedySelector,
    ILPSelector,
    OrderingSelector,
    RandomSelector,
    WeightSelector,
)

from .families import FAMILIES, data, fitted

LEARNERS = [("tree", DecisionTreeClassifier(max_depth=3)), ("bayes", GaussianNB())]
EXACT = RandomForestClassifier(8, random_state=0)
EXACT_NUMBERS = RandomForestRegressor(8, random_state=0)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.id)
def test_what_is_foretold_of_a_family_comes_true(family):
    told = foretold(clone(family.make()))
    if family.name.startswith("search"):
        assert told is None
    if told is None:
        assert family.name.startswith(("search", "xgboost-parallel", "booster"))
        return
    members = open_members(fitted(family)[0])
    combiner = members.combiner
    assert told.kind == combiner.kind
    assert told.linear == combiner.linear
    assert told.classifies == (combiner.classes is not None)
    assert told.carries_weights == members.carries_weights
    assert told.link in (None, type(combiner.link))
    assert told.n_members is None or told.n_members >= members.n_members


def test_where_parameters_do_not_tell_nothing_is_foretold():
    assert foretold(GridSearchCV(EXACT, {"max_depth": [2]})) is None
    assert foretold(XGBRegressor(num_parallel_tree=3)) is None  # of one round it is a forest
    assert foretold(XGBRFRegressor()).kind == "mean"
    assert foretold(CalibratedClassifierCV(GridSearchCV(EXACT, {}))) is None


def test_an_adapter_from_outside_need_foretell_nothing():
    class Panel(LogisticRegression):
        pass

    class PanelMembers(Members):
        n_members = 3
        combiner = LinearCombiner("mean", None, None, 3)
        outputs = subset = parts = None

    open_members.register(Panel, PanelMembers)
    assert foretold(Panel()) is None


def unfit(estimator):
    """The same, of a class that cannot be fitted."""

    def fit(self, *rows, **weights):
        raise AssertionError("fitted")

    kind = type(estimator)
    return type(kind.__name__, (kind,), {"fit": fit})(**estimator.get_params(deep=False))


VOTE = VotingClassifier(LEARNERS, voting="soft")
SOFT = VotingClassifier([("bayes", GaussianNB()), ("lines", LinearSVC())], voting="soft")
STACK = StackingClassifier(LEARNERS)
BOOSTING = GradientBoostingClassifier()
LEAVES_OUT = "validation='oob' needs an ensemble whose members leave rows out"
OF_LINES = BaggingClassifier(LogisticRegression())


@pytest.mark.parametrize(
    ("estimator", "options", "error", "told"),
    [
        # options of a search
        (EXACT, {"selector": GreedySelector("sideways")}, ValueError, "direction='sideways'"),
        (EXACT, {"selector": OrderingSelector("beauty")}, ValueError, "criterion='beauty'"),
        (EXACT, {"selector": ClusterSelector("stars")}, ValueError, "clusterer='stars'"),
        (EXACT, {"selector": WeightSelector("hinge")}, ValueError, "loss='hinge'"),
        (EXACT, {"selector": ILPSelector(time_limit=0)}, ValueError, "time_limit=0"),
        (EXACT, {"selector": ILPSelector(solver="best")}, ValueError, "solver='best'"),
        (EXACT, {"selector": ILPSelector(min_recall={"ash": 2})}, ValueError, "must be in"),
        (EXACT, {"selector": RandomSelector("seed")}, ValueError, "'random_state' parameter of"),
        (VOTE, {"selector": AllocationSelector("best"), "deep": True}, ValueError, "inner='best'"),
        # searches that are not for such an ensemble
        (BOOSTING, {"selector": "cluster"}, ValueError, "stages of gradient boosting have none"),
        (XGBClassifier(), {"selector": "ordering"}, ValueError, "stages of gradient boosting"),
        (BOOSTING, {"selector": "ilp"}, ValueError, "sums its stages"),
        (HistGradientBoostingRegressor(), {"selector": "weights"}, ValueError, "ensemble is a sum"),
        (
            BOOSTING,
            {"selector": GreedySelector(replacement=True)},
            ValueError,
            "re-fits the weights",
        ),
        (AdaBoostRegressor(), {"selector": "ilp"}, ValueError, "a weighted median"),
        (STACK, {"selector": "weights"}, ValueError, "combined by a final estimator"),
        (CalibratedClassifierCV(EXACT), {"selector": "ilp"}, ValueError, "by calibrators"),
        (OF_LINES, {"selector": "weights"}, ValueError, "this ensemble cannot carry"),
        (OF_LINES, {"selector": GreedySelector(replacement=True)}, ValueError, "cannot carry"),
        (RandomForestRegressor(), {"selector": "ordering"}, ValueError, "defined by votes"),
        (RandomForestRegressor(), {"selector": ILPSelector("margin")}, ValueError, "classifiers"),
        (EXACT, {"selector": ILPSelector("absolute_error")}, ValueError, "for regressors"),
        (
            RandomForestRegressor(),
            {"selector": WeightSelector("log_loss")},
            ValueError,
            "class prob",
        ),
        (
            RandomForestRegressor(),
            {"selector": ILPSelector(min_recall={1: 0.5})},
            ValueError,
            "min_recall is for classifiers",
        ),
        # refinements
        (STACK, {"refine": "weights"}, TypeError, "cannot carry weights of"),
        (OF_LINES, {"refine": "weights"}, TypeError, "cannot carry weights of"),
        (AdaBoostClassifier(), {"refine": "leaves"}, TypeError, "its members vote for labels"),
        (AdaBoostRegressor(), {"refine": "leaves"}, TypeError, "predicts the weighted median"),
        (VOTE, {"refine": "leaves"}, TypeError, "its members are not all trees"),
        *(
            (ensemble, {"refine": "leaves"}, ValueError, told)
            for ensemble, told in [
                (GradientBoostingRegressor(loss="huber"), "is fitted for 'huber'"),
                (HistGradientBoostingRegressor(loss="absolute_error"), "'absolute_error'"),
                (HistGradientBoostingClassifier(monotonic_cst=[1, *[0] * 7]), "monotonicity"),
                (RandomForestRegressor(criterion="absolute_error"), "'absolute_error'"),
                (RandomForestRegressor(monotonic_cst=[1, *[0] * 7]), "monotonicity"),
                (
                    BaggingRegressor(DecisionTreeRegressor(criterion="absolute_error")),
                    "DecisionTreeRegressor is fitted for 'absolute_error'",
                ),
                (XGBRegressor(objective="reg:absoluteerror"), "'reg:absoluteerror'"),
                (XGBRegressor(monotone_constraints=(1, *[0] * 7)), "monotonicity"),
            ]
        ),
        # more members than there will be
        (EXACT, {"target_size": 9}, ValueError, r"more than the 8 members of .*int in \[1, 8\]"),
        (BOOSTING, {"target_size": 101}, ValueError, "more than the 100 members"),
        # members that there will not be
        (EXACT, {"cost": np.ones(7)}, ValueError, r"cost has shape \(7,\), .* has 8 members"),
        (EXACT, {"selector": ILPSelector(must_keep=[8])}, ValueError, "must_keep has index 8"),
        (
            EXACT,
            {"selector": ILPSelector(must_keep=[1], must_drop=[1, 2])},
            ValueError,
            "must_keep and must_drop both name member 1",
        ),
        (
            EXACT,
            {"selector": ILPSelector(at_most=[([0, 9], 1)])},
            ValueError,
            r"at_most\[0\] has index 9",
        ),
        # rules that cannot be kept
        (
            EXACT,
            {"selector": ILPSelector(must_keep=[0, 1, 4]), "target_size": 2},
            ValueError,
            "must_keep has 3 members but target_size is 2",
        ),
        (
            EXACT,
            {"selector": ILPSelector(must_keep=[0, 1, 4]), "target_size": 0.25},
            ValueError,
            "must_keep has 3 members but target_size is 2",
        ),
        (
            EXACT,
            {"selector": ILPSelector(must_keep=[0, 1], at_most=[([0, 1, 2], 1)])},
            ValueError,
            "must_keep has 2 members of a group of which at_most allows 1",
        ),
        (EXACT, {"selector": ILPSelector(must_drop=range(8))}, ValueError, "names all 8 members"),
        # a vote of probabilities that are not there
        (SOFT, {}, TypeError, r"'lines' \(LinearSVC\) has no predict_proba"),
        (SOFT, {"deep": True}, TypeError, r"'lines' \(LinearSVC\) has no predict_proba"),
        (OF_LINES, {"refine": "leaves"}, TypeError, "its members are not all trees"),
        (XGBClassifier(booster="gblinear"), {}, TypeError, "'gblinear' is a linear model"),
        # metrics of something else
        (RandomForestRegressor(), {"scoring": "accuracy"}, ValueError, "cannot score these values"),
        # rows that judge
        (
            EXACT,
            {"selector": WeightSelector("log_loss"), "validation": "oob"},
            ValueError,
            r"WeightSelector\(loss='log_loss'\) has no out-of-bag form",
        ),
        (BOOSTING, {"validation": "oob"}, ValueError, LEAVES_OUT),
        (
            RandomForestClassifier(bootstrap=False),
            {"validation": "oob"},
            ValueError,
            LEAVES_OUT,
        ),
        (VOTE, {"validation": "oob", "refine": "weights"}, ValueError, LEAVES_OUT),
    ],
)
@pytest.mark.parametrize("piped", [False, True])
def test_it_is_refused_before_the_fit(estimator, options, error, told, piped):
    X, y = data("multiclass")
    estimator = unfit(estimator)
    if "Regressor" in type(estimator).__name__:
        X, y = data("regression")
    elif isinstance(estimator, XGBClassifier):
        y = np.unique(y, return_inverse=True)[1]
    if piped:
        estimator = make_pipeline(StandardScaler(), estimator)
    with pytest.raises(error, match=told):
        EnsemblePruner(estimator, **options).fit(X, y)


def test_rows_are_held_out_for_a_search_that_has_no_form_out_of_bag():
    X, y = data("multiclass")
    asked = {"target_size": 3, "selector": WeightSelector("log_loss"), "random_state": 0}
    held_out = [EnsemblePruner(EXACT, validation=v, **asked).fit(X, y) for v in ("auto", 0.25)]
    np.testing.assert_array_equal(held_out[0].selected_, held_out[1].selected_)
    whole = clone(EXACT).fit(X, y)
    assert len(prune(whole, X, y, **asked)) == 3
    with pytest.raises(ValueError, match=r"validation='oob' .* no out-of-bag form"):
        prune(whole, X, y, validation="oob", **asked)


def test_members_of_a_soft_vote_may_get_their_probabilities_in_the_fit():
    X, y = data("binary")
    vote = VotingClassifier([("bayes", GaussianNB()), ("stack", STACK)], voting="soft")
    assert (
        EnsemblePruner(vote, target_size=1, validation=0.3, random_state=0).fit(X, y).n_members_
        == 1
    )


def test_a_limit_on_rounds_that_boosting_never_comes_near_is_no_array():
    X, y = data("binary")
    boosting = HistGradientBoostingClassifier(max_iter=10**9, early_stopping=True, random_state=0)
    tracemalloc.start()
    EnsemblePruner(boosting, target_size=2, random_state=0).fit(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e8


@pytest.mark.parametrize("piped", [False, True])
def test_rows_given_to_judge_are_like_those_trained_on(piped):
    X, y = data("multiclass")
    estimator = unfit(EXACT)
    if piped:
        estimator = make_pipeline(StandardScaler(), estimator)
    pruner = EnsemblePruner(estimator, scoring="roc_auc_ovr")
    with pytest.raises(ValueError, match=r"y_val has labels the ensemble .*: 'rock'; it"):
        pruner.fit(X, y, X_val=X[:3], y_val=[y[0], y[1], "rock"])
    for labels in (["rock", 1, 2], np.array([0, 1, 2], dtype=object)):
        with pytest.raises(ValueError, match=r"y_val (mixes labels of types|has labels the ens)"):
            EnsemblePruner(estimator).fit(X, y, X_val=X[:3], y_val=np.array(labels, dtype=object))
    with pytest.raises(ValueError, match=r"scoring='roc_auc_ovr' cannot .*: all are"):
        pruner.fit(X, y, X_val=X[:3], y_val=[y[0]] * 3)
    if not piped:
        with pytest.raises(ValueError, match=r"X_val has 2 columns, but X has"):
            pruner.fit(X, y, X_val=X[:, :2], y_val=y)


@pytest.mark.parametrize(
    "scoring",
    [
        "r2",
        "explained_variance",
        "d2_absolute_error_score",
        "neg_mean_squared_log_error",
        "neg_mean_poisson_deviance",
        "neg_mean_absolute_percentage_error",
        "neg_max_error",
    ],
)
def test_no_metric_of_numbers_minds_numbers(scoring):
    for y in ([0.0, 0.0, 0.5], [0.25, 0.5, 0.5], [0.0, 3.25]):
        check_scores(get_scorer(scoring), scoring, np.array(y), classifies=False)


def test_logarithms_of_negative_values_are_refused():
    scoring = "neg_mean_squared_log_error"
    with pytest.raises(ValueError, match=f"scoring='{scoring}' cannot score these values: Mean"):
        check_scores(get_scorer(scoring), scoring, np.array([0.5, 2.0, -3.0]), classifies=False)


def test_whole_numbers_may_be_labels():
    check_scores(get_scorer("accuracy"), "accuracy", np.array([1.0, 2.0, 2.0]), classifies=False)


def test_values_that_judge_nobody_may_be_any():
    X, y = data("regression")
    y = np.abs(y) + 0.5
    asked = {"target_size": 2, "scoring": "neg_mean_gamma_deviance", "random_state": 0}
    forest = RandomForestRegressor(4, bootstrap=False, random_state=0)
    trained, judging = (rows[0] for rows in hold_out(y, 0.25, False, 0))
    with_zero = {row: np.where(np.arange(len(y)) == row, 0.0, y) for row in (trained, judging)}
    assert EnsemblePruner(forest, **asked).fit(X, with_zero[trained]).n_members_ == 2
    for estimator, row in ((forest, judging), (EXACT_NUMBERS, trained)):  # held out, out of bag
        with pytest.raises(ValueError, match="cannot score these values"):
            EnsemblePruner(unfit(estimator), **asked).fit(X, with_zero[row])
    pruner = EnsemblePruner(forest, **asked)
    assert pruner.fit(X, with_zero[trained], X_val=X[:50], y_val=y[:50]).n_members_ == 2


def test_bagging_of_what_turns_out_to_be_a_tree_carries_weights():
    class Wrapped(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            self.inside_ = DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, y)
            self.classes_, self.n_outputs_ = self.inside_.classes_, 1
            self.tree_ = self.inside_.tree_
            return self

        def predict_proba(self, X):
            return self.inside_.predict_proba(X)

        def predict(self, X):
            return self.inside_.predict(X)

    X, y = data("binary")
    bagging = BaggingClassifier(Wrapped(), n_estimators=4, random_state=0)
    assert foretold(bagging) is None
    assert open_members(clone(bagging).fit(X, y)).carries_weights


def test_stacking_at_the_end_of_a_pipeline_has_nothing_out_of_fold():
    X, y = data("binary")
    pipeline = make_pipeline(StandardScaler(), unfit(STACK))
    with pytest.raises(ValueError, match=r"no step of a pipeline .* Pipeline is none here"):
        EnsemblePruner(pipeline, validation="oob").fit(X, y)


@pytest.mark.parametrize("judged", [{}, {"refine": "leaves"}, {"deep": True}])
def test_bagging_that_draws_some_rows_once_leaves_the_others_out(judged):
    X, y = data("binary")
    bagging = BaggingClassifier(n_estimators=6, bootstrap=False, max_samples=0.5, random_state=0)
    pruner = EnsemblePruner(bagging, target_size=2, validation="oob", random_state=0, **judged)
    assert pruner.fit(X, y).n_members_ == 2


@pytest.mark.parametrize("ensemble", [VOTE, STACK])
def test_members_that_are_no_ensembles_are_judged_out_of_fold_with_deep_too(ensemble):
    X, y = data("binary")
    pruner = EnsemblePruner(ensemble, target_size=1, validation="oob", deep=True, random_state=0)
    assert pruner.fit(X, y).n_members_ == 1
