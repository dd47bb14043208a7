"""Students learn what the ensemble says."""

from __future__ import annotations

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from families import FAMILIES, fitted
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from xgboost import XGBClassifier

from ensprune import distill
from ensprune.distillation.synthesis import munge
from ensprune.distillation.teaching import _in_proportion


def labelled(n=150, n_classes=3):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 4))
    return X, np.array(["ash", "birch", "cedar"])[np.digitize(X[:, 0] + X[:, 1], [-0.5, 0.5])]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.id)
def test_a_tree_learns_from_every_family(family):
    ensemble, X, _ = fitted(family)
    before = joblib.hash(pickle.dumps(ensemble))
    kind = DecisionTreeClassifier if is_classifier(ensemble) else DecisionTreeRegressor
    student = kind(max_depth=8, random_state=0)
    found = distill(ensemble, X, student, n_augment=0)
    assert joblib.hash(pickle.dumps(ensemble)) == before
    assert not hasattr(student, "tree_")
    assert type(found) is kind
    answers, taught = np.ravel(ensemble.predict(X)), found.predict(X)
    if is_classifier(ensemble):
        np.testing.assert_array_equal(found.classes_, ensemble.classes_)
        assert np.mean(answers == taught) > 0.8
    else:
        assert np.var(answers - taught) < 0.1 * np.var(answers)


def test_weighted_rows_are_soft_labels():
    """A stump's probabilities are the mean of the ensemble's on each side."""
    X, y = labelled()
    forest = RandomForestClassifier(20, random_state=0).fit(X, y)
    stump = distill(forest, X, DecisionTreeClassifier(max_depth=1), n_augment=0)
    soft = forest.predict_proba(X)
    side = stump.apply(X)
    for leaf in np.unique(side):
        np.testing.assert_allclose(
            stump.predict_proba(X)[side == leaf][0], soft[side == leaf].mean(axis=0), atol=1e-5
        )


def test_a_boosted_student_is_drawn_to_the_raw_score():
    X, y = labelled()
    y = (y == "ash").astype(int)
    full = GradientBoostingClassifier(n_estimators=30, max_depth=2, random_state=0).fit(X, y)
    student = GradientBoostingClassifier(
        n_estimators=60, learning_rate=0.5, max_depth=4, random_state=0
    )
    born_again = distill(full, X, student, n_augment=0)
    raw = full.decision_function(X)
    hard = student.fit(X, full.predict(X)).decision_function(X)
    error = np.abs(born_again.decision_function(X) - raw).mean()
    assert error < 0.2 * np.abs(raw).mean()
    assert error < 0.5 * np.abs(hard - raw).mean()


@pytest.mark.parametrize(
    "student",
    [
        KNeighborsClassifier(5),
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
        make_pipeline(StandardScaler(), KNeighborsClassifier(5)),
    ],
    ids=["no-weights", "pipeline", "pipeline-no-weights"],
)
def test_students_of_every_kind_of_fit(student):
    X, y = labelled()
    forest = RandomForestClassifier(20, random_state=0).fit(X, y)
    found = distill(forest, X, student, n_augment=100, random_state=0)
    np.testing.assert_array_equal(found.classes_, forest.classes_)
    assert np.mean(found.predict(X) == forest.predict(X)) > 0.8


def test_labels_in_proportion_by_hand():
    row, label = _in_proportion(np.array([[0.7, 0.3, 0.0], [0.26, 0.5, 0.24]]))
    counts = np.zeros((2, 3), dtype=int)
    np.add.at(counts, (row, label), 1)
    assert counts.tolist() == [[7, 3, 0], [3, 5, 2]]
    # A class without a chance anywhere comes once all the same.
    _, label = _in_proportion(np.array([[1.0, 0.0], [1.0, 0.0]]))
    assert np.bincount(label).tolist() == [20, 1]


def test_no_class_is_left_out():
    X, y = labelled()
    y = np.where(np.arange(len(y)) == 0, "yew", y)
    forest = RandomForestClassifier(30, min_samples_leaf=5, random_state=0).fit(X, y)
    part = X[forest.predict_proba(X)[:, -1] == 0]
    for student in (DecisionTreeClassifier(), KNeighborsClassifier()):
        np.testing.assert_array_equal(
            distill(forest, part, student, n_augment=0).classes_, forest.classes_
        )
    numbers = np.unique(y, return_inverse=True)[1]
    forest = RandomForestClassifier(30, min_samples_leaf=5, random_state=0).fit(X, numbers)
    student = XGBClassifier(n_estimators=2, n_jobs=1)
    assert distill(forest, part, student, n_augment=0).n_classes_ == 4


def test_more_rows_make_a_better_student_where_data_is_short():
    rng = np.random.default_rng(0)
    X, fresh = rng.normal(size=(150, 3)), rng.normal(size=(2000, 3))
    y = np.sin(2 * X[:, 0]) + X[:, 1]
    full = GradientBoostingRegressor(random_state=0).fit(X, y)
    errors = []
    for n_augment in (0, "auto"):
        tree = DecisionTreeRegressor(max_leaf_nodes=100, random_state=0)
        student = distill(full, X, tree, n_augment=n_augment, random_state=0)
        errors.append(np.mean((student.predict(fresh) - full.predict(fresh)) ** 2))
    assert errors[1] < 0.9 * errors[0]


