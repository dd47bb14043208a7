"""The objective's contract, and the function that finds the fast form of a metric."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from sklearn.metrics import get_scorer
from sklearn.metrics._scorer import _Scorer

from ..combiner import Combiner

ScorerLike = str | Callable[..., float]


class Objective(ABC):
    """What is to be preserved, evaluated for all candidates at once and incrementally.

    Scores follow scikit-learn's scorers: greater is better. An objective starts from the empty
    sub-ensemble; :meth:`add` and :meth:`drop` move it, :meth:`candidates` looks one move ahead.

    Attributes
    ----------
    selected : list of int
        Members in the current sub-ensemble, in the order they were added.
    n_members : int
        How many there are to choose from.
    """

    selected: list[int]
    n_members: int

    @abstractmethod
    def start(
        self,
        outputs: np.ndarray,
        y: np.ndarray,
        combiner: Combiner,
        sample_weight: np.ndarray | None = None,
        *,
        mask: np.ndarray | None = None,
        rows: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        """Look at the data and begin with no member chosen.

        Parameters
        ----------
        outputs : ndarray of shape (n_members, n_outputs, n_samples)
            Outputs of all members. They are read, never copied per candidate, never changed.
        y : ndarray of shape (n_samples,)
            Labels (as in ``combiner.classes``) or target values.
        combiner : Combiner
            Of all members.
        sample_weight : ndarray of shape (n_samples,), default=None
        mask : ndarray of shape (n_members, n_samples), dtype bool, default=None
            Where a member may speak: its out-of-bag samples. None is everywhere.
        rows : array-like of shape (n_samples, n_features), default=None
            The rows themselves, for scorers that look at them.
        n_jobs : int, default=None
            Threads over candidates.
        """

    @abstractmethod
    def candidates(self, drop: bool = False) -> np.ndarray:
        """Score of every sub-ensemble one move away.

        Parameters
        ----------
        drop : bool, default=False
            Score dropping each member instead of adding it.

        Returns
        -------
        ndarray of shape (n_members,), dtype float64
            With ``drop``, ``-inf`` for members that are not in, and for the last one.
        """

    @abstractmethod
    def add(self, member: int) -> None:
        """Take a member in; once more, if it is in already."""

    @abstractmethod
    def drop(self, member: int) -> None:
        """Take a member out."""

    @abstractmethod
    def score(self) -> float:
        """Score of the current sub-ensemble; NaN while it is empty."""

    def tiebreaks(self, drop: bool = False) -> np.ndarray | None:
        """Secondary scores, shaped like :meth:`candidates`, for metrics that tie often."""
        return None

    def swaps(self) -> np.ndarray | None:
        """Score of every sub-ensemble one swap away, where that is cheap.

        Returns
        -------
        ndarray of shape (len(selected), n_members) or None
            Entry (i, t): the i-th chosen member replaced by t.
        """
        return None


Factory = Callable[[], Objective]


class _Registry:
    """Fast forms by scikit-learn metric function, keyword arguments and combiner."""

    def __init__(self) -> None:
        self._entries: dict[Any, list[tuple[Callable[[Combiner], bool], Factory]]] = {}

    def add(
        self,
        metric: Callable[..., float],
        factory: Factory,
        applies: Callable[[Combiner], bool],
        **kwargs: Any,
    ) -> None:
        self._entries.setdefault((metric, _frozen(kwargs)), []).append((applies, factory))

    def find(self, scorer: Any, combiner: Combiner) -> Factory | None:
        if not isinstance(scorer, _Scorer):
            return None
        key = (scorer._score_func, _frozen(scorer._kwargs))
        for applies, factory in self._entries.get(key, ()):
            if applies(combiner):
                return factory
        return None


def _frozen(kwargs: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, repr(value)) for name, value in kwargs.items()))


_registry = _Registry()


def register_objective(
    metric: Callable[..., float],
    factory: Factory,
    applies: Callable[[Combiner], bool] = lambda combiner: combiner.linear,
    **kwargs: Any,
) -> None:
    """Give a metric a fast form; third parties may call this too.

    Parameters
    ----------
    metric : callable
        The metric function that scorers wrap, such as ``sklearn.metrics.log_loss``.
    factory : callable
        Returns a new objective.
    applies : callable, default=affine combiners
        ``applies(combiner)`` says whether the fast form is exact for that combiner.
    **kwargs
        The keyword arguments the scorer was made with.
    """
    _registry.add(metric, factory, applies, **kwargs)


def default_scorer(combiner: Combiner) -> Any:
    """scikit-learn's default: accuracy for classifiers, R2 for regressors."""
    return get_scorer("r2" if combiner.classes is None else "accuracy")


