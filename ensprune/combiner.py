"""Combiners: how the outputs of members become the raw score of an ensemble.

What a member outputs is the adapter's business (``members/``), what the raw score means is the
link's (``link.py``). A combiner knows the members' native weights, so :meth:`Combiner.take` is the
combiner of a sub-ensemble, whatever the family.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import ClassVar, Literal, cast

import numpy as np

from .combination import in_words
from .link import Link
from .storage import release

_FLOAT64 = np.dtype(np.float64)

Indices = Sequence[int] | np.ndarray


class Combiner(ABC):
    """How outputs ``(n_members, n_outputs, n_samples)`` become a prediction.

    Attributes
    ----------
    link : Link
        From the raw score to labels, probabilities or values.
    classes : ndarray of shape (n_classes,) or None
        The labels, in the order of the link's class positions; None for a regressor.
    kind : str
        ``"mean"``, ``"vote"``, ``"sum"``, ``"median"``, ``"meta"`` or ``"calibrated"``.
    linear : bool
        Whether the raw score is an affine function of the outputs, which is what incremental
        objectives need.
    dtype : dtype
        Precision in which the ensemble itself predicts probabilities.
    """

    link: Link
    classes: np.ndarray | None
    kind: str
    linear: ClassVar[bool] = False
    dtype: np.dtype = _FLOAT64

    @abstractmethod
    def take(self, indices: Indices, weights: np.ndarray | None = None) -> Combiner:
        """The combiner of the sub-ensemble ``indices``, its members re-weighted by ``weights``.

        Parameters
        ----------
        indices : sequence of int
            Positions of the members kept, in the order they are to be in.
        weights : ndarray of shape (len(indices),), default=None
            Factors on the members' native weights; None leaves those as they are.
        """

    @abstractmethod
    def raw(self, outputs: np.ndarray) -> np.ndarray:
        """The raw score of all members in ``outputs``.

        Parameters
        ----------
        outputs : ndarray of shape (n_members, n_outputs, n_samples)
            Outputs of exactly the members this combiner stands for, in its order.

        Returns
        -------
        ndarray of shape (n_raw, n_samples), dtype float64
        """

    def on_rows(self, rows: np.ndarray) -> Combiner:
        """The combiner for some of the samples it was bound to."""
        return self

    @property
    def in_words(self) -> str:
        """What combines the members, for messages."""
        return in_words(self.kind)

    @property
    def has_proba(self) -> bool:
        """Whether :meth:`predict_proba` is defined."""
        return self.link.has_proba

    @property
    def has_decision(self) -> bool:
        """Whether the ensemble has a ``decision_function``."""
        return self.link.has_decision

    def labels_of(self, raw: np.ndarray) -> np.ndarray:
        """Predicted labels (classifiers) or values (regressors) of a raw score."""
        if self.classes is None:
            return self.link.values(raw)
        return self.classes.take(self.link.labels(raw))

    def predict(self, outputs: np.ndarray) -> np.ndarray:
        """Labels or values, shape (n_samples,), as the ensemble's ``predict`` gives them."""
        return self.labels_of(self.raw(outputs))

    def predict_proba(self, outputs: np.ndarray) -> np.ndarray:
        """Class probabilities, shape (n_samples, n_classes)."""
        return self.link.proba(self.raw(outputs)).T

    def decision_function(self, outputs: np.ndarray) -> np.ndarray:
        """Raw scores as ``decision_function`` gives them: one column is returned flat."""
        raw = self.raw(outputs)
        return raw[0] if len(raw) == 1 else raw.T

    __call__ = predict


