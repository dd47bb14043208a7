"""Masked training: zeros stay zero, the given network stays as it was."""

import copy

import numpy as np
import pandas as pd
import pytest
from sklearn.neural_network import MLPClassifier
from sklearn.utils import check_random_state

from ensprune.mlp import finetune
from ensprune.mlp.finetune import train_from_start


@pytest.fixture
def masks(digits_net, rng):
    return [rng.uniform(size=W.shape) > 0.6 for W in digits_net.coefs_]


def test_zeros_stay_zero_and_the_rest_learns(digits, digits_net, masks):
    X, y = digits
    before = copy.deepcopy(digits_net)
    cut = copy.deepcopy(digits_net)
    for W, mask in zip(cut.coefs_, masks, strict=True):
        W[~mask] = 0.0
    trained = finetune(cut, X, y, masks, 5, check_random_state(0))
    for W, mask in zip(trained.coefs_, masks, strict=True):
        assert (W[~mask] == 0).all()
        assert (W[mask] != 0).all()
    assert trained.score(X, y) > cut.score(X, y) + 0.1
    assert all(np.array_equal(a, b) for a, b in zip(before.coefs_, digits_net.coefs_, strict=True))


def test_adam_alone_would_bring_zeros_back(digits, digits_net, masks):
    """The reason for masking after every step: moments move weights whose gradient is zero."""
    X, y = digits
    net = copy.deepcopy(digits_net)
    net.coefs_[0][~masks[0]] = 0.0
    net.partial_fit(X[:200], y[:200])
    assert (net.coefs_[0][~masks[0]] != 0).any()


def test_state_of_the_optimiser_is_dropped_and_settings_stay(digits, digits_net, masks):
    trained = finetune(digits_net, *digits, masks, 2, check_random_state(0), learning_rate=0.01)
    assert not {"_optimizer", "_best_coefs", "_best_intercepts"} & set(vars(trained))
    assert trained.get_params() == digits_net.get_params()
    assert len(trained.loss_curve_) == len(digits_net.loss_curve_) + 2
    assert trained.loss_ == trained.loss_curve_[-1]


def test_training_can_go_on_afterwards(digits, digits_net):
    X, y = digits
    trained = finetune(digits_net, X, y, None, 1, check_random_state(0))
    trained.partial_fit(X[:100], y[:100])
    assert trained.score(X, y) > 0.5


def test_masks_may_be_anything_that_holds_them(digits, digits_net, masks):
    X, y = digits[0][:200], digits[1][:200]
    wanted, *same = (
        finetune(digits_net, X, y, given, 1, check_random_state(0))
        for given in (masks, tuple(masks), (mask.tolist() for mask in masks))
    )
    assert (wanted.coefs_[0][~masks[0]] == 0).all()
    for net in same:
        assert all(np.array_equal(a, b) for a, b in zip(net.coefs_, wanted.coefs_, strict=True))


def test_no_epochs_change_nothing(digits, digits_net):
    same = finetune(digits_net, *digits, None, 0, check_random_state(0))
    assert all(np.array_equal(a, b) for a, b in zip(same.coefs_, digits_net.coefs_, strict=True))


@pytest.mark.parametrize("batch_size", ["auto", 7, 5000])
def test_batches_larger_than_the_data_raise_no_warning(digits, batch_size):
    X, y = digits[0][:50], digits[1][:50]
    net = MLPClassifier((4,), batch_size=50, max_iter=300, tol=0.1, random_state=0).fit(X, y)
    net.set_params(batch_size=batch_size)
    assert np.isfinite(finetune(net, X, y, None, 2, check_random_state(0)).loss_)


def test_float32_networks_stay_float32(digits):
    X, y = digits[0][:100].astype(np.float32), digits[1][:100]
    net = MLPClassifier((8,), max_iter=300, tol=0.1, random_state=0).fit(X, y)
    trained = finetune(net, X, y, None, 1, check_random_state(0))
    assert {W.dtype for W in trained.coefs_} == {np.dtype("float32")}


def test_decay_changes_the_step_size_only(digits, digits_net, masks):
    plain, decayed = (
        finetune(digits_net, *digits, masks, 3, check_random_state(0), decay=decay)
        for decay in (False, True)
    )
    first_epoch = len(digits_net.loss_curve_)
    assert plain.loss_curve_[first_epoch] == decayed.loss_curve_[first_epoch]
    assert plain.loss_curve_[-1] != decayed.loss_curve_[-1]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_early_network_is_never_trained_longer_than_the_full_one(digits):
    X, y = digits
    net = MLPClassifier((6,), max_iter=2, random_state=0)
    full, early = train_from_start(net, X, y, check_random_state(0), rewind=9)
    for one, other in zip(full.coefs_, early.coefs_, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_early_stopping_keeps_no_early_weights_but_the_initial_ones(digits):
    X, y = digits
    net = MLPClassifier((6,), max_iter=2, early_stopping=True, random_state=0)
    with pytest.raises(ValueError, match="rewind=1 goes with early_stopping=False"):
        train_from_start(net, X, y, check_random_state(0), rewind=1)
    assert train_from_start(net, X, y, check_random_state(0), rewind=0)[1] is not None


@pytest.mark.parametrize(
    ("last", "message"),
    [
        ([], "masks must hold one for each of the network's 3 layers, got 2"),
        ([np.ones((3, 3), dtype=bool)], r"masks\[2\] has shape \(3, 3\), but must have that of"),
        ([np.full((24, 10), "no")], r"masks\[2\] must hold True for weights that may stay"),
        ([np.full((24, 10), np.nan)], r"masks\[2\] is not the array wanted: .* NaN"),
        ([[[True], [True, False]]], r"masks\[2\] is not the array wanted"),
    ],
)
def test_masks_that_are_none_of_the_networks_are_an_error(digits, digits_net, masks, last, message):
    with pytest.raises(ValueError, match=message):
        finetune(digits_net, *digits, masks[:2] + last, 1, check_random_state(0))


def test_rows_may_be_a_series_with_any_index(digits, digits_net):
    X, y = digits[0][:250], digits[1][:250]
    series = pd.Series(y, index=range(1000, 1250))
    tuned = [finetune(digits_net, X, t, None, 1, check_random_state(0)) for t in (y, series)]
    np.testing.assert_array_equal(tuned[0].coefs_[0], tuned[1].coefs_[0])
