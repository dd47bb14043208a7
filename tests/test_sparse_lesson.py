"""Lessons of sparse rows: how they are mixed, what their teachers make of them, and in how much memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy import sparse
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

from ensprune import EnsemblePruner, prune, refine_leaves
from ensprune.boosted import boosted
from ensprune.columns import Columns
from ensprune.distillation.sparse_synthesis import munge_sparse
from ensprune.kernel_ridge import smooth
from ensprune.lesson import Course, _compressed
from ensprune.members.refittable import open_leaves
from ensprune.refine import Labelled
from ensprune.regrown import InClassesOf
from ensprune.sparse_columns import SparseColumns


def texts(n_samples=300, n_words=120, seed=0):
    """Counts of words; some are more frequent in one of two classes."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n_samples)
    frequency = 1.2 / np.arange(3, n_words + 3)
    lift = np.where(np.arange(n_words) % 3 == 0, rng.normal(size=n_words), 0.0)
    rate = 20 * frequency * np.exp(np.where(y[:, None] == 1, lift, -lift) / 2)
    return sparse.csr_matrix(rng.poisson(rate).astype(np.float64)), y


@pytest.mark.parametrize("dtype", [np.float32, np.int64, bool])
@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csr_array])
def test_each_synthetic_row_takes_every_value_from_a_row_or_one_of_its_nearest(dtype, kind):
    X = kind(texts(40, 30)[0].astype(dtype))
    drawn = munge_sparse(X, 200, 0, 3)
    assert type(drawn) is kind
    assert drawn.dtype == dtype
    assert drawn.has_canonical_format
    dense = X.toarray()
    numbers = dense.astype(float)
    distance = ((numbers[:, None] - numbers) ** 2).sum(axis=2) + np.diag(np.full(40, np.inf))
    third = np.sort(distance, axis=1)[:, 2]
    from_both = 0
    for row in drawn.toarray():
        fits = ((row == dense[:, None]) | (row == dense)).all(axis=2)
        assert (fits & (distance <= third[:, None] + 1e-6)).any()
        from_both += not (row == dense).all(axis=1).any()
    assert from_both > 180


def test_columns_are_worth_half_of_what_standardising_would_make_them():
    X = texts()[0].tolil()
    X[:, 7] = 2.0  # the same everywhere
    X[3, 9], X[4, 11] = 1e9, np.nan
    X = X.tocsr()
    columns = SparseColumns.of(X)
    scaled = columns(X).toarray()
    assert 7 not in columns.used
    assert np.isfinite(scaled).all()
    assert (scaled[:, 7] == 0).all()
    assert (scaled**2).sum(axis=1).mean() == pytest.approx(1)
    usual = np.setdiff1d(columns.used, [9, 11])
    deviation = X[:, usual].toarray().std(axis=0)
    ratio = scaled[:, usual].std(axis=0) / np.sqrt(deviation)
    np.testing.assert_allclose(ratio, ratio[0])


def test_columns_are_ranked_as_dense_ones_are():
    X, y = texts()
    target = (y - y.mean())[:, None]
    known, dense = SparseColumns.of(X), Columns.of(X.toarray())
    np.testing.assert_array_equal(known.used, dense.used)
    first, same = known.ranked(X, target)[:10], dense.ranked(X.toarray(), target)[:10]
    assert len(np.intersect1d(first, same)) >= 8  # outliers are cut elsewhere


@pytest.mark.parametrize("fit", [boosted, smooth])
def test_teachers_of_sparse_rows_know_more_than_how_frequent_classes_are(fit):
    X, y = texts(700)
    model = fit(X[:400], y[:400], np.ones(400), np.arange(3), 0)
    said = model(X[400:])
    assert said.shape == (3, 300)
    np.testing.assert_allclose(said.sum(axis=0), 1)
    assert (said[2] == 0).all()
    assert np.mean((said[1] - y[400:]) ** 2) < 0.6 * y.var()
    values = fit(X[:400], 1.0 * y[:400], np.ones(400), None, 0)(X[400:])
    assert np.mean((values[0] - y[400:]) ** 2) < 0.6 * y.var()
    noise = np.random.default_rng(0).normal(size=700)
    if fit is smooth:
        said = fit(X[:400], noise[:400], np.ones(400), None, 0)(X[400:])
        assert np.mean((said[0] - noise[400:]) ** 2) < 1.03 * noise[400:].var()
    assert np.isfinite(fit(X[:5] * 0, y[:5], np.ones(5), np.arange(2), 0)(X)).all()


