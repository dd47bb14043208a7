"""StackingClassifier and StackingRegressor: dropping base learners under a final estimator."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.ensemble import StackingClassifier, StackingRegressor
from sklearn.model_selection import check_cv
from sklearn.utils.validation import _num_samples, check_is_fitted

from ..combination import Combination
from ..combiner import Combiner, Indices
from ..out_of_fold import CrossFitted, OutOfFold
from .base import Members
from .copying import shallow_copy
from .cross_fitting import cross_fitted
from .meta import MetaCombiner, MetaRows
from .nested import Place, nested
from .opening import open_members
from .reading import map_members
from .several import several_targets
from .voting import cut_named, named_members, refilled_named

# Final estimators that are fitted to judge one choice: where there are more folds, some are left
# out together.
_MOST_FOLDS = 5


class StackingMembers(Members):
    """Base learners; their outputs are their columns of the final estimator's input."""

    carries_weights = False
    needs_training_data = True

    @classmethod
    def foretell(cls, unfitted: Any) -> Combination | None:
        return Combination("meta", is_classifier(unfitted), linear=False, carries_weights=False)

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
        responses = cross_fitted(
            stacking,
            named_members(stacking),
            stacking.stack_method_,
            X,
            labels,
            sample_weight,
            folds,
        )
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
        self.training = MetaRows(outputs, rows, labels, weight, fold_of)

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
