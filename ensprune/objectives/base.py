"""The objective's contract, and what objectives share of labels and weights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..combiner import Combiner


@dataclass(frozen=True)
class Given:
    """What an objective looks at; the parameters of :meth:`Objective.start`, where they are explained."""

    outputs: np.ndarray
    y: np.ndarray
    combiner: Combiner
    sample_weight: np.ndarray | None = None
    mask: np.ndarray | None = None
    rows: Any = None
    n_jobs: int | None = None


class Objective(ABC):
    """What is to be preserved, evaluated for all candidates at once and incrementally.

    Scores follow scikit-learn's scorers: greater is better. An objective starts from the empty
    sub-ensemble; :meth:`add` and :meth:`drop` move it, :meth:`candidates` looks one move ahead.

    A subclass defines :meth:`_begin`, which is given the parameters of :meth:`start` in one piece,
    or :meth:`start` itself.

    Attributes
    ----------
    selected : list of int
        Members in the current sub-ensemble, in the order they were added.
    n_members : int
        How many there are to choose from.
    n_wanted : int or None
        How many a search may choose at most, where it says so before it starts: what is worth
        computing ahead, and no bound.
    """

    selected: list[int]
    n_members: int
    n_wanted: int | None = None

    def start(
        self,
        outputs: np.ndarray,
        y: np.ndarray,
        combiner: Combiner,
        sample_weight: np.ndarray | None = None,
        *,
        mask: np.ndarray | None = None,
        rows: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        """Look at the data and begin with no member chosen.

        Parameters
        ----------
        outputs : ndarray of shape (n_members, n_outputs, n_samples)
            Outputs of all members. They are read, never copied per candidate, never changed.
        y : ndarray of shape (n_samples,)
            Labels (as in ``combiner.classes``) or target values.
        combiner : Combiner
            Of all members.
        sample_weight : ndarray of shape (n_samples,), default=None
            None weights all samples the same.
        mask : ndarray of shape (n_members, n_samples), dtype bool, default=None
            Where a member may speak: its out-of-bag samples. None is everywhere.
        rows : array-like of shape (n_samples, n_features), default=None
            The rows themselves, for scorers that look at them.
        n_jobs : int, default=None
            Threads over candidates.

        Raises
        ------
        ValueError
            If ``y`` has labels that the ensemble was not trained on, or there is a mask and the
            objective has no out-of-bag form.
        """
        self._begin(Given(outputs, y, combiner, sample_weight, mask, rows, n_jobs))

    def _begin(self, given: Given) -> None:
        """What :meth:`start` does with what it is given."""
        raise NotImplementedError(f"{type(self).__name__} defines neither start nor _begin")

    @abstractmethod
    def candidates(self, drop: bool = False) -> np.ndarray:
        """Score of every sub-ensemble one move away.

        Parameters
        ----------
        drop : bool, default=False
            Score dropping each member instead of adding it.

        Returns
        -------
        ndarray of shape (n_members,), dtype float64
            With ``drop``, ``-inf`` for members that are not in, and for the last one.
        """

    @abstractmethod
    def add(self, member: int) -> None:
        """Take a member in; once more, if it is in already.

        Parameters
        ----------
        member : int
            Its position in the outputs.
        """

    @abstractmethod
    def drop(self, member: int) -> None:
        """Take a member out; once, if it is in several times.

        Parameters
        ----------
        member : int
            Its position in the outputs.
        """

    def clear(self) -> None:
        """Take all members out."""
        for member in list(self.selected):
            self.drop(member)

    @abstractmethod
    def score(self) -> float:
        """Score of the current sub-ensemble; NaN while it is empty."""

    def tiebreaks(self, drop: bool = False) -> np.ndarray | None:
        """Secondary scores, for metrics that tie often.

        Parameters
        ----------
        drop : bool, default=False
            As for :meth:`candidates`.

        Returns
        -------
        ndarray of shape (n_members,), dtype float64, or None
            None where there are none.
        """
        return None

    def tiebreaks_of(self, members: np.ndarray, drop: bool = False) -> np.ndarray | None:
        """:meth:`tiebreaks` of those candidates that tie, where these alone are cheaper.

        Parameters
        ----------
        members : ndarray of int
        drop : bool, default=False
            As for :meth:`candidates`.

        Returns
        -------
        ndarray of shape (len(members),), dtype float64, or None
            None where there are none.
        """
        ties = self.tiebreaks(drop)
        return None if ties is None else ties[members]

    def better_swaps(
        self, entering: np.ndarray, enough: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Every swap that scores more than ``enough``, where :meth:`swaps` are cheap.

        Parameters
        ----------
        entering : ndarray of shape (n_members,), dtype bool
            Members that may come in: none that is in already.
        enough : float

        Returns
        -------
        positions, members, scores : ndarrays of shape (n_better,), or None
            Position in ``selected`` of who leaves, who comes, and the score of that; in the order
            of positions.
        """
        scores = self.swaps()
        if scores is None:
            return None
        positions, members = (entering & (scores > enough)).nonzero()
        return positions, members, scores[positions, members]

    def swaps(self, position: int | slice | None = None) -> np.ndarray | None:
        """Score of every sub-ensemble one swap away, where that is cheap.

        Parameters
        ----------
        position : int or slice, default=None
            Of the members in ``selected`` to be replaced, each on its own; None is all.

        Returns
        -------
        ndarray of shape (n_replaced, n_members), or (n_members,) for one position, or None
            Entry (i, t): the i-th of these members replaced by t.
        """
        return None


def refuse_mask(objective: Objective, given: Given) -> None:
    """For objectives that cannot look at each member's own samples only.

    Raises
    ------
    ValueError
        If there is a mask.
    """
    if given.mask is not None:
        raise ValueError(
            f"{type(objective).__name__} has no out-of-bag form: select by squared error instead"
        )


def class_positions(y: Any, classes: np.ndarray, name: str = "y") -> np.ndarray:
    """Positions of labels in ``classes``, shape (n_samples,), dtype intp.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
    classes : ndarray of shape (n_classes,)
    name : str, default="y"
        What the labels are called, for messages.

    Raises
    ------
    ValueError
        If ``y`` has labels that the ensemble was not trained on.
    """
    labels = np.asarray(y)
    if object in (labels.dtype, classes.dtype):
        # Words and numbers have no order that a set difference could sort them by.
        unknown = sorted(set(labels.tolist()).difference(classes.tolist()), key=str)
    else:
        unknown = np.setdiff1d(labels, classes).tolist()
    if unknown:
        shown = ", ".join(map(repr, unknown[:5]))
        raise ValueError(
            f"{name} has labels the ensemble was not trained on: {shown}; it knows "
            f"{classes[:10].tolist()}"
        )
    order = np.argsort(classes, kind="stable")
    return order[np.searchsorted(classes, labels, sorter=order)]


def normalised_weights(sample_weight: Any, n_samples: int) -> np.ndarray:
    """Sample weights that sum to one, shape (n_samples,), dtype float64."""
    if sample_weight is None:
        return np.full(n_samples, 1.0 / n_samples)
    weight = np.asarray(sample_weight, dtype=np.float64)
    return weight / weight.sum()


def variance_of(y: np.ndarray, weight: np.ndarray) -> float:
    """Weighted variance; exactly zero where nothing varies, whatever rounding makes of the mean."""
    if np.ptp(y[weight > 0]) == 0:
        return 0.0
    return float(weight @ (y - weight @ y) ** 2)
