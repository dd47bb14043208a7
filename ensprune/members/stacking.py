"""StackingClassifier and StackingRegressor: dropping base learners under a final estimator."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import clone, is_classifier
from sklearn.ensemble import StackingClassifier, StackingRegressor
from sklearn.model_selection import check_cv, cross_val_predict
from sklearn.utils import _safe_indexing
from sklearn.utils.metadata_routing import _routing_enabled, process_routing
from sklearn.utils.validation import _num_samples, check_is_fitted

from ..codes import one_hot
from ..combiner import Combiner, Indices
from ..link import Identity, Link, Probability, Votes
from ..out_of_fold import CrossFitted, OutOfFold
from .base import Members, map_members, open_members, shallow_copy
from .nested import Place, nested
from .several import several_targets
from .voting import cut_named, named_members, refilled_named

# Final estimators that are fitted to judge one choice: where there are more folds, some are left
# out together.
_MOST_FOLDS = 5


@dataclass(frozen=True)
class _MetaRows:
    """What a final estimator is fitted on: outputs of all base learners, and labels."""

    outputs: np.ndarray  # (n_members, n_outputs, n_samples), of the whole ensemble
    passthrough: Any  # the original rows, or None
    y: np.ndarray
    sample_weight: np.ndarray | None
    fold_of: np.ndarray | None  # (n_samples,): the base learners' folds; None of unseen rows

    def without(self, fold: int) -> _MetaRows:
        """The rows of all folds but one."""
        assert self.fold_of is not None
        rows = np.flatnonzero(self.fold_of != fold)
        weight, passed = self.sample_weight, self.passthrough
        return _MetaRows(
            self.outputs[:, :, rows],
            None if passed is None else _safe_indexing(passed, rows),
            self.y[rows],
            None if weight is None else weight[rows],
            self.fold_of[rows],
        )


@dataclass(frozen=True, eq=False)
class MetaCombiner(Combiner):
    """A final estimator over the base learners' columns.

    Taking a sub-ensemble refits the final estimator on the kept columns where its training rows
    are known, and otherwise slices the coefficients of a linear one.

    Parameters
    ----------
    final : estimator
        The fitted ``final_estimator_``.
    widths : tuple of int
        Columns of each member; its output's further rows are padding.
    classes : ndarray of shape (n_classes,) or None
    members : ndarray of shape (n_members,)
        Positions of these members in the whole ensemble.
    passes_through : bool
        Whether the final estimator sees the original columns after the members'.
    rows : array-like of shape (n_samples, n_features) or None
        The original columns of the rows the outputs are for.
    training : _MetaRows or None
    """

    final: Any
    widths: tuple[int, ...]
    classes: np.ndarray | None
    members: np.ndarray
    passes_through: bool
    rows: Any = None
    training: _MetaRows | None = None
    kind: str = "meta"

    @property
    def link(self) -> Link:  # type: ignore[override]
        if self.classes is None:
            return Identity()
        return Probability() if hasattr(self.final, "predict_proba") else Votes()

    def take(self, indices: Indices, weights: np.ndarray | None = None) -> MetaCombiner:
        kept = np.asarray(indices, dtype=np.intp)
        if np.array_equal(kept, np.arange(len(self.members))):
            return self
        cut = replace(self, members=self.members[kept], widths=tuple(self.widths[t] for t in kept))
        if self.training is not None:
            return replace(cut, final=cut._refitted())
        return replace(cut, final=self._sliced(kept))

    def on_rows(self, rows: np.ndarray) -> MetaCombiner:
        return self if self.rows is None else replace(self, rows=_safe_indexing(self.rows, rows))

    def without(self, fold: int) -> MetaCombiner:
        """The same with a final estimator fitted on the other folds."""
        assert self.training is not None
        others = replace(self, training=self.training.without(fold))
        return replace(others, final=others._refitted())

    def _refitted(self) -> Any:
        training = self.training
        assert training is not None
        matrix = _stack(training.outputs[self.members], self.widths, training.passthrough)
        fit_params = (
            {} if training.sample_weight is None else {"sample_weight": training.sample_weight}
        )
        return clone(self.final).fit(matrix, training.y, **fit_params)

    def _sliced(self, kept: np.ndarray) -> Any:
        computed = isinstance(getattr(type(self.final), "coef_", None), property)  # SVC
        if computed or not (hasattr(self.final, "coef_") and hasattr(self.final, "intercept_")):
            raise ValueError(
                f"the final estimator {type(self.final).__name__} is not linear, or keeps no "
                "coefficients that can be cut: cutting base learners means refitting it, which "
                "needs the training data; prune while fitting "
                "(EnsemblePruner(stacking).fit(X, y)), or give the rows to "
                "Members.set_training_data"
            )
        starts = np.concatenate([[0], np.cumsum(self.widths)])
        columns = np.concatenate(
            [np.arange(starts[t], starts[t + 1]) for t in kept]
            + [np.arange(starts[-1], self.final.coef_.shape[-1])]  # passed through: all kept
        )
        final = copy.copy(self.final)
        final.coef_ = self.final.coef_[..., columns]
        final.n_features_in_ = len(columns)
        return final

    def _matrix(self, outputs: np.ndarray) -> Any:
        if self.passes_through and self.rows is None:
            raise ValueError(
                "this stacking model passes the original columns through: use Members.bind(X)"
            )
        return _stack(outputs, self.widths, self.rows if self.passes_through else None)

    def raw(self, outputs: np.ndarray) -> np.ndarray:
        matrix = self._matrix(outputs)
        if self.classes is None:
            return self.final.predict(matrix)[None]
        if hasattr(self.final, "predict_proba"):
            return self.final.predict_proba(matrix).T
        return one_hot(self.final.predict(matrix), len(self.classes)).astype(np.float64)

    def predict(self, outputs: np.ndarray) -> np.ndarray:
        predicted = self.final.predict(self._matrix(outputs))
        return predicted if self.classes is None else self.classes.take(predicted)

    def decision_function(self, outputs: np.ndarray) -> np.ndarray:
        return self.final.decision_function(self._matrix(outputs))

    @property
    def has_decision(self) -> bool:
        return hasattr(self.final, "decision_function")


def _stack(outputs: np.ndarray, widths: tuple[int, ...], rows: Any) -> Any:
    """The final estimator's input: members' columns side by side, then the original ones."""
    columns: list[Any] = [output[:width].T for output, width in zip(outputs, widths, strict=True)]
    if rows is None:
        return np.hstack(columns)
    if sparse.issparse(rows):
        columns.append(rows)
        return sparse.hstack(columns, format="csr")
    return np.hstack([*columns, rows])


def _fit_params(stacking: Any, name: str, sample_weight: np.ndarray | None) -> dict[str, Any]:
    """What a stacking model hands on to the ``fit`` of a base learner when it is given weights."""
    if sample_weight is None:
        return {}
    given = {"sample_weight": sample_weight}
    return process_routing(stacking, "fit", **given)[name]["fit"] if _routing_enabled() else given


def cross_fits(estimator: Any) -> bool:
    """Whether an unfitted estimator is a stacking model that cross-fits its base learners."""
    stacks = isinstance(estimator, StackingClassifier | StackingRegressor)
    return stacks and not (isinstance(estimator.cv, str) and estimator.cv == "prefit")


class StackingMembers(Members):
    """Base learners; their outputs are their columns of the final estimator's input."""

    carries_weights = False
    needs_training_data = True

    def __init__(self, stacking: Any):
        check_is_fitted(stacking)
        if isinstance(getattr(stacking, "_label_encoder", None), list) or any(
            isinstance(width, list) for width in stacking.stack_method_
        ):
            raise several_targets(stacking)
        super().__init__(stacking)

    @property
    def n_members(self) -> int:
        return len(self.estimator.estimators_)

    @property
    def n_outputs(self) -> int:
        return max(self._widths)

    @property
    def _classes(self) -> np.ndarray | None:
        return getattr(self.estimator, "classes_", None)

    @property
    def _widths(self) -> tuple[int, ...]:
        """Columns of each member: scikit-learn drops the first probability of two."""
        classes = self._classes
        if classes is None:
            return (1,) * self.n_members
        several = len(classes) if len(classes) > 2 else 1
        return tuple(
            1 if method == "predict" else self._decision_width(t, several)
            for t, method in enumerate(self.estimator.stack_method_)
        )

    def _decision_width(self, member: int, several: int) -> int:
        """Columns of a member's decision function, which may be one per pair of classes."""
        if self.estimator.stack_method_[member] == "predict_proba":
            return several
        width = getattr(self.estimator, "_n_feature_outs", None)
        return several if width is None else int(width[member])

    @property
    def combiner(self) -> MetaCombiner:
        return MetaCombiner(
            final=self.estimator.final_estimator_,
            widths=self._widths,
            classes=self._classes,
            members=np.arange(self.n_members),
            passes_through=bool(self.estimator.passthrough),
            training=self.training,
        )

    def bind(self, X: Any) -> Combiner:
        combiner = self.combiner
        return replace(combiner, rows=X if combiner.passes_through else None)

    def outputs(
        self,
        X: Any,
        n_jobs: int | None = None,
        *,
        indices: Indices | None = None,
        dtype: type = np.float32,
    ) -> np.ndarray:
        chosen = range(self.n_members) if indices is None else indices
        methods = self.estimator.stack_method_

        def read(t: int) -> np.ndarray:
            return self._columns(getattr(self.estimator.estimators_[t], methods[t])(X), t)

        shape = (max(self._widths), _num_samples(X))
        return map_members(read, chosen, shape, dtype, n_jobs)

    def _columns(self, response: np.ndarray, member: int) -> np.ndarray:
        """A base learner's response as (n_outputs, n_samples), padded with zeros."""
        widths = self._widths
        columns = response.reshape(len(response), -1).T[-widths[member] :]
        padding = np.zeros((max(widths) - widths[member], columns.shape[1]))
        return np.vstack([columns, padding])

    def set_training_data(self, X: Any, y: Any, sample_weight: np.ndarray | None = None) -> None:
        """Rebuild the final estimator's training matrix, so that cuts refit it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : ndarray of shape (n_samples,), default=None
            What the stacking model was fitted on. Base learners are cross-fitted on it again
            with its own ``cv``, as its ``fit`` did; with ``cv="prefit"`` they just predict.

        Raises
        ------
        ValueError
            If ``cv`` names other rows by number, or ``y`` lacks a class.
        """
        stacking = self.estimator
        if stacking.cv == "prefit":
            self.set_blending_data(X, y, sample_weight)
            return
        labels = self._encoded(y)
        cv = check_cv(stacking.cv, y=labels, classifier=is_classifier(stacking))
        # Every base learner must see the same folds: they are drawn once.
        folds = list(copy.deepcopy(cv).split(X, labels))
        n_samples = _num_samples(X)
        left_out = np.sort(np.concatenate([rows for _, rows in folds]))
        if not np.array_equal(left_out, np.arange(n_samples)):
            raise ValueError(
                f"the folds of {type(stacking).__name__}'s cv do not leave out each of the "
                f"{n_samples} rows given once; give the rows it was trained on"
            )
        fold_of = np.empty(n_samples, dtype=np.intp)
        for fold, (_, rows) in enumerate(folds):
            fold_of[rows] = fold
        self._cross_fit = partial(self._cross_fitted, X, labels, sample_weight)
        self._remember(self._cross_fit(folds), X, labels, sample_weight, fold_of)

    def _cross_fitted(
        self, X: Any, labels: np.ndarray, sample_weight: np.ndarray | None, folds: list[Any]
    ) -> np.ndarray:
        """The columns of clones of the base learners, of each row by those without its fold."""
        stacking = self.estimator
        responses = [
            cross_val_predict(
                clone(learner),
                X,
                labels,
                cv=folds,
                method=method,
                n_jobs=stacking.n_jobs,
                params=_fit_params(stacking, name, sample_weight),
            )
            for (name, learner), method in zip(
                named_members(stacking), stacking.stack_method_, strict=True
            )
        ]
        columns = [self._columns(response, t) for t, response in enumerate(responses)]
        return np.stack(columns)  # (n_members, n_outputs, n_samples)

    def out_of_fold(self) -> OutOfFold | None:
        training = self.training
        if training is None or training.fold_of is None:
            return None
        together = training.fold_of % _MOST_FOLDS
        numbers = range(together.max() + 1)
        if self._classes is not None and any(
            len(np.unique(training.y[together != number])) < len(self._classes)
            for number in numbers
        ):
            return None  # a final estimator that misses a class has fewer columns
        if training.fold_of.max() >= _MOST_FOLDS:
            # Learners that have seen all but a few rows tell the sum of the labels of these: for
            # a final estimator that is what makes leave-one-out know every label.
            sides = [(together != number, together == number) for number in numbers]
            folds = [(np.flatnonzero(fit), np.flatnonzero(left)) for fit, left in sides]
            training = replace(training, outputs=self._cross_fit(folds), fold_of=together)
        whole = replace(self.combiner, rows=training.passthrough, training=training)
        parts = tuple(whole.without(number) for number in numbers)
        return OutOfFold(training.outputs, CrossFitted(parts, together))

    def set_blending_data(self, X: Any, y: Any, sample_weight: np.ndarray | None = None) -> None:
        """Let cuts refit the final estimator on rows that no base learner was trained on.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : ndarray of shape (n_samples,), default=None
        """
        labels = self._encoded(y)
        self._remember(self.outputs(X, dtype=np.float64), X, labels, sample_weight)

    def _encoded(self, y: Any) -> np.ndarray:
        """Labels as base learners and the final estimator are fitted to them: by position."""
        if self._classes is None:
            return np.asarray(y)
        labels = self.estimator._label_encoder.transform(np.asarray(y))
        if len(missing := np.setdiff1d(np.arange(len(self._classes)), labels)):
            # It would have fewer columns of probabilities than the model has classes.
            raise ValueError(
                f"the final estimator of {type(self.estimator).__name__} is refitted on "
                "rows of every class, but y has none of "
                f"{self._classes[missing][:5].tolist()}; give rows of those, too"
            )
        return labels

    def _remember(
        self,
        outputs: np.ndarray,
        X: Any,
        labels: np.ndarray,
        weight: np.ndarray | None,
        fold_of: np.ndarray | None = None,
    ) -> None:
        rows = X if self.estimator.passthrough else None
        self.training = _MetaRows(outputs, rows, labels, weight, fold_of)

    def parts(self) -> Iterable[Any]:
        return self.estimator.estimators_

    def deep(self) -> Members:
        return nested(self)

    def places(self) -> list[Place]:
        stacking = self.estimator
        return [
            Place(member, method, partial(self._columns, member=t))
            for t, (member, method) in enumerate(
                zip(stacking.estimators_, stacking.stack_method_, strict=True)
            )
        ]

    def refilled(self, smaller: Any, estimators: list[Any]) -> Any:
        return refilled_named(smaller, estimators)

    def subset(self, indices: Indices, weights: np.ndarray | None = None) -> Any:
        kept, _ = self._checked(indices, weights)
        combiner = self.combiner.take(kept)
        stacking = self.estimator
        extra = {}
        if hasattr(stacking, "_n_feature_outs"):
            extra["_n_feature_outs"] = [stacking._n_feature_outs[t] for t in kept]
        return shallow_copy(
            stacking,
            final_estimator_=combiner.final,
            stack_method_=[stacking.stack_method_[t] for t in kept],
            **cut_named(stacking, kept),
            **extra,
        )


open_members.register(StackingClassifier, StackingMembers)
open_members.register(StackingRegressor, StackingMembers)
