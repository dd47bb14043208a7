"""Members that call a class certain or impossible: what all of them make of the samples, by one product.

A sample's sum then goes up by one and the same amount, or stays. What follows from that, the metrics
say.
"""

from __future__ import annotations

import numpy as np

from ..storage import release, rows_at_once

# Samples added up in the outputs' precision, before these sums are added up in double precision:
# rounding, which goes the same way where gains are the same, has been seen to cost 7e-7 of a sum.
_BLOCK = 1 << 7

# Two counts of fewer samples than this are the two digits of one number that is exact in float32.
_COUNTED = 1 << 12

# Sums this near to the best, relative to it, are computed anew: gains have one sign, so that in
# whatever order they are added up none is off by more than half of that.
_DOUBT = _BLOCK * float(np.finfo(np.float32).eps)


def are_certain(rows: np.ndarray) -> bool:
    """Whether all values of ``rows`` (n_members, n_rows, n_samples) are zero or one."""
    for row in rows:
        certain = bool(((row == 0) | (row == 1)).all())
        release(rows)
        if not certain:
            return False
    return True


def summed_gains(rows: np.ndarray, members: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """What each member gains, added up over the samples where its value is one.

    Parameters
    ----------
    rows : ndarray of shape (n_members, n_samples)
        Zeros and ones, in memory or on disk.
    members : ndarray of int
    gains : ndarray of shape (n_samples,), dtype float64

    Returns
    -------
    ndarray of shape (len(members),), dtype float64
    """
    sums = np.empty(len(members))
    for position, member in enumerate(members):
        sums[position] = rows[member].astype(np.float64) @ gains
        release(rows)
    return sums


def summed_gains_near_best(
    rows: np.ndarray, members: np.ndarray, gains: np.ndarray, chosen: np.ndarray
) -> np.ndarray:
    """The same from sums in the precision of the rows, but for those that may be the best.

    These are as exact as in :func:`summed_gains`, so that who ties does tie.

    Parameters
    ----------
    rows, members, gains
        As there; members ascending, gains not negative.
    chosen : ndarray of shape (len(members),), dtype bool
        Members of whom the best is looked for apart from the best of the others.

    Returns
    -------
    ndarray of shape (len(members),), dtype float64
    """
    first = members[0]
    between = rows[first : members[-1] + 1]
    # The largest becomes one, which adds up exactly: of many samples nobody may have been right yet.
    top = float(gains.max()) or 1.0
    scaled = (gains / top).astype(rows.dtype)
    sums = np.zeros(len(between))
    for some in rows_at_once(between):
        for start in range(0, len(gains), _BLOCK):
            block = slice(start, start + _BLOCK)
            sums[some] += between[some, block] @ scaled[block]
        release(rows)
    sums = top * sums[members - first]
    doubt = _DOUBT * sums.max()
    near = np.zeros(len(members), dtype=bool)
    for rivals in (chosen, ~chosen):
        if rivals.any():
            near |= np.abs(sums - sums[rivals].max()) <= doubt
    sums[near] = summed_gains(rows, members[near], gains)
    return sums


def counted(rows: np.ndarray, members: np.ndarray, groups: np.ndarray, n_groups: int) -> np.ndarray:
    """How many samples of each group every member gives a one.

    Parameters
    ----------
    rows : ndarray of shape (n_members, n_samples)
        Zeros and ones, in memory or on disk.
    members : ndarray of int, ascending
    groups : ndarray of shape (n_samples,), dtype int
        From 0.
    n_groups : int

    Returns
    -------
    ndarray of shape (len(members), n_groups), dtype float64
        Whole numbers.
    """
    first = members[0]
    between = rows[first : members[-1] + 1]
    n_pairs = -(-n_groups // 2)
    counts = np.zeros((len(between), n_pairs, 2))
    length = _COUNTED - 1
    for start in range(0, len(groups), length):
        block = slice(start, start + length)
        pair, second = np.divmod(groups[block], 2)
        digits = np.zeros((n_pairs, len(pair)), dtype=rows.dtype)
        digits[pair, np.arange(len(pair))] = np.where(second, _COUNTED, 1)
        for some in rows_at_once(between):
            seconds, firsts = np.divmod(between[some, block] @ digits.T, _COUNTED)
            counts[some] += np.stack([firsts, seconds], axis=2)
            release(rows)
    return counts.reshape(len(between), -1)[members - first, :n_groups]
