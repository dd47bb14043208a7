"""Ordering criteria: numbers worked out by hand, and laws that all obey."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import cohen_kappa_score

from ensprune import EnsemblePruner, prune
from ensprune.combiner import LinearCombiner
from ensprune.link import Identity, Probability
from ensprune.objectives import make_objective
from ensprune.selectors import OrderingSelector, Problem
from ensprune.selectors.ordering import (
    Ballots,
    Criterion,
    criterion_names,
    make_criterion,
    register_criterion,
)
from ensprune.selectors.ordering.agreement import pairwise_kappa
from ensprune.selectors.ordering.plurality import DiversityRegularised
from ensprune.selectors.ordering.ranking import MarginDiversity
from ensprune.selectors.ordering.signature import MarginDistance

from ..families import BOOSTED, FAMILIES, fitted

ALL = criterion_names()
REGRESSION = criterion_names(regression=True)


def voting(votes, y, *, mask=None, sample_weight=None, costs=None, budget=None, classes=None):
    """A problem of members that vote with certainty."""
    votes, y = np.asarray(votes), np.asarray(y)
    classes = np.unique(np.append(votes, y)) if classes is None else np.asarray(classes)
    outputs = (votes[:, None, :] == classes[:, None]).astype(np.float32)
    combiner = LinearCombiner("mean", Probability(), classes, len(votes))
    costs = np.ones(len(votes)) if costs is None else np.asarray(costs, dtype=float)
    return Problem(
        outputs=outputs,
        y=y,
        combiner=combiner,
        objective=make_objective("accuracy" if mask is None else "neg_brier_score", combiner),
        costs=costs,
        budget=float(costs.sum()) if budget is None else budget,
        sample_weight=sample_weight,
        mask=mask,
    )


def averaging(values, y):
    values = np.asarray(values, dtype=np.float32)
    combiner = LinearCombiner("mean", Identity(), None, len(values))
    objective = make_objective("neg_mean_squared_error", combiner)
    costs = np.ones(len(values))
    return Problem(values[:, None], np.asarray(y, float), combiner, objective, costs, len(values))


def order(criterion, problem):
    return list(OrderingSelector(criterion).select(problem)[-1].indices)


def started(criterion, problem):
    criterion = make_criterion(criterion)
    criterion.start(Ballots.of(problem))
    return criterion


def everyone(problem):
    return np.ones(problem.n_members, dtype=bool)


# Five members, six samples, all truly of class 1. Right votes per sample: 5, 4, 3, 2, 1, 1.
TRUTH = [1, 1, 1, 1, 1, 1]
VOTES = [
    [1, 1, 1, 1, 0, 0],  # right on samples 0 1 2 3
    [1, 1, 1, 0, 0, 0],  # 0 1 2
    [1, 1, 0, 1, 0, 0],  # 0 1 3
    [1, 1, 1, 0, 0, 0],  # 0 1 2
    [1, 0, 0, 0, 1, 1],  # 0 4 5
]


@pytest.fixture
def five():
    return voting(VOTES, TRUTH)


def test_individual_by_hand(five):
    # Right on 4, 3, 3, 3, 3 of 6; ties in their order.
    values = started("individual", five).values(everyone(five))
    np.testing.assert_allclose(values, np.array([4, 3, 3, 3, 3]) / 6)
    assert order("individual", five) == [0, 1, 2, 3, 4]


def test_reduce_error_by_hand(five):
    # First 0, right on 4. A tie of two votes goes to class 0, so with 0 the vote is right where
    # both are: with 1, 2, 3 on 3 samples, with 4 on 1. Members 1, 2, 3 tie: 1.
    criterion = started("reduce_error", five)
    criterion.add(0)
    np.testing.assert_allclose(criterion.values(everyone(five))[1:], np.array([3, 3, 3, 1]) / 6)
    criterion.add(1)
    # 0 and 1 with 2: two of three votes on 0, 1, 2, 3. With 3: 0, 1, 2. With 4: 0, 1, 2.
    np.testing.assert_allclose(criterion.values(everyone(five))[2:], np.array([4, 3, 3]) / 6)
    assert order("reduce_error", five)[:3] == [0, 1, 2]


def test_reduce_error_of_means_by_hand():
    # y = 0. Alone: squared errors 1, 4, 4. With the first (1): means 1.5 and -0.5, so the third.
    assert order("reduce_error", averaging([[1, 1], [2, 2], [-2, -2]], [0, 0])) == [0, 2, 1]


def test_complementarity_by_hand(five):
    # 0 first. It is wrong on samples 4 and 5: member 4 gets both, the others none.
    criterion = started("complementarity", five)
    criterion.add(0)
    np.testing.assert_allclose(criterion.values(everyone(five))[1:], np.array([0, 0, 0, 2]) / 6)
    assert order("complementarity", five)[:2] == [0, 4]


def test_margin_distance_by_hand():
    # Two samples, four members with signatures (1, 1), (1, -1), (-1, 1), (1, -1); p = 0.25, so
    # the point aimed at is (1/4, 1/4) and a step is a quarter of a signature. First: (1, 1) lands
    # there, distance 0. Then from (1/4, 1/4): squared distances of the next step from the aim are
    # all 2/16: the tie goes to the first, (1, -1), at (1/2, 0). From there (-1, 1) returns to the
    # aim; (1, -1) leaves it for (3/4, -1/4), squared distance 1/4 + 1/4.
    problem = voting([[1, 1], [1, 0], [0, 1], [1, 0]], [1, 1])
    criterion = started(MarginDistance(p=0.25), problem)
    distances = -criterion.values(everyone(problem))
    np.testing.assert_allclose(distances, np.array([0.0, 4, 4, 4]) / 16 / 2, atol=1e-12)
    assert order(MarginDistance(p=0.25), problem) == [0, 1, 2, 3]


def test_orientation_by_hand():
    # Signatures (1, 1, -1), (1, -1, 1), (1, 1, 1): average (1, 1/3, 1/3). lambda is minus
    # (5/3) / (11/9) = -15/11, the reference (1, 1, 1) - 15/11 (1, 1/3, 1/3) = (-4, 6, 6) / 11.
    # Products with the signatures: -4/11, -4/11, 8/11; divided by sqrt(3) sqrt(88) / 11.
    problem = voting([[1, 1, 0], [1, 0, 1], [1, 1, 1]], [1, 1, 1])
    values = started("orientation", problem).values(everyone(problem))
    np.testing.assert_allclose(values, np.array([-4, -4, 8]) / np.sqrt(3 * 88))
    assert order("orientation", problem) == [2, 0, 1]


def test_boosting_by_hand(five):
    # 0 errs on 4 and 5: e = 1/3. Their weights 1/6 become 1/6 / (2/3) = 1/4, the others
    # 1/6 / (4/3) = 1/8. Then 1 and 3 err on 3, 4, 5: 5/8; 2 on 2, 4, 5: 5/8; 4 on 1, 2, 3: 3/8.
    criterion = started("boosting", five)
    criterion.add(0)
    np.testing.assert_allclose(-criterion.values(everyone(five))[1:], [5 / 8, 5 / 8, 5 / 8, 3 / 8])
    criterion.add(4)
    # e = 3/8: wrong ones / (3/4), right ones / (5/4). Samples 1, 2, 3 at 1/6; 0 at 1/10; 4, 5 at
    # 1/5. 1 errs on 3, 4, 5: 17/30.
    np.testing.assert_allclose(-criterion.values(everyone(five))[1], 17 / 30)
    # All left err on more than half: whichever is taken, the weights begin anew.
    criterion.add(1)
    np.testing.assert_allclose(-criterion.values(everyone(five))[2], 1 / 2)
    assert order("boosting", five)[:2] == [0, 4]


@pytest.mark.parametrize("seed", range(8))
def test_boosting_begins_anew_after_a_member_like_the_last(seed):
    """Its error is 1/2 whatever the weights, and rounding has no say in that."""
    rng = np.random.default_rng(seed)
    weight = rng.uniform(0.1, 3.0, 40)
    voted = rng.random(40) < 0.7
    problem = voting([voted, voted, rng.random(40) < 0.6], np.ones(40), sample_weight=weight)
    criterion = started("boosting", problem)
    before = criterion.values(everyone(problem))
    criterion.add(0)
    assert criterion.values(everyone(problem))[1] == pytest.approx(-0.5)
    criterion.add(1)
    np.testing.assert_array_equal(criterion.values(everyone(problem)), before)


def test_drep_by_hand(five):
    # 0 first. Agreement with it on 6 samples: 1 and 3 on 5, 2 on 5, 4 on 1 (sample 0). rho = 0.5
    # of four members left looks at two: 4 and, of those that tie, the first, 1. With 0 the vote
    # is right on 1 sample with 4, on 3 with 1: 1 is taken.
    criterion = started(DiversityRegularised(rho=0.5), five)
    criterion.add(0)
    left = np.array([False, True, True, True, True])
    values = criterion.values(left)
    np.testing.assert_allclose(values[[1, 4]], [3 / 6, 1 / 6])
    assert np.isneginf(values[[2, 3]]).all()
    assert order(DiversityRegularised(rho=0.5), five)[:2] == [0, 1]
    # rho = 0.25 looks at one only.
    assert order(DiversityRegularised(rho=0.25), five)[:2] == [0, 4]


def test_kappa_by_hand():
    # Three members on four samples. 0 and 1: agree on 2 of 4; both say 1 half the time, chance
    # 1/2: kappa 0. 0 and 2: agree nowhere: (0 - 1/2) / (1/2) = -1. 1 and 2: 2 of 4: 0.
    problem = voting([[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 1, 1]], [1, 1, 1, 0])
    kappa = pairwise_kappa(Ballots.of(problem))
    np.testing.assert_allclose(kappa[np.triu_indices(3, 1)], [0, -1, 0], atol=1e-12)
    # The pair (0, 2) first: 0 is right on samples 0, 1, 3, 2 only on 2.
    assert order("kappa", problem) == [0, 2, 1]


def test_individual_contribution_by_hand():
    # Votes for (class 0, class 1, class 2) per sample: (1, 2, 1), (2, 1, 1); truth 1, 1.
    problem = voting([[1, 0], [1, 1], [0, 0], [2, 2]], [1, 1])
    # Sample 0, majority 1 with 2 votes, second 1. Members 0 and 1 are right and with the majority:
    # 1 each. Member 2 is wrong: v_true - v_own - v_max = 2 - 1 - 2 = -1; member 3 the same.
    # Sample 1, majority 0 with 2 votes, truth has 1. Member 1 is right in the minority:
    # 2 * 2 - 1 = 3. Members 0 and 2 are wrong with the majority: 1 - 2 - 2 = -3. Member 3:
    # 1 - 1 - 2 = -2.
    values = started("individual_contribution", problem).values(everyone(problem))
    np.testing.assert_allclose(values, np.array([1 - 3, 1 + 3, -1 - 3, -1 - 2]) / 2)
    assert order("individual_contribution", problem) == [1, 0, 3, 2]


def test_uncertainty_weighted_by_hand(five):
    # After 0 and 1 (a tie goes to class 0) the vote is right on 0, 1, 2 with NT = 1 there, wrong
    # on 3 with NT = 1/2, on 4 and 5 with NT = 0. Worth: NF = 0 on 0, 1, 2; NT = 1/2 on 3; 0 on
    # 4 and 5. Member 2 is right on 3: +1/2; 3 and 4 wrong: -1/2.
    criterion = started("uncertainty_weighted", five)
    criterion.add(0)
    criterion.add(1)
    np.testing.assert_allclose(
        criterion.values(everyone(five))[2:], np.array([0.5, -0.5, -0.5]) / 6, atol=1e-12
    )


def test_margin_diversity_by_hand():
    # Three members. Sample 0: 3 right of 3, margin 3/3; sample 1: 2 of 3, margin 1/3; sample 2:
    # 1 of 3, margin 1/3. With alpha = 1/2 a right vote earns 0; log(3)/2 + log(3/2)/2;
    # log(3)/2 + log(3)/2.
    problem = voting([[1, 1, 0], [1, 1, 0], [1, 0, 1]], [1, 1, 1])
    easy, hard = np.log(4.5) / 2, np.log(3)
    values = started(MarginDiversity(alpha=0.5), problem).values(everyone(problem))
    np.testing.assert_allclose(values, np.array([easy, easy, hard]) / 3)
    assert order(MarginDiversity(alpha=0.5), problem) == [2, 0, 1]


def test_error_ambiguity_by_hand():
    # Values (0, 3) for y = (1, 1), and (2, 1), mean (1, 2). Errors 1 + 4 and 1 + 0, distances
    # from the mean 1 + 1 and 1 + 1: differences 3 and -1, over two samples.
    problem = averaging([[0, 3], [2, 1]], [1, 1])
    values = started("error_ambiguity", problem).values(everyone(problem))
    np.testing.assert_allclose(values, [-1.5, 0.5])
    # Their mean is minus the squared error of the mean: (0 + 1) / 2.
    np.testing.assert_allclose(values.mean(), -0.5)


def test_error_ambiguity_of_probabilities_adds_up_to_the_brier_score():
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(3), size=(6, 30)).transpose(0, 2, 1)
    problem = voting(rng.integers(3, size=(6, 30)), rng.integers(3, size=30))
    problem = Problem(**{**vars(problem), "outputs": proba.astype(np.float32)})
    values = started("error_ambiguity", problem).values(everyone(problem))
    brier = ((proba.mean(axis=0) - np.eye(3)[problem.y].T) ** 2).sum(axis=0).mean()
    assert -values.mean() == pytest.approx(brier, rel=1e-5)


@pytest.mark.parametrize("masked", [False, True])
def test_error_ambiguity_by_its_definition_asks_a_member_twice(masked, monkeypatch):
    rng = np.random.default_rng(1)
    proba = rng.dirichlet(np.ones(4), size=(5, 40)).transpose(0, 2, 1).astype(np.float32)
    y, weight = rng.integers(4, size=40), rng.random(40) + 0.1
    speaks = rng.random((5, 40)) < 0.6 if masked else np.ones((5, 40), dtype=bool)
    problem = voting(
        rng.integers(4, size=(5, 40)),
        y,
        mask=speaks if masked else None,
        sample_weight=weight,
        classes=range(4),
    )
    asked = []
    real = LinearCombiner.predict_proba
    monkeypatch.setattr(
        LinearCombiner, "predict_proba", lambda *given: asked.append(1) or real(*given)
    )
    problem = Problem(**{**vars(problem), "outputs": proba})
    values = started("error_ambiguity", problem).values(everyone(problem))
    assert len(asked) == 10
    mean = (proba * speaks[:, None]).sum(axis=0) / np.maximum(speaks.sum(axis=0), 1)
    errors = ((proba - np.eye(4)[y].T) ** 2).sum(axis=1)
    distances = ((proba - mean) ** 2).sum(axis=1)
    heard = speaks * weight
    expected = -((errors - distances) * heard).sum(axis=1) / heard.sum(axis=1)
    np.testing.assert_allclose(values, expected, rtol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_kappa_is_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    votes = rng.integers(3, size=(5, 40))
    weight = rng.uniform(0.1, 2.0, 40)
    speaks = rng.random((5, 40)) < 0.6
    problem = voting(votes, rng.integers(3, size=40), mask=speaks, sample_weight=weight)
    kappa = pairwise_kappa(Ballots.of(problem))
    for i, j in zip(*np.triu_indices(5, 1), strict=True):
        both = speaks[i] & speaks[j]
        expected = cohen_kappa_score(votes[i, both], votes[j, both], sample_weight=weight[both])
        assert kappa[i, j] == pytest.approx(expected)


# --- laws ---------------------------------------------------------------------------------------


def random_problem(seed, n_classes, **options):
    rng = np.random.default_rng(seed)
    y = rng.integers(n_classes, size=90)
    votes = np.where(rng.random((9, 90)) < 0.6, y, rng.integers(n_classes, size=(9, 90)))
    return voting(votes, y, classes=np.arange(n_classes), **options)


def problems(n_classes):
    rng = np.random.default_rng(5)
    mask = rng.random((9, 90)) < 0.5
    return [
        random_problem(0, n_classes),
        random_problem(1, n_classes, sample_weight=rng.uniform(0.5, 2.0, 90)),
        random_problem(2, n_classes, mask=mask),
    ]


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("criterion", ALL)
def test_the_order_follows_the_members(criterion, n_classes):
    shuffled = np.random.default_rng(3).permutation(9)
    for problem in problems(n_classes):
        moved = Problem(
            **{
                **vars(problem),
                "outputs": problem.outputs[shuffled],
                "mask": None if problem.mask is None else problem.mask[shuffled],
            }
        )
        first, second = started(criterion, problem), started(criterion, moved)
        for member in (5, 0, 7):
            # Pairs and shares that tie go by position: there only the first choice is free of it.
            if criterion not in ("kappa", "drep"):
                wanted = first.values(everyone(problem))[shuffled]
                np.testing.assert_allclose(second.values(everyone(moved)), wanted, atol=1e-9)
            first.add(member)
            second.add(int(np.flatnonzero(shuffled == member)[0]))
        start, there = order(criterion, problem)[0], shuffled[order(criterion, moved)[0]]
        alone = Ballots.of(problem).accuracy
        assert start == there or criterion == "kappa" or alone[start] == alone[there]


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("criterion", ALL)
def test_paths_are_nested_distinct_and_within_the_budget(criterion, n_classes):
    costs = np.array([3.0, 1, 1, 5, 1, 2, 2, 9, 1])
    problem = random_problem(0, n_classes, costs=costs, budget=8.5)
    path = OrderingSelector(criterion).select(problem)
    for smaller, larger in pairwise(path):
        assert larger.indices[: smaller.size] == smaller.indices
    end = path[-1]
    assert len(set(end.indices)) == end.size
    assert end.cost == costs[list(end.indices)].sum() <= 8.5
    # Nothing that is left would have fit.
    left = np.setdiff1d(np.arange(9), end.indices)
    assert (end.cost + costs[left] > 8.5).all()


@pytest.mark.parametrize("criterion", ALL)
def test_labels_are_names(criterion):
    problem = random_problem(0, 3)
    names = np.array(["ash", "birch", "cedar"])
    combiner = LinearCombiner("mean", Probability(), names, 9)
    named = Problem(
        **{
            **vars(problem),
            "y": names[problem.y],
            "combiner": combiner,
            "objective": make_objective("accuracy", combiner),
        }
    )
    assert order(criterion, named) == order(criterion, problem)
    assert OrderingSelector(criterion).select(named)[-1].objective > 0.5


@pytest.mark.parametrize("criterion", ALL)
def test_a_weight_of_two_is_a_sample_given_twice(criterion):
    problem = random_problem(0, 3)
    weight = np.random.default_rng(0).integers(1, 4, 90)
    weighted = Problem(**{**vars(problem), "sample_weight": weight.astype(float)})
    repeated = np.repeat(np.arange(90), weight)
    assert order(criterion, weighted) == order(criterion, problem.on_rows(repeated))


@pytest.mark.parametrize("criterion", [name for name in ALL if name != "individual"])
def test_speaking_everywhere_is_no_mask(criterion):
    problem = random_problem(0, 3)
    masked = Problem(**{**vars(problem), "mask": np.ones((9, 90), dtype=bool)})
    plain, out_of_bag = (started(criterion, p).values(everyone(p)) for p in (problem, masked))
    np.testing.assert_allclose(plain, out_of_bag, atol=1e-12)


@pytest.mark.parametrize("criterion", [name for name in ALL if name != "individual"])
def test_what_a_member_says_where_it_may_not_speak_is_not_heard(criterion):
    mask = np.random.default_rng(1).random((9, 90)) < 0.5
    problem = random_problem(0, 3, mask=mask)
    other = np.where(mask[:, None], problem.outputs, problem.outputs[:, ::-1])
    changed = Problem(**{**vars(problem), "outputs": other})
    first, second = started(criterion, problem), started(criterion, changed)
    for member in (4, 2, 7):
        np.testing.assert_allclose(
            first.values(everyone(problem)), second.values(everyone(problem)), atol=1e-12
        )
        first.add(member)
        second.add(member)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.id)
def test_every_family_is_ordered_or_refused(family):
    ensemble, X, y = fitted(family)
    boosts = family.name.startswith(BOOSTED)
    for criterion in REGRESSION if family.task == "regression" else ("drep", "orientation"):
        selector = OrderingSelector(criterion)
        if boosts:
            with pytest.raises(ValueError, match="stages of gradient boosting have none"):
                prune(ensemble, X, y, target_size=2, selector=selector)
        else:
            pruner = EnsemblePruner(family.make(), target_size=2, selector=selector, random_state=0)
            assert pruner.fit(X, y).n_members_ == 2


# The other two look for disagreement, or for likeness, and not for accuracy.
@pytest.mark.parametrize("criterion", sorted({*ALL} - {"kappa", "reference_vector"}))
def test_a_good_member_beats_a_bad_one(criterion):
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=200)
    right = rng.random((6, 200)) < np.array([0.9, 0.5, 0.5, 0.5, 0.5, 0.1])[:, None]
    path = order(criterion, voting(np.where(right, y, 1 - y), y))
    assert path.index(0) < path.index(5)


def test_a_criterion_of_ones_own():
    class Last(Criterion):
        def start(self, ballots):
            self.n = ballots.n_members

        def values(self, free):
            return np.arange(self.n, dtype=float)

    problem = random_problem(0, 2)
    assert order(Last(), problem) == list(range(9))[::-1]
    register_criterion("last", Last)
    try:
        assert order("last", problem) == list(range(9))[::-1]
    finally:
        from ensprune.selectors.ordering import criterion as module

        del module._registry["last"]


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("criterion", "error", "message"),
    [
        ("kapa", ValueError, r"criterion='kapa' is unknown; give one of \['boosting'"),
        (3, TypeError, "criterion=3 must be a Criterion object or one of"),
        (MarginDistance(p=0), ValueError, r"p=0 must be a number in \(0, 1\)"),
        (DiversityRegularised(rho=1.5), ValueError, r"rho=1.5 must be a number in \(0, 1\]"),
        (MarginDiversity(alpha="x"), ValueError, r"alpha='x' must be a number in \[0, 1\]"),
    ],
)
def test_bad_criteria_are_named(criterion, error, message):
    with pytest.raises(error, match=message):
        order(criterion, random_problem(0, 2))


def test_votes_are_refused_for_regressors():
    problem = averaging([[1, 1], [2, 2]], [0, 0])
    with pytest.raises(ValueError, match=r"for a regressor give one of \['error_ambiguity'"):
        order("kappa", problem)


def test_one_search_leaves_no_trace_in_the_selector():
    selector = OrderingSelector(DiversityRegularised(rho=0.5))
    first = selector.select(random_problem(0, 3))[-1].indices
    selector.select(random_problem(1, 2))
    assert clone(selector).select(random_problem(0, 3))[-1].indices == first
    assert not hasattr(selector.criterion, "ballots")
