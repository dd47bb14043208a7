"""The combiner of ensembles inside an ensemble: which member is in which slot, and what it does there.

Opening such an ensemble and cutting it is ``members/nested.py``, sharing a budget between its slots
``selectors/allocation.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from .combiner import Combiner, Indices
from .link import Link


@dataclass(frozen=True, eq=False)
class Slot:
    """A member of the outer ensemble, made of members of its own or of a single one.

    Parameters
    ----------
    combiner : Combiner or None
        Of the members inside; None where the slot is no ensemble and its only member's output is
        the outer ensemble's already.
    method : {"predict", "predict_proba", "decision_function"}
        What the outer ensemble asks of it.
    column : callable
        Turns a response of that method into the outer ensemble's output
        ``(n_outputs, n_samples)``.
    n_outputs : int
        Rows of the members' outputs that count; the others are padding.
    carries_weights : bool
        Whether the members inside can have weights of their own.
    """

    combiner: Combiner | None
    method: str
    column: Callable[[np.ndarray], np.ndarray]
    n_outputs: int
    carries_weights: bool

    def take(self, local: Indices, weights: np.ndarray | None = None) -> Slot:
        """The slot with some of its members, given by their positions in it."""
        if self.combiner is None:
            return self
        if not self.carries_weights:
            weights = None
        return replace(self, combiner=self.combiner.take(local, weights))

    def output(self, outputs: np.ndarray) -> np.ndarray:
        """What the slot adds to the outer ensemble, given its members' outputs.

        Parameters
        ----------
        outputs : ndarray of shape (n_members_inside, n_rows, n_samples)

        Returns
        -------
        ndarray of shape (n_outputs, n_samples)
        """
        own = outputs[:, : self.n_outputs]
        if self.combiner is None:
            return own[0].astype(np.float64, copy=False)
        response = getattr(self.combiner, self.method)(own)
        if self.method == "predict_proba":
            response = response.astype(self.combiner.dtype, copy=False)
        return self.column(response)


@dataclass(frozen=True, eq=False)
class NestedCombiner(Combiner):
    """Members combine in their slot, slots in the outer ensemble; a slot left empty is dropped.

    Parameters
    ----------
    outer : Combiner
        Of the slots.
    slots : tuple of Slot
    slot_of : ndarray of shape (n_members,), dtype int
        The slot of each member. In a slot, members keep the order they have here.
    """

    outer: Combiner
    slots: tuple[Slot, ...]
    slot_of: np.ndarray
    kind: str = "nested"

    @property
    def classes(self) -> np.ndarray | None:  # type: ignore[override]
        return self.outer.classes

    @property
    def link(self) -> Link:  # type: ignore[override]
        return self.outer.link

    @property
    def has_proba(self) -> bool:
        return self.outer.has_proba

    @property
    def has_decision(self) -> bool:
        return self.outer.has_decision

    def members_of(self, slot: int) -> np.ndarray:
        """Positions of a slot's members."""
        return np.flatnonzero(self.slot_of == slot)

    def take(self, indices: Indices, weights: np.ndarray | None = None) -> NestedCombiner:
        kept = np.asarray(indices, dtype=np.intp)
        slot_of = self.slot_of[kept]
        left, renumbered = np.unique(slot_of, return_inverse=True)
        slots = []
        for slot in left:
            at = np.flatnonzero(slot_of == slot)
            local = np.searchsorted(self.members_of(slot), kept[at])
            factors = None if weights is None else np.asarray(weights)[at]
            slots.append(self.slots[slot].take(local, factors))
        return NestedCombiner(self.outer.take(left), tuple(slots), renumbered)

    def on_rows(self, rows: np.ndarray) -> NestedCombiner:
        slots = tuple(
            slot if slot.combiner is None else replace(slot, combiner=slot.combiner.on_rows(rows))
            for slot in self.slots
        )
        return replace(self, outer=self.outer.on_rows(rows), slots=slots)

    def columns(self, outputs: np.ndarray) -> np.ndarray:
        """The slots' outputs, shape (n_slots, n_outputs, n_samples)."""
        return np.stack(
            [slot.output(outputs[self.members_of(s)]) for s, slot in enumerate(self.slots)]
        )

    def raw(self, outputs: np.ndarray) -> np.ndarray:
        return self.outer.raw(self.columns(outputs))

    def predict(self, outputs: np.ndarray) -> np.ndarray:
        return self.outer.predict(self.columns(outputs))

    def predict_proba(self, outputs: np.ndarray) -> np.ndarray:
        return self.outer.predict_proba(self.columns(outputs))

    def decision_function(self, outputs: np.ndarray) -> np.ndarray:
        return self.outer.decision_function(self.columns(outputs))
