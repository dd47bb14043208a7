"""Where arrays of members' outputs live: in memory, or in a file that is gone with the last view.

What is read into them and how they are judged is decided elsewhere.
"""

from __future__ import annotations

import errno
import math
import mmap
import os
import shutil
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np

# No space left, quota exceeded, files may not grow so large.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

# Working space of a block of samples that is read from a file, in bytes.
BLOCK_BYTES = 1 << 25

# What looking at a single byte of a file may bring into memory, its neighbours included: Linux
# keeps pages of files together, since version 6 as many as a huge page has.
_MAPPED_AT_ONCE = 1 << 21

# Bytes of a file that may come into memory before they are let go of.
_MAPPED = 1 << 24


def on_disk(shape: tuple[int, ...], dtype: Any = np.float32) -> np.memmap:
    """An array in a temporary file.

    The file has no name from the start (where the system allows that), so it is gone with the
    last array that looks at it: after an error, an interrupt, even a kill.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype, default=float32

    Returns
    -------
    numpy.memmap of that shape, zeros

    Raises
    ------
    OSError
        If the disk has not that much room.
    """
    directory = tempfile.gettempdir()
    needed = max(1, int(np.prod(shape, dtype=np.int64))) * np.dtype(dtype).itemsize
    free = shutil.disk_usage(directory).free
    message = (
        f"the members' outputs need {needed:,} bytes in {directory}, which has {free:,} left; "
        "free some, set the environment variable TMPDIR to another disk, or give a larger "
        "memory_limit"
    )
    if needed > free:
        raise OSError(errno.ENOSPC, message)
    # The mapping keeps the file open, the file object need not stay.
    with tempfile.TemporaryFile(prefix="ensprune-") as file:
        if hasattr(os, "posix_fallocate"):
            # A hole that cannot be filled later would be a signal, not an exception.
            try:
                os.posix_fallocate(file.fileno(), 0, needed)
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    raise
                raise OSError(errno.ENOSPC, message) from error
        return np.memmap(file, dtype=dtype, mode="w+", shape=shape)


def empty_like(array: np.ndarray, shape: tuple[int, ...], dtype: Any = None) -> np.ndarray:
    """Room of another shape where ``array`` lives: in memory or on disk; of its dtype, if not told."""
    dtype = array.dtype if dtype is None else dtype
    return np.empty(shape, dtype=dtype) if _mapping(array) is None else on_disk(shape, dtype)


def columns_of(array: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Some samples (the last axis) of an array, where the array itself lives.

    Parameters
    ----------
    array : ndarray of shape (n_members, n_outputs, n_samples)
    columns : ndarray of int, ascending
    """
    part = empty_like(array, (*array.shape[:2], len(columns)))
    for member, out in zip(array, part, strict=True):
        np.take(member, columns, axis=1, out=out, mode="clip")
        release(array)
        release(part)
    return part


def members_of(array: np.ndarray, members: Sequence[int]) -> np.ndarray:
    """Some members (the first axis) of an array, where the array itself lives."""
    part = empty_like(array, (len(members), *array.shape[1:]))
    for member, out in zip(members, part, strict=True):
        out[...] = array[member]
        release(array)
        release(part)
    return part


def samples_of(array: np.ndarray, block: slice, dtype: Any = None) -> np.ndarray:
    """A block of samples: a view of an array in memory, a copy of what is in a file.

    Of many short rows each brings its neighbours into memory, together perhaps the whole file; so
    they are let go of in between.

    Parameters
    ----------
    array : ndarray of shape (n_members, ..., n_samples)
    block : slice
    dtype : dtype, default=None
        A copy of this dtype, wherever the array lives.
    """
    part = array[..., block]
    if _mapping(array) is None:
        return part if dtype is None else part.astype(dtype)
    copy = np.empty(part.shape, part.dtype if dtype is None else dtype)
    for some in rows_at_once(part):
        copy[some] = part[some]
        release(array)
    return copy


def store_samples(array: np.ndarray, block: slice, values: np.ndarray) -> None:
    """Write a block of samples, and let go of what that brings into memory of a file on the way.

    Parameters
    ----------
    array : ndarray of shape (n_members, ..., n_samples)
    block : slice
    values : ndarray of shape (n_members, ..., n_some)
    """
    part = array[..., block]
    for some in rows_at_once(part):
        part[some] = values[some]
        release(array)


def rows_at_once(part: np.ndarray, apart: bool = False) -> list[slice]:
    """Runs of the first axis of an array that may be looked at before :func:`release`.

    Parameters
    ----------
    part : ndarray of shape (n_members, ..., n_some)
        Some samples of an array, in memory (then one run does) or on disk.
    apart : bool, default=False
        Whether it stands for as many members anywhere in the array, which are no neighbours.
    """
    if _mapping(part) is None:
        return [slice(0, len(part))]
    mapped = max(part.itemsize * part.shape[-1], _MAPPED_AT_ONCE) * math.prod(part.shape[1:-1])
    # Short rows have all that is between them for neighbours, and no more.
    between = part.strides[0] + (_MAPPED_AT_ONCE if apart else 0)
    return blocks_of(len(part), min(mapped, between), _MAPPED)


def is_on_disk(array: np.ndarray) -> bool:
    """Whether the array is a view of a file."""
    return _mapping(array) is not None


def release(array: np.ndarray) -> None:
    """Let go of the pages of an array on disk; nothing happens to one in memory.

    Pages that were read or written stay resident until the system runs short of memory, and are
    counted as the process's own. The values stay where they are.
    """
    mapping = _mapping(array)
    if mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)


def _mapping(array: Any) -> mmap.mmap | None:
    while array is not None and not isinstance(array, mmap.mmap):
        array = getattr(array, "base", None)
    return array


def blocks_of(n_samples: int, bytes_per_sample: int, budget: int = BLOCK_BYTES) -> list[slice]:
    """Blocks of samples that need no more than ``budget`` bytes each.

    Parameters
    ----------
    n_samples : int
    bytes_per_sample : int
    budget : int, default=32 MiB
    """
    length = max(1, budget // max(1, bytes_per_sample))
    return [slice(i, min(i + length, n_samples)) for i in range(0, n_samples, length)]


__all__ = [
    "BLOCK_BYTES",
    "blocks_of",
    "columns_of",
    "empty_like",
    "is_on_disk",
    "members_of",
    "on_disk",
    "release",
    "rows_at_once",
    "samples_of",
    "store_samples",
]
