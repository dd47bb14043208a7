"""Validation data: which rows judge members, and the score of sub-ensembles on them.

Scores on a path are scikit-learn's own scorer on predictions combined in float64, in the order in
which the pruned estimator adds them up, so they are what it will score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    log_loss,
    mean_absolute_error,
    mean_squared_error,
    r2_score,
    root_mean_squared_error,
)
from sklearn.model_selection import train_test_split
from sklearn.utils import _safe_indexing

from .combiner import Combiner
from .members.base import Members
from .objectives.base import class_positions, normalised_weights
from .objectives.generic import call_scorer, replay, replay_raw
from .path import PathPoint, PruningPath
from .refine import Labelled
from .replay import Replay

# Exact outputs of all members on a path are held at once up to this many bytes.
_EXACT_BYTES = 1 << 30

# Rounding of members' values to float32 may be this share of the targets' standard deviation.
_PRECISION = 1e-3

# Groups of the delete-a-group jackknife for metrics that are no averages over samples.
_JACKKNIFE_GROUPS = 10


@dataclass
class Validation:
    """Labelled rows, the members' outputs on them, and the metric.

    Parameters
    ----------
    members : Members
    X : array-like of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    scorer : callable
    sample_weight : ndarray of shape (n_samples,), default=None
    mask : ndarray of shape (n_members, n_samples), dtype bool, default=None
        Out-of-bag rows per member; None lets every member speak everywhere.
    n_jobs : int, default=None
    training : tuple of (X, y, sample_weight), default=None
        The rows that members were trained on, where those are others and known.
    """

    members: Members
    X: Any
    y: np.ndarray
    scorer: Callable[..., float]
    sample_weight: np.ndarray | None = None
    mask: np.ndarray | None = None
    n_jobs: int | None = None
    training: tuple[Any, np.ndarray, np.ndarray | None] | None = None
    outputs: np.ndarray = field(init=False)  # (n_members, n_outputs, n_samples)
    combiner: Combiner = field(init=False)

    def __post_init__(self) -> None:
        self.combiner = self.members.bind(self.X)
        self.outputs = self.members.outputs(self.X, self.n_jobs, dtype=self._precision())
        bad = ~np.isfinite(self.outputs).all(axis=(1, 2))
        if bad.any():
            raise ValueError(
                f"member {int(bad.argmax())} of {type(self.members.estimator).__name__} outputs "
                "NaN or infinity on the validation rows; such members cannot be compared"
            )

    def _precision(self) -> type:
        """float32, but not for averages of values that differ in their last digits only."""
        if self.combiner.classes is not None or self.combiner.kind == "sum" or len(self.y) == 0:
            return np.float32
        y = np.asarray(self.y, dtype=np.float64)
        lost = np.finfo(np.float32).eps * np.abs(y).max()
        return np.float32 if lost <= _PRECISION * y.std() else np.float64

    def score_full(self) -> tuple[float, float]:
        """Score of the whole ensemble and its standard error."""
        if self.mask is None and hasattr(self.members.estimator, "get_params"):
            estimator = self.members.estimator
            score = call_scorer(self.scorer, estimator, self.X, self.y, self.sample_weight)
            return score, self._standard_error(replay(self.combiner, self.outputs), slice(None))
        everyone = PathPoint(tuple(range(self.members.n_members)), 0.0, 0.0)
        return self._score(everyone, self.outputs)

    def score_path(self, path: PruningPath) -> PruningPath:
        """The path with the score and standard error of every point."""
        needed = sorted({t for point in path for t in point.indices})
        per_member = self.outputs[0].size * 8
        if len(needed) * per_member <= _EXACT_BYTES:
            exact = self.members.outputs(
                self.X, self.n_jobs, indices=np.array(needed), dtype=np.float64
            )
        else:
            exact = self.outputs[needed]
        at = {t: position for position, t in enumerate(needed)}
        return path.with_scores(
            [self._score(point, exact[[at[t] for t in point.indices]]) for point in path]
        )

    def _score(self, point: PathPoint, outputs: np.ndarray) -> tuple[float, float]:
        """Score and standard error of one point, given exactly its members' outputs."""
        combiner = self.combiner.take(point.indices, point.weight_array)
        rows: Any = slice(None)
        if self.mask is not None:
            raw = combiner.raw_out_of_bag(outputs, self.mask[list(point.indices)])  # type: ignore[attr-defined]
            return self.score_raw(combiner, raw)
        estimator = replay(combiner, outputs)
        score = self._call(self._real(point) or estimator, rows)
        return score, self._standard_error(estimator, rows)

    def score_raw(self, combiner: Combiner, raw: np.ndarray) -> tuple[float, float]:
        """Score and standard error of raw scores, where they are not NaN.

        Parameters
        ----------
        combiner : Combiner
        raw : ndarray of shape (n_outputs, n_samples)
        """
        rows = np.flatnonzero(np.isfinite(raw).all(axis=0))
        if len(rows) == 0:
            return float("nan"), float("nan")
        estimator = replay_raw(combiner, raw[:, rows])
        return self._call(estimator, rows), self._standard_error(estimator, rows)

    @property
    def evidence(self) -> list[Labelled]:
        """All labelled rows that a refinement may use."""
        judged = Labelled(self.X, self.y, self.sample_weight, seen=self.mask is not None)
        return [judged] if self.training is None else [judged, Labelled(*self.training, seen=True)]

    def _real(self, point: PathPoint) -> Any:
        """The pruned estimator itself, where its responses are more than members' outputs tell.

        Bagging of classifiers with a ``decision_function`` averages that too, and scorers such as
        ``"roc_auc"`` prefer it.
        """
        estimator = self.members.estimator
        if self.mask is not None or self.combiner.has_decision:
            return None
        if not hasattr(estimator, "decision_function"):
            return None
        return self.members.subset(point.indices, point.weight_array)

    def _call(self, estimator: Any, rows: Any) -> float:
        if isinstance(rows, slice):
            return call_scorer(self.scorer, estimator, self.X, self.y, self.sample_weight)
        weight = None if self.sample_weight is None else self.sample_weight[rows]
        X = _safe_indexing(self.X, rows)
        try:
            return call_scorer(self.scorer, estimator, X, self.y[rows], weight)
        except ValueError:
            if len(rows) == len(self.y):
                raise
            # Few members leave out few rows, which may lack a class the metric needs.
            return float("nan")

    def _standard_error(self, estimator: Replay, rows: Any) -> float:
        y = self.y[rows]
        if len(y) < 2:
            return float("nan")
        weight = None if self.sample_weight is None else self.sample_weight[rows]
        losses = _sample_losses(self.scorer, estimator, y)
        if losses is None:
            return self._jackknife(estimator, rows)
        share = normalised_weights(weight, len(y))
        mean = share @ losses
        se = float(np.sqrt((share**2 * (losses - mean) ** 2).sum()))
        metric = self.scorer._score_func  # type: ignore[attr-defined]
        if metric is root_mean_squared_error:
            return se / (2 * np.sqrt(mean)) if mean > 0 else 0.0
        if metric is r2_score:
            variance = share @ (y - share @ y) ** 2
            return se / variance if variance > 0 else float("nan")
        return se

    def _jackknife(self, estimator: Replay, rows: Any) -> float:
        """Standard error by leaving out a tenth of the rows at a time, alike in their labels."""
        at = np.arange(len(self.y))[rows]
        y = self.y[at]
        if len(y) < _JACKKNIFE_GROUPS:
            return float("nan")
        group = np.empty(len(y), dtype=int)
        group[np.argsort(y, kind="stable")] = np.arange(len(y)) % _JACKKNIFE_GROUPS
        scores = []
        for left_out in range(_JACKKNIFE_GROUPS):
            kept = np.flatnonzero(group != left_out)
            weight = None if self.sample_weight is None else self.sample_weight[at[kept]]
            X = _safe_indexing(self.X, at[kept])
            try:
                score = call_scorer(self.scorer, estimator.rows(kept), X, y[kept], weight)
            except ValueError:
                return float("nan")
            scores.append(score)
        spread = np.var(scores)
        return float(np.sqrt((_JACKKNIFE_GROUPS - 1) * spread))


