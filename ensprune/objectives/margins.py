"""Margins: by how much the true class leads each rival, and which samples a move leaves right.

Accuracy asks of a sample only whether every margin of the sum is positive. With the margins of all
members at hand a candidate costs one comparison per rival, in single precision and without an
addition: its own margin against what the sum needs of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..link import Logistic
from ..storage import columns_of, empty_like, release, rows_at_once

# Samples that a member can turn are gathered anew once they are fewer than this share of what they
# were the last time; those that a few moves can turn come along.
_WORTH_GATHERING = 0.25
_MOVES_AHEAD = 3

# Above this share of all samples it is not worth it.
_WORTH_COPYING = 0.5

# Comparisons held at a time, one byte each: with their margins inside a core's own cache.
_TILE_BYTES = 1 << 17

# From so many samples on counting them is worth a call per row.
_WORTH_COUNTING = 1 << 12


@dataclass
class _Looked:
    """The samples that are looked at for every candidate, in the order of their labels.

    Parameters
    ----------
    margins : ndarray of shape (n_members, n_rivals, n_some)
    at : ndarray of shape (n_some,) or None
        Which samples these are; None is all.
    bounds : ndarray of shape (n_classes + 1,)
        Where the samples of each class begin and end.
    count : int
        How many of them a move could turn when they were chosen.
    """

    margins: np.ndarray
    at: np.ndarray | None
    bounds: np.ndarray
    count: int


class Margins:
    """Which samples are right now, and after each of many moves.

    Parameters
    ----------
    outputs : ndarray of shape (n_members, n_outputs, n_samples)
    labels : ndarray of shape (n_samples,)
        Positions of the true classes.
    combiner : LinearCombiner
    offset : ndarray of shape (n_outputs, n_samples) or None
    weights : ndarray of shape (n_samples,)
        Of the samples.

    Notes
    -----
    Samples are held in the order of their labels, so that the rivals of a whole stretch are the
    same. Native weights and the offset of an average are multiplied into the margins: dividing by
    the total weight moves no margin across zero.

    Margins are compared in single precision with what the sum, in double precision, needs. Rounding
    keeps the order, so only a margin that equals the needed one in single precision can mislead:
    where margins had to be rounded, these few are looked up in the outputs.
    """

    def __init__(
        self,
        outputs: np.ndarray,
        labels: np.ndarray,
        combiner: Any,
        offset: np.ndarray | None,
        weights: np.ndarray,
    ):
        n_members, _, n_samples = outputs.shape
        n_classes = len(combiner.classes)
        self._outputs = outputs
        self._native = combiner.member_weights
        self._single = isinstance(combiner.link, Logistic)
        self._order = np.argsort(labels, kind="stable")
        self._bounds = np.searchsorted(labels[self._order], np.arange(n_classes + 1))
        self._weights = weights[self._order]
        # What every sample of a class weighs, where that is the same.
        self._alike = [_value_of(self._weights[at]) for at in _stretches(self._bounds)]
        # Whether a margin of zero is wrong: argmax takes the first of equal classes.
        n_rivals = 1 if self._single else n_classes - 1
        self._strict = np.zeros((n_rivals, n_samples), dtype=bool)
        for label, here in enumerate(_stretches(self._bounds)):
            if self._single:
                self._strict[0, here] = (label == 1) != combiner.link.closed
            else:
                self._strict[:label, here] = True
        self._start = np.zeros((n_rivals, n_samples))
        self._shift: np.ndarray | None = None
        if offset is not None and combiner.averages:
            self._shift = self._differences(offset)
        elif offset is not None:
            self._start = self._differences(offset)
        self._margins = empty_like(outputs, (n_members, n_rivals, n_samples))
        self._read()
        self._least, self._most = _extremes(self._margins)
        self.restart()

    def _read(self) -> None:
        """Fill in the margins and find out whether single precision holds them all exactly."""
        self._exact = True
        for member, out in enumerate(self._margins):
            if self._exact:
                margins = self._of(member)
                out[...] = margins
                self._exact = bool((out == margins).all())
            else:
                self._of(member, out)
            release(self._outputs)
            release(self._margins)

    def _of(self, member: int, out: np.ndarray | None = None) -> np.ndarray:
        """One member's margins (n_rivals, n_samples), in double precision unless ``out`` is given."""
        margins = self._differences(self._outputs[member], out)
        if self._shift is not None:
            margins += self._shift
        if self._native[member] != 1:
            margins *= self._native[member]
        return margins

    def _differences(self, values: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """The true class less each rival, of values (n_outputs, n_samples)."""
        if out is None:
            out = np.empty_like(self._start)
        rows = values.take(self._order, axis=1, mode="clip").astype(out.dtype, copy=False)
        for label, here in enumerate(_stretches(self._bounds)):
            if self._single:
                np.multiply(rows[0, here], 1 if label == 1 else -1, out=out[0, here])
            else:
                np.subtract(rows[label, here], rows[:label, here], out=out[:label, here])
                np.subtract(rows[label, here], rows[label + 1 :, here], out=out[label:, here])
        return out

    def restart(self) -> None:
        """Begin with no member."""
        self._sum = self._start.copy()  # (n_rivals, n_samples)
        self._look_at_all()

    def add(self, member: int) -> None:
        """Take a member in."""
        self._sum += self._of(member)
        release(self._outputs)

    def right(self) -> np.ndarray:
        """Weight of the samples of each class that are right, shape (n_classes,)."""
        right = np.where(self._strict, self._sum > 0, self._sum >= 0)
        return self._per_class(np.all(right, axis=0))

    def look_ahead(self, drop: bool) -> None:
        """Find what each sample needs, and the samples that one move can turn at all.

        Where every member, or none, has what is needed, a sample is decided whatever the candidate:
        only the others are looked at for every candidate.
        """
        self._needed, self._nearest = self._thresholds(drop)
        right, wrong = self._decided(drop)
        undecided = ~(right | wrong)
        count = int(undecided.sum())
        at = self._looked.at
        if at is None:
            missing = False
        else:
            held = np.zeros(len(right), dtype=bool)
            held[at] = True
            missing = bool((undecided & ~held).any())
        if missing or count < _WORTH_GATHERING * self._looked.count:
            self._look_at(undecided | ~self._settled(drop), count)
        self._base = np.zeros(len(self._bounds) - 1)
        if self._looked.at is not None:
            right[self._looked.at] = False
            self._base = self._per_class(right)

    def right_after(self, members: np.ndarray, drop: bool) -> np.ndarray:
        """What :meth:`right` is once each of ``members`` is added, or dropped.

        Parameters
        ----------
        members : ndarray of int, ascending
        drop : bool
            As :meth:`look_ahead` was told.

        Returns
        -------
        ndarray of shape (len(members), n_classes), dtype float64
        """
        looked = self._looked
        at = slice(None) if looked.at is None else looked.at
        needed, weights = self._needed[:, at], self._weights[at]
        nearest = None if self._exact else self._nearest[:, at]
        meets = np.less_equal if drop else np.greater_equal
        totals = np.tile(self._base, (len(members), 1))
        for label, block in _tiles(looked.bounds):
            length = block.stop - block.start
            some = max(1, _TILE_BYTES // length)
            some = min(some, rows_at_once(looked.margins[:, 0, block])[0].stop)
            for first in range(0, len(members), some):
                batch = members[first : first + some]
                right: Any = None
                for rival in range(len(needed)):
                    rows = _rows(looked.margins[:, rival, block], batch)
                    met = meets(rows, needed[rival, block])
                    if nearest is not None:
                        doubtful = rows == nearest[rival, block]
                        if doubtful.any():
                            self._look_up(doubtful, met, batch, rival, block, drop)
                    right = met if right is None else np.logical_and(right, met, out=right)
                    release(looked.margins)
                totals[first : first + some, label] += self._weigh(right, label, weights[block])
        return totals

    def _look_up(
        self,
        doubtful: np.ndarray,
        met: np.ndarray,
        batch: np.ndarray,
        rival: int,
        block: slice,
        drop: bool,
    ) -> None:
        """Correct ``met`` (n_batch, n_block) where it is ``doubtful``, by the outputs themselves."""
        rows, columns = np.nonzero(doubtful)
        members, at = batch[rows], columns + block.start
        if self._looked.at is not None:
            at = self._looked.at[at]
        samples = self._order[at]
        if self._single:
            sign = np.where(at >= self._bounds[1], 1.0, -1.0)
            margins = sign * self._outputs[members, 0, samples]
        else:
            label = int(np.searchsorted(self._bounds, at[0], side="right")) - 1
            other = rival if rival < label else rival + 1
            margins = self._outputs[members, label, samples].astype(np.float64)
            release(self._outputs)
            margins -= self._outputs[members, other, samples]
        if self._shift is not None:
            margins = margins + self._shift[rival, at]
        margins = margins * self._native[members]
        total = self._sum[rival, at] + (-margins if drop else margins)
        met[rows, columns] = np.where(self._strict[rival, at], total > 0, total >= 0)
        release(self._outputs)

    def _thresholds(self, drop: bool) -> tuple[np.ndarray, np.ndarray]:
        """The margin a member must have at least (to be dropped: at most) to leave a sample right.

        Returns
        -------
        needed : ndarray of shape (n_rivals, n_samples)
            The extreme value in the precision of the margins that will do.
        nearest : ndarray of shape (n_rivals, n_samples)
            What rounding to that precision makes of the exact one; NaN where all are told apart.
        """
        dtype = self._margins.dtype
        exact = self._sum if drop else -self._sum
        nearest = exact.astype(dtype)
        beyond, inwards = (np.greater, -np.inf) if drop else (np.less, np.inf)
        misses = beyond(nearest, exact) | (self._strict & (nearest == exact))
        needed = np.where(misses, np.nextafter(nearest, dtype.type(inwards)), nearest)
        if self._shift is None and (self._native == 1).all():
            # Of differences of two outputs only zero rounds to zero, so none can mislead there.
            nearest[nearest == 0] = np.nan
        return needed, nearest

    def _decided(self, drop: bool) -> tuple[np.ndarray, np.ndarray]:
        """Which samples are right, and which wrong, after any move; (n_samples,) bool."""
        needed, least, most = self._needed, self._least, self._most
        if drop:
            meet, miss = most <= needed, least > needed
        else:
            meet, miss = least >= needed, most < needed
        if not self._exact:
            sure = (least != self._nearest) & (most != self._nearest)
            meet, miss = meet & sure, miss & sure
        return np.all(meet, axis=0), np.any(miss, axis=0)

    def _settled(self, drop: bool) -> np.ndarray:
        """Samples that a few moves do not turn either."""
        low = _MOVES_AHEAD * np.minimum(self._least, 0.0)
        high = _MOVES_AHEAD * np.maximum(self._most, 0.0)
        if drop:
            low, high = -high, -low
        return (self._sum + low > 0).all(axis=0) | (self._sum + high < 0).any(axis=0)

    def _look_at(self, some: np.ndarray, count: int) -> None:
        """Copy the margins of some of the samples to where they are neighbours."""
        at = np.flatnonzero(some)
        if len(at) > _WORTH_COPYING * len(some):
            self._look_at_all()
            return
        bounds = np.searchsorted(at, self._bounds)
        self._looked = _Looked(columns_of(self._margins, at), at, bounds, count)

    def _look_at_all(self) -> None:
        self._looked = _Looked(self._margins, None, self._bounds, self._sum.shape[1])

    def _per_class(self, right: np.ndarray) -> np.ndarray:
        """Weight of the samples of each class that are right, given which are."""
        stretches = enumerate(_stretches(self._bounds))
        return np.array(
            [self._weigh(right[None, at], label, self._weights[at])[0] for label, at in stretches]
        )

    def _weigh(self, right: np.ndarray, label: int, weights: np.ndarray) -> np.ndarray:
        """Weight of what is right in each row of ``right`` (n_rows, n_some), all of one class."""
        alike = self._alike[label]
        if alike is None:
            return right @ weights
        if right.shape[1] < _WORTH_COUNTING:
            # A product with ones is exact, and one call for all rows.
            return alike * (right @ np.ones(right.shape[1], dtype=np.float32)).astype(np.float64)
        return alike * np.array([np.count_nonzero(row) for row in right], dtype=np.float64)


def _stretches(bounds: np.ndarray) -> list[slice]:
    """Where the samples of each class are."""
    return [slice(*ends) for ends in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)]


def _tiles(bounds: np.ndarray) -> Iterator[tuple[int, slice]]:
    """Class and place of each block of samples, all of one class."""
    for label, here in enumerate(_stretches(bounds)):
        for start in range(here.start, here.stop, _TILE_BYTES):
            yield label, slice(start, min(start + _TILE_BYTES, here.stop))


def _rows(array: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Rows of some members, ascending; a view where they are neighbours."""
    first, last = int(members[0]), int(members[-1]) + 1
    return array[first:last] if last - first == len(members) else array[members]


def _value_of(weights: np.ndarray) -> float | None:
    """The value of all weights, None if they differ."""
    if len(weights) == 0:
        return 0.0
    return float(weights[0]) if (weights == weights[0]).all() else None


def _extremes(margins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest margin of any member, both (n_rivals, n_samples)."""
    least, most = margins[0].copy(), margins[0].copy()
    for row in margins[1:]:
        np.minimum(least, row, out=least)
        np.maximum(most, row, out=most)
        release(margins)
    return least, most
