"""CatBoost: its classifiers, regressors and rankers; its file format is next door."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import catboost
import numpy as np
from joblib import effective_n_jobs
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.utils import _safe_indexing, gen_batches
from sklearn.utils.validation import _num_samples

from ..combination import Combination
from ..combiner import Combiner, Indices
from ..link import Exp, Identity, Link, Logistic, Softmax
from .base import Members
from .catboost_model import (
    cut,
    is_symmetric,
    load,
    loss_of,
    read_model,
    scale_and_bias,
    tree_nodes,
    trees_of,
    with_leaf_values,
)
from .engines import combiner_of_rounds
from .leaves import Leaves, TreeNodes, gather
from .opening import open_members
from .refittable import HasLeaves, refuse_constraints

_ROWS = 4096  # read at once: all leaf values of more rows would leave the cache

_LOGISTIC = ("Logloss", "CrossEntropy")
_EXP = ("Poisson", "Tweedie")
_OTHER_LOSSES = ("MAE", "Quantile", "Huber", "Expectile", "MAPE", "LogCosh", "Lq")
_IDENTITY = ("RMSE", *_OTHER_LOSSES)

# Names under which CatBoost's estimators may have been given the number of iterations.
_ITERATIONS = ("iterations", "n_estimators", "num_boost_round", "num_trees")


class CatBoostMembers(Members, HasLeaves):
    """The trees of a CatBoost model, one for each iteration, whatever the number of classes.

    Outputs are raw scores: the leaf values of a tree, learning rate included.
    """

    def __init__(self, estimator: Any):
        super().__init__(estimator)
        name = type(estimator).__name__
        if not estimator.is_fitted():
            raise NotFittedError(f"this {name} is not fitted; call fit first")
        self._model = read_model(estimator)
        if not trees_of(self._model):
            raise ValueError(f"this {name} has no trees: nothing to prune")
        self._scale, self._bias = scale_and_bias(self._model)
        self._link = self._read_link()

    def _read_link(self) -> Link:
        """How the model turns raw scores into predictions; its loss decides."""
        loss, n_outputs = loss_of(self._model), len(self._bias)
        name = type(self.estimator).__name__
        if loss == "MultiClass":
            return Softmax()
        if n_outputs > 1:
            raise ValueError(
                f"{name} with loss_function={loss!r} predicts {n_outputs} numbers for a row that "
                "are no class probabilities; train with loss_function='MultiClass', or one model "
                "for each"
            )
        if loss in _LOGISTIC and len(self.estimator.classes_) == 2:
            is_classifier = isinstance(self.estimator, catboost.CatBoostClassifier)
            threshold = self.estimator.get_probability_threshold() if is_classifier else 0.5
            if threshold != 0.5:
                raise ValueError(
                    f"{name} predicts its second class from a probability of {threshold} on, "
                    "which ensprune does not know; set_probability_threshold(0.5) before pruning "
                    "and choose a threshold afterwards"
                )
            return Logistic()
        if loss in _EXP:
            return Exp()
        if loss in _IDENTITY or isinstance(self.estimator, catboost.CatBoostRanker):
            return Identity()
        raise ValueError(
            f"{name} with loss_function={loss!r} transforms the raw score in a way that ensprune "
            f"does not know; train with one of {', '.join((*_LOGISTIC, 'MultiClass', *_IDENTITY, *_EXP))}"
        )

    @classmethod
    def foretell(cls, unfitted: Any) -> Combination | None:
        if not isinstance(unfitted, catboost.CatBoostClassifier | catboost.CatBoostRegressor):
            return None
        return Combination("sum", isinstance(unfitted, catboost.CatBoostClassifier))

    @property
    def n_members(self) -> int:
        return len(trees_of(self._model))

    @cached_property
    def combiner(self) -> Combiner:  # type: ignore[override]
        return combiner_of_rounds(
            self.estimator, self._link, self.n_members, len(self._bias), offset=self._bias
        )

    @cached_property
    def _values(self) -> tuple[np.ndarray, np.ndarray]:
        """Values of all leaves, (n_leaves, n_outputs), and where those of each tree start."""
        values = np.asarray(self.estimator.get_leaf_values()).reshape(-1, len(self._bias))
        counts = np.asarray(self.estimator.get_tree_leaf_counts(), dtype=np.intp)
        return self._scale * values, np.cumsum(counts) - counts

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
        X : array-like, sparse matrix or Pool of shape (n_samples, n_features)
            Rows, as the model's ``predict`` takes them.
        n_jobs : int, default=None
            Threads; None is the model's own setting.
        indices : sequence of int, default=None
            Only these members, in this order; None is all of them.
        dtype : {float32, float64}, default=float32
            CatBoost predicts in float64.

        Returns
        -------
        ndarray of shape (n_members, n_outputs, n_samples), C-contiguous
        """
        values, starts = self._values
        chosen = np.arange(self.n_members) if indices is None else np.asarray(indices, np.intp)
        n_samples = X.num_row() if isinstance(X, catboost.Pool) else _num_samples(X)
        shape = (len(chosen), values.shape[1], n_samples)
        result: np.ndarray = np.empty(shape, dtype=dtype)
        for rows, leaves in self._reached(X, n_jobs):
            at = starts[chosen] + leaves[:, chosen]
            result[:, :, rows] = values[at].transpose(1, 2, 0)
        return result

    def _reached(self, X: Any, n_jobs: int | None) -> Iterable[tuple[slice, np.ndarray]]:
        """CatBoost's number of the leaf that each row ends in, some rows at a time."""
        threads = self.estimator.get_param("thread_count") or -1
        threads = threads if n_jobs is None else effective_n_jobs(n_jobs)
        if isinstance(X, catboost.Pool):
            if X.num_row():
                found = self.estimator.calc_leaf_indexes(X, thread_count=threads)
                yield slice(0, X.num_row()), found.astype(np.intp)
            return
        if sparse.issparse(X):
            X = sparse.csr_matrix(X)  # type: ignore[call-overload]
        n_samples = _num_samples(X)
        for rows in gen_batches(n_samples, _ROWS) if n_samples else ():
            some = _safe_indexing(X, rows)
            found = self.estimator.calc_leaf_indexes(some, thread_count=threads)
            yield rows, found.astype(np.intp)

    def parts(self) -> Iterable[Any]:
        counts = self.estimator.get_tree_leaf_counts()
        return [
            {"num_leaves": int(count), "tree": tree}
            for count, tree in zip(counts, trees_of(self._model), strict=True)
        ]

    def subset(self, indices: Indices, weights: np.ndarray | None = None) -> Any:
        kept, factors = self._checked(indices, weights)
        given = None if factors is None else factors.tolist()
        return self._with_model(cut(self._model, kept.tolist(), given))

    def _with_model(self, model: dict[str, Any]) -> Any:
        """The estimator around another model, as if unpickled; what was measured is left out."""
        estimator = self.estimator
        params = estimator.get_params()
        given = [name for name in _ITERATIONS if name in params] or ["iterations"]
        params.update(dict.fromkeys(given, len(trees_of(model))))
        result: Any = object.__new__(type(estimator))
        result.__setstate__({**params, "__model": load(model)._serialize_model()})
        result._n_features_in = estimator.n_features_in_  # which a saved model does not have
        if getattr(estimator, "_prediction_values_change", None) is not None:
            result.get_feature_importance()  # remembers it for feature_importances_
        return result

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_nodes"}

    @cached_property
    def _nodes(self) -> list[TreeNodes]:
        return [tree_nodes(tree, len(self._bias)) for tree in trees_of(self._model)]

    def leaves(self) -> Leaves:
        name, loss = type(self.estimator).__name__, loss_of(self._model)
        if not is_symmetric(self._model):
            raise ValueError(
                f"leaf values of {name} are refitted in symmetric trees only, not with "
                "grow_policy='Depthwise' or 'Lossguide'; keep its leaves (refine=None)"
            )
        if loss not in ("RMSE", "MultiClass", *_LOGISTIC, *_EXP):
            raise ValueError(
                f"{name} is fitted for {loss!r}; refitted leaf values minimise squared error or "
                "a log-likelihood and would undo that; keep its leaves (refine=None)"
            )
        constraints = self.estimator.get_param("monotone_constraints")
        refuse_constraints(name, None, 1 if constraints else None)
        return gather(self._nodes, np.full(self.n_members, self._scale))

    def leaf_ids(self, X: Any, n_jobs: int | None = None) -> np.ndarray:
        _, starts = self._values
        found = [starts + leaves for _, leaves in self._reached(X, n_jobs)]
        return np.concatenate([np.empty((0, self.n_members)), *found]).astype(np.int32)

    def with_leaf_values(self, values: np.ndarray) -> Any:
        tree_of = self.leaves().tree
        own = [values[tree_of == t] for t in range(self.n_members)]
        return self._with_model(with_leaf_values(self._model, own))

    def row_weights(self, y: np.ndarray) -> np.ndarray | None:
        classes = self.combiner.classes
        if classes is None:
            return None
        weights = self._class_weights()
        if weights is None or (weights == 1).all():
            return None
        return weights[np.searchsorted(classes, y)]

    def _class_weights(self) -> np.ndarray | None:
        """Weights of the classes in training, in the order of ``classes_``."""
        options = self._model["model_info"].get("params", {}).get("data_processing_options", {})
        given = options.get("class_weights") or None
        return None if given is None else np.asarray(given, dtype=np.float64)


open_members.register(catboost.CatBoost, CatBoostMembers)
