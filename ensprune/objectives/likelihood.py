"""Log-loss: only the true class's row of averaged probabilities matters."""

from __future__ import annotations

import numpy as np
from scipy.special import log_expit, logsumexp
from sklearn.metrics import log_loss

from ..combiner import Combiner
from ..link import Logistic, Probability
from ..storage import empty_like, release
from .certain import are_certain, summed_gains, summed_gains_near_best
from .registry import register_objective
from .running import LinearObjective

# A logarithm costs ten times a product, so probabilities are multiplied first: this many in the
# outputs' precision, then _OUTER of those products in float64. Even the smallest and largest
# normal float32 to the power of _OUTER are normal float64.
_INNER = 16
_OUTER = 8

# Samples in whole groups of products, which start at a cache line each.
_GROUP = 1 << 10

# Above this share of samples that may need clipping all are looked at.
_MANY = 0.1

# Sums of candidates and samples held at a time, in bytes: few calls, and still in cache.
_TILE_BYTES = 1 << 21

# Bytes of a product that are worth a thread of their own.
_SHARE_BYTES = 1 << 26


class LogLoss(LinearObjective):
    """Mean log-probability of the true class, clipped as scikit-learn clips it.

    For averaged probabilities the outputs are cut down once to the row of the true class, a
    factor ``n_classes`` less to read at every step; for one margin to that margin with the true
    label's sign.

    Notes
    -----
    Without sample weights the logarithms of averaged probabilities are taken of products over 128
    samples, in the precision of the outputs: with float32 a candidate's score is within ``2e-7``
    of that in float64. :meth:`score` is in float64.

    Where all probabilities are zero or one, as in trees whose leaves are pure, a candidate changes
    the logarithm of a sample by one and the same amount or not at all: all candidates are scored by
    one product of their outputs with these amounts, within ``1e-6``, and the best in float64.
    """

    def _reduce(
        self, outputs: np.ndarray, offset: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        self._log_eps = float(np.log(np.finfo(self.combiner.dtype).eps))
        self._log_top = float(np.log1p(-np.finfo(self.combiner.dtype).eps))
        self._certain = False
        link = self.combiner.link
        if isinstance(link, Logistic):
            sign = np.where(self._targets == 1, 1, -1).astype(outputs.dtype)
            signed = empty_like(outputs, outputs.shape)
            for member, row in zip(outputs, signed, strict=True):
                np.multiply(member, sign, out=row)
                release(outputs)
                release(signed)
            return signed, None if offset is None else offset * sign
        if isinstance(link, Probability):
            true = true_rows(outputs, self._targets)
            self._certain = are_certain(true)
            # A product is as fast as memory is read, and so over before a thread has begun.
            self._least_share = 1 + _SHARE_BYTES // true[0].nbytes if self._certain else 1
            at = self._targets, np.arange(self.n_samples)
            return true, None if offset is None else offset[at][None]
        return outputs, offset

    def _contributions(self, raw: np.ndarray, block: slice) -> np.ndarray:
        link = self.combiner.link
        if isinstance(link, Probability):
            with np.errstate(divide="ignore"):
                logs = np.log(raw[0], out=raw[0])
        elif isinstance(link, Logistic):
            logs = log_expit(link.scale * raw[0])
        else:
            raw /= link.divisor
            true = raw[self._targets[block], np.arange(raw.shape[1])]
            logs = true - logsumexp(raw, axis=0)
        return np.clip(logs, self._log_eps, self._log_top, out=logs)

    def _means(self, members: np.ndarray, sign: float) -> np.ndarray:
        averages = isinstance(self.combiner.link, Probability) and self._shift is None
        products = self._uniform and sign > 0
        if not (averages and (self._certain or products)):
            return super()._means(members, sign)
        means = np.empty(len(members))
        norms = self._norm + sign * self._member_weights[members]
        for norm in np.unique(norms):
            some = norms == norm
            mean_logs = self._mean_logs_if_certain if self._certain else self._mean_logs
            means[some] = mean_logs(members[some], norm) - np.log(norm)
        return means

    def _bounds(self, norm: float) -> tuple[float, float]:
        """Between which a sum of probabilities lies whose average is clipped."""
        eps = np.finfo(self.combiner.dtype).eps
        return norm * eps, norm * (1 - eps)

    def _mean_logs_if_certain(self, members: np.ndarray, norm: float) -> np.ndarray:
        """:meth:`_mean_logs` of members whose probabilities are zero or one."""
        total, factor = self._total[0], norm - self._norm
        least, most = self._bounds(norm)
        wrong = np.log(np.clip(total, least, most))
        right = np.log(np.clip(total + factor, least, most))
        rows, gains = self._outputs[:, 0], self._weights * (right - wrong)
        if factor < 0:  # there are few to be dropped
            return self._weights @ wrong + summed_gains(rows, members, gains)
        chosen = np.isin(members, self.selected)
        return self._weights @ wrong + summed_gains_near_best(rows, members, gains, chosen)

    def _mean_logs(self, members: np.ndarray, norm: float) -> np.ndarray:
        """Means of ``log(total + output)`` over samples; all ``members`` lead to the same norm."""
        factor = norm - self._norm
        dtype = self._outputs.dtype
        least, most = self._bounds(norm)
        length = min(self.n_samples, _TILE_BYTES // (dtype.itemsize * _INNER))
        # Filled up with ones, whose logarithm is zero, to whole groups.
        width = -(-length // _GROUP) * _GROUP
        some = max(1, _TILE_BYTES // (dtype.itemsize * width))
        sums = np.zeros(len(members))
        tile = np.empty((some, width), dtype=dtype)
        for start in range(0, self.n_samples, length):
            block = slice(start, start + length)
            total = self._total[0, block].astype(dtype)
            tile[:, len(total) :] = 1
            # Outputs are not negative: where the total is clear of the bound, so are all sums.
            low = np.flatnonzero(total < least)
            for first in range(0, len(members), some):
                batch = members[first : first + some]
                raw = tile[: len(batch), : len(total)]
                self._add_rows(batch, factor, block, total, raw)
                if dtype == self.combiner.dtype:
                    np.clip(raw, least, most, out=raw)
                elif len(low) > _MANY * len(total):
                    sums[first : first + some] += np.log(least) * _set_to_one(raw, least)
                elif len(low):
                    values = raw[:, low]
                    sums[first : first + some] += np.log(least) * _set_to_one(values, least)
                    raw[:, low] = values
                sums[first : first + some] += _sums_of_logs(tile[: len(batch)])
                release(self._outputs)
        return sums / self.n_samples

    def _add_rows(
        self, batch: np.ndarray, factor: float, block: slice, total: np.ndarray, out: np.ndarray
    ) -> None:
        """Write ``total`` plus each row of ``batch`` to ``out`` (n_batch, n_block)."""
        if factor == 1.0 and batch[-1] - batch[0] == len(batch) - 1:
            # Neighbours in memory are added in one call.
            np.add(total, self._outputs[batch[0] : batch[-1] + 1, 0, block], out=out)
            return
        for t, row in zip(batch, out, strict=True):
            np.multiply(self._outputs[t, 0, block], out.dtype.type(factor), out=row)
            row += total


def true_rows(outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The row of the true class of every member, shape (n_members, 1, n_samples)."""
    n_members, _, n_samples = outputs.shape
    true = empty_like(outputs, (n_members, 1, n_samples))
    # Position of the true class's value in a member's flattened outputs.
    at = labels * n_samples + np.arange(n_samples)
    for member, row in zip(outputs, true[:, 0], strict=True):
        np.take(member.reshape(-1), at, out=row, mode="clip")
        release(outputs)
        release(true)
    return true


def _set_to_one(values: np.ndarray, least: float) -> np.ndarray:
    """Make ones of what is below ``least``, in place; how many there were in each row.

    Products with so small numbers would leave the range of their precision.
    """
    below = values < least
    if not below.any():
        return np.zeros(len(values))
    values *= ~below
    values += below
    return below @ np.ones(below.shape[1], dtype=np.float32)


def _sums_of_logs(values: np.ndarray) -> np.ndarray:
    """Sums over the last axis, a multiple of ``_GROUP``, of logarithms of positive values.

    Returns
    -------
    ndarray of shape (n_rows,), dtype float64
        Rows whose products leave the range of their precision are computed one logarithm at a
        time.
    """
    limits = np.finfo(values.dtype)
    n_rows = len(values)
    products = np.multiply.reduce(values.reshape(n_rows, _INNER, -1), axis=1)
    low, high = products.min(axis=1), products.max(axis=1)
    if values.dtype == np.float32:
        products = products.astype(np.float64).reshape(n_rows, _OUTER, -1)
        products = np.multiply.reduce(products, axis=1)
    with np.errstate(divide="ignore"):
        sums = np.log(products, out=products).sum(axis=1)
    for row in np.flatnonzero((low <= limits.tiny) | (high >= limits.max)):
        sums[row] = np.log(values[row].astype(np.float64)).sum()
    return sums


def _has_proba(combiner: Combiner) -> bool:
    return combiner.linear and combiner.has_proba and combiner.classes is not None


register_objective(log_loss, LogLoss, _has_proba)
