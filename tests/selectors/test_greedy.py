"""Greedy search against the naive loop, its swaps, its budgets, its ties."""

from __future__ import annotations

import itertools
from inspect import signature

import numpy as np
import pytest
from families import FAMILIES, data, fitted
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import brier_score_loss
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from ensprune import EnsemblePruner
from ensprune.combiner import LinearCombiner
from ensprune.link import Identity, Probability
from ensprune.members import open_members
from ensprune.objectives import make_objective
from ensprune.selectors import FirstSelector, GreedySelector, Problem, RandomSelector, make_selector


def problem_of(outputs, y, classes=None, scoring=None, budget=3, costs=None, **options):
    outputs = np.asarray(outputs, dtype=np.float32)
    link = Identity() if classes is None else Probability()
    combiner = LinearCombiner("mean", link, classes, len(outputs))
    return Problem(
        outputs=outputs,
        y=np.asarray(y),
        combiner=combiner,
        objective=make_objective(scoring, combiner),
        costs=np.ones(len(outputs)) if costs is None else np.asarray(costs, float),
        budget=budget,
        **options,
    )


def random_problem(seed=0, n_members=9, n_samples=60, n_classes=3, **options):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n_samples)
    concentration = 0.4 + 1.2 * np.eye(n_classes)[y]
    outputs = np.stack(
        [[rng.dirichlet(c) for c in concentration] for _ in range(n_members)]
    ).transpose(0, 2, 1)
    return problem_of(outputs, y, np.arange(n_classes), **options)


@pytest.mark.parametrize("scoring", ["neg_log_loss", "balanced_accuracy", "neg_brier_score"])
@pytest.mark.parametrize("seed", range(3))
def test_forward_is_the_naive_greedy_loop(scoring, seed):
    n_classes = 2 if scoring == "neg_brier_score" else 3
    problem = random_problem(seed, n_classes=n_classes, scoring=scoring, budget=5)
    path = GreedySelector(exchanges=0).select(problem)
    chosen = []
    for _ in range(5):
        scores = {t: problem.evaluate([*chosen, t]) for t in range(9) if t not in chosen}
        best = max(scores.values())
        chosen.append(path[-1].indices[len(chosen)])
        assert scores[chosen[-1]] == pytest.approx(best, abs=1e-12)
    assert path[-1].indices == tuple(chosen)
    assert [point.size for point in path] == [1, 2, 3, 4, 5]
    for point in path:
        assert point.objective == pytest.approx(problem.evaluate(point.indices))
        assert point.weights is None


@pytest.mark.parametrize("seed", range(5))
def test_swaps_end_where_no_swap_helps(seed):
    problem = random_problem(seed, n_classes=2, scoring="neg_brier_score", budget=4)
    path = GreedySelector().select(problem)
    final = path[-1]
    outside = set(range(9)) - set(final.indices)
    for position, new in itertools.product(range(4), outside):
        swapped = list(final.indices)
        swapped[position] = new
        assert problem.evaluate(swapped) <= final.objective + 1e-12
    plain = GreedySelector(exchanges=0).select(problem)
    assert final.objective >= plain[-1].objective - 1e-15


def test_swaps_reach_the_optimum_on_most_small_problems():
    hits = 0
    for seed in range(20):
        problem = random_problem(seed, n_classes=2, scoring="neg_brier_score", budget=3)
        best = max(problem.evaluate(s) for s in itertools.combinations(range(9), 3))
        found = GreedySelector().select(problem)[-1].objective
        assert found <= best + 1e-12
        hits += found >= best - 1e-12
    assert hits >= 15


def test_a_smaller_budget_walks_the_same_path():
    long = GreedySelector().select(random_problem(3, budget=6))
    short = GreedySelector().select(random_problem(3, budget=4))
    assert [p.indices for p in long][:4] == [p.indices for p in short]


def test_swaps_one_by_one_agree_with_the_closed_form():
    problem = random_problem(1, n_classes=2, scoring="neg_log_loss", budget=3)
    path = GreedySelector(exchanges=50).select(problem)
    final = path[-1]
    for position, new in itertools.product(range(3), set(range(9)) - set(final.indices)):
        swapped = list(final.indices)
        swapped[position] = new
        assert problem.evaluate(swapped) <= final.objective + 1e-12


def test_backward_drops_the_least_missed():
    problem = random_problem(2, n_members=6, scoring="neg_log_loss", budget=4)
    path = GreedySelector(direction="backward").select(problem)
    assert [point.size for point in path] == [1, 2, 3, 4]
    five = max(itertools.combinations(range(6), 5), key=problem.evaluate)
    four = max(itertools.combinations(five, 4), key=problem.evaluate)
    assert set(path[-1].indices) == set(four)


