"""Answers of sub-ensembles one after the other, as a path visits them.

Most are the one before and a member more. What is made of their answers is for scorers.
"""

from __future__ import annotations

import numpy as np

from .combiner import Combiner, LinearCombiner, add_output, add_output_where, affine
from .objectives.generic import replay, replay_raw
from .replay import Replay


class AlongPath:
    """Adds up each sub-ensemble from where the sum of the last one ended, if it begins like that.

    To the last digit that is what adding up all its members makes.

    Parameters
    ----------
    outputs : ndarray of shape (n_members, n_outputs, n_samples)
        Of all members that any of them may have.
    mask : ndarray of shape (n_members, n_samples), dtype bool, default=None
        Where a member may speak; None is everywhere.
    """

    def __init__(self, outputs: np.ndarray, mask: np.ndarray | None = None):
        self._outputs = outputs
        self._mask = mask
        self._members: list[int] = []
        self._weights = np.zeros(0)

    def replay(self, combiner: Combiner, members: list[int]) -> Replay:
        """What a sub-ensemble answers.

        Parameters
        ----------
        combiner : Combiner
            Of exactly these members.
        members : list of int
            Their positions in the outputs.

        Returns
        -------
        Replay
            Of the samples for which any of its members speaks.

        Raises
        ------
        TypeError
            With a mask, if the combiner does not average.
        """
        if self._mask is None and not combiner.linear:
            first = members == list(range(len(members)))
            return replay(
                combiner, self._outputs[: len(members)] if first else self._outputs[members]
            )
        raw = self._raw(affine(combiner), members)
        if self._mask is not None:
            raw = raw[:, self._mask[members].any(axis=0)]
        return replay_raw(combiner, raw)

    def _raw(self, combiner: LinearCombiner, members: list[int]) -> np.ndarray:
        weights = combiner.member_weights
        done = len(self._members)
        same_start = members[:done] == self._members
        if done == 0 or not same_start or not np.array_equal(weights[:done], self._weights):
            done = 0
            self._total = combiner.empty_sum(self._outputs.shape[1:])
            self._norm = np.zeros(self._outputs.shape[2])
        for member, weight in zip(members[done:], weights[done:], strict=True):
            if self._mask is None:
                native = None if combiner.weights is None else weight
                add_output(self._total, self._outputs[member], native)
            else:
                speaks = self._mask[member]
                add_output_where(self._total, self._norm, self._outputs[member], weight, speaks)
        self._members, self._weights = members, weights
        raw = combiner.raw_of_sum(self._total, None if self._mask is None else self._norm)
        return raw.copy() if raw is self._total else raw
