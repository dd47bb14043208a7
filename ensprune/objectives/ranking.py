"""Area under the ROC curve and average precision: one sort per candidate, ties counted as ties."""

from __future__ import annotations

from functools import partial
from itertools import combinations
from typing import Any, ClassVar

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.metrics._scorer import _Scorer

from ..combiner import Combiner
from ..link import Probability
from ..replay import Replay
from ..storage import release
from .certain import are_certain, counted
from .registry import register_any_response, register_objective
from .running import RunningObjective

_ONE = np.uint64(1)

# Up to this many distinct sums counting is faster than sorting.
_MOST_LEVELS = 128


class RankingObjective(RunningObjective):
    """A metric of how a column of scores ranks the samples of a class before the others.

    Parameters
    ----------
    average : {"macro", "weighted"}, default="macro"
        Over the classes, each against the rest, where there are more than two: all the same, or
        by how frequent they are. For two classes, only ``positive`` counts.
    by_decision : bool, default=True
        Whether the scorer asks for a ``decision_function`` first; else for probabilities.
    positive : {0, 1}, default=1
        Which of two classes is to be ranked before the other.

    Notes
    -----
    A score and the label of its sample are packed into one integer whose order is that of the
    scores, so that sorting it carries the label along.

    Where all probabilities are zero or one, as in trees whose leaves are pure, their sums take few
    values: how many samples of either label there are at each of them, and so the metric to the last
    bit, is counted for all candidates by one product.
    """

    _one_against_rest: ClassVar[bool] = True

    def __init__(self, average: str = "macro", by_decision: bool = True, positive: int = 1):
        self.average = average
        self.by_decision = by_decision
        self.positive = positive

    def _reduce(
        self, outputs: np.ndarray, offset: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        n_classes = len(self.combiner.classes)
        ranked = [self.positive] if n_classes == 2 else range(n_classes)
        self._positive = {c: self._targets == c for c in ranked}
        self._shares = {
            c: float(self._weights[hit].sum()) if self.average == "weighted" else 1.0
            for c, hit in self._positive.items()
        }
        averages = isinstance(self.combiner.link, Probability)
        if n_classes == 2 and averages:
            # The raw score of the one class is all there is to rank.
            own = slice(self.positive, self.positive + 1)
            outputs, offset = outputs[:, own], None if offset is None else offset[own]
        plain = averages and offset is None and self._uniform and self._one_against_rest
        self._certain = plain and are_certain(outputs)
        return outputs, offset

    def _columns(self, raw: np.ndarray) -> np.ndarray:
        """What the scorer ranks, (n_ranked, n_samples): decisions, or rounded probabilities."""
        combiner = self.combiner
        if self.by_decision and combiner.has_decision:
            # Decisions of two classes speak for the second.
            return -raw if self.positive == 0 else raw
        if not isinstance(combiner.link, Probability):
            raw = combiner.link.proba(raw)[list(self._positive)]
        return raw.astype(combiner.dtype, copy=False)

    def _score_of(self, raw: np.ndarray) -> float:
        total = sum(self._shares.values())
        columns = self._columns(raw)
        score = 0.0
        for column, (label, positive) in zip(columns, self._positive.items(), strict=True):
            weights = None if self._uniform else self._weights
            score += self._shares[label] / total * self._area(*_curve(column, positive, weights))
        return score

    def _area(self, hits: np.ndarray, others: np.ndarray) -> float:
        """The metric, given running weights of the class and of the rest, best scores first."""
        return float(self._areas(hits, others))

    def _areas(self, hits: np.ndarray, others: np.ndarray) -> np.ndarray:
        """The same of many candidates: over the last axis."""
        raise NotImplementedError

    def _prepare(self, drop: bool) -> None:
        self._levels: list[tuple[np.ndarray, np.ndarray]] | None = None
        if self._certain and not drop:
            levels = [np.unique(total, return_inverse=True) for total in self._total]
            if max(len(values) for values, _ in levels) <= _MOST_LEVELS:
                self._levels = levels

    def _moves(self, members: np.ndarray, sign: float) -> np.ndarray:
        if self._levels is not None:
            return self._moves_if_certain(members, self._levels)
        everything = slice(None)
        raw = np.empty_like(self._total)
        scores = np.empty(len(members))
        for position, t in enumerate(members):
            if sign > 0:
                self._raw(t, sign, everything, raw)
            else:
                self._raw_without(t, raw)
            scores[position] = self._score_of(raw)
            release(self._outputs)
        return scores

    def _moves_if_certain(
        self, members: np.ndarray, levels: list[tuple[np.ndarray, np.ndarray]]
    ) -> np.ndarray:
        """:meth:`_moves`, given the values of the sum and where each sample has which, per row."""
        scores, total = np.zeros(len(members)), sum(self._shares.values())
        factors = self._member_weights[members]
        for row, (label, positive) in enumerate(self._positive.items()):
            values, at = levels[row]
            groups = 2 * at + positive
            ones = counted(self._outputs[:, row], members, groups, 2 * len(values))
            zeros = np.bincount(groups, minlength=2 * len(values)) - ones
            counts = np.concatenate([zeros, ones], axis=1).reshape(len(members), -1, 2)
            for factor in np.unique(factors):
                some = factors == factor
                raw = np.concatenate([values, values + factor]) / (self._norm + factor)
                ranked = raw.astype(self.combiner.dtype)
                distinct, rank = np.unique(-ranked, return_inverse=True)
                belongs = np.eye(len(distinct))[rank]
                hits, others = ((counts[some, :, of] @ belongs).cumsum(axis=1) for of in (1, 0))
                scores[some] += self._shares[label] / total * self._areas(hits, others)
        return scores

    def _raw_without(self, member: int, out: np.ndarray) -> None:
        """Raw score with ``member`` dropped, written to ``out`` (n_rows, n_samples).

        Added up anew: taking away leaves rounding behind, and then equal scores do not tie.
        """
        out[...] = self._start_of_sum()
        kept = list(self.selected)
        kept.remove(member)
        for t in kept:
            out += self._member_weights[t] * self._outputs[t].astype(np.float64, copy=False)
        self._averaged(out, float(self._member_weights[kept].sum()), slice(None))

    def _current(self) -> float:
        return self._score_of(self._averaged(self._total.copy(), self._norm, slice(None)))


class RocAuc(RankingObjective):
    """Area under the ROC curve; one class against the rest where there are more than two.

    NaN where a class is not among the samples.

    Parameters
    ----------
    average : {"macro", "weighted"}, default="macro"
        As in :class:`~ensprune.objectives.ranking.RankingObjective`.
    by_decision, positive
        As there.
    """

    def _areas(self, hits: np.ndarray, others: np.ndarray) -> np.ndarray:
        pairs = 2.0 * hits[..., -1] * others[..., -1]
        steps = np.diff(others, prepend=0.0)
        before = np.concatenate([np.zeros_like(hits[..., :1]), hits[..., :-1]], axis=-1)
        found = (steps * (before + hits)).sum(axis=-1)
        return np.divide(found, pairs, out=np.full_like(pairs, np.nan), where=pairs > 0)


class RocAucOneVsOne(RocAuc):
    """Area under the ROC curve over pairs of classes, each class's own column ranking the two.

    As in scikit-learn all classes have to be among the samples, which cannot be weighted; averages
    are over pairs, ``"weighted"`` by how many samples are of either class.

    Parameters
    ----------
    average : {"macro", "weighted"}, default="macro"
        Over the pairs.
    by_decision, positive
        As in :class:`RocAuc`.

    References
    ----------
    Hand & Till, "A simple generalisation of the area under the ROC curve for multiple class
    classification problems", Machine Learning 45 (2001).
    """

    _one_against_rest = False

    def _sample_weights(self, sample_weight: np.ndarray | None) -> np.ndarray:
        if sample_weight is not None:
            raise ValueError(
                "sample_weight has no meaning for scoring='roc_auc_ovo': give none, or another "
                "scoring such as 'roc_auc_ovr'"
            )
        return super()._sample_weights(sample_weight)

    def _score_of(self, raw: np.ndarray) -> float:
        columns = self._columns(raw)
        score = total = 0.0
        for pair in combinations(range(len(columns)), 2):
            either = self._positive[pair[0]] | self._positive[pair[1]]
            share = np.count_nonzero(either) if self.average == "weighted" else 1
            for label in pair:
                column, positive = columns[label][either], self._positive[label][either]
                score += 0.5 * share * self._area(*_curve(column, positive, None))
            total += share
        return score / total


class AveragePrecision(RankingObjective):
    """Mean precision over the steps in recall, for two classes.

    Parameters
    ----------
    average : {"macro", "weighted"}, default="macro"
        The same for two classes.
    by_decision, positive
        As in :class:`RocAuc`.
    """

    def _areas(self, hits: np.ndarray, others: np.ndarray) -> np.ndarray:
        everyone = hits + others
        precision = np.divide(hits, everyone, out=np.zeros_like(hits), where=everyone > 0)
        found, most = (np.diff(hits, prepend=0.0) * precision).sum(axis=-1), hits[..., -1]
        return np.divide(found, most, out=np.zeros_like(most), where=most > 0)


def _curve(
    scores: np.ndarray, positive: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the positives, and of the others, that score at least as much as each value.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
    positive : ndarray of shape (n_samples,), dtype bool
    weights : ndarray of shape (n_samples,) or None

    Returns
    -------
    hits, others : ndarray of shape (n_distinct,)
        From the greatest value to the least.
    """
    if weights is None:
        keys, positive = _sorted(scores, positive)
    else:
        order = np.argsort(-scores)
        keys, positive, weights = scores[order], positive[order], weights[order]
    # Samples of equal scores are passed at once.
    last = np.append(np.flatnonzero(keys[1:] != keys[:-1]), len(keys) - 1)
    if weights is None:
        hits = np.cumsum(positive, dtype=np.int64)[last].astype(np.float64)
        return hits, last + 1.0 - hits
    hits = np.cumsum(weights * positive)[last]
    return hits, np.cumsum(weights * ~positive)[last]


def _sorted(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keys in which equal scores are equal, greatest first, and their samples' labels."""
    if scores.min() < 0:
        # Of the bits none is left for the label.
        order = np.argsort(-scores)
        return scores[order], positive[order]
    # Non-negative floats are in the order of their bits; adding 0 turns -0 into 0.
    if scores.dtype == np.float32:
        scores = scores.astype(np.float64)
    packed = (scores + 0.0).view(np.uint64) << _ONE
    packed |= positive
    packed.sort()
    packed = packed[::-1]
    return packed >> _ONE, (packed & _ONE).astype(bool)


def _ranks_two(combiner: Combiner) -> bool:
    classes: Any = combiner.classes
    return combiner.linear and classes is not None and len(classes) == 2 and _responds(combiner)


def _responds(combiner: Combiner) -> bool:
    return combiner.has_proba or combiner.has_decision


def _ranks_each(combiner: Combiner) -> bool:
    return combiner.linear and combiner.classes is not None and combiner.has_proba


def _ranks_pairs(combiner: Combiner) -> bool:
    return _ranks_each(combiner) and len(combiner.classes) > 2  # type: ignore[arg-type]


def _first_response(scorer: _Scorer, has: dict[str, bool]) -> str | None:
    """Which of the responses that there are a scorer asks for first; None if it asks for others."""
    method: Any = scorer._response_method
    asked = [method] if isinstance(method, str) else list(method)
    if scorer._sign != 1 or not set(asked) <= set(has):
        return None
    return next((name for name in asked if has[name]), None)


def _positive_of(scorer: _Scorer, classes: Any) -> int | None:
    """Which of two classes a scorer ranks first; None if neither, or if it has other options."""
    options = dict(scorer._kwargs)
    if scorer._score_func is not average_precision_score:
        return None if options else 1
    label = options.pop("pos_label", 1)
    found = [at for at, known in enumerate(classes) if known == label]
    return None if options or len(found) != 1 else found[0]


def _of_any_response(
    ranking: type[RankingObjective], scorer: _Scorer, combiner: Combiner
) -> RankingObjective | None:
    """The form for a scorer of two classes by whatever it asks for first, and for either class."""
    if not _ranks_two(combiner):
        return None
    has = {"decision_function": combiner.has_decision, "predict_proba": combiner.has_proba}
    first, positive = _first_response(scorer, has), _positive_of(scorer, combiner.classes)
    if first is None or positive is None:
        return None
    return ranking(by_decision=first == "decision_function", positive=positive)


def precision_without(
    scorer: Any,
    estimator: Replay,
    y: np.ndarray,
    sample_weight: np.ndarray | None,
    group: np.ndarray,
) -> np.ndarray | None:
    """Average precision of two classes without each group of samples; None for other scorers.

    Parameters
    ----------
    scorer : callable
    estimator : Replay
        Answers for the samples.
    y : ndarray of shape (n_samples,)
    sample_weight : ndarray of shape (n_samples,) or None
    group : ndarray of shape (n_samples,), dtype int
        From 0.

    Returns
    -------
    ndarray of shape (n_groups,), dtype float64, or None
        0 where no sample is positive, as scikit-learn has it.
    """
    classes: Any = getattr(estimator, "classes_", ())
    of_precision = getattr(scorer, "_score_func", None) is average_precision_score
    if not of_precision or not isinstance(scorer, _Scorer) or len(classes) != 2:
        return None
    proba, decision = estimator.predict_proba_, estimator.decision_function_
    has = {"decision_function": decision is not None, "predict_proba": proba is not None}
    first, positive = _first_response(scorer, has), _positive_of(scorer, classes)
    if first is None or positive is None:
        return None
    if first == "predict_proba":
        ranked = proba[:, positive]  # type: ignore[index]
    else:
        ranked = decision if positive == 1 else -decision  # type: ignore[operator]
    if ranked.ndim != 1 or not np.isfinite(ranked).all():
        return None
    right, metric = np.asarray(y == classes[positive]), AveragePrecision()
    scores = []
    for left_out in range(int(group.max()) + 1):
        rows = group != left_out
        weight = None if sample_weight is None else sample_weight[rows]
        scores.append(metric._area(*_curve(ranked[rows], right[rows], weight)))
    return np.array(scores)


register_objective(roc_auc_score, lambda: RocAuc(by_decision=False), _ranks_each, multi_class="ovr")
register_objective(
    roc_auc_score,
    lambda: RocAuc("weighted", by_decision=False),
    _ranks_each,
    multi_class="ovr",
    average="weighted",
)
for _average in ("macro", "weighted"):
    register_objective(
        roc_auc_score,
        partial(RocAucOneVsOne, _average, by_decision=False),
        _ranks_pairs,
        multi_class="ovo",
        **({} if _average == "macro" else {"average": _average}),
    )
for _metric, _ranking in ((roc_auc_score, RocAuc), (average_precision_score, AveragePrecision)):
    register_any_response(_metric, partial(_of_any_response, _ranking))
