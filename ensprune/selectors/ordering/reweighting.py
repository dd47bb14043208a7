"""Boosting-based ordering: members are drawn from the ensemble as AdaBoost would train them."""

from __future__ import annotations

import numpy as np

from .ballots import Ballots
from .criterion import Criterion, register_criterion

# Of an error that is 0, or 1/2, as that of a member just like the one before is.
_ROUNDING = 1e-12


class Boosting(Criterion):
    """The member that errs least on samples weighted as in AdaBoost.

    After each member the weights of the samples it got wrong are divided by ``2 e`` and those of
    the others by ``2 (1 - e)``, with ``e`` its weighted error. Where ``e`` is not in (0, 1/2), the
    weights begin anew (section 3). The threshold of one half and the update are AdaBoost.M1's, for
    any number of classes.

    References
    ----------
    Martinez-Munoz & Suarez, "Using boosting to prune bagging ensembles", Pattern Recognition
    Letters 28 (2007).
    """

    def start(self, ballots: Ballots) -> None:
        self._ballots = ballots
        self._boosted = ballots.weight.copy()

    def _errors(self) -> np.ndarray:
        """Weighted error of each member where it speaks, (n_members,); 1 for one that never does."""
        ballots = self._ballots
        spoken = ballots.sums_of(ballots.speaks, self._boosted)
        missed = spoken - ballots.sums_of(ballots.right, self._boosted)
        return np.divide(missed, spoken, out=np.ones(len(missed)), where=spoken > 0)

    def values(self, free: np.ndarray) -> np.ndarray:
        return -self._errors()

    def add(self, member: int) -> None:
        ballots = self._ballots
        speaks, right = ballots.speaks[member], ballots.right[member]
        spoken = self._boosted @ speaks
        error = float(self._boosted @ (speaks & ~right) / spoken) if spoken > 0 else 0.0
        if not _ROUNDING < error < 0.5 - _ROUNDING:
            self._boosted = ballots.weight.copy()
            return
        self._boosted[right] /= 2 * (1 - error)
        self._boosted[speaks & ~right] /= 2 * error


register_criterion("boosting", Boosting)
