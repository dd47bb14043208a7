"""LightGBM: its scikit-learn estimators and the raw ``Booster``; its file format is next door."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import lightgbm
import numpy as np
from joblib import effective_n_jobs
from sklearn.exceptions import NotFittedError
from sklearn.utils import _safe_indexing, gen_batches
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import _num_samples

from ..combination import Combination
from ..combiner import Combiner, Indices
from ..link import Exp, Identity, Link, Logistic, LogisticValue, Softmax
from ..trees import Tree, TreeCut
from ..trees.leafwise import cut_leafwise, read_leafwise
from .base import Members, as_positions
from .copying import shallow_copy
from .engines import combiner_of_rounds, sliceable
from .leaves import Leaves, TreeNodes, gather, positions
from .lightgbm_model import (
    SavedModel,
    cut,
    leaf_booster,
    load,
    read_model,
    telling,
    with_own_values,
    with_trees,
)
from .opening import open_members
from .refittable import HasLeaves, refuse_constraints

_ROWS = 4096  # predicted at once: all leaf values of more rows would leave the cache

_LOGISTIC = ("binary", "cross_entropy")
_EXP = ("poisson", "gamma", "tweedie")
_OTHER_LOSSES = ("regression_l1", "huber", "fair", "quantile", "mape")
_RANKING = ("lambdarank", "rank_xendcg")

_BOOSTING = ("gbdt", "dart", "goss", "rf")

# Names under which LightGBM's estimators may have been given the number of iterations.
_N_ESTIMATORS = (
    *(
        "n_estimators",
        "num_iterations",
        "num_iteration",
        "n_iter",
        "num_tree",
        "num_trees",
        "num_round",
    ),
    *("num_rounds", "nrounds", "num_boost_round", "max_iter"),
)


class LightGBMMembers(Members, HasLeaves):
    """The iterations of a boosting model, or of LightGBM's random forest.

    Outputs are raw scores: the leaf values of an iteration's trees, learning rate and dart's
    weights included. A random forest is their mean, any other model their sum and an offset, the
    average that training started from: it stays whichever iterations go.
    """

    def __init__(self, estimator: Any):
        super().__init__(estimator)
        raw = isinstance(estimator, lightgbm.Booster)
        name = type(estimator).__name__
        if type(estimator).__module__.startswith("lightgbm.dask"):
            raise TypeError(f"{name} predicts on dask collections; give its to_local()")
        if not raw and not estimator.__sklearn_is_fitted__():
            raise NotFittedError(f"this {name} is not fitted; call fit first")
        booster = estimator if raw else estimator.booster_
        model = read_model(booster)
        if not model.trees:
            raise NotFittedError("this Booster has no iterations; train it first")
        self._raw = raw
        self._booster: lightgbm.Booster = booster
        self._model: SavedModel = model
        self._leaves: tuple[tuple[int, ...] | None, lightgbm.Booster] | None = None
        self._link = self._read_link()

    def _read_link(self) -> Link:
        """How the model turns raw scores into predictions."""
        objective, _, options = self._model.field("objective").partition(" ")
        name = type(self.estimator).__name__
        n_classes = getattr(self.estimator, "n_classes_", None)
        if n_classes == 1:
            raise ValueError(f"{name} was fitted on a single class: nothing to prune")
        classifies = n_classes is not None or (self._raw and objective in ("binary", "multiclass"))
        custom = callable(getattr(self.estimator, "objective_", None))
        given = "a function" if custom else repr(objective)
        if classifies and objective == "multiclass" and not custom and n_classes != 2:
            return Softmax()
        if self._model.n_outputs > 1:
            raise ValueError(
                f"{name} with objective={given} predicts {self._model.n_outputs} numbers "
                "for a row that are no class probabilities; train with objective='multiclass' on "
                "three classes or more, 'binary' on two"
            )
        if classifies and (custom or objective not in _LOGISTIC):
            raise ValueError(
                f"{name} with objective={given} has no class probabilities; train with "
                "objective='binary'"
            )
        if classifies:
            sigmoid = [o.partition(":")[2] for o in options.split() if o.startswith("sigmoid:")]
            return Logistic(float(sigmoid[0]) if sigmoid else 1.0)
        if objective == "cross_entropy":
            return LogisticValue()
        if objective in _EXP:
            return Exp()
        row = np.full((1, self._booster.num_feature()), np.nan)
        value, margin = (
            self._predict(self._booster, row, 1, raw_score=kind) for kind in (False, True)
        )
        if self._model.averages:  # which a raw score is not yet
            margin = margin / self.n_members
        if not np.array_equal(value, margin):
            raise ValueError(
                f"objective={self._model.field('objective')!r} transforms the raw score in a way "
                "that ensprune does not know; train with another objective"
            )
        return Identity()

    @classmethod
    def foretell(cls, unfitted: Any) -> Combination | None:
        if not isinstance(unfitted, lightgbm.LGBMClassifier | lightgbm.LGBMRegressor):
            return None
        params = unfitted.get_params()
        if "boosting" in params or "boost" in params or unfitted.boosting_type not in _BOOSTING:
            return None
        classifies = isinstance(unfitted, lightgbm.LGBMClassifier)
        return Combination("mean" if unfitted.boosting_type == "rf" else "sum", classifies)

    @property
    def n_members(self) -> int:
        return self._model.n_iterations

    @cached_property
    def combiner(self) -> Combiner:  # type: ignore[override]
        model = self._model
        return combiner_of_rounds(
            self.estimator,
            self._link,
            self.n_members,
            model.n_outputs,
            averages=model.averages,
            offset=None if model.averages else model.offset,
        )

    def outputs(
        self,
        X: Any,
        n_jobs: int | None = None,
        *,
        indices: Indices | None = None,
        dtype: type = np.float32,
    ) -> np.ndarray:
        """What each member adds to the raw score.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows, as the model's ``predict`` takes them.
        n_jobs : int, default=None
            Threads; None is the model's own setting.
        indices : sequence of int, default=None
            Only these members, in this order; None is all of them.
        dtype : {float32, float64}, default=float32
            LightGBM predicts in float64.

        Returns
        -------
        ndarray of shape (n_members, n_outputs, n_samples), C-contiguous
        """
        chosen = np.arange(self.n_members) if indices is None else as_positions(indices)
        per_member = self._model.n_outputs
        booster = self._leaf_booster(indices)
        offset = np.zeros((len(chosen), per_member))
        offset[chosen == 0] = self._model.offset
        X = sliceable(X)
        n_samples = _num_samples(X)
        result: np.ndarray = np.empty((len(chosen), per_member, n_samples), dtype=dtype)
        for rows in gen_batches(n_samples, _ROWS) if n_samples else ():
            found = self._predict(booster, _safe_indexing(X, rows), n_jobs, raw_score=True)
            leaves = found.reshape(-1, len(chosen), per_member) - offset
            result[:, :, rows] = leaves.transpose(1, 2, 0)
        return result

    def _predict(
        self, booster: lightgbm.Booster, X: Any, n_jobs: int | None, **kind: bool
    ) -> np.ndarray:
        threads = self._n_threads if n_jobs is None else effective_n_jobs(n_jobs)
        found: Any = booster.predict(
            X, num_threads=threads, **kind
        )  # typed as sparse, too: contributions may be
        return found

    @property
    def _n_threads(self) -> int:
        """Threads the model itself predicts with; 0 is LightGBM's default."""
        if self._raw:
            return 0
        return int(self.estimator._process_n_jobs(self.estimator.n_jobs))

    def _leaf_booster(self, indices: Indices | None) -> lightgbm.Booster:
        """The booster that predicts leaf values of these members; the last one is kept."""
        key = None if indices is None else tuple(int(i) for i in indices)
        kept = self._leaves
        if kept is None or kept[0] != key:
            model, per_member = self._model, self._model.n_outputs
            if key is not None:
                trees = [model.trees[t * per_member + k] for t in key for k in range(per_member)]
                model = with_trees(model, trees)
            self._leaves = kept = key, leaf_booster(model)
        return kept[1]  # another thread may have asked for others in the meantime

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_leaves": None}  # made anew from the model

    def parts(self) -> Iterable[Any]:
        trees, per_member = self._model.trees, self._model.n_outputs
        return [list(trees[t : t + per_member]) for t in range(0, len(trees), per_member)]

    def subset(self, indices: Indices, weights: np.ndarray | None = None) -> Any:
        kept, factors = self._checked(indices, weights)
        if factors is not None and self._model.averages:
            factors = factors * (len(kept) / factors.sum())
        return self._with_model(cut(self._model, kept.tolist(), factors), stale=True)

    def _with_model(self, model: SavedModel, stale: bool) -> Any:
        """The estimator around another model; what was measured of it may be stale."""
        params = dict(self._booster.params)
        if "num_iterations" in params:
            params["num_iterations"] = model.n_iterations
        booster = load(model, params)
        if self._raw:
            return booster
        estimator = self.estimator
        others = dict(estimator._other_params)  # set_params writes into it
        changed: dict[str, Any] = {"_Booster": booster, "_other_params": others}
        if stale:
            changed.update(_best_iteration=0, _best_score=defaultdict(dict), _evals_result={})
        sizes = dict.fromkeys((n for n in _N_ESTIMATORS if n in others), model.n_iterations)
        others.update(sizes)
        changed.update(sizes, n_estimators=model.n_iterations)
        return shallow_copy(estimator, **changed)

    def _refuse_linear(self) -> None:
        if any(tree.get("is_linear", "0") == "1" for tree in self._model.trees):
            raise ValueError(
                f"{type(self.estimator).__name__} has linear functions in its leaves "
                "(linear_tree=True): its iterations can be kept, dropped and weighed, its leaves "
                "not changed"
            )

    def trees(self) -> list[Tree]:
        self._refuse_linear()
        model = self._model
        scale = 1.0 / self.n_members if model.averages else 1.0
        return [
            read_leafwise(tree, model.own_values(t)).placed(
                t // model.n_outputs, [t % model.n_outputs], scale
            )
            for t, tree in enumerate(model.trees)
        ]

    def reached_nodes(self, X: Any) -> np.ndarray:
        n_inner = np.array([int(tree["num_leaves"]) - 1 for tree in self._model.trees])
        return (self._reached_leaves(X, None) + n_inner).T

    def _reached_leaves(self, X: Any, n_jobs: int | None) -> np.ndarray:
        """LightGBM's number of the leaf that each row ends in, (n_samples, n_trees)."""
        X = sliceable(X)
        n_samples = _num_samples(X)
        if n_samples == 0:
            return np.empty((0, len(self._model.trees)), dtype=np.intp)
        found = self._predict(self._leaf_booster(None), X, n_jobs, pred_leaf=True)
        return found.reshape(n_samples, -1).astype(np.intp)

    def with_trees(self, cuts: Sequence[TreeCut | None], exact: bool = False) -> Any:
        model = self._model
        trees = list(model.trees)
        for t, smaller in enumerate(cuts):
            if smaller is None:
                continue
            offset = float(model.offset[t]) if t < model.n_outputs else 0.0
            trees[t] = cut_leafwise(trees[t], smaller, model.own_values(t), offset)
            if t < model.n_outputs and not model.averages:
                trees[t] = telling(trees[t], offset)
        return self._with_model(with_trees(model, trees), stale=not exact)

    @cached_property
    def _nodes(self) -> list[TreeNodes]:
        return [self._model.nodes(t) for t in range(len(self._model.trees))]

    def leaves(self) -> Leaves:
        self._refuse_linear()
        objective = self._model.field("objective").partition(" ")[0]
        name = type(self.estimator).__name__
        if objective in _OTHER_LOSSES or objective in _RANKING:
            raise ValueError(
                f"{name} is fitted for {objective!r}; refitted leaf values minimise squared "
                "error or a log-likelihood and would undo that; keep its leaves (refine=None)"
            )
        refuse_constraints(name, None, 1 if self._model.parameter("monotone_constraints") else None)
        model = self._model
        scale = np.full(len(model.trees), 1.0 / self.n_members if model.averages else 1.0)
        per_member = model.n_outputs
        output = np.tile(np.arange(per_member), self.n_members) if per_member > 1 else None
        return gather(self._nodes, scale, output)

    def leaf_ids(self, X: Any, n_jobs: int | None = None) -> np.ndarray:
        found = self._reached_leaves(X, n_jobs)
        columns = [
            at[len(nodes.left) // 2 + column]
            for at, nodes, column in zip(positions(self._nodes), self._nodes, found.T, strict=True)
        ]
        return np.stack(columns, axis=1)

    def with_leaf_values(self, values: np.ndarray) -> Any:
        tree_of = self.leaves().tree
        own = [values[tree_of == t, 0] for t in range(len(self._model.trees))]
        return self._with_model(with_own_values(self._model, own), stale=True)

    def row_weights(self, y: np.ndarray) -> np.ndarray | None:
        weights = super().row_weights(y)
        classes = self.combiner.classes
        if classes is None or not isinstance(self._link, Logistic):
            return weights
        if self._model.parameter("is_unbalance") == "1":
            return compute_sample_weight("balanced", y)
        factor = float(self._model.parameter("scale_pos_weight") or 1.0)
        if factor == 1.0:
            return weights
        return np.where(y == classes[1], factor, 1.0) * (1.0 if weights is None else weights)


open_members.register(lightgbm.LGBMModel, LightGBMMembers)
open_members.register(lightgbm.Booster, LightGBMMembers)
