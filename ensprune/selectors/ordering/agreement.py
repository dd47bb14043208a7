"""Kappa pruning: pairs of members that agree least."""

from __future__ import annotations

import numpy as np

from ...storage import samples_of
from .ballots import Ballots
from .criterion import Criterion, register_criterion


def pairwise_agreement(ballots: Ballots) -> tuple[np.ndarray, np.ndarray]:
    """How often the members of every pair agree on the samples both speak for.

    Parameters
    ----------
    ballots : Ballots

    Returns
    -------
    observed : ndarray of shape (n_members, n_members), dtype float64
        The weighted share of samples with the same label; NaN where no sample is shared.
    chance : ndarray of shape (n_members, n_members), dtype float64
        What it would be if both labelled independently as often as they do.
    """
    n_members, n_classes = ballots.n_members, ballots.n_classes
    shared = np.zeros((n_members, n_members))
    observed = np.zeros((n_members, n_members))
    # Weight of what one says where the other speaks too.
    said = np.zeros((n_classes, n_members, n_members))
    for block in ballots.sample_blocks():
        speaks = ballots.speaks[:, block].astype(np.float64)
        weighted = speaks * ballots.weight[block]
        shared += weighted @ speaks.T
        votes = samples_of(ballots.predictions, block)
        for label in range(n_classes):
            voted = votes == label
            observed += (voted * weighted) @ (voted * speaks).T
            said[label] += (voted * weighted) @ speaks.T
    scale = np.divide(1.0, shared, out=np.full_like(shared, np.nan), where=shared > 0)
    chance = np.zeros((n_members, n_members))
    for share in said * scale:
        # How often the first says so where the second speaks too, and the other way round.
        chance += share * share.T
    return observed * scale, chance


def pairwise_kappa(ballots: Ballots) -> np.ndarray:
    """Cohen's kappa of every pair of members on the samples both speak for.

    ``kappa = (observed - chance) / (1 - chance)``, see :func:`pairwise_agreement`.

    Parameters
    ----------
    ballots : Ballots

    Returns
    -------
    ndarray of shape (n_members, n_members), dtype float64
        1 where agreement is certain by chance alone, or no sample is shared.
    """
    observed, chance = pairwise_agreement(ballots)
    certain = ~(1.0 - chance >= 1e-12)
    safe = np.where(certain, 1.0, 1.0 - chance)
    return np.where(certain, 1.0, (observed - chance) / safe)


class Kappa(Criterion):
    """Kappa pruning: take pairs of members by increasing agreement beyond chance.

    Of a pair, the member that is right more often comes first. Cohen's kappa is defined for any
    number of classes.

    References
    ----------
    Margineantu & Dietterich, "Pruning adaptive boosting", ICML 1997.
    """

    def start(self, ballots: Ballots) -> None:
        n_members = ballots.n_members
        kappa = pairwise_kappa(ballots)
        first, second = np.triu_indices(n_members, 1)
        order = np.argsort(kappa[first, second], kind="stable")
        pairs = np.stack([first[order], second[order]], axis=1)
        swapped = ballots.accuracy[pairs[:, 1]] > ballots.accuracy[pairs[:, 0]]
        pairs[swapped] = pairs[swapped][:, ::-1]
        members, seen = np.unique(pairs.ravel(), return_index=True)
        # An ensemble of one member has no pairs.
        self._values = np.zeros(n_members)
        self._values[members] = -seen.astype(np.float64)

    def values(self, free: np.ndarray) -> np.ndarray:
        return self._values


register_criterion("kappa", Kappa)
