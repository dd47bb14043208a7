"""target_size="auto" and "1se", and what is certified of the result."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import make_scorer, mean_absolute_error

from ensprune import EnsemblePruner, prune, sizing
from ensprune.averages import is_average, sample_losses, worst_difference
from ensprune.certificate import Certificate, certification_split, rounded_up, rows_needed
from ensprune.path import PathPoint, PruningPath, SelectorResult
from ensprune.replay import Replay
from ensprune.selectors import Problem, Selector
from ensprune.selectors.ilp import ILPSelector
from ensprune.sizing import rungs

from .families import FAMILIES, data


def _ids(family):
    return family.id


@pytest.fixture(scope="module")
def binary():
    X, y = make_classification(1600, 10, n_informative=6, flip_y=0.1, random_state=0)
    forest = RandomForestClassifier(10, random_state=0).fit(X[:600], y[:600])
    return forest, X[600:], y[600:]


# --- without a certificate ----------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES, ids=_ids)
def test_auto_is_the_cheapest_point_that_keeps_the_score(family):
    X, y = data(family.task, family.integer_labels)
    # In the unit of the score: a share of what there is to lose.
    pruner = EnsemblePruner(
        family.make(), target_size="auto", tolerance=0.03, validation=0.5, random_state=0
    ).fit(X, y)
    least = pruner.score_full_ - 0.03
    cheaper = [point for point in pruner.path_ if point.cost < pruner.cost_pruned_]
    assert pruner.score_pruned_ >= least - 1e-6
    assert all(point.score < least + 1e-6 for point in cheaper)
    assert pruner.certificate_ is None
    assert pruner.path_[-1].size == pruner.path_[-1].cost == len(pruner.support_)


def test_auto_out_of_bag(binary):
    _, X, y = binary
    pruner = EnsemblePruner(
        RandomForestClassifier(60, random_state=0), target_size="auto", tolerance=0.02
    ).fit(X, y)
    assert pruner.n_members_ < 60
    assert pruner.score_pruned_ >= pruner.score_full_ - 0.02


def test_nothing_to_lose_needs_no_more_than_the_tolerance_allows(binary):
    forest, X, y = binary
    sizes = [
        len(prune(forest, X, y, target_size="auto", tolerance=tolerance))
        for tolerance in (0.0, 0.01, 0.05, 1.0)
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 1


def test_auto_minimises_the_cost(binary):
    forest, X, y = binary
    pruner = EnsemblePruner(
        FrozenEstimator(forest), target_size="auto", tolerance=0.01, cost="nodes"
    ).fit(X, y)
    enough = [p.cost for p in pruner.path_ if p.score >= pruner.score_full_ - 0.01 - 1e-9]
    assert pruner.cost_pruned_ == min(enough)


def test_a_selector_of_one_budget_answers_auto_as_well(binary):
    forest, X, y = binary
    ilp = ILPSelector(must_keep=list(range(6)))
    pruner = EnsemblePruner(
        FrozenEstimator(forest), target_size="auto", tolerance=0.02, selector=ilp
    ).fit(X[:300], y[:300])
    assert set(range(6)) <= set(pruner.selected_)
    assert pruner.score_pruned_ >= pruner.score_full_ - 0.02


@pytest.mark.parametrize("selector", ["ilp", "auto"])
def test_of_few_members_every_size_is_searched(binary, selector):
    forest, X, y = binary
    pruner = EnsemblePruner(FrozenEstimator(forest), target_size="1se", selector=selector)
    path = pruner.fit(X[:300], y[:300]).path_
    assert [point.size for point in path] == list(range(1, 11))
    # Each the best of its size, by looking at all of them.
    said = np.array([tree.predict_proba(X[:300])[:, 1] for tree in forest.estimators_])

    def loss(kept):
        return np.mean((said[list(kept)].mean(axis=0) - y[:300]) ** 2)

    for point in path:
        least = min(map(loss, combinations(range(10), point.size)))
        assert loss(point.indices) == pytest.approx(least, abs=1e-6)
    pruner.set_params(target_size="auto", tolerance=0.4).fit(X[:300], y[:300])
    assert pruner.n_members_ == 1


def test_of_many_members_sizes_between_two_budgets_are_halved(binary, monkeypatch):
    forest, X, y = binary
    sizes = []

    class OfOneSize(Selector):
        def select(self, problem):
            order = problem.start().candidates().argsort()  # the worst first
            kept = order[: round(problem.budget)]
            sizes.append(len(kept))
            result = SelectorResult(f"{len(kept)} kept", 0.0, 0.0)
            return PruningPath((problem.point(kept, 0.0),), result)

    monkeypatch.setattr(sizing, "_EVERY_SIZE", 0)
    pruner = EnsemblePruner(FrozenEstimator(forest), target_size=8, selector=OfOneSize()).fit(X, y)
    enough = pruner.score_pruned_
    pruner.set_params(target_size="auto", tolerance=pruner.score_full_ - enough)
    sizes.clear()
    by_size = {point.size: point.score for point in pruner.fit(X, y).path_}
    assert sizes == [5, 10, 8, 7]  # the worst members: the more the better
    assert list(by_size) == [5, 7, 8, 10]
    assert pruner.n_members_ == 8
    assert by_size[8] == enough > by_size[7]
    assert pruner.selector_result_.status == "8 kept"


def test_one_standard_error_by_hand():
    scores = [(0.70, 0.02), (0.79, 0.02), (0.78, 0.01), (0.80, 0.015), (0.79, 0.05)]
    points = [PathPoint(tuple(range(k + 1)), k + 1.0, 0.0) for k in range(5)]
    path = PruningPath(tuple(points), None).with_scores(scores)
    # The best is 0.80 with standard error 0.015: 0.79 is enough, and two members have it.
    assert path.within_one_standard_error().size == 2
    assert path.keeping(0.795).size == 4
    assert path.keeping(0.81) is None


def test_one_standard_error_of_a_fit(binary):
    forest, X, y = binary
    pruner = EnsemblePruner(FrozenEstimator(forest), target_size="1se").fit(X, y)
    frame = pruner.path_.to_frame()
    best = frame.loc[frame["score"].idxmax()]
    enough = frame[frame["score"] >= best["score"] - best["score_se"] - 1e-9]
    assert pruner.n_members_ == enough["size"].min()
    assert frame["size"].max() == 10


@pytest.mark.parametrize("n", [1, 5, 16, 500])
def test_budgets_double_up_to_the_full_cost(n):
    costs = np.full(n, 2.5)
    budgets = rungs(costs)
    assert budgets[-1] == 2.5 * n
    assert budgets[0] >= 2.5
    assert all(b == 2 * a for a, b in pairwise(budgets))


def test_at_reaches_every_size_searched(binary):
    forest, X, y = binary
    pruner = EnsemblePruner(FrozenEstimator(forest), target_size="1se").fit(X, y)
    assert len(pruner.at(7)) == 7
    assert len(pruner.at(1.0)) == 10
    with pytest.raises(TypeError, match="target_size='auto' is no size"):
        pruner.at("auto")


# --- with one -----------------------------------------------------------------------------------

TOLERANCES = {
    "accuracy": 0.06,
    "neg_log_loss": 1.0,
    "neg_brier_score": 0.06,
    "roc_auc": 0.06,
    "balanced_accuracy": 0.06,
    "f1": 0.06,
}


@pytest.mark.parametrize("scoring", TOLERANCES)
def test_a_certificate_of_classifiers(binary, scoring):
    forest, X, y = binary
    pruner = EnsemblePruner(
        FrozenEstimator(forest),
        target_size="auto",
        tolerance=TOLERANCES[scoring],
        confidence=0.9,
        scoring=scoring,
        random_state=0,
    ).fit(X[:600], y[:600])
    _agrees(pruner, 600)
    assert pruner.certificate_.metric == scoring
    assert 1 < pruner.n_members_ < 10


@pytest.mark.parametrize("scoring", ["r2", "neg_mean_squared_error", "neg_mean_absolute_error"])
@pytest.mark.parametrize("validation", ["auto", 0.5])
def test_a_certificate_of_regressors(scoring, validation):
    X, y = make_regression(500, 8, noise=20.0, random_state=0)
    tolerance = {"r2": 0.1}.get(scoring, 0.2 * y.std())
    if scoring == "neg_mean_squared_error":
        tolerance = 0.1 * y.var()
    pruner = EnsemblePruner(
        RandomForestRegressor(24, random_state=0),
        target_size="auto",
        tolerance=tolerance,
        confidence=0.9,
        scoring=scoring,
        validation=validation,
        random_state=0,
    ).fit(X, y)
    _agrees(pruner, 500 if validation == "auto" else 250)
    assert pruner.n_members_ < 24


def _agrees(pruner, n_rows):
    """The certificate, the path and the scores tell one story."""
    certificate = pruner.certificate_
    assert certificate.size == pruner.n_members_
    assert certificate.size_full == len(pruner.support_)
    assert certificate.n_selection == n_rows // 2
    # Out of bag, small ensembles have nobody to speak for some rows: a member saw 63 % of them.
    spoken = certificate.n_certification / (n_rows - n_rows // 2)
    assert 1 - 0.632**certificate.size - 0.1 <= spoken <= 1
    assert certificate.loss <= certificate.bound <= certificate.tolerance == pruner.tolerance
    if certificate.n_certification == n_rows - n_rows // 2:
        by_scores = pruner.score_full_ - pruner.score_pruned_
        assert certificate.loss == pytest.approx(by_scores, rel=1e-6, abs=1e-6)
    assert certificate.confidence == 0.9
    assert certificate.n_tests >= 1
    chosen = [point for point in pruner.path_ if point.size == certificate.size]
    assert pruner.score_pruned_ in [point.score for point in chosen]


def test_the_sequence_ends_at_the_first_size_that_fails(binary):
    forest, X, y = binary
    options = {"target_size": "auto", "tolerance": 0.03, "confidence": 0.9, "random_state": 0}
    pruner = EnsemblePruner(FrozenEstimator(forest), **options).fit(X, y)
    by_size = {point.size: point for point in pruner.path_}
    one_by_one = {
        size: EnsemblePruner(
            FrozenEstimator(forest),
            target_size=size,
            confidence=0.9,
            random_state=0,
            selector=_Fixed(point),
        )
        .fit(X, y)
        .certificate_
        for size, point in by_size.items()
    }
    passed = sorted(
        (size for size, c in one_by_one.items() if c.bound <= 0.03 or size == 10), reverse=True
    )
    expected = 10
    for size in range(9, 0, -1):
        if size not in passed:
            break
        expected = size
    assert pruner.n_members_ == expected
    assert pruner.certificate_.n_tests == 10 - expected + 1
    assert pruner.certificate_.bound == one_by_one[expected].bound


class _Fixed:
    """A selector that has made up its mind."""

    def __init__(self, point):
        self.point = point

    def select(self, problem: Problem) -> PruningPath:
        return PruningPath((self.point,), None)


def test_labels_that_certify_choose_nothing(binary, monkeypatch):
    forest, X, y = binary
    options = {"target_size": 4, "confidence": 0.9, "random_state": 0}
    before = EnsemblePruner(FrozenEstimator(forest), **options).fit(X, y)
    certifying = certification_split(y, 0.9, True, 0)[1]
    # Every label of that half turned around; the split is kept as it was.
    turned = y.copy()
    turned[certifying] = 1 - turned[certifying]
    halves = [np.setdiff1d(np.arange(len(y)), certifying), certifying]
    monkeypatch.setattr("ensprune.judging.certification_split", lambda *_: halves)
    after = EnsemblePruner(FrozenEstimator(forest), **options).fit(X, turned)
    assert after.selected_.tolist() == before.selected_.tolist()
    assert after.score_pruned_ == pytest.approx(1 - before.score_pruned_)


def test_a_fixed_size_is_certified_as_it_is(binary):
    forest, X, y = binary
    pruner = EnsemblePruner(
        FrozenEstimator(forest), target_size=5, confidence=0.95, random_state=0
    ).fit(X, y)
    certificate = pruner.certificate_
    assert (certificate.size, certificate.tolerance, certificate.n_tests) == (5, None, 1)
    assert certificate.bound > certificate.loss
    assert "kept 5 of 10 members; accuracy lost at most 0.0" in str(certificate)
    assert "with 95 % confidence, on 500 rows that had no part in choosing them" in str(certificate)


def test_without_tolerance_nothing_is_certified_but_the_full_ensemble(binary):
    forest, X, y = binary
    pruner = EnsemblePruner(
        FrozenEstimator(forest), target_size="auto", confidence=0.99, random_state=0
    ).fit(X, y)
    assert pruner.n_members_ == 10
    assert pruner.certificate_.bound == 0.0
    assert "no smaller ensemble on the path is certified" in str(pruner.certificate_)


def test_weighted_rows_count(binary):
    forest, X, y = binary
    weight = np.random.default_rng(0).integers(1, 4, len(y)).astype(float)
    pruner = EnsemblePruner(
        FrozenEstimator(forest), target_size=4, confidence=0.9, random_state=0
    ).fit(X, y, sample_weight=weight)
    assert pruner.certificate_.loss == pytest.approx(pruner.score_full_ - pruner.score_pruned_)
    assert pruner.certificate_.bound > pruner.certificate_.loss


@pytest.mark.parametrize("scoring", ["accuracy", "f1"])
def test_an_ensemble_that_answers_alike_is_still_bounded_by_what_was_not_seen(scoring):
    X, y = make_classification(400, 6, random_state=0)
    forest = RandomForestClassifier(3, bootstrap=False, max_features=None, random_state=0)
    forest.fit(X, y)  # three times the same tree, up to ties
    forest.estimators_ = [forest.estimators_[0]] * 3
    pruner = EnsemblePruner(
        FrozenEstimator(forest), target_size=1, confidence=0.95, scoring=scoring, random_state=0
    ).fit(X, y)
    assert pruner.certificate_.loss == 0.0
    assert 1 / 200 < pruner.certificate_.bound < 0.03


def test_a_metric_that_hides_being_an_average_gets_nearly_the_same_bound(binary):
    forest, X, y = binary
    options = {"target_size": 4, "confidence": 0.9, "random_state": 0, "selector": "first"}

    def right(y_true, y_pred):
        return np.mean(y_true == y_pred)

    known, hidden = (
        EnsemblePruner(FrozenEstimator(forest), scoring=scoring, **options).fit(X, y).certificate_
        for scoring in ("accuracy", make_scorer(right))
    )
    assert "paired differences" in known.test
    assert hidden.test == "paired bootstrap with a worst-case row"
    assert hidden.metric == "right"
    assert hidden.loss == pytest.approx(known.loss)
    assert hidden.bound == pytest.approx(known.bound, rel=0.25)


# --- per-sample losses --------------------------------------------------------------------------


def test_the_worst_difference_is_found_by_trying_all_labels():
    from sklearn.metrics import get_scorer

    rng = np.random.default_rng(0)
    classes = np.array(["a", "b", "c"])
    full, pruned = (rng.dirichlet(np.ones(3), 30) for _ in range(2))
    pruned[4] = [0.0, 0.5, 0.5]
    replays = [Replay(classes, classes[p.argmax(1)], p) for p in (full, pruned)]
    y = classes[rng.integers(3, size=30)]
    scorer = get_scorer("neg_log_loss")
    clipped = [np.clip(p, np.finfo(float).eps, 1 - np.finfo(float).eps) for p in (full, pruned)]
    by_hand = (np.log(clipped[0]) - np.log(clipped[1])).max()
    assert worst_difference(scorer, *replays, y) == pytest.approx(by_hand)
    assert by_hand > 20  # the class without probability in row 4
    assert worst_difference(get_scorer("accuracy"), *replays, y) == 1.0


def test_averages_are_known_by_their_metric():
    from sklearn.metrics import get_scorer

    assert is_average(get_scorer("neg_log_loss"))
    assert not is_average(get_scorer("r2"))
    assert not is_average(get_scorer("roc_auc"))
    assert not is_average(lambda estimator, X, y: 0.0)
    assert not is_average(make_scorer(mean_absolute_error, greater_is_better=True))
    halved = make_scorer(mean_absolute_error, multioutput="raw_values")
    assert not is_average(halved)
    assert sample_losses(halved, Replay(None, np.zeros(3)), np.zeros(3)) is None


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tolerance": -0.1}, "'tolerance'.*Got -0.1"),
        ({"tolerance": float("nan")}, "'tolerance'.*Got nan"),
        ({"confidence": 0.0}, "'confidence'.*Got 0.0"),
        ({"confidence": 1.0}, "'confidence'.*Got 1.0"),
        ({"confidence": 95}, "'confidence'.*Got 95"),
        ({"target_size": "smallest"}, "'target_size'.*'1se'.*Got 'smallest'"),
    ],
)
def test_bad_parameters_are_named(binary, options, message):
    forest, X, y = binary
    with pytest.raises(ValueError, match=message):
        EnsemblePruner(FrozenEstimator(forest), **options).fit(X, y)


@pytest.mark.parametrize("confidence", [0.95, 0.999])
def test_too_few_rows_to_certify_say_how_many_it_takes(binary, confidence):
    forest, X, y = binary
    needed = rows_needed(confidence)
    assert needed == round(1 / (1 - confidence))
    few = min(len(y), 2 * needed - 2)
    with pytest.raises(
        ValueError, match=rf"confidence={confidence} takes at least {needed} rows.*{2 * needed}"
    ):
        prune(forest, X[:few], y[:few], target_size="auto", tolerance=0.1, confidence=confidence)


def test_bounds_are_rounded_so_that_they_look_no_better():
    assert rounded_up(0.0123401) == pytest.approx(0.0124)
    assert rounded_up(-0.0123401) == pytest.approx(-0.0123)
    assert rounded_up(0.0) == 0.0
    assert rounded_up(np.inf) == np.inf


def test_what_is_gained_for_sure_is_said_so():
    gain = Certificate(3, 9, "accuracy", -0.03, -0.01234, 0.9, None, "test", 50, 50, 1)
    assert "accuracy gained at least 0.0123 with 90 % confidence" in str(gain)
    loss = Certificate(3, 9, "accuracy", 0.01, 0.02341, 0.9, None, "test", 50, 50, 1)
    assert "accuracy lost at most 0.0235 with 90 % confidence" in str(loss)
    nothing = Certificate(3, 9, "accuracy", 0.0, -0.0, 0.9, None, "test", 50, 50, 1)
    assert "accuracy lost at most 0 with 90 % confidence" in str(nothing)
