"""Sensitivity: one layer at a time, as a frame and as a figure."""

import sys

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from ensprune.mlp import SensitivityDisplay, sensitivity
from ensprune.mlp.criteria import WEIGHT_CRITERIA


@pytest.mark.parametrize("criterion", WEIGHT_CRITERIA)
def test_frame(digits, digits_net, criterion):
    frame = sensitivity(
        digits_net, *digits, sparsities=(0.0, 0.5, 0.9), criterion=criterion, random_state=0
    )
    assert frame.shape == (3, 3)
    assert frame.index.name == "sparsity"
    assert list(frame.columns) == ["layer 0", "layer 1", "layer 2"]
    assert (frame.loc[0.0] == digits_net.score(*digits)).all()
    assert (frame.loc[0.9] < frame.loc[0.0]).all()


def test_one_cell_by_hand(digits, digits_net):
    frame = sensitivity(digits_net, *digits, sparsities=[0.5], scoring="neg_log_loss")
    W = digits_net.coefs_[1]
    old = W.copy()
    try:
        W[np.abs(W) < np.median(np.abs(W))] = 0.0
        expected = -log_loss(digits[1], digits_net.predict_proba(digits[0]))
    finally:
        W[:] = old
    assert frame.loc[0.5, "layer 1"] == pytest.approx(expected, rel=1e-12)


def test_a_small_layer_has_no_score_where_it_would_lose_all(diabetes, diabetes_net):
    display = SensitivityDisplay.from_estimator(diabetes_net, *diabetes)
    # 0.95 of 6 weights is all of them, 0.9 leaves one.
    last = display.frame["layer 2"]
    assert last.isna().tolist() == [share > 0.9 for share in last.index]
    assert display.frame[["layer 0"]].notna().all(axis=None)
    assert len(display.lines_) == 3
    sys.modules["matplotlib.pyplot"].close(display.figure_)


def test_display(digits, digits_net):
    import matplotlib as mpl

    mpl.use("Agg")
    display = SensitivityDisplay.from_estimator(
        digits_net, digits[0][:200], digits[1][:200], sparsities=(0.0, 0.9)
    )
    assert [line.get_label() for line in display.lines_] == ["layer 0", "layer 1", "layer 2"]
    again = SensitivityDisplay(display.frame).plot(ax=display.ax_)
    assert again.figure_ is display.figure_
    assert len(display.ax_.get_lines()) == 6
    sys.modules["matplotlib.pyplot"].close(display.figure_)


def test_bad_input_is_named(digits, digits_net):
    X, y = digits
    with pytest.raises(TypeError, match="must be an MLPClassifier or MLPRegressor"):
        sensitivity(LogisticRegression(), X, y)
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\)"):
        sensitivity(digits_net, X, y, sparsities=[0.5, 1.0])
    with pytest.raises(ValueError, match="labels unseen in training"):
        sensitivity(digits_net, X, y + 1)
    with pytest.raises(ValueError, match="criterion='best' is unknown"):
        sensitivity(digits_net, X, y, criterion="best")
    with pytest.raises(ValueError, match="would lose all of its"):
        sensitivity(digits_net, X, y, sparsities=[0.9999])
