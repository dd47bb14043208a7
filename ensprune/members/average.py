"""What a forest and a bagging model have in common: estimators whose predictions are averaged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..combiner import Combiner, LinearCombiner
from ..link import Identity, Probability
from .base import Members
from .trees import weights_in

# Computed from the rows the whole ensemble left out: meaningless for some of its members.
STALE = ("oob_score_", "oob_decision_function_", "oob_prediction_")


class AverageMembers(Members):
    """The ``estimators_`` of an ensemble that divides the sum of what they predict by their number."""

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
