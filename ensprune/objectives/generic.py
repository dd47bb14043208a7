"""Any scikit-learn scorer: each candidate's predictions are combined and handed to the scorer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from ..combiner import Combiner
from ..replay import Replay
from .base import Objective


def replay(combiner: Combiner, outputs: np.ndarray) -> Replay:
    """The ensemble of ``combiner`` with members' ``outputs``, as something a scorer can score."""
    if combiner.linear:
        return replay_raw(combiner, combiner.raw(outputs))
    return Replay(
        combiner.classes,
        predict=combiner.predict(outputs),
        predict_proba=combiner.predict_proba(outputs) if combiner.has_proba else None,
        decision_function=combiner.decision_function(outputs) if combiner.has_decision else None,
    )


def replay_raw(combiner: Combiner, raw: np.ndarray) -> Replay:
    """The same for an affine combiner, from the raw score (n_outputs, n_samples)."""
    decision = raw[0] if len(raw) == 1 else raw.T
    proba = combiner.link.proba(raw).T if combiner.has_proba else None
    return Replay(
        combiner.classes,
        predict=combiner.labels_of(raw),
        predict_proba=None if proba is None else proba.astype(combiner.dtype, copy=False),
        decision_function=decision if combiner.has_decision else None,
    )


def call_scorer(
    scorer: Callable[..., float], estimator: Any, X: Any, y: Any, sample_weight: Any = None
) -> float:
    """Score with sample weights where there are any."""
    if sample_weight is None:
        return float(scorer(estimator, X, y))
    return float(scorer(estimator, X, y, sample_weight=sample_weight))


class GenericObjective(Objective):
    """Exact for every scorer and every combiner; costs one call of the scorer per candidate.

    Candidates are scored side by side by joblib (threads unless
    ``joblib.parallel_config(backend=...)`` says otherwise).

    Parameters
    ----------
    scorer : callable
        ``scorer(estimator, X, y, sample_weight=...)``, greater is better.
    """

    def __init__(self, scorer: Callable[..., float]):
        self.scorer = scorer

    def start(
        self,
        outputs: np.ndarray,
        y: np.ndarray,
        combiner: Combiner,
        sample_weight: np.ndarray | None = None,
        *,
        mask: np.ndarray | None = None,
        rows: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        if mask is not None:
            raise ValueError(
                "GenericObjective has no out-of-bag form: select by squared error instead"
            )
        self.n_members = len(outputs)
        self.selected = []
        self._outputs = outputs
        self._y = y
        self._combiner = combiner
        self._sample_weight = sample_weight
        self._rows = np.empty((len(y), 0)) if rows is None else rows
        self._n_jobs = n_jobs
        self._restart()

    def _restart(self) -> None:
        """The running sum of an affine combiner, with no member in it."""
        self._total = np.zeros(self._outputs.shape[1:])
        self._norm = 0.0
        if self._combiner.linear and not self._combiner.averages:  # type: ignore[attr-defined]
            self._total = self._combiner.shifted(self._total)  # type: ignore[attr-defined]

    def _scored(self, estimator: Replay) -> float:
        return call_scorer(self.scorer, estimator, self._rows, self._y, self._sample_weight)

    def _one_move(self, member: int, sign: int) -> float:
        """Score of the current sub-ensemble with ``member`` added (+1), dropped (-1) or as is (0)."""
        combiner: Any = self._combiner
        if combiner.linear and sign >= 0:
            factor = sign * combiner.member_weights[member]
            total = self._total + factor * self._outputs[member].astype(np.float64, copy=False)
            if combiner.averages:
                total = combiner.shifted(total / (self._norm + factor))
            return self._scored(replay_raw(combiner, total))
        members = [t for t in self.selected if sign >= 0 or t != member]
        if sign > 0:
            members.append(member)
        return self._scored(replay(combiner.take(members), self._outputs[members]))

    def candidates(self, drop: bool = False) -> np.ndarray:
        scores = np.full(self.n_members, -np.inf)
        if drop:
            which = list(dict.fromkeys(self.selected)) if len(self.selected) > 1 else []
        else:
            which = list(range(self.n_members))
        combiner: Any = self._combiner
        if combiner.linear and combiner.averages:
            # Members of no weight alone have no mean.
            sign = -1.0 if drop else 1.0
            which = [t for t in which if self._norm + sign * combiner.member_weights[t] > 0]
        scores[which] = Parallel(n_jobs=self._n_jobs, prefer="threads")(
            delayed(self._one_move)(t, -1 if drop else 1) for t in which
        )
        return scores

    def _accumulate(self, member: int) -> None:
        if self._combiner.linear:
            factor = self._combiner.member_weights[member]  # type: ignore[attr-defined]
            self._total += factor * self._outputs[member].astype(np.float64, copy=False)
            self._norm += factor

    def add(self, member: int) -> None:
        self.selected.append(int(member))
        self._accumulate(member)

    def drop(self, member: int) -> None:
        # Added up anew, since taking away leaves rounding behind that unties samples.
        self.selected.remove(int(member))
        self._restart()
        for kept in self.selected:
            self._accumulate(kept)

    def score(self) -> float:
        combiner: Any = self._combiner
        if not self.selected or (combiner.linear and combiner.averages and not self._norm > 0):
            return float("nan")
        return self._one_move(self.selected[0], 0)
