"""Validation rows: what members say of them, and the score of sub-ensembles on them.

Scores on a path are scikit-learn's own scorer on predictions combined in float64, in the order in
which the pruned estimator adds them up, so they are what it will score. How answers are scored is
``scored_rows.py``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from sklearn.metrics._scorer import _Scorer
from sklearn.utils import _safe_indexing

from .along import AlongPath
from .arguments import values_of
from .combiner import Combiner, affine
from .members.base import Members
from .members.opening import open_members
from .members.reading import read_members, shares_memory
from .objectives.base import class_positions
from .objectives.generic import replay, replay_raw
from .out_of_fold import OutOfFold
from .path import PathPoint, PruningPath
from .refine import Labelled, Opinion
from .regrown import InClassesOf
from .replay import Replay
from .room import Room
from .scored_rows import ScoredRows
from .storage import blocks_of, on_disk, release, samples_of, store_samples

# Rounding of members' values to float32 may be this share of the targets' standard deviation.
_PRECISION = 1e-3

# Bytes of exact outputs that are read at a time where nothing of them but their sum is kept, so that
# they stay in cache; and for each of several threads, which take a while to begin.
_PASSING = 1 << 23
_PASSING_EACH = 1 << 24


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
    memory_limit : int, default=None
        Bytes that judging the members may take. Outputs that do not fit go to a temporary file.
    training : tuple of (X, y, sample_weight), default=None
        The rows that members were trained on, where those are others and known.
    among : tuple of (int, ndarray of int), default=None
        With a mask over some of the training rows only: how many there were, and which these are.
    out_of_fold : OutOfFold, default=None
        On training rows of an ensemble that cross-fits its members: what they say of these rows.
        None reads the members as they are.
    """

    members: Members
    X: Any
    y: np.ndarray
    scorer: Callable[..., float]
    sample_weight: np.ndarray | None = None
    mask: np.ndarray | None = None
    n_jobs: int | None = None
    memory_limit: int | None = None
    training: tuple[Any, np.ndarray, np.ndarray | None] | None = None
    among: tuple[int, np.ndarray] | None = None
    out_of_fold: OutOfFold | None = None
    outputs: np.ndarray = field(init=False)  # (n_members, n_outputs, n_samples)
    combiner: Combiner = field(init=False)

    def __post_init__(self) -> None:
        known = self.out_of_fold
        self.combiner = self.members.bind(self.X) if known is None else known.combiner
        self._positions: np.ndarray | None = None
        if self.combiner.classes is not None:
            self._positions = class_positions(self.y, self.combiner.classes)
        else:
            self.y = values_of(self.y)
        self._room = Room(
            self.members.n_members,
            self.members.n_outputs,
            len(self.y),
            np.dtype(self._precision()).itemsize,
            0 if self.mask is None else self.mask.nbytes,
            self.memory_limit,
        )
        self._whole: list[Replay] = []
        self.outputs = self._read()

    def _read(self) -> np.ndarray:
        """Outputs of all members; on the way, what the whole ensemble answers, where that is exact.

        An ensemble that adds up in float64 is added up here as it does it itself: it need not
        predict once more for its own score.
        """
        dtype, exact = self._precision(), self._replays_whole()
        held: np.ndarray | None = None

        def parts(rows: slice, X: Any) -> Iterator[np.ndarray]:
            nonlocal held
            n_rows = rows.stop - rows.start
            for some in self._shares(n_rows, exact):
                part = self._outputs_on(rows, X, np.float64 if exact else dtype, some)
                first = 0 if some is None else int(some[0])
                self._check_finite(part, first)
                all_at_once = some is None and n_rows == len(self.y) and not self._room.on_disk
                if all_at_once:
                    held = part.astype(dtype, copy=False)
                elif held is None:
                    shape = (self.members.n_members, part.shape[1], len(self.y))
                    held = on_disk(shape, dtype) if self._room.on_disk else np.empty(shape, dtype)
                if not all_at_once:
                    store_samples(held[first : first + len(part)], rows, part)
                yield part

        for rows, X in self._row_blocks(self.members.n_members):
            if exact:
                combiner = affine(self._on_rows(self.combiner, rows))
                raw = combiner.raw_in_parts(parts(rows, X))
                self._whole.append(replay_raw(combiner, raw))
            else:
                deque(parts(rows, X), maxlen=0)
        assert held is not None
        return held

    def _shares(self, n_rows: int, exact: bool) -> list[np.ndarray | None]:
        """Members to be read at a time, None for all at once.

        Where outputs are only rounded and added up in double precision, a few will do.
        """
        if not (exact and self.members.reads_one_by_one and shares_memory()):
            return [None]
        everyone = np.arange(self.members.n_members)
        bytes_of_one = 8 * self.members.n_outputs * n_rows
        jobs = effective_n_jobs(self.n_jobs)
        at_once = _PASSING if jobs == 1 else min(jobs * _PASSING_EACH, self._room.reading)
        return [everyone[some] for some in blocks_of(len(everyone), bytes_of_one, at_once)]

    def _check_finite(self, outputs: np.ndarray, first: int) -> None:
        for member, output in enumerate(outputs, first):
            if not np.isfinite(output).all():
                raise ValueError(
                    f"member {member} of {type(self.members.estimator).__name__} outputs "
                    "NaN or infinity on the validation rows; such members cannot be compared"
                )

    def _replays_whole(self) -> bool:
        """Whether the members' outputs tell all that the scorer asks of the whole ensemble."""
        estimator, combiner = self.members.estimator, self.combiner
        if self.mask is not None or not combiner.linear or combiner.dtype != np.float64:
            return False
        decides = hasattr(estimator, "decision_function") and not combiner.has_decision
        return isinstance(self.scorer, _Scorer) and not decides

    def _row_blocks(self, n_members: int) -> Iterator[tuple[slice, Any]]:
        """Blocks of rows small enough that exact outputs of so many members fit."""
        blocks = blocks_of(len(self.y), 8 * n_members * self.members.n_outputs, self._room.reading)
        if len(blocks) == 1:
            yield slice(0, len(self.y)), self.X
            return
        for rows in blocks:
            yield rows, _safe_indexing(self.X, np.arange(rows.start, rows.stop))

    def _outputs_on(
        self, rows: slice, X: Any, dtype: type, indices: np.ndarray | None = None
    ) -> np.ndarray:
        if self.out_of_fold is None:
            return read_members(self.members, X, self.n_jobs, indices=indices, dtype=dtype)
        known = self.out_of_fold.outputs[:, :, rows]
        return (known if indices is None else known[indices]).astype(dtype)

    def _on_rows(self, combiner: Combiner, rows: slice) -> Combiner:
        return combiner.on_rows(np.arange(rows.start, rows.stop))

    def _precision(self) -> type:
        """float32, but not for averages of values that differ in their last digits only."""
        if self.combiner.classes is not None or self.combiner.kind == "sum" or len(self.y) == 0:
            return np.float32
        y = np.asarray(self.y, dtype=np.float64)
        lost = np.finfo(np.float32).eps * np.abs(y).max()
        return np.float32 if lost <= _PRECISION * y.std() else np.float64

    def score_full(self) -> tuple[float, float]:
        """Score of the whole ensemble and its standard error."""
        everywhere = np.arange(len(self.y))
        if self._whole:
            return self._scored_rows.with_error(Replay.joined(self._whole), everywhere)
        whole, rows = next(self._replays([self.everyone], self._as_held))
        if self.judges_unseen is None and hasattr(self.members.estimator, "get_params"):
            score = self.score_on(self.members.estimator, everywhere)
            return score, self._scored_rows.standard_error(whole, everywhere)
        return self._scored_rows.with_error(whole, rows)

    @property
    def judges_unseen(self) -> str | None:
        """How members are kept from judging training rows they have seen; None if none are."""
        if self.out_of_fold is not None:
            return "out of fold"
        return None if self.mask is None else "out of bag"

    @property
    def everyone(self) -> PathPoint:
        """The full ensemble, as a point; its cost is not known here."""
        return PathPoint(tuple(range(self.members.n_members)), float("nan"), float("nan"))

    def score_path(self, path: PruningPath) -> PruningPath:
        """The path with the score and standard error of every point."""
        return path.with_scores(
            [self._scored_rows.with_error_again(*judged) for judged in self.replays(path.points)]
        )

    def score_cut(self, path: PruningPath, at: int) -> PruningPath:
        """The path with the score of what is cut at one of its points, answering itself.

        What adds up in single precision, or has weights in its leaves, rounds otherwise than
        :meth:`score_path` does: where leaves of different trees add up to the same, that decides
        which samples tie, and so the area under a curve. A scorer that is none of scikit-learn's
        may look at more than answers, such as the ``score`` of a search.

        Parameters
        ----------
        path : PruningPath
        at : int
            The position of the point.
        """
        point, combiner = path[at], self.combiner
        rounds_alike = combiner.linear and combiner.dtype == np.float64 and point.weights is None
        rounds_alike = rounds_alike and isinstance(self.scorer, _Scorer)
        of_estimator = hasattr(self.members.estimator, "get_params")
        if rounds_alike or self.judges_unseen is not None or not of_estimator:
            return path
        cut = self.members.subset(point.indices, point.weight_array)
        return path.with_score(at, self.score_on(cut, np.arange(len(self.y))))

    def replays(self, points: Sequence[PathPoint]) -> Iterator[tuple[Replay, np.ndarray]]:
        """What each of some sub-ensembles answers on the validation rows.

        Parameters
        ----------
        points : sequence of PathPoint

        Yields
        ------
        replay : Replay
            Answers as the pruned estimator gives them, out of bag where there is a mask.
        rows : ndarray of int
            The rows they are for: out of bag some may have nobody to speak for them.
        """
        at_once = self._room.replays
        for first in range(0, len(points), at_once):
            some = points[first : first + at_once]
            # In the order of their appearance the members of a nested path are a slice.
            needed = np.array(list(dict.fromkeys(t for point in some for t in point.indices)))

            def read(rows: slice, X: Any, needed: np.ndarray = needed) -> np.ndarray:
                return self._outputs_on(rows, X, np.float64, needed)

            yield from self._replays(some, read, needed)

    def replay_of(self, refined: Any, point: PathPoint) -> tuple[Replay, np.ndarray]:
        """The same of an estimator that was cut to the members of ``point`` and then refined."""
        members = open_members(refined)
        combiner = members.bind(self.X)
        outputs = members.outputs(self.X, self.n_jobs, dtype=np.float64)
        if self.mask is None:
            return replay(combiner, outputs), np.arange(len(self.y))
        mask = self.mask[list(point.indices)]
        raw = affine(combiner).raw_out_of_bag(outputs, mask)
        rows = np.flatnonzero(mask.any(axis=0))
        return replay_raw(combiner, raw[:, rows]), rows

    @property
    def evidence(self) -> list[Labelled]:
        """All labelled rows that a refinement may use."""
        judged = Labelled(
            self.X, self.y, self.sample_weight, self.mask is not None, self.among, self._opinion
        )
        return [judged] if self.training is None else [judged, Labelled(*self.training, seen=True)]

    @cached_property
    def _opinion(self) -> Opinion | None:
        # The ensemble has seen the training rows that these are not: whoever is to be certified
        # on those must not hear of them.
        if not self.combiner.linear or self.among is not None:
            return None
        found = Opinion.of(self.combiner, self.outputs, self.mask)
        if found is None or self.mask is None:
            return found
        return replace(found, speaker=InClassesOf(self.members, self.combiner))

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
        return self._scored_rows.with_error(replay_raw(combiner, raw[:, rows]), rows)

    def _as_held(self, rows: slice, X: Any) -> np.ndarray:
        held = self.outputs if self.out_of_fold is None else self.out_of_fold.outputs
        return samples_of(held, rows)

    def _replays(
        self,
        points: Sequence[PathPoint],
        read: Callable[[slice, Any], np.ndarray],
        needed: np.ndarray | None = None,
    ) -> Iterator[tuple[Replay, np.ndarray]]:
        """Answers of points and their rows; ``read`` gives outputs of the members ``needed``."""
        members = np.arange(self.members.n_members) if needed is None else needed
        at = {int(t): position for position, t in enumerate(members)}
        parts: list[list[Replay]] = [[] for _ in points]
        for rows, X in self._row_blocks(len(members)):
            outputs = read(rows, X)
            along = AlongPath(outputs, self._mask_of(needed, rows))
            for point, answers in zip(points, parts, strict=True):
                combiner = self.combiner.take(point.indices, point.weight_array)
                positions = [at[t] for t in point.indices]
                answers.append(along.replay(self._on_rows(combiner, rows), positions))
            release(self.outputs)
        for point, answers in zip(points, parts, strict=True):
            whole = Replay.joined(answers)
            rows_of = np.arange(len(self.y))
            if self.mask is not None:
                rows_of = np.flatnonzero(self.mask[list(point.indices)].any(axis=0))
            elif not self.combiner.has_decision and hasattr(
                self.members.estimator, "decision_function"
            ):
                # Bagging of classifiers averages their decision functions too, which members'
                # outputs do not tell, and scorers such as "roc_auc" prefer them.
                real = self.members.subset(point.indices, point.weight_array)
                whole.decision_function_ = real.decision_function(self.X)
            yield whole, rows_of

    def _mask_of(self, members: np.ndarray | None, rows: slice) -> np.ndarray | None:
        if self.mask is None:
            return None
        return self.mask[:, rows] if members is None else self.mask[members, rows]

    @cached_property
    def _scored_rows(self) -> ScoredRows:
        everywhere = np.arange(len(self.y))
        answered = everywhere if self.mask is None else np.flatnonzero(self.mask.any(axis=0))
        return ScoredRows(
            self.scorer, self.X, self.y, self.sample_weight, self._positions, answered
        )

    def score_on(self, estimator: Any, rows: np.ndarray) -> float:
        """The metric on some of the rows, given the answers for exactly these.

        NaN where it fails on these but need not fail on all of them.
        """
        return self._scored_rows.score(estimator, rows)
