"""``ensprune compare``: every competitor on the same rows of the user's table."""

import json

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import RandomForestClassifier

from ensprune.cli.compare import _FAMILIES
from ensprune.comparison import COMPETITORS, families

VAL = ("--data", "val.csv", "--target", "class")


def test_families_are_all_there_are():
    assert tuple(families(True, 0)) == _FAMILIES
    assert tuple(families(False, 0)) == _FAMILIES


def test_a_family_and_a_model(folder, ensprune, hpc):
    model = RandomForestClassifier(12, max_depth=4, random_state=0)
    skops.io.dump(model.fit(hpc.fit[hpc.columns], hpc.fit["class"]), "twelve.skops")
    call = ("compare", "xgboost", "twelve.skops", *VAL, "--size", 3, "--drop", "number")
    done = ensprune(*call, "--json")
    assert (done.code, done.err) == (0, "")
    boosting, forest = json.loads(done.out)
    assert boosting["ensemble"], boosting["members"] == ("XGBoost", [100, 3])
    assert forest["ensemble"], forest["members"] == ("twelve", [12, 3])
    for row in (boosting, forest):
        assert tuple(row["scores"]) == COMPETITORS
        assert all(0 <= score <= 1 for score in row["scores"].values())

    text = ensprune(*call).out
    assert "-- val, accuracy -" in text
    assert "12>3" in text
    assert max(map(len, text.splitlines())) <= 125


def test_scores_are_those_of_a_hand_made_split(folder, ensprune, hpc):
    """Full and first K of a forest fitted on the rows that compare says it trains on."""
    from ensprune.comparison import row_groups, split

    model = RandomForestClassifier(12, max_depth=4, random_state=0)
    skops.io.dump(model.fit(hpc.fit[hpc.columns], hpc.fit["class"]), "twelve.skops")
    done = ensprune("compare", "twelve.skops", *VAL, "--size", 3, "--rows", 100, "--json")
    scores = json.loads(done.out)[0]["scores"]
    X, y = hpc.val[hpc.columns], hpc.val["class"].to_numpy()
    train, test = split(row_groups(X), 100, 0)
    assert not set(train) & set(test)
    assert abs(len(train) - 100) <= 5
    model.fit(X.iloc[train], y[train])
    assert scores["full"] == pytest.approx(model.score(X.iloc[test], y[test]))
    model.set_params(n_estimators=3).fit(X.iloc[train], y[train])
    assert scores["first K"] == pytest.approx(model.score(X.iloc[test], y[test]))


@pytest.mark.parametrize(
    ("target", "options", "metric"),
    [
        ("hour", (), "r2"),
        ("number", (), "accuracy"),
        ("number", ("--task", "regression"), "r2"),
        ("hour", ("--scoring", "neg_mean_absolute_error"), "neg mean absolute error"),
    ],
)
def test_the_target_tells_the_task(folder, ensprune, hpc, target, options, metric):
    # Gaps, text and unseen categories on the way.
    table = hpc.val.copy()
    table.loc[::7, "compounds"] = np.nan
    table.loc[3, "day"] = None
    table.to_csv("gaps.csv", index=False)
    done = ensprune(
        "compare", "RandomForest", "--data", "gaps.csv", "--target", target, "--size", 2,
        "--json", *options,
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)[0]["metric"] == metric


def test_progress_is_said_where_it_is_asked_for(folder, ensprune):
    done = ensprune("compare", "RandomForest", *VAL, "--size", 2, "--rows", 60, "--verbose")
    assert done.code == 0
    assert done.err.splitlines()[-1] == "[1/1] RandomForest"


def test_a_table_that_says_nothing(folder, refused, hpc):
    hpc.val[["class"]].to_csv("alone.csv", index=False)
    hpc.val.assign(**{"class": "VF"}).to_csv("one.csv", index=False)
    compare = ("compare", "Bagging", "--target", "class", "--data")
    assert "alone.csv has no column beside the target 'class'" in refused(*compare, "alone.csv")
    assert "the target 'class' is 'VF' in all rows" in refused(*compare, "one.csv")


def test_mistakes(folder, refused, xgb):
    assert "XGBoost's own format does not keep the parameters" in refused(
        "compare", "xgb.ubj", "--data", "val.csv", "--target", "number"
    )
    assert "'forest' is no family; give Bagging" in refused("compare", "forest", *VAL)
    assert "--size auto: give a number" in refused("compare", "Bagging", *VAL, "--size", "auto")
    assert "--seed -3: give a number from 0" in refused("compare", "Bagging", *VAL, "--seed", "-3")
    assert "--rows 7: give 8 at least" in refused("compare", "Bagging", *VAL, "--rows", 7)
    assert "--sample-weight goes with ensprune prune only" in refused(
        "compare", "Bagging", *VAL, "--sample-weight", "hour"
    )
    assert "has no column 'klass'" in refused("compare", "--data", "val.csv", "--target", "klass")
    assert "'day' is 'Mon' in row" in refused(
        "compare", "--data", "val.csv", "--target", "day", "--task", "regression"
    ).replace("'Tue'", "'Mon'").replace("'Wed'", "'Mon'").replace("'Thu'", "'Mon'")