@dataclass(frozen=True)
class LinearCombiner(Combiner):
    """A weighted mean, or an offset plus a weighted sum.

    ``raw = offset + sum_t w_t o_t / norm`` with ``norm = sum_t w_t`` for means and votes and 1 for
    sums.

    Parameters
    ----------
    kind : {"mean", "vote", "sum"}
        ``"mean"``: members weigh the same unless ``weights`` says otherwise (forests, bagging,
        voting). ``"vote"``: a mean under weights the ensemble learned (AdaBoost). ``"sum"``:
        gradient boosting.
    link : Link
    classes : ndarray of shape (n_classes,) or None
    n_members : int
    weights : ndarray of shape (n_members,), default=None
        Native weights; None stands for ones.
    offset : ndarray of shape (n_outputs,) or (n_outputs, n_samples), default=None
        None stands for zero.
    dtype : dtype, default=float64
    hides_raw : bool, default=False
        Whether the ensemble offers no ``decision_function`` although its link has one (XGBoost).
    """

    kind: Literal["mean", "vote", "sum"]
    link: Link
    classes: np.ndarray | None
    n_members: int
    weights: np.ndarray | None = None
    offset: np.ndarray | None = None
    dtype: np.dtype = _FLOAT64
    hides_raw: bool = False
    linear: ClassVar[bool] = True

    @property
    def has_decision(self) -> bool:
        return self.link.has_decision and not self.hides_raw

    @property
    def averages(self) -> bool:
        """Whether the sum is divided by the total weight."""
        return self.kind != "sum"

    @property
    def member_weights(self) -> np.ndarray:
        """Native weights, ones where there are none, shape (n_members,)."""
        return np.ones(self.n_members) if self.weights is None else self.weights

    def take(self, indices: Indices, weights: np.ndarray | None = None) -> LinearCombiner:
        indices = np.asarray(indices, dtype=np.intp)
        native = None if self.weights is None else self.weights[indices]
        if weights is not None:
            weights = np.asarray(weights, dtype=np.float64)
            native = weights if native is None else native * weights
        return replace(self, n_members=len(indices), weights=native)

    def on_rows(self, rows: np.ndarray) -> LinearCombiner:
        if self.offset is None or self.offset.ndim == 1:
            return self
        return replace(self, offset=self.offset[:, rows])

    def raw(self, outputs: np.ndarray) -> np.ndarray:
        if len(outputs) != self.n_members:
            raise ValueError(
                f"outputs has {len(outputs)} members, this combiner stands for {self.n_members}"
            )
        return self.raw_in_parts([outputs])

    def raw_in_parts(self, parts: Iterable[np.ndarray]) -> np.ndarray:
        """:meth:`raw` of members that come some at a time, in their order.

        Parameters
        ----------
        parts : iterable of ndarray of shape (n_some, n_outputs, n_samples)

        Returns
        -------
        ndarray of shape (n_outputs, n_samples), dtype float64
        """
        total: np.ndarray | None = None
        weights = repeat(None) if self.weights is None else self.weights
        for weight, output in zip(weights, chain.from_iterable(parts), strict=False):
            if total is None:
                total = self.empty_sum(output.shape)
            add_output(total, output, weight)
            release(output)
        assert total is not None
        return self.raw_of_sum(total)

    def empty_sum(self, shape: tuple[int, ...]) -> np.ndarray:
        """What :func:`add_output` adds the first member to: boosting begins at its offset."""
        total = np.zeros(shape)
        return total if self.averages else self.shifted(total)

    def raw_of_sum(self, total: np.ndarray, norm: np.ndarray | None = None) -> np.ndarray:
        """The raw score, given the sum of all members.

        Parameters
        ----------
        total : ndarray of shape (n_outputs, n_samples)
        norm : ndarray of shape (n_samples,), default=None
            Weight of the members that spoke for a sample; None is that of all.

        Returns
        -------
        ndarray of shape (n_outputs, n_samples), dtype float64
            NaN in samples for which no member spoke. Of what does not average, ``total`` itself.
        """
        if not self.averages:
            if norm is not None:
                raise TypeError("out-of-bag scores need an averaging combiner, this one sums")
            return total
        if norm is not None:
            return self.shifted(total / np.where(norm == 0, np.nan, norm))
        whole = self.n_members if self.weights is None else self.weights.sum()
        if whole == 0:
            raise ValueError(
                "members whose weights add up to 0 have no average; give each member of a vote "
                "a weight above 0, or set those that do not count to 'drop'"
            )
        return self.shifted(total / whole)

    def raw_out_of_bag(self, outputs: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """The raw score when a member speaks only where ``mask`` lets it.

        Parameters
        ----------
        outputs : ndarray of shape (n_members, n_outputs, n_samples)
        mask : ndarray of shape (n_members, n_samples), dtype bool

        Returns
        -------
        ndarray of shape (n_outputs, n_samples), dtype float64
            NaN in samples for which no member speaks.
        """
        total, norm = np.zeros(outputs.shape[1:]), np.zeros(outputs.shape[2])
        for weight, output, speaks in zip(self.member_weights, outputs, mask, strict=True):
            add_output_where(total, norm, output, weight, speaks)
            release(output)
        return self.raw_of_sum(total, norm)

    def shifted(self, total: np.ndarray) -> np.ndarray:
        """``total`` (n_outputs, n_samples) plus the offset."""
        offset = self.offset_on(total.shape[1])
        return total if offset is None else total + offset

    def offset_on(self, n_samples: int) -> np.ndarray | None:
        """The offset of each sample, shape (n_outputs, n_samples); None stands for zero."""
        if self.offset is None:
            return None
        offset = self.offset if self.offset.ndim == 2 else self.offset[:, None]
        return np.broadcast_to(offset, (len(offset), n_samples))


def add_output(total: np.ndarray, output: np.ndarray, weight: float | None) -> None:
    """Add a member's output (n_outputs, n_samples) to a sum, in place; None weighs one.

    Member after member, in float64: as the ensembles themselves do it, so that samples tie where
    they tie there.
    """
    total += output if weight is None else weight * output.astype(np.float64, copy=False)


def add_output_where(
    total: np.ndarray, norm: np.ndarray, output: np.ndarray, weight: float, speaks: np.ndarray
) -> None:
    """The same for the samples that it speaks for (n_samples,), which adds to their ``norm``."""
    np.add(total, weight * output, out=total, where=speaks)
    norm[speaks] += weight


def affine(combiner: Combiner) -> LinearCombiner:
    """A combiner of which the caller knows that it is affine.

    Raises
    ------
    TypeError
        If it is not.
    """
    if not combiner.linear:
        raise TypeError(f"{combiner.in_words} is no affine function of members' outputs")
    return cast(LinearCombiner, combiner)


@dataclass(frozen=True)
class MedianCombiner(Combiner):
    """The weighted median of the members' predictions (AdaBoost.R2, Drucker 1997).

    Parameters
    ----------
    link : Link
    weights : ndarray of shape (n_members,)
    """

    link: Link
    weights: np.ndarray
    classes: np.ndarray | None = None
    kind: str = "median"

    def take(self, indices: Indices, weights: np.ndarray | None = None) -> MedianCombiner:
        native = self.weights[np.asarray(indices, dtype=np.intp)]
        return replace(self, weights=native if weights is None else native * weights)

    def raw(self, outputs: np.ndarray) -> np.ndarray:
        predictions = outputs[:, 0, :]  # (n_members, n_samples)
        order = predictions.argsort(axis=0)
        mass = self.weights[order].cumsum(axis=0)
        at = (mass >= 0.5 * mass[-1]).argmax(axis=0)
        columns = np.arange(predictions.shape[1])
        return predictions[order[at, columns], columns][None].astype(np.float64)
