"""``ensprune prune``: what it writes is what the library returns."""

import argparse
import pickle
import re
import zipfile
from inspect import signature
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
import xgboost
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer, make_scorer
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils._param_validation import StrOptions

from ensprune import EnsemblePruner, prune
from ensprune.cli.models import read_model
from ensprune.cli.prune import SELECTORS, add_arguments
from ensprune.refine import _registry as refinements
from ensprune.selectors.base import _registry


def same_members(first, second):
    """Whether two pickled forests have the same trees."""
    trees = [read_model(Path(name), trust_pickle=True).estimators_ for name in (first, second)]
    return len(trees[0]) == len(trees[1]) and all(
        np.array_equal(a.tree_.threshold, b.tree_.threshold) for a, b in zip(*trees, strict=True)
    )


VAL = ("--data", "val.csv", "--target", "class")


@pytest.mark.parametrize("suffix", [".skops", ".pkl", ".pickle", ".joblib"])
def test_written_model_is_what_prune_returns(folder, ensprune, hpc, forest, suffix):
    done = ensprune("prune", "forest.skops", *VAL, "--size", 5, "--out", f"small{suffix}")
    assert (done.code, done.err) == (0, "")
    small = read_model(folder / f"small{suffix}", trust_pickle=True)
    X, y = hpc.val[hpc.columns], hpc.val["class"]
    expected = prune(forest, X, y, target_size=5, random_state=0)
    np.testing.assert_array_equal(small.predict_proba(X), expected.predict_proba(X))
    assert "kept 5 of 20 members of RandomForestClassifier" in done.out
    assert f"wrote small{suffix}" in done.out
    before, after = map(float, re.findall(r"accuracy (\S+) before, (\S+) after", done.out)[0])
    assert before == pytest.approx(forest.score(X, y), abs=1e-4)
    assert after == pytest.approx(expected.score(X, y), abs=1e-4)


@pytest.mark.parametrize("suffix", [".json", ".ubj"])
def test_xgboost_stays_in_its_own_format(folder, ensprune, refused, hpc, xgb, suffix):
    call = ("prune", "xgb.ubj", "--target", "number", "--size", "25%", "--out", f"small{suffix}")
    data = "val.csv"
    if not hasattr(xgboost.Booster, "get_categories"):
        # Before 3.1, models of XGBoost keep no categories, which only Parquet has then.
        assert "the model does not say which categories 'protocol'" in refused(
            *call, "--data", data
        )
        data = "val.parquet"
        hpc.val.to_parquet(data)
    done = ensprune(*call, "--data", data)
    assert (done.code, done.err) == (0, "")
    small = xgboost.XGBClassifier()
    small.load_model(f"small{suffix}")
    assert small.get_booster().num_boosted_rounds() == 3
    # Categories were text in the CSV and numbered as the model knows them.
    X = hpc.val.drop(columns=["class", "number"])
    expected = prune(xgb, X, hpc.val["number"], target_size=3, random_state=0)
    np.testing.assert_allclose(small.predict_proba(X), expected.predict_proba(X), atol=1e-6)


def test_raw_booster_and_xgboost_forest(folder, ensprune, hpc):
    X, y = hpc.fit[hpc.columns], hpc.fit["number"]
    params = {"objective": "multi:softprob", "num_class": 4, "max_depth": 2}
    xgboost.train(params, xgboost.DMatrix(X, y), 6).save_model("raw.json")
    xgboost.XGBRFClassifier(n_estimators=8, max_depth=3).fit(X, y).save_model("forest.json")
    for model, kept in (("raw.json", 2), ("forest.json", 3)):
        done = ensprune(
            "prune", model, "--data", "val.csv", "--target", "number", "--size", kept,
            "--out", "small.json",
        )  # fmt: skip
        assert (done.code, done.err) == (0, "")
        assert f"kept {kept} of" in done.out


