"""BaggingClassifier and BaggingRegressor, over any base estimator."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.ensemble import BaggingClassifier, BaggingRegressor
from sklearn.tree import BaseDecisionTree
from sklearn.utils.validation import check_is_fitted, validate_data

from ..codes import one_hot
from ..combination import Combination
from ..combiner import Combiner, Indices, LinearCombiner
from ..link import Logistic, Softmax
from ..trees import Tree
from ..trees.cart import read_cart
from .average import STALE, AverageMembers
from .base import Members
from .copying import shallow_copy
from .leaves import Leaves, TreeNodes, gather, positions
from .nested import Place, nested
from .opening import open_members
from .reading import map_members
from .refittable import HasLeaves, class_weights, no_leaves, refuse_constraints
from .sampling import N_ASKED, refuse_other_rows, unseen_rows
from .several import several_targets
from .trees import (
    is_tree,
    leaf_outputs,
    nodes_of,
    own_scales,
    weighed,
    with_values,
)


class BaggingMembers(AverageMembers, HasLeaves):
    """Base estimators on their own rows and columns; the prediction is their mean.

    A base classifier without ``predict_proba`` votes: its output is one-hot. One that missed a
    class outputs zero for it, as ``BaggingClassifier`` itself adds up. Weights of their own are
    carried in the leaves, so only trees can have them.
    """

    def __init__(self, bagging: Any):
        check_is_fitted(bagging)
        first = bagging.estimators_[0]
        # Elsewhere n_outputs_ may count classes (MLPClassifier): prediction tells there.
        if is_tree(first) and first.n_outputs_ > 1:
            raise several_targets(bagging, first.n_outputs_)
        super().__init__(bagging)
        self.carries_weights = all(is_tree(member) for member in bagging.estimators_)

    @classmethod
    def foretell(cls, unfitted: Any) -> Combination | None:
        base = unfitted.estimator
        trees = base is None or isinstance(base, BaseDecisionTree)
        known = super().foretell(unfitted)
        # What others call an estimator may turn out to be such a tree inside.
        if known is None or not (trees or type(base).__module__.startswith("sklearn.")):
            return None
        return replace(known, carries_weights=trees)

    def outputs(
        self,
        X: Any,
        n_jobs: int | None = None,
        *,
        indices: Indices | None = None,
        dtype: type = np.float32,
    ) -> np.ndarray:
        chosen = range(self.n_members) if indices is None else indices
        X = self._validated(X)
        shape = (self.n_outputs, X.shape[0])
        scales = own_scales(self.estimator.estimators_)

        def read(t: int) -> np.ndarray:
            columns = X[:, self.estimator.estimators_features_[t]]
            output = self._read(self.estimator.estimators_[t], columns, shape, dtype)
            return output if scales[t] == 1.0 else output * scales[t]

        return map_members(read, chosen, shape, dtype, n_jobs)

    def _validated(self, X: Any) -> Any:
        return validate_data(
            self.estimator,
            X,
            accept_sparse=["csr", "csc"],
            dtype=None,
            ensure_all_finite=False,
            reset=False,
        )

    def _read(self, member: Any, X: Any, shape: tuple[int, int], dtype: type) -> np.ndarray:
        """One member's output (n_outputs, n_samples) on its own columns."""
        return _output(member, X, shape, dtype, hasattr(self.estimator, "classes_"))

    def by_decision(self) -> Members:
        bagging = self.estimator
        return BaggedDecisions(bagging) if hasattr(bagging, "decision_function") else self

    def deep(self) -> Members:
        return nested(self)

    def places(self) -> list[Place]:
        return [
            Place(
                member,
                "predict_proba" if hasattr(member, "predict_proba") else "predict",
                self._column,
                partial(self._columns_of, t),
            )
            for t, member in enumerate(self.estimator.estimators_)
        ]

    def _columns_of(self, member: int, X: Any) -> Any:
        return self._validated(X)[:, self.estimator.estimators_features_[member]]

    def _column(self, response: np.ndarray) -> np.ndarray:
        """A member's response as (n_outputs, n_samples), for members that know every class."""
        if response.ndim > 1:
            return response.T
        if self.n_outputs == 1:
            return response[None]
        return one_hot(response, self.n_outputs)

    def refilled(self, smaller: Any, estimators: list[Any]) -> Any:
        return shallow_copy(smaller, estimators_=estimators)

    def subset(self, indices: Indices, weights: np.ndarray | None = None) -> Any:
        kept, factors = self._checked(indices, weights)
        bagging = self.estimator
        members = weighed([bagging.estimators_[t] for t in kept], factors)
        return shallow_copy(
            bagging,
            without=STALE,
            estimators_=members,
            estimators_features_=[bagging.estimators_features_[t] for t in kept],
            # The draws of the rows are re-created from the seeds.
            _seeds=np.asarray(bagging._seeds)[kept],
            n_estimators=len(members),
        )

    def trees(self) -> list[Tree]:
        share = 1.0 / self.n_members
        result = []
        for t, member in enumerate(self.estimator.estimators_):
            if not is_tree(member):
                raise self._no_trees(member)
            # Members were fitted on class positions, so classes_ are rows of the raw score.
            result.append(read_cart(member).placed(t, getattr(member, "classes_", [0]), share))
        return result

    def reached_nodes(self, X: Any) -> np.ndarray:
        X = self._validated(X)
        bagging = self.estimator
        return np.stack(
            [
                member.apply(X[:, columns])
                for member, columns in zip(
                    bagging.estimators_, bagging.estimators_features_, strict=True
                )
            ]
        )

    def out_of_bag(self, n_samples: int) -> np.ndarray | None:
        return unseen_rows(self.estimator, n_samples, self.estimator._n_samples)

    def check_trained_on(self, X: Any, unseen: np.ndarray) -> None:
        for t, tree in enumerate(self.estimator.estimators_[:N_ASKED]):
            # What was fitted on a row drawn twice as on two rows has counted it twice.
            if is_tree(tree) and tree.tree_.n_node_samples[0] <= (~unseen[t]).sum():
                rows = tree._validate_X_predict(self._columns_of(t, X), check_input=True)
                refuse_other_rows(self.estimator, [tree], rows, unseen[t : t + 1])

    @classmethod
    def check_loss(cls, estimator: Any) -> None:
        _check_tree(estimator.estimator)

    def leaves(self) -> Leaves:
        trees = self._nodes()
        speaks = None
        if self.combiner.classes is not None:
            speaks = [
                np.isin(np.arange(self.n_outputs), tree.classes_)
                for tree in self.estimator.estimators_
            ]
        return gather(trees, np.full(len(trees), 1.0 / len(trees)), speaks=speaks)

    def _nodes(self) -> list[TreeNodes]:
        """Nodes of all trees, values in the ensemble's classes; a missed one's are zero."""
        if not self.carries_weights:
            raise TypeError(no_leaves(self))
        result = []
        for tree in self.estimator.estimators_:
            _check_tree(tree)
            nodes = nodes_of(tree)
            if self.combiner.classes is not None:
                values = np.zeros((len(nodes.values), self.n_outputs))
                values[:, tree.classes_] = nodes.values
                nodes = replace(nodes, values=values)
            result.append(nodes)
        return result

    def leaf_ids(self, X: Any, n_jobs: int | None = None) -> np.ndarray:
        bagging = self.estimator
        X = self._validated(X)

        def read(t: int, at: np.ndarray) -> np.ndarray:
            return at[bagging.estimators_[t].apply(X[:, bagging.estimators_features_[t]])]

        places = positions(self._nodes())
        columns = Parallel(n_jobs=n_jobs, require="sharedmem")(
            delayed(read)(t, at) for t, at in enumerate(places)
        )
        return np.stack(columns, axis=1)

    def with_leaf_values(self, values: np.ndarray) -> Any:
        tree_of = self.leaves().tree
        trees = []
        for t, tree in enumerate(self.estimator.estimators_):
            own = values[tree_of == t]
            if self.combiner.classes is not None:
                own = own[:, tree.classes_]
            trees.append(with_values(tree, own))
        return shallow_copy(self.estimator, without=STALE, estimators_=trees)

    def row_weights(self, y: np.ndarray) -> np.ndarray | None:
        return class_weights(self.estimator.estimator_, y)


