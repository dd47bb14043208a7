"""The Gram matrix of residuals out of bag: every pair of members on the samples that both left out.

Each pair is judged on other samples. Two things make the entries comparable: what is hard about
a sample is taken out of them, and what cannot be told from noise is shrunk away.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..storage import blocks_of, samples_of

# Of the off-diagonal of an out-of-bag Gram matrix, what is drawn towards its additive part.
# "auto" estimates it: on the forests of benchmarks/quality.py it is between 0.7 and 1.
AUTO = "auto"


def out_of_bag_gram(
    outputs: np.ndarray,
    target: np.ndarray,
    sample_weight: np.ndarray,
    mask: np.ndarray,
    shrinkage: float | str = AUTO,
    block_bytes: int = 1 << 23,
) -> np.ndarray:
    """Gram matrix of the members' residuals out of bag.

    Parameters
    ----------
    outputs : ndarray of shape (n_members, n_outputs, n_samples)
    target : ndarray of shape (n_outputs, n_samples)
    sample_weight : ndarray of shape (n_samples,)
        Sums to one.
    mask : ndarray of shape (n_members, n_samples), dtype bool
        Where members may speak.
    shrinkage : float in [0, 1] or "auto", default="auto"
        How far the entries off the diagonal are drawn to their additive part, see :func:`shrunk`;
        ``"auto"`` is :func:`unreliability` of two halves of the samples.
    block_bytes : int, default=8 MiB
        Working space.

    Returns
    -------
    ndarray of shape (n_members, n_members), dtype float64

    Notes
    -----
    With ``e_in = o_in - target_n`` entry (i, j) is the level ``L`` plus a weighted mean of
    ``<e_in, e_jn> - m_n`` over the samples that both left out, where ``m_n`` is the mean of the
    product over all pairs that speak for sample n and ``L`` the mean of ``m_n``. (A two-way
    analysis of variance, pairs by samples: a pair that happened to leave hard samples out is no
    worse for it.) Each sample's mean contains the pair itself, one of ``p_n``, so with ``P`` pairs
    in all sums are divided by ``sum w_n (1 - 1 / p_n) P / (P - 1)``; where all speak everywhere this
    is the plain Gram matrix. The diagonal is treated likewise, with members for pairs.
    """
    first, second = _halves(outputs, target, sample_weight, mask, block_bytes)
    if shrinkage == AUTO:
        shrinkage = unreliability(first.entries(), second.entries())
    first += second
    del second
    return shrunk(first.entries(), float(shrinkage))


class _Sums:
    """What the entries are made of: sums over samples."""

    def __init__(self, n_members: int):
        self.products = np.zeros((n_members, n_members))  # less the samples' own means
        self.shares = np.zeros((n_members, n_members))
        self.squares = np.zeros(n_members)
        self.spoken = np.zeros(n_members)
        # Over samples: (sum of w m, sum of w) of pairs, then of members.
        self.levels = np.zeros((2, 2))

    def __iadd__(self, other: _Sums) -> _Sums:
        for name, value in vars(self).items():
            value += getattr(other, name)
        return self

    def take(self, residual: np.ndarray, speaks: np.ndarray, weight: np.ndarray) -> None:
        """Add samples.

        Parameters
        ----------
        residual : ndarray of shape (n_members, n_outputs, n_some)
            Zero where a member does not speak.
        speaks : ndarray of shape (n_members, n_some), of the same dtype
        weight : ndarray of shape (n_some,)
        """
        n_members = len(residual)
        squares = np.einsum("tcn,tcn->tn", residual, residual)
        count = speaks.sum(axis=0, dtype=np.float64)
        pairs = count * (count - 1) / 2
        total = np.square(residual.sum(axis=0, dtype=np.float64)).sum(axis=0)
        square = squares.sum(axis=0, dtype=np.float64)
        of_pairs = (total - square) / 2 / np.maximum(pairs, 1)
        of_members = square / np.maximum(count, 1)
        self.levels[0] += weight @ of_pairs, weight @ (pairs > 0)
        self.levels[1] += weight @ of_members, weight @ (count > 0)

        flat = (residual * np.sqrt(weight).astype(residual.dtype)).reshape(n_members, -1)
        self.products += flat @ flat.T
        self.products -= (speaks * (weight * of_pairs).astype(speaks.dtype)) @ speaks.T
        share = weight * _informative(pairs, n_members * (n_members - 1) / 2)
        self.shares += (speaks * share.astype(speaks.dtype)) @ speaks.T
        self.squares += squares @ weight - speaks @ (weight * of_members)
        self.spoken += speaks @ (weight * _informative(count, n_members))

    def entries(self) -> np.ndarray:
        """The Gram matrix, NaN for pairs that cannot be compared with others."""
        with np.errstate(invalid="ignore", divide="ignore"):
            level, own = self.levels[:, 0] / self.levels[:, 1]
            # Sums of what is zero but for rounding are no evidence.
            nothing = 1e-12 * max(self.levels[0, 1], 1e-300)
            gram = np.where(self.shares > nothing, level + self.products / self.shares, np.nan)
            alone = np.where(self.spoken > nothing, self.squares / self.spoken, 0.0)
        # One number per pair: what a member brings is taken off again with it.
        gram = 0.5 * (gram + gram.T)
        np.fill_diagonal(gram, own + alone)
        return gram


def _informative(speaking: np.ndarray, of: float) -> np.ndarray:
    """What a sample tells of one of those that speak for it, against the mean of these."""
    return (1 - 1 / np.maximum(speaking, 1)) * (of / max(of - 1, 1))


def _halves(
    outputs: np.ndarray,
    target: np.ndarray,
    sample_weight: np.ndarray,
    mask: np.ndarray,
    block_bytes: int,
) -> list[_Sums]:
    """Sums over every other sample, and over those between."""
    n_members, n_outputs, n_samples = outputs.shape
    dtype = residual_dtype(outputs, target)
    # The target in two parts, so that nothing of it is lost in the precision of the outputs.
    near = target.astype(dtype)
    rest = (target - near).astype(dtype)
    sums = [_Sums(n_members), _Sums(n_members)]
    for block in blocks_of(n_samples, 2 * n_members * n_outputs * dtype.itemsize, block_bytes):
        said = samples_of(outputs, block)
        for half, taken in enumerate(sums):
            first = block.start + (block.start + half) % 2
            rows = slice(first, block.stop, 2)
            if first >= block.stop:
                continue
            residual = np.subtract(said[:, :, first - block.start :: 2], near[:, rows], dtype=dtype)
            if rest[:, rows].any():
                residual -= rest[:, rows]
            speaks = mask[:, rows].astype(dtype)
            residual *= speaks[:, None]
            taken.take(residual, speaks, sample_weight[rows])
    return sums


def residual_dtype(outputs: np.ndarray, target: np.ndarray) -> np.dtype[Any]:
    """The precision of the outputs, unless squares of the target leave its range."""
    size = np.abs(target).max(initial=0.0)
    if outputs.dtype.kind == "f" and 1e-12 < size < 1e12:
        return outputs.dtype
    return np.dtype(np.float64)


def unreliability(first: np.ndarray, second: np.ndarray) -> float:
    """What share of the entries' departures from additivity is noise, by two halves of the samples.

    Parameters
    ----------
    first, second : ndarray of shape (n_members, n_members)
        Out-of-bag Gram matrices of the two halves.

    Returns
    -------
    float in [0, 1]
        One minus the reliability of the mean of both: with ``r`` the correlation of the
        departures, ``1 - 2 r / (1 + r)``. 1 where nothing is known.

    References
    ----------
    Spearman and Brown (1910), British Journal of Psychology 3, for the reliability of a mean.
    Ledoit & Wolf, "A well-conditioned estimator for large-dimensional covariance matrices",
    Journal of Multivariate Analysis 88 (2004), for shrinking by the share of the noise.
    """
    if len(first) < 3:
        return 1.0
    pairs = np.triu_indices(len(first), 1)
    one, two = ((gram - shrunk(gram, 1.0))[pairs] for gram in (first, second))
    known = np.isfinite(one) & np.isfinite(two)
    one, two = one[known], two[known]
    size = np.sqrt((one @ one) * (two @ two))
    if not size > 0:
        return 1.0
    correlation = min(max(float(one @ two / size), 0.0), 1.0)
    return 1.0 - 2.0 * correlation / (1.0 + correlation)


def shrunk(gram: np.ndarray, strength: float) -> np.ndarray:
    """An out-of-bag Gram matrix drawn towards its additive part off the diagonal.

    Entries are means over different samples and so are noisy; searching among thousands of sets
    finds the noise. The additive part ``a_i + a_j - mean(a)``, with ``a`` the row means off the
    diagonal, keeps what each member is worth on average.

    Parameters
    ----------
    gram : ndarray of shape (n_members, n_members)
        NaN entries (no shared sample) take the additive part.
    strength : float in [0, 1]

    Returns
    -------
    ndarray of shape (n_members, n_members)
    """
    n_members = len(gram)
    finite = np.isfinite(gram)
    if not finite.any():
        return np.zeros_like(gram)
    if n_members < 3:
        return np.where(finite, gram, gram[finite].mean())
    diagonal = np.diag(gram)
    off = np.where(np.eye(n_members, dtype=bool), np.nan, gram)
    known = np.isfinite(off)
    counts = known.sum(axis=1)
    overall = off[known].mean() if known.any() else gram[finite].mean()
    sums = np.where(known, off, 0.0).sum(axis=1)
    rows = np.where(counts > 0, sums / np.maximum(counts, 1), overall)
    additive = rows[:, None] + rows[None, :] - overall
    result = np.where(known, (1 - strength) * off + strength * additive, additive)
    alone = np.isfinite(diagonal)
    typical = diagonal[alone].mean() if alone.any() else overall
    np.fill_diagonal(result, np.where(alone, diagonal, typical))
    return result
