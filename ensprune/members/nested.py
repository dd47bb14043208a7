"""Members of members: an ensemble whose own members are opened too, down to the last tree.

Which families have ensembles inside is said by their adapters (``Members.places``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.validation import _num_samples

from ..combiner import Combiner, Indices
from ..nested import NestedCombiner, Slot
from .base import Members
from .costs import CostUnit
from .opening import open_members
from .roster import Roster


@dataclass(frozen=True, eq=False)
class Place:
    """Where a member of an outer ensemble stands.

    Parameters
    ----------
    estimator : estimator
        The fitted member.
    method : {"predict", "predict_proba", "decision_function"}
        What the outer ensemble asks of it.
    column : callable
        Turns the response into the outer ensemble's output ``(n_outputs, n_samples)``.
    rows : callable, default=None
        What the outer ensemble does to rows before this member sees them; None is nothing.
    """

    estimator: Any
    method: str
    column: Callable[[np.ndarray], np.ndarray]
    rows: Callable[[Any], Any] | None = None


def nested(outer: Members) -> Members:
    """The members of the ensembles inside an ensemble; ``outer`` itself where there are none."""
    members = NestedMembers(outer)
    return members if any(inner is not None for inner in members.inner) else outer


class NestedMembers(Members):
    """The members of all ensembles inside an ensemble, one after the other.

    A member of the outer ensemble that is no ensemble, or none that can be cut without training
    rows of its own, is a single member here: kept or dropped whole. A cut keeps the members of
    the outer ensemble in their order, without those that have nothing left.

    Parameters
    ----------
    outer : Members
        Of the outer ensemble; has ``places`` and ``refilled``.

    Attributes
    ----------
    inner : list of Members or None
        Per member of the outer ensemble; None where it is a single member.
    """

    def __init__(self, outer: Members):
        self.outer = outer
        super().__init__(outer.estimator)
        self.needs_training_data = outer.needs_training_data
        self._places = outer.places()
        self.inner = [_opened(place, outer.combiner.classes) for place in self._places]
        self.carries_weights = any(i is not None and i.carries_weights for i in self.inner)
        sizes = [1 if inner is None else inner.n_members for inner in self.inner]
        self._roster = Roster.of(sizes)

    @property
    def training(self) -> Any:  # type: ignore[override]
        return self.outer.training

    @training.setter
    def training(self, rows: Any) -> None:
        if rows is not None:
            self.outer.training = rows

    def set_training_data(self, X: Any, y: Any, sample_weight: np.ndarray | None = None) -> None:
        """As for the outer ensemble: what is refitted is fitted on its whole members' outputs."""
        self.outer.set_training_data(X, y, sample_weight)

    def set_blending_data(self, X: Any, y: Any, sample_weight: np.ndarray | None = None) -> None:
        self.outer.set_blending_data(X, y, sample_weight)

    @property
    def n_members(self) -> int:
        return self._roster.n_members

    @property
    def n_outputs(self) -> int:
        return max(
            self.outer.n_outputs if inner is None else inner.n_outputs for inner in self.inner
        )

    @property
    def combiner(self) -> Combiner:
        return self._combined(
            self.outer.combiner, [None if i is None else i.combiner for i in self.inner]
        )

    def bind(self, X: Any) -> Combiner:
        inner = [None if i is None else i.bind(self._rows(s, X)) for s, i in enumerate(self.inner)]
        return self._combined(self.outer.bind(X), inner)

    def _combined(self, outer: Combiner, combiners: list[Combiner | None]) -> Combiner:
        slots = [
            Slot(None, place.method, place.column, self.outer.n_outputs, False)
            if inner is None
            else Slot(combiner, place.method, place.column, inner.n_outputs, inner.carries_weights)
            for place, inner, combiner in zip(self._places, self.inner, combiners, strict=True)
        ]
        return NestedCombiner(outer, tuple(slots), self._roster.group)

    def _rows(self, slot: int, X: Any) -> Any:
        rows = self._places[slot].rows
        return X if rows is None else rows(X)

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
        for slot, at, local in self._roster.split(chosen):
            inner = self.inner[slot]
            if inner is None:
                own = self.outer.outputs(X, n_jobs, indices=[slot], dtype=dtype)
            else:
                some = None if _are_all(local, inner) else local
                own = inner.outputs(self._rows(slot, X), n_jobs, indices=some, dtype=dtype)
            result[at, : own.shape[1]] = own
        return result

    def costs(self, unit: CostUnit = "members", X: Any = None) -> np.ndarray:
        if unit != "latency" or X is None:
            return super().costs(unit, X)
        # Each ensemble inside times its members on rows made ready for it once.
        whole = any(inner is None for inner in self.inner)
        alone = self.outer.costs("latency", X) if whole else np.empty(0)
        return np.concatenate(
            [
                alone[[slot]] if inner is None else inner.costs("latency", self._rows(slot, X))
                for slot, inner in enumerate(self.inner)
            ]
        )

    def parts(self) -> Iterable[Any]:
        for place, inner in zip(self._places, self.inner, strict=True):
            if inner is None:
                yield place.estimator
            else:
                yield from inner.parts()

    def subset(self, indices: Indices, weights: np.ndarray | None = None) -> Any:
        kept, factors = self._checked(indices, weights)
        smaller = []
        for slot, at, local in self._roster.split(kept):
            inner = self.inner[slot]
            own = None if factors is None else factors[at]
            if inner is None or (_are_all(local, inner) and (own is None or (own == 1).all())):
                smaller.append(self._places[slot].estimator)
                continue
            smaller.append(inner.subset(local, own if inner.carries_weights else None))
        slots = np.unique(self._roster.group[kept])
        return self.outer.refilled(self.outer.subset(slots), smaller)


def _are_all(local: np.ndarray, inner: Members) -> bool:
    return np.array_equal(local, np.arange(inner.n_members))


def _opened(place: Place, classes: np.ndarray | None) -> Members | None:
    """The members inside a member, or None where it can only be kept or dropped whole."""
    try:
        inner = open_members(place.estimator).deep()
    except (TypeError, ValueError):  # no ensemble, or of a form that cannot be cut
        return None
    if place.method == "decision_function":
        inner = inner.by_decision()
    if inner.needs_training_data or inner.n_members == 1:
        return None
    combiner = inner.combiner
    answers = {
        "predict": True,
        "predict_proba": combiner.has_proba,
        "decision_function": combiner.has_decision,
    }
    if not answers[place.method]:
        return None
    if classes is None or combiner.classes is None:
        return inner if combiner.classes is classes else None
    # Outer ensembles fit their members on positions of labels; prefit ones know the labels.
    known = (np.arange(len(classes)), classes)
    return inner if any(np.array_equal(combiner.classes, labels) for labels in known) else None
