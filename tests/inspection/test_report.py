"""Reports: what they say is true, in every form they take."""

from __future__ import annotations

import pickle
import re
import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import xgboost
from scipy.stats import beta, norm
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.ensemble import (
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ensprune import EnsemblePruner
from ensprune.inspection import PruningReport
from ensprune.inspection.intervals import compared


def test_sizes_are_those_of_the_estimators(out_of_bag):
    frame = out_of_bag.report().to_frame()
    full, pruned = out_of_bag.estimator_, out_of_bag.pruned_estimator_
    for column, forest in (("full", full), ("pruned", pruned)):
        assert frame.loc["members", column] == len(forest.estimators_)
        nodes = sum(tree.tree_.node_count for tree in forest.estimators_)
        assert frame.loc["nodes", column] == nodes
        assert frame.loc["pickle", column] == len(pickle.dumps(forest, pickle.HIGHEST_PROTOCOL))
        assert frame.loc["predict, 1 row", column] > 0
    assert frame.loc["predict, 341 rows", "pruned"] < frame.loc["predict, 341 rows", "full"]


def test_without_rows_the_scores_are_those_of_the_fit(out_of_bag):
    report = out_of_bag.report()
    assert report.metric == "accuracy"
    assert report.score_full.value == out_of_bag.score_full_
    assert report.score_pruned.value == out_of_bag.score_pruned_
    assert report.change.value == out_of_bag.score_pruned_ - out_of_bag.score_full_
    assert report.score_pruned.low < out_of_bag.score_pruned_ < report.score_pruned.high
    assert np.isnan(report.change.low)
    assert "341 training rows, out of bag" in str(report)
    assert "also chose" in str(report)


@pytest.mark.parametrize("scoring", [None, "neg_log_loss", "roc_auc", "f1_macro"])
def test_given_rows_are_scored_by_the_real_estimators(cancer, forest, scoring):
    X_train, X_test, y_train, y_test = cancer
    pruner = EnsemblePruner(
        FrozenEstimator(forest), target_size=8, validation="oob", scoring=scoring
    ).fit(X_train, y_train)
    report = pruner.report(X_test, y_test)
    scorer = get_scorer(scoring or "accuracy")
    before = scorer(pruner.estimator_, X_test, y_test)
    after = scorer(pruner.pruned_estimator_, X_test, y_test)
    assert report.score_full.value == pytest.approx(before, rel=1e-12)
    assert report.score_pruned.value == pytest.approx(after, rel=1e-12)
    for estimate in (report.score_full, report.score_pruned, report.change):
        assert estimate.low < estimate.value < estimate.high
    assert "228 rows given" in str(report)


def test_given_weights_count(cancer, out_of_bag):
    _, X_test, _, y_test = cancer
    weight = np.where(y_test == "benign", 1.0, 4.0)
    report = out_of_bag.report(X_test, y_test, sample_weight=weight)
    expected = out_of_bag.pruned_estimator_.score(X_test, y_test, sample_weight=weight)
    assert report.score_pruned.value == pytest.approx(expected, rel=1e-12)
    plain = out_of_bag.report(X_test, y_test)
    # Unequal weights are worth fewer rows.
    assert (
        report.score_full.high - report.score_full.low
        > plain.score_full.high - plain.score_full.low
    )


def test_rows_without_labels_are_timed_only(cancer, out_of_bag):
    report = out_of_bag.report(cancer[1][:50])
    assert report.score_full.value == out_of_bag.score_full_
    assert "predict, 50 rows" in report.to_frame().index


def test_few_rows_have_few_intervals(cancer, forest):
    _, X_test, _, y_test = cancer
    pruner = EnsemblePruner(FrozenEstimator(forest), 4, scoring="roc_auc").fit(X_test, y_test)
    # Draws without one of the two classes have no area under the curve, and say nothing of it.
    report = pruner.report(X_test[:6], np.array(["benign"] * 5 + ["malignant"]))
    assert np.isfinite(report.score_full.value)
    assert np.isnan(report.change.low)
    alone = EnsemblePruner(FrozenEstimator(forest), 4).fit(X_test, y_test)
    report = alone.report(X_test[:1], y_test[:1])
    assert "on the 1 row given" in str(report)
    assert np.isnan([report.score_full.low, report.change.low]).all()


def test_certificate_is_in_every_form(certified):
    report = certified.report()
    assert report.certificate == str(certified.certificate_)
    for form in (str(report), report.to_markdown(), report.to_html(), report._repr_html_()):
        assert report.certificate in form
        assert "no part in choosing" in form


def test_network(sparse_network):
    report = sparse_network.report()
    frame = report.to_frame()
    pruned = sparse_network.pruned_estimator_
    assert frame.loc["non-zero weights", "pruned"] == sum(map(np.count_nonzero, pruned.coefs_))
    assert frame.loc["hidden neurons"].tolist()[:2] == [18, 18]
    assert report.score_pruned.value == sparse_network.score_pruned_
    assert report.score_pruned.low < report.score_pruned.value <= report.score_pruned.high
    assert report.title == "MLPClassifier: 438 non-zero weights pruned to 175"
    assert "validation rows" in str(report)


def test_boosting_and_regression():
    X, y = load_diabetes(return_X_y=True)
    pruner = EnsemblePruner(GradientBoostingRegressor(n_estimators=30, random_state=0), 0.3)
    pruner.fit(X[:300], y[:300])
    report = pruner.report(X[300:], y[300:])
    assert report.metric == "r2"
    assert report.score_full.low < report.score_full.value < report.score_full.high
    assert report.change.low < report.change.value < report.change.high
    assert "75 validation rows" in str(pruner.report())


def test_raw_booster(cancer):
    X_train, X_test, y_train, y_test = cancer
    codes = (y_train == "benign").astype(int), (y_test == "benign").astype(int)
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 2, "nthread": 1},
        xgboost.DMatrix(X_train, codes[0]),
        num_boost_round=12,
    )
    pruner = EnsemblePruner(FrozenEstimator(booster), 4, scoring="neg_log_loss")
    report = pruner.fit(X_test, codes[1]).report(X_test, codes[1])
    assert report.to_frame().loc["members"].tolist()[:2] == [12, pruner.n_members_]
    assert report.score_full.value == pytest.approx(pruner.score_full_, rel=1e-6)


