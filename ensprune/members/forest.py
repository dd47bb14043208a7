"""RandomForest and ExtraTrees, classifiers and regressors."""

from __future__ import annotations

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

from ..combiner import Indices
from ..trees import Tree
from ..trees.cart import read_cart
from .average import STALE, AverageMembers
from .copying import shallow_copy
from .leaves import Leaves, gather
from .opening import open_members
from .refittable import HasLeaves, refuse_constraints
from .sampling import N_ASKED, refuse_other_rows, unseen_rows
from .several import several_targets
from .trees import leaf_ids_of, leaf_outputs, nodes_of, own_scales, weighed, with_values


class ForestMembers(AverageMembers, HasLeaves):
    """The trees of a forest: outputs are leaf values, the prediction is their mean."""

    def __init__(self, forest: Any):
        check_is_fitted(forest)
        if forest.n_outputs_ > 1:
            raise several_targets(forest, forest.n_outputs_)
        super().__init__(forest)

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
        scales = own_scales(trees)
        Parallel(n_jobs=n_jobs, require="sharedmem")(
            delayed(leaf_outputs)(trees[t], X, out, scales[t])
            for t, out in zip(chosen, result, strict=True)
        )
        return result

    def subset(self, indices: Indices, weights: np.ndarray | None = None) -> Any:
        kept, factors = self._checked(indices, weights)
        # The forest's probabilities still sum to one, those of a tree with a weight do not.
        trees = weighed([self.estimator.estimators_[t] for t in kept], factors)
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

    def out_of_bag(self, n_samples: int) -> np.ndarray | None:
        forest = self.estimator
        if not forest.bootstrap:
            return None
        return unseen_rows(forest, n_samples, getattr(forest, "_n_samples", None))

    def check_trained_on(self, X: Any, unseen: np.ndarray) -> None:
        rows = self.estimator._validate_X_predict(X)
        refuse_other_rows(self.estimator, self.estimator.estimators_[:N_ASKED], rows, unseen)

    @classmethod
    def check_loss(cls, estimator: Any) -> None:
        refuse_constraints(type(estimator).__name__, estimator.criterion, estimator.monotonic_cst)

    def leaves(self) -> Leaves:
        forest = self.estimator
        self.check_loss(forest)
        nodes = [nodes_of(tree) for tree in forest.estimators_]
        return gather(nodes, np.full(len(nodes), 1.0 / len(nodes)))

    def leaf_ids(self, X: Any, n_jobs: int | None = None) -> np.ndarray:
        X = self.estimator._validate_X_predict(X)
        return leaf_ids_of(self.estimator.estimators_, X, n_jobs)

    def with_leaf_values(self, values: np.ndarray) -> Any:
        tree_of = self.leaves().tree
        trees = [
            with_values(tree, values[tree_of == t])
            for t, tree in enumerate(self.estimator.estimators_)
        ]
        return shallow_copy(self.estimator, without=STALE, estimators_=trees)


open_members.register(RandomForestClassifier, ForestMembers)
open_members.register(RandomForestRegressor, ForestMembers)
open_members.register(ExtraTreesClassifier, ForestMembers)
open_members.register(ExtraTreesRegressor, ForestMembers)
