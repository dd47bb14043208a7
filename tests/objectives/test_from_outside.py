"""An objective from outside the package: the contract as it is written down, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import make_scorer

from ensprune import prune
from ensprune.combiner import LinearCombiner
from ensprune.link import Identity
from ensprune.objectives import Objective, make_objective, register_objective


def worst_miss(y, prediction):
    return float(np.abs(y - prediction).max())


class WorstMiss(Objective):
    """Minus the largest absolute error of an average, by the book."""

    def start(self, outputs, y, combiner, sample_weight=None, *, mask=None, rows=None, n_jobs=None):
        self.outputs, self.y = outputs, y
        self.n_members, self.selected = len(outputs), []

    def candidates(self, drop=False):
        scores = np.full(self.n_members, -np.inf)
        for t in range(self.n_members):
            after = list(self.selected)
            if drop and (t not in after or len(after) == 1):
                continue
            after.remove(t) if drop else after.append(t)
            scores[t] = self._of(after)
        return scores

    def _of(self, members):
        return -worst_miss(self.y, self.outputs[members, 0].astype(float).mean(axis=0))

    def add(self, member):
        self.selected.append(member)

    def drop(self, member):
        self.selected.remove(member)

    def tiebreaks(self, drop=False):
        return np.zeros(self.n_members)

    def score(self):
        return self._of(self.selected) if self.selected else float("nan")


@pytest.mark.parametrize("selector", ["greedy", "cluster", "random"])
def test_it_is_searched_like_any_other(selector):
    X, y = load_diabetes(return_X_y=True)
    forest = RandomForestRegressor(15, max_depth=4, random_state=0).fit(X[:200], y[:200])

    def kept(metric):
        scorer = make_scorer(metric, greater_is_better=False)
        small = prune(
            forest, X[200:], y[200:], target_size=4, selector=selector, scoring=scorer,
            validation="auto", random_state=0,
        )  # fmt: skip
        return [forest.estimators_.index(tree) for tree in small.estimators_], small

    slowly, _ = kept(lambda y, prediction: worst_miss(y, prediction))
    register_objective(worst_miss, WorstMiss)
    fast, small = kept(worst_miss)
    assert isinstance(
        make_objective(
            make_scorer(worst_miss, greater_is_better=False),
            LinearCombiner("mean", Identity(), None, 15),
        ),
        WorstMiss,
    )
    assert fast == slowly
    assert len(small.estimators_) == 4


def test_one_that_looks_at_nothing_says_what_it_lacks():
    class Idle(WorstMiss):
        start = Objective.start

    with pytest.raises(NotImplementedError, match="Idle defines neither start nor _begin"):
        Idle().start(np.zeros((1, 1, 2)), np.zeros(2), LinearCombiner("mean", Identity(), None, 1))