class BaggedDecisions(BaggingMembers):
    """The same where outputs are the members' decision functions, which bagging averages too."""

    @property
    def combiner(self) -> Combiner:
        classes = self.estimator.classes_
        link = Logistic() if len(classes) == 2 else Softmax()
        return LinearCombiner("mean", link, classes, self.n_members)

    def _read(self, member: Any, X: Any, shape: tuple[int, int], dtype: type) -> np.ndarray:
        return member.decision_function(X).reshape(shape[1], -1).T


def _output(
    member: Any, X: Any, shape: tuple[int, int], dtype: type, classifies: bool
) -> np.ndarray:
    """One member's output (n_outputs, n_samples) on its own columns."""
    output: np.ndarray = np.zeros(shape, dtype=dtype)
    if not classifies:
        prediction = member.predict(X)
        if prediction.ndim > 1 and prediction.shape[1] > 1:
            raise several_targets(member, prediction.shape[1])
        output[0] = prediction.ravel()
    elif not hasattr(member, "predict_proba"):
        output[member.predict(X), np.arange(shape[1])] = 1
    elif is_tree(member) and len(member.classes_) == shape[0]:
        leaf_outputs(member, member._validate_X_predict(X, check_input=True), output)
    else:
        # Members were fitted on class positions, so classes_ are rows of the output.
        output[member.classes_] = member.predict_proba(X).T
    return output


def _check_tree(tree: Any) -> None:
    criterion, monotonic = (getattr(tree, name, None) for name in ("criterion", "monotonic_cst"))
    refuse_constraints(type(tree).__name__, criterion, monotonic)


open_members.register(BaggingClassifier, BaggingMembers)
open_members.register(BaggingRegressor, BaggingMembers)
