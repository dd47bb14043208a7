"""The capability of tree ensembles to say what is in their leaves and to take other values there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_sample_weight

from .base import Members
from .leaves import Leaves
from .opening import adapter_of, foretold, open_members
from .steps import last_step

# What leaf values fitted to squared error would undo.
_OTHER_THAN_MEANS = {"absolute_error", "huber", "quantile"}


class HasLeaves(ABC):
    """What an adapter says beside :class:`Members` where all members are trees.

    It speaks for all members: cut first, then open what was cut.
    """

    estimator: Any

    @abstractmethod
    def leaves(self) -> Leaves:
        """The leaves of all trees.

        Raises
        ------
        TypeError
            If a member is not a tree.
        ValueError
            If other leaf values would break what the ensemble was fitted for.
        """

    @abstractmethod
    def leaf_ids(self, X: Any, n_jobs: int | None = None) -> np.ndarray:
        """Positions in :meth:`leaves` of the leaves that rows fall into.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, as the ensemble's ``predict`` takes them.
        n_jobs : int, default=None
            Threads.

        Returns
        -------
        ndarray of shape (n_samples, n_trees), dtype int32
        """

    def unwrapped(self, X: Any) -> tuple[Any, Any]:
        """The trees without what they are wrapped in, and rows as these see them.

        Who asks several things about the same rows need not have the steps of a pipeline read them
        each time.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        members : Members and HasLeaves
        X : array-like of shape (n_samples, n_features)
        """
        return self, X

    @abstractmethod
    def with_leaf_values(self, values: np.ndarray) -> Any:
        """A new fitted estimator of the same class with other values in its leaves.

        Parameters
        ----------
        values : ndarray of shape (n_leaves, n_values)
            In the order and on the scale of :meth:`leaves`.

        Returns
        -------
        estimator
            The original is left as it was.
        """

    @classmethod  # noqa: B027
    def check_loss(cls, estimator: Any) -> None:
        """Refuse parameters of an ensemble, fitted or not, that other leaf values would undo.

        Raises
        ------
        ValueError
            That names them.
        """

    def regrown(self, X: Any, y: Any, sample_weight: Any, n_members: int, random_state: int) -> Any:
        """So many members of the same kind, grown on other rows, or None.

        Only ensembles whose members are grown alike and apart can: a choice of boosting's stages
        is not what boosting for as many rounds gives.
        """
        return None

    def row_weights(self, y: np.ndarray) -> np.ndarray | None:
        """Weights that the ensemble's own fit gives rows for their labels, (n_samples,), or None."""
        return class_weights(self.estimator, y)


def class_weights(estimator: Any, y: np.ndarray) -> np.ndarray | None:
    """Weights of rows under an estimator's ``class_weight``, shape (n_samples,), or None."""
    class_weight = getattr(estimator, "class_weight", None)
    if class_weight is None:
        return None
    if class_weight == "balanced_subsample":
        class_weight = "balanced"
    return compute_sample_weight(class_weight, y)


def open_leaves(fitted: Any) -> Any:
    """Open a fitted ensemble whose members are trees.

    Parameters
    ----------
    fitted : object
        As :func:`~ensprune.members.open_members` takes it.

    Returns
    -------
    Members and HasLeaves

    Raises
    ------
    TypeError
        If it is no ensemble, or its prediction is not a sum of leaf values.
    """
    members = open_members(fitted)
    if not isinstance(members, HasLeaves):
        raise TypeError(no_leaves(members))
    return members


def check_leaves(unfitted: Any) -> None:
    """Refuse what :func:`open_leaves` or its leaves would, before the ensemble is fitted.

    Parameters
    ----------
    unfitted : estimator

    Raises
    ------
    TypeError
        If its members are no trees.
    ValueError
        If other leaf values would break what it is fitted for.
    """
    last, adapter, known = last_step(unfitted)[1], adapter_of(unfitted), foretold(unfitted)
    if adapter is None or known is None:
        return
    # Bagging is of any estimators, of which trees alone carry weights.
    if not issubclass(adapter, HasLeaves) or not known.carries_weights:
        raise TypeError(_leafless(last, known.kind))
    adapter.check_loss(last)


def no_leaves(members: Members) -> str:
    """Why the leaf values of an ensemble cannot be refitted."""
    return _leafless(members.estimator, members.combiner.kind)


def _leafless(ensemble: Any, kind: str) -> str:
    name = type(ensemble).__name__
    reasons = {
        "median": "it predicts the weighted median of its members",
        "vote": "its members vote for labels, whatever values their leaves have",
        "calibrated": "its calibrators were fitted to the scores as they are",
    }
    reason = reasons.get(kind, "its members are not all trees")
    return (
        f"the leaf values of {name} cannot be refitted: {reason}; give a forest, bagged trees, "
        "gradient boosting, histogram gradient boosting, XGBoost, LightGBM or CatBoost, not calibrated"
    )


def refuse_constraints(name: str, loss: str | None, monotonic: Any) -> None:
    """Refuse what refitted leaf values would break.

    Raises
    ------
    ValueError
        If the model predicts medians or quantiles, or was grown under monotonicity constraints.
    """
    if loss in _OTHER_THAN_MEANS:
        raise ValueError(
            f"{name} is fitted for {loss!r}; refitted leaf values minimise squared error and "
            "would undo that; keep its leaves (refine=None)"
        )
    if monotonic is not None and np.any(np.asarray(monotonic) != 0):
        raise ValueError(
            f"{name} is grown under monotonicity constraints, which refitted leaf values would "
            "break; keep its leaves (refine=None)"
        )
