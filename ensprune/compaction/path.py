"""The path of a compaction: smaller and smaller ensembles, each scored on the rows that judge.

In which order nodes go is in ``collapse.py`` and ``depth.py``; where to stop is in ``entry.py``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from ..arguments import (
    SEEN_OR_NOT,
    check_arguments,
    check_option,
    labelled_rows,
    values_of,
)
from ..codes import one_hot
from ..combiner import Combiner, affine
from ..members.base import Members
from ..members.calibrated import CalibratedCombiner
from ..members.opening import open_members
from ..members.sampling import little_said, scarcely_unseen
from ..objectives.base import class_positions, normalised_weights
from ..objectives.generic import call_scorer
from ..objectives.registry import ScorerLike, default_scorer
from ..scoring import as_scorer, check_scores
from ..validation import Validation
from .collapse import collapse_path
from .depth import depth_path
from .evidence import PRIOR, Evidence, Loss
from .grove import Grove
from .lossless import lossless_cut

_PATHS: dict[str, Callable[[Evidence], Iterator[None]]] = {
    "cost_complexity": collapse_path,
    "depth": depth_path,
}


@dataclass(frozen=True)
class CompactionPoint:
    """One ensemble on a path.

    Parameters
    ----------
    estimator : estimator
        The smaller ensemble, fitted.
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
    estimator : estimator
        As in :func:`compact`, like all that follow.
    X : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
    scoring : str or callable, default=None
    method : {"cost_complexity", "depth"}, default="cost_complexity"
    validation : {"auto", "oob"}, default="auto"
    sample_weight : array-like of shape (n_samples,), default=None
    n_jobs : int, default=None

    Yields
    ------
    CompactionPoint
        First the ensemble after the lossless rules, then smaller ones, down to trees of one node.

    Raises
    ------
    TypeError, ValueError
        As :func:`compact`.
    """
    check_arguments("compaction_path", n_jobs=n_jobs)
    check_options(method, validation)
    members = open_members(estimator)
    whole = lossless(members)
    rows = judging_rows(open_members(whole), X, y, sample_weight, validation)
    scorer = scorer_of(scoring, estimator, members, rows.y)
    yield from path_below(whole, rows, scorer, method, n_jobs, judging=rows)


@dataclass(frozen=True)
class JudgingRows:
    """Labelled rows, and where members may speak for them.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    sample_weight : ndarray of shape (n_samples,) or None
    unseen : ndarray of shape (n_members, n_samples), dtype bool, or None
        None is everywhere.
    """

    X: Any
    y: np.ndarray
    sample_weight: np.ndarray | None
    unseen: np.ndarray | None = None

    @property
    def n_samples(self) -> int:
        return len(self.y)

    def take(self, rows: np.ndarray) -> JudgingRows:
        """Some of them."""
        weight, unseen = self.sample_weight, self.unseen
        return JudgingRows(
            _safe_indexing(self.X, rows),
            self.y[rows],
            None if weight is None else weight[rows],
            None if unseen is None else unseen[:, rows],
        )


def judging_rows(
    members: Members, X: Any, y: Any, sample_weight: Any, validation: str
) -> JudgingRows:
    """Rows as given, checked; those without weight say nothing and are left out.

    Raises
    ------
    ValueError
        If ``validation="oob"`` is asked of an ensemble that leaves no rows out.
    """
    X, y, sample_weight = labelled_rows(X, y, sample_weight)
    unseen = members.out_of_bag(_num_samples(X)) if validation == "oob" else None
    if validation == "oob" and unseen is None:
        raise ValueError(
            "validation='oob' needs an ensemble whose members leave rows out (bootstrap=True); "
            f"{type(members.estimator).__name__} does not; give other labelled rows, "
            "validation='auto'"
        )
    if unseen is not None:
        members.check_trained_on(X, unseen)
        classifies = members.combiner.classes is not None
        scarce = scarcely_unseen(unseen, y, sample_weight, classifies)
        if scarce is not None:
            warnings.warn(little_said(scarce), UserWarning, stacklevel=2)
    rows = JudgingRows(X, y, sample_weight, unseen)
    if sample_weight is None or (sample_weight > 0).all() or not (sample_weight > 0).any():
        return rows
    return rows.take(np.flatnonzero(sample_weight > 0))


def path_below(
    whole: Any,
    choosing: JudgingRows,
    scorer: Any,
    method: str,
    n_jobs: int | None,
    judging: JudgingRows | None = None,
) -> Iterator[CompactionPoint]:
    """The path from an ensemble without superfluous nodes.

    Parameters
    ----------
    whole : estimator
    choosing : JudgingRows
        Say which nodes go.
    scorer : callable
    method : str
    n_jobs : int or None
    judging : JudgingRows, default=None
        Score the points; None leaves the scores NaN.

    Yields
    ------
    CompactionPoint
    """
    members = open_members(whole)

    def point(candidate: Any, n_nodes: int) -> CompactionPoint:
        score = np.nan if judging is None else _score(candidate, judging, scorer, n_jobs)
        return CompactionPoint(candidate, n_nodes, score)

    evidence = evidence_of(members, choosing.X, choosing.y, choosing.sample_weight, choosing.unseen)
    grove = evidence.grove
    yield point(whole, len(grove.left))
    for _ in _PATHS[method](evidence):
        smaller = members.with_trees(grove.cuts())
        yield point(smaller, int(grove.sizes(grove.collapsed).sum()))


def collapsed_to(estimator: Any, X: Any, y: Any, sample_weight: Any, n_nodes: int) -> Any:
    """An ensemble whose trees have so many nodes in all at most, by the cost-complexity path.

    Parameters
    ----------
    estimator : estimator
    X : array-like of shape (n_samples, n_features)
        Its training rows, which judge out of bag where it leaves any out.
    y : ndarray of shape (n_samples,)
    sample_weight : ndarray of shape (n_samples,) or None
    n_nodes : int
    """
    whole = open_members(lossless(open_members(estimator)))
    evidence = evidence_of(whole, X, y, sample_weight, whole.out_of_bag(_num_samples(X)))
    grove = evidence.grove
    steps = collapse_path(evidence)
    while grove.sizes(grove.collapsed).sum() > n_nodes and next(steps, False) is None:
        pass
    return whole.with_trees(grove.cuts())


def _score(candidate: Any, rows: JudgingRows, scorer: Any, n_jobs: int | None) -> float:
    """The metric on some rows."""
    X, y, weight, unseen = rows.X, rows.y, rows.sample_weight, rows.unseen
    if unseen is None and hasattr(candidate, "get_params"):
        return call_scorer(scorer, candidate, X, y, weight)
    # A raw Booster, whose labels no scorer can ask for, or rows out of bag.
    judges = Validation(open_members(candidate), X, y, scorer, weight, unseen, n_jobs)
    score = judges.score_full()[0]
    return score if unseen is None else _with_all_votes(score, judges, unseen)


def _with_all_votes(score: float, judges: Validation, unseen: np.ndarray) -> float:
    """An out-of-bag score as it would be if all members spoke for each row, not a third of them.

    Shallow trees differ less, so a few of them lose less than many do: taken at its word, the score
    of a few would let far too many nodes go. In the number of voters m errors go like a + b / m, so
    what halving the voters costs tells what all of them would gain.
    """
    halves = [unseen & (np.arange(len(unseen)) % 2 == half)[:, None] for half in (0, 1)]
    combiner: Any = judges.combiner
    if not all(half.any(axis=0).mean() > 0.5 for half in halves):
        return score  # too few members to halve
    of_halves = [
        judges.score_raw(combiner, combiner.raw_out_of_bag(judges.outputs, half))[0]
        for half in halves
    ]
    missing = 1.0 - unseen[:, unseen.any(axis=0)].mean()
    return score + float(missing * (score - np.mean(of_halves)))


def lossless(members: Members) -> Any:
    """The ensemble without the nodes that no prediction needs."""
    return members.with_trees([lossless_cut(tree) for tree in members.trees()], exact=True)


def evidence_of(
    members: Members, X: Any, y: np.ndarray, sample_weight: Any, unseen: np.ndarray | None
) -> Evidence:
    """Labelled rows, as what collapses are judged by; see :func:`evidence_on`."""
    classes = members.combiner.classes
    if classes is None:
        target = values_of(y)[:, None].astype(np.float64)
    else:
        indicators = one_hot(class_positions(y, classes), len(classes))
        target = indicators[-members.n_outputs :].T.astype(np.float64)
    return evidence_on(members, X, target, sample_weight, unseen, PRIOR)


def evidence_on(
    members: Members,
    X: Any,
    target: np.ndarray,
    sample_weight: Any,
    unseen: np.ndarray | None,
    prior: float,
) -> Evidence:
    """Rows and what is to be said of them, as what collapses are judged by.

    Parameters
    ----------
    members : Members
    X : array-like of shape (n_samples, n_features)
    target : ndarray of shape (n_samples, n_outputs)
    sample_weight : ndarray of shape (n_samples,) or None
    unseen : ndarray of shape (n_members, n_samples), dtype bool, or None
    prior : float
        As in :class:`~ensprune.compaction.evidence.Evidence`.
    """
    combiner = members.bind(X)
    # Calibrators are fitted to one ensemble per fold; collapses are judged before them.
    folds = combiner.folds if isinstance(combiner, CalibratedCombiner) else None
    inner = [combiner] if folds is None else [fold for fold, _, _ in folds]
    trees = members.trees()
    grove = Grove(trees, members.reached_nodes(X), members.n_outputs)
    n_samples = len(target)
    weight = n_samples * normalised_weights(sample_weight, n_samples)
    offset = np.mean([_offset(one, members.n_outputs, n_samples) for one in inner], axis=0)
    if unseen is not None:
        unseen = unseen[[tree.member for tree in trees]]
    return Evidence(grove, Loss(inner[0].link, target, weight), offset, unseen, prior)


def _offset(combiner: Combiner, n_outputs: int, n_samples: int) -> np.ndarray:
    """The raw score of no tree at all, shape (n_samples, n_outputs)."""
    found = affine(combiner).offset_on(n_samples) if combiner.linear else None
    return np.zeros((n_samples, n_outputs)) if found is None else found.T


def scorer_of(scoring: ScorerLike | None, estimator: Any, members: Members, y: np.ndarray) -> Any:
    """The metric, which can score these labels or values; None is the ensemble's default."""
    classes = members.combiner.classes
    if scoring is None:
        return default_scorer(members.combiner)
    scorer = as_scorer(scoring, estimator)
    check_scores(scorer, scoring, y, classes, classifies=classes is not None)
    return scorer


def check_options(method: Any, validation: Any) -> None:
    """Refuse names that are unknown."""
    check_option("method", method, _PATHS)
    check_option("validation", validation, SEEN_OR_NOT)
