"""MemberSimilarityDisplay and KappaErrorDisplay against pair-by-pair brute force."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.ensemble import (
    AdaBoostClassifier,
    GradientBoostingClassifier,
    RandomForestRegressor,
    StackingClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from ensprune import EnsemblePruner
from ensprune.inspection import KappaErrorDisplay, MemberSimilarityDisplay
from ensprune.inspection.pairs import pairwise_correlation


def tree_labels(forest, X):
    return np.stack([forest.classes_[t.predict(X).astype(int)] for t in forest.estimators_])


def test_agreement_and_kappa_pair_by_pair(cancer, out_of_bag):
    X, y = cancer[1], cancer[3]
    votes = tree_labels(out_of_bag.estimator_, X)
    agreement = MemberSimilarityDisplay.from_estimator(out_of_bag, X)
    kappa = MemberSimilarityDisplay.from_estimator(out_of_bag, X, measure="kappa")
    diagram = KappaErrorDisplay.from_estimator(out_of_bag, X, y)
    assert agreement.measure == "agreement"
    for i, j in ((0, 1), (3, 17), (39, 20)):
        assert agreement.similarity[i, j] == pytest.approx((votes[i] == votes[j]).mean())
        expected = cohen_kappa_score(votes[i], votes[j])
        assert kappa.similarity[i, j] == pytest.approx(expected)
        assert diagram.kappa[i, j] == pytest.approx(expected)
    np.testing.assert_allclose(diagram.error, (votes != y).mean(axis=1), atol=1e-12)
    np.testing.assert_array_equal(diagram.kept, out_of_bag.selected_)


def test_out_of_bag_pairs_are_compared_where_both_may_speak(cancer, out_of_bag):
    X, y = cancer[0], cancer[2]
    forest = out_of_bag.estimator_
    votes = tree_labels(forest, X)
    unseen = np.ones(votes.shape, dtype=bool)
    for row, seen in zip(unseen, forest.estimators_samples_, strict=True):
        row[seen] = False
    shown = MemberSimilarityDisplay.from_estimator(forest, X, out_of_bag=True)
    diagram = KappaErrorDisplay.from_estimator(forest, X, y, out_of_bag=True)
    both = unseen[2] & unseen[5]
    assert shown.similarity[2, 5] == pytest.approx((votes[2] == votes[5])[both].mean())
    assert diagram.kappa[2, 5] == pytest.approx(cohen_kappa_score(votes[2][both], votes[5][both]))
    assert diagram.error[2] == pytest.approx((votes[2] != y)[unseen[2]].mean())
    assert shown.kept is None


def test_correlations_of_regressors_are_of_predictions_or_errors():
    X, y = load_diabetes(return_X_y=True)
    forest = RandomForestRegressor(12, random_state=0).fit(X[:200], y[:200])
    predicted = np.stack([tree.predict(X[200:]) for tree in forest.estimators_])
    plain = MemberSimilarityDisplay.from_estimator(forest, X[200:])
    assert plain.measure == "correlation"
    np.testing.assert_allclose(plain.similarity, np.corrcoef(predicted), atol=1e-6)
    errors = MemberSimilarityDisplay.from_estimator(forest, X[200:], y[200:])
    np.testing.assert_allclose(errors.similarity, np.corrcoef(predicted - y[200:]), atol=1e-6)
    unseen = np.ones((12, 200), dtype=bool)
    for row, seen in zip(unseen, forest.estimators_samples_, strict=True):
        row[seen] = False
    inside = MemberSimilarityDisplay.from_estimator(forest, X[:200], y[:200], out_of_bag=True)
    both = unseen[4] & unseen[9]
    e = np.stack([forest.estimators_[t].predict(X[:200]) - y[:200] for t in (4, 9)])[:, both]
    assert inside.similarity[4, 9] == pytest.approx(np.corrcoef(e)[0, 1], abs=1e-6)


def test_correlation_keeps_its_digits_and_knows_constants():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 50)) + 1e7
    values[2] = 1e7
    found = pairwise_correlation(values)
    assert found[0, 1] == pytest.approx(np.corrcoef(values[:2])[0, 1], abs=1e-7)
    assert np.isnan(found[2]).all()


def test_stages_of_boosting_are_compared_by_their_outputs(cancer):
    X, y = cancer[0], cancer[2]
    boosted = GradientBoostingClassifier(n_estimators=12, random_state=0)
    pruner = EnsemblePruner(boosted, target_size=6, random_state=0).fit(X, y)
    shown = MemberSimilarityDisplay.from_estimator(pruner, cancer[1])
    assert shown.measure == "correlation"
    assert shown.similarity.shape == (12, 12)
    with pytest.raises(TypeError, match="members of GradientBoostingClassifier predict none"):
        KappaErrorDisplay.from_estimator(pruner, cancer[1], cancer[3])


def test_votes_and_learners_of_stacking(cancer):
    X, y = cancer[0], cancer[2]
    boosted = AdaBoostClassifier(n_estimators=6, random_state=0).fit(X, y)
    diagram = KappaErrorDisplay.from_estimator(boosted, cancer[1], cancer[3])
    expected = [(tree.predict(cancer[1]) != cancer[3]).mean() for tree in boosted.estimators_]
    np.testing.assert_allclose(diagram.error, expected, atol=1e-12)
    learners = [
        ("bayes", GaussianNB()),
        ("stump", DecisionTreeClassifier(max_depth=1)),
        ("tree", DecisionTreeClassifier(max_depth=3)),
    ]
    stack = StackingClassifier(learners, LogisticRegression(max_iter=500), cv=3)
    pruner = EnsemblePruner(stack, target_size=2, random_state=0).fit(X, y)
    shown = MemberSimilarityDisplay.from_estimator(pruner, cancer[1])
    assert shown.similarity.shape == (3, 3)
    assert len(shown.kept) == 2


@pytest.mark.parametrize("order", ["cluster", "members", "kept"])
def test_orders(cancer, out_of_bag, order):
    shown = MemberSimilarityDisplay.from_estimator(out_of_bag, cancer[1], order=order)
    assert sorted(shown.order_) == list(range(40))
    if order == "members":
        assert shown.order_.tolist() == list(range(40))
    if order == "kept":
        assert shown.order_[:8].tolist() == out_of_bag.selected_.tolist()
    drawn = np.asarray(shown.image_.get_array())
    np.testing.assert_array_equal(drawn, shown.similarity[np.ix_(shown.order_, shown.order_)])
    marks = shown.ax_.get_lines()[0]
    assert marks.get_label() == "8 kept"
    assert set(shown.order_[marks.get_xdata().astype(int)]) == set(out_of_bag.selected_)


def test_clustered_order_puts_like_members_together():
    group = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2])
    shown = MemberSimilarityDisplay(np.where(group[:, None] == group, 0.9, 0.1)).plot()
    together = group[shown.order_]
    assert np.count_nonzero(np.diff(together)) == 2
    assert [int(t.get_text()) for t in shown.ax_.get_xticklabels()] == shown.order_.tolist()


def test_one_member_and_all_alike():
    alone = MemberSimilarityDisplay(np.ones((1, 1)), np.array([0])).plot()
    assert alone.order_.tolist() == [0]
    MemberSimilarityDisplay(np.ones((4, 4))).plot().figure_.canvas.draw()
    KappaErrorDisplay(np.ones((1, 1)), np.array([0.2])).plot().figure_.canvas.draw()


def test_diagram_draws_every_pair_once(cancer, out_of_bag):
    diagram = KappaErrorDisplay.from_estimator(out_of_bag, cancer[1], cancer[3])
    everyone, kept = diagram.ax_.collections
    assert len(everyone.get_offsets()) == 40 * 39 // 2
    assert len(kept.get_offsets()) == 8 * 7 // 2
    labels = diagram.ax_.get_legend_handles_labels()[1]
    assert "pairs of kept members (28)" in labels


def test_mistakes_are_named(cancer, forest, out_of_bag):
    X = cancer[1]
    with pytest.raises(ValueError, match="measure='cosine' is unknown"):
        MemberSimilarityDisplay.from_estimator(forest, X, measure="cosine")
    with pytest.raises(ValueError, match="order='size' is unknown"):
        MemberSimilarityDisplay.from_estimator(forest, X, order="size")
    with pytest.raises(NotFittedError):
        MemberSimilarityDisplay.from_estimator(EnsemblePruner(forest), X)
    with pytest.raises(TypeError, match="LogisticRegression is no ensemble"):
        MemberSimilarityDisplay.from_estimator(LogisticRegression().fit([[0], [1]], [0, 1]), X)
    boosted = AdaBoostClassifier(n_estimators=3).fit(cancer[0], cancer[2])
    with pytest.raises(ValueError, match="AdaBoostClassifier does not; give rows"):
        MemberSimilarityDisplay.from_estimator(FrozenEstimator(boosted), X, out_of_bag=True)
    with pytest.raises(ValueError, match="fitted on 341 rows, X has 228"):
        KappaErrorDisplay.from_estimator(out_of_bag, X, cancer[3], out_of_bag=True)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        KappaErrorDisplay.from_estimator(out_of_bag, X, cancer[3][1:])
