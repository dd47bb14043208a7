"""Matching pursuit over boosting stages."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from families import data
from scipy.optimize import nnls
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss

from ensprune import EnsemblePruner
from ensprune.combiner import LinearCombiner
from ensprune.link import Exp, Identity, Logistic, LogisticValue, Softmax
from ensprune.objectives import make_objective
from ensprune.selectors import GreedySelector, Problem
from ensprune.selectors.pursuit import _loss_of, pursue


def sum_problem(outputs, y, link, classes=None, budget=3, offset=None, costs=None):
    combiner = LinearCombiner("sum", link, classes, len(outputs), offset=offset)
    return Problem(
        outputs=np.asarray(outputs, np.float32),
        y=np.asarray(y),
        combiner=combiner,
        objective=make_objective(None, combiner),
        costs=np.ones(len(outputs)) if costs is None else np.asarray(costs, float),
        budget=budget,
    )


def aim(outputs, y, offset=0.0):
    """What stages are fitted to: a third of the values, two thirds of the whole ensemble."""
    return np.asarray(y) / 3 + (offset + np.asarray(outputs)[:, 0].sum(axis=0)) * 2 / 3


def test_orthogonal_stages_by_hand():
    # The stages are the unit vectors, the whole ensemble predicts (1, 1, 1). A third of
    # y = (3, 1, -5) and two thirds of that is (5/3, 1, -1): pursuit takes the largest positive
    # coefficients, 5/3 then 1, at exactly these weights; the negative one never.
    problem = sum_problem(np.eye(3)[:, None, :], [3.0, 1.0, -5.0], Identity(), budget=2.5)
    path = GreedySelector().select(problem)
    assert [point.indices for point in path] == [(0,), (0, 1)]
    np.testing.assert_allclose(path[-1].weights, [5 / 3, 1.0], rtol=1e-6)
    # Half the mean squared residual, 0.5 * (-1)^2 / 3.
    assert path[-1].objective == pytest.approx(-1 / 6)


def test_a_budget_for_all_stages_buys_the_ensemble_as_it_is():
    # As above; the whole predicts (1, 1, 1): off the aim (5/3, 1, -1) by 2/3, 0 and 2.
    problem = sum_problem(np.eye(3)[:, None, :], [3.0, 1.0, -5.0], Identity())
    points, complete = pursue(problem)
    assert [point.indices for point in points] == [(0,), (0, 1), (0, 1, 2)]
    assert points[-1].weights is None
    assert points[-1].objective == pytest.approx(-(4 / 9 + 4) / 6)
    assert not complete


@pytest.mark.parametrize("seed", range(4))
def test_weights_are_the_non_negative_least_squares(seed):
    rng = np.random.default_rng(seed)
    outputs = rng.normal(size=(8, 1, 60)).astype(np.float32)
    y = 2.0 + np.abs(rng.normal(size=8)) @ outputs[:, 0] + 0.1 * rng.normal(size=60)
    problem = sum_problem(outputs, y, Identity(), budget=5, offset=np.array([2.0]))
    for point in pursue(problem)[0]:
        columns = outputs[list(point.indices), 0].T.astype(float)
        expected, _ = nnls(columns, aim(outputs, y, 2.0) - 2.0)
        np.testing.assert_allclose(point.weights, expected, rtol=1e-4, atol=1e-6)


def test_first_choice_is_the_best_single_stage():
    rng = np.random.default_rng(0)
    outputs = rng.normal(size=(6, 1, 50))
    y = rng.normal(size=50)
    point = pursue(sum_problem(outputs, y, Identity(), budget=1))[0][0]
    losses = [nnls(outputs[t].T, aim(outputs, y))[1] for t in range(6)]
    assert point.indices == (int(np.argmin(losses)),)


def test_pursuit_is_close_to_the_best_subset():
    rng = np.random.default_rng(1)
    sizes = np.array([0.1, 2.0, 0.1, 0.1, 1.0, 0.1, 0.5, 0.1])
    outputs = rng.normal(size=(8, 1, 80)) * sizes[:, None, None]
    y = outputs[[1, 4, 6], 0].T @ [2.0, 1.0, 0.5] + 0.2 * rng.normal(size=80)
    point = pursue(sum_problem(outputs, y, Identity(), budget=3))[0][-1]
    target = aim(outputs, y)
    best = min(
        itertools.combinations(range(8), 3), key=lambda s: nnls(outputs[list(s), 0].T, target)[1]
    )
    assert set(point.indices) == set(best) == {1, 4, 6}


@pytest.mark.parametrize(
    ("link", "classes"),
    [
        (Logistic(), np.arange(2)),
        (Logistic(scale=2.0), np.arange(2)),
        (Softmax(), np.arange(3)),
        (Exp(), None),
        (LogisticValue(), None),
        (Identity(), None),
    ],
    ids=lambda value: str(value),
)
def test_derivatives_are_those_of_the_loss(link, classes):
    rng = np.random.default_rng(0)
    rows = 3 if classes is not None and len(classes) == 3 else 1
    y = rng.integers(0, len(classes), 12) if classes is not None else rng.random(12)
    problem = sum_problem(rng.normal(size=(2, rows, 12)), y, link, classes)
    loss = _loss_of(problem)
    raw = rng.normal(size=(rows, 12))
    gradient, curvature = loss.derivatives(raw)
    value, same = loss.value_and_gradient(raw)
    assert value == pytest.approx(loss.value(raw), rel=1e-12)
    np.testing.assert_allclose(same, gradient, rtol=1e-10, atol=1e-15)
    step = 1e-4
    for place in itertools.product(range(rows), range(0, 12, 5)):
        up, down = raw.copy(), raw.copy()
        up[place] += step
        down[place] -= step
        values = loss.value(up), loss.value(raw), loss.value(down)
        assert gradient[place] == pytest.approx((values[0] - values[2]) / (2 * step), abs=1e-7)
        second = (values[0] - 2 * values[1] + values[2]) / step**2
        assert curvature[place] == pytest.approx(second, abs=1e-5)


def test_likelihood_is_the_log_loss():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 30)
    outputs = rng.normal(size=(2, 3, 30)).astype(np.float32)
    loss = _loss_of(sum_problem(outputs, y, Softmax(), np.arange(3)))
    raw = rng.normal(size=(3, 30))
    proba = Softmax().proba(raw)
    whole = Softmax().proba(outputs.sum(axis=0, dtype=float))
    from_whole = -(whole * np.log(proba)).sum(axis=0).mean()
    assert loss.value(raw) == pytest.approx(log_loss(y, proba.T) / 3 + from_whole * 2 / 3)


def test_the_search_that_holds_on_unseen_samples_is_used():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=400)
    # A stage of a tenth of its right size: fitted weights win.
    small = np.concatenate([0.1 * truth[None, None], np.zeros((1, 1, 400))])
    small = sum_problem(small, truth, Identity(), budget=1)
    assert GreedySelector().select(small)[-1].weights == pytest.approx((10 / 3 + 2 / 3,))
    # Two right stages, then stages of noise: what is fitted to the whole ensemble is far off, the
    # first two as they are are exact.
    noise = 30.0 * rng.normal(size=(20, 1, 400))
    outputs = np.concatenate([0.5 * truth[None, None], 0.5 * truth[None, None], noise])
    wild = sum_problem(outputs, truth, Identity(), budget=2)
    assert GreedySelector().select(wild)[-1].indices == (0, 1)
    assert GreedySelector().select(wild)[-1].weights is None


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_pruned_boosting_is_no_worse_than_its_own_first_stages(task):
    X, y = data(task)
    kind = GradientBoostingRegressor if task == "regression" else GradientBoostingClassifier
    scoring = "neg_mean_squared_error" if task == "regression" else "neg_log_loss"
    scores = {}
    for selector in ("greedy", "first"):
        pruner = EnsemblePruner(
            kind(n_estimators=40, random_state=0),
            target_size=8,
            selector=selector,
            scoring=scoring,
            random_state=0,
        ).fit(X, y)
        scores[selector] = pruner.score_pruned_
    assert scores["greedy"] >= scores["first"]


def test_costs_bound_the_stages():
    rng = np.random.default_rng(0)
    outputs = rng.normal(size=(6, 1, 50))
    y = np.abs(rng.normal(size=6)) @ outputs[:, 0]
    problem = sum_problem(outputs, y, Identity(), budget=5, costs=[5, 3, 2, 2, 4, 9])
    for point in GreedySelector().select(problem):
        assert point.cost <= 5


def test_backward_is_refused_for_sums():
    problem = sum_problem(np.eye(3)[:, None, :], [3.0, 1.0, -2.0], Identity())
    with pytest.raises(ValueError, match="boosting stages"):
        GreedySelector(direction="backward").select(problem)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("cost", ["members", [0.0, 1.0, 0.0, 2.0, 1.0]])
@pytest.mark.parametrize("constant", [False, True])
def test_stages_that_add_or_cost_nothing(cost, constant):
    X, y = data("regression")
    y = np.ones(len(y)) if constant else y
    boosting = GradientBoostingRegressor(n_estimators=5, random_state=0).fit(X, y)
    pruner = EnsemblePruner(FrozenEstimator(boosting), 0.5, cost=cost).fit(X, y)
    assert pruner.cost_pruned_ <= 0.5 * pruner.cost_full_
    assert np.isfinite(pruner.score_pruned_)