def test_replacement_weighs_and_costs_once():
    # Errors of 2, 1 and -1: 1 and -1 cancel alone, 2 needs -1 twice.
    y = np.array([1.0, 2.0, 3.0])
    problem = problem_of([[y + 2], [y - 1], [y + 5]], y, scoring="neg_mean_squared_error", budget=2)
    one, two = GreedySelector(replacement=True).select(problem)
    assert (one.indices, one.weights, one.cost) == ((1,), None, 1.0)
    assert (two.indices, two.weights, two.cost) == ((1, 0), (2.0, 1.0), 2.0)
    assert two.objective == pytest.approx(0.0)
    assert two.objective == pytest.approx(problem.evaluate(two.indices, two.weight_array))


@pytest.mark.parametrize("costs", [None, np.linspace(1.0, 2.0, 12)])
def test_a_favourite_drawn_again_and_again_takes_no_other_members_place(costs):
    # One member is nearly exact and eleven are noise: every draw is best spent on the first.
    rng = np.random.default_rng(0)
    y = rng.normal(size=80)
    outputs = y + np.r_[0.01, np.full(11, 3.0)][:, None] * rng.normal(size=(12, 80))
    budget = 6 if costs is None else 9.0
    problem = problem_of(
        outputs[:, None], y, scoring="neg_mean_squared_error", budget=budget, costs=costs
    )
    path = GreedySelector(replacement=True).select(problem)
    for size, point in enumerate(path, start=1):
        assert len(set(point.indices)) == point.size == size
        assert point.cost == pytest.approx(problem.costs[list(point.indices)].sum())
    heaviest = int(np.argmax(path[-1].weights))
    assert path[-1].indices[heaviest] == 0
    assert path[-1].weights[heaviest] > 1
    if costs is None:
        assert path[-1].size == 6
    else:
        left = np.setdiff1d(np.arange(12), path[-1].indices)
        assert path[-1].cost + problem.costs[left].min() > budget


def test_repeats_cost_once_in_the_pruned_ensemble():
    ensemble, X, y = fitted(next(f for f in FAMILIES if f.id == "forest-multiclass"))
    pruner = EnsemblePruner(FrozenEstimator(ensemble), 5, GreedySelector(replacement=True))
    pruner.fit(X, y)
    assert len(np.unique(pruner.selected_)) == pruner.n_members_ == pruner.cost_pruned_ == 5
    assert pruner.pruned_estimator_.n_estimators == 5


def test_ties_do_not_favour_members_already_chosen():
    # All members are always right: without replacement all are taken, in order of confidence.
    sure = np.array([0.6, 0.9, 0.7])[:, None] * np.ones(4)
    outputs = np.stack([sure, 1 - sure], axis=1)
    problem = problem_of(outputs, np.zeros(4, int), np.arange(2), scoring="accuracy")
    assert GreedySelector().select(problem)[-1].indices == (1, 2, 0)


def test_a_member_that_does_not_fit_is_skipped():
    y = np.arange(4.0)
    outputs = [[y + 0.1], [y - 0.5], [y + 0.6], [y - 0.7]]
    problem = problem_of(outputs, y, scoring="neg_mean_squared_error", budget=5, costs=[9, 2, 2, 2])
    for selector in (GreedySelector(), FirstSelector(), RandomSelector(0)):
        final = selector.select(problem)[-1]
        assert 0 not in final.indices
        assert final.cost == 4
        assert final.size == 2


def test_gain_per_cost_is_tried_too():
    # By gain the dear, best member is taken and nothing else fits; two cheap ones average to
    # exactly the truth. Against the worst member's -9 the gains are 8.84 / 4 and 8.75 / 2.
    y = np.zeros(4)
    outputs = [[y + 0.4], [y + 0.5], [y - 0.5], [y + 3.0]]
    problem = problem_of(outputs, y, scoring="neg_mean_squared_error", budget=4, costs=[4, 2, 2, 1])
    final = GreedySelector().select(problem)[-1]
    assert set(final.indices) == {1, 2}
    assert final.objective == pytest.approx(0.0)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.id)
@pytest.mark.parametrize("name", ["greedy", "first", "random"])
def test_every_selector_works_with_every_family(family, name):
    ensemble, X, y = fitted(family)
    members = open_members(ensemble)
    members.set_training_data(X, y)
    combiner = members.bind(X)
    problem = Problem(
        outputs=members.outputs(X),
        y=y,
        combiner=combiner,
        objective=make_objective(None, combiner),
        costs=np.ones(members.n_members),
        budget=3.0,
        carries_weights=members.carries_weights,
        random_state=0,
    )
    path = make_selector(name).select(problem)
    assert 1 <= path[-1].size <= 3
    for point in path:
        assert len(set(point.indices)) == point.size <= 3
        assert point.cost == point.size
        cut = members.subset(point.indices, point.weight_array)
        assert np.ravel(cut.predict(X)).shape == (len(X),)
        if combiner.kind != "sum" or name != "greedy":  # pursuit reports its own loss
            expected = problem.evaluate(point.indices, point.weight_array)
            # Gram matrices are products in single precision.
            assert point.objective == pytest.approx(expected, abs=1e-6)


