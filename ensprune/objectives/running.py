"""Objectives under an affine combiner: a running sum of the chosen members, one addition per candidate.

What a metric makes of a candidate's raw score is said in the files of the metrics.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import numpy as np
from joblib import effective_n_jobs

from ..combiner import affine
from ..storage import release
from ..threads import cores, one_blas_thread
from .additive import AdditiveObjective
from .base import Given, class_positions, normalised_weights, refuse_mask


class RunningObjective(AdditiveObjective):
    """Keeps the running weighted sum of the chosen members.

    A candidate costs one addition of its outputs to that sum and one evaluation of the metric;
    candidates are scored side by side in threads, and nothing is copied per candidate.

    Subclasses say what of the outputs they need (:meth:`_reduce`) and score candidates
    (:meth:`_moves`) and the current sub-ensemble (:meth:`_current`).
    """

    # Members that are worth a thread of their own.
    _least_share = 1

    def _begin(self, given: Given) -> None:
        refuse_mask(self, given)
        outputs, combiner = given.outputs, affine(given.combiner)
        self.combiner: Any = combiner
        self.n_members, self.n_samples = len(outputs), outputs.shape[2]
        self.selected = []
        self._n_jobs = given.n_jobs
        self._member_weights = combiner.member_weights
        self._targets = (
            np.asarray(given.y, dtype=np.float64)
            if combiner.classes is None
            else class_positions(given.y, combiner.classes)
        )
        self._uniform = given.sample_weight is None
        self._weights = self._sample_weights(given.sample_weight)
        self._outputs, offset = self._reduce(outputs, combiner.offset_on(self.n_samples))
        self._offset_rows = offset
        self._shift: np.ndarray | None = None
        self._restart()

    def _restart(self) -> None:
        self._total: np.ndarray = np.zeros(self._outputs.shape[1:])  # (n_rows, n_samples)
        self._total += self._start_of_sum()
        self._norm = 0.0
        if self._offset_rows is not None and self.combiner.averages:
            self._shift = np.broadcast_to(self._offset_rows, self._total.shape)

    def _start_of_sum(self) -> np.ndarray | float:
        """What members are added to: boosting begins at its offset."""
        if self._offset_rows is None or self.combiner.averages:
            return 0.0
        return self._offset_rows

    def _sample_weights(self, sample_weight: np.ndarray | None) -> np.ndarray:
        return normalised_weights(sample_weight, self.n_samples)

    def _reduce(
        self, outputs: np.ndarray, offset: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """The rows of outputs (n_members, n_rows, n_samples) and offset that the metric needs."""
        return outputs, offset

    @abstractmethod
    def _moves(self, members: np.ndarray, sign: float) -> np.ndarray:
        """Scores of the current sub-ensemble plus (or minus) each of ``members``."""

    @abstractmethod
    def _current(self) -> float:
        """Score of the current sub-ensemble, which is not empty."""

    def _prepare(self, drop: bool) -> None:
        """What all candidates of one step share, computed before the threads start."""

    def candidates(self, drop: bool = False) -> np.ndarray:
        which = self._movable(drop)
        sign = -1.0 if drop else 1.0
        if self.combiner.averages:
            # Members of no weight alone have no mean.
            which = which[self._norm + sign * self._member_weights[which] > 0]
        scores = np.full(self.n_members, -np.inf)
        if len(which) == 0:
            return scores
        self._prepare(drop)
        scores[which] = self._side_by_side(lambda share: self._moves(share, sign), which)
        return scores

    def _side_by_side(
        self, call: Callable[[np.ndarray], np.ndarray], members: np.ndarray
    ) -> np.ndarray:
        """``call`` on equal shares of ``members``, one thread each."""
        # A step takes milliseconds, no longer than joblib waits between two looks at a result.
        shares = max(1, len(members) // self._least_share)
        jobs = min(effective_n_jobs(self._n_jobs), cores(), shares)
        # Sums over a block of samples are too short to be shared out among threads.
        with one_blas_thread():
            if jobs <= 1:
                return call(members)
            with ThreadPoolExecutor(jobs) as pool:
                return np.concatenate(list(pool.map(call, np.array_split(members, jobs))))

    def _raw(self, member: int, sign: float, block: slice, out: np.ndarray) -> np.ndarray:
        """Raw score (n_rows, n_block) with ``member`` added or dropped, written to ``out``."""
        factor = sign * self._member_weights[member]
        total, output = self._total[:, block], self._outputs[member, :, block]
        if factor == 1.0:
            np.add(total, output, out=out)
        else:
            np.multiply(output, factor, out=out, dtype=np.float64)
            out += total
        return self._averaged(out, self._norm + factor, block)

    def _averaged(self, total: np.ndarray, norm: float, block: slice) -> np.ndarray:
        """The raw score of a running sum, in place."""
        if self.combiner.averages:
            total /= norm
            if self._shift is not None:
                total += self._shift[:, block]
        return total

    def _accumulate(self, member: int) -> None:
        factor = self._member_weights[member]
        self._total += factor * self._outputs[member].astype(np.float64, copy=False)
        self._norm += factor
        release(self._outputs)

    def score(self) -> float:
        if not self.selected or (self.combiner.averages and not self._norm > 0):
            return float("nan")
        return self._current()


class LinearObjective(RunningObjective):
    """A mean over samples of a function of the raw score.

    Works in blocks of samples that stay in cache. Subclasses say what a sample contributes
    (:meth:`_contributions`), and what the score is given the mean (:meth:`_finish`).
    """

    # Bytes of float64 working space per block of samples: well inside a core's own cache.
    _block_bytes: ClassVar[int] = 1 << 18

    @abstractmethod
    def _contributions(self, raw: np.ndarray, block: slice) -> np.ndarray:
        """What each sample adds to the mean, shape (n_block,); ``raw`` may be overwritten."""

    def _finish(self, mean: Any) -> Any:
        """The score, given the weighted mean of contributions (a number or an array)."""
        return mean

    def _blocks(self) -> list[slice]:
        rows = max(1, len(self._total))
        length = max(1, self._block_bytes // (8 * rows))
        return [slice(i, i + length) for i in range(0, self.n_samples, length)]

    def _moves(self, members: np.ndarray, sign: float) -> np.ndarray:
        return self._finish(self._means(members, sign))

    def _means(self, members: np.ndarray, sign: float) -> np.ndarray:
        """Mean contribution of the current sub-ensemble plus (or minus) each of ``members``."""
        means = np.zeros(len(members))
        for block in self._blocks():
            raw = np.empty_like(self._total[:, block])
            weights = self._weights[block]
            for position, t in enumerate(members):
                self._raw(t, sign, block, raw)
                means[position] += weights @ self._contributions(raw, block)
                release(self._outputs)
        return means

    def _current(self) -> float:
        mean = 0.0
        for block in self._blocks():
            raw = self._averaged(self._total[:, block].copy(), self._norm, block)
            mean += self._weights[block] @ self._contributions(raw, block)
        return float(self._finish(mean))
