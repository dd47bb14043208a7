"""Metrics of the confusion matrix: F1, precision, recall, Jaccard, Matthews' correlation, kappa, ...

The labels of all candidates are counted class by class; of a candidate a metric needs no more than
that. Accuracy and balanced accuracy, which need less, are in ``accuracy.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    cohen_kappa_score,
    f1_score,
    fbeta_score,
    hamming_loss,
    jaccard_score,
    matthews_corrcoef,
    precision_score,
    recall_score,
    zero_one_loss,
)

from ..link import Link, Logistic
from ..replay import Replay
from ..scoring import check_metric_parameters
from ..storage import release
from .base import class_positions
from .generic import call_scorer
from .registry import counts_labels, register_label_metric
from .ties import OfLabels

# Entries of confusion matrices that are held at a time, by each thread.
_MOST_ENTRIES = 1 << 20

# Above this many classes argmax is faster than comparing whole rows.
_MANY_CLASSES = 24


class ConfusionScore(OfLabels):
    """A scorer of predicted labels that looks at nothing but the confusion matrix.

    Parameters
    ----------
    scorer : scikit-learn scorer
        Of a metric that takes sample weights.

    Raises
    ------
    ValueError
        If scikit-learn does not allow a keyword argument, which closed forms would not notice.

    Notes
    -----
    Where the metric has a closed form, all candidates are scored by it at once. Everything else, a
    division by zero and what scikit-learn warns of then included, is left to the scorer itself, on
    one sample per entry of the confusion matrix with the entry for its weight.
    """

    def __init__(self, scorer: Any):
        check_metric_parameters(scorer)
        self.scorer = scorer

    def _sample_weights(self, sample_weight: np.ndarray | None) -> np.ndarray:
        # Not normalised: metrics may be counts.
        n_classes = len(self.combiner.classes)
        self._rows = self._targets * n_classes  # of the confusion matrix, flat
        if sample_weight is None:
            return np.ones(self.n_samples)
        return np.asarray(sample_weight, dtype=np.float64)

    def _contributions(self, raw: np.ndarray, block: slice) -> np.ndarray:
        """The entry of the confusion matrix that each sample counts for."""
        return _labels(self.combiner.link, raw) + self._rows[block]

    def _moves(self, members: np.ndarray, sign: float) -> np.ndarray:
        scores = np.empty(len(members))
        some = max(1, _MOST_ENTRIES // len(self.combiner.classes) ** 2)
        for first in range(0, len(members), some):
            batch = members[first : first + some]
            matrices = [self._confusion(member, sign) for member in batch]
            scores[first : first + some] = scores_of_confusions(
                self.scorer,
                self.combiner.classes,
                *map(np.stack, zip(*matrices, strict=True)),
            )
        return scores

    def _current(self) -> float:
        counts, weights = self._confusion()
        scores = scores_of_confusions(
            self.scorer, self.combiner.classes, counts[None], weights[None]
        )
        return float(scores[0])

    def _confusion(
        self, member: int | None = None, sign: float = 1.0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Samples in each entry of the confusion matrix, and what they weigh; both flat.

        Of the current sub-ensemble plus (or minus) ``member``, where there is one.
        """
        entries = np.empty(self.n_samples, dtype=np.intp)
        for block in self._blocks():
            raw = np.empty_like(self._total[:, block])
            if member is None:
                raw[...] = self._total[:, block]
                self._averaged(raw, self._norm, block)
            else:
                self._raw(member, sign, block, raw)
            entries[block] = self._contributions(raw, block)
        release(self._outputs)
        size = len(self.combiner.classes) ** 2
        counts = np.bincount(entries, minlength=size)
        return counts, counts if self._uniform else np.bincount(entries, self._weights, size)


