"""Calibrated ensembles: one per fold, each with a calibrator of its own.

The wrapper is kept: cutting a CalibratedClassifierCV gives one whose ensembles are smaller.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.utils.validation import _num_samples, check_is_fitted

from ..combination import Combination
from ..combiner import Combiner, Indices
from ..link import Probability
from ..replay import Replay
from ..trees import Tree, TreeCut
from .base import Members
from .copying import shallow_copy
from .opening import foretold, open_members
from .roster import Roster


@dataclass(frozen=True, eq=False)
class CalibratedCombiner(Combiner):
    """The mean over folds of calibrated ensembles; a fold with no member left drops out.

    Parameters
    ----------
    folds : tuple of (combiner, calibrated, n_outputs)
        Of each fold: how its members combine, the calibrated classifier they are in, and the
        rows of its outputs that count.
    fold_of : ndarray of shape (n_members,)
        The fold of each member.
    local : ndarray of shape (n_members,)
        The position of each member in its fold's whole ensemble.
    classes : ndarray of shape (n_classes,)
    weights : ndarray of shape (n_members,) or None
    """

    folds: tuple[tuple[Combiner, Any, int], ...]
    fold_of: np.ndarray
    local: np.ndarray
    classes: np.ndarray
    weights: np.ndarray | None = None
    kind: str = "calibrated"
    link: Probability = field(default_factory=Probability)

    def take(self, indices: Indices, weights: np.ndarray | None = None) -> CalibratedCombiner:
        kept = np.asarray(indices, dtype=np.intp)
        factors = None if self.weights is None else self.weights[kept]
        if weights is not None:
            factors = np.asarray(weights) if factors is None else factors * weights
        return CalibratedCombiner(
            self.folds, self.fold_of[kept], self.local[kept], self.classes, factors
        )

    def raw(self, outputs: np.ndarray) -> np.ndarray:
        probabilities = []
        for fold in np.unique(self.fold_of):
            combiner, calibrated, n_outputs = self.folds[fold]
            mine = self.fold_of == fold
            taken = combiner.take(
                self.local[mine], None if self.weights is None else self.weights[mine]
            )
            own = outputs[mine][:, :n_outputs]
            chain = copy.copy(calibrated)
            chain.estimator = Replay(
                taken.classes,
                predict=taken.predict(own),
                predict_proba=taken.predict_proba(own) if taken.has_proba else None,
                decision_function=taken.decision_function(own) if taken.has_decision else None,
            )
            probabilities.append(chain.predict_proba(np.empty((outputs.shape[2], 1))))
        return np.mean(probabilities, axis=0).T


class CalibratedMembers(Members):
    """The members of all the ensembles that a CalibratedClassifierCV averages, one per fold.

    A cut keeps them fold by fold, and its calibrators as they were fitted for the whole.
    """

    def __init__(self, calibrated: Any):
        check_is_fitted(calibrated)
        super().__init__(calibrated)
        self._folds = [
            open_members(fold.estimator).by_decision()
            for fold in calibrated.calibrated_classifiers_
        ]
        self.carries_weights = all(fold.carries_weights for fold in self._folds)
        sizes = [fold.n_members for fold in self._folds]
        self._roster = Roster.of(sizes)

    @classmethod
    def foretell(cls, unfitted: Any) -> Combination | None:
        inside = foretold(unfitted.estimator)
        if inside is None:
            return None
        return replace(inside, kind="calibrated", linear=False, link=Probability, n_members=None)

    def deep(self) -> Members:
        if any(fold.deep() is not fold for fold in self._folds):
            raise ValueError(
                "deep=True does not reach through CalibratedClassifierCV: prune the ensemble "
                "inside, then calibrate it"
            )
        return self

    @property
    def n_members(self) -> int:
        return self._roster.n_members

    @property
    def combiner(self) -> Combiner:
        return self._combiner([fold.combiner for fold in self._folds])

    def bind(self, X: Any) -> Combiner:
        return self._combiner([fold.bind(X) for fold in self._folds])

    def _combiner(self, combiners: list[Combiner]) -> Combiner:
        folds = tuple(
            (combiner, calibrated, members.n_outputs)
            for combiner, calibrated, members in zip(
                combiners, self.estimator.calibrated_classifiers_, self._folds, strict=True
            )
        )
        return CalibratedCombiner(
            folds, self._roster.group, self._roster.local, self.estimator.classes_
        )

    def outputs(
        self,
        X: Any,
        n_jobs: int | None = None,
        *,
        indices: Indices | None = None,
        dtype: type = np.float32,
    ) -> np.ndarray:
        chosen = np.arange(self.n_members) if indices is None else np.asarray(indices)
        result = np.zeros((len(chosen), self.n_outputs, _num_samples(X)), dtype=dtype)
        for fold, at, local in self._roster.split(chosen):
            own = self._folds[fold].outputs(X, n_jobs, indices=local, dtype=dtype)
            result[at, : own.shape[1]] = own
        return result

    @property
    def n_outputs(self) -> int:
        return max(fold.n_outputs for fold in self._folds)

    def parts(self) -> Iterable[Any]:
        for fold in self._folds:
            yield from fold.parts()

    def trees(self) -> list[Tree]:
        result = []
        first = 0
        for fold in self._folds:
            result += [
                replace(tree, member=first + tree.member, scale=tree.scale / len(self._folds))
                for tree in fold.trees()
            ]
            first += fold.n_members
        return result

    def reached_nodes(self, X: Any) -> np.ndarray:
        return np.concatenate([fold.reached_nodes(X) for fold in self._folds])

    def with_trees(self, cuts: Sequence[TreeCut | None], exact: bool = False) -> Any:
        smaller = []
        first = 0
        for fold, calibrated in zip(
            self._folds, self.estimator.calibrated_classifiers_, strict=True
        ):
            last = first + len(fold.trees())
            changed = copy.copy(calibrated)
            changed.estimator = fold.with_trees(cuts[first:last], exact)
            smaller.append(changed)
            first = last
        return shallow_copy(self.estimator, calibrated_classifiers_=smaller)

    def subset(self, indices: Indices, weights: np.ndarray | None = None) -> Any:
        kept, factors = self._checked(indices, weights)
        smaller = []
        for fold, at, local in self._roster.split(kept):
            calibrated = copy.copy(self.estimator.calibrated_classifiers_[fold])
            own = None if factors is None else factors[at]
            calibrated.estimator = self._folds[fold].subset(local, own)
            smaller.append(calibrated)
        return shallow_copy(self.estimator, calibrated_classifiers_=smaller)


open_members.register(CalibratedClassifierCV, CalibratedMembers)
