"""What is solved, against small cases worked out by hand or by dense linear algebra."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize

from ensprune.link import Exp, Identity, Logistic, Probability, Softmax
from ensprune.members.leaves import TreeNodes, gather
from ensprune.objectives.convex import ConvexLoss
from ensprune.refinement.equations import Equations, Rows
from ensprune.refinement.leaves import project, solve
from ensprune.refinement.shrinkage import shrunk
from ensprune.refinement.strength import Judges, Strength, Trial, choose, folds, refit


def stump(low, high, weights=(1.0, 1.0)):
    """A tree of a root and two leaves."""
    values = np.array([np.zeros_like(low), low, high], dtype=float).reshape(3, -1)
    weight = np.array([sum(weights), *weights], dtype=float)
    return TreeNodes(np.array([1, -1, -1]), np.array([2, -1, -1]), values, weight)


def some_leaves(n_trees, n_values=1, scale=1.0, output=None, seed=0):
    rng = np.random.default_rng(seed)
    trees = [
        stump(*rng.dirichlet(np.ones(max(n_values, 2)), 2)[:, :n_values], rng.uniform(1, 5, 2))
        for _ in range(n_trees)
    ]
    return gather(trees, np.full(n_trees, scale), output)


def some_ids(n_samples, n_trees, seed=0):
    sides = np.random.default_rng(seed).integers(0, 2, (n_samples, n_trees))
    return (2 * np.arange(n_trees) + sides).astype(np.int32)


def test_a_single_leaf_moves_by_the_damped_mean_of_its_residuals():
    # Two rows of value 3 and 5 in a leaf of 0, none in the other. With damping d the ridge of a
    # leaf is d * 1 tree * 2 rows * its share 1/2 = d, so the leaf goes to 8 / (2 + d).
    leaves = gather([stump([0.0], [7.0])], np.ones(1))
    rows = Rows(np.array([[0], [0]]), np.array([[3.0, 5.0]]), np.ones(2))
    values = solve(Equations(leaves, rows), Identity(), leaves.values, damping=2.0)
    np.testing.assert_allclose(values, [[2.0], [7.0]], atol=1e-6)


def test_two_trees_share_a_residual():
    # A mean of two trees, one row with residual 1 in the leaves 0 and 2, all shares 1/2: the ridge
    # of a leaf is d * (1/2)^2 * 2 trees * 1 row * 1/2 = d / 4. Both move by the same x, which
    # minimises (1 - x)^2 + 2 (d / 4) x^2: x = 1 / (1 + d / 2).
    leaves = gather([stump([0.0], [0.0]), stump([0.0], [0.0])], np.full(2, 0.5))
    rows = Rows(np.array([[0, 2]]), np.array([[1.0]]), np.ones(1))
    values = solve(Equations(leaves, rows), Identity(), leaves.values, damping=2.0)
    np.testing.assert_allclose(values.ravel(), [0.5, 0.0, 0.5, 0.0], atol=1e-6)


def test_least_squares_is_the_dense_solution():
    leaves = some_leaves(4, scale=0.25)
    rng = np.random.default_rng(1)
    weight = rng.uniform(0.5, 2, 30)
    rows = Rows(some_ids(30, 4), rng.normal(size=(1, 30)), weight, np.full((1, 30), 0.3))
    equations = Equations(leaves, rows)
    A, ridge = equations.design.toarray(), equations.ridge(0.5)
    right = A.T @ (weight * (rows.target - 0.3 - (A @ leaves.values).T)[0])
    dense = np.linalg.solve(A.T @ (weight[:, None] * A) + np.diag(ridge), right)
    values = solve(equations, Identity(), leaves.values, damping=0.5)
    np.testing.assert_allclose(values[:, 0], leaves.values[:, 0] + dense, atol=1e-4)


def test_a_tree_that_says_too_little_is_weighed_anew_for_next_to_nothing():
    leaves = gather([stump([-1.0], [1.0])], np.ones(1))
    ids = np.array([[0], [1], [0], [1]])
    rows = Rows(ids, np.array([[-3.0, 3.0, -3.0, 3.0]]), np.ones(4))
    equations = Equations(leaves, rows)
    # The factor f costs 0.01 * 4 rows * (1 / 2 + 1 / 2) (f - 1)^2 and saves 4 (3 - f)^2.
    values = solve(equations, Identity(), leaves.values, np.inf, corrective=True)
    np.testing.assert_allclose(values[:, 0], np.array([-1, 1]) * (3 + 0.01) / 1.01, rtol=1e-6)
    damped = solve(equations, Identity(), leaves.values, 10.0)
    assert np.abs(damped).max() < 1.3


@pytest.mark.parametrize("link", [Identity(), Logistic()])
def test_factors_and_values_are_fitted_in_one_system(link):
    leaves = some_leaves(4, scale=0.25)
    rng = np.random.default_rng(7)
    weight = rng.uniform(0.5, 2, 30)
    rows = Rows(some_ids(30, 4), rng.integers(0, 2, (1, 30)).astype(float), weight)
    equations = Equations(leaves, rows)
    prior, ridge = leaves.values, equations.ridge(0.5)
    loose = np.bincount(leaves.tree, equations.ridge(0.01) * prior[:, 0] ** 2)
    loss = ConvexLoss(link, equations.target, weight)

    def cost(unknown):
        moved, factor = unknown[:8], unknown[8:]
        values = (prior[:, 0] * (1 + factor[leaves.tree]) + moved)[:, None]
        penalty = ridge @ moved**2 + loose @ factor**2
        return loss.value(equations.raw(values)) + 0.5 * penalty

    best = minimize(cost, np.zeros(12), method="BFGS", options={"gtol": 1e-8}).x
    values = solve(equations, link, prior, 0.5, iterations=500, corrective=True)
    expected = prior[:, 0] * (1 + best[8:][leaves.tree]) + best[:8]
    np.testing.assert_allclose(values[:, 0], expected, atol=2e-3)


@pytest.mark.parametrize(
    ("link", "target"),
    [
        (Identity(), np.random.default_rng(0).normal(size=(2, 6))),
        (Logistic(), np.array([[0.0, 1.0, 1.0, 0.0, 1.0, 0.0]])),
        (Softmax(), np.eye(3)[[0, 1, 2, 2, 1, 0]].T),
        (Exp(), np.array([[0.0, 1.0, 4.0, 2.0, 0.0, 7.0]])),
    ],
)
def test_the_gradient_is_the_slope_of_the_loss(link, target):
    raw = np.random.default_rng(1).normal(size=target.shape)
    loss = ConvexLoss(link, target, np.array([0.0, 1.0, 0.5, 2.0, 1e-3, 1.0]))
    value, gradient = loss.value_and_gradient(raw)
    assert value == pytest.approx(loss.value(raw))
    slope = approx_fprime(raw.ravel(), lambda moved: loss.value(moved.reshape(raw.shape)))
    np.testing.assert_allclose(gradient.ravel(), slope, atol=1e-5)
    assert not gradient[:, 0].any()


def test_the_loss_of_scores_far_apart_is_finite():
    raw = np.array([[1e4, -1e4, 0.0], [0.0, 1e4, -1e4], [-1e4, 0.0, 1e4]])
    loss = ConvexLoss(Softmax(), np.eye(3)[[0, 0, 0]].T, np.ones(3))
    value, gradient = loss.value_and_gradient(raw)
    assert value == pytest.approx(loss.value(raw))
    np.testing.assert_allclose(gradient, loss.derivatives(raw)[0], atol=1e-15)


def test_probabilities_are_the_constrained_optimum():
    leaves = some_leaves(3, n_values=3, scale=1 / 3)
    rng = np.random.default_rng(2)
    target = np.eye(3)[:, rng.integers(0, 3, 25)]
    equations = Equations(leaves, Rows(some_ids(25, 3), target, np.ones(25)))
    ridge, prior = equations.ridge(0.05), leaves.values

    def cost(flat):
        values = flat.reshape(prior.shape)
        fit = ((equations.raw(values) - target) ** 2).sum()
        return fit + (ridge[:, None] * (values - prior) ** 2).sum()

    sums = {"type": "eq", "fun": lambda flat: flat.reshape(prior.shape).sum(axis=1) - 1}
    bounds = [(0, 1)] * prior.size
    best = minimize(cost, prior.ravel(), bounds=bounds, constraints=sums, method="SLSQP")
    values = solve(equations, Probability(), prior, damping=0.05, iterations=500)
    assert values.min() >= 0
    np.testing.assert_allclose(values.sum(axis=1), 1)
    assert cost(values.ravel()) == pytest.approx(best.fun, rel=1e-4)
    assert (values == 0).any(), "no bound was active"


@pytest.mark.parametrize("link", [Logistic(), Logistic(2.0), Softmax(), Exp()])
def test_likelihood_has_no_slope_left(link):
    n_outputs = 3 if isinstance(link, Softmax) else 1
    output = np.tile(np.arange(3), 2) if n_outputs == 3 else None
    leaves = some_leaves(6, scale=0.7, output=output)
    rng = np.random.default_rng(3)
    target = rng.poisson(1.5, (1, 40)) if isinstance(link, Exp) else rng.integers(0, 2, (1, 40))
    if n_outputs == 3:
        target = np.eye(3)[:, rng.integers(0, 3, 40)]
    weight = rng.uniform(0.5, 2, 40)
    equations = Equations(leaves, Rows(some_ids(40, 6), target.astype(float), weight))
    values = solve(equations, link, leaves.values, damping=0.3, iterations=500)
    loss = ConvexLoss(link, equations.target, equations.weight)

    def cost(flat):
        moved = flat.reshape(values.shape)
        penalty = equations.ridge(0.3)[:, None] * (moved - leaves.values) ** 2
        return loss.value(equations.raw(moved)) + 0.5 * penalty.sum()

    assert cost(values.ravel()) < cost(leaves.values.ravel())
    assert np.abs(approx_fprime(values.ravel(), cost, 1e-6)).max() < 5e-3 * weight.sum()


def test_infinite_damping_is_the_prior_itself():
    leaves = some_leaves(2)
    rows = Rows(some_ids(5, 2), np.ones((1, 5)), np.ones(5))
    assert solve(Equations(leaves, rows), Identity(), leaves.values, np.inf) is leaves.values


def test_out_of_bag_rows_stand_twice():
    leaves = some_leaves(3, scale=1 / 3)
    unseen = np.array([[True, False, False], [False, False, False], [True, True, False]])
    rows = Rows(some_ids(3, 3), np.array([[1.0, 2.0, 3.0]]), np.ones(3), unseen=unseen)
    equations = Equations(leaves, rows, out_of_bag=True)
    design = equations.design.toarray()
    assert design.shape == (5, 6)
    np.testing.assert_allclose(design.sum(axis=1), 1)
    assert design[3, rows.ids[0, 0]] == 1
    np.testing.assert_allclose(design[4, rows.ids[2, :2]], 0.5)
    np.testing.assert_array_equal(equations.target, [[1, 2, 3, 1, 3]])


@pytest.mark.parametrize("n_values", [2, 4])
def test_projection_is_the_nearest_distribution(n_values):
    rng = np.random.default_rng(4)
    values, total = rng.normal(size=(50, n_values)), rng.uniform(0.5, 2, 50)
    projected = project(values, total)
    np.testing.assert_allclose(projected.sum(axis=1), total)
    assert projected.min() >= 0
    others = rng.dirichlet(np.ones(n_values), (200, 50)) * total[:, None]
    nearest = ((others - values) ** 2).sum(axis=2).min(axis=0)
    assert (((projected - values) ** 2).sum(axis=1) <= nearest + 1e-9).all()


@pytest.mark.parametrize("n_values", [2, 3])
def test_projection_leaves_out_what_does_not_speak(n_values):
    rng = np.random.default_rng(5)
    values = rng.normal(size=(40, n_values))
    speaks = rng.random((40, n_values)) < 0.6
    speaks[~speaks.any(axis=1), 0] = True
    projected = project(values, np.ones(40), speaks)
    assert (projected[~speaks] == 0).all()
    np.testing.assert_allclose(projected.sum(axis=1), 1)
    single = speaks.sum(axis=1) == n_values
    np.testing.assert_allclose(projected[single], project(values[single], np.ones(single.sum())))


def test_shrinkage_by_hand():
    # Root of 6 rows with mean 2; leaf A of 2 rows, value 8; inner node of 4 rows, mean -1, with
    # leaves B (1 row, value 5) and C (3 rows, value -3). Strength 6: steps below the root are
    # halved (6 / (6 + 6)), below the inner node kept by 4 / (4 + 6).
    tree = TreeNodes(
        left=np.array([1, -1, 3, -1, -1]),
        right=np.array([2, -1, 4, -1, -1]),
        values=np.array([[0.0], [8.0], [0.0], [5.0], [-3.0]]),
        weight=np.array([0.0, 2.0, 0.0, 1.0, 3.0]),
    )
    leaves = gather([tree], np.ones(1))
    expected = [2 + 0.5 * 6, 0.5 + 0.4 * 6, 0.5 + 0.4 * -2]
    np.testing.assert_allclose(shrunk(leaves, 6.0)[:, 0], expected)
    np.testing.assert_array_equal(shrunk(leaves, 0.0), leaves.values)
    np.testing.assert_allclose(shrunk(leaves, 1e12), 2.0, atol=1e-9)


def test_strength_is_what_fits_the_judging_rows():
    rng = np.random.default_rng(6)
    leaves = gather([stump([0.0], [0.0]), stump([0.0], [0.0])], np.ones(2))
    ids = some_ids(400, 2)
    signal = (np.array([1.0, -1.0, 2.0, -2.0])[ids]).sum(axis=1)

    def trial(target):
        rows = Rows(ids, target[None], np.ones(400))
        return Trial(leaves, rows.take(np.arange(200)), rows.take(np.arange(200, 400)), Identity())

    dampings = (np.inf, 10.0, 1.0, 0.1, 0.01)
    strength, loss, alone = choose([trial(signal)], dampings, (0.0,))
    assert strength.damping == 0.01
    assert loss < 0.01 * alone
    noise = rng.normal(size=400)
    noise[:200] -= noise[:200].mean()
    noise[200:] = -signal[200:]  # what was learned is wrong
    strength, loss, alone = choose(
        [trial(noise + np.r_[signal[:200], np.zeros(200)])], dampings, (0.0,)
    )
    assert strength == Strength()
    assert loss == alone


class Told:
    """A trial whose losses are known: 1 for each row with the values left alone."""

    def __init__(self, gains):
        self.gains = np.asarray(gains)

    def losses(self, strength):
        return np.ones(len(self.gains)) - (strength != Strength()) * strength.step * self.gains


@pytest.mark.parametrize(
    ("gains", "step"),
    [
        # Mean m and standard deviation 1 over 36 rows: m / (3 * 1 / 6) = 2 m.
        (np.tile([1.25, -0.75], 18), 0.5),
        (np.tile([1.125, -0.875], 18), 0.25),
        (np.tile([1.75, -0.25], 18), 1.0),
        (np.full(16, 0.01), 1.0),
    ],
)
def test_values_go_as_far_as_a_gain_is_sure(gains, step):
    judges = Judges([Told(gains[:10]), Told(gains[10:])])
    assert judges.as_far_as_sure(Strength(0.1)) == Strength(0.1, step=step)


def test_where_nothing_is_gained_values_stay():
    assert Judges([Told(np.tile([1.0, -1.0], 8))]).as_far_as_sure(Strength(0.1)) == Strength()
    assert Judges([Told(np.ones(16))]).as_far_as_sure(Strength()) == Strength()


def test_half_a_step_is_half_way():
    leaves = some_leaves(3, 2, 1 / 3)
    rows = Rows(some_ids(20, 3), np.eye(2)[np.arange(20) % 2].T, np.ones(20))
    whole, half = (
        refit(leaves, rows, Probability(), Strength(3.0, 3.0, step=step)) for step in (1.0, 0.5)
    )
    np.testing.assert_allclose(half, (leaves.values + whole) / 2)
    judges = Trial(leaves, rows, rows, Probability())
    np.testing.assert_allclose(
        judges.losses(Strength(3.0, 3.0, step=0.5)).sum(),
        ((Equations(leaves, rows).raw(half) - rows.target) ** 2).sum() / 2,
        rtol=1e-3,
    )


def test_trust_takes_the_opinion_where_there_is_one():
    leaves = some_leaves(2, scale=0.5)
    opinion = np.array([[0.5, np.nan, 0.25]])
    rows = Rows(some_ids(3, 2), np.array([[1.0, 0.0, 0.0]]), np.ones(3), opinion=opinion)
    np.testing.assert_allclose(rows.trusting(0.8).target, [[0.6, 0.0, 0.2]])
    assert rows.trusting(0.0) is rows
    np.testing.assert_array_equal(rows.take([0, 1]).opinion, opinion[:, :2])
    equations = Equations(leaves, rows)
    trusting = equations.trusting(0.8)
    assert trusting.design is equations.design
    np.testing.assert_allclose(trusting.target, [[0.6, 0.0, 0.2]])


@pytest.mark.parametrize("right", [True, False])
def test_an_opinion_is_trusted_if_it_is_right(right):
    rng = np.random.default_rng(8)
    leaves = gather([stump([0.0], [0.0]) for _ in range(12)], np.ones(12))
    ids = some_ids(120, 12)
    truth = np.where(ids % 2, 1.0, -1.0).sum(axis=1)
    noisy = truth + rng.normal(scale=6, size=120)
    opinion = truth if right else rng.permutation(truth)
    rows = Rows(ids, noisy[None], np.ones(120), opinion=opinion[None])
    trial = Trial(leaves, rows.take(np.arange(40)), rows.take(np.arange(40, 120)), Identity())
    strength, loss, alone = choose([trial], (np.inf, 3.0, 1.0, 0.1), (0.0,))
    assert (strength.trust > 0) == right
    assert loss <= alone


def test_folds_are_alike():
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    fold = folds(labels, 5, np.random.default_rng(0))
    counts = np.array([np.bincount(labels[fold == f], minlength=3) for f in range(5)])
    np.testing.assert_array_equal(counts, np.tile([10, 6, 4], (5, 1)))
