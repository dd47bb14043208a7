"""What ordering criteria look at: each member's own prediction, and who speaks for which sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...objectives.base import class_positions, normalised_weights
from ..base import Problem

# Numbers in a block of members: temporaries of a criterion stay in the processor's cache.
_BLOCK = 1 << 19


@dataclass(frozen=True)
class Ballots:
    """Predictions of every member alone.

    Parameters
    ----------
    problem : Problem
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
        """The ballots of a problem."""
        outputs, combiner = problem.outputs, problem.combiner
        n_members, _, n_samples = outputs.shape
        alone = [combiner.take([t])(outputs[t : t + 1]) for t in range(n_members)]
        if combiner.classes is None:
            target = np.asarray(problem.y, dtype=np.float64)
            predictions = np.stack(alone).astype(np.float64)
        else:
            target = class_positions(problem.y, combiner.classes)
            kind = np.min_scalar_type(len(combiner.classes))
            predictions = np.stack(
                [class_positions(labels, combiner.classes).astype(kind) for labels in alone]
            )
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
        return (self.predictions == self.target) & self.speaks

    @cached_property
    def spoken(self) -> np.ndarray:
        """Total weight of the samples that a member speaks for, (n_members,)."""
        return self.speaks @ self.weight

    @cached_property
    def accuracy(self) -> np.ndarray:
        """Share of right votes where a member speaks, (n_members,); 0 for one that never does."""
        return self.share(self.right @ self.weight)

    def share(self, totals: np.ndarray) -> np.ndarray:
        """Weighted sums over a member's samples as averages over them, (n_members,)."""
        return np.divide(totals, self.spoken, out=np.zeros(len(totals)), where=self.spoken > 0)

    @cached_property
    def counts(self) -> np.ndarray:
        """Votes of all members for each class, each counted once, (n_classes, n_samples)."""
        return np.stack(
            [((self.predictions == c) & self.speaks).sum(axis=0) for c in range(self.n_classes)]
        ).astype(np.float64)

    def by_member(self, values: Callable[[slice], np.ndarray]) -> np.ndarray:
        """Weighted sums over the samples of values that are computed for some members at a time.

        Parameters
        ----------
        values : callable
            Of a slice of members; returns (n_some, n_samples).

        Returns
        -------
        ndarray of shape (n_members,), dtype float64
        """
        step = max(1, _BLOCK // max(self.n_samples, 1))
        starts = range(0, self.n_members, step)
        return np.concatenate([values(slice(a, a + step)) @ self.weight for a in starts])


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
