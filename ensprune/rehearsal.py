"""Trees as they will say once refitted: what to choose them by where their leaves are to be refitted.

A tree that is good as it was grown need not be good with other values in its leaves. Each is
fitted to a lesson by itself and heard on the rows of the lesson, so that a search sees errors that
refitting leaves over. Who teaches is in ``lesson.py``, who searches in ``selectors/``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing

from .lesson import Lesson
from .members.refittable import open_leaves
from .refine import Rehearsal
from .refinement.alone import alone

# So many rows at most; of many members, so many that what the trees say of them has so many numbers.
_MOST_ROWS = 10_000
_MOST_NUMBERS = 1 << 25

# Trees whose leaves are in memory at a time: a large forest has more of them than rows.
_MEMBERS_AT_ONCE = 20

# A row does not stand there with labels less likely than this.
_LIKELY = 0.02


def rehearse(members: Any, lesson: Lesson, n_jobs: int | None = None) -> Rehearsal:
    """Fit each tree by itself to some rows of a lesson, and hear it on these.

    Parameters
    ----------
    members : Members and HasLeaves
        Trees whose mean is the prediction.
    lesson : Lesson
    n_jobs : int, default=None

    Returns
    -------
    Rehearsal
        Of classes, rows with each label that the teachers think likely, weighted by how likely: the
        Brier score of labels then is that of the answers, but for what is the same for all trees.
    """
    n_members = members.n_members
    n_rows = min(lesson.answers.shape[1], _MOST_ROWS, max(_MOST_NUMBERS // n_members, 1))
    # From all over the lesson: another draw of a teacher may have answered its end.
    some = np.linspace(0, lesson.answers.shape[1] - 1, n_rows).round().astype(int)
    answers = lesson.answers[:, some]
    X = _safe_indexing(lesson.X, some)

    n_most = max(_MOST_NUMBERS // (n_members * len(answers)), 1)
    heard, y, weight = _labelled(answers, members.combiner.classes, n_most)
    outputs = np.empty((n_members, len(answers), len(heard)), dtype=np.float32)
    within, rows = members.unwrapped(X)
    for first in range(0, n_members, _MEMBERS_AT_ONCE):
        several = np.arange(first, min(first + _MEMBERS_AT_ONCE, n_members))
        trees = open_leaves(within.subset(several))
        ids = trees.leaf_ids(rows, n_jobs)
        values = alone(trees.leaves(), ids, answers)
        for tree, own in zip(several, ids.T, strict=True):
            outputs[tree] = values[own[heard]].T
    return Rehearsal(outputs, y, weight, _safe_indexing(X, heard))


def _labelled(
    answers: np.ndarray, classes: np.ndarray | None, n_most: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Rows, by position, with labels and weights; ``n_most`` at most, but for labels of the last."""
    n_rows = answers.shape[1]
    if classes is None:
        heard = np.linspace(0, n_rows - 1, min(n_rows, n_most)).round().astype(int)
        return heard, answers[0, heard], None
    likely = answers >= min(_LIKELY, 1.0 / len(answers))
    per_row = max(likely.sum() / n_rows, 1.0)
    n_kept = max(min(n_rows, int(n_most / per_row)), 1)
    kept = np.linspace(0, n_rows - 1, n_kept).round().astype(int)
    position, label = np.nonzero(likely[:, kept].T)
    share = np.where(likely, answers, 0.0)[:, kept]
    share /= share.sum(axis=0)
    return kept[position], classes[label], share[label, position]
