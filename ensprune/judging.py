"""Which rows judge the members: unseen, held out or given; one set, or one more that certifies.

Fits the ensemble where it is not fitted, since the split comes before the fit. What is read on the
rows, and how it is scored, is in ``validation.py``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.ensemble._forest import BaseForest
from sklearn.frozen import FrozenEstimator
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils.validation import _num_samples

from .certificate import certification_split, check_enough_rows
from .holdout import hold_out
from .members.base import Members
from .members.cross_fitting import clone_to_fit, cross_fits
from .members.opening import adapter_of, open_members
from .members.sampling import bootstraps, little_said, scarcely_unseen
from .members.steps import last_step
from .objectives.base import class_positions
from .out_of_fold import OutOfFold
from .progress import Progress
from .validation import Validation

# X, y, and weights or None.
Rows = tuple[Any, np.ndarray, np.ndarray | None]

# Validation on the rows that choose, and on those that certify.
Judges = tuple[Validation, Validation | None]

# Share of the rows that judges members where no bootstrap left any out.
_HOLD_OUT = 0.25

# What XGBoost and LightGBM call it.
_STOPS_EARLY = ("early_stopping_rounds", "early_stopping_round")


def members_of(fitted: Any, deep: bool) -> Members:
    """Members of a fitted ensemble; with ``deep``, of the ensembles inside it."""
    members = open_members(fitted)
    return members.deep() if deep else members


@dataclass
class Judging:
    """From an ensemble and labelled rows to its members' outputs on rows that judge them.

    Parameters
    ----------
    estimator, validation, confidence, deep, n_jobs, random_state, memory_limit
        As in :class:`ensprune.EnsemblePruner`.
    refines : bool
        Whether what is kept is fitted anew to the rows: then members are to be asked themselves.
    params_for_fit : callable
        ``params_for_fit(sample_weight, fit_params)`` gives what ``estimator.fit`` is called
        with.
    scorer_of : callable
        ``scorer_of(members)`` gives the metric.
    check_labels : callable
        ``check_labels(y, known)`` says whether the metric can score these labels or values, of all
        those that the ensemble will know; None is these.
    selector : object
        The search, which may not be able to do with rows out of bag.
    progress : Progress
        Hears what happens.
    """

    estimator: Any
    validation: str | float
    confidence: float | None
    deep: bool
    n_jobs: int | None
    random_state: Any
    memory_limit: int | None
    refines: bool
    params_for_fit: Callable[[Any, dict[str, Any]], dict[str, Any]]
    scorer_of: Callable[[Members], Any]
    check_labels: Callable[[np.ndarray, np.ndarray | None], None]
    selector: Any
    progress: Progress
    _fitted_on: tuple[Rows, dict[str, Any]] | None = field(init=False, default=None)

    def fit_alike(self, estimator: Any) -> Any:
        """Fit another estimator on the rows that the ensemble was fitted on."""
        assert self._fitted_on is not None
        (X, y, sample_weight), fit_params = self._fitted_on
        params = self.params_for_fit(sample_weight, fit_params)
        try:
            return estimator.fit(X, y, **params)
        except ValueError as error:
            prefix, last = last_step(estimator)
            stops = [name for name in _STOPS_EARLY if getattr(last, name, None) is not None]
            if not stops or any(name.startswith(f"{prefix}eval_") for name in params):
                raise
            raise ValueError(
                f"{type(last).__name__} with {stops[0]}={getattr(last, stops[0])} needs rows to stop "
                f"on, and none are split off or taken from X_val for that; give fit(X, y, "
                f"{prefix}eval_set=[(X_stop, y_stop)]). It says: {error}"
            ) from error

    def on_given_rows(self, training: Rows, judged: Rows, fit_params: dict[str, Any]) -> Judges:
        """Judged on rows given beside the training rows."""
        self._check_enough(judged[1])
        # What a frozen ensemble was trained on is not known.
        known = not isinstance(self.estimator, FrozenEstimator)
        if known:
            self._check_alike(training, judged)
        members = self._open(training, fit_params)
        return self._judges(members, judged, training=training if known else None)

    def of_frozen(self, rows: Rows) -> Judges:
        """A fitted ensemble, judged on all rows, or out of bag on its training rows."""
        if self.validation not in ("auto", "oob"):
            raise ValueError(
                f"validation={self.validation!r} splits rows off before the ensemble is fitted, "
                "but the estimator is frozen; give 'auto' (all rows are validation rows) or 'oob' "
                "(the rows are its training rows)"
            )
        members = members_of(self.estimator.estimator, self.deep)
        if self.validation == "oob":
            if members.needs_training_data:
                members.set_training_data(*rows)
            return self._required(self._unseen(members, rows), members)
        if members.needs_training_data:
            # Cuts refit something: on one half of the rows, so that the other half can judge.
            fit_rows, judge_rows = hold_out(
                rows[1], 0.5, members.combiner.classes is not None, self.random_state
            )
            members.set_blending_data(*_take(rows, fit_rows))
            rows = _take(rows, judge_rows)
        return self._judges(members, rows)

    def of_unfitted(self, rows: Rows, fit_params: dict[str, Any]) -> Judges:
        """Fitted on all rows and judged where unseen, or fitted on some and judged on the rest."""
        share = self.validation
        crosses = cross_fits(self.estimator) and not (self.deep or self.refines)
        if share == "oob" and crosses and fit_params:
            raise ValueError(
                f"validation='oob' fits the members of {type(self.estimator).__name__} anew, with "
                f"sample_weight but no other fit parameters, and fit got {sorted(fit_params)}; "
                "give validation='auto' or a float"
            )
        crosses = crosses and not fit_params
        leaves_out = crosses
        if bootstraps(self.estimator):
            if share == "oob":
                self._check_works_out_of_bag()
            leaves_out = self._works_out_of_bag
        if share == "oob" and not leaves_out and self._shows_all_rows():
            raise self._none_left_out(self.estimator)
        if share == "oob" or (share == "auto" and leaves_out):
            self._check_enough(rows[1])
            self.check_labels(rows[1], None)
            members = self._open(rows, fit_params)
            judges = self._unseen(members, rows)
            if share == "oob" or judges is not None:
                return self._required(judges, members)
        if share == "auto":
            share = _HOLD_OUT
        classifies = get_tags(self.estimator).estimator_type == "classifier"
        train, held_out = hold_out(rows[1], float(share), classifies, self.random_state)
        aligned = {
            name: _safe_indexing(value, train)
            if hasattr(value, "__len__") and len(value) == len(rows[1])
            else value
            for name, value in fit_params.items()
        }
        training, judged = _take(rows, train), _take(rows, held_out)
        self._check_enough(judged[1])
        self.check_labels(judged[1], training[1])
        members = self._open(training, aligned)
        return self._judges(members, judged, training=training)

    def _shows_all_rows(self) -> bool:
        """Whether an ensemble that does not bootstrap is known to leave no rows out otherwise."""
        adapter = None if self.deep else adapter_of(self.estimator)
        if adapter is None:
            return False
        last = last_step(self.estimator)[1]
        if isinstance(last, BaseForest) or cross_fits(last):
            return True
        # Bagging may draw rows without replacement.
        none_out = adapter.out_of_bag is Members.out_of_bag
        return none_out and adapter.out_of_fold is Members.out_of_fold

    def _check_alike(self, training: Rows, judged: Rows) -> None:
        """Whether an ensemble fitted to some rows can answer for others, as far as that shows."""
        prefix, ensemble = last_step(self.estimator)
        named = any(hasattr(rows[0], "columns") for rows in (training, judged))
        columns, given = (_n_columns(rows[0]) for rows in (training, judged))
        # The steps of a pipeline, and who looks for names, may take what they need.
        if not (prefix or named) and given != columns and None not in (given, columns):
            raise ValueError(f"X_val has {given} columns, but X has {columns}; give the same ones")
        declared = hasattr(ensemble, "get_params") and ensemble.get_params().get("class_names")
        if declared or get_tags(self.estimator).estimator_type != "classifier":
            return
        class_positions(judged[1], np.unique(training[1]), "y_val")

    def _check_enough(self, judged: np.ndarray) -> None:
        """Whether there are rows enough for a certificate, before anything is fitted."""
        if self.confidence is not None:
            check_enough_rows(len(judged), self.confidence)

    def _open(self, rows: Rows, fit_params: dict[str, Any]) -> Members:
        """The members of the ensemble, fitted on these rows unless it is frozen."""
        X, y, sample_weight = rows
        if isinstance(self.estimator, FrozenEstimator):
            fitted = self.estimator.estimator
        else:
            self.progress.say(f"fitting {type(self.estimator).__name__} on {_num_samples(X)} rows")
            self._fitted_on = rows, fit_params
            unfitted = clone_to_fit(self.estimator)
            with self.progress.stage("fitting", 0, unfitted):
                fitted = self.fit_alike(unfitted)
        members = members_of(fitted, self.deep)
        if members.needs_training_data:
            members.set_training_data(X, y, sample_weight)
        return members

    def _unseen(self, members: Members, rows: Rows) -> Judges | None:
        """Judged on the training rows, each by members that have not seen it; None if all have."""
        if members.cross_fits_when_asked and not self.refines:
            self.progress.say(f"fitting {type(members.estimator).__name__} out of fold")
            members.set_training_data(*rows)
        known = members.out_of_fold()
        if known is not None:
            return self._judges(members, rows, out_of_fold=known)
        mask = members.out_of_bag(len(rows[1]))
        if mask is not None:
            self._check_works_out_of_bag()
        if mask is not None and isinstance(self.estimator, FrozenEstimator):
            members.check_trained_on(rows[0], mask)
        if mask is None or self._too_few_judge(members, mask, rows):
            return None
        return self._judges(members, rows, mask)

    def _too_few_judge(self, members: Members, mask: np.ndarray, rows: Rows) -> bool:
        """Whether other rows should judge; who asked for these is warned, or refused a certificate."""
        scarce = scarcely_unseen(mask, rows[1], rows[2], members.combiner.classes is not None)
        if scarce is None:
            return False
        if self.validation != "oob":
            self.progress.say(f"{scarce}: too few judge out of bag")
            return True
        message = little_said(scarce)
        if self.confidence is not None:
            raise ValueError(message)
        warnings.warn(message, UserWarning, stacklevel=2)
        return False

    @property
    def _works_out_of_bag(self) -> bool:
        return getattr(self.selector, "works_out_of_bag", True)

    def _check_works_out_of_bag(self) -> None:
        if not self._works_out_of_bag:
            raise ValueError(
                f"validation='oob' lets each member speak for the rows it has not seen, and "
                f"{self.selector!r} has no out-of-bag form; give validation='auto' or a float, or "
                "another selector"
            )

    @staticmethod
    def _none_left_out(ensemble: Any) -> ValueError:
        return ValueError(
            "validation='oob' needs an ensemble whose members leave rows out (bootstrap=True), "
            "or a voting model (with refine=None) or a stacking model that is no step of a "
            "pipeline and is cross-fitted on folds that leave rows of every class; "
            f"{type(ensemble).__name__} is none here; give validation='auto' or a float"
        )

    def _required(self, judges: Judges | None, members: Members) -> Judges:
        if judges is None:
            raise self._none_left_out(members.estimator)
        return judges

    def _judges(
        self,
        members: Members,
        rows: Rows,
        mask: np.ndarray | None = None,
        training: Rows | None = None,
        out_of_fold: OutOfFold | None = None,
    ) -> Judges:
        """Validation on all rows to choose by, or on two halves to choose and to certify by."""
        self.progress.say(f"reading {members.n_members} members on {len(rows[1])} rows")
        with self.progress.stage("reading", 0):
            return self._read(members, rows, mask, training, out_of_fold)

    def _read(
        self,
        members: Members,
        rows: Rows,
        mask: np.ndarray | None,
        training: Rows | None,
        out_of_fold: OutOfFold | None,
    ) -> Judges:
        scorer = self.scorer_of(members)

        def judge(rows: Rows, mask: np.ndarray | None, **options: Any) -> Validation:
            X, y, weight = rows
            own = {"n_jobs": self.n_jobs, "training": training} | options
            return Validation(members, X, y, scorer, weight, mask, **own)

        limit = self.memory_limit
        if self.confidence is None:
            return judge(rows, mask, memory_limit=limit, out_of_fold=out_of_fold), None
        halves = certification_split(
            rows[1], self.confidence, members.combiner.classes is not None, self.random_state
        )
        choosing, certifying = (
            judge(
                _take(rows, half),
                None if mask is None else mask[:, half],
                memory_limit=None if limit is None else limit // 2,
                among=None if mask is None else (len(rows[1]), half),
                out_of_fold=None if out_of_fold is None else out_of_fold.on_rows(half),
            )
            for half in halves
        )
        return choosing, certifying


def _n_columns(X: Any) -> int | None:
    """None where it cannot be told."""
    shape: tuple[int, ...] = getattr(X, "shape", ())
    return shape[1] if len(shape) == 2 else None


def _take(rows: Rows, indices: np.ndarray) -> Rows:
    X, y, sample_weight = rows
    weight = None if sample_weight is None else sample_weight[indices]
    return _safe_indexing(X, indices), y[indices], weight
