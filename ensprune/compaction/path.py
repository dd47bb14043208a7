"""The path of a compaction: smaller and smaller ensembles, each scored on the rows that judge.

In which order nodes go is the rooms' next door; where to stop is ``entry.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.validation import _num_samples

from ..arguments import as_scorer, labelled_rows, values_of
from ..combiner import Combiner
from ..members.base import Members, open_members
from ..members.wrappers import CalibratedCombiner
from ..objectives.base import (
    ScorerLike,
    class_positions,
    default_scorer,
    normalised_weights,
)
from ..objectives.generic import call_scorer
from ..validation import Validation
from .collapse import collapse_path
from .depth import depth_path
from .evidence import Evidence, Loss
from .grove import Grove
from .lossless import lossless_cut

_PATHS: dict[str, Callable[[Evidence], Iterator[None]]] = {
    "cost_complexity": collapse_path,
    "depth": depth_path,
}


@dataclass(frozen=True)
class CompactionPoint:
    """One ensemble on a path.

    Attributes
    ----------
    estimator : estimator
    n_nodes : int
        Nodes of all its trees.
    score : float
        The metric on the rows that judge; greater is better.
    """

    estimator: Any
    n_nodes: int
    score: float


def compaction_path(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    scoring: ScorerLike | None = None,
    method: str = "cost_complexity",
    validation: str = "auto",
    sample_weight: Any = None,
    n_jobs: int | None = None,
) -> Iterator[CompactionPoint]:
    """The ensembles among which :func:`compact` chooses, larger ones first.

    Parameters
    ----------
    estimator, X, y, scoring, method, validation, sample_weight, n_jobs
        As in :func:`compact`.

    Yields
    ------
    CompactionPoint
        First the ensemble after the lossless rules, then smaller ones, down to trees of one node.

    Raises
    ------
    TypeError, ValueError
        As :func:`compact`.
    """
    check_options(method, validation)
    X, y, sample_weight = labelled_rows(X, y, sample_weight)
    whole = lossless(open_members(estimator))
    members = open_members(whole)
    unseen = unseen_of(members, estimator, _num_samples(X), validation)
    scorer = scorer_of(scoring, estimator, members)
    yield from path_below(whole, X, y, scorer, method, unseen, sample_weight, n_jobs)


def unseen_of(
    members: Members, estimator: Any, n_samples: int, validation: str
) -> np.ndarray | None:
    """Where members have not seen training rows; None for rows that none of them has seen."""
    unseen = members.out_of_bag(n_samples) if validation == "oob" else None
    if validation == "oob" and unseen is None:
        raise ValueError(
            "validation='oob' needs an ensemble whose members leave rows out (bootstrap=True); "
            f"{type(estimator).__name__} does not; give other labelled rows, validation='auto'"
        )
    return unseen


def path_below(
    whole: Any,
    X: Any,
    y: np.ndarray,
    scorer: Any,
    method: str,
    unseen: np.ndarray | None,
    sample_weight: np.ndarray | None,
    n_jobs: int | None,
) -> Iterator[CompactionPoint]:
    """The path from an ensemble without superfluous nodes, on rows out of bag where ``unseen`` says.

    Parameters
    ----------
    whole : estimator
    X, y, sample_weight
        Labelled rows, checked.
    scorer : callable
    method : str
    unseen : ndarray of shape (n_members, n_samples), dtype bool, or None
        Where members may speak.
    n_jobs : int or None

    Yields
    ------
    CompactionPoint
    """
    members = open_members(whole)

    def point(candidate: Any, n_nodes: int) -> CompactionPoint:
        if unseen is None and hasattr(candidate, "get_params"):
            score = call_scorer(scorer, candidate, X, y, sample_weight)
        else:  # a raw Booster, whose labels no scorer can ask for, or rows out of bag
            opened = open_members(candidate)
            judges = Validation(opened, X, y, scorer, sample_weight, unseen, n_jobs)
            score = judges.score_full()[0]
        return CompactionPoint(candidate, n_nodes, score)

    evidence = _evidence(members, X, y, sample_weight, unseen)
    grove = evidence.grove
    yield point(whole, len(grove.left))
    for _ in _PATHS[method](evidence):
        smaller = members.with_trees(grove.cuts())
        yield point(smaller, int(grove.sizes(grove.collapsed).sum()))


def lossless(members: Members) -> Any:
    """The ensemble without the nodes that no prediction needs."""
    return members.with_trees([lossless_cut(tree) for tree in members.trees()], exact=True)


def _evidence(
    members: Members, X: Any, y: np.ndarray, sample_weight: Any, unseen: np.ndarray | None
) -> Evidence:
    """The rows, as what collapses are judged by."""
    combiner = members.bind(X)
    # Calibrators are fitted to one ensemble per fold; collapses are judged before them.
    folds = combiner.folds if isinstance(combiner, CalibratedCombiner) else None
    inner = [combiner] if folds is None else [fold for fold, _, _ in folds]
    trees = members.trees()
    grove = Grove(trees, members.reached_nodes(X), members.n_outputs)
    n_samples = len(y)
    target = np.empty((n_samples, members.n_outputs))
    if combiner.classes is None:
        target[:, 0] = values_of(y)
    else:
        position = class_positions(y, combiner.classes)
        target[:] = position[:, None] == np.arange(len(combiner.classes))[-members.n_outputs :]
    weight = n_samples * normalised_weights(sample_weight, n_samples)
    offset = np.mean([_offset(one, members.n_outputs, n_samples) for one in inner], axis=0)
    if unseen is not None:
        unseen = unseen[[tree.member for tree in trees]]
    return Evidence(grove, Loss(inner[0].link, target, weight), offset, unseen)


def _offset(combiner: Combiner, n_outputs: int, n_samples: int) -> np.ndarray:
    """The raw score of no tree at all, shape (n_samples, n_outputs)."""
    offset = np.zeros((n_outputs, n_samples))
    found = getattr(combiner, "offset", None)
    if found is not None:
        offset += found if np.ndim(found) == 2 else np.asarray(found)[:, None]
    return offset.T


def scorer_of(scoring: ScorerLike | None, estimator: Any, members: Members) -> Any:
    """The metric; None is the ensemble's default."""
    if scoring is None:
        return default_scorer(members.combiner)
    return as_scorer(scoring, estimator)


def check_options(method: Any, validation: Any) -> None:
    """Refuse names that are unknown."""
    if not isinstance(method, str) or method not in _PATHS:
        raise ValueError(f"method={method!r} is unknown; give one of {sorted(_PATHS)}")
    if validation not in ("auto", "oob"):
        raise ValueError(f"validation={validation!r} is unknown; give 'auto' or 'oob'")
