"""Labelled rows as trees see them: from tables and estimators to the arrays of ``refinement/``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing

from .arguments import values_of
from .combiner import Combiner
from .lesson import Lesson, weight_of
from .objectives.targets import link_target
from .refine import Evidence, Labelled
from .refinement.equations import Rows

# Weight of all synthetic rows, relative to that of the real ones.
_SYNTHETIC_WEIGHT = 3.0


def read(
    members: Any, evidence: Evidence, n_jobs: int | None = None, out_of_bag: bool = False
) -> Rows:
    """All rows of the evidence, one part after the other.

    Parameters
    ----------
    members : Members and HasLeaves
    evidence : sequence of Labelled
    n_jobs : int, default=None
    out_of_bag : bool, default=False
        Whether to say which trees have not seen which rows.
    """
    parts = [_read_part(members, part, n_jobs, out_of_bag) for part in evidence]
    masks = [part.unseen for part in parts]
    return Rows(
        ids=np.concatenate([part.ids for part in parts]),
        target=np.concatenate([part.target for part in parts], axis=1),
        weight=np.concatenate([part.weight for part in parts]),
        offset=np.concatenate([part.start for part in parts], axis=1),
        unseen=None if any(mask is None for mask in masks) else np.concatenate(masks),  # type: ignore[arg-type]
        opinion=_side_by_side(parts),
    )


def taught(members: Any, rows: Rows, lesson: Lesson, n_jobs: int | None = None) -> Rows:
    """Rows, and the synthetic ones with what a teacher says of them."""
    answers = lesson.answers
    weight = _SYNTHETIC_WEIGHT * rows.weight.sum() / answers.shape[1]
    within, X = members.unwrapped(lesson.X)
    synthetic = Rows(
        ids=within.leaf_ids(X, n_jobs),
        target=answers,
        weight=np.full(answers.shape[1], weight),
        offset=within.bind(X).shifted(np.zeros(answers.shape)),
    )
    return rows.taught(synthetic)


def labels_of(rows: Rows) -> np.ndarray:
    """One number per row to stratify by, shape (n_samples,)."""
    target = rows.target
    return target[0] if len(target) == 1 else target.argmax(axis=0)


def some_of(part: Labelled, rows: np.ndarray) -> Labelled:
    """Some of the labelled rows, by position."""
    weight = None if part.sample_weight is None else part.sample_weight[rows]
    # Of these alone: trees are grown on them.
    return Labelled(_safe_indexing(part.X, rows), part.y[rows], weight, part.seen)


def _read_part(members: Any, part: Labelled, n_jobs: int | None, out_of_bag: bool) -> Rows:
    within, X = members.unwrapped(part.X)
    combiner = within.bind(X)
    target = _target(part.y, combiner)
    mask = part.out_of_bag(members) if out_of_bag else None
    return Rows(
        ids=within.leaf_ids(X, n_jobs),
        target=target,
        weight=weight_of(members, part),
        offset=combiner.shifted(np.zeros(target.shape)),
        unseen=None if mask is None else mask.T,
        opinion=None if part.opinion is None else part.opinion.mean,
    )


def _side_by_side(parts: Sequence[Rows]) -> np.ndarray | None:
    """The opinions of all parts; NaN in those that have none, None if all of them."""
    if all(part.opinion is None for part in parts):
        return None
    opinions = [
        np.full(part.target.shape, np.nan) if part.opinion is None else part.opinion
        for part in parts
    ]
    return np.concatenate(opinions, axis=1)


def _target(y: np.ndarray, combiner: Combiner) -> np.ndarray:
    """Values, or one-hot labels, shape (n_outputs, n_samples)."""
    return link_target(values_of(y) if combiner.classes is None else y, combiner)
