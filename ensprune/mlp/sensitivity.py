"""Sensitivity: how the score falls when one layer alone is pruned; ``inspection`` draws it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.metrics import check_scoring
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ..arguments import check_arguments, check_option, labels_or_values, named_array
from ..scoring import as_scorer
from .criteria import NEEDS_GRADIENTS, WEIGHT_CRITERIA, weight_scores
from .network import (
    absolute_gradients,
    check_is_mlp,
    check_rows_fit,
    check_target_known,
    check_weights_are_dense_and_finite,
    copy_network,
    deltas,
    layer_inputs,
)
from .scopes import check_sparsity, masks_from_scores

if TYPE_CHECKING:
    import pandas as pd


def sensitivity(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    sparsities: Sequence[float] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98),
    criterion: str = "magnitude",
    scoring: Any = None,
    max_samples: int = 10_000,
    n_jobs: int | None = None,
    random_state: Any = None,
) -> pd.DataFrame:
    """Score a fitted network with one layer pruned at a time and the others left whole.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Fitted; it is not changed.
    X : array-like of shape (n_samples, n_features)
        Rows to score on; criteria that look at data look at these.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    sparsities : sequence of float, default=(0.0, 0.1, ..., 0.9, 0.95, 0.98)
        Each in [0, 1).
    criterion : str, default="magnitude"
        See :func:`weight_scores`.
    scoring : str or callable, default=None
        scikit-learn scorer; None means the network's own `score`.
    max_samples : int, default=10000
        At most this many rows, drawn at random, for the criterion.
    n_jobs : int, default=None
        Threads over layers and sparsities.
    random_state : int, RandomState instance or None, default=None
        For the draw and for criterion="random".

    Returns
    -------
    pandas.DataFrame of shape (n_sparsities, n_layers)
        Scores; the index is the sparsity, one column "layer 0", "layer 1", ... for each layer.
        NaN where a layer is too small to keep a weight at that sparsity.
        :class:`ensprune.inspection.SensitivityDisplay` draws it.

    Raises
    ------
    TypeError
        If `estimator` is not an MLP.
    ValueError
        If a sparsity is outside [0, 1), if every layer would lose all its weights at it, if `y` has
        labels unseen in training, if `X` is of another shape, or if an option is unknown.
    """
    import pandas as pd

    check_arguments(
        "sensitivity", max_samples=max_samples, n_jobs=n_jobs, random_state=random_state
    )
    check_option("criterion", criterion, WEIGHT_CRITERIA)
    check_is_mlp(estimator)
    check_is_fitted(estimator)
    check_weights_are_dense_and_finite(estimator)
    values = list(sparsities) if isinstance(sparsities, Iterable) else []
    if not values:
        raise ValueError(f"sparsities={sparsities!r} must be a sequence of floats in [0, 1).")
    try:
        grid = check_sparsity(values, len(values), "layer", "values in sparsities")
    except ValueError as error:
        raise ValueError(f"sparsities={sparsities!r}: {error}") from error
    y = labels_or_values(y, "y", several=True)
    check_target_known(estimator, y)
    rows = named_array(X, "X", dtype=np.float64)
    check_rows_fit(rows, y, estimator)
    rng = check_random_state(random_state)
    sample = rng.permutation(len(rows))[:max_samples]
    inputs = layer_inputs(estimator, rows[sample])
    gradients: list[Any] = [None] * len(estimator.coefs_)
    if criterion in NEEDS_GRADIENTS:
        gradients = absolute_gradients(inputs, deltas(estimator, inputs, y[sample]))
    scores = [
        weight_scores(W, A, G, criterion, random_state=rng)
        for W, A, G in zip(estimator.coefs_, inputs, gradients)
    ]
    score = check_scoring(estimator) if scoring is None else as_scorer(scoring, estimator)
    sizes = [s.size for s in scores]
    highest = max(grid, default=0.0)
    if round(highest * max(sizes)) >= max(sizes):
        raise ValueError(
            f"every layer would lose all of its weights at the sparsity {highest:g} in sparsities; "
            f"the largest has {max(sizes)}."
        )

    def one(layer: int, share: float) -> float:
        if round(share * sizes[layer]) >= sizes[layer]:
            return np.nan
        net = copy_network(estimator)
        keep = masks_from_scores([scores[layer]], np.array([share]), "layer")[0]
        net.coefs_[layer][~keep] = 0.0
        return float(score(net, X, y))

    cells = [(layer, share) for share in grid for layer in range(len(scores))]
    found = Parallel(n_jobs=n_jobs, prefer="threads")(delayed(one)(*cell) for cell in cells)
    table = np.reshape(found, (len(grid), len(scores)))
    columns = [f"layer {layer}" for layer in range(len(scores))]
    return pd.DataFrame(table, index=pd.Index(grid, name="sparsity"), columns=columns)
