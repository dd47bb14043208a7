"""The area under the ROC curve of given scores, for one set of weights after another.

The scores are sorted once: of rows drawn again and again, and for the standard error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from .objectives.registry import is_standard
from .replay import Replay


@dataclass(frozen=True)
class RankedRows:
    """Rows of two classes in the order of their scores.

    Parameters
    ----------
    order : ndarray of shape (n_samples,), dtype int
        Positions of the rows, from the lowest score to the highest.
    starts : ndarray of shape (n_ties,), dtype int
        Where in this order each run of equal scores begins.
    positive : ndarray of shape (n_samples,), dtype bool
        Whether a row is of the second class, in this order.
    """

    order: np.ndarray
    starts: np.ndarray
    positive: np.ndarray

    @classmethod
    def of(cls, scorer: Any, estimator: Replay, y: np.ndarray) -> RankedRows | None:
        """What scikit-learn's ``"roc_auc"`` ranks; None for other scorers, or other than two classes."""
        if getattr(scorer, "_score_func", None) is not roc_auc_score:
            return None
        classes: Any = getattr(estimator, "classes_", ())
        if scorer._kwargs or not is_standard(scorer) or len(classes) != 2 or len(y) == 0:
            return None
        scores = estimator.decision_function_
        if scores is None and estimator.predict_proba_ is not None:
            scores = estimator.predict_proba_[:, 1]
        if scores is None or scores.ndim != 1 or np.isnan(scores).any():
            return None
        order = np.argsort(scores, kind="stable")
        ranked = scores[order]
        starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
        return cls(order, starts, np.asarray(y == classes[1])[order])

    def area(self, weight: np.ndarray) -> float:
        """The area if each row had such a weight, (n_samples,); NaN where a class has none."""
        _, below, hits, others = self._runs(weight[self.order])
        total = hits.sum() * others.sum()
        return float(hits @ below / total) if total > 0 else float("nan")

    def standard_error(self, weight: np.ndarray | None = None) -> float:
        """Of the area, from what each row adds to it.

        References
        ----------
        DeLong, DeLong & Clarke-Pearson, "Comparing the areas under two or more correlated receiver
        operating characteristic curves", Biometrics 44 (1988); for large samples, where one row less
        makes no difference.
        """
        ranked = np.ones(len(self.order)) if weight is None else weight[self.order]
        above, below, hits, others = self._runs(ranked)
        n_hits, n_others = hits.sum(), others.sum()
        if not (n_hits > 0 and n_others > 0):
            return float("nan")
        run = np.repeat(np.arange(len(self.starts)), np.diff(self.starts, append=len(ranked)))
        # Share of the other class that a row is rightly ranked against.
        right = np.where(self.positive, below[run] / n_others, above[run] / n_hits)
        share = ranked / np.where(self.positive, n_hits, n_others)
        area = hits @ below / (n_hits * n_others)
        return float(np.sqrt((share**2 * (right - area) ** 2).sum()))

    def _runs(self, ranked: np.ndarray) -> tuple[np.ndarray, ...]:
        """Weights of runs of ties: of one class above, of the other below, and of both in the run.

        Half of the run's own counts as above, and as below.
        """
        hits = np.add.reduceat(np.where(self.positive, ranked, 0.0), self.starts)
        others = np.add.reduceat(np.where(self.positive, 0.0, ranked), self.starts)
        below = np.cumsum(others) - others / 2
        above = hits.sum() - np.cumsum(hits) + hits / 2
        return above, below, hits, others
