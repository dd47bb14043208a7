"""SensitivityDisplay: one curve for each layer, of the scores that sensitivity found."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

import ensprune.mlp
from ensprune.inspection import SensitivityDisplay
from ensprune.mlp import sensitivity


@pytest.fixture
def rows(cancer):
    return StandardScaler().fit(cancer[0]).transform(cancer[1]), cancer[3]


def test_curves_are_the_frame(sparse_network, rows):
    options = {"sparsities": (0.0, 0.5, 0.8), "scoring": "neg_log_loss"}
    display = SensitivityDisplay.from_estimator(sparse_network, *rows, **options)
    frame = sensitivity(sparse_network.estimator_, *rows, **options)
    for line, name in zip(display.lines_, frame.columns, strict=True):
        np.testing.assert_array_equal(line.get_xdata(), frame.index)
        np.testing.assert_array_equal(line.get_ydata(), frame[name])
        assert line.get_label() == name
    assert display.ax_.get_ylabel() == "neg_log_loss"


def test_default_metric_is_named(sparse_network, rows):
    display = SensitivityDisplay.from_estimator(sparse_network, *rows, sparsities=(0.0, 0.5))
    assert display.ax_.get_ylabel() == "accuracy"
    assert display.ax_.xaxis.get_major_formatter()(0.5) == "50%"
    assert ensprune.mlp.SensitivityDisplay is SensitivityDisplay
