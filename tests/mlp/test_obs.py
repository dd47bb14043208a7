"""Optimal brain surgeon: the update, the reconstruction, the elimination."""

from itertools import combinations

import numpy as np
import pytest

from ensprune.mlp import prune_layer
from ensprune.mlp.criteria import damped_hessian
from ensprune.mlp.obs import obs_eliminate, obs_prune, reconstruct, refit_targets


@pytest.fixture
def layer(rng):
    X = rng.normal(size=(60, 6)) @ rng.normal(size=(6, 6))
    return X, rng.normal(size=(6, 3))


def test_one_elimination_is_hassibi_and_storks_formula(layer):
    X, W = layer
    H_inv = np.linalg.inv(damped_hessian(X))
    w, _ = obs_eliminate(W[:, 0], H_inv, np.array([2]))
    expected = W[:, 0] - H_inv[:, 2] * W[2, 0] / H_inv[2, 2]
    np.testing.assert_allclose(w, expected, atol=1e-12)
    assert w[2] == 0.0


def test_eliminating_one_by_one_equals_eliminating_together(layer):
    X, W = layer
    w, H_inv = W[:, 0], np.linalg.inv(damped_hessian(X))
    together, _ = obs_eliminate(w, H_inv, np.array([0, 3, 4]))
    for index in (3, 0, 4):
        w, H_inv = obs_eliminate(w, H_inv, np.array([index]))
    np.testing.assert_allclose(w, together, atol=1e-10)


@pytest.mark.parametrize(
    ("drop", "meant"),
    [(4, [4]), ((0, -1), [0, 5]), ([2, 2, 1], [1, 2]), (np.arange(6) > 3, [4, 5]), ([], [])],
)
def test_what_is_eliminated_is_read_as_numpy_reads_indices(layer, drop, meant):
    X, W = layer
    H_inv = np.linalg.inv(damped_hessian(X))
    w, left = obs_eliminate(W[:, 0], H_inv, drop)
    expected, of_rest = obs_eliminate(W[:, 0], H_inv, np.array(meant, dtype=int))
    np.testing.assert_array_equal(w, expected)
    np.testing.assert_array_equal(left, of_rest)
    assert np.flatnonzero(w == 0).tolist() == meant


@pytest.mark.parametrize("drop", [6, [-7], [True, False], True, [[0], [1]], [1.0], None])
def test_indices_that_are_none_are_refused(layer, drop):
    X, W = layer
    with pytest.raises(ValueError, match=r"drop=.* must hold ints in \[0, 5\], or be a mask of 6"):
        obs_eliminate(W[:, 0], damped_hessian(X), drop)


def test_weights_of_several_neurons_are_refused(layer):
    X, W = layer
    with pytest.raises(ValueError, match=r"w has shape \(6, 3\)"):
        obs_eliminate(W, damped_hessian(X), [0])


def test_reconstruction_is_the_sum_of_all_eliminations(layer, rng):
    X, W = layer
    H = damped_hessian(X)
    mask = rng.uniform(size=W.shape) > 0.5
    rebuilt = reconstruct(W, H, mask)
    for j in range(W.shape[1]):
        w, _ = obs_eliminate(W[:, j], np.linalg.inv(H), np.flatnonzero(~mask[:, j]))
        np.testing.assert_allclose(rebuilt[:, j], w, atol=1e-10)
    assert (rebuilt[~mask] == 0).all()


def test_reconstruction_without_damping_is_least_squares(layer, rng):
    X, W = layer
    mask = rng.uniform(size=W.shape) > 0.4
    rebuilt = reconstruct(W, damped_hessian(X, 0.0), mask)
    for j in range(W.shape[1]):
        kept = np.flatnonzero(mask[:, j])
        best = np.linalg.lstsq(X[:, kept], X @ W[:, j], rcond=None)[0]
        np.testing.assert_allclose(rebuilt[kept, j], best, atol=1e-9)


def test_pruning_one_weight_at_a_time_starts_with_the_best_one(layer):
    X, W = layer
    H = damped_hessian(X, 0.0)

    def error(mask):
        return ((X @ reconstruct(W, H, mask) - X @ W) ** 2).sum()

    singles = []
    for cell in np.ndindex(W.shape):
        mask = np.ones(W.shape, dtype=bool)
        mask[cell] = False
        singles.append(error(mask))
    _, mask = obs_prune(W, H, n_zeros=1, n_rounds=1)
    assert error(mask) == pytest.approx(min(singles))


def test_rounds_come_close_to_the_best_of_all_masks(layer):
    X, W = layer
    w, H = W[:, :1], damped_hessian(X, 0.0)
    errors = {}
    for gone in combinations(range(6), 3):
        mask = np.ones((6, 1), dtype=bool)
        mask[list(gone)] = False
        errors[gone] = ((X @ reconstruct(w, H, mask) - X @ w) ** 2).sum()
    _, mask = obs_prune(w, H, n_zeros=3, n_rounds=3)
    found = errors[tuple(np.flatnonzero(~mask[:, 0]))]
    assert found <= 2 * min(errors.values())
    assert found <= np.median(list(errors.values()))


def test_what_was_pruned_stays_pruned(layer):
    X, W = layer
    old = np.ones(W.shape, dtype=bool)
    old[0] = False
    new_W, mask = obs_prune(W, damped_hessian(X), n_zeros=9, mask=old)
    assert not mask[0].any()
    assert (~mask).sum() == 9
    assert (new_W[~mask] == 0).all()


def test_refit_targets_is_least_squares_when_undamped(layer, rng):
    X, W = layer
    target = rng.normal(size=(60, 3))
    refitted = refit_targets(W, X, target, damping=0.0)
    np.testing.assert_allclose(refitted, np.linalg.lstsq(X, target, rcond=None)[0], atol=1e-8)


def test_constant_inputs_give_no_nan(layer):
    X, W = layer
    X = X.copy()
    X[:, 1] = 0.0
    new_W, mask = obs_prune(W, damped_hessian(X), n_zeros=12)
    assert np.isfinite(new_W).all()
    assert (~mask).sum() == 12


@pytest.mark.parametrize("inputs", ["collinear", "constant", "few_rows"])
def test_undamped_singular_inputs_are_an_error_and_never_nan(inputs):
    rng = np.random.RandomState(0)
    X = {
        "collinear": np.repeat(rng.randn(20, 2), 2, axis=1),
        "constant": np.c_[rng.randn(20, 3), np.zeros(20)],
        "few_rows": rng.randn(2, 4),
    }[inputs]
    W = rng.randn(4, 3)
    with pytest.raises(ValueError, match="give damping > 0"):
        prune_layer(W, X, 0.5, criterion="obs", damping=0.0)
    assert np.isfinite(prune_layer(W, X, 0.5, criterion="obs").coef).all()


@pytest.mark.parametrize("damping", [-0.1, float("nan"), float("inf")])
def test_damping_must_be_finite_and_not_negative(damping):
    with pytest.raises(ValueError, match="damping="):
        prune_layer(np.eye(3), np.eye(3), 0.5, criterion="obs", damping=damping)
