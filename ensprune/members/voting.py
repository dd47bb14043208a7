"""VotingClassifier (soft and hard) and VotingRegressor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.utils import Bunch
from sklearn.utils.validation import _num_samples, check_is_fitted

from ..codes import one_hot
from ..combination import Combination
from ..combiner import Combiner, Indices, LinearCombiner
from ..link import Identity, Link, Probability, Votes
from ..out_of_fold import OutOfFold
from .base import Members
from .copying import shallow_copy
from .cross_fitting import cross_fitted
from .nested import Place, nested
from .opening import open_members
from .reading import map_members
from .several import several_targets

# As many as cross-validation has by default.
_FOLDS = 5


def named_members(ensemble: Any) -> list[tuple[str, Any]]:
    """The ``estimators`` parameter of a voting or stacking model without its dropped entries."""
    return [(name, member) for name, member in ensemble.estimators if not _is_drop(member)]


def cut_named(ensemble: Any, kept: np.ndarray) -> dict[str, Any]:
    """The attributes of a voting or stacking model that list its members, cut to ``kept``."""
    named = named_members(ensemble)
    fitted = [ensemble.estimators_[t] for t in kept]
    names = [named[t][0] for t in kept]
    return {
        "estimators": [named[t] for t in kept],
        "estimators_": fitted,
        "named_estimators_": Bunch(**dict(zip(names, fitted, strict=True))),
    }


def refilled_named(smaller: Any, estimators: list[Any]) -> Any:
    """A cut voting or stacking model with other fitted members; what it clones agrees with them."""
    named = []
    for (name, given), old, new in zip(
        named_members(smaller), smaller.estimators_, estimators, strict=True
    ):
        if new is not old:
            given = new if given is old else clone(new)
        named.append((name, given))
    fitted = {name: new for (name, _), new in zip(named, estimators, strict=True)}
    return shallow_copy(
        smaller, estimators=named, estimators_=estimators, named_estimators_=Bunch(**fitted)
    )


def _check_probabilities(ensemble: Any) -> None:
    """Whether the members of a soft vote, fitted or not, have the probabilities that it averages.

    Raises
    ------
    TypeError
        If one says labels only.
    """
    if getattr(ensemble, "voting", None) != "soft":
        return
    for name, member in named_members(ensemble):
        # Who has no method at all may have more once it is fitted.
        if hasattr(member, "predict") and not hasattr(member, "predict_proba"):
            raise TypeError(
                f"voting='soft' averages probabilities, and the member {name!r} "
                f"({type(member).__name__}) has no predict_proba; give voting='hard' or other members"
            )


def _is_drop(member: Any) -> bool:
    return isinstance(member, str) and member == "drop"


class VotingMembers(Members):
    """Named estimators; the prediction is their weighted mean or their weighted vote."""

    cross_fits_when_asked = True

    def __init__(self, voting: Any):
        check_is_fitted(voting)
        if isinstance(getattr(voting, "le_", None), list):
            raise several_targets(voting)
        _check_probabilities(voting)
        super().__init__(voting)
        self._known: OutOfFold | None = None

    @property
    def n_members(self) -> int:
        return len(self.estimator.estimators_)

    @property
    def _weights(self) -> np.ndarray | None:
        weights = self.estimator._weights_not_none
        return None if weights is None else np.asarray(weights, dtype=np.float64)

    @property
    def _hard(self) -> bool:
        return getattr(self.estimator, "voting", None) == "hard"

    @classmethod
    def foretell(cls, unfitted: Any) -> Combination | None:
        if not is_classifier(unfitted):
            return Combination("mean", False, link=Identity)
        _check_probabilities(unfitted)
        return Combination("mean", True, link=Votes if unfitted.voting == "hard" else Probability)

    @property
    def combiner(self) -> Combiner:
        classes = getattr(self.estimator, "classes_", None)
        link: Link
        if classes is None:
            link = Identity()
        else:
            link = Votes() if self._hard else Probability()
        return LinearCombiner("mean", link, classes, self.n_members, weights=self._weights)

    def outputs(
        self,
        X: Any,
        n_jobs: int | None = None,
        *,
        indices: Indices | None = None,
        dtype: type = np.float32,
    ) -> np.ndarray:
        chosen = range(self.n_members) if indices is None else indices

        def read(t: int) -> np.ndarray:
            return self._column(getattr(self.estimator.estimators_[t], self._method)(X))

        return map_members(read, chosen, (self.n_outputs, _num_samples(X)), dtype, n_jobs)

    @property
    def _method(self) -> str:
        """What the ensemble asks of its members."""
        soft = hasattr(self.estimator, "classes_") and not self._hard
        return "predict_proba" if soft else "predict"

    def _column(self, response: np.ndarray) -> np.ndarray:
        """A member's response as (n_outputs, n_samples)."""
        if self._hard:
            return one_hot(response, self.n_outputs)
        return response[None] if response.ndim == 1 else response.T

    def set_training_data(self, X: Any, y: Any, sample_weight: np.ndarray | None = None) -> None:
        """Cross-fit clones of the members, so that they can be judged on their training rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : ndarray of shape (n_samples,), default=None
            What the voting model was fitted on. Each of five folds of shuffled rows (stratified
            for classifiers) is left out once; fewer folds where a class has fewer rows, and
            none, so that there is nothing to judge by, where it has one.
        """
        voting = self.estimator
        classifies = self.combiner.classes is not None
        labels = voting.le_.transform(np.asarray(y)) if classifies else np.asarray(y)
        rarest = np.bincount(labels, minlength=self.n_outputs).min() if classifies else len(labels)
        if (n_folds := min(_FOLDS, int(rarest))) < 2:
            return
        folds = (StratifiedKFold if classifies else KFold)(n_folds, shuffle=True, random_state=0)
        methods = [self._method] * self.n_members
        responses = cross_fitted(
            voting,
            named_members(voting),
            methods,
            X,
            labels,
            sample_weight,
            list(folds.split(labels, labels)),
        )
        self._known = OutOfFold(np.stack([self._column(one) for one in responses]), self.combiner)

    def out_of_fold(self) -> OutOfFold | None:
        return self._known

    def deep(self) -> Members:
        return nested(self)

    def places(self) -> list[Place]:
        return [Place(member, self._method, self._column) for member in self.estimator.estimators_]

    def refilled(self, smaller: Any, estimators: list[Any]) -> Any:
        return refilled_named(smaller, estimators)

    def parts(self) -> Iterable[Any]:
        return self.estimator.estimators_

    def subset(self, indices: Indices, weights: np.ndarray | None = None) -> Any:
        kept, factors = self._checked(indices, weights)
        native = self._weights
        if native is not None or factors is not None:
            combined = (np.ones(self.n_members) if native is None else native)[kept]
            if factors is not None:
                combined = combined * factors
            if not combined.sum() > 0:
                raise ValueError(
                    f"the {len(kept)} members kept have a total weight of {combined.sum()}: "
                    "they cannot be averaged; keep another member too"
                )
            native = combined
        return shallow_copy(
            self.estimator,
            weights=None if native is None else native.tolist(),
            **cut_named(self.estimator, kept),
        )


open_members.register(VotingClassifier, VotingMembers)
open_members.register(VotingRegressor, VotingMembers)
