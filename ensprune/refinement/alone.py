"""Each tree's leaf values as if it were the whole ensemble; what trees do together is ``leaves.py``."""

from __future__ import annotations

import itertools

import numpy as np
from scipy import sparse

from ..members.leaves import Leaves
from .leaves import project

# What a leaf was says as much as so large a share of its rows would.
_DAMPING = 0.1


def alone(leaves: Leaves, ids: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Means of a target in the leaves of each tree, damped towards what they were.

    Parameters
    ----------
    leaves : Leaves
        Of trees that speak for all outputs each.
    ids : ndarray of shape (n_samples, n_trees)
        The leaf of each tree that a row falls into.
    target : ndarray of shape (n_values, n_samples)

    Returns
    -------
    ndarray of shape (n_leaves, n_values)
        A leaf that no row falls into keeps its values; one of a tree that missed a class says
        nothing of that.
    """
    n_samples, n_trees = ids.shape
    ends = np.searchsorted(leaves.tree, np.arange(n_trees + 1))
    share = leaves.weight / np.bincount(leaves.tree, leaves.weight)[leaves.tree]
    own = np.maximum(_DAMPING * n_samples * share, 1e-12)[:, None]
    values = own * leaves.values
    total = own[:, 0].copy()
    ones, rows = np.ones(n_samples), np.arange(n_samples + 1)
    for tree, (first, last) in enumerate(itertools.pairwise(ends)):
        within = ids[:, tree] - first
        shape = n_samples, last - first
        values[first:last] += sparse.csr_matrix((ones, within, rows), shape).T @ target.T
        total[first:last] += np.bincount(within, minlength=last - first)
    values /= total[:, None]
    if leaves.speaks is None:
        return values
    return project(values, leaves.values.sum(axis=1), leaves.speaks)
