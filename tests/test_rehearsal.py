"""Trees chosen for their refit: what a search gets to see, and when it sees members as they are."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_wine, make_friedman1
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.frozen import FrozenEstimator

from ensprune import EnsemblePruner, leaf_refinement, rehearsal
from ensprune.members.refittable import open_leaves
from ensprune.objectives.squared import SquaredError
from ensprune.rehearsal import _labelled
from ensprune.selectors import ILPSelector


def pruned(ensemble, X, y, sample_weight=None, **options):
    given = {"target_size": 5, "validation": "oob", "random_state": 0, **options}
    return EnsemblePruner(FrozenEstimator(ensemble), **given).fit(X, y, sample_weight=sample_weight)


def friedman(n_samples=200, classify=False):
    X, y = make_friedman1(n_samples, 6, noise=1.0, random_state=0)
    return X, (y > np.median(y)) if classify else y


@pytest.mark.parametrize("classify", [False, True])
def test_trees_are_chosen_for_what_they_can_say_not_for_what_they_say(classify):
    X, y = friedman(300, classify)
    family = RandomForestClassifier if classify else RandomForestRegressor
    forest = family(10, random_state=0).fit(X, y)
    # Ten that split a lot and say nonsense, ten that split once.
    for tree in forest.estimators_:
        tree.tree_.value[:] = tree.tree_.value[::-1]
    forest.estimators_ += family(10, max_depth=1, random_state=1).fit(X, y).estimators_
    forest.n_estimators = 20
    assert (pruned(forest, X, y).selected_ >= 10).all()
    assert (pruned(forest, X, y, refine="leaves").selected_ < 10).all()


def test_rows_with_likely_labels_judge_as_soft_answers_do():
    rng = np.random.default_rng(0)
    classes = np.array(["a", "b", "c"])
    outputs = rng.dirichlet(np.ones(3), (4, 50)).transpose(0, 2, 1)
    answers = rng.dirichlet(np.ones(3), 50).T
    answers[:, :20] = np.eye(3)[rng.integers(0, 3, 20)].T
    answers = np.where(answers < 0.02, 0.0, answers)
    answers /= answers.sum(axis=0)
    heard, y, weight = _labelled(answers, classes, 1000)
    np.testing.assert_allclose(np.bincount(heard, weight), 1.0)
    hot = (y == classes[:, None]).astype(float)

    def soft(some):
        return ((outputs[some].mean(axis=0) - answers) ** 2).sum(axis=0).mean()

    def labelled(some):
        return (weight * ((outputs[some].mean(axis=0)[:, heard] - hot) ** 2).sum(axis=0)).sum() / 50

    reference = [0]
    for some in ([1], [0, 2], [1, 2, 3]):
        expected = soft(some) - soft(reference)
        assert labelled(some) - labelled(reference) == pytest.approx(expected)


def test_rows_are_as_many_as_there_is_room_for():
    answers = np.full((2, 100), 0.5)
    heard, y, weight = _labelled(answers, np.array([0, 1]), 60)
    assert len(heard) == len(y) == len(weight) == 60
    assert heard.max() == 99
    heard, y, weight = _labelled(answers[:1], None, 60)
    assert len(heard) == len(y) == 60
    assert weight is None


@pytest.mark.parametrize(
    "ensemble",
    [
        RandomForestClassifier(12, random_state=0),
        BaggingClassifier(n_estimators=12, max_features=0.5, random_state=0),
        ExtraTreesRegressor(12, bootstrap=True, random_state=0),
    ],
)
def test_a_search_sees_trees_refitted_to_the_lesson(monkeypatch, ensemble):
    X, y = load_diabetes(return_X_y=True) if "Regr" in str(ensemble) else load_wine(return_X_y=True)
    monkeypatch.setattr(rehearsal, "_MOST_ROWS", 300)
    found = []

    def kept(*given):
        found.append(rehearsal.rehearse(*given))
        return found[-1]

    monkeypatch.setattr(leaf_refinement, "rehearse", kept)
    forest = ensemble.fit(X, y)
    pruner = pruned(forest, X, y, refine="leaves")
    (seen,) = found
    assert seen.outputs.dtype == np.float32
    assert seen.outputs.shape[0] == 12
    assert seen.outputs.shape[2] == len(seen.y) == len(seen.X)
    if seen.sample_weight is not None:
        np.testing.assert_allclose(seen.outputs.sum(axis=1), 1.0, rtol=1e-5)
        assert seen.sample_weight.sum() == pytest.approx(300)
    members = open_leaves(forest)
    objective = SquaredError("mse" if seen.sample_weight is None else "brier")
    objective.start(seen.outputs, seen.y, members.combiner, seen.sample_weight)
    for member in pruner.selected_:
        objective.add(member)
    # Better than what random trees have, which nobody chose.
    chosen = objective.score()
    for seed in range(5):
        objective.start(seen.outputs, seen.y, members.combiner, seen.sample_weight)
        for member in np.random.default_rng(seed).choice(12, 5, replace=False):
            objective.add(member)
        assert objective.score() <= chosen


def test_teachers_learn_once_for_the_search_and_the_refit(monkeypatch):
    X, y = friedman()
    forest = RandomForestRegressor(12, random_state=0).fit(X, y)
    lessons = []
    old = leaf_refinement.Course.lesson

    def lesson(self, opinion, per_row, rng, without=None):
        lessons.append(without)
        return old(self, opinion, per_row, rng, without)

    monkeypatch.setattr(leaf_refinement.Course, "lesson", lesson)
    pruner = pruned(forest, X, y, refine="leaves")
    assert pruner.refinement_.strength.taught
    assert lessons.count(None) == 1


@pytest.mark.parametrize(
    ("options", "weighted"),
    [
        ({"refine": "weights"}, False),
        ({"validation": "auto"}, False),
        ({"selector": ILPSelector("accuracy")}, False),
        ({"selector": ILPSelector(min_recall={True: 0.5})}, False),
        ({"confidence": 0.9, "target_size": "auto", "tolerance": 0.1}, False),
        ({}, True),
    ],
    ids=lambda given: str(given)[:20],
)
def test_elsewhere_members_are_chosen_as_they_are(options, weighted):
    X, y = friedman(classify=True)
    weight = np.linspace(1, 2, len(y)) if weighted else None
    forest = RandomForestClassifier(12, random_state=0).fit(X, y, weight)
    plain, refined = (
        pruned(forest, X, y, weight, **{"refine": "leaves", **options, **refine}).selected_
        for refine in ({"refine": None}, {})
    )
    if "tolerance" not in options:  # the size depends on refined scores
        np.testing.assert_array_equal(plain, refined)
    else:
        n_both = min(len(plain), len(refined))
        np.testing.assert_array_equal(plain[:n_both], refined[:n_both])


def test_on_disk_there_is_no_room_for_a_rehearsal(monkeypatch):
    X, y = friedman()
    forest = RandomForestRegressor(12, random_state=0).fit(X, y)
    monkeypatch.setattr("ensprune.sizing.is_on_disk", lambda _: True)
    refined = pruned(forest, X, y, refine="leaves")
    np.testing.assert_array_equal(refined.selected_, pruned(forest, X, y).selected_)
