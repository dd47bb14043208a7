"""Any scikit-learn scorer: each candidate's predictions are combined and handed to the scorer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.metrics._scorer import _Scorer

from ..combiner import Combiner
from ..replay import Replay
from ..storage import is_on_disk, release
from ..threads import one_blas_thread
from .additive import AdditiveObjective
from .base import Given, refuse_mask


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


# Probabilities that are further from a total of one than this were rounded to float32.
_ADDS_UP = 1e-9


def replay_raw(combiner: Combiner, raw: np.ndarray) -> Replay:
    """The same for an affine combiner, from the raw score (n_outputs, n_samples)."""
    decision = raw[0] if len(raw) == 1 else raw.T
    proba = combiner.link.proba(raw).T if combiner.has_proba else None
    if proba is not None:
        # Outputs that were rounded to float32 do not quite add up to one, of which metrics warn.
        total = proba.sum(axis=1)
        off = np.abs(total - 1) > _ADDS_UP
        if off.any():
            proba = np.where(off[:, None], proba / np.where(off, total, 1)[:, None], proba)
    return Replay(
        combiner.classes,
        predict=partial(combiner.labels_of, raw),
        predict_proba=None if proba is None else proba.astype(combiner.dtype, copy=False),
        decision_function=decision if combiner.has_decision else None,
    )


def call_scorer(
    scorer: Callable[..., float], estimator: Any, X: Any, y: Any, sample_weight: Any = None
) -> float:
    """Score with sample weights where there are any."""
    weights = {} if sample_weight is None else {"sample_weight": sample_weight}
    try:
        score = scorer(estimator, X, y, **weights)
    except AttributeError as error:
        asked = _unanswered(scorer, estimator, error)
        if not asked:
            raise
        raise TypeError(
            f"scoring={scorer!r} asks for {' or '.join(asked)}, which this ensemble does not have; "
            "give a metric of what it predicts"
        ) from error
    try:
        return float(score)
    except (TypeError, ValueError) as error:
        raise TypeError(f"scoring={scorer!r} gave {score!r}, which is no number") from error


def _unanswered(scorer: Any, estimator: Any, error: AttributeError) -> tuple[str, ...]:
    """What a scorer asks of replayed answers that are not there; empty where it failed otherwise."""
    if not isinstance(estimator, Replay):
        return ()
    if error.obj is estimator:
        return (str(error.name),)
    asked = getattr(scorer, "_response_method", ())
    asked = (asked,) if isinstance(asked, str) else tuple(asked)
    return () if any(hasattr(estimator, method) for method in asked) else asked


class GenericObjective(AdditiveObjective):
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

    def _begin(self, given: Given) -> None:
        refuse_mask(self, given)
        self.n_members = len(given.outputs)
        self.selected = []
        self._outputs = given.outputs
        self._y = given.y
        self._combiner: Any = given.combiner
        self._sample_weight = given.sample_weight
        # scikit-learn's own scorers only hand rows on to the ensemble, which here answers from memory:
        # no cluster need be sent them.
        unseen = given.rows is None or type(self.scorer) is _Scorer
        self._rows = np.empty((len(given.y), 0)) if unseen else given.rows
        self._n_jobs = given.n_jobs
        self._restart()

    def _restart(self) -> None:
        # Of combiners that are not affine there is no sum.
        self._total = np.zeros(self._outputs.shape[1:])
        self._norm = 0.0
        if self._combiner.linear and not self._combiner.averages:
            self._total = self._combiner.shifted(self._total)

    def candidates(self, drop: bool = False) -> np.ndarray:
        scores = np.full(self.n_members, -np.inf)
        which = self._movable(drop)
        combiner = self._combiner
        sign = -1 if drop else 1
        if combiner.linear and combiner.averages:
            # Members of no weight alone have no mean.
            which = which[self._norm + sign * combiner.member_weights[which] > 0]
        if len(which) == 0:
            return scores
        # A file cannot be handed to other processes.
        where = {"require": "sharedmem"} if is_on_disk(self._outputs) else {"prefer": "threads"}
        jobs = effective_n_jobs(self._n_jobs)
        shares = np.array_split(which, min(len(which), 1 if jobs == 1 else 4 * jobs))
        current = self._combiner, tuple(self.selected), self._norm
        chosen: Any = None
        if combiner.linear and drop and is_on_disk(self._outputs):
            chosen = [self._outputs[t] for t in self.selected]  # where they are
        elif drop or not combiner.linear:
            chosen = self._outputs[self.selected]
        # Arrays are arguments of their own: a cluster is sent them once, not with every task.
        with one_blas_thread(jobs > 1):
            results = Parallel(n_jobs=self._n_jobs, **where)(
                delayed(_scores_of_moves)(
                    self.scorer, current, chosen, self._total, self._rows, self._y,
                    self._sample_weight, share, None if drop else _members(self._outputs, share),
                )
                for share in shares
            )  # fmt: skip
        scores[which] = np.concatenate(results)
        release(self._outputs)
        return scores

    def _accumulate(self, member: int) -> None:
        if self._combiner.linear:
            factor = self._combiner.member_weights[member]
            self._total += factor * self._outputs[member].astype(np.float64, copy=False)
            self._norm += factor
            release(self._outputs)

    def score(self) -> float:
        combiner = self._combiner
        if not self.selected or (combiner.linear and combiner.averages and not self._norm > 0):
            return float("nan")
        if combiner.linear:
            total = self._total
            if combiner.averages:
                total = combiner.shifted(total / self._norm)
            estimator = replay_raw(combiner, total)
        else:
            estimator = replay(combiner.take(self.selected), self._outputs[self.selected])
        return call_scorer(self.scorer, estimator, self._rows, self._y, self._sample_weight)


@dataclass(frozen=True)
class _State:
    """The current sub-ensemble, as a task on another machine needs it.

    Parameters
    ----------
    combiner : Combiner
        Of all members.
    selected : tuple of int
    chosen : ndarray of shape (n_selected, n_outputs, n_samples), list of its rows, or None
        Their outputs, where the running sum does not do.
    total : ndarray of shape (n_outputs, n_samples)
    norm : float
    """

    combiner: Any
    selected: tuple[int, ...]
    chosen: Any
    total: np.ndarray
    norm: float

    def added(self, member: int, output: np.ndarray) -> Replay:
        combiner = self.combiner
        if not combiner.linear:
            outputs = np.concatenate([self.chosen, output[None]])  # type: ignore[list-item]
            return replay(combiner.take([*self.selected, member]), outputs)
        factor = combiner.member_weights[member]
        total = self.total + factor * output.astype(np.float64, copy=False)
        if combiner.averages:
            total = combiner.shifted(total / (self.norm + factor))
        return replay_raw(combiner, total)

    def dropped(self, member: int) -> Replay:
        # Once: it may be in several times.
        out = self.selected.index(member)
        kept = [i for i in range(len(self.selected)) if i != out]
        combiner = self.combiner.take([self.selected[i] for i in kept])
        if combiner.linear:
            raw = combiner.raw_in_parts(self.chosen[i][None] for i in kept)
            return replay_raw(combiner, raw)
        return replay(combiner, self.chosen[kept])


def _scores_of_moves(
    scorer: Callable[..., float],
    current: tuple[Any, tuple[int, ...], float],
    chosen: Any,
    total: np.ndarray,
    rows: Any,
    y: np.ndarray,
    sample_weight: np.ndarray | None,
    members: np.ndarray,
    outputs: np.ndarray | None,
) -> np.ndarray:
    """Score of each of ``members`` added, given their outputs, or (without outputs) dropped.

    ``current`` is the combiner of all members, those that are in, and their total weight.
    """
    combiner, selected, norm = current
    state = _State(combiner, selected, chosen, total, norm)
    scores = np.empty(len(members))
    for position, member in enumerate(members):
        if outputs is None:
            estimator = state.dropped(int(member))
        else:
            estimator = state.added(int(member), outputs[position])
            release(outputs)
        scores[position] = call_scorer(scorer, estimator, rows, y, sample_weight)
    return scores


def _members(outputs: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Outputs of some members, ascending; a view where they are neighbours."""
    first, last = int(members[0]), int(members[-1]) + 1
    return outputs[first:last] if last - first == len(members) else outputs[members]
