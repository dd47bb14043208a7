"""From a fitted pruner to its report: what a fit keeps for it, and the method that makes it.

The report itself is in ``inspection/``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples, check_is_fitted

if TYPE_CHECKING:
    from .inspection.report import PruningReport

# Rows of a batch to time predictions on.
ROWS = 1000

# Numbers in the rows that a fit keeps for that: a megabyte of them.
_NUMBERS = 1 << 17


@dataclass(frozen=True)
class Judged:
    """What a report needs to know of the rows that scored a pruner; small enough to be pickled.

    Parameters
    ----------
    rows : array-like of shape (n_few, n_features)
        A few of them.
    n_rows : int
        How many there were.
    role : {"chose", "certified", "held out", "trained"}
        What else they were for: members were chosen by them, or the choice certified; or nothing
        but to score, or everything.
    unseen : {"out of bag", "out of fold"} or None
        How training rows were scored only by members that had not seen them; None for others.
    se_full, se_pruned : float
        Standard errors of ``score_full_`` and ``score_pruned_``; NaN where not known.
    """

    rows: Any
    n_rows: int
    role: str
    unseen: str | None
    se_full: float
    se_pruned: float

    @classmethod
    def on(
        cls, X: Any, role: str, se_full: float, se_pruned: float, unseen: str | None = None
    ) -> Judged:
        """The record of rows ``X``."""
        return cls(few_rows(X), _num_samples(X), role, unseen, se_full, se_pruned)

    def __str__(self) -> str:
        """The rows in a few words, for axes."""
        name = {"certified": "certification rows", "trained": "training rows"}.get(
            self.role, "validation rows"
        )
        if self.unseen is None:
            return name
        return f"{name}, {self.unseen}" if self.role == "certified" else self.unseen

    @property
    def sentence(self) -> str:
        """The rows, and what that means for scores on them."""
        kind = "training" if self.unseen or self.role == "trained" else "validation"
        said = f"on {self.n_rows:,} {kind} rows{f', {self.unseen}' if self.unseen else ''}"
        if self.role == "certified":
            return f"{said}, which had no part in choosing"
        if self.role == "held out":
            return f"{said}, which had no part in training and pruning"
        if self.role == "trained":
            said += ", which flatters"
        else:
            said += ", which also chose what is kept"
        if self.unseen:
            said += ", each judged by the members that have not seen it"
        return f"{said}; report(X_test, y_test) scores test rows"


def few_rows(X: Any) -> Any:
    """A few rows, evenly spaced: in sorted data the first ones may be all alike."""
    n_rows = _num_samples(X)
    n_few = min(n_rows, ROWS)
    shape = getattr(X, "shape", ())
    if len(shape) > 1 and not sparse.issparse(X):
        n_few = min(n_few, max(1, _NUMBERS // int(np.prod(shape[1:]))))
    return _safe_indexing(X, np.linspace(0, n_rows - 1, n_few).astype(np.intp))


class Reports:
    """A fitted pruner that can report on what it did."""

    _judged: Judged

    def report(self, X: Any = None, y: Any = None, *, sample_weight: Any = None) -> PruningReport:
        """Before and after, side by side: size, prediction time and metric.

        Times are measured, by this call: the full and the pruned estimator predict the same rows
        in turns.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            Rows to time predictions on, and with ``y`` to score on: test rows that neither the
            fit nor the pruning has seen. None takes the scores of the fit, and times predictions
            of a few validation rows that the fit has kept.
        y : array-like of shape (n_samples,), default=None
            Their labels or values.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows for the metric.

        Returns
        -------
        PruningReport
            Text by ``print``, a table with the path as a figure in notebooks, ``to_markdown()``,
            ``to_html()`` and ``to_frame()``.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the pruner is not fitted.
        TypeError
            If ``X`` is no array, table or matrix.
        ValueError
            If ``X`` has no rows, or ``y`` or ``sample_weight`` is given without it, or of another
            length.
        """
        check_is_fitted(self, "pruned_estimator_")
        from .inspection.report import make_report

        return make_report(self, X, y, sample_weight)
