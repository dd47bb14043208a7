"""Refinements: what is fitted anew in an ensemble once it has been cut; the contract and the names.

How one works is its own file's business; ``pruner.py`` only asks for it by name.
"""

from __future__ import annotations

import copy
import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .combiner import Combiner
from .members.base import Members
from .members.opening import open_members
from .path import PathPoint, PruningPath


@dataclass(frozen=True)
class Opinion:
    """What the uncut ensemble says of rows it was not trained on: the truth, with less noise.

    Parameters
    ----------
    mean : ndarray of shape (n_outputs, n_samples)
        Values or probabilities (that of the second class, where there is one output); NaN in rows
        that every member has seen.
    n_members : int
        Members of that ensemble.
    speaker : object, default=None
        Whom to ask about more rows: ``answers(X)`` gives the same of these; None if nobody.
    """

    mean: np.ndarray
    n_members: int
    speaker: Any = None

    @classmethod
    def of(cls, combiner: Any, outputs: np.ndarray, mask: np.ndarray | None) -> Opinion | None:
        """From what all members output on the rows, out of bag with a mask; None if it is none."""
        link = combiner.link
        if mask is not None:
            raw = combiner.raw_out_of_bag(outputs, mask)
            spoken = np.isfinite(raw).all(axis=0)
        else:
            raw = combiner.raw(outputs)
            spoken = np.ones(raw.shape[1], dtype=bool)
        if combiner.classes is None:
            mean = link.values(raw[:, spoken])[None]
        elif link.has_proba:
            mean = link.proba(raw[:, spoken])[-len(raw) :]
        else:
            return None
        everywhere = np.full(raw.shape, np.nan)
        everywhere[:, spoken] = mean
        return cls(everywhere, len(outputs))


@dataclass(frozen=True)
class Labelled:
    """Labelled rows, and whether the ensemble's members were trained on them.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    sample_weight : ndarray of shape (n_samples,) or None
    seen : bool
        True for training rows; a member's bootstrap may still have left some out.
    among : tuple of (int, ndarray of int), default=None
        How many training rows there were, and which of them these are; None if all.
    opinion : Opinion, default=None
    """

    X: Any
    y: np.ndarray
    sample_weight: np.ndarray | None
    seen: bool
    among: tuple[int, np.ndarray] | None = None
    opinion: Opinion | None = None

    def out_of_bag(self, members: Members) -> np.ndarray | None:
        """Where members may speak, (n_members, n_samples); None if they have seen every row."""
        if self.among is None:
            return members.out_of_bag(len(self.y))
        n_trained, rows = self.among
        mask = members.out_of_bag(n_trained)
        return None if mask is None else mask[:, rows]


Evidence = Sequence[Labelled]


@dataclass(frozen=True)
class Rehearsal:
    """What members will say once refined, on labelled rows to choose them by.

    Parameters
    ----------
    outputs : ndarray of shape (n_members, n_outputs, n_samples), dtype float32
    y : ndarray of shape (n_samples,)
        Labels or values.
    sample_weight : ndarray of shape (n_samples,) or None
    X : array-like of shape (n_samples, n_features)
    """

    outputs: np.ndarray
    y: np.ndarray
    sample_weight: np.ndarray | None
    X: Any


class Refinement(ABC):
    """Fits something of a cut ensemble anew.

    How strongly is chosen once, by :meth:`fit`; :meth:`refined` then does it to any cut of the
    same ensemble.

    Parameters
    ----------
    n_jobs : int, default=None
    random_state : int, RandomState instance or None, default=None

    Attributes
    ----------
    report : object
        What was chosen and what it is worth: a frozen dataclass. After :meth:`fit`.
    """

    report: Any

    def __init__(self, n_jobs: int | None = None, random_state: Any = None):
        self.n_jobs = n_jobs
        self.random_state = random_state

    def check(self, unfitted: Any) -> None:  # noqa: B027
        """Refuse what has nothing of the kind to refine, before it is fitted.

        Parameters
        ----------
        unfitted : estimator

        Raises
        ------
        TypeError
            As :meth:`fit`, where that can be told.
        """

    def rehearsal(self, estimator: Any, evidence: Evidence) -> Rehearsal | None:
        """What to choose members by, where more is known than what they say as they are.

        Parameters
        ----------
        estimator : estimator
            The uncut ensemble.
        evidence : sequence of Labelled
            What :meth:`fit` gets next.

        Returns
        -------
        Rehearsal or None
            None: as they are.
        """
        return None

    @abstractmethod
    def fit(self, estimator: Any, evidence: Evidence) -> Refinement:
        """Choose how strongly to refine, on rows that a refinement under test has not seen.

        Raises
        ------
        TypeError
            If the ensemble has nothing of the kind to refine.
        ValueError
            If the evidence does not allow an honest choice.
        """

    @abstractmethod
    def refined(self, estimator: Any, evidence: Evidence) -> Any:
        """A refined copy of a cut ensemble; the one given is left as it was."""

    @abstractmethod
    def cross_fitted(self, estimator: Any, evidence: Evidence) -> tuple[Combiner, np.ndarray]:
        """Raw scores of refined copies on rows that neither they nor the members have seen.

        Returns
        -------
        combiner : Combiner
            What the raw scores mean.
        raw : ndarray of shape (n_outputs, n_samples)
            On the rows that the ensemble was not trained on; where there are none, on its
            training rows, by members that have not seen them: the ensemble's own, NaN in rows that
            all of these have seen, or others of the same kind.
        """


