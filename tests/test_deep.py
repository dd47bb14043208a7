"""EnsemblePruner(deep=True): end to end."""

from __future__ import annotations

import pickle

import joblib
import numpy as np
import pytest
from nested_ensembles import NESTED, nested, unfitted
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import get_scorer
from xgboost import XGBClassifier

from ensprune import EnsemblePruner, prune
from ensprune.members import open_members


@pytest.mark.parametrize("name", NESTED)
def test_every_nest_is_cut_to_its_budget(name):
    ensemble, X, y = nested(name)
    before = joblib.hash(pickle.dumps(ensemble))
    pruner = EnsemblePruner(FrozenEstimator(ensemble), 6, deep=True, random_state=0).fit(X, y)
    members = open_members(ensemble).deep()
    assert type(pruner.pruned_estimator_) is type(ensemble)
    assert pruner.cost_full_ == members.n_members == len(pruner.support_)
    assert pruner.n_members_ == len(pruner.selected_) == len(pruner.weights_) <= 6
    assert pruner.support_.sum() == pruner.n_members_ == pruner.cost_pruned_
    assert sum(pruner.selector_result_.kept) == pruner.n_members_
    assert open_members(pruner.pruned_estimator_).deep().n_members == pruner.n_members_
    np.testing.assert_array_equal(pruner.predict(X), pruner.pruned_estimator_.predict(X))
    assert joblib.hash(pickle.dumps(ensemble)) == before
    smaller = pruner.at(2)
    assert open_members(smaller).deep().n_members <= 2
    assert len(pruner.path_.to_frame()) == len(pruner.path_)


@pytest.mark.parametrize(
    ("scoring", "cost"), [(None, "members"), ("neg_log_loss", "bytes"), ("roc_auc", "members")]
)
@pytest.mark.parametrize("name", ["voting-soft-binary", "stacking-binary"])
def test_scores_are_those_of_the_pruned_estimator(name, cost, scoring):
    ensemble, X, y = nested(name)
    pruner = EnsemblePruner(FrozenEstimator(ensemble), 0.4, scoring=scoring, cost=cost, deep=True)
    pruner.fit(X, y, X_val=X, y_val=y)
    scorer = get_scorer(scoring or "accuracy")
    assert pruner.score_full_ == pytest.approx(scorer(ensemble, X, y), abs=1e-12)
    assert pruner.cost_pruned_ <= 0.4 * pruner.cost_full_ * (1 + 1e-9)
    assert pruner.score_pruned_ == pytest.approx(scorer(pruner.pruned_estimator_, X, y), abs=1e-6)
    for point in pruner.path_:
        at = pruner.at(point.cost / pruner.cost_full_)
        assert scorer(at, X, y) == pytest.approx(point.score, abs=1e-6)


@pytest.mark.parametrize("unit", ["nodes", "bytes"])
def test_a_forest_and_xgboost_share_a_budget_of_nodes(unit):
    _, X, y = nested("voting-soft-binary")
    voting = VotingClassifier(
        [
            ("forest", RandomForestClassifier(30, random_state=0)),
            ("xgb", XGBClassifier(n_estimators=20, n_jobs=1)),
        ],
        voting="soft",
    )
    pruner = EnsemblePruner(
        voting, 0.3, scoring="neg_log_loss", cost=unit, deep=True, random_state=0
    ).fit(X, y)
    small = pruner.pruned_estimator_
    assert isinstance(small, VotingClassifier)
    sizes = [small.named_estimators_[name].n_estimators for name in small.named_estimators_]
    assert sizes == [size for size in pruner.selector_result_.kept if size]
    assert 0 < sum(sizes) < 50
    total = sum(open_members(member).costs(unit).sum() for member in small.estimators_)
    budget = 0.3 * open_members(pruner.estimator_).deep().costs(unit).sum()
    # Leaf values of re-weighted trees take other numbers of digits, so bytes may differ a little.
    assert total <= budget * (1.0 if unit == "nodes" else 1.02)
    again = pickle.loads(pickle.dumps(small))
    np.testing.assert_array_equal(again.predict_proba(X), small.predict_proba(X))
    # Where whole members may stay, too, the result is never worse than keeping or dropping those.
    plain = clone(pruner).set_params(target_size=0.8, deep=False).fit(X, y)
    deep = clone(pruner).set_params(target_size=0.8).fit(X, y)
    assert deep.cost_pruned_ <= 0.8 * deep.cost_full_
    assert deep.score_pruned_ >= plain.score_pruned_ - 1e-9


def test_fitting_and_pruning_a_stack_in_one_go():
    stack = unfitted("stacking-binary")
    _, X, y = nested("stacking-binary")
    pruner = EnsemblePruner(stack, 0.5, deep=True, random_state=0).fit(X, y)
    assert pruner.n_members_ <= 8
    assert type(pruner.pruned_estimator_) is type(stack)
    names = dict(pruner.pruned_estimator_.estimators)
    kept = dict(
        zip([name for name, _ in stack.estimators], pruner.selector_result_.kept, strict=True)
    )
    assert list(names) == [name for name, size in kept.items() if size]
    assert pruner.at(4).predict(X).shape == (len(X),)


def test_rows_without_an_error_do_not_end_the_search_at_one_tree():
    # Every tree of either forest separates the classes, so each alone is right on every row.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 3))
    X[:, 0] += 10 * np.sign(X[:, 0])
    y = X[:, 0] > 0
    forests = [RandomForestClassifier(20, max_features=None, random_state=s) for s in range(2)]
    voting = VotingClassifier([("a", forests[0]), ("b", forests[1])], voting="soft")
    pruner = EnsemblePruner(voting, target_size=0.25, scoring="accuracy", deep=True, random_state=0)
    pruner.fit(X, y)
    assert pruner.selector_result_.objective_value == pytest.approx(1.0)
    assert pruner.path_[-1].size == 10
    assert pruner.selector_result_.status == "complete"


def test_deep_changes_nothing_where_nothing_is_inside():
    _, X, y = nested("voting-soft-binary")
    forest = RandomForestClassifier(12, random_state=0)
    plain = EnsemblePruner(forest, 4).fit(X, y)
    deep = EnsemblePruner(forest, 4, deep=True).fit(X, y)
    np.testing.assert_array_equal(deep.selected_, plain.selected_)
    assert deep.score_pruned_ == plain.score_pruned_


def test_prune_takes_deep():
    ensemble, X, y = nested("bagging-binary")
    small = prune(ensemble, X, y, target_size=5, deep=True)
    assert sum(forest.n_estimators for forest in small.estimators_) <= 5
    with pytest.raises(ValueError, match="validation='oob' needs an ensemble whose members leave"):
        prune(ensemble, X, y, target_size=5, deep=True, validation="oob")


def test_deep_is_a_flag():
    _, X, y = nested("bagging-binary")
    with pytest.raises(ValueError, match="'deep' parameter"):
        EnsemblePruner(RandomForestClassifier(), deep="very").fit(X, y)
