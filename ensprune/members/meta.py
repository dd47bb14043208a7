"""What a stacking model combines its base learners by: a final estimator, fitted anew for a cut."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.utils import _safe_indexing

from ..codes import one_hot
from ..combiner import Combiner, Indices
from ..link import Identity, Link, Probability, Votes
from .seeds import seeded, unseeded


@dataclass(frozen=True)
class MetaRows:
    """What a final estimator is fitted on: outputs of all base learners, and labels."""

    outputs: np.ndarray  # (n_members, n_outputs, n_samples), of the whole ensemble
    passthrough: Any  # the original rows, or None
    y: np.ndarray
    sample_weight: np.ndarray | None
    fold_of: np.ndarray | None  # (n_samples,): the base learners' folds; None of unseen rows

    def without(self, fold: int) -> MetaRows:
        """The rows of all folds but one."""
        assert self.fold_of is not None
        rows = np.flatnonzero(self.fold_of != fold)
        weight, passed = self.sample_weight, self.passthrough
        return MetaRows(
            self.outputs[:, :, rows],
            None if passed is None else _safe_indexing(passed, rows),
            self.y[rows],
            None if weight is None else weight[rows],
            self.fold_of[rows],
        )


@dataclass(frozen=True, eq=False)
class MetaCombiner(Combiner):
    """A final estimator over the base learners' columns.

    Taking a sub-ensemble refits the final estimator on the kept columns where its training rows
    are known, and otherwise slices the coefficients of a linear one.

    Parameters
    ----------
    final : estimator
        The fitted ``final_estimator_``.
    widths : tuple of int
        Columns of each member; its output's further rows are padding.
    classes : ndarray of shape (n_classes,) or None
    members : ndarray of shape (n_members,)
        Positions of these members in the whole ensemble.
    passes_through : bool
        Whether the final estimator sees the original columns after the members'.
    rows : array-like of shape (n_samples, n_features) or None
        The original columns of the rows the outputs are for.
    training : MetaRows or None
    """

    final: Any
    widths: tuple[int, ...]
    classes: np.ndarray | None
    members: np.ndarray
    passes_through: bool
    rows: Any = None
    training: MetaRows | None = None
    kind: str = "meta"

    @property
    def link(self) -> Link:  # type: ignore[override]
        if self.classes is None:
            return Identity()
        return Probability() if hasattr(self.final, "predict_proba") else Votes()

    def take(self, indices: Indices, weights: np.ndarray | None = None) -> MetaCombiner:
        kept = np.asarray(indices, dtype=np.intp)
        if np.array_equal(kept, np.arange(len(self.members))):
            return self
        cut = replace(self, members=self.members[kept], widths=tuple(self.widths[t] for t in kept))
        if self.training is not None:
            return replace(cut, final=cut._refitted())
        return replace(cut, final=self._sliced(kept))

    def on_rows(self, rows: np.ndarray) -> MetaCombiner:
        return self if self.rows is None else replace(self, rows=_safe_indexing(self.rows, rows))

    def without(self, fold: int) -> MetaCombiner:
        """The same with a final estimator fitted on the other folds."""
        assert self.training is not None
        others = replace(self, training=self.training.without(fold))
        return replace(others, final=others._refitted())

    def _refitted(self) -> Any:
        training = self.training
        assert training is not None
        matrix = _side_by_side(training.outputs[self.members], self.widths, training.passthrough)
        fit_params = (
            {} if training.sample_weight is None else {"sample_weight": training.sample_weight}
        )
        # Without a seed the one that is scored and the one that is kept would be two.
        final = clone(self.final)
        given_none = dict.fromkeys(unseeded(final))
        return seeded(final, 0).fit(matrix, training.y, **fit_params).set_params(**given_none)

    def _sliced(self, kept: np.ndarray) -> Any:
        computed = isinstance(getattr(type(self.final), "coef_", None), property)  # SVC
        if computed or not (hasattr(self.final, "coef_") and hasattr(self.final, "intercept_")):
            raise ValueError(
                f"the final estimator {type(self.final).__name__} is not linear, or keeps no "
                "coefficients that can be cut: cutting base learners means refitting it, which "
                "needs the training data; prune while fitting "
                "(EnsemblePruner(stacking).fit(X, y)), or give the rows to "
                "Members.set_training_data"
            )
        starts = np.concatenate([[0], np.cumsum(self.widths)])
        columns = np.concatenate(
            [np.arange(starts[t], starts[t + 1]) for t in kept]
            + [np.arange(starts[-1], self.final.coef_.shape[-1])]  # passed through: all kept
        )
        final = copy.copy(self.final)
        final.coef_ = self.final.coef_[..., columns]
        final.n_features_in_ = len(columns)
        return final

    def _matrix(self, outputs: np.ndarray) -> Any:
        if self.passes_through and self.rows is None:
            raise ValueError(
                "this stacking model passes the original columns through: use Members.bind(X)"
            )
        return _side_by_side(outputs, self.widths, self.rows if self.passes_through else None)

    def raw(self, outputs: np.ndarray) -> np.ndarray:
        matrix = self._matrix(outputs)
        if self.classes is None:
            return self.final.predict(matrix)[None]
        if hasattr(self.final, "predict_proba"):
            return self.final.predict_proba(matrix).T
        return one_hot(self.final.predict(matrix), len(self.classes)).astype(np.float64)

    def predict(self, outputs: np.ndarray) -> np.ndarray:
        predicted = self.final.predict(self._matrix(outputs))
        return predicted if self.classes is None else self.classes.take(predicted)

    def decision_function(self, outputs: np.ndarray) -> np.ndarray:
        return self.final.decision_function(self._matrix(outputs))

    @property
    def has_decision(self) -> bool:
        return hasattr(self.final, "decision_function")


def _side_by_side(outputs: np.ndarray, widths: tuple[int, ...], rows: Any) -> Any:
    """The final estimator's input: members' columns side by side, then the original ones."""
    columns: list[Any] = [output[:width].T for output, width in zip(outputs, widths, strict=True)]
    if rows is None:
        return np.hstack(columns)
    if sparse.issparse(rows):
        columns.append(rows)
        return sparse.hstack(columns, format="csr")
    return np.hstack([*columns, rows])
