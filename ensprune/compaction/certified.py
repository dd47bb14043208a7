"""Compaction with evidence: one half of the rows says which nodes go, the other how many may."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing

from ..certificate import Auditor, Certificate, certification_split
from ..members.base import open_members
from ..objectives.base import ScorerLike, metric_name
from ..validation import Validation
from .path import CompactionPoint, lossless, path_below, scorer_of, unseen_of

# As with members: the next size to test is at most this share of the last.
_STEP = 0.9


def certified(
    estimator: Any,
    X: Any,
    y: np.ndarray,
    sample_weight: np.ndarray | None,
    tolerance: float,
    confidence: float,
    scoring: ScorerLike | None,
    method: str,
    validation: str,
    n_jobs: int | None,
    random_state: Any,
) -> tuple[Any, Certificate]:
    """The smallest ensemble of a path that is certified to lose no more than ``tolerance``.

    Parameters
    ----------
    estimator, X, y, sample_weight, tolerance, confidence, scoring, method, validation, n_jobs, \
random_state
        As in :func:`ensprune.compact`; rows checked.

    Returns
    -------
    smaller : estimator
    certificate : Certificate
        Its sizes are nodes.
    """
    whole = lossless(open_members(estimator))
    members = open_members(whole)
    unseen = unseen_of(members, estimator, len(y), validation)
    scorer = scorer_of(scoring, estimator, members)
    classifies = members.combiner.classes is not None
    choosing, certifying = (
        (
            _safe_indexing(X, half),
            y[half],
            None if sample_weight is None else sample_weight[half],
            None if unseen is None else unseen[:, half],
        )
        for half in certification_split(y, confidence, classifies, random_state)
    )
    rows, labels, weight, mask = certifying
    auditor = Auditor(
        Validation(members, rows, labels, scorer, weight, mask, n_jobs),
        confidence,
        metric_name(scoring, scorer),
        len(choosing[1]),
        random_state,
    )
    rows, labels, weight, mask = choosing
    path = path_below(whole, rows, labels, scorer, method, mask, weight, n_jobs)
    n_nodes = sum(tree.n_nodes for tree in open_members(estimator).trees())
    return auditor.smallest_of(_spaced(path), n_nodes, tolerance, "nodes")


def _spaced(path: Iterator[CompactionPoint]) -> Iterator[tuple[Any, int]]:
    """Ensembles and their nodes, with steps that are worth a test."""
    limit = np.inf
    for point in path:
        if point.n_nodes <= limit:
            yield point.estimator, point.n_nodes
            limit = _STEP * point.n_nodes
