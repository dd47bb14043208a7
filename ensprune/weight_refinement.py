"""refine="weights": the members that were kept, weighed anew.

The convex problems are solved next door (``objectives/``); which rows they are fitted to, and
whether the result is to be trusted, is decided here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize

from .combiner import Combiner, LinearCombiner, affine
from .members.base import Members
from .members.opening import foretold, open_members
from .objectives.base import normalised_weights
from .objectives.convex import ConvexLoss
from .objectives.out_of_bag import out_of_bag_gram
from .objectives.simplex import least_squares_weights
from .objectives.squared import residual_gram
from .objectives.targets import link_target, squared_target
from .refine import Evidence, Labelled, Refinement

# How far weights go from what they are to the fitted ones. No further: every member stays.
STRENGTHS = (0.25, 0.5, 0.75, 0.9)

_N_FOLDS = 5

# Fewer rows than this say nothing about weights.
_FEWEST_ROWS = 20


@dataclass(frozen=True)
class WeightReport:
    """What was chosen for the weights.

    Parameters
    ----------
    strength : float
        How far the weights went from what they were (0) to the fitted ones (1).
    loss, loss_unrefined : float
        Mean loss on rows that the weights were not fitted to: squared error (for classifiers that
        average, summed over the classes), or the loss of the link for boosting.
    judged_on : str
        ``"unseen rows"``, ``"out of bag"``, or ``"nothing"``: the rows were too few.
    """

    strength: float
    loss: float
    loss_unrefined: float
    judged_on: str

    def __str__(self) -> str:
        if self.judged_on == "nothing":
            return "weights left as they were: too few rows to judge by"
        if self.strength == 0:
            return "weights left as they were: nothing was better by more than chance"
        return (
            f"weights moved {100 * self.strength:.0f} % of the way to the fitted ones: on rows they "
            f"were not fitted to the loss was {self.loss:.4g}, with the weights as they were "
            f"{self.loss_unrefined:.4g}"
        )


class WeightRefinement(Refinement):
    """Weights of the kept members, fitted to rows that the members were not trained on.

    For averages (forests, bagging of trees, voting, AdaBoost's votes) the weights of least squared
    error (Brier score for classifiers) that are non-negative and keep their sum; for gradient
    boosting non-negative weights of the stages of least loss of the link. The ensemble's own
    weights are moved part of the way there. How far is chosen by cross-fitting over the rows:
    weights fitted on four fifths are judged on the last, and left alone unless that is better by
    more than one standard error.

    Parameters
    ----------
    n_jobs : int, default=None
    random_state : int, RandomState instance or None, default=None
        Not used: folds are made in the order of the labels.

    References
    ----------
    Breiman, "Stacked regressions", Machine Learning 24 (1996).
    """

    report: WeightReport

    def fit(self, estimator: Any, evidence: Evidence) -> WeightRefinement:
        rows = self._read(estimator, evidence)
        judged_on = "unseen rows" if rows.mask is None else "out of bag"
        if rows.n_samples < _FEWEST_ROWS or rows.n_members == 1:
            self.report = WeightReport(0.0, np.nan, np.nan, "nothing")
            return self
        strengths = (0.0, *STRENGTHS)
        losses = np.full((len(strengths), rows.n_samples), np.nan)
        for fitted, at in rows.cross_fitted():
            for position, strength in enumerate(strengths):
                losses[position, at] = rows.losses(_between(fitted, strength), at)
        known = np.isfinite(losses).all(axis=0)
        weight = rows.weight[known] / rows.weight[known].sum()
        losses = losses[:, known]
        best = int((losses @ weight).argmin())
        gain = losses[0] - losses[best]
        mean = weight @ gain
        error = np.sqrt(weight**2 @ (gain - mean) ** 2)
        if not mean > error:
            best = 0
        self.report = WeightReport(
            strengths[best], float(weight @ losses[best]), float(weight @ losses[0]), judged_on
        )
        return self

    def check(self, unfitted: Any) -> None:
        known = foretold(unfitted)
        if known is not None and not (known.carries_weights and known.linear):
            raise _carries_none(unfitted)

    def refined(self, estimator: Any, evidence: Evidence) -> Any:
        rows = self._read(estimator, evidence)
        strength = self.report.strength
        factors = None
        if strength > 0 and rows.n_members > 1:
            factors = _between(rows.fitted(np.arange(rows.n_samples)), strength)
        return rows.members.subset(np.arange(rows.n_members), factors)

    def cross_fitted(self, estimator: Any, evidence: Evidence) -> tuple[Combiner, np.ndarray]:
        rows = self._read(estimator, evidence)
        strength = self.report.strength
        raw = rows.raw(np.ones(rows.n_members), np.arange(rows.n_samples))
        if strength > 0 and rows.n_members > 1:
            for fitted, at in rows.cross_fitted():
                raw[:, at] = rows.raw(_between(fitted, strength), at)
        return rows.combiner, raw

    def _read(self, estimator: Any, evidence: Evidence) -> _Rows:
        members = open_members(estimator)
        if not members.carries_weights or not members.combiner.linear:
            raise _carries_none(estimator)
        unseen = [part for part in evidence if not part.seen]
        part = unseen[0] if unseen else evidence[0]
        mask = None
        if part.seen:
            mask = part.out_of_bag(members)
            if mask is None:
                raise ValueError(
                    f"refine='weights': {type(estimator).__name__} was trained on all rows given; "
                    "give rows it was not trained on"
                )
        return _Rows(members, part, mask, self.n_jobs)


def _between(fitted: np.ndarray, strength: float) -> np.ndarray:
    """Factors on the weights as they are, part of the way to the fitted ones."""
    return (1.0 - strength) + strength * fitted


def _carries_none(ensemble: Any) -> TypeError:
    return TypeError(
        f"refine='weights': {type(ensemble).__name__} cannot carry weights of its members"
    )


class _Rows:
    """The rows that weights are fitted to, as the members see them."""

    def __init__(
        self, members: Members, part: Labelled, mask: np.ndarray | None, n_jobs: int | None
    ):
        self.members = members
        self.combiner = combiner = affine(members.bind(part.X))
        self.outputs = members.outputs(part.X, n_jobs, dtype=np.float64)
        self.n_members, _, self.n_samples = self.outputs.shape
        self.mask = mask
        self.weight = normalised_weights(part.sample_weight, self.n_samples)
        self._labels = np.asarray(part.y)
        self.target = _target(part.y, combiner)
        self._native = combiner.member_weights

    def cross_fitted(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Factors fitted without a fold, and the rows of that fold."""
        order = np.argsort(self._labels, kind="stable")
        fold_of = np.empty(self.n_samples, dtype=int)
        fold_of[order] = np.arange(self.n_samples) % _N_FOLDS
        for fold in range(_N_FOLDS):
            at = np.flatnonzero(fold_of == fold)
            yield self.fitted(np.flatnonzero(fold_of != fold)), at

    def fitted(self, rows: np.ndarray) -> np.ndarray:
        """Factors of least loss on some of the rows, shape (n_members,)."""
        return self._of_average(rows) if self.combiner.averages else self._of_sum(rows)

    def _of_average(self, rows: np.ndarray) -> np.ndarray:
        target = self.target[:, rows]
        if self.combiner.offset is not None:
            target = target - self.combiner.on_rows(rows).shifted(np.zeros(target.shape))
        mask = None if self.mask is None else self.mask[:, rows]
        weight = normalised_weights(self.weight[rows], len(rows))
        outputs = self.outputs[:, :, rows]
        if mask is None:
            gram = residual_gram(outputs, target, weight)
        else:
            gram = out_of_bag_gram(outputs, target, weight, mask)
        best = least_squares_weights(gram)
        # A member without weight of its own has none to multiply.
        native = np.where(self._native > 0, self._native, self._native.sum())
        return best * self._native.sum() / native

    def _of_sum(self, rows: np.ndarray) -> np.ndarray:
        combiner = self.combiner.on_rows(rows)
        weight = normalised_weights(self.weight[rows], len(rows))
        loss = ConvexLoss(combiner.link, self.target[:, rows], weight)
        stages = (self.outputs[:, :, rows] * self._native[:, None, None]).reshape(
            self.n_members, -1
        )
        offset = combiner.shifted(np.zeros((self.outputs.shape[1], len(rows))))

        def value_and_slope(factors: np.ndarray) -> tuple[float, np.ndarray]:
            raw = offset + (factors @ stages).reshape(offset.shape)
            value, gradient = loss.value_and_gradient(raw)
            return value, stages @ gradient.ravel()

        bounds = [(0.0, None)] * self.n_members
        start = np.ones(self.n_members)
        return minimize(value_and_slope, start, jac=True, method="L-BFGS-B", bounds=bounds).x

    def raw(self, factors: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Raw scores of the re-weighted ensemble, NaN where no member speaks."""
        combiner = self.combiner.on_rows(rows).take(np.arange(self.n_members), factors)
        outputs = self.outputs[:, :, rows]
        if self.mask is None:
            return combiner.raw(outputs)
        return combiner.raw_out_of_bag(outputs, self.mask[:, rows])

    def losses(self, factors: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Loss of every row, not weighted; NaN where no member speaks."""
        raw = self.raw(factors, rows)
        if self.combiner.averages:
            return ((raw - self.target[:, rows]) ** 2).sum(axis=0)
        return ConvexLoss(self.combiner.link, self.target[:, rows], np.ones(len(rows))).per_sample(
            raw
        )


def _target(y: np.ndarray, combiner: LinearCombiner) -> np.ndarray:
    """What raw scores (averages) or their link (sums) should be, (n_outputs, n_samples)."""
    return (squared_target if combiner.averages else link_target)(y, combiner)
