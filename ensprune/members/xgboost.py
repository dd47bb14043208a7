"""XGBoost: its scikit-learn estimators and the raw ``Booster``; its file format is next door."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import xgboost
from joblib import effective_n_jobs
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted

from ..combination import Combination
from ..combiner import Combiner, Indices
from ..link import Logistic
from ..trees import Tree, TreeCut
from ..trees.gradient import cut_gradient, read_gradient
from .base import Members, as_positions
from .copying import shallow_copy
from .engines import combiner_of_rounds
from .leaves import Leaves, TreeNodes, gather
from .opening import open_members
from .refittable import HasLeaves, refuse_constraints
from .xgboost_link import link_of, missing_row, refuse_other_losses
from .xgboost_model import (
    Layout,
    cut,
    encodes,
    first_rounds,
    leaf_booster,
    linear_model,
    load,
    read_layout,
    read_model,
    read_nodes,
    tree_nodes,
    tree_weights,
    trees_of,
    with_leaf_values,
)
from .xgboost_reading import ROWS, Piece, n_pieces, pieces_of, read_pieces
from .xgboost_rows import GivenRows
from .xgboost_shallow import (
    Reader,
    SmallTrees,
    compares,
    may_be_small,
    pays,
    read_small,
    reader_of,
    small_trees,
)


class XGBoostMembers(Members, HasLeaves):
    """The rounds of a boosting model, or the trees of XGBoost's random forest.

    Outputs are margins: the leaf values of a round's trees, learning rate and dart's weights
    included. Those of a forest's tree are multiplied by the number of trees, which its leaf
    values were divided by, so the forest is a mean like any other.
    """

    def __init__(self, estimator: Any):
        super().__init__(estimator)
        raw = isinstance(estimator, xgboost.Booster)
        if type(estimator).__module__.startswith("xgboost.dask"):
            raise TypeError(
                f"{type(estimator).__name__} predicts on dask collections; give its get_booster()"
            )
        if not raw:
            check_is_fitted(estimator)
        booster = estimator if raw else estimator.get_booster()
        layout = read_layout(booster)
        if not raw:
            # Early stopping: the estimator predicts with the rounds up to the best one.
            n_rounds = estimator._get_iteration_range(None)[1]
            if 0 < n_rounds < layout.n_rounds:
                booster = first_rounds(booster, layout, n_rounds)
                layout = read_layout(booster)
        self._raw = raw
        self._booster: xgboost.Booster = booster
        self._layout: Layout = layout
        self._given = GivenRows(estimator, booster, layout.runtime["device"])
        self._kept: tuple[Any, list[Piece]] | None = None
        self._link = link_of(estimator, booster, layout)

    @classmethod
    def foretell(cls, unfitted: Any) -> Combination | None:
        if not isinstance(unfitted, xgboost.XGBClassifier | xgboost.XGBRegressor):
            return None
        if unfitted.get_params().get("booster") == "gblinear":
            raise linear_model()
        classifies = isinstance(unfitted, xgboost.XGBClassifier)
        if isinstance(unfitted, xgboost.XGBRFClassifier | xgboost.XGBRFRegressor):
            return Combination("mean", classifies)
        # One round of several trees is a forest.
        alone = unfitted.get_params().get("num_parallel_tree") in (None, 1)
        return Combination("sum", classifies) if alone else None

    @property
    def n_members(self) -> int:
        return self._layout.n_members

    @cached_property
    def combiner(self) -> Combiner:  # type: ignore[override]
        return combiner_of_rounds(
            self.estimator,
            self._link,
            self.n_members,
            self._layout.n_outputs,
            averages=self._layout.is_forest,
            offset=self._intercept(),
            dtype=np.float32,
        )

    def _intercept(self) -> np.ndarray:
        """The margin of no tree at all, shape (n_outputs,).

        Which number ``base_score`` is, and on which scale, depends on objective and version. A
        base margin takes its place, so the difference it makes is what is looked for.
        """
        margins = []
        for base_margin in (None, np.zeros((1, self._layout.n_outputs), dtype=np.float32)):
            # Not in place: there, dart before XGBoost 3.4 weights the base margin.
            row = xgboost.DMatrix(missing_row(self._booster), base_margin=base_margin, nthread=1)
            margin = self._booster.predict(
                row, output_margin=True, iteration_range=(0, 1), validate_features=False
            )
            margins.append(margin.astype(np.float64).ravel())
        return margins[0] - margins[1]

    def outputs(
        self,
        X: Any,
        n_jobs: int | None = None,
        *,
        indices: Indices | None = None,
        dtype: type = np.float32,
    ) -> np.ndarray:
        """What each member adds to the margin.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or DMatrix
            Rows, as the model's ``predict`` takes them; a ``DMatrix`` for a raw ``Booster``
            only, and without a base margin.
        n_jobs : int, default=None
            Threads; None is the model's own setting.
        indices : sequence of int, default=None
            Only these members, in this order; None is all of them.
        dtype : {float32, float64}, default=float32
            XGBoost predicts in float32; float64 has the same values.

        Returns
        -------
        ndarray of shape (n_members, n_outputs, n_samples), C-contiguous

        Raises
        ------
        ValueError
            If ``indices`` is empty, or a ``DMatrix`` has a base margin.
        """
        indices = None if indices is None else as_positions(indices)
        layout = self._layout
        threads = layout.runtime["nthread"] if n_jobs is None else n_jobs
        threads = effective_n_jobs(threads or -1)
        rows, n_samples = self._given.checked(X)
        n_members = self.n_members if indices is None else len(indices)
        shape = (n_members, layout.n_outputs, n_samples)
        if pays(n_samples, threads) and compares(rows, self._booster):
            reader = self._reader if indices is None else self._reader_of(indices)
            if reader is not None:
                return read_small(reader, rows, self._given.missing, shape, dtype, threads)
        return read_pieces(
            self._pieces(indices, threads),
            layout,
            lambda booster, some: self._given.margin(booster, rows, some),
            shape,
            dtype,
            threads,
        )

    @cached_property
    def _small_trees(self) -> SmallTrees | None:
        layout = self._layout
        if layout.runtime["device"] != "cpu" or (layout.n_parallel > 1 and not layout.is_forest):
            return None
        if not may_be_small(self._booster, layout.n_trees):
            return None
        return small_trees(*read_nodes(self._booster, layout.n_trees))

    @cached_property
    def _reader(self) -> Reader | None:
        return self._reader_of(range(self.n_members))

    def _reader_of(self, indices: Indices) -> Reader | None:
        layout, small = self._layout, self._small_trees
        if small is None:
            return None
        trees = layout.trees[np.asarray(indices, dtype=np.intp)].ravel()
        return reader_of(small, trees, layout.n_parallel if layout.is_forest else 1)

    def _pieces(self, indices: Indices | None, threads: int) -> list[Piece]:
        """What reads these members; the last ones are kept."""
        count, chosen = 1, None
        if indices is not None:
            chosen = tuple(int(i) for i in indices)
        elif not encodes(self._booster):
            count = n_pieces(self._layout, self._booster.num_features(), threads)
        kept = self._kept
        if kept is None or kept[0] != (count, chosen):
            if chosen is None:
                pieces = pieces_of(self._booster, self._layout, count, threads)
            else:
                model = leaf_booster(*self._cut(np.asarray(chosen, dtype=np.intp), None))
                pieces = [Piece(slice(None), model)]
            self._kept = kept = (count, chosen), pieces
        return kept[1]  # another thread may have asked for others in the meantime

    @cached_property
    def _model(self) -> dict[str, Any]:
        return read_model(self._booster)

    def parts(self) -> Iterable[Any]:
        trees = trees_of(self._model)["trees"]
        return [[trees[t] for t in member] for member in self._layout.trees]

    def trees(self) -> list[Tree]:
        layout = self._layout
        member = np.empty(layout.n_trees, dtype=np.intp)
        for t, own in enumerate(layout.trees):
            member[own] = t
        saved = trees_of(self._model)["trees"]
        return [
            read_gradient(tree).placed(int(t), [output], weight)
            for tree, t, output, weight in zip(
                saved, member, layout.outputs, tree_weights(self._model), strict=True
            )
        ]

    def reached_nodes(self, X: Any) -> np.ndarray:
        rows, n_samples = self._given.checked(X)
        found = self._booster.predict(self._given.matrix(rows), pred_leaf=True, strict_shape=True)
        return found.reshape(n_samples, -1).T.astype(np.intp)

    def with_trees(self, cuts: Sequence[TreeCut | None], exact: bool = False) -> Any:
        layout = self._layout
        smaller = [
            tree if one is None else cut_gradient(tree, one)
            for tree, one in zip(trees_of(self._model)["trees"], cuts, strict=True)
        ]
        model = cut(
            self._model,
            range(layout.n_trees),
            None,
            layout.n_rounds,
            layout.n_parallel,
            replaced=smaller,
        )
        return self._with_booster(load(model, layout.runtime), self.n_members)

    def _cut(self, kept: np.ndarray, factors: np.ndarray | None) -> tuple[dict[str, Any], Layout]:
        """The saved model of the kept members, leaf values multiplied by ``factors``."""
        layout = self._layout
        trees = layout.trees[kept]  # (n_kept, n_trees_per_member)
        if factors is not None:
            factors = np.broadcast_to(factors[:, None], trees.shape)
        n_rounds, n_parallel = len(kept), layout.n_parallel
        if layout.is_forest:  # class by class
            trees = trees.T
            factors = None if factors is None else factors.T
            n_rounds, n_parallel = 1, len(kept)
        model = cut(
            self._model,
            trees.ravel().tolist(),
            None if factors is None else factors.ravel().tolist(),
            n_rounds,
            n_parallel,
        )
        return model, Layout(
            n_rounds, layout.n_outputs, n_parallel, layout.objective, layout.runtime
        )

    def subset(self, indices: Indices, weights: np.ndarray | None = None) -> Any:
        kept, factors = self._checked(indices, weights)
        if self._layout.is_forest:
            # Leaf values were divided by the number of trees: that, too, is a weight.
            relative = np.ones(len(kept)) if factors is None else factors
            factors = relative * (self.n_members / relative.sum())
        return self._with_booster(
            load(self._cut(kept, factors)[0], self._layout.runtime), len(kept)
        )

    def _with_booster(self, booster: xgboost.Booster, n_members: int) -> Any:
        """The estimator around another booster of ``n_members`` members."""
        if self._raw:
            return booster
        changed: dict[str, Any] = {"_Booster": booster, "n_estimators": n_members}
        forests = (xgboost.XGBRFClassifier, xgboost.XGBRFRegressor)
        if self._layout.is_forest and not isinstance(self.estimator, forests):
            changed.update(n_estimators=1, num_parallel_tree=n_members)
        if hasattr(self.estimator, "kwargs"):  # set_params writes into it
            changed["kwargs"] = dict(self.estimator.kwargs)
        return shallow_copy(self.estimator, without=("evals_result_",), **changed)

    @classmethod
    def check_loss(cls, estimator: Any) -> None:
        name, objective = type(estimator).__name__, getattr(estimator, "objective", None)
        if isinstance(objective, str):
            refuse_other_losses(name, objective)
        constraints = getattr(estimator, "monotone_constraints", None)
        refuse_constraints(name, None, 1 if constraints else None)

    def leaves(self) -> Leaves:
        """The leaves; values have dart's weights in them and sum up to the margin as they are."""
        refuse_other_losses(type(self.estimator).__name__, self._layout.objective)
        self.check_loss(self.estimator)
        nodes = self._nodes
        output = np.array(self._layout.outputs) if self._layout.n_outputs > 1 else None
        return gather(nodes, np.ones(len(nodes)), output)

    @cached_property
    def _nodes(self) -> list[TreeNodes]:
        return tree_nodes(self._model)

    def leaf_ids(self, X: Any, n_jobs: int | None = None) -> np.ndarray:
        # What is in a leaf is read faster than which it is: so its number in the tree is put
        # there, small enough for float32.
        counts = [len(tree.leaves) for tree in self._nodes]
        model = with_leaf_values(self._model, [np.arange(count) for count in counts])
        numbered = leaf_booster(model, self._layout)
        X, n_samples = self._given.checked(X)
        result: np.ndarray = np.empty((n_samples, len(counts)), dtype=np.int32)
        for rows in gen_batches(n_samples, ROWS) if n_samples else ():
            result[rows] = np.rint(self._given.margin(numbered, X, rows))
        first = np.cumsum([0, *counts[:-1]])
        return result + first.astype(np.int32)

    def with_leaf_values(self, values: np.ndarray) -> Any:
        tree_of = self.leaves().tree
        own = [values[tree_of == t, 0] for t in range(len(self._nodes))]
        model = with_leaf_values(self._model, own)
        return self._with_booster(load(model, self._layout.runtime), self.n_members)

    def row_weights(self, y: np.ndarray) -> np.ndarray | None:
        factor = getattr(self.estimator, "scale_pos_weight", None)
        classes = self.combiner.classes
        if factor is None or classes is None or not isinstance(self._link, Logistic):
            return None
        return np.where(y == classes[1], factor, 1.0)


open_members.register(xgboost.XGBModel, XGBoostMembers)
open_members.register(xgboost.Booster, XGBoostMembers)
