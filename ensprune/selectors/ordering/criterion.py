"""The contract of an ordering criterion, and the names they go by."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from .ballots import Ballots


class Criterion(BaseEstimator, ABC):
    """Ranks members, once or anew after each one taken in.

    The constructor only stores parameters. :meth:`start` sees the data, then :meth:`values` and
    :meth:`add` take turns.

    Attributes
    ----------
    for_regression : bool
        Whether it is defined for regressors too; all are for classifiers.
    """

    for_regression: ClassVar[bool] = False

    @abstractmethod
    def start(self, ballots: Ballots) -> None:
        """Look at the data, with no member chosen.

        Parameters
        ----------
        ballots : Ballots
            Predictions of every member alone.
        """

    @abstractmethod
    def values(self, free: np.ndarray) -> np.ndarray:
        """How much each member is wanted next; greater is better.

        Parameters
        ----------
        free : ndarray of shape (n_members,), dtype bool
            Who can be chosen at all.

        Returns
        -------
        ndarray of shape (n_members,), dtype float64
            Ties go to the member that is right more often on its own, then to the first.
        """

    def add(self, member: int) -> None:
        """A member was chosen; criteria that rank once need not know.

        Parameters
        ----------
        member : int
            Its position.
        """


_registry: dict[str, type[Criterion]] = {}


def register_criterion(name: str, criterion: type[Criterion]) -> None:
    """Give a criterion a name that ``OrderingSelector(criterion=...)`` knows.

    Parameters
    ----------
    name : str
        One that is taken already is taken over.
    criterion : Criterion subclass
        Must be constructible without arguments.
    """
    _registry[name] = criterion


def criterion_names(regression: bool = False) -> list[str]:
    """The names of the criteria there are.

    Parameters
    ----------
    regression : bool, default=False
        Only those that are defined for regressors.
    """
    return sorted(name for name, kind in _registry.items() if kind.for_regression or not regression)


def make_criterion(criterion: str | Criterion) -> Criterion:
    """A criterion from its name, or a copy of the object given.

    Parameters
    ----------
    criterion : str or Criterion
        A registered name, or an object.

    Raises
    ------
    ValueError
        If there is no criterion of that name.
    TypeError
        If it is neither a name nor a :class:`Criterion`.
    """
    if isinstance(criterion, Criterion):
        return type(criterion)(**criterion.get_params())
    if not isinstance(criterion, str):
        raise TypeError(
            f"criterion={criterion!r} must be a Criterion object or one of {criterion_names()}"
        )
    if criterion not in _registry:
        raise ValueError(f"criterion={criterion!r} is unknown; give one of {criterion_names()}")
    return _registry[criterion]()