def test_the_same_seed_gives_the_same_student():
    X, y = labelled()
    forest = RandomForestClassifier(10, random_state=0).fit(X, y)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    students = [
        distill(forest, X, DecisionTreeClassifier(random_state=0), random_state=seed)
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    probabilities = [student.predict_proba(X) for student in students]
    np.testing.assert_array_equal(probabilities[0], probabilities[1])
    assert (probabilities[0] != probabilities[2]).any()
    assert b"ensprune" not in pickle.dumps(students[0])


def test_errors_of_the_student_name_the_student():
    X, y = labelled()
    forest = RandomForestClassifier(3, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="'max_depth' parameter of DecisionTreeClassifier"):
        distill(forest, X, DecisionTreeClassifier(max_depth=0))
    with pytest.raises(ValueError, match="'random_state' parameter of distill"):
        distill(forest, X, DecisionTreeClassifier(), random_state="seed")


def test_bad_input_is_refused():
    X, y = labelled()
    forest = RandomForestClassifier(3, random_state=0).fit(X, y)
    with pytest.raises(TypeError, match="no classifier, but RandomForestClassifier is"):
        distill(forest, X, DecisionTreeRegressor())
    regressor = RandomForestRegressor(2).fit(X, X[:, 0])
    with pytest.raises(TypeError, match="no regressor"):
        distill(regressor, X, DecisionTreeClassifier())
    with pytest.raises(TypeError, match="neither"):
        distill(StandardScaler().fit(X), X, DecisionTreeClassifier())
    for wrong in (-1, 0.5, "many"):
        with pytest.raises(ValueError, match="n_augment"):
            distill(forest, X, DecisionTreeClassifier(), n_augment=wrong)
    with pytest.raises(TypeError, match="sparse"):
        distill(forest, sparse.csr_matrix(X), DecisionTreeClassifier(), n_augment=10)
    with pytest.raises(NotFittedError):
        distill(RandomForestClassifier(), X, DecisionTreeClassifier())
    with pytest.raises(ValueError, match="at least 2"):
        distill(forest, X[:1], DecisionTreeClassifier())
    with pytest.raises(ValueError, match=r"X has 1 dimensions, .* or n_augment=0"):
        distill(forest, X[0], DecisionTreeClassifier())
    with pytest.raises(TypeError, match="estimator=str is neither a classifier nor"):
        distill("forest", X, DecisionTreeClassifier())


def test_sparse_rows_without_augmentation():
    X, y = labelled()
    forest = RandomForestClassifier(5, random_state=0).fit(X, y)
    dense, thin = (
        distill(forest, rows, DecisionTreeClassifier(random_state=0), n_augment=0, random_state=0)
        for rows in (X, sparse.csr_matrix(X))
    )
    np.testing.assert_array_equal(dense.predict(X), thin.predict(X))


# --- synthetic rows ------------------------------------------------------------------------------


def test_synthetic_rows_keep_kinds_ranges_and_relations():
    rng = np.random.default_rng(0)
    n = 200
    frame = pd.DataFrame(
        {
            "amount": rng.normal(size=n),
            "count": rng.integers(0, 5, n),
            "colour": pd.Categorical(rng.choice(["red", "blue"], n)),
            "city": rng.choice(["Oslo", "Rome"], n),
        }
    )
    frame["twice"] = 2 * frame["amount"]
    frame.loc[:20, "amount"] = np.nan
    made = munge(frame, 500, random_state=0)
    assert made.dtypes.to_dict() == frame.dtypes.to_dict()
    assert len(made) == 500
    for name in ("count", "colour", "city"):
        assert set(made[name]) <= set(frame[name])
    for name in ("amount", "twice"):
        assert made[name].min() >= frame[name].min()
        assert made[name].max() <= frame[name].max()
    assert 0 < made["amount"].isna().mean() < 0.3
    both = made.dropna()
    assert np.corrcoef(both["amount"], both["twice"])[0, 1] > 0.8
    assert len(made.merge(frame, how="inner")) < 150  # new rows, not copies


def test_synthetic_rows_of_an_array():
    X = np.column_stack([np.arange(50.0) % 3, np.linspace(0, 1, 50)]).astype(np.float32)
    X[3, 1] = np.nan
    made = munge(X, 70, random_state=0)
    assert made.dtype == np.float32
    assert made.shape == (70, 2)
    assert set(made[:, 0]) <= {0.0, 1.0, 2.0}
    np.testing.assert_array_equal(made, munge(X, 70, random_state=0))
    constant = munge(np.ones((4, 2)), 9, random_state=0)
    np.testing.assert_array_equal(constant, np.ones((9, 2)))
