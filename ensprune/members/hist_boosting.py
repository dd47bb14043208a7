"""HistGradientBoostingClassifier and HistGradientBoostingRegressor."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.utils.validation import check_is_fitted

from ..combination import Combination
from ..combiner import Combiner, Indices, LinearCombiner
from ..link import Exp, Identity, Link, Logistic, Softmax
from ..trees import Tree, TreeCut
from ..trees.histogram import cut_histogram, marked, read_histogram
from .base import Members
from .copying import shallow_copy
from .leaves import Leaves, TreeNodes, gather, positions
from .opening import open_members
from .reading import map_members
from .refittable import HasLeaves, refuse_constraints


class HistBoostingMembers(Members, HasLeaves):
    """Boosting iterations: the learning rate is in the leaves, the offset is the baseline."""

    def __init__(self, boosting: Any):
        check_is_fitted(boosting)
        if len(getattr(boosting, "classes_", (0, 1))) < 2:
            raise ValueError(
                f"{type(boosting).__name__} was fitted on a single class: nothing to prune"
            )
        super().__init__(boosting)

    @classmethod
    def foretell(cls, unfitted: Any) -> Combination | None:
        return Combination("sum", is_classifier(unfitted), n_members=unfitted.max_iter)

    @property
    def n_members(self) -> int:
        return len(self.estimator._predictors)

    @property
    def combiner(self) -> Combiner:
        boosting = self.estimator
        classes = getattr(boosting, "classes_", None)
        link: Link
        if classes is None:
            link = Exp() if boosting.loss in ("poisson", "gamma") else Identity()
        else:
            link = Logistic() if boosting.n_trees_per_iteration_ == 1 else Softmax()
        offset = np.asarray(boosting._baseline_prediction, dtype=np.float64).ravel()
        return LinearCombiner("sum", link, classes, self.n_members, offset=offset)

    def outputs(
        self,
        X: Any,
        n_jobs: int | None = None,
        *,
        indices: Indices | None = None,
        dtype: type = np.float32,
    ) -> np.ndarray:
        chosen = range(self.n_members) if indices is None else indices
        return self._read(self.estimator._predictors, X, n_jobs, chosen, dtype)

    def _read(
        self, stages: list[Any], X: Any, n_jobs: int | None, chosen: Indices, dtype: type
    ) -> np.ndarray:
        """Values of the leaves that rows fall into, (n_chosen, n_trees_per_stage, n_samples)."""
        boosting = self.estimator
        X = boosting._preprocess_X(X, reset=False)
        bitsets, feature_map = boosting._bin_mapper.make_known_categories_bitsets()

        def read(t: int) -> np.ndarray:
            # One thread per tree: members are what runs side by side.
            return np.stack(
                [
                    tree.predict(X, known_cat_bitsets=bitsets, f_idx_map=feature_map, n_threads=1)
                    for tree in stages[t]
                ]
            )

        shape = (boosting.n_trees_per_iteration_, X.shape[0])
        return map_members(read, chosen, shape, dtype, n_jobs)

    def parts(self) -> Iterable[Any]:
        return self.estimator._predictors

    def trees(self) -> list[Tree]:
        known = self.estimator._bin_mapper.make_known_categories_bitsets()
        return [
            read_histogram(tree, *known).placed(t, [output], 1.0)
            for t, stage in enumerate(self.estimator._predictors)
            for output, tree in enumerate(stage)
        ]

    def reached_nodes(self, X: Any) -> np.ndarray:
        boosting = self.estimator
        X = boosting._preprocess_X(X, reset=False)
        known = boosting._bin_mapper.make_known_categories_bitsets()
        found = [
            marked(tree).predict(X, *known, n_threads=1)
            for stage in boosting._predictors
            for tree in stage
        ]
        return np.stack(found).astype(np.intp)

    def with_trees(self, cuts: Sequence[TreeCut | None], exact: bool = False) -> Any:
        boosting = self.estimator
        remaining = iter(cuts)
        predictors = [
            [
                tree if (cut := next(remaining)) is None else cut_histogram(tree, cut)
                for tree in stage
            ]
            for stage in boosting._predictors
        ]
        return shallow_copy(boosting, _predictors=predictors)

    def subset(self, indices: Indices, weights: np.ndarray | None = None) -> Any:
        kept, factors = self._checked(indices, weights)
        boosting = self.estimator
        predictors = [boosting._predictors[t] for t in kept]
        if factors is not None:
            predictors = [
                [_scaled(tree, factor) for tree in stage]
                for stage, factor in zip(predictors, factors, strict=True)
            ]
        return self._with_stages(predictors, kept)

    def _with_stages(self, predictors: list[Any], kept: np.ndarray) -> Any:
        """The ensemble with the iterations ``kept``, as they are in ``predictors``."""
        boosting = self.estimator
        # The histories start with the score before the first iteration.
        history = np.concatenate([[0], kept + 1])
        histories = {
            name: getattr(boosting, name)[history]
            for name in ("train_score_", "validation_score_")
            if len(getattr(boosting, name, ())) == self.n_members + 1
        }
        return shallow_copy(boosting, _predictors=predictors, max_iter=len(kept), **histories)

    def _trees(self) -> list[Any]:
        return [tree for stage in self.estimator._predictors for tree in stage]

    @classmethod
    def check_loss(cls, estimator: Any) -> None:
        refuse_constraints(type(estimator).__name__, estimator.loss, estimator.monotonic_cst)

    def leaves(self) -> Leaves:
        boosting = self.estimator
        self.check_loss(boosting)
        trees = [_nodes_of(tree) for tree in self._trees()]
        per_stage = boosting.n_trees_per_iteration_
        output = np.tile(np.arange(per_stage), self.n_members) if per_stage > 1 else None
        return gather(trees, np.ones(len(trees)), output)

    def leaf_ids(self, X: Any, n_jobs: int | None = None) -> np.ndarray:
        # A predictor says what is in a leaf, not which it is: so its number is put there.
        at = positions([_nodes_of(tree) for tree in self._trees()])
        stages, t = [], 0
        for stage in self.estimator._predictors:
            stages.append(
                [_with_values(tree, at[t + i][at[t + i] >= 0]) for i, tree in enumerate(stage)]
            )
            t += len(stage)
        found = self._read(stages, X, n_jobs, range(self.n_members), np.float64)
        return found.reshape(t, -1).T.astype(np.int32)

    def with_leaf_values(self, values: np.ndarray) -> Any:
        tree_of = self.leaves().tree
        stages, t = [], 0
        for stage in self.estimator._predictors:
            own = [values[tree_of == t + i, 0] for i in range(len(stage))]
            stages.append([_with_values(*pair) for pair in zip(stage, own, strict=True)])
            t += len(stage)
        return self._with_stages(stages, np.arange(self.n_members))


def _nodes_of(tree: Any) -> TreeNodes:
    """A TreePredictor's nodes."""
    nodes = tree.nodes
    inner = nodes["is_leaf"] == 0
    left, right = (np.where(inner, nodes[side].astype(np.intp), -1) for side in ("left", "right"))
    return TreeNodes(left, right, nodes["value"][:, None], nodes["count"])


def _with_values(tree: Any, values: np.ndarray) -> Any:
    """A copy of a TreePredictor with other values in its leaves, in the order of their nodes."""
    result = copy.copy(tree)
    result.nodes = tree.nodes.copy()
    result.nodes["value"][_nodes_of(tree).leaves] = values
    return result


def _scaled(tree: Any, factor: float) -> Any:
    """A copy of a TreePredictor with its node values multiplied by ``factor``."""
    result = copy.copy(tree)
    result.nodes = tree.nodes.copy()
    result.nodes["value"] *= factor
    return result


open_members.register(HistGradientBoostingClassifier, HistBoostingMembers)
open_members.register(HistGradientBoostingRegressor, HistBoostingMembers)
