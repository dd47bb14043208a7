"""The adapter's contract: what the members of a fitted ensemble say, and how it is cut down."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..combination import Combination
from ..combiner import Combiner, Indices
from ..link import Logistic
from ..out_of_fold import OutOfFold
from ..trees import Tree, TreeCut
from .costs import CostUnit, costs_of

if TYPE_CHECKING:
    from .nested import Place

# Combiners in which weights are more than shares of a total.
_SCALED = ("sum", "calibrated", "nested")


class Members(ABC):
    """The members of one fitted ensemble.

    Parameters
    ----------
    estimator : object
        The fitted ensemble. It is never modified.

    Attributes
    ----------
    estimator : object
        The fitted ensemble.
    n_members : int
        How many members it predicts with.
    carries_weights : bool
        Whether :meth:`subset` can give members weights of their own.
    needs_training_data : bool
        Whether a cut wants rows to refit something on, see :meth:`set_training_data`.
    cross_fits_when_asked : bool
        Whether :meth:`set_training_data` costs fits that only :meth:`out_of_fold` has a use for.
    training : object or None
        What those rows were turned into; it can be handed to members of the same estimator
        opened later.
    """

    carries_weights: bool = True
    needs_training_data: bool = False
    cross_fits_when_asked: ClassVar[bool] = False
    # Whether members are read one after the other, so that some of them cost their share of all.
    reads_one_by_one: ClassVar[bool] = False

    def __init__(self, estimator: Any):
        self.estimator = estimator
        self.training: Any = None

    @classmethod
    def foretell(cls, unfitted: Any) -> Combination | None:
        """How an ensemble of this family will combine its members once it is fitted.

        So that who cannot search it says so before that.

        Parameters
        ----------
        unfitted : estimator
            Of a class that this adapter is registered for.

        Returns
        -------
        Combination or None
            None where its parameters do not tell.
        """
        return None

    @property
    @abstractmethod
    def n_members(self) -> int: ...

    @property
    @abstractmethod
    def combiner(self) -> Combiner:
        """How the outputs become a prediction, where that does not depend on the rows."""

    @property
    def n_outputs(self) -> int:
        """Rows of a member's output: classes, or 1 for numbers and for a single margin."""
        combiner = self.combiner
        if combiner.classes is None or isinstance(combiner.link, Logistic):
            return 1
        return len(combiner.classes)

    def bind(self, X: Any) -> Combiner:
        """The combiner for the rows ``X``.

        It differs from :attr:`combiner` only where a prediction needs more of a row than the
        members' outputs: the offset of a boosting model whose ``init`` is an estimator, the
        original columns that ``passthrough`` hands to a final estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, as the ensemble's ``predict`` takes them.
        """
        return self.combiner

    @abstractmethod
    def outputs(
        self,
        X: Any,
        n_jobs: int | None = None,
        *,
        indices: Indices | None = None,
        dtype: type = np.float32,
    ) -> np.ndarray:
        """What each member adds to the raw score.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, as the ensemble's ``predict`` takes them.
        n_jobs : int, default=None
            Threads; None is 1 unless in a ``joblib.parallel_config`` context.
        indices : sequence of int, default=None
            Only these members, in this order; None is all of them.
        dtype : {float32, float64}, default=float32
            float64 gives what the ensemble itself adds up, bit for bit, where it predicts in
            float64.

        Returns
        -------
        ndarray of shape (n_members, n_outputs, n_samples), C-contiguous
            Samples last, so that what runs over samples runs over neighbours in memory.
        """

    @abstractmethod
    def subset(self, indices: Indices, weights: np.ndarray | None = None) -> Any:
        """A new fitted estimator of the same class with only some of the members.

        Parameters
        ----------
        indices : sequence of int
            Members to keep, in the order they are to be in; no repeats.
        weights : array-like of shape (len(indices),), default=None
            Finite, non-negative factors on the members' native weights. Averages divide by the
            new total, sums do not.

        Returns
        -------
        estimator
            Shares no mutable state with the original that a refit or a re-weighting touches.

        Raises
        ------
        ValueError
            If an index is out of range or repeated, or the weights are not as above.
        TypeError
            If the family cannot carry weights of its own and ``weights`` are not all equal.
        """

    def costs(self, unit: CostUnit = "members", X: Any = None) -> np.ndarray:
        """What each member costs.

        Parameters
        ----------
        unit : {"members", "nodes", "bytes", "latency"}, default="members"
            1 each; tree nodes; bytes of the pickled member; seconds per 1,000 rows (median of
            5 runs after one to warm up, on up to 1,000 rows of ``X``, evenly spaced).
        X : array-like of shape (n_samples, n_features), default=None
            Rows to time ``"latency"`` on.

        Returns
        -------
        ndarray of shape (n_members,), dtype float64
            In that unit.

        Raises
        ------
        ValueError
            If the unit is unknown, or ``"latency"`` has no rows.
        TypeError
            If ``"nodes"`` is asked of members that are not trees.
        """
        return costs_of(self, unit, X)

    def by_decision(self) -> Members:
        """The members of what a calibrator asks first: the ``decision_function``, if there is one.

        Only bagging averages that apart from its probabilities; elsewhere it follows from the
        same outputs.
        """
        return self

    def deep(self) -> Members:
        """The members of the ensembles inside this one, where members are ensembles.

        Returns
        -------
        Members
            These members themselves where none is an ensemble: the trees of a forest, the stages
            of a boosting model.
        """
        return self

    def places(self) -> list[Place]:
        """Where each member stands, in families that may have ensembles for members."""
        raise TypeError(f"{type(self).__name__} does not open its members")

    def refilled(self, smaller: Any, estimators: list[Any]) -> Any:
        """A cut ensemble with other estimators for its members.

        Parameters
        ----------
        smaller : estimator
            Cut by :meth:`subset`.
        estimators : list of estimator
            Fitted, one for each member that is left.
        """
        raise TypeError(f"{type(self).__name__} does not open its members")

    @abstractmethod
    def parts(self) -> Iterable[Any]:
        """One object per member: what is pickled for its bytes and counted for its nodes."""

    def trees(self) -> list[Tree]:
        """All decision trees of the ensemble as plain arrays, member after member.

        Returns
        -------
        list of Tree
            Each in its place: its member, and how its values enter the raw score.

        Raises
        ------
        TypeError
            If a member is something else than decision trees.
        """
        raise self._no_trees(next(iter(self.parts())))

    def reached_nodes(self, X: Any) -> np.ndarray:
        """The node of :meth:`trees` that each row ends in.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, as the ensemble's ``predict`` takes them.

        Returns
        -------
        ndarray of shape (n_trees, n_samples), dtype intp
            Positions in the arrays of each tree.
        """
        raise self._no_trees(next(iter(self.parts())))

    def with_trees(self, cuts: Sequence[TreeCut | None], exact: bool = False) -> Any:
        """A new fitted estimator of the same class with smaller trees.

        Parameters
        ----------
        cuts : sequence of TreeCut or None
            One for each of :meth:`trees`; None leaves a tree as it is.
        exact : bool, default=False
            Whether all predictions stay as they were, and so what was measured of the ensemble.

        Returns
        -------
        estimator
            Shares what is not cut with the original, which is left as it was.
        """
        raise self._no_trees(next(iter(self.parts())))

    def _no_trees(self, member: Any) -> TypeError:
        # A tree in a library's own form has no name that means anything.
        of_what = f" of {type(member).__name__}" if hasattr(member, "predict") else ""
        return TypeError(
            f"{type(self.estimator).__name__}{of_what} is no ensemble whose trees can be cut "
            "down; give a random forest, extra trees, bagging or AdaBoost of plain decision trees, "
            "(histogram) gradient boosting, an XGBoost or a LightGBM model; prune() drops whole "
            "members of others"
        )

    def out_of_bag(self, n_samples: int) -> np.ndarray | None:
        """Which training rows each member has not seen.

        Parameters
        ----------
        n_samples : int
            Rows of the training set the caller has.

        Returns
        -------
        ndarray of shape (n_members, n_samples), dtype bool, or None
            None where the family leaves no rows out.

        Raises
        ------
        ValueError
            If the ensemble was trained on another number of rows.
        """
        return None

    def check_trained_on(self, X: Any, unseen: np.ndarray) -> None:  # noqa: B027
        """Refuse rows that the members cannot have been trained on, where that can be told.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            As many rows as the training set has.
        unseen : ndarray of shape (n_members, n_samples), dtype bool
            From :meth:`out_of_bag`.

        Raises
        ------
        ValueError
            If these are other rows, or the same in another order.
        """

    def out_of_fold(self) -> OutOfFold | None:
        """What the ensemble says of its training rows where it cross-fits its members.

        Returns
        -------
        OutOfFold or None
            None where the family cannot, :meth:`set_training_data` was not called, or a fold
            leaves too little to fit on.
        """
        return None

    def set_training_data(  # noqa: B027
        self, X: Any, y: Any, sample_weight: np.ndarray | None = None
    ) -> None:
        """Give the rows the ensemble was trained on to families whose cut needs them again.

        Only stacking does (:attr:`needs_training_data`): its final estimator is refitted on the
        kept columns. To judge members out of fold voting wants them, too.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, as the ensemble's ``fit`` took them.
        y : array-like of shape (n_samples,)
            Their labels or values.
        sample_weight : ndarray of shape (n_samples,), default=None
            Their weights, if there were any.
        """

    def set_blending_data(  # noqa: B027
        self, X: Any, y: Any, sample_weight: np.ndarray | None = None
    ) -> None:
        """The same where only rows are left that the ensemble was not trained on.

        Parameters
        ----------
        X, y, sample_weight : array-like
            As in :meth:`set_training_data`.
        """

    def _checked(
        self, indices: Indices, weights: np.ndarray | Sequence[float] | None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Validated ``indices`` and ``weights`` of :meth:`subset`; equal means become None."""
        given = as_positions(indices)
        if given.min() < 0 or given.max() >= self.n_members:
            raise ValueError(
                f"indices must lie in [0, {self.n_members - 1}], got values from {given.min()} "
                f"to {given.max()}"
            )
        if len(np.unique(given)) != len(given):
            raise ValueError("indices has repeated members; give each once, with a weight")
        if weights is None:
            return given.astype(np.intp), None
        factors = np.asarray(weights, dtype=np.float64)
        if factors.shape != given.shape:
            raise ValueError(
                f"weights has shape {factors.shape}, but indices has {len(given)} members"
            )
        if not np.isfinite(factors).all() or (factors < 0).any() or factors.sum() <= 0:
            raise ValueError("weights must be finite and non-negative, with a positive sum")
        ones = bool((factors == 1).all())
        if ones or (self.combiner.kind not in _SCALED and np.ptp(factors) == 0):
            return given.astype(np.intp), None
        if not self.carries_weights:
            raise TypeError(
                f"{type(self.estimator).__name__} cannot give its members weights of their own; "
                "leave weights=None"
            )
        return given.astype(np.intp), factors


def as_positions(indices: Indices) -> np.ndarray:
    """Chosen members as an array, shape (n_chosen,).

    Raises
    ------
    ValueError
        If there are none, or they are no flat sequence of int.
    """
    given = np.asarray(indices)
    if given.ndim != 1 or len(given) == 0 or given.dtype.kind not in "iu":
        raise ValueError(f"indices must be a non-empty flat sequence of int, got {indices!r}")
    return given
