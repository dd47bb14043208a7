"""Criteria that rank every member once, by itself or against the whole ensemble."""

from __future__ import annotations

import numbers
from typing import ClassVar

import numpy as np

from ...storage import release
from .ballots import Ballots, largest_other
from .criterion import Criterion, register_criterion


class _Ranking(Criterion):
    _values: np.ndarray

    def values(self, free: np.ndarray) -> np.ndarray:
        return self._values


class Individual(_Ranking):
    """The score of each member alone, by the metric asked for; any metric, any task."""

    for_regression: ClassVar[bool] = True

    def start(self, ballots: Ballots) -> None:
        self._values = ballots.problem.start().candidates()


class IndividualContribution(_Ranking):
    """EPIC: right where few are, wrong where many are (Lu et al. 2010).

    With ``v`` the votes of the whole ensemble on a sample, ``v_max`` for the label with most of
    them, ``v_sec`` for the second, ``v_own`` for the member's own label and ``v_true`` for the true
    one, a member earns (equation 5)

    - ``2 v_max - v_own`` where it is right and in the minority,
    - ``v_sec`` where it is right and with the majority,
    - ``v_true - v_own - v_max`` where it is wrong.

    The definition is for any number of classes.

    References
    ----------
    Lu, Wu, Zhu & Bongard, "Ensemble pruning via individual contribution ordering", KDD 2010.
    """

    def start(self, ballots: Ballots) -> None:
        counts, columns = ballots.counts, np.arange(ballots.n_samples)
        majority = counts.argmax(axis=0)
        most = counts.max(axis=0)
        second = largest_other(counts, majority)
        true = counts[ballots.target, columns]

        def earned(some: slice) -> np.ndarray:
            votes = ballots.predictions[some]
            own = counts[votes, columns]
            right = np.where(votes == majority, second, 2 * most - own)
            value = np.where(ballots.right[some], right, true - own - most)
            return np.where(ballots.speaks[some], value, 0.0)

        self._values = ballots.share(ballots.by_member(earned))


class MarginDiversity(_Ranking):
    """MDEP: right on samples with small margins and with few right votes (Guo et al. 2018).

    A member earns, on each sample where it is right,
    ``-alpha log |v_true - v_other| / T - (1 - alpha) log v_true / T``: ``v_true`` of ``T`` votes
    are for the true label, ``v_other`` for the most frequent other label. Both terms are
    positive; a margin of nought counts as one vote. The definition is for any number of classes.

    Parameters
    ----------
    alpha : float in [0, 1], default=0.2
        Weight of the margin against diversity; the paper's own.

    References
    ----------
    Guo, Liu, Li, Wu, Guo & Xu, "Margin & diversity based ordering ensemble pruning",
    Neurocomputing 275 (2018).
    """

    def __init__(self, alpha: float = 0.2):
        self.alpha = alpha

    def start(self, ballots: Ballots) -> None:
        if not (isinstance(self.alpha, numbers.Real) and 0 <= self.alpha <= 1):
            raise ValueError(f"alpha={self.alpha!r} must be a number in [0, 1]")
        counts = ballots.counts
        total = np.maximum(counts.sum(axis=0), 1.0)
        true = counts[ballots.target, np.arange(ballots.n_samples)]
        margin = np.abs(true - largest_other(counts, ballots.target))
        # Where nobody is right nobody earns anything.
        diversity = -np.log(np.maximum(true, 1.0) / total)
        worth = -self.alpha * np.log(np.maximum(margin, 1.0) / total)
        worth = worth + (1 - self.alpha) * diversity
        self._values = ballots.share(ballots.by_member(lambda some: ballots.right[some] * worth))


class ErrorAmbiguity(_Ranking):
    """Small error for its distance from the average: the ambiguity decomposition.

    The squared error of a mean is the mean over members of ``|o_t - y|^2 - |o_t - mean|^2``
    (Krogh & Vedelsby, equation 6); members are ranked by that difference, smallest first. For
    classifiers ``o_t`` is the vector of their class probabilities or votes and ``y`` the indicator
    of the true label, which makes it the decomposition of the Brier score.

    References
    ----------
    Krogh & Vedelsby, "Neural network ensembles, cross validation, and active learning", NIPS 7
    (1995). Jiang, Liu, Fu & Wu, "Generalized ambiguity decompositions for classification with
    applications in active learning and unsupervised ensemble pruning", AAAI 2017.
    """

    for_regression: ClassVar[bool] = True

    def start(self, ballots: Ballots) -> None:
        everyone = range(ballots.n_members)
        mean = np.zeros((max(ballots.n_classes, 1), ballots.n_samples))
        for member in everyone:
            mean += self._opinion(ballots, member)
        mean /= ballots.speakers
        # |o - y|^2 - |o - m|^2 = 2 <o, m - y> + |y|^2 - |m|^2
        level = np.zeros(ballots.n_samples)
        for label, row in enumerate(mean):
            wanted = ballots.target == label if ballots.n_classes else ballots.target
            level += (wanted - row) * (wanted + row)
            row -= wanted
        slope = mean
        slope *= 2.0 * ballots.weight
        total = ballots.sums_of(ballots.speaks, ballots.weight * level)
        total += [np.vdot(self._opinion(ballots, member), slope) for member in everyone]
        self._values = -ballots.share(total)

    @staticmethod
    def _opinion(ballots: Ballots, member: int) -> np.ndarray:
        """Values, or probabilities of each label, where a member speaks, (n_labels or 1, n_samples)."""
        problem = ballots.problem
        if not ballots.n_classes:
            said = ballots.predictions[member][None]
        elif not problem.combiner.has_proba:
            said = ballots.predictions[member] == np.arange(ballots.n_classes)[:, None]
        else:
            alone = problem.combiner.take([member])
            said = alone.predict_proba(problem.outputs[member : member + 1]).T
        said = said * ballots.speaks[member]
        release(problem.outputs)
        release(ballots.predictions)
        return said


register_criterion("individual", Individual)
register_criterion("individual_contribution", IndividualContribution)
register_criterion("margin_diversity", MarginDiversity)
register_criterion("error_ambiguity", ErrorAmbiguity)
