"""Rows that are taken for the training rows are the training rows, as far as trees can tell."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from ensprune import EnsemblePruner, compact, prune, refine_leaves
from ensprune.inspection import MemberSimilarityDisplay

RNG = np.random.default_rng(0)
X = RNG.normal(size=(240, 4))
Y = np.digitize(X[:, 0] + RNG.normal(scale=0.5, size=240), [-0.5, 0.5])
MIXED = RNG.permutation(240)
WEIGHT = RNG.random(240) * (RNG.random(240) > 0.3)

ENSEMBLES = {
    "forest": RandomForestClassifier(8, random_state=0),
    "stumps": RandomForestClassifier(8, max_depth=1, random_state=0),
    "few rows each": RandomForestRegressor(8, max_samples=0.2, random_state=0),
    "balanced": RandomForestClassifier(8, class_weight="balanced_subsample", random_state=0),
    "large leaves": ExtraTreesRegressor(8, bootstrap=True, min_samples_leaf=30, random_state=0),
    "extra trees": ExtraTreesClassifier(8, bootstrap=True, random_state=0),
    "bagging": BaggingClassifier(DecisionTreeClassifier(), 8, max_features=0.5, random_state=0),
    "pasting": BaggingRegressor(
        DecisionTreeRegressor(max_depth=3), 8, bootstrap=False, max_samples=0.5, random_state=0
    ),
    "search": GridSearchCV(RandomForestClassifier(8, random_state=0), {"max_depth": [3]}, cv=2),
}


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["unweighted", "some without weight"])
@pytest.mark.parametrize("name", ENSEMBLES)
@pytest.mark.filterwarnings("ignore:When fitting Bagging:UserWarning")
def test_another_order_is_noticed_and_the_same_is_not(name, weight):
    fitted = ENSEMBLES[name].fit(X, Y, sample_weight=weight)
    prune(fitted, X, Y, target_size=3, validation="oob")
    with pytest.raises(ValueError, match="in the same order, and by the leaves of its trees these"):
        prune(fitted, X[MIXED], Y[MIXED], target_size=3, validation="oob")


@pytest.mark.parametrize("form", [sparse.csr_array, np.asfortranarray, np.float32])
def test_every_form_of_the_rows_is_the_same(form):
    holes = np.where(RNG.random(X.shape) < 0.1, 0.0, X)
    forest = RandomForestClassifier(8, random_state=0).fit(holes, Y)
    assert len(prune(forest, form(holes), Y, target_size=3, validation="oob")) == 3


def test_rows_with_holes():
    holes = np.where(RNG.random(X.shape) < 0.1, np.nan, X)
    forest = RandomForestClassifier(8, random_state=0).fit(holes, Y)
    assert len(prune(forest, holes, Y, target_size=3, validation="oob")) == 3
    with pytest.raises(ValueError, match="in the same order"):
        prune(forest, holes[MIXED], Y[MIXED], target_size=3, validation="oob")


def test_whatever_asks_for_the_training_rows():
    forest = RandomForestClassifier(8, random_state=0).fit(X, Y)
    small = compact(prune(forest, X, Y, target_size=5, validation="oob"), X, Y, validation="oob")
    refine_leaves(small, X, Y, validation="oob")  # cut and compacted, they are its rows still
    calls = (
        lambda: compact(small, X[MIXED], Y[MIXED], validation="oob"),
        lambda: refine_leaves(small, X[MIXED], Y[MIXED], validation="oob"),
        lambda: MemberSimilarityDisplay.from_estimator(small, X[MIXED], Y[MIXED], out_of_bag=True),
    )
    for call in calls:
        with pytest.raises(ValueError, match="in the same order"):
            call()


def test_where_trees_cannot_tell_nothing_is_refused():
    # Steps may have answered otherwise while they were fitted; other members keep no counts.
    pipe = make_pipeline(StandardScaler(), RandomForestClassifier(8, random_state=0)).fit(X, Y)
    assert len(prune(pipe, X[MIXED], Y[MIXED], target_size=3, validation="oob")[-1]) == 3
    bayes = BaggingClassifier(GaussianNB(), 8, random_state=0).fit(X, Y)
    assert len(prune(bayes, X[MIXED], Y[MIXED], target_size=3, validation="oob")) == 3
    steps = make_pipeline(KBinsDiscretizer(), DecisionTreeClassifier())
    bagged = BaggingClassifier(steps, 8, random_state=0).fit(X, Y)
    assert len(prune(bagged, X[MIXED], Y[MIXED], target_size=3, validation="oob")) == 3


def test_the_pruner_that_fits_knows_its_rows():
    pruner = EnsemblePruner(RandomForestClassifier(8), target_size=3, validation="oob")
    assert pruner.fit(X, Y, sample_weight=WEIGHT).n_members_ == 3
