"""The selector's contract: a problem of arrays in, a path of sub-ensembles out."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import _safe_indexing

from ..combination import Combination
from ..combiner import Combiner, affine
from ..objectives.base import Objective
from ..objectives.generic import GenericObjective
from ..path import PathPoint, PruningPath
from ..progress import SILENT, Progress
from ..storage import columns_of, members_of
from ..threads import one_blas_thread


@dataclass(frozen=True)
class Problem:
    """What a selector gets to see.

    Parameters
    ----------
    outputs : ndarray of shape (n_members, n_outputs, n_samples)
        Outputs of all members on the validation rows.
    y : ndarray of shape (n_samples,)
        Labels or target values.
    combiner : Combiner
        Of all members.
    objective : Objective
        What to maximise; not started.
    costs : ndarray of shape (n_members,)
        What each member costs.
    budget : float
        Bound on the total cost.
    sample_weight : ndarray of shape (n_samples,), default=None
        None weights all samples the same.
    mask : ndarray of shape (n_members, n_samples), dtype bool, default=None
        Where members may speak, in out-of-bag selection.
    rows : array-like of shape (n_samples, n_features), default=None
        The validation rows, for scorers that look at them.
    carries_weights : bool, default=True
        Whether the pruned estimator can give members weights of their own.
    n_jobs : int, default=None
        Threads over candidates.
    random_state : int, RandomState instance or None, default=None
        For selectors that draw and have no seed of their own.
    progress : Progress, default=SILENT
        What hears how far the search is.
    """

    outputs: np.ndarray
    y: np.ndarray
    combiner: Combiner
    objective: Objective
    costs: np.ndarray
    budget: float
    sample_weight: np.ndarray | None = None
    mask: np.ndarray | None = None
    rows: Any = None
    carries_weights: bool = True
    n_jobs: int | None = None
    random_state: Any = None
    progress: Progress = SILENT

    def most_members(self) -> int:
        """How many members fit into the budget at most."""
        return max(1, int(self.fits(np.cumsum(np.sort(self.costs))).sum()))

    @property
    def n_members(self) -> int:
        """How many members there are to choose from."""
        return len(self.outputs)

    @cached_property
    def costs_alike(self) -> bool:
        """Whether all members cost the same."""
        return bool(np.ptp(self.costs) == 0)

    @property
    def combination(self) -> Combination:
        """How the ensemble combines its members, in a few words."""
        combiner = self.combiner
        return Combination(
            combiner.kind,
            combiner.classes is not None,
            combiner.linear,
            self.carries_weights,
            type(combiner.link),
        )

    @cached_property
    def heard(self) -> np.ndarray:
        """Members that the ensemble does not ignore, shape (n_members,), dtype bool.

        In a vote some may have a weight of 0: those alone have no average.
        """
        if not self.combiner.linear:
            return np.ones(self.n_members, dtype=bool)
        combiner = affine(self.combiner)
        return ~(combiner.averages & (combiner.member_weights == 0))

    def start(self) -> Objective:
        """The objective, started on these data, with nothing chosen."""
        self.objective.n_wanted = self.most_members()
        self.objective.start(
            self.outputs,
            self.y,
            self.combiner,
            self.sample_weight,
            mask=self.mask,
            rows=self.rows,
            n_jobs=self.n_jobs,
        )
        return self.objective

    def on_rows(self, rows: np.ndarray) -> Problem:
        """The same problem on some of the samples.

        Parameters
        ----------
        rows : ndarray of int
            Their positions.
        """
        weight, mask = self.sample_weight, self.mask
        return replace(
            self,
            outputs=columns_of(self.outputs, rows),
            y=self.y[rows],
            combiner=self.combiner.on_rows(rows),
            sample_weight=None if weight is None else weight[rows],
            mask=None if mask is None else mask[:, rows],
            rows=None if self.rows is None else _safe_indexing(self.rows, rows),
        )

    def evaluate(self, members: Iterable[int], weights: np.ndarray | None = None) -> float:
        """The objective of one sub-ensemble, re-weighted; not out of bag.

        Parameters
        ----------
        members : iterable of int
            Positions of those that are in.
        weights : ndarray of shape (len(members),), default=None
            Factors on the members' native weights.
        """
        chosen = [int(t) for t in members]
        alone = replace(
            self,
            outputs=members_of(self.outputs, chosen),
            combiner=self.combiner.take(chosen, weights),
        )
        objective = alone.start()
        for position in range(len(chosen)):
            objective.add(position)
        return objective.score()

    def fits(self, cost: float | np.ndarray) -> Any:
        """Whether a total cost is within the budget.

        Parameters
        ----------
        cost : float or ndarray
            One, or several that are judged each by itself.
        """
        return np.asarray(cost) <= self.budget * (1 + 1e-9)

    def point(
        self, members: Iterable[int], objective: float, weights: Iterable[float] | None = None
    ) -> PathPoint:
        """A point of the path; a member chosen twice counts once and weighs double.

        Parameters
        ----------
        members : iterable of int
            Positions, in the order chosen.
        objective : float
            The score of these.
        weights : iterable of float, default=None
            Factors on the native weights of the members; None leaves those as they are.
        """
        chosen = [int(t) for t in members]
        distinct = tuple(dict.fromkeys(chosen))
        if weights is not None:
            factors: tuple[float, ...] | None = tuple(float(w) for w in weights)
        elif len(distinct) < len(chosen):
            times = Counter(chosen)
            factors = tuple(float(times[t]) for t in distinct)
        else:
            factors = None
        cost = float(self.costs[list(distinct)].sum())
        return PathPoint(distinct, cost, float(objective), factors)


class Selector(BaseEstimator, ABC):
    """A search for a sub-ensemble.

    The constructor only stores parameters, so selectors can be cloned and tuned like estimators
    (``selector__exchanges`` in a grid).
    """

    @property
    def works_out_of_bag(self) -> bool:
        """Whether it can search where each member speaks only for rows it has not seen."""
        return True

    @property
    def asks_each_sample(self) -> bool:
        """Whether every sample is a question of its own: synthetic ones then only cost time."""
        return False

    def check(self, combination: Combination | None) -> None:
        """Refuse options that cannot be, and ensembles that this search is not for.

        Asked before the ensemble is fitted, which may take hours; :meth:`select` asks again.

        Parameters
        ----------
        combination : Combination or None
            How the ensemble combines its members; None is not known.

        Raises
        ------
        TypeError, ValueError
            That name the option, or the search and what it is for.
        """

    def check_size(self, most: float) -> None:
        """Refuse options that ask for more members than there may be.

        Asked before the ensemble is fitted, where a budget is a number of members.

        Parameters
        ----------
        most : float
            Members that may be kept.

        Raises
        ------
        ValueError
            That names the option.
        """

    @abstractmethod
    def select(self, problem: Problem) -> PruningPath:
        """Search.

        Parameters
        ----------
        problem : Problem
            Arrays, never an estimator.

        Returns
        -------
        PruningPath
            At least one point, none above the budget.
        """


def short_products(problem: Problem) -> AbstractContextManager[None]:
    """One thread for BLAS while a search goes on, where its products are short.

    Scorers of scikit-learn, and final estimators that are fitted for a candidate, may have all; so
    may what an objective starts with out of bag, after which there are no products.
    """
    generic = isinstance(problem.objective, GenericObjective)
    return one_blas_thread(problem.mask is None and not generic)


_registry: dict[str, type[Selector] | str] = {}


def register_selector(name: str, selector: type[Selector] | str) -> None:
    """Give a selector a name that ``EnsemblePruner(selector=...)`` knows.

    Parameters
    ----------
    name : str
        One that is taken already is taken over.
    selector : Selector subclass or str
        A string ``"package.module:Class"`` is imported when the name is first used.
    """
    _registry[name] = selector


def make_selector(selector: str | Selector, parameter: str = "selector") -> Selector:
    """A selector object from its name, or the object itself.

    Parameters
    ----------
    selector : str or Selector
        A registered name, or an object with a ``select`` method.
    parameter : str, default="selector"
        What the argument is called, for messages.

    Raises
    ------
    ValueError
        If no selector of that name is registered.
    TypeError
        If it is neither a name nor an object with a ``select`` method.
    """
    if not isinstance(selector, str):
        if isinstance(selector, type) or not callable(getattr(selector, "select", None)):
            raise TypeError(
                f"{parameter}={selector!r} has no select method of its own; give one of "
                f"{sorted(_registry)} or a Selector object"
            )
        return selector
    if selector not in _registry:
        raise ValueError(
            f"{parameter}={selector!r} is unknown; give one of {sorted(_registry)} or a Selector "
            "object"
        )
    entry = _registry[selector]
    if isinstance(entry, str):
        module, _, name = entry.partition(":")
        entry = getattr(importlib.import_module(module), name)
        _registry[selector] = entry
    return entry()
