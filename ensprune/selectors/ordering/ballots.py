"""What ordering criteria look at: each member's own prediction, and who speaks for which sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ...combiner import affine
from ...objectives.base import class_positions, normalised_weights
from ...storage import blocks_of, empty_like, release
from ..base import Problem

# Numbers in a block of members: temporaries of a criterion stay in the processor's cache, and small.
_BLOCK = 1 << 19

# Bytes of a block of samples of all members, for products between members.
_SAMPLE_BLOCK_BYTES = 1 << 21


@dataclass(frozen=True)
class Ballots:
    """Predictions of every member alone.

    Parameters
    ----------
    problem : Problem
        What the members are chosen for.
    predictions : ndarray of shape (n_members, n_samples)
        Positions of the labels voted for; predicted values in regression.
    target : ndarray of shape (n_samples,)
        Positions of the true labels; values in regression.
    speaks : ndarray of shape (n_members, n_samples), dtype bool
        Where members may speak: everywhere, or on the samples they were not trained on.
    weight : ndarray of shape (n_samples,)
        Sample weights that sum to one.
    strength : ndarray of shape (n_members,)
        What a member's vote weighs in the ensemble; ones where all weigh the same.
    """

    problem: Problem
    predictions: np.ndarray
    target: np.ndarray
    speaks: np.ndarray
    weight: np.ndarray
    strength: np.ndarray

    @classmethod
    def of(cls, problem: Problem) -> Ballots:
        """The ballots of a problem.

        Parameters
        ----------
        problem : Problem
            With the outputs of all members.
        """
        outputs, combiner = problem.outputs, problem.combiner
        n_members, _, n_samples = outputs.shape
        kind: Any = np.float64
        if combiner.classes is None:
            target = np.asarray(problem.y, dtype=np.float64)
        else:
            target = class_positions(problem.y, combiner.classes)
            kind = np.min_scalar_type(len(combiner.classes))
        predictions = empty_like(outputs, (n_members, n_samples), kind)
        # Alone, any weight is the whole; but 0.
        alike = combiner if problem.heard.all() else replace(affine(combiner), weights=None)
        for t, row in enumerate(predictions):
            alone = alike.take([t])(outputs[t : t + 1])
            row[...] = (
                alone if combiner.classes is None else class_positions(alone, combiner.classes)
            )
            release(outputs)
            release(predictions)
        speaks = problem.mask
        if speaks is None:
            speaks = np.broadcast_to(True, (n_members, n_samples))
        strength = getattr(combiner, "member_weights", np.ones(n_members))
        weight = normalised_weights(problem.sample_weight, n_samples)
        return cls(problem, predictions, target, speaks, weight, strength)

    @property
    def n_members(self) -> int:
        return len(self.predictions)

    @property
    def n_samples(self) -> int:
        return len(self.target)

    @property
    def n_classes(self) -> int:
        """Number of labels; 0 in regression."""
        classes = self.problem.combiner.classes
        return 0 if classes is None else len(classes)

    @cached_property
    def right(self) -> np.ndarray:
        """Votes for the true label, (n_members, n_samples), dtype bool."""
        right = empty_like(self.predictions, self.predictions.shape, bool)
        for some in self.blocks():
            np.logical_and(
                self.predictions[some] == self.target, self.speaks[some], out=right[some]
            )
            release(self.predictions)
            release(right)
        return right

    @cached_property
    def spoken(self) -> np.ndarray:
        """Total weight of the samples that a member speaks for, (n_members,)."""
        return self.sums_of(self.speaks, self.weight)

    @cached_property
    def accuracy(self) -> np.ndarray:
        """Share of right votes where a member speaks, (n_members,); 0 for one that never does."""
        return self.share(self.sums_of(self.right, self.weight))

    def share(self, totals: np.ndarray) -> np.ndarray:
        """Weighted sums over each member's samples as averages over them.

        Parameters
        ----------
        totals : ndarray of shape (n_members,)
            Sums over the samples that a member speaks for.

        Returns
        -------
        ndarray of shape (n_members,), dtype float64
            0 for a member that never speaks.
        """
        return np.divide(totals, self.spoken, out=np.zeros(len(totals)), where=self.spoken > 0)

    @cached_property
    def counts(self) -> np.ndarray:
        """Votes of all members for each class, each counted once, (n_classes, n_samples)."""
        counts = np.zeros((self.n_classes, self.n_samples))
        for some in self.blocks():
            for label, row in enumerate(counts):
                row += ((self.predictions[some] == label) & self.speaks[some]).sum(axis=0)
            release(self.predictions)
        return counts

    @cached_property
    def speakers(self) -> np.ndarray:
        """How many members speak for each sample, at least 1, (n_samples,)."""
        counts = sum(self.speaks[some].sum(axis=0) for some in self.blocks())
        return np.maximum(counts, 1)

    def blocks(self) -> list[slice]:
        """Members in blocks whose numbers fit into a processor's cache."""
        step = max(1, _BLOCK // max(self.n_samples, 1))
        return [slice(a, a + step) for a in range(0, self.n_members, step)]

    def sample_blocks(self) -> list[slice]:
        """Samples in blocks of which a few arrays of all members' numbers are small."""
        return blocks_of(self.n_samples, 8 * self.n_members, _SAMPLE_BLOCK_BYTES)

    def by_member(
        self, values: Callable[[slice], np.ndarray], weight: np.ndarray | None = None
    ) -> np.ndarray:
        """Weighted sums over the samples of values that are computed for some members at a time.

        Parameters
        ----------
        values : callable
            Of a slice of members; returns (n_some, n_samples).
        weight : ndarray of shape (n_samples,), default=None
            None is the weight of the samples.

        Returns
        -------
        ndarray of shape (n_members,), dtype float64
            In the order of the members.
        """
        weight = self.weight if weight is None else weight
        sums = np.empty(self.n_members)
        for some in self.blocks():
            sums[some] = values(some) @ weight
            release(self.problem.outputs)
            release(self.predictions)
            if "right" in self.__dict__:
                release(self.right)
        return sums

    def sums_of(self, array: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Weighted sums over the samples of an array, a block of members at a time.

        Parameters
        ----------
        array : ndarray of shape (n_members, n_samples)
            What is summed.
        weight : ndarray of shape (n_samples,)
            Of the samples.
        """
        return self.by_member(lambda some: array[some], weight)


def largest_other(counts: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Most votes for any class but one, per sample.

    Parameters
    ----------
    counts : ndarray of shape (n_classes, n_samples)
    target : ndarray of shape (n_samples,)
        The class left out.
    """
    others = counts.copy()
    others[target, np.arange(len(target))] = -np.inf
    return others.max(axis=0)