def make_objective(scoring: ScorerLike | None, combiner: Combiner) -> Objective:
    """The objective of a metric: its fast form where there is one, else the generic one.

    Parameters
    ----------
    scoring : str, callable or None
        Any scikit-learn scoring string or scorer callable; None is accuracy or R2.
    combiner : Combiner
        How the members combine, which decides what is fast and exact.

    Returns
    -------
    Objective
        Not started yet.
    """
    from .generic import GenericObjective

    scorer = default_scorer(combiner) if scoring is None else scoring
    if isinstance(scorer, str):
        scorer = get_scorer(scorer)
    factory = _registry.find(scorer, combiner)
    return GenericObjective(scorer) if factory is None else factory()


def class_positions(y: Any, classes: np.ndarray) -> np.ndarray:
    """Positions of labels in ``classes``, shape (n_samples,), dtype intp.

    Raises
    ------
    ValueError
        If ``y`` has labels that the ensemble was not trained on.
    """
    labels = np.asarray(y)
    unknown = np.setdiff1d(labels, classes)
    if len(unknown):
        shown = ", ".join(repr(label) for label in unknown[:5].tolist())
        raise ValueError(
            f"y has labels the ensemble was not trained on: {shown}; it knows "
            f"{classes[:10].tolist()}"
        )
    order = np.argsort(classes, kind="stable")
    return order[np.searchsorted(classes, labels, sorter=order)]


def normalised_weights(sample_weight: Any, n_samples: int) -> np.ndarray:
    """Sample weights that sum to one, shape (n_samples,), dtype float64."""
    if sample_weight is None:
        return np.full(n_samples, 1.0 / n_samples)
    weight = np.asarray(sample_weight, dtype=np.float64)
    return weight / weight.sum()


