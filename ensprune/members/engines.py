"""What the adapters of boosting libraries other than scikit-learn's have in common."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from ..combiner import LinearCombiner
from ..link import Link


def combiner_of_rounds(
    estimator: Any,
    link: Link,
    n_members: int,
    n_outputs: int,
    *,
    averages: bool = False,
    offset: np.ndarray | None = None,
    dtype: type = np.float64,
) -> LinearCombiner:
    """The combiner of a model that adds up its rounds, or averages the trees of a random forest.

    None of these libraries offers a ``decision_function``.

    Parameters
    ----------
    estimator : object
        The fitted model; one that knows no labels (a raw ``Booster``) predicts class positions.
    link : Link
    n_members : int
    n_outputs : int
        Raw scores of a row.
    averages : bool, default=False
        Whether the raw score is a mean instead of a sum.
    offset : ndarray of shape (n_outputs,), default=None
        The raw score of no round at all; None stands for zero.
    dtype : {float32, float64}, default=float64
        Precision in which the model predicts probabilities.
    """
    classes = None
    if link.is_classifier:
        known = getattr(estimator, "classes_", None)
        classes = np.arange(max(2, n_outputs)) if known is None else np.asarray(known)
    return LinearCombiner(
        "mean" if averages else "sum",
        link,
        classes,
        n_members,
        offset=offset,
        dtype=np.dtype(dtype),
        hides_raw=True,
    )


def sliceable(X: Any) -> Any:
    """Rows in a form that slices of can be taken, where there is one."""
    if sparse.issparse(X):
        return sparse.csr_matrix(X)  # type: ignore[call-overload]
    return np.asarray(X) if isinstance(X, list | tuple) else X
