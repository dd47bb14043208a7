"""Is the metric preserved? Confidence bounds on what a cut loses, and the search by them.

Everything here looks at rows that had no part in choosing members.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from .averages import is_average, sample_losses, worst_difference
from .bounds import bootstrap_bound, mean_bound, resampled
from .holdout import split_rows
from .path import PathPoint, PruningPath
from .ranked import RankedRows
from .replay import Replay
from .validation import Validation

Refine = Callable[[Any], Any]

# The next size to test is at most this share of the last: tests of nearly the same ensemble say
# nearly the same, and each is one more chance to stop by bad luck.
_STEP = 0.9

MEAN_TEST = "Bayesian bootstrap of paired differences with a worst-case row"
BOOTSTRAP_TEST = "paired bootstrap"


@dataclass(frozen=True)
class Certificate:
    """What is proved of a pruned ensemble on rows that did not choose its members.

    Parameters
    ----------
    size, size_full : int
        Members kept, and members there were.
    metric : str
        What ``scoring`` is called.
    loss : float
        Score of the full ensemble minus score of the pruned one, in the unit of the score.
    bound : float
        Upper confidence bound on that loss for new rows.
    confidence : float
        Of the bound.
    tolerance : float or None
        What the loss was tested against; None where the size was given and nothing tested.
    test : str
        How the bound was computed.
    n_selection, n_certification : int
        Rows that chose the members, and rows that the bound is from.
    n_tests : int
        Sizes tested in a fixed sequence, the failure that ended it included.
    unit : str, default="members"
        What the sizes count.
    """

    size: int
    size_full: int
    metric: str
    loss: float
    bound: float
    confidence: float
    tolerance: float | None
    test: str
    n_selection: int
    n_certification: int
    n_tests: int
    unit: str = "members"

    def __str__(self) -> str:
        rows = f"{self.n_certification:,} rows that had no part in choosing them"
        kept = f"kept {self.size:,} of {self.size_full:,} {self.unit}"
        if self.size == self.size_full and self.tolerance is not None:
            return (
                f"{kept}: no smaller ensemble on the path is certified to lose at most "
                f"{self.tolerance:g} of {self.metric} with {100 * self.confidence:g} % confidence, on "
                f"{rows}"
            )
        lost = f"{self.metric} lost at most {rounded_up(self.bound):g}"
        if self.bound < 0:
            lost = f"{self.metric} gained at least {-rounded_up(self.bound):g}"
        return f"{kept}; {lost} with {100 * self.confidence:g} % confidence, on {rows}"


def rounded_up(value: float) -> float:
    """Rounded up to three significant digits: a bound must not look better than it is."""
    if value == 0 or not math.isfinite(value):
        return value + 0.0  # zero has no sign
    digit = 10.0 ** (math.floor(math.log10(abs(value))) - 2)
    return math.ceil(value / digit - 1e-9) * digit


def rows_needed(confidence: float) -> int:
    """Fewest certification rows: an event as rare as ``1 - confidence`` has to show in them."""
    return math.ceil(1.0 / (1.0 - confidence) - 1e-9)


def check_enough_rows(n_rows: int, confidence: float) -> None:
    """Whether half of the validation rows is enough to certify on.

    Raises
    ------
    ValueError
        If it is too small for the confidence asked.
    """
    needed = rows_needed(confidence)
    certifying = math.ceil(n_rows / 2)
    if certifying < needed:
        raise ValueError(
            f"confidence={confidence} takes at least {needed} rows to certify on, half of the "
            f"validation rows, but there are {certifying} of {n_rows}; give at least {2 * needed} "
            "validation rows or a lower confidence"
        )


def certification_split(
    y: np.ndarray, confidence: float, classifies: bool, random_state: Any
) -> list[np.ndarray]:
    """Halve the validation rows: one half chooses, the other certifies.

    Nothing is trained on the first half, so that a class of few rows is not kept out of the second:
    what certifies is a fair sample.

    Returns
    -------
    selection, certification : ndarray of int

    Raises
    ------
    ValueError
        If the second half is too small for the confidence asked.
    """
    check_enough_rows(len(y), confidence)
    return list(split_rows(y, 0.5, classifies, random_state))


@dataclass(frozen=True)
class Auditor:
    """Bounds the losses of sub-ensembles on rows that did not choose them.

    Parameters
    ----------
    validation : Validation
        The certification rows.
    confidence : float
    metric : str
    n_selection : int
    random_state : int, RandomState instance or None
        Seeds the resampling.
    """

    validation: Validation
    confidence: float
    metric: str
    n_selection: int
    random_state: Any

    # Resampled scores of the full ensemble on the rows last asked for.
    _full_scores: dict[str, Any] = field(init=False, default_factory=dict)

    @cached_property
    def _seed(self) -> int:
        return int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    def bound_of(self, point: PathPoint, refine: Refine | None = None) -> Certificate:
        """A bound on the loss of one sub-ensemble of a size fixed beforehand, refined or not."""
        return next(self._certificates([point], None, refine))

    def smallest(
        self, path: PruningPath, tolerance: float, refine: Refine | None = None
    ) -> tuple[PathPoint, Certificate]:
        """The smallest sub-ensemble that is certified to lose no more than ``tolerance``.

        Sizes are tested from the full ensemble downwards, each against the hypothesis that its
        loss exceeds the tolerance, until one is not rejected. In such a fixed sequence every test
        may use the whole ``1 - confidence``.

        Parameters
        ----------
        path : PruningPath
            Its last point is the full ensemble.
        tolerance : float
        refine : callable, default=None
            What refines a cut ensemble, on other rows; the refined one is tested then.

        References
        ----------
        Maurer, Hothorn & Lehmacher, "Multiple comparisons in drug clinical trials and preclinical
        assays: a-priori ordered hypotheses" (1995).
        """
        full = path[-1]
        kept = full, self._unpruned(full, tolerance)
        position = 0
        points = list(_spaced(path.points[:-1]))
        for position, certificate in enumerate(
            self._certificates(points, tolerance, refine), start=1
        ):
            if not certificate.bound <= tolerance:
                break
            kept = points[position - 1], certificate
        return kept[0], replace(kept[1], n_tests=position)

    def smallest_of(
        self,
        candidates: Iterable[tuple[Any, int]],
        size_full: int,
        tolerance: float,
        unit: str,
    ) -> tuple[Any, Certificate]:
        """The same among ensembles with all members, made smaller in themselves.

        Parameters
        ----------
        candidates : iterable of (estimator, int)
            With their sizes, from large to small; the first predicts as the full ensemble does.
        size_full : int
        tolerance : float
        unit : str
            What the sizes count.
        """
        everyone = self.validation.everyone
        full, full_rows = next(self.validation.replays([everyone]))
        found = iter(candidates)
        kept, size = next(found)
        certificate = replace(
            self._unpruned(everyone, tolerance), size=size, size_full=size_full, unit=unit
        )
        n_tests = 0
        for smaller, size in found:
            n_tests += 1
            answers = self.validation.replay_of(smaller, everyone)
            tested = self._certificate(
                (full, full_rows), answers, (size, size_full), tolerance, unit
            )
            if not tested.bound <= tolerance:
                break
            kept, certificate = smaller, tested
        return kept, replace(certificate, n_tests=n_tests)

    def _unpruned(self, full: PathPoint, tolerance: float) -> Certificate:
        n = len(self.validation.y)
        size = full.size
        return Certificate(
            size,
            size,
            self.metric,
            0.0,
            0.0,
            self.confidence,
            tolerance,
            "none needed: nothing was cut",
            self.n_selection,
            n,
            0,
        )

    def _certificates(
        self, points: Sequence[PathPoint], tolerance: float | None, refine: Refine | None
    ) -> Iterator[Certificate]:
        n_full = self.validation.members.n_members
        validation = self.validation
        unrefined = points if refine is None else ()
        answers = validation.replays([validation.everyone, *unrefined])
        full, full_rows = next(answers)
        if refine is not None:
            cuts = (validation.members.subset(p.indices, p.weight_array) for p in points)
            answers = (
                validation.replay_of(refine(cut), point)
                for cut, point in zip(cuts, points, strict=True)
            )
        for point, pruned in zip(points, answers, strict=True):
            yield self._certificate((full, full_rows), pruned, (point.size, n_full), tolerance)

    def _certificate(
        self,
        whole: tuple[Replay, np.ndarray],
        smaller: tuple[Replay, np.ndarray],
        sizes: tuple[int, int],
        tolerance: float | None,
        unit: str = "members",
    ) -> Certificate:
        """Of answers and their rows, and sizes: those of the pruned ensemble before the full one's."""
        full, full_rows = whole
        pruned, rows = smaller
        # Out of bag, whoever speaks for the pruned ensemble speaks for the full one too.
        same = full if len(rows) == len(full_rows) else full.rows(np.searchsorted(full_rows, rows))
        loss, bound, test = self._loss(same, pruned, rows, tolerance)
        return Certificate(
            *sizes,
            self.metric,
            loss,
            bound,
            self.confidence,
            tolerance,
            test,
            self.n_selection,
            len(rows),
            1,
            unit,
        )

    def _loss(
        self, full: Replay, pruned: Replay, rows: np.ndarray, tolerance: float | None
    ) -> tuple[float, float, str]:
        """The loss on the certification rows, its bound, and the name of the test."""
        validation = self.validation
        averages = is_average(validation.scorer)
        test = MEAN_TEST if averages else BOOTSTRAP_TEST
        if len(rows) == 0:
            return math.nan, math.inf, test
        loss = validation.score_on(full, rows) - validation.score_on(pruned, rows)
        if math.isnan(loss) or (tolerance is not None and loss > tolerance):
            return loss, math.inf, test  # a bound below the estimate is none
        y = validation.y[rows]
        weight = None if validation.sample_weight is None else validation.sample_weight[rows]
        if averages:
            bound = mean_bound(
                sample_losses(validation.scorer, pruned, y)
                - sample_losses(validation.scorer, full, y),
                worst_difference(validation.scorer, full, pruned, y),
                self.confidence,
                weight,
                self._seed,
            )
            return loss, bound, test
        twin = None
        if getattr(validation.scorer, "_response_method", None) in (None, "predict"):
            twin = rarest_row(y) if hasattr(full, "classes_") else None
        if twin is not None:
            full, pruned = with_disagreement(full, pruned, y, twin)
            rows = np.append(rows, rows[twin])
            test += " with a worst-case row"
        key = rows.tobytes()
        if self._full_scores.get("rows") != key:
            self._full_scores.update(rows=key, scores=self._resampled(full, rows))
        losses = self._full_scores["scores"] - self._resampled(pruned, rows)
        return loss, max(bootstrap_bound(losses, self.confidence), loss), test

    def _resampled(self, estimator: Replay, rows: np.ndarray) -> np.ndarray:
        validation = self.validation
        ranked = RankedRows.of(validation.scorer, estimator, validation.y[rows])
        weight = 1.0 if validation.sample_weight is None else validation.sample_weight[rows]

        def score(drawn: np.ndarray) -> float:
            if ranked is not None:
                return ranked.area(np.bincount(drawn, minlength=len(rows)) * weight)
            return validation.score_on(estimator.rows(drawn), rows[drawn])

        return resampled(score, len(rows), self._seed, validation.n_jobs)