class LinearObjective(Objective):
    """A mean over samples of a function of the raw score, under an affine combiner.

    Keeps the running weighted sum of the chosen members. A candidate costs one addition of its
    outputs and one evaluation of the metric, in blocks of samples that stay in cache; nothing is
    copied per candidate.

    Subclasses say what of the outputs they need (:meth:`_reduce`), what a sample contributes
    (:meth:`_contributions`), and what the score is given the mean (:meth:`_finish`).
    """

    # Bytes of float64 working space per block of samples: well inside a core's own cache.
    _block_bytes: ClassVar[int] = 1 << 18

    def start(
        self,
        outputs: np.ndarray,
        y: np.ndarray,
        combiner: Combiner,
        sample_weight: np.ndarray | None = None,
        *,
        mask: np.ndarray | None = None,
        rows: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        if mask is not None:
            raise ValueError(
                f"{type(self).__name__} has no out-of-bag form: select by squared error instead"
            )
        self.combiner: Any = combiner
        self.n_members, self.n_samples = len(outputs), outputs.shape[2]
        self.selected = []
        self._n_jobs = n_jobs
        self._member_weights = combiner.member_weights  # type: ignore[attr-defined]
        self._targets = (
            np.asarray(y, dtype=np.float64)
            if combiner.classes is None
            else class_positions(y, combiner.classes)
        )
        self._weights = self._sample_weights(sample_weight)
        self._outputs, offset = self._reduce(
            outputs, self._offset(combiner, (outputs.shape[1], outputs.shape[2]))
        )
        self._offset_rows = offset
        self._shift: np.ndarray | None = None
        self._restart()

    def _restart(self) -> None:
        """The running sum with no member in it: boosting begins at its offset."""
        self._total: np.ndarray = np.zeros(self._outputs.shape[1:])  # (n_rows, n_samples)
        self._norm = 0.0
        if self._offset_rows is not None and self.combiner.averages:
            self._shift = np.broadcast_to(self._offset_rows, self._total.shape)
        elif self._offset_rows is not None:
            self._total += self._offset_rows

    @staticmethod
    def _offset(combiner: Any, shape: tuple[int, int]) -> np.ndarray | None:
        """The combiner's offset as (n_outputs, n_samples), or None."""
        if combiner.offset is None:
            return None
        offset = combiner.offset if combiner.offset.ndim == 2 else combiner.offset[:, None]
        return np.broadcast_to(offset, shape)

    def _sample_weights(self, sample_weight: np.ndarray | None) -> np.ndarray:
        return normalised_weights(sample_weight, self.n_samples)

    def _reduce(
        self, outputs: np.ndarray, offset: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """The rows of outputs (n_members, n_rows, n_samples) and offset that the metric needs."""
        return outputs, offset

    @abstractmethod
    def _contributions(self, raw: np.ndarray, block: slice) -> np.ndarray:
        """What each sample adds to the mean, shape (n_block,); ``raw`` may be overwritten."""

    def _finish(self, mean: Any) -> Any:
        """The score, given the weighted mean of contributions (a number or an array)."""
        return mean

    def _blocks(self) -> list[slice]:
        rows = max(1, len(self._total))
        length = max(1, self._block_bytes // (8 * rows))
        return [slice(i, i + length) for i in range(0, self.n_samples, length)]

    def candidates(self, drop: bool = False) -> np.ndarray:
        from joblib import Parallel, delayed, effective_n_jobs

        if drop:
            which = np.unique(self.selected) if len(self.selected) > 1 else np.array([], int)
        else:
            which = np.arange(self.n_members)
        sign = -1.0 if drop else 1.0
        if self.combiner.averages:
            # Members of no weight alone have no mean.
            which = which[self._norm + sign * self._member_weights[which] > 0]
        means = np.full(self.n_members, -np.inf)
        jobs = max(1, min(effective_n_jobs(self._n_jobs), len(which)))
        shares = np.array_split(which, jobs)
        results = Parallel(n_jobs=jobs, require="sharedmem")(
            delayed(self._means)(share, sign) for share in shares
        )
        means[which] = np.concatenate(results) if len(which) else []
        scores = np.full(self.n_members, -np.inf)
        scores[which] = self._finish(means[which])
        return scores

    def _means(self, members: np.ndarray, sign: float) -> np.ndarray:
        """Mean contribution of the current sub-ensemble plus (or minus) each of ``members``."""
        means = np.zeros(len(members))
        for block in self._blocks():
            total = self._total[:, block]
            shift = None if self._shift is None else self._shift[:, block]
            raw = np.empty_like(total)
            weights = self._weights[block]
            for position, t in enumerate(members):
                factor = sign * self._member_weights[t]
                output = self._outputs[t, :, block]
                if factor == 1.0:
                    np.add(total, output, out=raw)
                else:
                    np.multiply(output, factor, out=raw)
                    raw += total
                if self.combiner.averages:
                    raw /= self._norm + factor
                    if shift is not None:
                        raw += shift
                means[position] += weights @ self._contributions(raw, block)
        return means

    def add(self, member: int) -> None:
        self.selected.append(int(member))
        self._accumulate(member)

    def drop(self, member: int) -> None:
        # Added up anew, since taking away leaves rounding behind that unties samples.
        self.selected.remove(int(member))
        self._restart()
        for kept in self.selected:
            self._accumulate(kept)

    def _accumulate(self, member: int) -> None:
        factor = self._member_weights[member]
        self._total += factor * self._outputs[member].astype(np.float64, copy=False)
        self._norm += factor

    def score(self) -> float:
        if not self.selected or (self.combiner.averages and not self._norm > 0):
            return float("nan")
        mean = 0.0
        for block in self._blocks():
            raw = self._total[:, block].copy()
            if self.combiner.averages:
                raw /= self._norm
                if self._shift is not None:
                    raw += self._shift[:, block]
            mean += self._weights[block] @ self._contributions(raw, block)
        return float(self._finish(mean))