@pytest.mark.parametrize("name", ["val.csv.gz", "val.tsv", "val.tsv.gz", "val.parquet", "semi.csv"])
def test_tables(folder, ensprune, hpc, name):
    options = []
    if name.endswith(".parquet"):
        hpc.val.to_parquet(name)
    elif name == "semi.csv":
        hpc.val.to_csv(name, sep=";", index=False)
        options = ["--sep", ";"]
    else:
        hpc.val.to_csv(name, sep="\t" if ".tsv" in name else ",", index=False)
    for data, out in ((name, "a.pkl"), ("val.csv", "b.pkl")):
        given = options if data == name else []
        ensprune("prune", "forest.skops", "--data", data, "--target", "class", "--out", out, *given)
    assert same_members("a.pkl", "b.pkl")


def test_columns_are_taken_by_name(folder, ensprune, hpc):
    shuffled = hpc.val[hpc.val.columns[::-1]].assign(row=1)
    shuffled.to_csv("other.csv", index=False)
    for data, out in (("other.csv", "a.pkl"), ("val.csv", "b.pkl")):
        ensprune("prune", "forest.skops", "--data", data, "--target", "class", "--out", out)
    assert same_members("a.pkl", "b.pkl")


def test_columns_of_a_model_without_names(folder, ensprune, refused, hpc, forest):
    nameless = type(forest)(10, random_state=0)
    nameless.fit(hpc.fit[hpc.columns].to_numpy(), hpc.fit["class"])
    skops.io.dump(nameless, "nameless.skops")
    call = ("prune", "nameless.skops", *VAL, "--out", "small.skops")
    assert "has 8 columns beside the target 'class', but the model was fitted on 5" in refused(
        *call
    )
    drop = [f"--drop={name}" for name in ("protocol", "day", "number")]
    assert ensprune(*call, *drop).code == 0
    assert "columns that are no numbers: 'day'" in refused(
        *call, *drop[:1], *drop[2:], "--drop=hour"
    )


def text_pipeline(hpc):
    """Codes that look like numbers are text to the encoder."""
    table = pd.concat([hpc.fit, hpc.val]).astype({"day": str, "protocol": str})
    table["code"] = table["number"].map("0{}".format)
    encoder = make_column_transformer(
        (OneHotEncoder(), ["day", "protocol", "code"]), remainder="passthrough"
    )
    X = table[["day", "protocol", "code", *hpc.columns]]
    return make_pipeline(encoder, DecisionTreeForest()), X, table["class"]


def DecisionTreeForest():
    return ExtraTreesRegressor(6, max_depth=4, random_state=0)


