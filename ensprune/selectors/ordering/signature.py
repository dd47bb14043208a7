"""Criteria on signature vectors: +1 for every sample a member gets right, -1 for the others.

Being right or wrong is defined for any number of classes, and so are these.
"""

from __future__ import annotations

import numbers

import numpy as np

from ...storage import release
from .ballots import Ballots
from .criterion import Criterion, register_criterion


def signatures(ballots: Ballots, some: slice) -> np.ndarray:
    """+1 for right, -1 for wrong, 0 where a member does not speak, (n_some, n_samples)."""
    return np.where(ballots.right[some], 1.0, -1.0) * ballots.speaks[some]


def _average(ballots: Ballots) -> np.ndarray:
    """Mean signature of the members that speak, (n_samples,)."""
    total = np.zeros(ballots.n_samples)
    for some in ballots.blocks():
        total += signatures(ballots, some).sum(axis=0)
        release(ballots.right)
    return total / ballots.speakers


class MarginDistance(Criterion):
    """Margin distance minimisation: get every sample right, but only just.

    Takes next the member that brings the sum of the chosen members' signatures, divided by the
    number of all members, closest to the point ``o`` with all coordinates equal to ``p``
    (equation 3): samples far on the right side attract no more members. Distances are taken over
    samples, one coordinate each.

    Parameters
    ----------
    p : float in (0, 1), default=0.075
        Small and positive; the authors' own value.

    References
    ----------
    Martinez-Munoz & Suarez, "Aggregation ordering in bagging", IASTED AIA 2004.
    """

    _ballots: Ballots
    _squares: np.ndarray
    _missing: np.ndarray

    def __init__(self, p: float = 0.075):
        self.p = p

    def start(self, ballots: Ballots) -> None:
        if not (isinstance(self.p, numbers.Real) and 0 < self.p < 1):
            raise ValueError(f"p={self.p!r} must be a number in (0, 1)")
        self._ballots = ballots
        self._squares = ballots.by_member(lambda some: self._steps(some) ** 2)
        self._missing = np.full(ballots.n_samples, float(self.p))

    def _steps(self, some: slice) -> np.ndarray:
        """Signatures, each coordinate divided by how many members there are, or speak for it."""
        return signatures(self._ballots, some) / self._ballots.speakers

    def values(self, free: np.ndarray) -> np.ndarray:
        # |m - s|^2 = |m|^2 - 2 <m, s> + |s|^2
        weight = self._ballots.weight
        squared = weight @ self._missing**2
        inner = self._ballots.by_member(self._steps, weight * self._missing)
        return 2 * inner - self._squares - squared

    def add(self, member: int) -> None:
        self._missing -= self._steps(slice(member, member + 1))[0]


class _Angle(Criterion):
    """By increasing angle between a member's signature and a reference vector."""

    def _reference(self, ballots: Ballots) -> np.ndarray:
        raise NotImplementedError

    def start(self, ballots: Ballots) -> None:
        reference = self._reference(ballots)
        inner = ballots.by_member(
            lambda some: signatures(ballots, some), ballots.weight * reference
        )
        # Lengths over the samples a member speaks for; those of signatures are ones.
        lengths = np.sqrt(
            ballots.spoken * ballots.sums_of(ballots.speaks, ballots.weight * reference**2)
        )
        self._cosine = np.divide(inner, lengths, out=np.zeros(len(inner)), where=lengths > 0)

    def values(self, free: np.ndarray) -> np.ndarray:
        return self._cosine


class Orientation(_Angle):
    """Orientation ordering: towards what the whole ensemble lacks.

    The reference is the diagonal ``o = (1, ..., 1)``, where every sample is right, made
    perpendicular to the average signature of the ensemble: ``c_ref = o + lambda c_ens`` with
    ``lambda = -<o, c_ens> / |c_ens|^2`` (equation 3). Members go by increasing angle to it.

    References
    ----------
    Martinez-Munoz & Suarez, "Pruning in ordered bagging ensembles", ICML 2006.
    """

    def _reference(self, ballots: Ballots) -> np.ndarray:
        average = _average(ballots)
        square = ballots.weight @ average**2
        if square == 0:
            return np.ones(len(average))
        return 1.0 - (ballots.weight @ average) / square * average


class ReferenceVector(_Angle):
    """By angle to the signature of the whole ensemble's vote: the most alike first.

    The reference is +1 for each sample that the plurality vote of all members gets right and -1
    for the others; the smallest angle, that is the largest cosine, comes first.

    References
    ----------
    Hernandez-Lobato, Martinez-Munoz & Suarez, "Pruning in ordered regression bagging ensembles",
    IJCNN 2006, for ordering by the angle to a reference vector.
    """

    def _reference(self, ballots: Ballots) -> np.ndarray:
        return np.where(ballots.counts.argmax(axis=0) == ballots.target, 1.0, -1.0)


register_criterion("margin_distance", MarginDistance)
register_criterion("orientation", Orientation)
register_criterion("reference_vector", ReferenceVector)