def test_nothing_in_a_lesson_without_a_fold_has_seen_the_fold():
    X, y = texts(120)
    members = open_leaves(RandomForestClassifier(10, random_state=0).fit(X, y))
    fold_of = np.arange(120) % 3
    others = fold_of != 1
    apart = open_leaves(RandomForestClassifier(10, random_state=0).fit(X[others], y[others]))
    opinion = InClassesOf(apart, members.combiner).opinion(X[others], None)
    whole = InClassesOf(members, members.combiner).opinion(X, None)
    lessons = []
    for _ in range(2):
        part = Labelled(X, y, None, seen=True, opinion=whole)
        course = Course.given(members, part, fold_of, np.random.default_rng(0))
        for level, teacher in enumerate(course._teachers):
            teacher.apart[:] = 0.25 + 0.05 * level
        lessons.append(course.lesson(opinion, 2, np.random.default_rng(0), without=1))
        X = sparse.diags_array(others * 1.0) @ X
        y = np.where(others, y, y[0])
    assert (lessons[0].X != lessons[1].X).nnz == 0
    np.testing.assert_array_equal(lessons[0].answers, lessons[1].answers)


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array])
def test_forms_of_sparse_rows_are_alike_and_left_as_they_are(kind):
    X, y = texts(150)
    forest = RandomForestClassifier(20, random_state=0).fit(X, y)
    fixed = {"target_size": 4, "validation": "oob", "refine": "leaves", "random_state": 0}
    given = kind(X)
    before = given.copy()
    small, same = prune(forest, given, y, **fixed), prune(forest, X, y, **fixed)
    np.testing.assert_array_equal(small.predict_proba(X), same.predict_proba(X))
    assert (given != before).nnz == 0


def test_entries_that_stand_twice_count_once_and_stay_where_they_were():
    twice = sparse.csr_matrix(([1.0, 2.0, 3.0], [1, 1, 0], [0, 3, 3]), shape=(2, 3))
    assert _compressed(twice).toarray().tolist() == [[3.0, 3.0, 0.0], [0.0, 0.0, 0.0]]
    assert twice.nnz == 3


def test_missing_values_of_sparse_rows_are_mixed_as_others_are():
    X, y = texts(150)
    X.data[::50] = np.nan
    before = X.copy()
    forest = make_pipeline(SimpleImputer(), RandomForestClassifier(20, random_state=0))
    pruner = EnsemblePruner(forest, 4, refine="leaves", random_state=0).fit(X, y)
    assert pruner.refinement_.strength.taught
    np.testing.assert_array_equal(X.data, before.data)
    drawn = munge_sparse(X, 600, 0, 3)
    assert 0.01 < np.isnan(drawn.data).mean() < 0.03


def test_what_teachers_of_texts_know_better_is_learnt():
    X, y = texts(900)
    forest = make_pipeline(TfidfTransformer(), RandomForestClassifier(60, random_state=0))
    pruner = EnsemblePruner(forest, 8, refine="leaves", random_state=0).fit(X[:400], y[:400])
    assert pruner.refinement_.strength.taught

    def loss(model):
        return np.mean((model.predict_proba(X[400:])[:, 1] - y[400:]) ** 2)

    assert loss(pruner) < 0.97 * loss(pruner.estimator_)


def test_leaves_are_left_alone_where_sparse_rows_say_nothing():
    X, _ = texts(300)
    y = np.random.default_rng(5).normal(size=300)
    forest = RandomForestRegressor(40, random_state=0).fit(X[:200], y[:200])
    cut = open_leaves(forest).subset(np.arange(8))
    refined = refine_leaves(cut, X[:200], y[:200], validation="oob", teacher=forest, random_state=0)

    def loss(model):
        return np.mean((model.predict(X[200:]) - y[200:]) ** 2)

    assert loss(refined) < min(loss(cut), 1.1 * y[200:].var())


def test_rows_of_very_many_columns_are_never_dense():
    rng = np.random.default_rng(0)
    X = sparse.random_array((3000, 200_000), density=2e-4, rng=rng, format="csr")
    y = np.asarray(X[:, :2000].sum(axis=1)).ravel() > 0.2
    tracemalloc.start()
    drawn = munge_sparse(X, 9000, 0, 5)
    for fit in (boosted, smooth):
        fit(X, y * 1, np.ones(3000), np.arange(2), 0)(drawn)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 400e6  # 1.6 kB per row and column of 3,000 x 200,000 would be 4.8e9
