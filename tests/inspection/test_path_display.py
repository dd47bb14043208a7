"""PruningPathDisplay: what is drawn is what the pruner found."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from matplotlib import pyplot as plt
from sklearn.datasets import load_diabetes
from sklearn.ensemble import (
    GradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator

from ensprune import EnsemblePruner
from ensprune.inspection import MemberSimilarityDisplay, PruningPathDisplay


def labels(display):
    return display.ax_.get_legend_handles_labels()[1]


@pytest.mark.parametrize("x", ["size", "cost"])
def test_line_is_the_path(out_of_bag, x):
    display = PruningPathDisplay.from_estimator(out_of_bag, x=x)
    frame = out_of_bag.path_.to_frame()
    (line,) = display.lines_
    np.testing.assert_array_equal(line.get_xdata(), frame[x])
    np.testing.assert_array_equal(line.get_ydata(), frame["score"])
    band = display.ax_.collections[0].get_paths()[0].vertices
    assert band[:, 1].max() == pytest.approx((frame["score"] + frame["score_se"]).max())
    assert "chosen: 8 of 40 members" in labels(display)
    assert any(label.startswith("all members: 0.9") for label in labels(display))
    assert not any("certified" in label for label in labels(display))
    assert display.ax_.get_xlabel() == "Members"
    assert display.ax_.get_ylabel() == "accuracy\n(out of bag)"


def test_chosen_point_is_where_the_pruner_is(certified):
    display = PruningPathDisplay.from_estimator(certified)
    chosen = next(
        line for line in display.ax_.get_lines() if str(line.get_label()).startswith("chosen")
    )
    (x,), (y,) = chosen.get_data()
    assert x == certified.n_members_
    assert y == certified.score_pruned_


def test_certified_region_reaches_from_the_chosen_to_the_full_ensemble(certified):
    assert 1 < certified.n_members_ < 40
    display = PruningPathDisplay.from_estimator(certified)
    region = next(p for p in display.ax_.patches if "certified" in str(p.get_label()))
    assert region.get_label() == "certified: 0.025 lost at most (90 % confidence)"
    assert region.get_x() == certified.n_members_
    assert region.get_x() + region.get_width() == 40


def test_a_bound_at_a_given_size_is_a_bar(cancer, forest):
    pruner = EnsemblePruner(FrozenEstimator(forest), 10, confidence=0.9, random_state=0)
    pruner.fit(cancer[1], cancer[3])
    display = PruningPathDisplay.from_estimator(pruner)
    bar = next(c for c in display.ax_.collections if "certified" in str(c.get_label()))
    low, high = np.sort(bar.get_segments()[0][:, 1])
    assert high == pruner.score_full_
    assert high - low == pytest.approx(pruner.certificate_.bound)


def test_units_of_cost_are_named(cancer, forest):
    pruner = EnsemblePruner(FrozenEstimator(forest), 0.3, cost="nodes").fit(cancer[1], cancer[3])
    display = PruningPathDisplay.from_estimator(pruner, x="cost")
    assert display.ax_.get_xlabel() == "Tree nodes"
    total = int(pruner.cost_full_)
    assert f"chosen: {pruner.cost_pruned_:,.0f} of {total:,} tree nodes" in labels(display)


def test_refined_scores_are_drawn_apart():
    X, y = load_diabetes(return_X_y=True)
    forest = RandomForestRegressor(15, min_samples_leaf=3, random_state=0)
    pruner = EnsemblePruner(forest, target_size=5, refine="leaves", random_state=0).fit(X, y)
    display = PruningPathDisplay.from_estimator(pruner)
    refined = next(
        line for line in display.ax_.get_lines() if line.get_label() == "the same, refined"
    )
    frame = pruner.path_.to_frame().dropna(subset="score_refined")
    np.testing.assert_array_equal(refined.get_xdata(), frame["size"])


def test_a_retrained_model_is_beside_the_path(cancer):
    X, y = cancer[0], cancer[2]
    boosted = GradientBoostingClassifier(n_estimators=25, max_depth=1, random_state=0)
    pruner = EnsemblePruner(
        boosted, 5, scoring="neg_log_loss", retrain=True, selector="first", random_state=0
    ).fit(X, y)
    assert pruner.retrained_.kept != "cut"
    display = PruningPathDisplay.from_estimator(pruner)
    point = next(line for line in display.ax_.get_lines() if line.get_marker() == "o")
    assert point.get_label() == f"retrained: {pruner.n_members_} members"
    assert point.get_ydata() == [pruner.score_pruned_]
    report = pruner.report()
    assert (
        report.title == f"GradientBoostingClassifier: 25 members retrained as {pruner.n_members_}"
    )
    assert str(report).count(str(pruner.retrained_)) == 1
    assert MemberSimilarityDisplay.from_estimator(pruner, cancer[1]).kept is None


def test_networks_have_a_path_too(sparse_network):
    frame = sparse_network.path_.to_frame()
    for x, label in (("sparsity", "Zero weights"), ("n_weights", "Non-zero weights")):
        display = PruningPathDisplay.from_estimator(sparse_network, x=x)
        np.testing.assert_array_equal(display.lines_[0].get_xdata(), frame[x])
        assert display.ax_.get_xlabel() == label
    assert PruningPathDisplay.from_estimator(sparse_network).x == "sparsity"


def test_several_pruners_by_name_and_without(cancer, forest, out_of_bag):
    others = [
        EnsemblePruner(FrozenEstimator(forest), 8, selector, validation="oob").fit(
            cancer[0], cancer[2]
        )
        for selector in ("first", "first")
    ]
    display = PruningPathDisplay.from_estimators([out_of_bag, *others])
    assert labels(display) == ["greedy", "first", "first (2)", "all members"]
    named = PruningPathDisplay.from_estimators({"a": out_of_bag, "b": others[0]}, x="cost")
    assert [line.get_label() for line in named.lines_] == ["a", "b"]
    # One full ensemble, one line for it.
    assert sum(line.get_linestyle() == "--" for line in named.ax_.get_lines()) == 1


def test_plots_again_and_into_given_axes(out_of_bag):
    display = PruningPathDisplay.from_estimator(out_of_bag)
    first = display.ax_
    _, ax = plt.subplots()
    assert display.plot(ax) is display
    assert display.ax_ is ax is not first
    assert display.figure_ is ax.figure
    assert PruningPathDisplay.from_estimator(out_of_bag, ax=first).ax_ is first


def test_legend_is_above_the_axes(certified):
    display = PruningPathDisplay.from_estimator(certified)
    display.figure_.canvas.draw()
    legend = display.ax_.get_legend().get_window_extent()
    assert legend.y0 >= display.ax_.get_window_extent().y1
    assert legend.x1 <= display.figure_.bbox.x1


def test_mistakes_are_named(cancer, forest, out_of_bag, sparse_network):
    with pytest.raises(ValueError, match=r"x='nodes' is no unit .* \['size', 'cost'\]"):
        PruningPathDisplay.from_estimator(out_of_bag, x="nodes")
    with pytest.raises(NotFittedError):
        PruningPathDisplay.from_estimator(EnsemblePruner(forest))
    with pytest.raises(TypeError, match="RandomForestClassifier is no pruner"):
        PruningPathDisplay.from_estimator(forest)
    with pytest.raises(ValueError, match="pruners is empty"):
        PruningPathDisplay.from_estimators([])
    with pytest.raises(ValueError, match="same metric and units"):
        PruningPathDisplay.from_estimators([out_of_bag, sparse_network])
    auc = EnsemblePruner(FrozenEstimator(forest), 3, scoring="roc_auc").fit(cancer[1], cancer[3])
    with pytest.raises(ValueError, match="roc_auc"):
        PruningPathDisplay.from_estimators([out_of_bag, auc])


def test_matplotlib_is_an_extra(out_of_bag, monkeypatch):
    display = PruningPathDisplay.from_estimator(out_of_bag)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    monkeypatch.delattr(sys.modules["matplotlib"], "pyplot")
    with pytest.raises(ImportError, match=r"PruningPathDisplay\.plot .* 'ensprune\[plot\]'"):
        display.plot()


def test_a_long_path_is_drawn_on_a_logarithmic_axis(cancer):
    forest = RandomForestClassifier(60, max_depth=2, random_state=0).fit(cancer[0], cancer[2])
    pruner = EnsemblePruner(FrozenEstimator(forest), target_size=1.0, selector="first")
    display = PruningPathDisplay.from_estimator(pruner.fit(cancer[1], cancer[3]))
    assert display.ax_.get_xscale() == "log"
    labels = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert {"1", "10", "50"} <= set(labels)
    # Costs below one are no whole numbers.
    pruner.set_params(cost=np.full(60, 0.01)).fit(cancer[1], cancer[3])
    display = PruningPathDisplay.from_estimator(pruner, x="cost")
    assert display.ax_.get_xscale() == "log"
