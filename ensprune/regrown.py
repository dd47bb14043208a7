"""An ensemble in all classes that there are: trees grown anew on some rows may have missed one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils.validation import _num_samples

from .combiner import Combiner
from .members.leaves import Leaves
from .objectives.base import class_positions
from .refine import Opinion


class InClassesOf:
    """Trees grown on some of the rows, whose labels may lack a class, in all classes.

    Parameters
    ----------
    members : Members and HasLeaves
    whole : Combiner
        Of the ensemble that knows all classes.
    """

    def __init__(self, members: Any, whole: Combiner):
        self.combiner = whole
        self._members = members

    def opinion(self, X: Any, n_jobs: int | None) -> Opinion | None:
        """What all members say of the rows they were grown on, out of bag."""
        members = self._members
        mask = members.out_of_bag(_num_samples(X))
        if mask is None:
            return None
        found = Opinion.of(members.combiner, members.outputs(X, n_jobs), mask)
        if found is None:
            return None
        silent = np.isnan(found.mean).any(axis=0)
        mean = self._in_all(found.mean)
        mean[:, silent] = np.nan
        return replace(found, mean=mean, speaker=self)

    def answers(self, X: Any) -> np.ndarray:
        """What the ensemble predicts for rows, shape (n_outputs, n_samples)."""
        estimator = self._members.estimator
        if self.combiner.classes is None:
            return np.asarray(estimator.predict(X), dtype=np.float64)[None]
        return self._in_all(np.asarray(estimator.predict_proba(X), dtype=np.float64).T)

    def _in_all(self, mean: np.ndarray) -> np.ndarray:
        """Rows for all classes; none has a chance that was missed."""
        mine, classes = self._members.combiner.classes, self.combiner.classes
        if classes is None or len(mine) == len(classes):
            return mean
        result = np.zeros((len(classes), mean.shape[1]))
        result[class_positions(mine, classes)] = mean
        return result

    def leaves(self) -> Leaves:
        leaves = self._members.leaves()
        mine, classes = self._members.combiner.classes, self.combiner.classes
        if classes is None or len(mine) == len(classes):
            return leaves
        at = class_positions(mine, classes)
        values = np.zeros((leaves.n_leaves, len(classes)))
        values[:, at] = leaves.values
        speaks = leaves.speaks
        if speaks is not None:
            speaks = np.zeros(values.shape, dtype=bool)
            speaks[:, at] = leaves.speaks
        return replace(leaves, values=values, speaks=speaks)

    def bind(self, X: Any) -> Combiner:
        return self.combiner

    def unwrapped(self, X: Any) -> tuple[Any, Any]:
        members, rows = self._members.unwrapped(X)
        return InClassesOf(members, self.combiner), rows

    def __getattr__(self, name: str) -> Any:
        if name == "_members":  # while it is unpickled there are none
            raise AttributeError(name)
        return getattr(self._members, name)
