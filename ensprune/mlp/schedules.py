"""Schedules: how much of the asked sparsity is reached at each pruning step."""

from __future__ import annotations

import numpy as np

from ..arguments import check_arguments, check_option

SCHEDULES = ("one_shot", "linear", "cubic", "layerwise")


def schedule_fractions(schedule: str, n_steps: int, n_layers: int) -> np.ndarray:
    """Return the share of the final sparsity that each layer has after each step.

    Parameters
    ----------
    schedule : {"one_shot", "linear", "cubic", "layerwise"}
        With ``t = step / n_steps``:

        - "one_shot": everything at once, a single step whatever `n_steps` is;
        - "linear": ``t``;
        - "cubic": ``1 - (1 - t) ** 3``: much while weights are plenty, then ever less [1]_;
        - "layerwise": one layer after another from the input on; within a layer the first step
          prunes the most and the following ones decreasing amounts (the cubic curve), so there are
          ``n_steps * n_layers`` steps.
    n_steps : int
        Number of pruning steps.
    n_layers : int
        Number of layers.

    Returns
    -------
    fractions : ndarray of shape (n_steps, n_layers)
        Non-decreasing along the steps, the last row all ones.

    References
    ----------
    .. [1] Zhu & Gupta, To prune, or not to prune: exploring the efficacy of pruning for model
       compression, 2017.

    Examples
    --------
    >>> from ensprune.mlp import schedule_fractions
    >>> schedule_fractions("cubic", n_steps=2, n_layers=1)
    array([[0.875],
           [1.   ]])
    """
    check_option("schedule", schedule, SCHEDULES)
    check_arguments("schedule_fractions", n_steps=n_steps, n_layers=n_layers)
    if schedule == "one_shot":
        return np.ones((1, n_layers))
    t = np.arange(1, n_steps + 1) / n_steps
    curve = t if schedule == "linear" else 1 - (1 - t) ** 3
    if schedule != "layerwise":
        return np.repeat(curve[:, None], n_layers, axis=1)
    fractions = np.zeros((n_steps * n_layers, n_layers))
    for layer in range(n_layers):
        start = layer * n_steps
        fractions[start : start + n_steps, layer] = curve
        fractions[start + n_steps :, layer] = 1.0
    return fractions