def test_random_follows_its_seed():
    problem = random_problem(0, budget=4, random_state=7)
    again = random_problem(0, budget=4, random_state=7)
    other = RandomSelector(random_state=8)
    drawn = RandomSelector().select(problem)[-1].indices
    assert drawn == RandomSelector().select(again)[-1].indices
    assert other.select(problem)[-1].indices != drawn


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"direction": "sideways"}, "direction='sideways' is unknown"),
        ({"exchanges": -1}, "exchanges=-1 must be 'auto' or an int >= 0"),
        ({"exchanges": 2, "replacement": True}, "exchanges=2 goes with"),
        ({"direction": "backward", "replacement": True}, "replacement=True goes with direction"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        GreedySelector(**options).select(random_problem())


def test_weights_that_the_ensemble_cannot_carry_are_refused():
    problem = random_problem(carries_weights=False)
    with pytest.raises(ValueError, match="replacement=True gives members weights, which this"):
        GreedySelector(replacement=True).select(problem)


def test_backward_says_that_the_last_member_left_costs_too_much():
    # The best member alone costs more than the budget, and backward search ends with it.
    y = np.arange(4.0)
    outputs = [[y], [y + 1.0], [y + 2.0]]
    problem = problem_of(outputs, y, scoring="neg_mean_squared_error", budget=2, costs=[3, 1, 1])
    with pytest.raises(ValueError, match=r"nothing within the budget of 2.*direction='forward'"):
        GreedySelector(direction="backward").select(problem)
    assert GreedySelector().select(problem)[-1].cost <= 2


def test_unknown_selectors_are_refused():
    with pytest.raises(ValueError, match=r"selector='magic' is unknown; give one of \['auto'"):
        make_selector("magic")
    with pytest.raises(TypeError, match="has no select method"):
        make_selector(3)


@pytest.mark.parametrize("scoring", [None, "neg_log_loss", "neg_brier_score", "roc_auc_ovr"])
@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_a_member_without_weight_is_no_choice_alone(scoring, direction):
    # Before scikit-learn 1.7 the Brier score is of two classes, 0 and 1.
    two = scoring == "neg_brier_score" and "labels" not in signature(brier_score_loss).parameters
    X, y = data("binary" if two else "multiclass", integer_labels=two)
    voting = VotingClassifier(
        [
            ("tree", DecisionTreeClassifier(max_depth=3, random_state=0)),
            ("bayes", GaussianNB()),
            ("stump", DecisionTreeClassifier(max_depth=1)),
        ],
        voting="soft",
        weights=[0.0, 1.0, 1.0],
    ).fit(X, y)
    selector = GreedySelector(direction=direction)
    pruner = EnsemblePruner(FrozenEstimator(voting), 3, selector, scoring).fit(X, y)
    assert pruner.path_[0].indices != (0,)
    assert np.isfinite(pruner.path_.to_frame()["score"]).all()


@pytest.mark.parametrize("scoring", ["neg_mean_squared_error", "neg_mean_absolute_error", "r2"])
def test_a_member_without_weight_is_no_exchange_for_the_only_one(scoring):
    # The one without weight is exact, which says nothing.
    y = np.arange(6.0)
    outputs = np.array([[y], [y + 1.0], [y - 2.0]], dtype=np.float32)
    combiner = LinearCombiner("mean", Identity(), None, 3, weights=np.array([0.0, 1.0, 1.0]))
    problem = Problem(
        outputs, y, combiner, make_objective(scoring, combiner), np.ones(3), budget=1.0
    )
    assert GreedySelector(exchanges=10).select(problem)[-1].indices == (1,)


def test_exchanges_may_come_from_a_numpy_grid():
    problem = random_problem(0, budget=4)
    numbers = GreedySelector(exchanges=np.int64(2)).select(problem)[-1].indices
    assert numbers == GreedySelector(exchanges=2).select(problem)[-1].indices


def test_a_metric_that_is_nowhere_defined_is_named():
    X, y = data("binary")
    forest = RandomForestClassifier(4, random_state=0).fit(X, y)
    pruner = EnsemblePruner(FrozenEstimator(forest), 2, scoring=lambda *_: float("nan"))
    with pytest.raises(ValueError, match="scoring is NaN for every sub-ensemble"):
        pruner.fit(X, y)
