"""Criteria on the plurality vote of the members chosen so far.

Ties of the vote go to the first class, as in ``argmax``. All are defined for any number of classes.
"""

from __future__ import annotations

import math
import numbers
from typing import ClassVar

import numpy as np

from .ballots import Ballots, largest_other
from .criterion import Criterion, register_criterion

# Lowers the count of later classes by less than any vote: the first of those that tie wins.
_TIE = 1e-9


class _Plurality(Criterion):
    """Keeps count of the votes of the members chosen."""

    def start(self, ballots: Ballots) -> None:
        self.ballots = ballots
        self._columns = np.arange(ballots.n_samples)
        # (n_classes, n_samples); in units of the strongest vote
        self._strength = ballots.strength / ballots.strength.max()
        order = -_TIE * np.arange(ballots.n_classes)
        self._counts = np.repeat(order[:, None], ballots.n_samples, axis=1)
        self._voted = np.zeros(ballots.n_samples, dtype=int)
        self._hits = np.zeros(ballots.n_samples, dtype=int)

    def add(self, member: int) -> None:
        ballots = self.ballots
        where = np.flatnonzero(ballots.speaks[member])
        self._counts[ballots.predictions[member, where], where] += self._strength[member]
        self._voted += ballots.speaks[member]
        self._hits += ballots.right[member]

    @property
    def is_right(self) -> np.ndarray:
        """Samples that the vote so far gets right, (n_samples,); none before the first vote."""
        return (self._counts.argmax(axis=0) == self.ballots.target) & (self._voted > 0)

    def accuracies(self) -> np.ndarray:
        """Accuracy of the vote with each member added, over the samples with a vote, (n_members,)."""
        ballots, counts = self.ballots, self._counts
        true = counts[ballots.target, self._columns]
        other = largest_other(counts, ballots.target)
        has_vote = self._voted > 0

        def right(some: slice) -> np.ndarray:
            votes, speaks = ballots.predictions[some], ballots.speaks[some]
            stronger = counts[votes, self._columns] + self._strength[some, None]
            with_it = np.where(
                ballots.right[some],
                true + self._strength[some, None] > other,
                true > np.maximum(other, stronger),
            )
            return np.where(speaks, with_it, (true > other) & has_vote)

        covered = ballots.by_member(lambda some: ballots.speaks[some] | has_vote)
        hits = ballots.by_member(right)
        return np.divide(hits, covered, out=np.zeros(len(hits)), where=covered > 0)


class ReduceError(_Plurality):
    """Reduce-error pruning: take the member with which the vote errs least.

    The forward pass of the paper, without its second pass of backfitting. In regression the mean
    of the chosen members is held against the values, by squared error.

    References
    ----------
    Margineantu & Dietterich, "Pruning adaptive boosting", ICML 1997.
    """

    for_regression: ClassVar[bool] = True

    def start(self, ballots: Ballots) -> None:
        if ballots.n_classes:
            super().start(ballots)
            return
        self.ballots = ballots
        self._sum = np.zeros(ballots.n_samples)
        self._voted = np.zeros(ballots.n_samples, dtype=int)

    def values(self, free: np.ndarray) -> np.ndarray:
        if self.ballots.n_classes:
            return self.accuracies()
        return -self._mean_squares()

    def _mean_squares(self) -> np.ndarray:
        ballots = self.ballots
        target, n = ballots.target, np.maximum(self._voted, 1)
        now = np.where(self._voted > 0, (self._sum / n - target) ** 2, 0.0)

        def squares(some: slice) -> np.ndarray:
            mean = (self._sum + ballots.predictions[some]) / (self._voted + 1)
            return np.where(ballots.speaks[some], (mean - target) ** 2, now)

        covered = ballots.by_member(lambda some: ballots.speaks[some] | (self._voted > 0))
        total = ballots.by_member(squares)
        return np.divide(total, covered, out=np.full(len(total), np.inf), where=covered > 0)

    def add(self, member: int) -> None:
        if self.ballots.n_classes:
            super().add(member)
            return
        speaks = self.ballots.speaks[member]
        self._sum += np.where(speaks, self.ballots.predictions[member], 0.0)
        self._voted += speaks


