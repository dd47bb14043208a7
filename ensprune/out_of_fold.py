"""Out-of-fold answers: what members and final estimators say of rows they were fitted without.

The counterpart of out-of-bag for an ensemble that cross-fits its members: nothing is held out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from .combiner import Combiner, Indices
from .link import Link


@dataclass(frozen=True, eq=False)
class CrossFitted(Combiner):
    """Each fold's samples are combined by what was fitted on the other folds.

    Parameters
    ----------
    parts : tuple of Combiner
        One per fold, all of the same members, fitted without the fold's samples. Those that hold
        something per sample hold it for all samples.
    part_of : ndarray of shape (n_samples,), dtype int
        The fold of each sample.
    """

    parts: tuple[Combiner, ...]
    part_of: np.ndarray

    @property
    def classes(self) -> np.ndarray | None:  # type: ignore[override]
        return self.parts[0].classes

    @property
    def kind(self) -> str:  # type: ignore[override]
        return self.parts[0].kind

    @property
    def link(self) -> Link:  # type: ignore[override]
        return self.parts[0].link

    @property
    def has_proba(self) -> bool:
        return self.parts[0].has_proba

    @property
    def has_decision(self) -> bool:
        return self.parts[0].has_decision

    def take(self, indices: Indices, weights: np.ndarray | None = None) -> CrossFitted:
        return replace(self, parts=tuple(part.take(indices, weights) for part in self.parts))

    def on_rows(self, rows: np.ndarray) -> CrossFitted:
        parts = tuple(part.on_rows(rows) for part in self.parts)
        return CrossFitted(parts, self.part_of[rows])

    def raw(self, outputs: np.ndarray) -> np.ndarray:
        return self._answers("raw", outputs, axis=-1)

    def predict(self, outputs: np.ndarray) -> np.ndarray:
        return self._answers("predict", outputs, axis=0)

    def predict_proba(self, outputs: np.ndarray) -> np.ndarray:
        return self._answers("predict_proba", outputs, axis=0)

    def decision_function(self, outputs: np.ndarray) -> np.ndarray:
        return self._answers("decision_function", outputs, axis=0)

    def _answers(self, method: str, outputs: np.ndarray, axis: int) -> np.ndarray:
        """What the parts answer for their samples, in the order of the samples along ``axis``."""
        rows_of = [np.flatnonzero(self.part_of == number) for number in range(len(self.parts))]
        answers = [
            getattr(part.on_rows(rows), method)(outputs[:, :, rows])
            for part, rows in zip(self.parts, rows_of, strict=True)
            if len(rows)
        ]
        order = np.argsort(np.concatenate(rows_of))
        return np.concatenate(answers, axis=axis).take(order, axis=axis)


class OutOfFold(NamedTuple):
    """Members and their combination, out of fold, on the rows an ensemble was trained on.

    Parameters
    ----------
    outputs : ndarray of shape (n_members, n_outputs, n_samples), dtype float64
        Each sample's by members that were fitted without it.
    combiner : Combiner
        Bound to these samples, and fitted without each, too.
    """

    outputs: np.ndarray
    combiner: Combiner

    def on_rows(self, rows: np.ndarray) -> OutOfFold:
        """The same for some of the samples."""
        return OutOfFold(self.outputs[:, :, rows], self.combiner.on_rows(rows))


__all__ = ["CrossFitted", "OutOfFold"]
