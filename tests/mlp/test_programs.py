"""The L1 and L0 programmes: against brute force, against their constraints, and silent."""

from itertools import product

import numpy as np
import pytest
from scipy.optimize import linprog

from ensprune.mlp import l0_program, l1_program, prune_layer
from ensprune.mlp import l1_program as l1_function


@pytest.fixture
def layer(rng):
    X = np.maximum(rng.normal(size=(30, 5)) @ rng.normal(size=(5, 5)), 0)
    X[:, 4] = X[:, 0] + 0.05 * X[:, 1]  # a nearly redundant input
    return X, rng.normal(size=(5, 3))


def fits(X, z, support, allowed):
    """Is there any w on `support` with |X w + b - z| <= allowed? Decided by scipy's own LP."""
    A = np.hstack([X[:, list(support)], np.ones((len(X), 1))])
    found = linprog(
        np.zeros(A.shape[1]),
        A_ub=np.vstack([A, -A]),
        b_ub=np.concatenate([z + allowed, allowed - z]),
        bounds=(None, None),
    )
    return found.status == 0


def fewest(X, z, allowed):
    supports = product([False, True], repeat=X.shape[1])
    return min(sum(chosen) for chosen in supports if fits(X, z, np.flatnonzero(chosen), allowed))


@pytest.mark.parametrize("epsilon", [0.05, 0.3, 0.8])
def test_l0_finds_the_fewest_weights_of_all_supports(layer, epsilon):
    X, W = layer
    target = X @ W
    coef, bias, proof = l0_program(X, target, W, epsilon=epsilon, weight_bound=100.0)
    best = sum(fewest(X, target[:, j], epsilon * target[:, j].std()) for j in range(3))
    assert np.count_nonzero(coef) == best == proof["objective"]
    assert proof["status"] == "optimal"
    assert proof["gap"] == pytest.approx(0.0)
    deviation = np.abs(X @ coef + bias - target).max(axis=0) / target.std(axis=0)
    assert (deviation <= epsilon + 1e-6).all()


def test_l0_of_a_given_size_finds_the_least_deviation(layer):
    X, W = layer
    target = (X @ W)[:, :1]
    coef, bias, proof = l0_program(X, target, W[:, :1], sparsity=0.6, weight_bound=100.0)
    assert np.count_nonzero(coef) <= 2
    deviation = np.abs(X @ coef + bias - target).max() / target.std()
    assert deviation == pytest.approx(proof["objective"], abs=1e-6)
    least = deviation * target.std()
    for chosen in product([False, True], repeat=5):
        if sum(chosen) == 2:
            assert not fits(X, target[:, 0], np.flatnonzero(chosen), least * 0.999)


def test_l0_margins_keep_every_rows_class(layer):
    X, W = layer
    target = X @ W
    coef, bias, proof = l0_program(X, target, W, epsilon=0.5, margins=True)
    outputs = X @ coef + bias
    assert np.array_equal(outputs.argmax(axis=1), target.argmax(axis=1))
    top = np.arange(len(X)), target.argmax(axis=1)
    margins, old = outputs[top][:, None] - outputs, target[top][:, None] - target
    losing = np.arange(3) != target.argmax(axis=1)[:, None]
    assert (margins[losing] >= old[losing] - 0.5 * old[losing].std() - 1e-6).all()
    assert np.count_nonzero(coef) == proof["objective"] < np.count_nonzero(W)


def test_l0_margin_of_a_single_output_is_its_sign(layer):
    X, W = layer
    target = X @ W[:, :1] - np.median(X @ W[:, :1])
    coef, bias, _ = l0_program(X, target, W[:, :1], epsilon=1.0, margins=True)
    assert np.array_equal((X @ coef + bias) > 0, target > 0)


def test_l0_out_of_time_returns_the_dense_weights_and_says_so(rng):
    X, W = rng.normal(size=(400, 60)), rng.normal(size=(60, 1))
    coef, _, proof = l0_program(X, X @ W, W, epsilon=0.5, time_limit=0.01)
    assert proof["status"] == "time_limit"
    assert np.abs(X @ coef - X @ W).max() <= 0.5 * (X @ W).std() + 1e-6
    assert not proof["gap"] <= 0  # unknown or positive, never claimed closed


def test_l0_refuses_large_layers(rng):
    with pytest.raises(ValueError, match="for small layers: 300 weights on 20 rows"):
        l0_program(
            rng.normal(size=(20, 300)), rng.normal(size=(20, 1)), np.ones((300, 1)), epsilon=1
        )


