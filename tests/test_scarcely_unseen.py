"""Rows that nearly all members were trained on are not judged out of bag: other rows are held out."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier

from ensprune import EnsemblePruner, compact, prune
from ensprune.members.sampling import scarcely_unseen


class DrawsTheSecondClass(RandomForestClassifier):
    """Its trees have been given all rows of one class, as with weights that balance a rare one."""

    @property
    def estimators_samples_(self):
        samples = super().estimators_samples_
        return [np.union1d(drawn, np.flatnonzero(self.drawn_)) for drawn in samples]

    def fit(self, X, y, sample_weight=None):
        self.drawn_ = y == np.unique(y)[1]
        return super().fit(X, y, sample_weight)


@pytest.fixture(scope="module")
def rare():
    X, y = make_classification(300, weights=[0.9], flip_y=0.05, random_state=0)
    return X, np.where(y == 1, "rare", "usual")


def test_of_each_class_the_share_left_out_is_looked_at():
    y = np.repeat([3, 7], [50, 10])
    unseen = np.random.default_rng(0).random((20, 60)) < 0.37
    assert scarcely_unseen(unseen, y, None, classifies=True) is None
    unseen[:, y == 7] = False
    unseen[:10, 50] = True  # 10 of 200 pairs
    said = scarcely_unseen(unseen, y, None, classifies=True)
    assert said == "the rows of class 7 have been left out by 5.0 % of the 20 members"
    assert scarcely_unseen(unseen, y, None, classifies=False) is None


def test_rows_count_by_their_weights():
    unseen = np.zeros((10, 40), dtype=bool)
    unseen[:4, 20:] = True
    y = np.linspace(0.0, 1.0, 40)
    weight = np.repeat([10.0, 1.0], 20)
    assert scarcely_unseen(unseen, y, None, classifies=False) is None
    said = scarcely_unseen(unseen, y, weight, classifies=False)
    assert said == "the rows that weigh most have been left out by 3.6 % of the 10 members"
    assert scarcely_unseen(unseen, y, np.repeat([0.0, 1.0], 20), classifies=False) is None
    assert scarcely_unseen(unseen, y, np.zeros(40), classifies=False) is None


def test_a_few_rows_may_be_in_all_samples_by_chance():
    y = np.repeat([0, 1], [50, 2])
    unseen = np.random.default_rng(0).random((10, 52)) < 0.37
    unseen[:, y == 1] = False
    assert scarcely_unseen(unseen, y, None, classifies=True) is None


def test_auto_holds_rows_out_instead(rare):
    forest = DrawsTheSecondClass(20, random_state=0)
    pruner = EnsemblePruner(forest, target_size=5, random_state=0).fit(*rare)
    held_out = EnsemblePruner(forest, target_size=5, random_state=0, validation=0.25).fit(*rare)
    assert pruner.score_full_ == held_out.score_full_
    np.testing.assert_array_equal(pruner.selected_, held_out.selected_)


def test_who_asks_for_them_is_warned_and_gets_no_certificate(rare):
    forest = DrawsTheSecondClass(20, random_state=0)
    said = r"'oob': the rows of class 'usual' have been left out by 0.0 % of the 20 members.*0\.25"
    with pytest.warns(UserWarning, match=said):
        EnsemblePruner(forest, target_size=5, validation="oob").fit(*rare)
    with pytest.warns(UserWarning, match=said):
        prune(forest.fit(*rare), *rare, target_size=5, validation="oob")
    with pytest.warns(UserWarning, match=said):
        compact(forest, *rare, validation="oob")
    with pytest.raises(ValueError, match=said):
        prune(forest, *rare, target_size="auto", validation="oob", confidence=0.8)


def test_balanced_weights_do_not_undo_the_search(rare):
    # As of scikit-learn 1.9 they decide what is drawn; before, all rows are drawn alike.
    X, y = rare
    forest = RandomForestClassifier(30, class_weight="balanced", random_state=0)
    pruner = EnsemblePruner(forest, target_size=6, scoring="average_precision", random_state=0)
    assert pruner.fit(X, (y == "rare").astype(int)).score_full_ > 0.3
