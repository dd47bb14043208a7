"""What an ensemble comes wrapped in: a Pipeline, a fitted search, a frozen model.

The wrapper is kept: cutting a pipeline gives a pipeline whose last step is smaller.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ..combiner import Combiner, Indices
from ..trees import Tree, TreeCut
from .base import CostUnit, Members
from .copying import shallow_copy
from .leaves import Leaves
from .opening import open_members
from .refittable import HasLeaves, no_leaves
from .steps import refitted_steps


class WrappedMembers(Members, HasLeaves):
    """The members of the one ensemble inside a wrapper.

    Parameters
    ----------
    wrapper : estimator
    inner : estimator
        The fitted ensemble inside.
    rewrap : callable
        ``rewrap(smaller)`` is the wrapper around another ensemble.
    before : Pipeline, default=None
        The steps that rows go through before the ensemble sees them.
    """

    def __init__(
        self,
        wrapper: Any,
        inner: Any,
        rewrap: Callable[[Any], Any],
        before: Pipeline | None = None,
    ):
        self.inner = open_members(inner)
        super().__init__(wrapper)
        self.carries_weights = self.inner.carries_weights
        self.needs_training_data = self.inner.needs_training_data
        self._rewrap = rewrap
        self._before = before

    def _rows(self, X: Any) -> Any:
        return X if self._before is None else self._before.transform(X)

    @property
    def training(self) -> Any:  # type: ignore[override]
        return self.inner.training

    @training.setter
    def training(self, rows: Any) -> None:
        if rows is not None:
            self.inner.training = rows

    def by_decision(self) -> Members:
        result = copy.copy(self)
        result.inner = self.inner.by_decision()
        return result

    def deep(self) -> Members:
        result = copy.copy(self)
        result.inner = self.inner.deep()
        result.carries_weights = result.inner.carries_weights
        return result

    @property
    def n_members(self) -> int:
        return self.inner.n_members

    @property
    def combiner(self) -> Combiner:
        return self.inner.combiner

    def bind(self, X: Any) -> Combiner:
        return self.inner.bind(self._rows(X))

    def outputs(
        self,
        X: Any,
        n_jobs: int | None = None,
        *,
        indices: Indices | None = None,
        dtype: type = np.float32,
    ) -> np.ndarray:
        return self.inner.outputs(self._rows(X), n_jobs, indices=indices, dtype=dtype)

    def costs(self, unit: CostUnit = "members", X: Any = None) -> np.ndarray:
        return self.inner.costs(unit, None if X is None else self._rows(X))

    def parts(self) -> Iterable[Any]:
        return self.inner.parts()

    def out_of_bag(self, n_samples: int) -> np.ndarray | None:
        return self.inner.out_of_bag(n_samples)

    def check_trained_on(self, X: Any, unseen: np.ndarray) -> None:
        # Steps may have answered otherwise while they were fitted, such as a TargetEncoder.
        if self._before is None:
            self.inner.check_trained_on(X, unseen)

    def set_training_data(self, X: Any, y: Any, sample_weight: np.ndarray | None = None) -> None:
        self.inner.set_training_data(self._rows(X), y, sample_weight)

    def set_blending_data(self, X: Any, y: Any, sample_weight: np.ndarray | None = None) -> None:
        self.inner.set_blending_data(self._rows(X), y, sample_weight)

    @property
    def n_outputs(self) -> int:
        return self.inner.n_outputs

    def trees(self) -> list[Tree]:
        return self.inner.trees()

    def reached_nodes(self, X: Any) -> np.ndarray:
        return self.inner.reached_nodes(self._rows(X))

    def with_trees(self, cuts: Sequence[TreeCut | None], exact: bool = False) -> Any:
        return self._rewrap(self.inner.with_trees(cuts, exact))

    def subset(self, indices: Indices, weights: np.ndarray | None = None) -> Any:
        return self._rewrap(self.inner.subset(indices, weights))

    @property
    def _trees(self) -> HasLeaves:
        if not isinstance(self.inner, HasLeaves):
            raise TypeError(no_leaves(self.inner))
        return self.inner

    def leaves(self) -> Leaves:
        return self._trees.leaves()

    def leaf_ids(self, X: Any, n_jobs: int | None = None) -> np.ndarray:
        return self._trees.leaf_ids(self._rows(X), n_jobs)

    def unwrapped(self, X: Any) -> tuple[Any, Any]:
        return self._trees.unwrapped(self._rows(X))

    def with_leaf_values(self, values: np.ndarray) -> Any:
        return self._rewrap(self._trees.with_leaf_values(values))

    def regrown(self, X: Any, y: Any, sample_weight: Any, n_members: int, random_state: int) -> Any:
        if self._before is None:
            inner = self._trees.regrown(X, y, sample_weight, n_members, random_state)
            return None if inner is None else self._rewrap(inner)
        before, rows = refitted_steps(self._before, X, y, random_state)
        inner = self._trees.regrown(rows, y, sample_weight, n_members, random_state)
        if inner is None:
            return None
        whole = self._rewrap(inner)
        return shallow_copy(whole, steps=[*before.steps, whole.steps[-1]])

    def row_weights(self, y: np.ndarray) -> np.ndarray | None:
        return self._trees.row_weights(y)


@open_members.register(Pipeline)
def _open_pipeline(pipeline: Pipeline) -> Members:
    check_is_fitted(pipeline)
    *before, (_, last) = pipeline.steps
    return WrappedMembers(
        pipeline,
        last,
        rewrap=partial(_ending_in, pipeline),
        before=pipeline[:-1] if before else None,
    )


def _ending_in(pipeline: Pipeline, smaller: Any) -> Pipeline:
    *before, (name, _) = pipeline.steps
    return shallow_copy(pipeline, steps=[*before, (name, smaller)])


@open_members.register(FrozenEstimator)
def _open_frozen(frozen: FrozenEstimator) -> Members:
    return WrappedMembers(frozen, frozen.estimator, rewrap=FrozenEstimator)


@open_members.register(BaseSearchCV)
def _open_search(search: BaseSearchCV) -> Members:
    if search.refit is False:
        raise ValueError(
            f"{type(search).__name__} was fitted with refit=False and holds no ensemble; fit it "
            "with refit=True, or give the ensemble itself"
        )
    check_is_fitted(search)
    return WrappedMembers(
        search,
        search.best_estimator_,
        rewrap=partial(_found, search),
    )


def _found(search: BaseSearchCV, smaller: Any) -> BaseSearchCV:
    # best_score_ is what the search measured for the whole ensemble's parameters.
    return shallow_copy(search, without=("best_score_", "refit_time_"), best_estimator_=smaller)