def scores_of_confusions(
    scorer: Any, classes: np.ndarray, counts: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Score of each confusion matrix.

    Parameters
    ----------
    scorer : scikit-learn scorer
        Of predicted labels.
    classes : ndarray of shape (n_classes,)
    counts : ndarray of shape (n_candidates, n_classes ** 2), dtype int
        Samples in each entry, true classes first.
    weights : ndarray of the same shape
        What they weigh.

    Returns
    -------
    ndarray of shape (n_candidates,), dtype float64
    """
    n_classes = len(classes)
    confusion = weights.reshape(-1, n_classes, n_classes).astype(np.float64, copy=False)
    # scikit-learn averages over the labels that are there, be it without weight.
    seen = counts.reshape(confusion.shape)
    present = (seen.sum(axis=1) + seen.sum(axis=2)) > 0
    closed = _CLOSED.get(scorer._score_func)
    scores = np.full(len(counts), np.nan)
    if closed is not None:
        sides = _Sides(
            right=np.diagonal(confusion, axis1=1, axis2=2),
            true=confusion.sum(axis=2),
            predicted=confusion.sum(axis=1),
            present=present,
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            scores = closed(sides, classes, scorer._kwargs)
        scores *= scorer._sign
    for candidate in np.flatnonzero(~np.isfinite(scores)):
        scores[candidate] = _asked(scorer, classes, counts[candidate], weights[candidate])
    return scores


def _asked(scorer: Any, classes: np.ndarray, counts: np.ndarray, weights: np.ndarray) -> float:
    """What the scorer itself says of one confusion matrix."""
    entries = np.flatnonzero(counts)
    true, said = np.divmod(entries, len(classes))
    return call_scorer(
        scorer,
        Replay(classes, predict=classes[said]),
        np.empty((len(entries), 0)),
        classes[true],
        weights[entries],
    )


def scores_without(
    scorer: Any,
    estimator: Replay,
    y: np.ndarray,
    sample_weight: np.ndarray | None,
    group: np.ndarray,
) -> np.ndarray | None:
    """Score without each group of samples, where the confusion matrix tells it.

    Parameters
    ----------
    scorer : callable
    estimator : Replay
        Predictions of the samples.
    y : ndarray of shape (n_samples,)
    sample_weight : ndarray of shape (n_samples,) or None
    group : ndarray of shape (n_samples,), dtype int
        From 0.

    Returns
    -------
    ndarray of shape (n_groups,), dtype float64, or None
        None where the metric looks at more, or is not defined without some group.
    """
    classes, said = getattr(estimator, "classes_", None), estimator.predict_
    if classes is None or said is None or not counts_labels(scorer):
        return None
    size, n_groups = len(classes) ** 2, int(group.max()) + 1
    if size * n_groups > _MOST_ENTRIES:
        return None
    entries = class_positions(y, classes) * len(classes) + class_positions(said, classes)
    entries += group * size
    # Sums of the others, so that nothing is left of rounding where nothing weighs.
    others = 1 - np.eye(n_groups, dtype=int)
    counts = others @ np.bincount(entries, minlength=size * n_groups).reshape(n_groups, size)
    weights = counts
    if sample_weight is not None:
        own = np.bincount(entries, sample_weight, size * n_groups)
        weights = others @ own.reshape(n_groups, size)
    try:
        return scores_of_confusions(scorer, classes, counts, weights)
    except ValueError:
        return None


def _labels(link: Link, raw: np.ndarray) -> np.ndarray:
    """Positions of the predicted classes, (n_block,); ``raw`` (n_outputs, n_block) is overwritten."""
    if isinstance(link, Logistic) or len(raw) > _MANY_CLASSES:
        return link.labels(raw)
    # As argmax has it, the first of equal ones, by comparisons of whole rows.
    labels = np.zeros(raw.shape[1], dtype=np.min_scalar_type(len(raw)))
    most = raw[0]
    for position, row in enumerate(raw[1:], start=1):
        found = np.multiply(row > most, position, dtype=labels.dtype)
        np.maximum(labels, found, out=labels)
        if position + 1 < len(raw):
            np.maximum(most, row, out=most)
    return labels


class _Sides(NamedTuple):
    """What closed forms need of every candidate's confusion matrix, (n_candidates, n_classes) each.

    The weight of each class that is right, true and predicted, and which classes are there at all.
    """

    right: np.ndarray
    true: np.ndarray
    predicted: np.ndarray
    present: np.ndarray


# Scores from sides, classes and the scorer's keyword arguments: NaN where a closed form does not
# hold, and everywhere for keyword arguments that it does not know.
_Closed = Callable[[_Sides, np.ndarray, dict[str, Any]], np.ndarray]


def _set_wise(
    parts: Callable[..., tuple[np.ndarray, np.ndarray]],
) -> _Closed:
    """Averages over classes of a quotient, ``parts(right, true, predicted, beta)``."""

    def closed(sides: _Sides, classes: np.ndarray, kwargs: dict[str, Any]) -> np.ndarray:
        right, true, predicted, present = sides
        unknown = np.full(len(right), np.nan)
        average, beta = kwargs.get("average", "binary"), kwargs.get("beta", 1.0)
        positive = kwargs.get("pos_label", 1)
        if not set(kwargs) <= {"average", "beta", "pos_label", "zero_division"}:
            return unknown
        top, bottom = parts(right, true, predicted, beta)
        if average == "binary":
            # Anything else is an error that says so.
            at = np.flatnonzero([bool(label == positive) for label in classes.tolist()])
            if len(at) != 1:
                return unknown
            usual = (present.sum(axis=1) <= 2) & present[:, at[0]]
            return np.where(usual, top[:, at[0]] / bottom[:, at[0]], np.nan)
        if positive not in (None, 1) or average not in ("micro", "macro", "weighted"):
            return unknown
        if average == "micro":
            return top.sum(axis=1) / bottom.sum(axis=1)
        # A class that is there but has nothing to divide by makes the average NaN, too.
        each = np.where(present, top / bottom, 0.0)
        share = present if average == "macro" else true
        return (share * each).sum(axis=1) / share.sum(axis=1)

    return closed


def _correlation(sides: _Sides, classes: np.ndarray, kwargs: dict[str, Any]) -> np.ndarray:
    """Matthews' correlation coefficient."""
    right, true, predicted, _ = sides
    total = true.sum(axis=1)
    both = right.sum(axis=1) * total - (true * predicted).sum(axis=1)
    of_true = total**2 - (true**2).sum(axis=1)
    of_predicted = total**2 - (predicted**2).sum(axis=1)
    varied = ((true > 0).sum(axis=1) > 1) & ((predicted > 0).sum(axis=1) > 1) & (not kwargs)
    return np.where(varied, both / np.sqrt(of_true * of_predicted), np.nan)


def _kappa(sides: _Sides, classes: np.ndarray, kwargs: dict[str, Any]) -> np.ndarray:
    """Cohen's kappa, without weights."""
    right, true, predicted, _ = sides
    total = true.sum(axis=1)
    wrong = total - right.sum(axis=1)
    by_chance = total - (true * predicted).sum(axis=1) / total
    varied = (((true > 0) | (predicted > 0)).sum(axis=1) > 1) & (not kwargs)
    return np.where(varied, 1 - wrong / by_chance, np.nan)


def _balanced(sides: _Sides, classes: np.ndarray, kwargs: dict[str, Any]) -> np.ndarray:
    """Mean recall of the classes, unless one is only predicted: scikit-learn warns of it."""
    right, true, _, present = sides
    told = (~present | (true > 0)).all(axis=1) & (not kwargs)
    each = np.where(present, right / true, 0.0)
    return np.where(told, each.sum(axis=1) / present.sum(axis=1), np.nan)


_f_score = _set_wise(
    lambda right, true, predicted, beta: (
        (1 + beta**2) * right,
        beta**2 * true + predicted,
    )
)
_CLOSED: dict[Any, _Closed] = {
    f1_score: _f_score,
    fbeta_score: _f_score,
    precision_score: _set_wise(lambda right, true, predicted, beta: (right, predicted)),
    recall_score: _set_wise(lambda right, true, predicted, beta: (right, true)),
    jaccard_score: _set_wise(
        lambda right, true, predicted, beta: (right, true + predicted - right)
    ),
    matthews_corrcoef: _correlation,
    cohen_kappa_score: _kappa,
    balanced_accuracy_score: _balanced,
}

for _metric in (
    *_CLOSED,
    accuracy_score,  # with keyword arguments
    hamming_loss,
    zero_one_loss,
):
    register_label_metric(_metric, ConfusionScore)
