"""Pickles of LightGBM and CatBoost: columns by the names that these keep in their own way."""

import json

import joblib
import pandas as pd
import pytest

# Blanks in names, which LightGBM writes as underscores, and columns that no model wants.
COLUMNS = {"compounds": "all compounds", "iterations": "iterations", "hour": "hour of day"}
VAL = ["--trust-pickle", "--data", "spelled.csv", "--target", "class", "--size", "4"]


@pytest.fixture
def spelled(folder, hpc):
    hpc.val.rename(columns=COLUMNS).to_csv("spelled.csv", index=False)
    return hpc.fit.rename(columns=COLUMNS)[list(COLUMNS.values())], hpc.fit["class"]


@pytest.fixture
def pruned(ensprune):
    """Members that are left after the command, and what it said."""

    def run(*arguments):
        done = ensprune("prune", *arguments, "--out", "small.joblib")
        assert done.code == 0, done
        shown = json.loads(ensprune("inspect", "small.joblib", "--trust-pickle", "--json").out)
        return shown, done.out

    return run


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_lightgbm(spelled, pruned):
    lightgbm = pytest.importorskip("lightgbm", reason="needs the extra 'lightgbm'")
    X, y = spelled
    model = lightgbm.LGBMClassifier(n_estimators=8, max_depth=3, n_jobs=1, verbose=-1).fit(X, y)
    joblib.dump(model, "lgb.joblib")
    shown, said = pruned("lgb.joblib", *VAL)
    assert (shown["family"], shown["members"], shown["features"]) == ("LGBMClassifier", 4, 3)
    assert "accuracy " in said


def test_a_booster_of_lightgbm_has_names_and_a_metric(spelled, pruned):
    lightgbm = pytest.importorskip("lightgbm", reason="needs the extra 'lightgbm'")
    X, y = spelled
    model = lightgbm.LGBMClassifier(n_estimators=8, max_depth=3, n_jobs=1, verbose=-1)
    joblib.dump(model.fit(X, y == "F").booster_, "booster.joblib")
    numbered = ["--data", "numbered.csv", "--target", "F"]
    table = pd.read_csv("spelled.csv")
    table.assign(F=(table["class"] == "F").astype(int)).to_csv("numbered.csv", index=False)
    shown, said = pruned("booster.joblib", *VAL, *numbered)
    assert (shown["members"], shown["feature_names"]) == (
        4,
        ["all_compounds", "iterations", "hour_of_day"],
    )
    assert "accuracy " in said


def test_catboost(spelled, pruned):
    catboost = pytest.importorskip("catboost", reason="needs the extra 'catboost'")
    X, y = spelled
    model = catboost.CatBoostClassifier(
        iterations=8, depth=3, thread_count=1, verbose=0, allow_writing_files=False
    )
    joblib.dump(model.fit(X, y), "cat.joblib")
    shown, _ = pruned("cat.joblib", *VAL)
    assert (shown["family"], shown["members"]) == ("CatBoostClassifier", 4)
    assert shown["feature_names"] == list(COLUMNS.values())


def test_a_regressor_of_catboost_knows_no_labels(spelled, pruned):
    catboost = pytest.importorskip("catboost", reason="needs the extra 'catboost'")
    X, _ = spelled
    model = catboost.CatBoostRegressor(
        iterations=8, depth=3, thread_count=1, verbose=0, allow_writing_files=False
    )
    joblib.dump(model.fit(X.iloc[:, :2], X.iloc[:, 2]), "cat.joblib")
    _, said = pruned("cat.joblib", *VAL, "--target", COLUMNS["hour"])
    assert "r2 " in said
