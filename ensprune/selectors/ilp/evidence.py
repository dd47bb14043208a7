"""What the members say about the validation rows, as plain averages and as margins.

Votes, offsets and out-of-bag masks are worked into the outputs once, so that every formulation
sees the unweighted mean of the chosen members. What is made of outputs in a file goes to a file.
"""

from __future__ import annotations

import copy
import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ...combiner import LinearCombiner
from ...link import Logistic
from ...objectives.base import class_positions, normalised_weights
from ...storage import blocks_of, empty_like, is_on_disk, release, samples_of
from ..base import Problem
from .bound import MOST_BYTES

# Margins closer to a tie than this, relative to the largest, count as wrong.
_STRICT = 1e-5
# A sum of margins is off by less than this, relative to the sum of their sizes.
_ROUNDING = 1e-12
# Where outputs are in a file, because they do not fit into memory, no more of their margins are
# looked at than this: the matrices of a program over them take many times the room of the outputs.
_MOST_FROM_FILE = 1 << 16
_ROOM_BESIDE_FILE = 1 << 24
# Samples after which members that differ mostly do.
_GLANCE = 256


@dataclass(frozen=True)
class Margins:
    """Rows ``sum_t values[r, t] x_t >= threshold[r]``: the true class beats one other class.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_members), dtype float64
        ``d_tnc = o_{t, y_n, n} - o_{t, c, n}``.
    sample : ndarray of shape (n_rows,), dtype intp
        The sample of each row.
    threshold : ndarray of shape (n_rows,)
        0 where the true class comes first among equals, else a little more.
    """

    values: np.ndarray
    sample: np.ndarray
    threshold: np.ndarray


