"""Members read side by side, on whatever joblib is told to run on; how one is read, adapters say."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from joblib.parallel import get_active_backend

from ..combiner import Indices
from .base import Members


def shares_memory() -> bool:
    """Whether joblib would run here and now in threads, not in other processes or machines."""
    backend, _ = get_active_backend(prefer="threads")
    return bool(getattr(backend, "supports_sharedmem", False))


def read_members(
    members: Members,
    X: Any,
    n_jobs: int | None = None,
    indices: Indices | None = None,
    dtype: type = np.float32,
) -> np.ndarray:
    """:meth:`Members.outputs`, also under ``joblib.parallel_config(backend="dask")`` and the like.

    Other processes and machines get one share of the members each. The ensemble travels as one
    array of bytes and the rows as they are, so that a cluster is sent either once.

    Parameters
    ----------
    members : Members
    X : array-like of shape (n_samples, n_features)
    n_jobs : int, default=None
        As for ``joblib.Parallel``.
    indices, dtype
        As for :meth:`Members.outputs`.

    Returns
    -------
    ndarray of shape (n_members, n_outputs, n_samples), C-contiguous
    """
    chosen = np.arange(members.n_members) if indices is None else np.asarray(indices)
    jobs = 1 if shares_memory() else min(effective_n_jobs(n_jobs), len(chosen))
    if jobs <= 1:
        return members.outputs(X, n_jobs, indices=indices, dtype=dtype)
    packed = np.frombuffer(pickle.dumps(members, protocol=5), dtype=np.uint8)
    parts = Parallel(n_jobs=n_jobs)(
        delayed(_read_share)(packed, X, share, dtype) for share in np.array_split(chosen, jobs)
    )
    return np.concatenate(parts)


def _read_share(packed: np.ndarray, X: Any, indices: np.ndarray, dtype: type) -> np.ndarray:
    return pickle.loads(packed.data).outputs(X, 1, indices=indices, dtype=dtype)


__all__ = ["read_members", "shares_memory"]


def map_members(
    read: Callable[[int], np.ndarray],
    indices: Indices,
    shape: tuple[int, int],
    dtype: type,
    n_jobs: int | None,
) -> np.ndarray:
    """Fill ``(len(indices), *shape)`` with ``read(member)``, members side by side in threads."""
    result: np.ndarray = np.empty(
        (len(indices), *shape), dtype=dtype
    )  # (n_members, n_outputs, n_samples)

    def fill(position: int, member: int) -> None:
        result[position] = read(member)

    Parallel(n_jobs=n_jobs, require="sharedmem")(
        delayed(fill)(position, int(member)) for position, member in enumerate(indices)
    )
    return result
