"""Scopes and schedules: how much goes where and when."""

import numpy as np
import pytest

from ensprune.mlp import erk_sparsities, schedule_fractions
from ensprune.mlp.scopes import check_sparsity, masks_from_scores


def test_layer_scope_prunes_each_layer_by_its_own_share():
    scores = [np.array([[1.0, 4.0], [3.0, 2.0]]), np.array([[9.0, 8.0]])]
    masks = masks_from_scores(scores, np.array([0.5, 0.5]), "layer")
    assert masks[0].tolist() == [[False, True], [True, False]]
    assert masks[1].tolist() == [[True, False]]


def test_global_scope_compares_over_layers():
    scores = [np.array([[1.0, 4.0], [3.0, 2.0]]), np.array([[9.0, 8.0]])]
    masks = masks_from_scores(scores, np.array([0.5, 0.5]), "global")
    assert masks[0].tolist() == [[False, True], [False, False]]
    assert masks[1].all()


def test_what_was_pruned_stays_pruned():
    scores = [np.array([[1.0, 4.0], [3.0, 2.0]])]
    masks = masks_from_scores(
        scores, np.array([0.5]), "layer", [np.array([[True, False], [True, True]])]
    )
    assert masks[0].tolist() == [[False, False], [True, True]]


def test_ties_are_broken_by_position():
    masks = masks_from_scores([np.ones((2, 3))], np.array([0.5]), "layer")
    assert masks[0].ravel().tolist() == [False] * 3 + [True] * 3


def test_a_layer_that_would_lose_everything_is_named():
    scores = [np.ones((3, 3)), np.zeros((2, 2))]
    with pytest.raises(ValueError, match=r"layer 1 of shape \(2, 2\) would lose all of its 4"):
        masks_from_scores(scores, np.array([0.5, 0.5]), "global")


def test_erk_by_hand():
    # raw densities 1/4 + 1/4 and 1/4 + 1: 16 x 0.5 = 8 and 4 x 1.25 = 5 weights per unit of scale
    shares = erk_sparsities([(4, 4), (4, 1)], 0.5)
    scale = 10 / 13
    np.testing.assert_allclose(shares, [1 - 0.5 * scale, 1 - 1.25 * scale])


@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.8, 0.97])
@pytest.mark.parametrize("structure", ["weight", "neuron"])
def test_erk_keeps_the_asked_total_and_no_density_exceeds_one(sparsity, structure):
    shapes = [(784, 300), (300, 100), (100, 10)]
    shares = erk_sparsities(shapes, sparsity, structure)
    sizes = np.array([n if structure == "neuron" else m * n for m, n in shapes])
    assert ((shares >= 0) & (shares < 1)).all()
    assert (shares * sizes).sum() == pytest.approx(sparsity * sizes.sum())


@pytest.mark.parametrize(
    ("sparsity", "scope", "message"),
    [
        (1.0, "layer", r"must lie in \[0, 1\)"),
        (-0.1, "global", r"must lie in \[0, 1\)"),
        (float("nan"), "global", r"must lie in \[0, 1\)"),
        ([0.5, 1.5], "layer", r"must lie in \[0, 1\)"),
        ([0.5], "layer", "sequence of 2 floats"),
        ([0.5, 0.5], "global", "goes with scope='layer'"),
        (True, "layer", "must be one float or a sequence"),
    ],
)
def test_bad_sparsity_is_named(sparsity, scope, message):
    with pytest.raises(ValueError, match=message):
        check_sparsity(sparsity, 2, scope)


@pytest.mark.parametrize("schedule", ["one_shot", "linear", "cubic", "layerwise"])
@pytest.mark.parametrize("n_steps", [1, 3, 10])
def test_schedules_rise_to_one(schedule, n_steps):
    fractions = schedule_fractions(schedule, n_steps, 3)
    assert (np.diff(fractions, axis=0) >= 0).all()
    assert (fractions[-1] == 1).all()
    assert (fractions >= 0).all()


def test_schedules_by_hand():
    assert schedule_fractions("one_shot", 5, 2).tolist() == [[1, 1]]
    assert schedule_fractions("linear", 4, 1).ravel().tolist() == [0.25, 0.5, 0.75, 1]
    np.testing.assert_allclose(
        schedule_fractions("cubic", 4, 1).ravel(), [1 - 27 / 64, 7 / 8, 1 - 1 / 64, 1]
    )
    assert schedule_fractions("layerwise", 2, 2).tolist() == [
        [0.875, 0],
        [1, 0],
        [1, 0.875],
        [1, 1],
    ]


def test_layerwise_steps_shrink_within_a_layer():
    steps = np.diff(schedule_fractions("layerwise", 5, 1).ravel(), prepend=0)
    assert (np.diff(steps) < 0).all()


def test_unknown_schedule_is_named():
    with pytest.raises(ValueError, match="schedule='fast' is unknown"):
        schedule_fractions("fast", 2, 2)


@pytest.mark.parametrize("sparsity", [1.5, 1.0, -0.1, float("nan")])
def test_erk_shares_out_a_sparsity_below_one(sparsity):
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\)"):
        erk_sparsities([(10, 10), (5, 5)], sparsity)


def test_a_schedule_has_a_step():
    with pytest.raises(
        ValueError, match="'n_steps' parameter of schedule_fractions must be an int in the range"
    ):
        schedule_fractions("cubic", 0, 2)