def test_members_that_are_no_trees_and_cannot_be_pickled(cancer):
    X_train, _, y_train, _ = cancer
    learners = [
        ("line", make_pipeline(StandardScaler(), LogisticRegression())),
        ("bayes", GaussianNB()),
    ]
    vote = VotingClassifier(learners, voting="soft")
    pruner = EnsemblePruner(vote, target_size=1, random_state=0).fit(X_train, y_train)
    pruner.estimator_.remark = lambda: None
    frame = pruner.report().to_frame()
    assert "nodes" not in frame.index
    assert "pickle" not in frame.index
    assert frame.loc["members", "pruned"] == 1


def test_refined_scores_have_no_interval_of_their_own():
    X, y = load_diabetes(return_X_y=True)
    forest = RandomForestRegressor(20, min_samples_leaf=3, random_state=0)
    pruner = EnsemblePruner(forest, target_size=5, refine="leaves", random_state=0).fit(X, y)
    report = pruner.report()
    assert report.score_pruned.value == pruner.score_pruned_
    assert np.isnan(report.score_pruned.low)
    assert np.isfinite(report.score_full.low)
    assert f"refine: {pruner.refinement_}." in str(report)
    assert "leaf values fitted anew" in str(report)


# --- forms --------------------------------------------------------------------------------------


class _Balanced(HTMLParser):
    """Counts tags that are open, and rejects those that close nothing."""

    void = ("meta", "img")

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_html_is_one_whole_document(out_of_bag):
    parser = _Balanced()
    page = out_of_bag.report().to_html()
    parser.feed(page)
    assert parser.open == []
    assert page.startswith("<!DOCTYPE html>")
    assert parser.seen.count("tr") == 1 + 6
    assert "img" in parser.seen
    # Nothing is fetched from anywhere.
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert "<html" not in out_of_bag.report()._repr_html_()


def test_markdown_is_a_table(out_of_bag):
    lines = out_of_bag.report().to_markdown().splitlines()
    assert lines[0] == "## RandomForestClassifier: 40 members pruned to 8"
    table = [line for line in lines if line.startswith("|")]
    assert {line.count("|") for line in table} == {5}
    assert "| members | 40 | 8 | 5.00x smaller |" in table