def test_encoders_in_a_pipeline(folder, ensprune, hpc):
    pipeline, X, _ = text_pipeline(hpc)
    y = X["hour"]
    pipeline.fit(X, y)
    skops.io.dump(pipeline, "pipeline.skops")
    X.assign(value=y).to_csv("table.csv", index=False)
    done = ensprune(
        "prune", "pipeline.skops", "--data", "table.csv", "--target", "value", "--size", 2,
        "--out", "small.skops",
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    assert "members of ExtraTreesRegressor" in done.out
    small = read_model(folder / "small.skops")
    np.testing.assert_array_equal(
        small.predict(X), prune(pipeline, X, y, target_size=2, random_state=0).predict(X)
    )


def test_histogram_boosting_with_categories(folder, ensprune, hpc):
    X = hpc.fit.drop(columns=["class", "number"])
    model = HistGradientBoostingClassifier(max_iter=6, max_depth=3).fit(X, hpc.fit["class"])
    skops.io.dump(model, "hist.skops")
    done = ensprune("prune", "hist.skops", *VAL, "--size", 2, "--out", "small.skops")
    assert (done.code, done.err) == (0, "")
    X_val = hpc.val[X.columns]
    np.testing.assert_allclose(
        read_model(folder / "small.skops").predict_proba(X_val),
        prune(model, X_val, hpc.val["class"], target_size=2, random_state=0).predict_proba(X_val),
    )


@pytest.mark.parametrize(
    ("labels", "written"),
    [
        (np.array([False, True]), ["False", "True"]),
        (np.array([1, 2]), ["1", "2.0"]),
        (np.array(["01", "1"]), ["01", "1"]),
        (np.array([" yes", "no"]), [" yes", "no"]),
        (np.array(["NA", "other"]), ["NA", "other"]),
    ],
)
def test_labels_are_the_models_own(folder, ensprune, hpc, labels, written):
    late = (hpc.fit["hour"] > 12).to_numpy().astype(int)
    X = hpc.fit[hpc.columns]
    vote = VotingClassifier(
        [("a", GaussianNB()), ("b", DecisionTreeClassifier(max_depth=2))], voting="soft"
    ).fit(X, labels[late])
    skops.io.dump(vote, "vote.skops")
    X.assign(late=[written[value] for value in late]).to_csv("late.csv", index=False)
    done = ensprune(
        "prune", "vote.skops", "--data", "late.csv", "--target", "late", "--size", 1,
        "--out", "small.skops",
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    assert "accuracy 1.0000 before, 1.0000 after" in done.out


def test_certificate_scoring_cost_and_refinement(folder, ensprune):
    done = ensprune(
        "prune", "forest.skops", *VAL, "--size", "auto", "--tolerance", 0.2, "--confidence", 0.9,
        "--scoring", "neg_log_loss", "--cost", "nodes", "--refine", "weights",
        "--out", "small.skops", "--n-jobs", 1, "--random-state", 1,
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    assert "neg_log_loss" in done.out
    assert " nodes" in done.out
    assert "with 90 % confidence" in done.out


def test_out_of_bag_wants_the_training_rows(folder, ensprune, refused, hpc):
    hpc.fit.to_csv("fit.csv", index=False)
    call = ("prune", "forest.skops", "--target", "class", "--validation", "oob", "--out", "s.skops")
    assert ensprune(*call, "--data", "fit.csv").code == 0
    assert "fitted on 600 rows, X has 300" in refused(*call, "--data", "val.csv")


def test_weights(folder, ensprune, hpc):
    weight = np.random.default_rng(0).integers(0, 3, len(hpc.val))
    hpc.val.assign(w=weight).to_csv("weighted.csv", index=False)
    hpc.val.iloc[np.repeat(np.arange(len(hpc.val)), weight)].to_csv("repeated.csv", index=False)
    for data, options, out in (
        ("weighted.csv", ["--sample-weight", "w"], "a.pkl"),
        ("repeated.csv", [], "b.pkl"),
    ):
        call = ("prune", "forest.skops", "--data", data, "--target", "class", "--out", out)
        assert ensprune(*call, "--scoring", "neg_log_loss", *options).code == 0
    assert same_members("a.pkl", "b.pkl")


def test_selectors_are_all_there_are():
    assert set(SELECTORS) == set(_registry)


def test_options_are_the_pruner_s():
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    options = {action.dest: action for action in parser._actions}
    options["target_size"] = options.pop("size")
    # A model file is fitted already, which leaves nothing to retrain.
    asked = set(signature(EnsemblePruner).parameters) - {"estimator", "retrain", "memory_limit"}
    assert asked <= set(options)
    for name in asked - {"random_state", "verbose"}:  # 0, so that a call can be repeated; a flag
        assert options[name].default == signature(EnsemblePruner).parameters[name].default, name
    for name in ("cost", "validation"):
        allowed = EnsemblePruner._parameter_constraints[name]
        names = next(one.options for one in allowed if isinstance(one, StrOptions))
        assert set(options[name].choices) == names
    assert set(options["refine"].choices) == set(refinements)


def test_verbose_says_what_is_done(folder, ensprune):
    done = ensprune("prune", "forest.skops", *VAL, "--out", "small.skops", "--verbose")
    assert done.code == 0
    assert "reading 20 members on 300 rows" in done.out + done.err


def test_report(folder, ensprune, monkeypatch):
    class Report:
        def to_html(self):
            return "<p>größer</p>"

        def __str__(self):
            return "text"

    monkeypatch.setattr(EnsemblePruner, "report", lambda self: Report(), raising=False)
    call = ("prune", "forest.skops", *VAL, "--out", "small.skops", "--report")
    assert "wrote small.skops and report.html" in ensprune(*call, "report.html").out
    assert (folder / "report.html").read_text("utf-8") == "<p>größer</p>"
    ensprune(*call, "report.txt")
    assert (folder / "report.txt").read_text() == "text"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"--size": 21}, "--size 21 is more than the 20 members of RandomForestClassifier"),
        ({"--size": 0}, "'0' is no size"),
        ({"--size": "110%"}, "'110%' is no size"),
        ({"--size": "all"}, "'all' is no size"),
        ({"--target": "klass"}, "val.csv has no column 'klass'; it has 'protocol'"),
        ({"--target": " Class"}, "it has 'protocol'"),
        ({"--target": " Class"}, "; did you mean 'class'?"),
        ({"--target": "number"}, "labels that the model does not know: '0', '1', '2', '3'"),
        ({"--target": "hour"}, "the target 'hour' is a column that the model predicts from"),
        ({"--data": "none.csv"}, "cannot read none.csv: No such file"),
        ({"--data": "forest.skops"}, "give a table as .csv"),
        ({"--data": "empty.csv"}, "cannot read empty.csv"),
        ({"--data": "head.csv"}, "head.csv has no rows"),
        ({"--data": "fewer.csv"}, "lacks columns that the model was fitted on: 'hour'"),
        ({"--data": "gaps.csv"}, "is missing in 2 of 300 rows, first in row 2"),
        ({"--data": "text.csv"}, "columns that are no numbers: 'hour'"),
        ({"--data": "no.parquet"}, "cannot read no.parquet"),
        ({"--sep": ";"}, "say by what with --sep"),
        ({"--drop": "what"}, "no column 'what' to drop"),
        ({"--sample-weight": "what"}, "no column 'what' for the weights"),
        ({"--sample-weight": "day"}, "which is no number"),
        ({"--scoring": "acuracy"}, "did you mean accuracy"),
        ({"--selector": "magic"}, "invalid choice: 'magic'"),
        ({"--confidence": 2}, "confidence"),
        ({"--tolerance": -1}, "tolerance"),
        ({"--out": "small.json"}, "holds XGBoost models only, this is a RandomForestClassifier"),
        ({"--out": "small.txt"}, "the suffix says no model format"),
        ({"--out": "no/small.skops"}, "there is no directory no"),
        ({"--out": "forest.skops"}, "would replace what is read"),
        ({"--report": "report.pdf"}, "give .html, .md, .txt"),
        ({"--out": "small.html", "--report": "small.html"}, "are the same file"),
    ],
)
def test_a_mistake_is_one_line(folder, refused, hpc, changed, says):
    hpc.val.drop(columns="hour").to_csv("fewer.csv", index=False)
    hpc.val.head(0).to_csv("head.csv", index=False)
    gaps = hpc.val["class"].where(~hpc.val.index.isin([1, 5]))
    hpc.val.assign(**{"class": gaps}).to_csv("gaps.csv", index=False)
    hpc.val.assign(hour="noon").to_csv("text.csv", index=False)
    for name in ("empty.csv", "no.parquet"):
        (folder / name).touch()
    before = {path: path.read_bytes() for path in folder.iterdir()}
    options = {"--data": "val.csv", "--target": "class", "--out": "small.skops", **changed}
    given = [text for option in options.items() for text in option]
    assert says in refused("prune", "forest.skops", *given)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_regression_targets_are_numbers(folder, refused, hpc):
    model = DecisionTreeForest().fit(hpc.fit[hpc.columns[:3]], hpc.fit["hour"])
    skops.io.dump(model, "hours.skops")
    call = ("prune", "hours.skops", "--out", "small.skops", "--data", "val.csv")
    assert "'day' is 'Thu' in row" in refused(*call, "--target", "day").replace("'Wed'", "'Thu'")


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib"])
def test_pickles_only_when_trusted(folder, ensprune, refused, forest, name):
    if name.endswith("joblib"):
        joblib.dump(forest, name)
    else:
        (folder / name).write_bytes(pickle.dumps(forest))
    call = ("prune", name, *VAL, "--out", "small.skops")
    assert "reading one can run any code; give --trust-pickle" in refused(*call)
    assert ensprune(*call, "--trust-pickle").code == 0


