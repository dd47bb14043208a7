"""What is taught to leaves: by whom, of which rows, and that no row is told its own label."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_friedman1
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from ensprune import EnsemblePruner, prune
from ensprune import leaf_refinement as leaf_module
from ensprune.distillation.synthesis import munge
from ensprune.lesson import Course, _numbers
from ensprune.members.refittable import open_leaves
from ensprune.objectives.base import class_positions
from ensprune.refine import Labelled
from ensprune.refinement.strength import Strength
from ensprune.regrown import InClassesOf


def course_of(forest, X, y, weight=None, n_jobs=None):
    members = open_leaves(forest)
    opinion = InClassesOf(members, members.combiner).opinion(X, None)
    part = Labelled(X, y, weight, seen=True, opinion=opinion)
    fold_of = np.arange(len(y)) % 3
    return Course.given(members, part, fold_of, np.random.default_rng(0), n_jobs), opinion


def lesson_of(forest, X, y, weight=None):
    course, opinion = course_of(forest, X, y, weight)
    return course.lesson(opinion, 3, np.random.default_rng(0))


def noise(n_samples=300, classify=False):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, n_samples) if classify else rng.normal(size=n_samples)
    return rng.normal(size=(n_samples, 5)), y


@pytest.mark.parametrize("classify", [False, True])
def test_no_row_is_told_its_own_label(classify):
    X, y = noise(classify=classify)
    family = RandomForestClassifier if classify else RandomForestRegressor
    course, opinion = course_of(family(40, random_state=0).fit(X, y), X, y)
    target = np.eye(3)[y].T if classify else y[None]
    heard = np.isfinite(opinion.mean).all(axis=0)
    for said in (opinion.mean, *(teacher.apart for teacher in course._teachers)):
        assert np.corrcoef(said[-1, heard], target[-1, heard])[0, 1] < 0.12


@pytest.mark.parametrize("classify", [False, True])
def test_nothing_in_a_lesson_without_a_fold_has_seen_the_fold(classify):
    X, y = noise(120, classify=classify)
    family = RandomForestClassifier if classify else RandomForestRegressor
    forest = family(10, random_state=0).fit(X, y)
    others = np.arange(len(y)) % 3 != 1
    members = open_leaves(family(10, random_state=0).fit(X[others], y[others]))
    opinion = InClassesOf(members, members.combiner).opinion(X[others], None)
    lessons = []
    for _ in range(2):
        course, _ = course_of(forest, X, y)
        # Which of both is heard how much is judged by the labels of the other folds.
        for level, teacher in enumerate(course._teachers):
            teacher.apart[:] = 0.25 + 0.05 * level
        lessons.append(course.lesson(opinion, 2, np.random.default_rng(0), without=1))
        X = np.where(others[:, None], X, 0.0)
        y = np.where(others, y, y[0])
    np.testing.assert_array_equal(lessons[0].X, lessons[1].X)
    np.testing.assert_array_equal(lessons[0].answers, lessons[1].answers)


def test_threads_change_nothing():
    X, y = noise(200, classify=True)
    forest = RandomForestClassifier(10, random_state=0).fit(X, y)
    alone, together = (course_of(forest, X, y, n_jobs=n_jobs)[0] for n_jobs in (None, 2))
    for one, other in zip(alone._teachers, together._teachers, strict=True):
        np.testing.assert_array_equal(one.apart, other.apart)
    first, second = (
        prune(forest, X, y, target_size=4, refine="leaves", random_state=0, n_jobs=n_jobs)
        for n_jobs in (None, 2)
    )
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))


def test_synthetic_rows_mix_near_ones_and_answers_are_distributions():
    X, y = noise(200, classify=True)
    names = np.array(["ash", "birch", "cedar"])[y]
    forest = RandomForestClassifier(30, random_state=0).fit(X, names)
    found = lesson_of(forest, X, names)
    assert found.X.shape == (600, 5)
    for column, real in zip(found.X.T, X.T, strict=True):
        assert np.isin(column, real).all()
    assert found.answers.shape == (3, 600)
    assert found.answers.min() >= 0
    np.testing.assert_allclose(found.answers.sum(axis=0), 1)


def test_each_synthetic_row_comes_of_a_row_and_one_of_its_nearest():
    X = np.random.default_rng(1).normal(size=(60, 4))
    drawn = munge(X, 240, 0, n_neighbors=3, scatter=False)
    scaled = (X - X.mean(axis=0)) / X.std(axis=0)
    distance = ((scaled[:, None] - scaled) ** 2).sum(axis=2)
    nearest = distance.argsort(axis=1)[:, 1:4]
    partners = set()
    for row in drawn:
        sources = {int(np.flatnonzero(X[:, j] == value)[0]) for j, value in enumerate(row)}
        assert len(sources) <= 2
        if len(sources) == 2:
            a, b = sources
            assert b in nearest[a] or a in nearest[b]
            partners.add((a, b))
    assert len(partners) > 60, "one neighbour only"


def test_tables_with_words_missing_values_and_empty_columns_can_be_taught():
    X, y = make_friedman1(200, random_state=0)
    frame = pd.DataFrame(X[:, :4], columns=list("abcd"))
    frame.loc[::7, "a"] = np.nan
    frame["empty"] = np.nan
    frame["word"] = np.where(X[:, 4] > 0.5, "high", "low")
    frame.loc[::9, "word"] = None
    frame["mixed"] = pd.Series([1, "two"] * 100, dtype=object)
    numbers = _numbers(frame, frame)
    np.testing.assert_array_equal(np.isnan(numbers[:, 5]), frame["word"].isna())
    assert np.isnan(_numbers(frame.assign(word="new"), frame)[:, 5]).all()

    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["word"]), ("passthrough", list("abcd"))
    )
    forest = make_pipeline(columns, RandomForestRegressor(20, random_state=0)).fit(frame, y)
    found = lesson_of(forest, frame, y)
    assert list(found.X.columns) == list(frame.columns)
    assert np.isfinite(found.answers).all()


def test_rows_that_cannot_be_mixed_teach_nothing():
    X, y = noise(60)
    forest = RandomForestRegressor(10, random_state=0).fit(X, y)
    objects = X.astype(object)
    assert course_of(forest, objects, y)[0] is None
    small = prune(
        forest, objects, y, target_size=3, validation="oob", refine="leaves", random_state=0
    )
    assert len(small) == 3


def test_weights_of_rows_and_classes_count_with_the_teacher():
    X, y = noise(300, classify=True)
    light = {"class_weight": {0: 30.0, 1: 1.0, 2: 1.0}}
    forest = RandomForestClassifier(30, max_depth=4, random_state=0, **light).fit(X, y)
    found = lesson_of(forest, X, y)
    assert found.answers[0].mean() > 0.7
    weight = np.where(y == 1, 30.0, 1.0)
    course, _ = course_of(forest, X, y, weight)
    assert all(teacher.apart[1].mean() > 0.4 for teacher in course._teachers)


def test_the_unit_of_weights_does_not_matter():
    X, y = noise(150, classify=True)
    weight = np.random.default_rng(1).exponential(size=len(y))
    forest = RandomForestClassifier(20, random_state=0).fit(X, y, sample_weight=weight)
    found, same = (lesson_of(forest, X, y, unit * weight) for unit in (1.0, 2.0**-12))
    np.testing.assert_array_equal(found.answers, same.answers)


@pytest.mark.parametrize("classify", [False, True])
def test_nobody_teaches_where_all_of_the_weight_is_in_one_fold(classify):
    X, y = noise(60, classify)
    family = RandomForestClassifier if classify else RandomForestRegressor
    forest = family(5, random_state=0).fit(X, y)
    weight = np.zeros(60)
    weight[[0, 3, 6]] = 1.0  # the first of three folds
    assert course_of(forest, X, y, weight)[0] is None
    weight[[1, 4]] = 1.0
    assert course_of(forest, X, y, weight)[0] is not None


def test_what_boosting_knows_better_is_learnt():
    X, y = make_friedman1(900, noise=1.0, random_state=0)
    forest = RandomForestRegressor(60, random_state=0).fit(X[:400], y[:400])
    fixed = {"target_size": 8, "validation": "oob", "random_state": 0}
    refined = prune(forest, X[:400], y[:400], refine="leaves", **fixed)
    assert type(refined) is RandomForestRegressor
    assert len(refined) == 8

    def loss(model):
        return np.mean((model.predict(X[400:]) - y[400:]) ** 2)

    # A seventh of the trees, and better than all of them.
    assert loss(refined) < 0.95 * loss(forest)


@pytest.mark.parametrize("classify", [False, True])
def test_refined_scores_do_not_hear_of_the_rows_they_are_of(monkeypatch, classify):
    X, y = noise(150, classify=classify)
    strength = Strength(0.01, trust=0.5, taught=True)
    monkeypatch.setattr(leaf_module, "choose", lambda *_: (strength, 0.0, 0.0))
    family = RandomForestClassifier if classify else RandomForestRegressor
    forest = family(30, random_state=0)
    pruner = EnsemblePruner(forest, 6, refine="leaves", random_state=0).fit(X, y)
    assert pruner.refinement_.strength.taught
    # All there is to know of noise is its mean.
    guessing = max(np.bincount(y)) / len(y) + 0.08 if classify else 0.0
    assert pruner.score_pruned_ < guessing


def test_who_is_certified_has_no_teacher_that_saw_the_certifying_rows():
    X, y = make_friedman1(400, random_state=0)
    pruner = EnsemblePruner(
        RandomForestRegressor(30, random_state=0),
        10,
        confidence=0.9,
        validation="oob",
        refine="leaves",
        random_state=0,
    ).fit(X, y)
    strength = pruner.refinement_.strength
    assert not strength.taught
    assert strength.trust == 0


def test_a_class_that_a_fold_missed_has_no_chance_there():
    X, y = noise(60, classify=True)
    y[:] = y % 2
    y[0] = 2
    forest = RandomForestClassifier(20, random_state=0).fit(X, y)
    found = lesson_of(forest, X, y)
    assert found.answers.shape[0] == 3
    np.testing.assert_allclose(found.answers.sum(axis=0), 1)
    assert class_positions(y, forest.classes_).max() == 2
