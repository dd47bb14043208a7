"""``ensprune inspect``: counts that can be counted otherwise."""

import json
import pickle
import warnings

import pytest
import skops.io
from sklearn.ensemble import VotingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from ensprune.cli.models import read_model


def test_forest(folder, ensprune, hpc, forest):
    done = ensprune("inspect", "forest.skops", "--json")
    assert done.code == 0
    assert json.loads(done.out) == {
        "file": "forest.skops",
        "format": "skops",
        "family": "RandomForestClassifier",
        "wrapped_in": None,
        "member": "DecisionTreeClassifier",
        "members": 20,
        "nodes": sum(tree.tree_.node_count for tree in forest.estimators_),
        "bytes": len(pickle.dumps(read_model(folder / "forest.skops"), protocol=5)),
        "classes": ["F", "L", "M", "VF"],
        "features": 5,
        "feature_names": hpc.columns,
    }
    text = ensprune("inspect", "forest.skops").out
    assert "members   20 x DecisionTreeClassifier\n" in text
    assert "predicts  4 classes: 'F', 'L', 'M', 'VF'\n" in text


def test_xgboost(folder, ensprune, xgb):
    shown = json.loads(ensprune("inspect", "xgb.ubj", "--json").out)
    assert (shown["family"], shown["members"]) == ("XGBClassifier", 12)
    assert shown["nodes"] == len(xgb.get_booster().trees_to_dataframe())
    assert shown["member"] == "boosting round"


def test_members_without_nodes_in_a_pipeline(folder, ensprune, hpc):
    vote = VotingRegressor([("a", LinearRegression()), ("b", LinearRegression())])
    model = make_pipeline(StandardScaler(), vote).fit(
        hpc.fit[hpc.columns[:2]].to_numpy(), hpc.fit["hour"]
    )
    skops.io.dump(model, "vote.skops")
    shown = json.loads(ensprune("inspect", "vote.skops", "--json").out)
    assert (shown["family"], shown["wrapped_in"]) == ("VotingRegressor", "Pipeline")
    assert (shown["nodes"], shown["classes"], shown["feature_names"]) == (None, None, None)
    assert "from      2 columns, without names" in ensprune("inspect", "vote.skops").out


def test_members_of_several_classes(folder, ensprune, hpc):
    vote = VotingRegressor([("a", LinearRegression()), ("b", DecisionTreeRegressor(max_depth=2))])
    skops.io.dump(vote.fit(hpc.fit[hpc.columns[:2]], hpc.fit["hour"]), "vote.skops")
    assert "members   2 x estimator\n" in ensprune("inspect", "vote.skops").out


def test_a_warning_is_said_once(folder, ensprune, monkeypatch):
    def run(options):
        warnings.simplefilter("always")
        for message in ("odd rows", "odd\nrows", "few rows"):
            warnings.warn(message, stacklevel=2)

    monkeypatch.setattr("ensprune.cli.inspect.run", run)
    assert ensprune("inspect", "forest.skops").err.splitlines() == [
        "ensprune inspect: warning: odd rows",
        "ensprune inspect: warning: few rows",
    ]


@pytest.mark.parametrize("arguments", [(), ("inspect",), ("nothing",), ("inspect", "a", "b")])
def test_usage_is_one_line(refused, arguments):
    assert "--help)" in refused(*arguments)