class Complementarity(_Plurality):
    """Complementarity: take the member most often right where the vote so far is wrong.

    Before the first member everything is wrong, so the most accurate comes first.

    References
    ----------
    Martinez-Munoz & Suarez, "Aggregation ordering in bagging", IASTED AIA 2004, equation 2.
    """

    def values(self, free: np.ndarray) -> np.ndarray:
        ballots = self.ballots
        missed = ~self.is_right
        return ballots.share(ballots.sums_of(ballots.right, ballots.weight * missed))


class UncertaintyWeighted(_Plurality):
    """Uncertainty weighted accuracy: what is nearly decided counts less.

    ``NT`` is the share of the chosen members that get a sample right and ``NF = 1 - NT``. A member
    earns ``NT`` where it is right and the vote so far wrong, ``NF`` where both are right, and
    loses ``NF`` where it is wrong and the vote right, ``NT`` where both are wrong (equation 8).
    Before the first member, the most accurate.

    References
    ----------
    Partalas, Tsoumakas & Vlahavas, "An ensemble uncertainty aware measure for directed hill
    climbing ensemble pruning", Machine Learning 81 (2010).
    """

    def values(self, free: np.ndarray) -> np.ndarray:
        ballots = self.ballots
        if not self._voted.any():
            return ballots.accuracy
        correct = np.divide(
            self._hits, self._voted, out=np.full(ballots.n_samples, 0.5), where=self._voted > 0
        )
        # By what a right vote earns a wrong one loses.
        worth = ballots.weight * np.where(self.is_right, 1.0 - correct, correct)
        earned = 2.0 * ballots.sums_of(ballots.right, worth)
        return ballots.share(earned - ballots.sums_of(ballots.speaks, worth))


class DiversityRegularised(_Plurality):
    """DREP: among the members most unlike the vote so far, the one with which it errs least.

    Members are sorted by how often they agree with the vote of those chosen (for two classes the
    paper's ``diff``, up to scale), and of the first share ``rho`` the one that makes the most
    accurate vote is taken. The most accurate member is first. Agreement of labels extends to any
    number of classes.

    Parameters
    ----------
    rho : float in (0, 1], default=0.3
        Share of the members left that are looked at; 1 is reduce-error pruning.

    References
    ----------
    Li, Yu & Zhou, "Diversity regularized ensemble pruning", ECML PKDD 2012, algorithm 1.
    """

    def __init__(self, rho: float = 0.3):
        self.rho = rho

    def start(self, ballots: Ballots) -> None:
        if not (isinstance(self.rho, numbers.Real) and 0 < self.rho <= 1):
            raise ValueError(f"rho={self.rho!r} must be a number in (0, 1]")
        super().start(ballots)

    def values(self, free: np.ndarray) -> np.ndarray:
        ballots = self.ballots
        if not self._voted.any():
            return ballots.accuracy
        vote = self._counts.argmax(axis=0)
        both = ballots.weight * (self._voted > 0)
        alike = ballots.by_member(
            lambda some: (ballots.predictions[some] == vote) & ballots.speaks[some], both
        )
        shared = ballots.sums_of(ballots.speaks, both)
        agreement = np.divide(alike, shared, out=np.ones(len(alike)), where=shared > 0)
        left = np.flatnonzero(free)
        # Rounded: shares that tie do so whatever the order of summation.
        unlike = left[np.argsort(agreement[left].round(12), kind="stable")]
        unlike = unlike[: math.ceil(self.rho * len(left))]
        values = np.full(ballots.n_members, -np.inf)
        values[unlike] = self.accuracies()[unlike]
        return values


register_criterion("reduce_error", ReduceError)
register_criterion("complementarity", Complementarity)
register_criterion("uncertainty_weighted", UncertaintyWeighted)
register_criterion("drep", DiversityRegularised)
