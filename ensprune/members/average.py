"""What a forest and a bagging model have in common: estimators whose predictions are averaged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier

from ..combination import Combination
from ..combiner import Combiner, LinearCombiner
from ..link import Identity, Probability
from ..trees import TreeCut
from ..trees.cart import cut_carts
from .base import Members
from .copying import shallow_copy
from .trees import weights_in

# Computed from the rows the whole ensemble left out: meaningless for some of its members.
STALE = ("oob_score_", "oob_decision_function_", "oob_prediction_")


class AverageMembers(Members):
    """The ``estimators_`` of an ensemble that divides the sum of what they predict by their number."""

    reads_one_by_one = True

    @classmethod
    def foretell(cls, unfitted: Any) -> Combination | None:
        classifies = is_classifier(unfitted)
        link = Probability if classifies else Identity
        return Combination("mean", classifies, link=link, n_members=unfitted.n_estimators)

    @property
    def n_members(self) -> int:
        return len(self.estimator.estimators_)

    @property
    def combiner(self) -> Combiner:
        classes = getattr(self.estimator, "classes_", None)
        link = Identity() if classes is None else Probability()
        return LinearCombiner("mean", link, classes, self.n_members, self._weights)

    @property
    def _weights(self) -> np.ndarray | None:
        """Weights that an earlier cut gave the members, None if they all weigh the same."""
        weights = weights_in(self.estimator.estimators_)
        return None if (weights == weights[0]).all() else weights

    def parts(self) -> Iterable[Any]:
        return self.estimator.estimators_

    def with_trees(self, cuts: Sequence[TreeCut | None], exact: bool = False) -> Any:
        return shallow_copy(
            self.estimator,
            without=() if exact else STALE,
            estimators_=cut_carts(self.estimator.estimators_, cuts),
        )

    def regrown(self, X: Any, y: Any, sample_weight: Any, n_members: int, random_state: int) -> Any:
        """See :meth:`~ensprune.members.refittable.HasLeaves.regrown`."""
        ensemble = clone(self.estimator).set_params(
            n_estimators=n_members,
            oob_score=False,
            warm_start=False,
            verbose=0,
            random_state=random_state,
        )
        return ensemble.fit(X, y, sample_weight=sample_weight)
