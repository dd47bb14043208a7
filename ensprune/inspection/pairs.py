"""Members two by two: what they predict on the same rows, and how much alike that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import _num_samples, check_is_fitted

from ..arguments import check_arguments, check_has_rows, labelled_rows
from ..judging import members_of
from ..members.base import Members
from ..members.opening import open_members
from ..members.reading import read_members
from ..objectives.registry import make_objective
from ..reporting import Reports
from ..selectors.base import Problem
from ..selectors.ordering.ballots import Ballots
from .subject import off_path


@dataclass(frozen=True)
class Company:
    """The members of an ensemble, and which of them were kept.

    Parameters
    ----------
    name : str
        Class of the ensemble.
    members : Members
    kept : ndarray of int or None
        Those that a pruner kept; None where no pruner was given, or one that retrained.
    """

    name: str
    members: Members
    kept: np.ndarray | None

    @classmethod
    def of(cls, estimator: Any) -> Company:
        """Of a fitted pruner, or of a fitted ensemble by itself.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        TypeError
            If it is no ensemble.
        """
        if not isinstance(estimator, Reports):
            if isinstance(estimator, FrozenEstimator):
                estimator = estimator.estimator
            return cls(type(estimator).__name__, open_members(estimator), None)
        pruner: Any = estimator
        check_is_fitted(pruner, "pruned_estimator_")
        full = pruner.estimator_
        if not hasattr(pruner, "selected_"):  # a network has weights, no members
            return cls(type(full).__name__, open_members(full), None)
        members = members_of(full, pruner.deep)
        members.training = pruner._refit_rows
        kept = None if off_path(pruner) else pruner.selected_
        return cls(type(full).__name__, members, kept)

    def on_rows(self, X: Any, y: Any, out_of_bag: bool, n_jobs: int | None, caller: str) -> Problem:
        """The members' outputs on some rows, with a target where there is one.

        Raises
        ------
        ValueError
            If ``out_of_bag`` is asked of an ensemble that leaves no rows out, or on other rows
            than it was trained on.
        """
        check_arguments(caller, out_of_bag=out_of_bag, n_jobs=n_jobs)
        if y is None:
            check_has_rows(X, "X")
            if _num_samples(X) == 0:
                raise ValueError("X has no rows; give at least one")
        else:
            X, y, _ = labelled_rows(X, y)
        mask = None
        if out_of_bag:
            mask = self.members.out_of_bag(_num_samples(X))
            if mask is None:
                raise ValueError(
                    "out_of_bag=True needs an ensemble whose members leave rows out "
                    f"(bootstrap=True); {self.name} does not; give rows it was not trained on"
                )
            self.members.check_trained_on(X, mask)
        combiner = self.members.bind(X)
        outputs = read_members(self.members, X, n_jobs)
        if y is None:  # nothing is compared with it
            y = combiner.predict(outputs)
        return Problem(
            outputs=outputs,
            y=y,
            combiner=combiner,
            objective=make_objective(None, combiner),
            costs=np.ones(len(outputs)),
            budget=float(len(outputs)),
            mask=mask,
            rows=X,
        )

    def ballots(self, problem: Problem, what: str) -> Ballots:
        """Each member's labels.

        Raises
        ------
        TypeError
            If members predict no labels.
        """
        combiner = problem.combiner
        if combiner.classes is None or combiner.kind == "sum":
            raise TypeError(
                f"{what} compares labels, but members of {self.name} predict none by themselves; "
                "give a classifier that averages or votes, such as a forest or bagging"
            )
        return Ballots.of(problem)


def pairwise_correlation(values: np.ndarray, speaks: np.ndarray | None = None) -> np.ndarray:
    """Pearson's correlation of every pair of rows of ``values``.

    Parameters
    ----------
    values : ndarray of shape (n_members, n_values)
    speaks : ndarray of shape (n_members, n_values), dtype bool, default=None
        What each member counts with; pairs are compared where both do. None is everywhere.

    Returns
    -------
    ndarray of shape (n_members, n_members), dtype float64
        NaN where one of the pair does not vary.

    Examples
    --------
    >>> pairwise_correlation(np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    heard = np.ones(values.shape) if speaks is None else speaks.astype(np.float64)
    # Away from a large common mean, squares lose no digits.
    centred = values - values.mean(axis=1, keepdims=True, dtype=np.float64)
    x = centred * heard
    shared = heard @ heard.T
    sums = x @ heard.T
    squares = (x * centred) @ heard.T
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = squares - sums**2 / shared
        covariance = x @ x.T - sums * sums.T / shared
        scale = np.sqrt(variance * variance.T)
        return np.where(
            scale > 1e-12 * np.sqrt(squares * squares.T), covariance / scale, np.nan
        ).clip(-1.0, 1.0)