@pytest.mark.parametrize("relu", [False, True])
def test_l1_is_the_least_norm_that_holds_the_outputs(layer, relu):
    X, W = layer
    target, epsilon = X @ W - 0.5, 0.2
    coef, bias, proof = l1_program(X, target, W, epsilon=epsilon, relu=relu)
    cut = (lambda z: np.maximum(z, 0)) if relu else (lambda z: z)
    allowed = epsilon * target.std(axis=0)
    assert (np.abs(cut(X @ coef + bias) - cut(target)) <= allowed + 1e-6).all()
    assert proof["status"] == "optimal"
    assert proof["objective"] == pytest.approx(proof["bound"], rel=1e-5)
    if relu:
        return
    # the same programme, written for scipy
    n, d = X.shape
    ones = np.ones((n, 1))
    total = 0.0
    for j in range(W.shape[1]):
        A = np.hstack([X, -X, ones, -ones])
        cost = np.concatenate([np.ones(2 * d), [0, 0]])
        limits = np.concatenate([target[:, j] + allowed[j], allowed[j] - target[:, j]])
        total += linprog(cost, A_ub=np.vstack([A, -A]), b_ub=limits).fun
    assert proof["objective"] == pytest.approx(total, rel=1e-6)


def test_l1_relu_needs_no_more_than_the_plain_programme(layer):
    X, W = layer
    target = X @ W - 0.5
    plain = l1_program(X, target, W, epsilon=0.2)[2]["objective"]
    assert l1_program(X, target, W, epsilon=0.2, relu=True)[2]["objective"] <= plain + 1e-6


@pytest.mark.parametrize("method", ["l1_program", "l0_program"])
def test_programmes_reach_a_given_sparsity(layer, method):
    X, W = layer
    pruned = prune_layer(W, X, 0.6, intercept=np.zeros(3), method=method)
    assert pruned.sparsity >= 0.6
    assert pruned.mask.any(axis=0).all()
    assert pruned.error < 1
    assert np.isfinite(pruned.coef).all()


@pytest.mark.parametrize("options", [{"sparsity": 0.6}, {"epsilon": 0.3}])
def test_large_layers_go_to_coordinate_descent(layer, monkeypatch, options):
    import importlib

    module = importlib.import_module(l1_function.__module__)
    X, W = layer
    by_programme = prune_layer(W, X, intercept=np.zeros(3), method="l1_program", **options)
    monkeypatch.setattr(module, "L1_PROGRAM_MAX_ENTRIES", 10)
    by_descent = prune_layer(W, X, intercept=np.zeros(3), method="l1_program", **options)
    assert by_programme.status == "optimal"
    assert by_descent.status == "coordinate_descent"
    if "sparsity" in options:
        assert by_descent.sparsity >= 0.6
    else:
        target = X @ W
        deviation = np.abs(X @ by_descent.coef + by_descent.intercept - target).max(axis=0)
        assert (deviation <= 0.3 * target.std(axis=0) + 1e-9).all()
        norm = np.abs(by_programme.coef).sum()
        assert norm <= np.abs(by_descent.coef).sum() + 1e-6


def test_an_output_that_may_vanish_is_an_error_not_an_empty_layer(layer):
    X, W = layer
    for method in ("l1_program", "l0_program"):
        with pytest.raises(ValueError, match="would lose all of its weights at epsilon=100"):
            prune_layer(W, X, intercept=np.zeros(3), method=method, epsilon=100.0)


def test_solvers_write_nothing_to_the_terminal(layer, capfd):
    X, W = layer
    prune_layer(W, X, intercept=np.zeros(3), method="l1_program", epsilon=0.3)
    prune_layer(W, X, intercept=np.zeros(3), method="l0_program", epsilon=0.3)
    assert capfd.readouterr() == ("", "")


def test_no_time_for_the_l1_programme_leaves_the_largest_weights():
    rng = np.random.default_rng(0)
    X, W = rng.normal(size=(400, 40)), rng.normal(size=(40, 1))
    asked = {"method": "l1_program", "time_limit": 1e-9}
    pruned = prune_layer(W, X, sparsity=0.5, **asked)
    assert pruned.status == "time_limit"
    assert np.isnan(pruned.gap)
    effect = np.abs(W) * X.std(axis=0)[:, None]
    np.testing.assert_array_equal(pruned.mask, effect >= np.sort(effect, axis=0)[20])
    dense = prune_layer(W, X, sparsity=None, epsilon=0.2, **asked)
    assert dense.status == "time_limit"
    np.testing.assert_array_equal(dense.coef, W)