def test_models_that_are_none(folder, refused, hpc):
    linear = LogisticRegression(max_iter=2000, solver="newton-cholesky")
    linear.fit(hpc.fit[hpc.columns], hpc.fit["class"])
    skops.io.dump(linear, "linear.skops")
    (folder / "broken.skops").write_bytes((folder / "forest.skops").read_bytes()[:5000])
    (folder / "empty.skops").touch()
    with zipfile.ZipFile("other.skops", "w") as other:
        other.writestr("schema.json", "{}")
    (folder / "broken.json").write_text("{}")
    (folder / "broken.ubj").write_bytes((folder / "xgb.ubj").read_bytes()[:500])
    (folder / "broken.pkl").write_bytes(b"what")
    for name, says in {
        "linear.skops": "LogisticRegression is no ensemble that ensprune knows",
        "broken.skops": "it is no skops file",
        "empty.skops": "cannot read empty.skops: the file is empty",
        "other.skops": "cannot read other.skops",
        "broken.json": "it is no XGBoost model",
        "broken.ubj": "it is no XGBoost model",
        "broken.pkl": "cannot read broken.pkl",
        "none.skops": "cannot read none.skops: No such file",
        "val.csv": "the suffix says no model format",
    }.items():
        assert says in refused("prune", name, *VAL, "--out", "small.skops", "--trust-pickle")