# Points of a path whose refined score is computed: each costs a few fits.
_SCORED_POINTS = 10


@dataclass(frozen=True)
class FittedRefinement:
    """A refinement with the rows it works on: calling it refines a cut ensemble."""

    refinement: Refinement
    evidence: Evidence

    @property
    def report(self) -> Any:
        """What was chosen and what it is worth."""
        return self.refinement.report

    def __call__(self, estimator: Any) -> Any:
        return self.refinement.refined(estimator, self.evidence)


def refine_path(
    path: PruningPath, chosen: PathPoint, validation: Any, refinement: Refinement
) -> tuple[PruningPath, FittedRefinement]:
    """Fit a refinement at the chosen point and score refined cuts along the path.

    Parameters
    ----------
    path : PruningPath
    chosen : PathPoint
        One of its points.
    validation : Validation
    refinement : Refinement

    Returns
    -------
    path : PruningPath
        With the refined score of the chosen point and of up to nine more, evenly spread.
    fitted : FittedRefinement
    """
    evidence = validation.evidence
    cut = validation.members.subset(chosen.indices, chosen.weight_array)
    fitted = FittedRefinement(refinement.fit(cut, evidence), evidence)
    return scored_refined(path, chosen, validation, lambda _: fitted), fitted


def scored_refined(
    path: PruningPath,
    chosen: PathPoint,
    validation: Any,
    fitted_for: Callable[[int], FittedRefinement],
) -> PruningPath:
    """The path with the refined score of one of its points and of up to nine more, evenly spread.

    Parameters
    ----------
    path : PruningPath
    chosen : PathPoint
    validation : Validation
    fitted_for : callable
        ``fitted_for(size)`` refines cuts of so many members.
    """
    spread = np.linspace(0, len(path) - 1, min(len(path), _SCORED_POINTS - 1)).round().astype(int)
    scores = {}
    for position in sorted({*spread.tolist(), path.points.index(chosen)}):
        point = path[position]
        fitted = fitted_for(point.size)
        cut = validation.members.subset(point.indices, point.weight_array)
        raw = fitted.refinement.cross_fitted(cut, fitted.evidence)
        scores[position] = validation.score_raw(*raw)[0]
    return path.with_refined(scores)


class RefinementBySize:
    """Refines cuts of any size, asked for from large to small, as strongly as is good for about that.

    What is best for three members is not for thirty. The strength is chosen anew at each size that
    is half of the one before, and done to those in between.

    Parameters
    ----------
    refinement : Refinement
        Not fitted; copies of it are.
    evidence : Evidence
    """

    def __init__(self, refinement: Refinement, evidence: Evidence):
        self._refinement = refinement
        self._evidence = evidence
        self._rungs: list[tuple[int, FittedRefinement]] = []

    def __call__(self, estimator: Any) -> Any:
        size = open_members(estimator).n_members
        if not self._rungs or 2 * size <= self._rungs[-1][0]:
            refinement = copy.copy(self._refinement).fit(estimator, self._evidence)
            self._rungs.append((size, FittedRefinement(refinement, self._evidence)))
        return self.fitted_for(size)(estimator)

    def fitted_for(self, size: int) -> FittedRefinement:
        """What refines cuts of a size, among what has been fitted so far.

        Parameters
        ----------
        size : int
            Members.
        """
        large_enough = [fitted for rung, fitted in self._rungs if rung >= size]
        return large_enough[-1] if large_enough else self._rungs[0][1]


# Imported when first used.
_registry: dict[str, type[Refinement] | str] = {
    "leaves": "ensprune.leaf_refinement:LeafRefinement",
    "weights": "ensprune.weight_refinement:WeightRefinement",
}


def register_refinement(name: str, refinement: type[Refinement] | str) -> None:
    """Give a refinement a name that ``EnsemblePruner(refine=...)`` knows.

    Parameters
    ----------
    name : str
    refinement : Refinement subclass or str
        A string ``"package.module:Class"`` is imported when the name is first used.
    """
    _registry[name] = refinement


def make_refinement(name: str, n_jobs: int | None, random_state: Any) -> Refinement:
    """A refinement from its name.

    Raises
    ------
    ValueError
        If none of that name is registered.
    """
    if name not in _registry:
        raise ValueError(f"refine={name!r} is unknown; give None or one of {sorted(_registry)}")
    entry = _registry[name]
    if isinstance(entry, str):
        module, _, attribute = entry.partition(":")
        entry = getattr(importlib.import_module(module), attribute)
        _registry[name] = entry
    return entry(n_jobs, random_state)