def _spaced(points: Sequence[PathPoint]) -> Iterator[PathPoint]:
    """Points from dear to cheap, each at most ``_STEP`` of the size before it."""
    limit = math.inf
    for point in reversed(points):
        if point.size <= limit:
            yield point
            limit = max(point.size * _STEP, 1) if point.size > 1 / (1 - _STEP) else point.size - 1


def rarest_row(y: np.ndarray) -> int | None:
    """Position of a row of the smallest class; None where there is one class only."""
    labels, first, counts = np.unique(y, return_index=True, return_counts=True)
    return None if len(labels) < 2 else int(first[counts.argmin()])


def with_disagreement(
    full: Replay, pruned: Replay, y: np.ndarray, twin: int
) -> tuple[Replay, Replay]:
    """Both with one more row, like row ``twin``, where the full ensemble is right, the other wrong.

    Metrics of labels change by jumps, and the few rows where two ensembles disagree may all be
    missing from a sample.
    """
    labels, counts = np.unique(y[y != y[twin]], return_counts=True)
    extended = np.append(np.arange(len(y)), twin)
    changed = []
    for estimator, label in ((full, y[twin]), (pruned, labels[counts.argmax()])):
        answers = estimator.rows(extended)
        assert answers.predict_ is not None
        answers.predict_[-1] = label
        if answers.predict_proba_ is not None:
            answers.predict_proba_[-1] = answers.classes_ == label
        changed.append(answers)
    return changed[0], changed[1]