# --- the positive class ---------------------------------------------------------------------------


@pytest.fixture
def two_words(folder, hpc):
    """A forest of two classes whose names are words, and a table."""
    for name, table in (("fit", hpc.fit), ("val", hpc.val)):
        table = table.assign(speed=np.where(table["class"] == "VF", "fast", "slow"))
        table[[*hpc.columns, "speed"]].to_csv(f"{name}.csv", index=False)
    fit = pd.read_csv("fit.csv")
    forest = ExtraTreesClassifier(12, max_depth=5, random_state=0)
    joblib.dump(forest.fit(fit[hpc.columns], fit["speed"]), "two.joblib")
    return forest


WORDS = ("two.joblib", "--trust-pickle", "--data", "val.csv", "--target", "speed", "--size", 4)


@pytest.mark.parametrize("positive", ["fast", "slow"])
@pytest.mark.parametrize("scoring", ["average_precision", "f1", "neg_brier_score"])
def test_metrics_of_a_class_named_by_a_word(two_words, ensprune, hpc, scoring, positive):
    metric = ("--scoring", scoring, "--positive", positive)
    done = ensprune("prune", *WORDS, *metric, "--out", "small.joblib")
    assert (done.code, done.err) == (0, "")
    known = get_scorer(scoring)
    scorer = make_scorer(
        known._score_func,
        pos_label=positive,
        greater_is_better=scoring != "neg_brier_score",
        response_method="predict" if scoring == "f1" else "predict_proba",
    )
    val = pd.read_csv("val.csv")
    before, after = (
        scorer(model, val[hpc.columns], val["speed"])
        for model in (two_words, read_model(Path("small.joblib"), trust_pickle=True))
    )
    assert f"{scoring} {before:.4f} before, {after:.4f} after" in done.out


@pytest.mark.parametrize(
    ("metric", "told"),
    [
        (["--scoring", "f1"], "name the positive class, --positive 'slow', or encode"),
        (["--positive", "slow"], "--positive goes with --scoring"),
        (["--scoring", "roc_auc", "--positive", "slow"], "metric roc_auc has no positive class"),
        (["--scoring", "f1_macro", "--positive", "slow"], "metric f1_macro has no positive class"),
        (["--scoring", "f1", "--positive", "late"], "late: the model knows 'fast', 'slow'"),
    ],
)
def test_no_positive_class_is_one_line(two_words, ensprune, metric, told):
    done = ensprune("prune", *WORDS, *metric, "--out", "small.joblib")
    assert done.code == 2
    assert told in done.err
    assert "make_scorer" not in done.err