def _sample_losses(scorer: Any, estimator: Replay, y: np.ndarray) -> np.ndarray | None:
    """Per-sample values whose mean is the metric (or what it is a function of), or None."""
    metric = getattr(scorer, "_score_func", None)
    if getattr(scorer, "_kwargs", None):
        return None
    if metric is accuracy_score:
        return np.asarray(estimator.predict_ == y, dtype=np.float64)
    if metric is mean_absolute_error:
        return np.abs(estimator.predict_ - y)
    if metric in (mean_squared_error, root_mean_squared_error, r2_score):
        return (estimator.predict_ - y) ** 2
    if metric in (log_loss, brier_score_loss) and estimator.predict_proba_ is not None:
        proba = np.asarray(estimator.predict_proba_, dtype=np.float64)
        labels = class_positions(y, estimator.classes_)
        if metric is log_loss:
            eps = np.finfo(estimator.predict_proba_.dtype).eps
            return -np.log(np.clip(proba[np.arange(len(y)), labels], eps, 1 - eps))
        hot = labels[:, None] == np.arange(proba.shape[1])
        return ((proba - hot) ** 2).sum(axis=1) * (0.5 if proba.shape[1] == 2 else 1.0)
    return None


def hold_out(y: Any, share: float, classifies: bool, random_state: Any) -> Iterable[np.ndarray]:
    """Split rows into a training and a validation part, stratified for a classifier.

    Returns
    -------
    train, validation : ndarray of int
        Row positions.
    """
    rows = np.arange(len(y))
    stratify = None
    if classifies:
        _, counts = np.unique(np.asarray(y), return_counts=True)
        n_validation = int(np.ceil(share * len(y)))
        enough = min(n_validation, len(y) - n_validation) >= len(counts)
        # A class with a single row cannot be on both sides.
        stratify = np.asarray(y) if counts.min() >= 2 and enough else None
    return train_test_split(rows, test_size=share, stratify=stratify, random_state=random_state)
