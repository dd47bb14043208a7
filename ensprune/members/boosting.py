"""GradientBoostingClassifier and GradientBoostingRegressor: arbitrary stages, not only a prefix."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.utils.validation import check_is_fitted, validate_data

from ..combination import Combination
from ..combiner import Combiner, Indices, LinearCombiner
from ..link import Identity, Link, Logistic, Softmax
from ..trees import Tree, TreeCut
from ..trees.cart import cut_carts, read_cart
from .base import Members
from .copying import shallow_copy
from .leaves import Leaves, gather
from .opening import open_members
from .refittable import HasLeaves, refuse_constraints
from .trees import leaf_ids_of, leaf_outputs, nodes_of, scaled, with_values

# One entry per stage, in stage order.
_PER_STAGE = ("train_score_", "oob_improvement_", "oob_scores_")


class BoostingMembers(Members, HasLeaves):
    """Stages: all trees of one round, times the learning rate, added to the initial score."""

    def __init__(self, boosting: Any):
        check_is_fitted(boosting)
        super().__init__(boosting)

    @classmethod
    def foretell(cls, unfitted: Any) -> Combination | None:
        return Combination("sum", is_classifier(unfitted), n_members=unfitted.n_estimators)

    @property
    def n_members(self) -> int:
        return len(self.estimator.estimators_)

    @property
    def combiner(self) -> LinearCombiner:
        """The combiner; its offset is NaN where ``init`` is an estimator: use :meth:`bind`."""
        init = self.estimator.init_
        if isinstance(init, str | DummyClassifier | DummyRegressor):
            row = np.zeros((1, self.estimator.n_features_in_), dtype=np.float32)
            return self._combiner(self.estimator._raw_predict_init(row)[0])
        return self._combiner(np.full(self.estimator.estimators_.shape[1], np.nan))

    def bind(self, X: Any) -> Combiner:
        combiner = self.combiner
        if combiner.offset is None or not np.isnan(combiner.offset).any():
            return combiner
        initial = self.estimator._raw_predict_init(self._validated(X))
        return self._combiner(np.ascontiguousarray(initial.T))

    def _combiner(self, offset: np.ndarray) -> LinearCombiner:
        classes = getattr(self.estimator, "classes_", None)
        link: Link
        if classes is None:
            link = Identity()
        elif self.estimator.estimators_.shape[1] == 1:
            # P = expit(2 raw) under the exponential loss, which scores half log-odds.
            link = Logistic(2.0 if self.estimator.loss == "exponential" else 1.0, closed=True)
        else:
            link = Softmax()
        return LinearCombiner("sum", link, classes, self.n_members, offset=offset)

    def _validated(self, X: Any) -> Any:
        return validate_data(
            self.estimator, X, dtype=np.float32, order="C", accept_sparse="csr", reset=False
        )

    def outputs(
        self,
        X: Any,
        n_jobs: int | None = None,
        *,
        indices: Indices | None = None,
        dtype: type = np.float32,
    ) -> np.ndarray:
        stages = self.estimator.estimators_
        chosen = range(len(stages)) if indices is None else indices
        X = self._validated(X)
        rate = self.estimator.learning_rate
        result = np.empty((len(chosen), stages.shape[1], X.shape[0]), dtype=dtype)

        def fill(t: int, out: np.ndarray) -> None:
            for tree, row in zip(stages[t], out, strict=True):
                leaf_outputs(tree, X, row[None], scale=rate)

        Parallel(n_jobs=n_jobs, require="sharedmem")(
            delayed(fill)(t, out) for t, out in zip(chosen, result, strict=True)
        )
        return result

    def parts(self) -> Iterable[Any]:
        return self.estimator.estimators_

    def trees(self) -> list[Tree]:
        rate = self.estimator.learning_rate
        return [
            read_cart(tree).placed(t, [output], rate)
            for t, stage in enumerate(self.estimator.estimators_)
            for output, tree in enumerate(stage)
        ]

    def reached_nodes(self, X: Any) -> np.ndarray:
        X = self._validated(X)
        return np.stack([tree.tree_.apply(X) for tree in self.estimator.estimators_.flat])

    def with_trees(self, cuts: Sequence[TreeCut | None], exact: bool = False) -> Any:
        stages = self.estimator.estimators_.copy()
        stages.flat = cut_carts(stages.flat, cuts)
        return shallow_copy(
            self.estimator,
            without=() if exact else ("oob_score_",),
            **self._with_own_draws(stages),
        )

    def subset(self, indices: Indices, weights: np.ndarray | None = None) -> Any:
        kept, factors = self._checked(indices, weights)
        stages = self.estimator.estimators_[kept]
        if factors is not None:
            for stage, factor in zip(stages, factors, strict=True):
                stage[:] = [scaled(tree, factor) for tree in stage]
        return self._with_stages(stages, kept)

    def _with_stages(self, stages: np.ndarray, kept: np.ndarray) -> Any:
        """The ensemble with the stages ``kept``, as they are in ``stages``."""
        boosting = self.estimator
        per_stage = {
            name: getattr(boosting, name)[kept]
            for name in _PER_STAGE
            if np.ndim(getattr(boosting, name, 0)) == 1
        }
        return shallow_copy(
            boosting,
            without=("oob_score_",),
            n_estimators=len(kept),
            n_estimators_=len(kept),
            **per_stage,
            **self._with_own_draws(stages),
        )

    def _with_own_draws(self, stages: np.ndarray) -> dict[str, Any]:
        """Attributes of a copy that has these stages.

        Draws move a random state on, and ``warm_start`` goes on drawing: a copy has its own. The
        trees refer to it, too; with another one in them, a pickle would hold both.
        """
        full = getattr(self.estimator, "_rng", None)
        if full is None:
            return {"estimators_": stages}
        own = copy.deepcopy(full)
        stages = stages.copy()
        for position, tree in enumerate(stages.flat):
            if tree.random_state is full:
                stages.flat[position] = copy.copy(tree)
                stages.flat[position].random_state = own
        return {"estimators_": stages, "_rng": own}

    @classmethod
    def check_loss(cls, estimator: Any) -> None:
        refuse_constraints(type(estimator).__name__, estimator.loss, None)

    def leaves(self) -> Leaves:
        stages = self.estimator.estimators_
        self.check_loss(self.estimator)
        rate = float(self.estimator.learning_rate)
        output = np.tile(np.arange(stages.shape[1]), len(stages)) if stages.shape[1] > 1 else None
        trees = [nodes_of(tree) for tree in stages.flat]
        return gather(trees, np.full(len(trees), rate), output)

    def leaf_ids(self, X: Any, n_jobs: int | None = None) -> np.ndarray:
        return leaf_ids_of(list(self.estimator.estimators_.flat), self._validated(X), n_jobs)

    def with_leaf_values(self, values: np.ndarray) -> Any:
        tree_of = self.leaves().tree
        stages = self.estimator.estimators_.copy()
        stages.flat = [
            with_values(tree, values[tree_of == t]) for t, tree in enumerate(stages.flat)
        ]
        return self._with_stages(stages, np.arange(len(stages)))


open_members.register(GradientBoostingClassifier, BoostingMembers)
open_members.register(GradientBoostingRegressor, BoostingMembers)
