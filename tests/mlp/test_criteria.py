"""Criteria, against values computed by hand."""

import numpy as np
import pytest

from ensprune.mlp import weight_scores

W = np.array([[1.0, -2.0], [3.0, 0.5]])
X = np.array([[3.0, 0.0], [4.0, 1.0]])
G = np.array([[0.5, 1.0], [-1.0, 4.0]])


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        ("magnitude", [[1, 2], [3, 0.5]]),
        ("l2", [[1, 4], [9, 0.25]]),
        ("wanda", [[5, 10], [3, 0.5]]),
        ("taylor", [[0.5, 2], [3, 2]]),
    ],
)
def test_values_by_hand(criterion, expected):
    np.testing.assert_allclose(weight_scores(W, X, G, criterion), expected, rtol=1e-14)


def test_obs_by_hand_for_uncorrelated_inputs():
    inputs = np.array([[2.0, 0.0], [0.0, 1.0]])  # X'X / 2 = diag(2, 1/2)
    scores = weight_scores(W, inputs, criterion="obs", damping=0.0)
    np.testing.assert_allclose(scores, [[1.0, 4.0], [2.25, 0.0625]], rtol=1e-12)


def test_obs_score_is_the_rise_of_the_error_after_refitting_the_others(rng):
    inputs = rng.normal(size=(50, 4)) @ rng.normal(size=(4, 4))
    w = rng.normal(size=(4, 1))
    scores = weight_scores(w, inputs, criterion="obs", damping=0.0)
    for i in range(4):
        others = np.delete(inputs, i, axis=1)
        refit = np.linalg.lstsq(others, inputs @ w, rcond=None)[0]
        rise = ((others @ refit - inputs @ w) ** 2).sum() / (2 * len(inputs))
        assert scores[i, 0] == pytest.approx(rise, rel=1e-9)


def test_random_scores_follow_the_seed():
    first = weight_scores(W, criterion="random", random_state=3)
    assert np.array_equal(first, weight_scores(W, criterion="random", random_state=3))
    assert not np.array_equal(first, weight_scores(W, criterion="random", random_state=4))


@pytest.mark.parametrize("criterion", ["obs", "wanda"])
def test_an_input_that_is_always_zero_scores_zero(criterion):
    dead = np.array([[0.0, 1.0], [0.0, 2.0]])
    scores = weight_scores(W, dead, criterion=criterion)
    assert (scores[0] == 0).all()
    assert (scores[1] > 0).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"criterion": "best"}, "criterion='best' is unknown"),
        ({"criterion": "wanda"}, "criterion='wanda' needs data: give X"),
        ({"criterion": "obs"}, "criterion='obs' needs data: give X"),
        ({"criterion": "taylor"}, "criterion='taylor' needs gradients: give G"),
        ({"criterion": "taylor", "G": np.ones((1, 2))}, r"G has shape \(1, 2\)"),
        ({"criterion": "wanda", "X": np.ones((3, 5))}, "X has 5 columns, but W has 2 rows"),
        ({"criterion": "wanda", "X": [[np.nan, 1.0]]}, "X contains NaN"),
        ({"criterion": "taylor", "G": [[np.inf, 1], [1, 1]]}, "G contains infinity"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        weight_scores(W, **arguments)


def test_weights_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="W contains NaN"):
        weight_scores([[np.nan, 1.0]])