def test_names_are_escaped(cancer, forest):
    def better(estimator, X, y):
        return float((estimator.predict(X) == y).mean())

    better.__name__ = "a<b & *c*|d"
    pruner = EnsemblePruner(FrozenEstimator(forest), 4, scoring=better).fit(cancer[1], cancer[3])
    report = pruner.report(cancer[1], cancer[3])
    assert "a&lt;b &amp; *c*|d" in report.to_html()
    assert r"a\<b & \*c\*\|d" in report.to_markdown()
    assert report.score_pruned.value == pruner.score_pruned_


def test_report_without_matplotlib(out_of_bag, monkeypatch):
    report = out_of_bag.report()
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert "<img" not in report.to_html()
    assert "<table>" in report._repr_html_()
    with pytest.raises(
        ImportError, match=r"PruningReport\.figure .* pip install 'ensprune\[plot\]'"
    ):
        report.figure()


def test_diagram_of_the_pruner_stays(out_of_bag):
    diagram = out_of_bag._repr_html_()
    assert "sk-estimator" in diagram or "sk-container" in diagram
    assert "ensprune-report" not in diagram


# --- what the fit keeps -------------------------------------------------------------------------


def test_what_is_kept_is_small_and_survives_pickling(out_of_bag):
    again = pickle.loads(pickle.dumps(out_of_bag))
    assert isinstance(again.report(), PruningReport)
    assert again.report().score_full == out_of_bag.report().score_full
    report = pickle.loads(pickle.dumps(out_of_bag.report()))
    assert len(pickle.dumps(report)) < 20_000
    assert report.to_html().count("<tr>") == 7


def test_wide_rows_are_not_all_kept():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3000))
    y = rng.integers(2, size=400)
    forest = RandomForestClassifier(5, max_depth=2, random_state=0)
    pruner = EnsemblePruner(forest, target_size=2).fit(X, y)
    assert len(pickle.dumps(pruner._judged)) < 1_100_000
    assert "predict, 43 rows" in pruner.report().to_frame().index


def test_frames_with_categories_stay_frames(cancer):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"number": rng.normal(size=300), "letter": rng.choice(list("abc"), 300)})
    X["letter"] = X["letter"].astype("category")
    y = (X["number"] + (X["letter"] == "a") > 0.3).to_numpy().astype(int)
    model = xgboost.XGBClassifier(n_estimators=10, enable_categorical=True, n_jobs=1)
    pruner = EnsemblePruner(model, target_size=4, random_state=0).fit(X, y)
    assert "members" in pruner.report().to_frame().index


# --- mistakes -----------------------------------------------------------------------------------


def test_mistakes_are_named(cancer, out_of_bag):
    _, X_test, _, y_test = cancer
    with pytest.raises(NotFittedError):
        clone(out_of_bag).report()
    with pytest.raises(ValueError, match="y was given without X"):
        out_of_bag.report(y=y_test)
    with pytest.raises(ValueError, match="sample_weight was given without X"):
        out_of_bag.report(sample_weight=np.ones(3))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        out_of_bag.report(X_test, y_test[:-1])
    with pytest.raises(ValueError, match="X has no rows"):
        out_of_bag.report(X_test[:0])


# --- intervals ----------------------------------------------------------------------------------


class _Says:
    """An estimator that answers with a column of its rows."""

    classes_ = np.array([0.0, 1.0])

    def get_params(self, deep=True):
        return {}

    def __init__(self, column):
        self.column = column

    def predict(self, X):
        return X[:, self.column]


def test_paired_interval_of_accuracy_is_clopper_and_pearson():
    # The full estimator is always right, the pruned one wrong in 7 of 80 rows.
    X = np.zeros((80, 2))
    X[:7, 1] = 1.0
    full, pruned, change = compared(
        get_scorer("accuracy"), _Says(0), _Says(1), X, np.zeros(80), None
    )
    assert (full.value, pruned.value) == (1.0, 1 - 7 / 80)
    assert change.value == pytest.approx(-7 / 80)
    assert change.low == pytest.approx(-beta.ppf(0.975, 8, 73), rel=0.03)
    assert -7 / 80 < change.high < 0
    # Wilson: all of 80 right is still no certainty.
    assert full.low == pytest.approx(80 / (80 + norm.ppf(0.975) ** 2))
    assert full.high == 1.0


def test_nothing_changed_nothing_to_doubt():
    X = np.random.default_rng(0).normal(size=(50, 1))
    y = X[:, 0] + 1.0
    _, _, change = compared(get_scorer("r2"), _Says(0), _Says(0), X, y, None)
    assert (change.value, change.low, change.high) == (0.0, 0.0, 0.0)