class Evidence:
    """The outputs of all members as an unweighted mean would use them.

    Parameters
    ----------
    problem : Problem

    Attributes
    ----------
    outputs : ndarray of shape (n_members, n_outputs, n_samples)
        Times the native weight over the mean weight, plus the offset; for a member that may not
        speak (out of bag) see :meth:`filled`.
    combiner : LinearCombiner
        The mean of them.
    weight : ndarray of shape (n_samples,)
        Sample weights, summing to one.
    """

    def __init__(self, problem: Problem):
        self.problem = problem
        combiner: Any = problem.combiner
        self.outputs = problem.outputs
        native = combiner.member_weights
        offset = combiner.offset_on(problem.outputs.shape[2])
        if np.ptp(native) > 0 or offset is not None:
            factors = native / native.mean()
            shift = 0.0 if offset is None else offset
            self.outputs = self._member_by_member(lambda t, output: output * factors[t] + shift)
        self.combiner = LinearCombiner(
            "mean", combiner.link, combiner.classes, problem.n_members, dtype=combiner.dtype
        )
        self.weight = normalised_weights(problem.sample_weight, self.n_samples)

    @property
    def n_members(self) -> int:
        return len(self.outputs)

    @property
    def n_samples(self) -> int:
        return self.outputs.shape[2]

    @property
    def classifies(self) -> bool:
        return self.combiner.classes is not None

    @property
    def classes(self) -> np.ndarray:
        """Labels of a classifier, shape (n_classes,)."""
        classes = self.combiner.classes
        assert classes is not None
        return classes

    def relabelled(self, labels: np.ndarray) -> Evidence:
        """The same outputs with other labels, given as positions of classes."""
        other = copy.copy(self)
        other.problem = replace(self.problem, y=self.classes[labels])
        other.__dict__["labels"] = labels
        return other

    @cached_property
    def labels(self) -> np.ndarray:
        """Positions of the true classes, shape (n_samples,)."""
        return class_positions(self.problem.y, self.classes)

    @cached_property
    def filled(self) -> np.ndarray:
        """Outputs with silence out of bag worked in, shape (n_members, n_outputs, n_samples).

        A silent member says nothing (0), and the others speak up by the mean share that speaks;
        regression says the target instead of 0, so that the residual is nothing.
        """
        mask = self.problem.mask
        if mask is None:
            return self.outputs
        share = mask.mean()
        silence = 0.0 if self.classifies else np.asarray(self.problem.y, dtype=np.float64)

        def fill(t: int, output: np.ndarray) -> np.ndarray:
            return np.where(mask[t], silence + (output - silence) / share, silence)

        return self._member_by_member(fill)

    def _member_by_member(self, change: Callable[[int, np.ndarray], np.ndarray]) -> np.ndarray:
        """Changed outputs, float64, where the outputs themselves live."""
        changed = empty_like(self.problem.outputs, self.outputs.shape, np.float64)
        for t, (output, new) in enumerate(zip(self.outputs, changed, strict=True)):
            new[...] = change(t, output.astype(np.float64))
            release(self.outputs)
            release(changed)
        return changed

    @cached_property
    def identities(self) -> list[bytes]:
        """For every member what is the same for members that say the same, on the same samples."""
        # Hardly any two agree on some samples, so only few are read to the end.
        digests = [self._digest(t, slice(0, _GLANCE)) for t in range(self.n_members)]
        times = Counter(digests)
        for t, digest in enumerate(digests):
            if times[digest] > 1:
                digests[t] = digest + self._digest(t, slice(_GLANCE, None))
        return digests

    def _digest(self, t: int, samples: slice) -> bytes:
        digest = hashlib.blake2b(self.outputs[t, :, samples].tobytes())
        if self.problem.mask is not None:
            digest.update(self.problem.mask[t, samples].tobytes())
        release(self.outputs)
        return digest.digest()

    def full_labels(self) -> np.ndarray:
        """What all members together say, as positions of classes."""
        outputs, per_sample = self.filled, 8 * self.n_members * self.outputs.shape[1]
        labels = np.empty(self.n_samples, dtype=np.intp)
        for block in blocks_of(self.n_samples, per_sample):
            raw = self.combiner.raw(samples_of(outputs, block))
            labels[block] = self.combiner.link.labels(raw)
        return labels

    @property
    def room(self) -> int:
        """Bytes for what is made without the outputs: little where these do not fit themselves."""
        return _ROOM_BESIDE_FILE if is_on_disk(self.outputs) else MOST_BYTES

    def may_look_at(self, n_coefficients: float) -> bool:
        """Whether memory allows so many margins at once."""
        return n_coefficients <= _MOST_FROM_FILE or not is_on_disk(self.outputs)

    def margins(self, samples: np.ndarray | None = None) -> Margins:
        """Margins of the true class over every other, of all samples or some."""
        labels, outputs = self.labels, self.filled
        which = np.arange(self.n_samples) if samples is None else samples
        link = self.combiner.link
        if isinstance(link, Logistic):
            sign = np.where(labels[which] == 1, 1.0, -1.0)
            values = outputs[:, 0, which].astype(np.float64).T * sign[:, None]
            tie_wins = (labels[which] == 1) == link.closed
            sample = which
        else:
            rows, owners, ties = [], [], []
            for c in range(len(self.classes)):
                wrong = which[labels[which] != c]
                true = outputs[:, labels[wrong], wrong].astype(np.float64)
                rows.append((true - outputs[:, c, wrong]).T)
                owners.append(wrong)
                ties.append(labels[wrong] < c)
            values, sample = np.concatenate(rows), np.concatenate(owners)
            tie_wins = np.concatenate(ties)
        # Whole numbers (hard votes, pure leaves) leave a gap of one between a tie and a win.
        whole = bool((values == np.rint(values)).all())
        least = 1.0 if whole else _STRICT * float(np.abs(values).max(initial=1e-300))
        threshold = np.where(tie_wins, 0.0, least)
        # What all members together get right stays right, however narrowly, but for rounding.
        total = values.sum(axis=1)
        lead = total > _ROUNDING * np.abs(values).sum(axis=1)
        threshold = np.where(lead & (total < threshold), total, threshold)
        return Margins(values, sample, threshold)
