"""WeightSelector: the convex problem against general solvers, sparse paths, native weights."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.ensemble import (
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingRegressor,
)
from sklearn.linear_model import LinearRegression
from sklearn.metrics import log_loss

from ensprune import EnsemblePruner, prune
from ensprune.combiner import LinearCombiner
from ensprune.link import Identity, Probability
from ensprune.members.opening import open_members
from ensprune.objectives import make_objective
from ensprune.objectives.simplex import least_squares_weights, log_loss_weights
from ensprune.selectors import Problem, WeightSelector

from ..families import FAMILIES, data, fitted
from ..law import assert_obeys


def slsqp(value, n):
    """The minimum on the simplex by a solver for anything."""
    found = minimize(
        value,
        np.full(n, 1 / n),
        method="SLSQP",
        bounds=[(0, 1)] * n,
        constraints=[{"type": "eq", "fun": lambda w: w.sum() - 1}],
        options={"ftol": 1e-15, "maxiter": 1000},
    )
    return found.x


def regression(seed=0, n_members=7, n_samples=40, **options):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=n_samples)
    outputs = (y + rng.normal(size=(n_members, 1, n_samples))).astype(np.float32)
    combiner = LinearCombiner("mean", Identity(), None, n_members)
    objective = make_objective("neg_mean_squared_error", combiner)
    given = {"costs": np.ones(n_members), "budget": n_members} | options
    return Problem(outputs=outputs, y=y, combiner=combiner, objective=objective, **given)


def classification(seed=0, n_members=6, n_samples=50, **options):
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n_samples)
    raw = rng.normal(size=(n_members, 3, n_samples))
    raw[:, y, np.arange(n_samples)] += rng.uniform(0, 2, size=(n_members, 1))
    outputs = (np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)).astype(np.float32)
    combiner = LinearCombiner("mean", Probability(), np.arange(3), n_members)
    objective = make_objective("neg_log_loss", combiner)
    given = {"costs": np.ones(n_members), "budget": n_members} | options
    return Problem(outputs=outputs, y=y, combiner=combiner, objective=objective, **given)


# --- the convex problems ------------------------------------------------------------------------


def test_least_squares_by_hand():
    # Independent errors of variance 1, 2 and 4 are weighed by 1, 1/2, 1/4 over 7/4.
    weights = least_squares_weights(np.diag([1.0, 2.0, 4.0]))
    np.testing.assert_allclose(weights, np.array([4, 2, 1]) / 7)
    # Of two with correlation too strong the worse gets nothing: 2 - 1.5 < 0.
    weights = least_squares_weights(np.array([[1.0, 1.5], [1.5, 4.0]]))
    np.testing.assert_allclose(weights, [1, 0])


@pytest.mark.parametrize("seed", range(5))
def test_least_squares_is_the_minimum(seed):
    rng = np.random.default_rng(seed)
    errors = rng.normal(size=(8, 12)) + rng.normal(size=12)
    gram = errors @ errors.T / 12
    weights = least_squares_weights(gram)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)
    # Karush, Kuhn and Tucker: the slope is the same where there is weight, no less elsewhere.
    slope = gram @ weights
    np.testing.assert_allclose(slope[weights > 0], slope @ weights, rtol=1e-6)
    assert (slope >= slope @ weights - 1e-8).all()
    other = slsqp(lambda w: w @ gram @ w, 8)
    assert weights @ gram @ weights <= other @ gram @ other + 1e-9


def test_members_without_error_share_the_weight():
    assert least_squares_weights(np.zeros((4, 4))) == pytest.approx(np.full(4, 0.25))
    assert least_squares_weights(np.array([[3.0]])) == pytest.approx([1.0])
    weights = least_squares_weights(np.diag([0.0, 1.0]))
    np.testing.assert_allclose(weights, [1, 0], atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_log_loss_is_the_minimum(seed):
    rng = np.random.default_rng(seed)
    true = rng.uniform(0.05, 1.0, size=(6, 80))
    share = rng.uniform(0.5, 2.0, 80)
    share /= share.sum()

    def loss(w):
        return -share @ np.log(w @ true)

    weights, found = log_loss_weights(true, share)
    assert found == pytest.approx(loss(weights), abs=1e-12)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)
    other = slsqp(loss, 6)
    assert loss(weights) <= loss(other) + 1e-9
    slope = true @ (share / (weights @ true))
    assert (slope <= 1 + 1e-4).all()
    np.testing.assert_allclose(slope[weights > 1e-3], 1.0, atol=1e-4)


# --- paths --------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["squared", "log_loss"])
@pytest.mark.parametrize("seed", range(3))
def test_every_point_has_the_best_weights_of_its_members(loss, seed):
    problem = classification(seed)
    hot = np.eye(3)[problem.y].T
    for point in WeightSelector(loss).select(problem):
        members = list(point.indices)
        outputs = problem.outputs[members].astype(float)

        def value(w, outputs=outputs):
            mixed = np.tensordot(w, outputs, axes=1)
            if loss == "squared":
                return ((mixed - hot) ** 2).sum(axis=0).mean()
            return -np.log(mixed[problem.y, np.arange(50)]).mean()

        weights = np.array(point.weights)
        assert weights.sum() == pytest.approx(1)
        assert weights.min() > 0
        assert value(weights) <= value(slsqp(value, len(members))) + 1e-5
        if loss == "log_loss":
            assert point.objective == pytest.approx(-value(weights), rel=1e-5)


def test_leaving_out_is_the_best_single_step_on_the_whole():
    # By brute force over which member to leave out, with the weights of the others free.
    agree, steps = 0, 0
    for seed in range(8):
        problem = regression(seed)
        residuals = problem.outputs[:, 0].astype(float) - problem.y
        gram = residuals @ residuals.T / len(problem.y)
        path = WeightSelector().select(problem)
        for smaller, larger in zip(path.points[:-1], path.points[1:], strict=True):
            if larger.size - smaller.size != 1:
                continue
            losses = []
            for out in larger.indices:
                kept = [t for t in larger.indices if t != out]
                part = gram[np.ix_(kept, kept)]
                weights = least_squares_weights(part)
                losses.append(weights @ part @ weights)
            steps += 1
            agree += -smaller.objective <= min(losses) + 1e-6
    assert agree >= 0.9 * steps > 10


def test_sizes_fall_one_by_one_and_costs_stay_within_the_budget():
    costs = np.array([3.0, 1, 2, 5, 1, 4, 1])
    path = WeightSelector().select(regression(costs=costs, budget=6.0))
    assert all(point.cost <= 6.0 for point in path)
    assert path[0].size == 1
    assert [p.cost for p in path] == sorted(p.cost for p in path)
    assert path.result.status == "complete"
    free = WeightSelector().select(regression())
    objectives = [point.objective for point in free]
    assert objectives == sorted(objectives)
    assert free.result.status == "exhausted"


def test_out_of_bag_weights_follow_the_pairwise_errors():
    rng = np.random.default_rng(0)
    mask = rng.random((7, 40)) < 0.6
    problem = regression(mask=mask)
    hidden = np.where(mask[:, None], problem.outputs, 1e3).astype(np.float32)
    changed = Problem(**{**vars(problem), "outputs": hidden})
    for one, other in zip(
        WeightSelector().select(problem), WeightSelector().select(changed), strict=True
    ):
        assert one.indices == other.indices
        assert one.weights == pytest.approx(other.weights, rel=1e-4)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.id)
def test_pruned_estimators_carry_the_weights_or_it_is_refused(family):
    ensemble, X, y = fitted(family)
    members = open_members(ensemble)
    averages = getattr(members.combiner, "averages", False)
    if not (averages and members.carries_weights):
        with pytest.raises(ValueError, match=r"WeightSelector (weighs|gives)"):
            prune(ensemble, X, y, target_size=3, selector="weights")
        return
    pruner = EnsemblePruner(family.make(), target_size=4, selector="weights", random_state=0)
    pruner.fit(X, y)
    full = open_members(pruner.estimator_)
    combiner = full.bind(X).take(pruner.selected_, pruner.weights_)
    outputs = full.outputs(X, dtype=np.float64)[pruner.selected_]
    assert_obeys(pruner.pruned_estimator_, combiner, outputs, X, 1e-12)


def test_a_weighted_forest_can_be_scored_by_log_loss():
    # A rounding above one would be refused by the metric.
    X, y = data("multiclass")
    forest = RandomForestClassifier(30, random_state=0).fit(X, y)
    small = prune(forest, X, y, target_size=12, selector="weights", validation="oob")
    assert small.predict_proba(X).max() <= 1.0
    log_loss(y, small.predict_proba(X))


def test_a_weighted_forest_is_read_back_with_its_weights():
    X, y = data("regression")
    forest = RandomForestRegressor(12, random_state=0).fit(X, y)
    weights = np.array([3.0, 1.0, 2.0])
    small = open_members(forest).subset([4, 0, 7], weights)
    again = open_members(small)
    np.testing.assert_allclose(again.combiner.member_weights, weights / 2)
    np.testing.assert_allclose(
        again.outputs(X, dtype=np.float64),
        open_members(forest).outputs(X, dtype=np.float64)[[4, 0, 7]],
        rtol=1e-12,
    )
    one = again.subset([2])
    np.testing.assert_allclose(one.predict(X), forest.estimators_[7].predict(X))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GradientBoostingRegressor(n_estimators=5), "this ensemble is a sum"),
        (
            lambda: StackingRegressor(
                [("a", LinearRegression()), ("b", RandomForestRegressor(3))], LinearRegression()
            ),
            "combined by a final estimator",
        ),
    ],
)
def test_what_is_no_average_is_refused(make, message):
    X, y = data("regression")
    with pytest.raises(ValueError, match=message):
        EnsemblePruner(make(), target_size=1, selector="weights").fit(X, y)


@pytest.mark.parametrize(
    ("problem", "loss", "message"),
    [
        (regression(), "absolute", r"loss='absolute' is unknown; give 'squared' or 'log_loss'"),
        (regression(), "log_loss", "needs an average of class probabilities"),
        (
            classification(mask=np.ones((6, 50), dtype=bool)),
            "log_loss",
            "has no out-of-bag form",
        ),
        (regression(carries_weights=False), "squared", "which this ensemble cannot carry"),
    ],
)
def test_bad_options_are_named(problem, loss, message):
    with pytest.raises(ValueError, match=message):
        WeightSelector(loss).select(problem)
