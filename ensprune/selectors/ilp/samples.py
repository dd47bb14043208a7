"""What formulations with rows for every sample share: their linear relaxation."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np

from .evidence import Evidence
from .formulation import Formulation, RecallFloors
from .relaxation import HingeSum, Relaxed, relax
from .rules import Rules

# What can be read and cut in good time.
_COEFFICIENTS_PER_SECOND = 3_000_000


class OverSamples(Formulation):
    """A formulation with rows for every sample."""

    # No admissible set has a smaller loss.
    least: ClassVar[float] = 0.0

    def __init__(self, evidence: Evidence, rules: Rules, recall: RecallFloors):
        super().__init__(evidence, rules, recall)
        # By size: what the linear relaxation has settled.
        self._relaxed: dict[int | None, Relaxed] = {}

    @abstractmethod
    def hinges(self, size: int | None) -> HingeSum:
        """The linear relaxation of the loss."""

    def n_coefficients(self) -> int:
        evidence = self.evidence
        rows = evidence.n_samples * max(evidence.outputs.shape[1] - 1, 1)
        return rows * evidence.n_members

    def quick_bounds(
        self,
        sizes: Sequence[int | None],
        incumbent: float,
        best: np.ndarray | None,
        deadline: float,
        gap: float,
    ) -> dict[int | None, float]:
        bounds = dict.fromkeys(sizes, self.least)
        if not self.readable():
            return bounds
        for position, size in enumerate(sizes):
            now = time.perf_counter()
            limit = now + (deadline - now) / (len(sizes) - position)
            if self.n_coefficients() > _COEFFICIENTS_PER_SECOND * (limit - now):
                continue
            start = best if best is not None and size in (None, best.sum()) else None
            loss = self.hinges(size)
            relaxed = relax(loss, self.rules, size, incumbent, start, limit, gap)
            self._relaxed[size] = relaxed
            bounds[size] = max(bounds[size], relaxed.bound)
        return bounds

    def settled(self, size: int | None) -> Rules:
        """The rules, with what the relaxation has settled as members to keep and to drop."""
        relaxed = self._relaxed.get(size)
        if relaxed is None:
            return self.rules
        return replace(self.rules, keep=relaxed.keep, drop=relaxed.drop)
