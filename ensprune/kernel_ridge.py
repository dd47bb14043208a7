"""Kernel ridge regression as a teacher: smooth where trees have steps, and it tunes itself.

Numbers in, numbers out, like ``boosted.py``. Of sparse rows only inner products are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.spatial.distance import cdist

from .codes import one_hot
from .columns import Columns
from .refinement.leaves import project
from .sparse_columns import SparseColumns
from .teacher import Model

# How fast likeness falls with the distance, and what noise is relative to the function: the best of
# these on so many rows, each left out in turn.
_RATES = (0.1, 0.4, 1.6)
_NOISES = 10.0 ** np.arange(-4.0, 2.1, 0.5)
_TUNING_ROWS = 400

# Rows that others are compared with, and rows that are learnt from, at most.
_LANDMARKS = 700
_MOST_ROWS = 4000

# Sparse rows are mostly unlike each other: few of them do not stand for all.
_SPARSE_LANDMARKS = 2000

_METRICS = ("euclidean", "cityblock")

# Columns are standardised; so many at most, those that go best with the target.
_MOST_COLUMNS = 200

_JITTER = 1e-6
_NEAREST = 1e-6
_ROUNDING = 1e-13  # squared distances of copies of a row, relative to how far out it is
_BLOCK = 1 << 22  # likenesses at a time


def smooth(
    rows: Any,
    labels: np.ndarray,
    weight: np.ndarray,
    classes: np.ndarray | None,
    seed: int,
) -> Model:
    """Fit kernel ridge regression to rows; a class they lack has no chance.

    The likeness of two rows is ``exp(-rate * distance)``, of standardised columns, each times a
    scale of its own: columns along which the function found so far is steeper count more. Euclidean or
    the sum of absolute differences, which is the likeness that very large forests of random
    splits give rows: what leaving rows out says is better. That of sparse rows is Euclidean, and
    their columns are scaled by how they vary alone.

    Parameters
    ----------
    rows : ndarray or csr_matrix of shape (n_samples, n_features), dtype float
        May have missing values.
    labels : ndarray of shape (n_samples,)
        Values, or positions of classes.
    weight : ndarray of shape (n_samples,)
    classes : ndarray of shape (n_classes,), or None for values
    seed : int

    Returns
    -------
    callable
        Values, or distributions over the classes, of other rows.

    References
    ----------
    Saunders, Gammerman & Vovk, "Ridge regression learning algorithm in dual variables", ICML 1998.
    Balog, Lakshminarayanan, Ghahramani, Roy & Teh, "The Mondrian kernel", UAI 2016. Radhakrishnan,
    Beaglehole, Pandit & Belkin, "Mechanism for feature learning in neural networks and
    backpropagation-free machine learning models", Science 383 (2024), the scales of columns.
    """
    rng = np.random.default_rng(seed)
    some = rng.permutation(np.flatnonzero(weight > 0))[:_MOST_ROWS]
    rows, labels, weight = rows[some], labels[some], weight[some] / weight[some].mean()
    n_outputs = 1 if classes is None else len(classes)
    present = np.unique(labels) if classes is not None else np.zeros(1, dtype=int)
    target = (
        np.asarray(labels, dtype=np.float64)[:, None]
        if classes is None
        else one_hot(labels, n_outputs)[present].T.astype(np.float64)
    )  # (n_samples, n_present)
    mean = np.average(target, axis=0, weights=weight)
    columns: Any
    if sparse.issparse(rows):
        columns, n_marks = SparseColumns.of(rows), _SPARSE_LANDMARKS
    else:
        columns, n_marks = Columns.of(rows), _LANDMARKS
        if len(columns) > _MOST_COLUMNS:
            best = columns.ranked(rows, weight[:, None] * (target - mean))[:_MOST_COLUMNS]
            columns = columns.take(np.sort(best))
    points = columns(rows)
    few = slice(_TUNING_ROWS)
    likeness, noise = _tuned(points[few], (target - mean)[few], weight[few])
    marks = likeness.scaled(points[:n_marks])
    part = _solved(likeness, marks, points, target - mean, weight, noise)

    def answers(asked: Any) -> np.ndarray:
        n_asked = asked.shape[0]
        found = np.empty((n_asked, len(present)))
        step = max(_BLOCK // marks.shape[0], 1)
        for begin in range(0, n_asked, step):
            block = slice(begin, begin + step)
            near = likeness.between(likeness.scaled(columns(asked[block])), marks)
            found[block] = mean + near @ part
        result = np.zeros((n_outputs, n_asked))
        result[present] = (found if classes is None else project(found, np.ones(len(found)))).T
        return result

    return answers


@dataclass(frozen=True)
class _Likeness:
    """``exp(-rate * distance)`` of scaled columns."""

    metric: str
    scale: np.ndarray | None  # (n_features,); None: columns as they are
    rate: float = 1.0

    def scaled(self, points: Any) -> Any:
        if self.scale is None:
            return points
        used = self.scale > 0
        return points[:, used] * self.scale[used]

    def distance(self, some: Any, others: Any) -> np.ndarray:
        if self.metric == "cityblock":
            return cdist(some, others, "cityblock")
        total = _squares(some)[:, None] + _squares(others)
        products = some @ others.T
        squared = total - 2.0 * (products.toarray() if sparse.issparse(products) else products)
        squared[squared < _ROUNDING * total] = 0.0
        return np.sqrt(squared)

    def at(self, rate: float) -> _Likeness:
        return replace(self, rate=rate)

    def between(self, some: Any, others: Any) -> np.ndarray:
        near = self.distance(some, others)
        near *= -self.rate
        return np.exp(near, out=near)

    def between_all(self, points: Any) -> np.ndarray:
        scaled = self.scaled(points)
        near = self.between(scaled, scaled)
        near[np.diag_indices_from(near)] = 1.0  # whatever rounding made of a distance of zero
        return near

    def steepness(self, points: np.ndarray, part: np.ndarray) -> np.ndarray:
        """Root mean square of the slope of ``likeness @ part`` along each column, (n_features,)."""
        pull = self.rate * self.between_all(points)
        if self.metric == "euclidean":
            scaled = self.scaled(points)
            pull /= np.maximum(self.distance(scaled, scaled), _NEAREST)
        result = np.zeros(points.shape[1])
        scale = self.scale
        assert scale is not None  # of dense points, whose columns can be told apart
        for column in np.flatnonzero(scale):
            apart = points[:, column, None] - points[:, column]
            if self.metric == "cityblock":
                slope, unit = np.sign(apart), scale[column]
            else:
                slope, unit = apart, scale[column] ** 2
            result[column] = unit * np.sqrt((((pull * slope) @ part) ** 2).sum())
        return result


def _squares(points: Any) -> np.ndarray:
    """Squared lengths of rows, shape (n_samples,)."""
    if sparse.issparse(points):
        return np.asarray(points.multiply(points).sum(axis=1)).ravel()
    return (points**2).sum(axis=1)


def _tuned(points: Any, target: np.ndarray, weight: np.ndarray) -> tuple[_Likeness, float]:
    """The likeness and the noise that say best what each of a few rows is, it being left out."""

    def at_best(metric: str, scale: np.ndarray | None) -> _Tried:
        likeness = _Likeness(metric, None if scale is None else _normed(metric, scale))
        return min(
            (_left_out(likeness.at(rate), points, target, weight) for rate in _RATES),
            key=lambda tried: tried.loss,
        )

    if sparse.issparse(points):
        found = at_best("euclidean", None)
        return found.likeness, found.noise
    alike = np.ones(points.shape[1])
    found = min((at_best(metric, alike) for metric in _METRICS), key=lambda tried: tried.loss)
    steepness = found.likeness.steepness(points, found.part)
    scaled = at_best(found.likeness.metric, steepness)
    best = scaled if scaled.loss < found.loss else found
    return best.likeness, best.noise


@dataclass(frozen=True)
class _Tried:
    """What a likeness is worth: the squared error of rows left out, at the best noise."""

    loss: float
    likeness: _Likeness
    noise: float
    part: np.ndarray  # what each row adds, (n_samples, n_present)


def _normed(metric: str, scale: np.ndarray) -> np.ndarray:
    """Scales of columns such that rows are as far apart as they are in a single one."""
    total = scale.sum() if metric == "cityblock" else np.sqrt((scale**2).sum())
    return scale / total if total > 0 else scale


def _left_out(likeness: _Likeness, points: Any, target: np.ndarray, weight: np.ndarray) -> _Tried:
    """Try all noises at once, by one decomposition: no row need be left out for it.

    References
    ----------
    Cook & Weisberg, "Residuals and influence in regression" (1982), eq. 2.2.22.
    """
    root = np.sqrt(weight)[:, None]
    near = root * likeness.between_all(points) * root.T
    values, vectors = np.linalg.eigh(near)
    values = np.maximum(values, 0.0)
    turned = vectors.T @ (root * target)
    leverage = vectors**2
    best, least = _NOISES[0], np.inf
    for noise in _NOISES:
        share = noise / (values + noise)
        left = vectors @ (share[:, None] * turned) / (leverage @ share)[:, None]
        loss = float((left**2).sum())
        if loss < least:
            best, least = noise, loss
    part = root * (vectors @ (turned / (values + best)[:, None]))
    return _Tried(least, likeness, float(best), part)


def _root(near: np.ndarray) -> np.ndarray:
    """The Cholesky factor of likenesses, with more on the diagonal where rounding asks for it.

    Distances that are taken for zero, of rows that are nearly copies, can leave a matrix with
    negative eigenvalues.
    """
    diagonal = np.diag_indices_from(near)
    own, jitter = near[diagonal], _JITTER
    while True:
        near[diagonal] = own + jitter
        try:
            return np.linalg.cholesky(near)
        except np.linalg.LinAlgError:
            if jitter > len(near):  # more than all the others in a row: not finite
                raise
            jitter *= 10.0


def _solved(
    likeness: _Likeness,
    marks: Any,
    points: Any,
    target: np.ndarray,
    weight: np.ndarray,
    noise: float,
) -> np.ndarray:
    """What each landmark adds, shape (n_marks, n_present): exact where all rows are landmarks.

    References
    ----------
    Williams & Seeger, "Using the Nystrom method to speed up kernel machines", NIPS 13 (2001).
    """
    root = _root(likeness.between(marks, marks))
    seen = likeness.between(marks, likeness.scaled(points))
    features = solve_triangular(root, seen, lower=True, overwrite_b=True)  # (n_marks, n_samples)
    weighed = features * weight
    gram = weighed @ features.T
    gram[np.diag_indices_from(gram)] += noise
    found = cho_solve(cho_factor(gram, overwrite_a=True), weighed @ target)
    return solve_triangular(root, found, lower=True, trans="T")
