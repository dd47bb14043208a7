"""Validation data: which rows judge members, and the score of sub-ensembles on them.

Scores on a path are scikit-learn's own scorer on predictions combined in float64, in the order in
which the pruned estimator adds them up, so they are what it will score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.metrics import r2_score, root_mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.utils import _safe_indexing

from .averages import sample_losses
from .combiner import Combiner
from .members.base import Members
from .objectives.base import normalised_weights
from .objectives.generic import call_scorer, replay, replay_raw
from .path import PathPoint, PruningPath
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
    """

    members: Members
    X: Any
    y: np.ndarray
    scorer: Callable[..., float]
    sample_weight: np.ndarray | None = None
    mask: np.ndarray | None = None
    n_jobs: int | None = None
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
            everywhere = np.arange(len(self.y))
            return score, self._standard_error(replay(self.combiner, self.outputs), everywhere)
        everyone = PathPoint(tuple(range(self.members.n_members)), 0.0, 0.0)
        return self._score(*self._replay(everyone, self.outputs))

    def score_path(self, path: PruningPath) -> PruningPath:
        """The path with the score and standard error of every point."""
        return path.with_scores([self._score(*judged) for judged in self.replays(path)])

    def replays(self, points: Iterable[PathPoint]) -> Iterator[tuple[Replay, np.ndarray]]:
        """What each of some sub-ensembles answers on the validation rows.

        Parameters
        ----------
        points : iterable of PathPoint

        Yields
        ------
        replay : Replay
            Answers as the pruned estimator gives them, out of bag where there is a mask.
        rows : ndarray of int
            The rows they are for: out of bag some may have nobody to speak for them.
        """
        points = list(points)
        needed = sorted({t for point in points for t in point.indices})
        per_member = self.outputs[0].size * 8
        if len(needed) * per_member <= _EXACT_BYTES:
            exact = self.members.outputs(
                self.X, self.n_jobs, indices=np.array(needed), dtype=np.float64
            )
        else:
            exact = self.outputs[needed]
        at = {t: position for position, t in enumerate(needed)}
        for point in points:
            yield self._replay(point, exact[[at[t] for t in point.indices]])

    def _replay(self, point: PathPoint, outputs: np.ndarray) -> tuple[Replay, np.ndarray]:
        """Answers of one point, given exactly its members' outputs, and their rows."""
        combiner = self.combiner.take(point.indices, point.weight_array)
        everywhere = np.arange(len(self.y))
        if self.mask is not None:
            raw = combiner.raw_out_of_bag(outputs, self.mask[list(point.indices)])  # type: ignore[attr-defined]
            rows = np.flatnonzero(np.isfinite(raw).all(axis=0))
            return replay_raw(combiner, raw[:, rows]), rows
        answers = replay(combiner, outputs)
        estimator = self.members.estimator
        if not combiner.has_decision and hasattr(estimator, "decision_function"):
            # Bagging of classifiers averages their decision functions too, which members'
            # outputs do not tell, and scorers such as "roc_auc" prefer them.
            real = self.members.subset(point.indices, point.weight_array)
            answers.decision_function_ = real.decision_function(self.X)
        return answers, everywhere

    def _score(self, estimator: Replay, rows: np.ndarray) -> tuple[float, float]:
        if len(rows) == 0:
            return float("nan"), float("nan")
        return self.score_on(estimator, rows), self._standard_error(estimator, rows)

    def score_on(self, estimator: Replay, rows: np.ndarray) -> float:
        """The metric on some of the rows, given the answers for exactly these; may be NaN."""
        if np.array_equal(rows, np.arange(len(self.y))):
            return call_scorer(self.scorer, estimator, self.X, self.y, self.sample_weight)
        weight = None if self.sample_weight is None else self.sample_weight[rows]
        X = _safe_indexing(self.X, rows)
        try:
            return call_scorer(self.scorer, estimator, X, self.y[rows], weight)
        except ValueError:
            # Few members leave out few rows, which may lack a class the metric needs.
            return float("nan")

    def _standard_error(self, estimator: Replay, rows: np.ndarray) -> float:
        y = self.y[rows]
        if len(y) < 2:
            return float("nan")
        weight = None if self.sample_weight is None else self.sample_weight[rows]
        losses = sample_losses(self.scorer, estimator, y)
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

    def _jackknife(self, estimator: Replay, rows: np.ndarray) -> float:
        """Standard error by leaving out a tenth of the rows at a time, alike in their labels."""
        y = self.y[rows]
        if len(y) < _JACKKNIFE_GROUPS:
            return float("nan")
        group = np.empty(len(y), dtype=int)
        group[np.argsort(y, kind="stable")] = np.arange(len(y)) % _JACKKNIFE_GROUPS
        scores = []
        for left_out in range(_JACKKNIFE_GROUPS):
            kept = np.flatnonzero(group != left_out)
            weight = None if self.sample_weight is None else self.sample_weight[rows[kept]]
            X = _safe_indexing(self.X, rows[kept])
            try:
                score = call_scorer(self.scorer, estimator.rows(kept), X, y[kept], weight)
            except ValueError:
                return float("nan")
            scores.append(score)
        spread = np.var(scores)
        return float(np.sqrt((_JACKKNIFE_GROUPS - 1) * spread))


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
