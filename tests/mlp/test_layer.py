"""prune_layer on plain arrays: ranks, refits and what it refuses."""

import numpy as np
import pytest

from ensprune.mlp import prune_layer


@pytest.fixture
def layer(rng):
    X = np.maximum(rng.normal(size=(80, 8)) @ rng.normal(size=(8, 8)), 0)
    return X, rng.normal(size=(8, 4)), rng.normal(size=4)


def test_default_is_ninety_percent_by_magnitude(rng):
    W = rng.normal(size=(10, 10))
    pruned = prune_layer(W)
    assert pruned.sparsity == 0.9
    assert np.array_equal(np.sort(np.abs(W[pruned.mask])), np.sort(np.abs(W), axis=None)[-10:])
    assert pruned.status == "ranked"
    assert np.isnan(pruned.error)


@pytest.mark.parametrize("criterion", ["magnitude", "l2", "random", "wanda", "taylor", "obs"])
@pytest.mark.parametrize("sparsity", [0.0, 0.25, 0.5, 0.75])
def test_every_criterion_reaches_the_sparsity_and_leaves_the_input_alone(
    layer, criterion, sparsity
):
    X, W, b = layer
    before = [a.copy() for a in (X, W, b)]
    pruned = prune_layer(W, X, sparsity, intercept=b, criterion=criterion, G=W, random_state=0)
    assert pruned.sparsity == sparsity
    assert (pruned.coef[~pruned.mask] == 0).all()
    assert all(np.array_equal(a, old) for a, old in zip((X, W, b), before, strict=True))
    assert not np.shares_memory(pruned.coef, W)
    difference = np.linalg.norm(X @ W + b - X @ pruned.coef - pruned.intercept)
    spread = np.linalg.norm(X @ W - (X @ W).mean(axis=0))
    assert pruned.error == pytest.approx(difference / spread, abs=1e-12)


def test_refitting_lowers_the_error_and_obs_lowers_it_further(layer):
    X, W, b = layer
    plain = prune_layer(W, X, 0.5, intercept=b)
    refitted = prune_layer(W, X, 0.5, intercept=b, reconstruct_weights=True)
    obs = prune_layer(W, X, 0.5, intercept=b, criterion="obs")
    assert obs.error < refitted.error < plain.error
    assert np.array_equal(plain.mask, refitted.mask)


def test_another_target_is_reproduced(layer, rng):
    X, W, b = layer
    target = X @ rng.normal(size=W.shape) + 5.0
    pruned = prune_layer(
        W, X, 0.0, intercept=b, target=target, reconstruct_weights=True, damping=1e-12
    )
    np.testing.assert_allclose(X @ pruned.coef + pruned.intercept, target, atol=1e-6)


def test_weights_masked_before_stay_zero(layer):
    X, W, b = layer
    mask = np.ones(W.shape, dtype=bool)
    mask[3] = False
    for criterion in ("magnitude", "obs"):
        pruned = prune_layer(W, X, 0.5, intercept=b, criterion=criterion, mask=mask)
        assert not pruned.mask[3].any()
        assert pruned.sparsity == 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sparsity": 1.0}, r"must lie in \[0, 1\)"),
        ({"sparsity": -0.5}, r"must lie in \[0, 1\)"),
        ({"sparsity": 0.99}, "would lose all of its 4 weights"),
        ({"sparsity": 0.99, "criterion": "obs", "X": np.eye(2)}, "would lose all of its 4 weights"),
        ({"method": "anneal"}, "method='anneal' is unknown"),
        ({"criterion": "obs"}, "criterion='obs' needs data: give X"),
        ({"reconstruct_weights": True}, "reconstruct_weights=True needs data: give X"),
        ({"reconstruct_weights": "yes"}, "reconstruct_weights='yes' must be"),
        ({"method": "l1_program", "epsilon": 0.1}, "method='l1_program' needs data"),
        ({"method": "l1_program", "X": np.eye(2)}, "either sparsity or epsilon"),
        (
            {"method": "l0_program", "X": np.eye(2), "epsilon": -1.0},
            "'epsilon' parameter of prune_layer must be",
        ),
        ({"mask": np.ones((3, 3))}, r"mask has shape \(3, 3\)"),
        ({"mask": np.full((2, 2), 0.5)}, "mask must hold True for weights that may stay"),
        ({"intercept": np.ones(3)}, r"intercept has shape \(3,\), but W has 2 columns"),
        ({"sparsity": "half"}, "sparsity='half' must be one float or a sequence"),
        (
            {"sparsity": 0.5, "method": "l1_program", "X": np.eye(2), "mask": np.eye(2)},
            "starts from a dense layer; mask must be None",
        ),
    ],
)
def test_bad_input_is_named(arguments, message):
    arguments = {"sparsity": None} | arguments
    with pytest.raises(ValueError, match=message):
        prune_layer(np.array([[1.0, 2.0], [3.0, 4.0]]), **arguments)
