"""A skops file may hold types that hold numbers, and trees that are trees."""

import functools
import json
import os
import zipfile

import numpy as np
import pytest
import skops.io
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import SelectKBest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier, XGBRFClassifier

from ensprune.cli.errors import BadInput
from ensprune.cli.models import read_model

FOREST = RandomForestClassifier(3, max_depth=3, random_state=0)
FEW = {"n_estimators": 3, "random_state": 0}


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 3)).round(1)
    X[:, 2] = rng.integers(0, 4, 90)
    return X, (X[:, 0] + X[:, 2] > 1).astype(int)


@pytest.mark.parametrize(
    "model",
    [
        FOREST,
        ExtraTreesClassifier(**FEW),
        BaggingClassifier(max_features=2, **FEW),
        BaggingClassifier(FOREST, **FEW),
        AdaBoostClassifier(**FEW),
        GradientBoostingClassifier(**FEW),
        HistGradientBoostingClassifier(max_iter=3, categorical_features=[2]),
        XGBClassifier(n_estimators=3),
        XGBRFClassifier(n_estimators=3),
        VotingClassifier([("nb", GaussianNB()), ("rf", FOREST)], voting="soft"),
        StackingClassifier(
            [("tree", DecisionTreeClassifier(max_depth=2)), ("xgb", XGBClassifier(n_estimators=2))],
            final_estimator=LogisticRegression(),
        ),
        CalibratedClassifierCV(FOREST, method="sigmoid"),
        CalibratedClassifierCV(FOREST, method="isotonic"),
        GridSearchCV(FOREST, {"max_depth": [2, 3]}, cv=StratifiedKFold(3), scoring="roc_auc"),
        make_pipeline(
            make_column_transformer((OneHotEncoder(), [2]), remainder="passthrough"),
            SelectKBest(k=2),
            FOREST,
        ),
        FrozenEstimator(FOREST),
    ],
    ids=lambda model: type(model).__name__,
)
def test_models_of_all_families_are_read(tmp_path, rows, model):
    X, y = rows
    if isinstance(model, FrozenEstimator):
        model = FrozenEstimator(FOREST.fit(X, y))
    model.fit(X, y)
    skops.io.dump(model, tmp_path / "model.skops")
    again = read_model(tmp_path / "model.skops")
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def read_back(model, path):
    skops.io.dump(model, path)
    with pytest.raises(BadInput) as caught:
        read_model(path)
    return str(caught.value)


def edited(tree, **changed):
    """Write into the nodes of a tree, as a crafted file does."""
    state = tree.__getstate__()
    for name, value in changed.items():
        state["nodes"][name][0] = value
    tree.__setstate__(state)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"left_child": 10**6}, "points at a node that is not there"),
        ({"right_child": -7}, "points at a node that is not there"),
        ({"left_child": 0}, "leads back"),
        ({"feature": 3}, "points at a column that is not there"),
        ({"feature": -5}, "points at a column that is not there"),
    ],
)
def test_crafted_trees_are_refused(tmp_path, rows, changed, says):
    forest = RandomForestClassifier(3, random_state=0).fit(*rows)
    edited(forest.estimators_[1].tree_, **changed)
    assert says in read_back(forest, tmp_path / "crafted.skops")


def test_a_tree_without_nodes(tmp_path, rows):
    tree = DecisionTreeClassifier(max_depth=1).fit(*rows)
    skops.io.dump(AdaBoostClassifier(tree, n_estimators=1).fit(*rows), tmp_path / "model.skops")
    with (
        zipfile.ZipFile(tmp_path / "model.skops") as model,
        zipfile.ZipFile(tmp_path / "crafted.skops", "w") as crafted,
    ):
        for name in model.namelist():
            content = model.read(name)
            if name == "schema.json":
                schema = json.loads(content)
                for node in nodes_of(schema, "node_count"):
                    node |= {"content": "0", "__id__": 1}
                content = json.dumps(schema).encode()
            crafted.writestr(name, content)
    with pytest.raises(BadInput, match="a tree has no nodes"):
        read_model(tmp_path / "crafted.skops")


def nodes_of(schema, name):
    """Entries of that name, anywhere in a nested dict."""
    if isinstance(schema, list):
        schema = dict(enumerate(schema))
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == name:
                yield value
            yield from nodes_of(value, name)


def test_trees_of_other_columns_are_refused(tmp_path, rows):
    X, y = rows
    forest = RandomForestClassifier(3, random_state=0).fit(X, y)
    forest.estimators_ = RandomForestClassifier(3).fit(np.c_[X, X], y).estimators_
    assert "other columns than its ensemble" in read_back(forest, tmp_path / "a.skops")
    forest = RandomForestClassifier(3, random_state=0).fit(X, y)
    forest.estimators_[0].n_features_in_ = 9
    assert "other columns" in read_back(forest, tmp_path / "b.skops")
    boosting = GradientBoostingClassifier(n_estimators=2).fit(X, y)
    boosting.n_features_in_ = 2
    assert "other columns than its ensemble" in read_back(boosting, tmp_path / "c.skops")


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("left", 10**6, "points at a node that is not there"),
        ("right", 0, "leads back"),
        ("feature_idx", 3, "points at a column that is not there"),
        ("bitset_idx", 10**6, "set of categories that is not there"),
        ("is_categorical", 1, "splits categories of a column that has none"),
    ],
)
def test_crafted_histogram_trees_are_refused(tmp_path, rows, field, value, says):
    X, y = rows
    model = HistGradientBoostingClassifier(max_iter=2, categorical_features=[2], min_samples_leaf=5)
    model.fit(X, y)
    tree = model._predictors[0][0]
    tree.nodes = tree.nodes.copy()
    at = 0
    if field in ("bitset_idx", "is_categorical"):
        inner = tree.nodes["is_leaf"] == 0
        at = np.flatnonzero(inner & (tree.nodes["is_categorical"] == (field == "bitset_idx")))[0]
    tree.nodes[field][at] = value
    assert says in read_back(model, tmp_path / "crafted.skops")


def test_functions_are_refused(tmp_path, rows):
    X, y = rows
    for function, says in (
        (os.system, "types that are not trusted: posix.system; give --trust TYPE"),
        (functools.partial(np.log1p), "a function that is not expected in a model"),
    ):
        model = make_pipeline(FunctionTransformer(), FOREST).fit(X, y)
        model[0].func = function
        assert says in read_back(model, tmp_path / "function.skops")


def test_more_types_can_be_trusted(tmp_path, rows):
    from sklearn.neighbors import KNeighborsClassifier

    model = VotingClassifier([("near", KNeighborsClassifier(algorithm="kd_tree"))]).fit(*rows)
    message = read_back(model, tmp_path / "near.skops")
    types = message.partition("trusted: ")[2].partition(";")[0].split(", ")
    assert any("KDTree" in name for name in types)
    again = read_model(tmp_path / "near.skops", trusted=types)
    np.testing.assert_array_equal(again.predict(rows[0]), model.predict(rows[0]))


def test_selectors_of_columns(tmp_path, rows):
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame(rows[0], columns=list("abc"))
    numbers = make_column_selector(dtype_include="number")
    model = make_pipeline(make_column_transformer(("passthrough", numbers)), FOREST).fit(X, rows[1])
    skops.io.dump(model, tmp_path / "model.skops")
    np.testing.assert_array_equal(read_model(tmp_path / "model.skops").predict(X), model.predict(X))
