"""Mean absolute error."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import mean_absolute_error

from .registry import register_objective, regresses
from .running import LinearObjective


class AbsoluteError(LinearObjective):
    """Minus the mean absolute difference of prediction and target."""

    def _contributions(self, raw: np.ndarray, block: slice) -> np.ndarray:
        difference = self.combiner.link.values(raw)
        difference = difference - self._targets[block]
        return -np.abs(difference, out=difference)


register_objective(mean_absolute_error, AbsoluteError, regresses)
