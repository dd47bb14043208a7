"""Naming the constraint that cannot hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...objectives.accuracy import Accuracy
from ...objectives.base import Objective
from .cover import CoverFormulation
from .evidence import Evidence
from .formulation import Formulation, RecallFloors
from .rules import Rules
from .run import Outcome


class _Recall(Accuracy):
    """Recall of one class."""

    def __init__(self, position: int):
        super().__init__()
        self.position = position

    def _sample_weights(self, sample_weight: np.ndarray | None) -> np.ndarray:
        weights = super()._sample_weights(sample_weight)
        weights = np.where(self._targets == self.position, weights, 0.0)
        return weights / weights.sum()


def recall_floors(evidence: Evidence, recall: RecallFloors) -> list[tuple[Objective, float]]:
    """A started objective and its level for every class with a floor."""
    floors: list[tuple[Objective, float]] = []
    for position, level in zip(recall.positions, recall.levels):
        problem = replace(
            evidence.problem,
            outputs=evidence.filled,
            combiner=evidence.combiner,
            objective=_Recall(position),
            mask=None,
        )
        floors.append((problem.start(), level))
    return floors


def explain(
    formulation: Formulation,
    rules: Rules,
    recall: RecallFloors,
    time_limit: float,
    outcome: Outcome,
) -> str:
    """Why no sub-ensemble was returned."""
    asked = []
    if rules.keep.any():
        asked.append(f"must_keep ({rules.keep.sum()} members)")
    if rules.drop.any():
        asked.append(f"must_drop ({rules.drop.sum()} members)")
    if rules.groups:
        asked.append(f"at_most ({len(rules.groups)} groups)")
    floors = ", ".join(f"{n!r}: {v:g}" for n, v in zip(recall.names, recall.levels))
    if recall.names:
        asked.append(f"min_recall={{{floors}}}")
    covers = isinstance(formulation, CoverFormulation)
    if isinstance(formulation, CoverFormulation):
        asked.append(
            "faithful=True" if formulation.faithful else f"tolerance={formulation.tolerance:g}"
        )
    budget = f"target_size (a budget of {rules.budget:g})"
    if not outcome.infeasible:
        return (
            f"no sub-ensemble that holds {', '.join(asked)} within {budget} was found in "
            f"time_limit={time_limit:g} s; raise it, or ask for less"
        )
    if recall.names and not covers:
        return (
            f"min_recall={{{floors}}} cannot hold within {budget}"
            + (f" together with {', '.join(asked[:-1])}" if len(asked) > 1 else "")
            + "; raise target_size or lower the floors"
        )
    if covers:
        return (
            f"{asked[-1]} cannot hold within {budget}"
            + (f" together with {', '.join(asked[:-1])}" if len(asked) > 1 else "")
            + "; raise target_size or tolerance"
        )
    return f"{', '.join(asked)} cannot hold together within {budget}"
