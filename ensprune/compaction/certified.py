"""Compaction with evidence: one half of the rows says which nodes go, the other how many may."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..certificate import Auditor, Certificate, certification_split
from ..members.opening import open_members
from ..objectives.registry import ScorerLike, metric_name
from ..validation import Validation
from .path import CompactionPoint, judging_rows, lossless, path_below, scorer_of

# As with members: the next size to test is at most this share of the last.
_STEP = 0.9


def certified(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: Any,
    tolerance: float,
    confidence: float,
    scoring: ScorerLike | None,
    method: str,
    n_jobs: int | None,
    random_state: Any,
) -> tuple[Any, Certificate]:
    """The smallest ensemble of a path that is certified to lose no more than ``tolerance``.

    Parameters
    ----------
    estimator, X, y, sample_weight, tolerance, confidence, scoring, method, n_jobs, random_state
        As in :func:`ensprune.compact`.

    Returns
    -------
    smaller : estimator
    certificate : Certificate
        Its sizes are nodes.
    """
    members = open_members(estimator)
    whole = lossless(members)
    rows = judging_rows(members, X, y, sample_weight, "auto")
    scorer = scorer_of(scoring, estimator, members, rows.y)
    choosing, certifying = (
        rows.take(half)
        for half in certification_split(
            rows.y, confidence, members.combiner.classes is not None, random_state
        )
    )
    auditor = Auditor(
        Validation(
            members,
            certifying.X,
            certifying.y,
            scorer,
            certifying.sample_weight,
            n_jobs=n_jobs,
        ),
        confidence,
        metric_name(scoring, scorer),
        choosing.n_samples,
        random_state,
    )
    path = path_below(whole, choosing, scorer, method, n_jobs)
    n_nodes = sum(tree.n_nodes for tree in members.trees())
    return auditor.smallest_of(_spaced(path), n_nodes, tolerance, "nodes")


def _spaced(path: Iterator[CompactionPoint]) -> Iterator[tuple[Any, int]]:
    """Ensembles and their nodes, with steps that are worth a test."""
    limit = np.inf
    for point in path:
        if point.n_nodes <= limit:
            yield point.estimator, point.n_nodes
            limit = _STEP * point.n_nodes
