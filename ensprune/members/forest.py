"""RandomForest and ExtraTrees, classifiers and regressors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.utils.validation import check_is_fitted

from ..combiner import Combiner, Indices, LinearCombiner
from ..link import Identity, Probability
from ..trees import Tree, TreeCut
from ..trees.cart import cut_carts, read_cart
from .base import Members, open_members, shallow_copy
from .sampling import unseen_rows
from .trees import leaf_outputs, scaled

# Computed from the rows the whole forest left out: meaningless for some of its trees.
STALE = ("oob_score_", "oob_decision_function_", "oob_prediction_")


class ForestMembers(Members):
    """The trees of a forest: outputs are leaf values, the prediction is their mean."""

    def __init__(self, forest: Any):
        check_is_fitted(forest)
        if forest.n_outputs_ > 1:
            raise ValueError(
                f"{type(forest).__name__} was fitted on {forest.n_outputs_} targets; pruning "
                "needs a single one: fit one ensemble per target"
            )
        super().__init__(forest)

    @property
    def n_members(self) -> int:
        return len(self.estimator.estimators_)

    @property
    def combiner(self) -> Combiner:
        classes = getattr(self.estimator, "classes_", None)
        link = Identity() if classes is None else Probability()
        return LinearCombiner("mean", link, classes, self.n_members)

    def outputs(
        self,
        X: Any,
        n_jobs: int | None = None,
        *,
        indices: Indices | None = None,
        dtype: type = np.float32,
    ) -> np.ndarray:
        trees = self.estimator.estimators_
        chosen = range(len(trees)) if indices is None else indices
        X = self.estimator._validate_X_predict(X)
        n_outputs = trees[0].tree_.value.shape[2]
        result = np.empty((len(chosen), n_outputs, X.shape[0]), dtype=dtype)
        Parallel(n_jobs=n_jobs, require="sharedmem")(
            delayed(leaf_outputs)(trees[t], X, out) for t, out in zip(chosen, result, strict=True)
        )
        return result

    def parts(self) -> Iterable[Any]:
        return self.estimator.estimators_

    def subset(self, indices: Indices, weights: np.ndarray | None = None) -> Any:
        kept, factors = self._checked(indices, weights)
        trees = [self.estimator.estimators_[t] for t in kept]
        if factors is not None:
            # A forest divides by the number of its trees, so a weight is relative to the mean
            # weight. The forest's probabilities still sum to one, a single tree's do not.
            factors = factors * (len(factors) / factors.sum())
            trees = [scaled(tree, f) for tree, f in zip(trees, factors, strict=True)]
        return shallow_copy(
            self.estimator, without=STALE, estimators_=trees, n_estimators=len(trees)
        )

    def trees(self) -> list[Tree]:
        share = 1.0 / self.n_members
        outputs = np.arange(self.n_outputs)
        return [
            read_cart(tree).placed(t, outputs, share)
            for t, tree in enumerate(self.estimator.estimators_)
        ]

    def reached_nodes(self, X: Any) -> np.ndarray:
        X = self.estimator._validate_X_predict(X)
        return np.stack([tree.tree_.apply(X) for tree in self.estimator.estimators_])

    def with_trees(self, cuts: Sequence[TreeCut | None], exact: bool = False) -> Any:
        return shallow_copy(
            self.estimator,
            without=() if exact else STALE,
            estimators_=cut_carts(self.estimator.estimators_, cuts),
        )

    def out_of_bag(self, n_samples: int) -> np.ndarray | None:
        forest = self.estimator
        if not forest.bootstrap:
            return None
        return unseen_rows(forest, n_samples, getattr(forest, "_n_samples", None))


open_members.register(RandomForestClassifier, ForestMembers)
open_members.register(RandomForestRegressor, ForestMembers)
open_members.register(ExtraTreesClassifier, ForestMembers)
open_members.register(ExtraTreesRegressor, ForestMembers)
