"""Upper confidence bounds on a loss, from arrays: statistics that know nothing of ensembles."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs

from .objectives.base import normalised_weights

# Resamples: at least these, and enough to have some beyond the quantile asked for.
_DIRICHLET_DRAWS, _BOOTSTRAP_DRAWS, _BEYOND = 2000, 400, 20

# Random variates drawn at a time.
_BLOCK = 1 << 22


def mean_bound(
    differences: np.ndarray,
    worst: float,
    confidence: float,
    sample_weight: np.ndarray | None = None,
    random_state: int = 0,
) -> float:
    """Upper confidence bound on the mean of a variable that never exceeds ``worst``.

    The ``confidence`` quantile of ``sum_i w_i d_i + w_0 worst`` with ``w`` uniform on the simplex:
    a Bayesian bootstrap with one more row, the worst there could be. For 0-1 variables this is
    the exact bound of Clopper and Pearson; for others it has covered in every case known, unlike
    the t interval, which is far off for skewed or rare differences.

    Parameters
    ----------
    differences : ndarray of shape (n_samples,)
    worst : float
        Upper limit of the variable.
    confidence : float
        In (0, 1).
    sample_weight : ndarray of shape (n_samples,), default=None
    random_state : int, default=0
        Seed of the quantile's simulation.

    Returns
    -------
    float

    References
    ----------
    Rubin, "The Bayesian bootstrap", Annals of Statistics 9 (1981). Gaffke, "Three test statistics
    for a nonparametric one-sided hypothesis on the mean of a nonnegative variable", Mathematical
    Methods of Statistics 14 (2005). Learned-Miller & Thomas, "A new confidence interval for the
    mean of a bounded random variable", arXiv:1905.06208 (2019).

    Examples
    --------
    >>> import numpy as np
    >>> round(mean_bound(np.zeros(100), 1.0, 0.95), 2)  # the rule of three
    0.03
    """
    rng = np.random.default_rng(random_state)
    n_draws = max(_DIRICHLET_DRAWS, math.ceil(5 * _BEYOND / (1 - confidence)))
    # Differences that are equal share one gamma variate: accuracy has three of them.
    scale = normalised_weights(sample_weight, len(differences)) * len(differences)
    values, counts, factors = differences, np.ones(len(differences)), scale
    if sample_weight is None:
        values, shared = np.unique(differences, return_counts=True)
        counts, factors = shared.astype(np.float64), np.ones(len(values))
    total = rng.standard_exponential(n_draws)
    weighted = total * worst
    step = max(1, _BLOCK // n_draws)
    for start in range(0, len(values), step):
        some = slice(start, start + step)
        draws = rng.standard_gamma(counts[some], (n_draws, len(values[some])))
        total += draws @ factors[some]
        weighted += draws @ (factors[some] * values[some])
    return float(np.quantile(weighted / total, confidence, method="higher"))


def bootstrap_bound(
    loss: Callable[[np.ndarray], float],
    n_samples: int,
    confidence: float,
    random_state: int = 0,
    n_jobs: int | None = None,
) -> float:
    """Upper confidence bound on a loss that is no average: rows are drawn with replacement.

    Parameters
    ----------
    loss : callable
        Of row positions (with repetitions): score of the full minus score of the pruned ensemble
        on the same rows; NaN where the metric is not defined on them.
    n_samples : int
    confidence : float
        In (0, 1).
    random_state : int, default=0
    n_jobs : int, default=None

    Returns
    -------
    float
        Infinity where the metric is undefined on more resamples than the quantile leaves out.

    References
    ----------
    Efron & Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.
    """
    n_draws = max(_BOOTSTRAP_DRAWS, math.ceil(_BEYOND / (1 - confidence)))
    seeds = np.random.SeedSequence(random_state).spawn(n_draws)

    def losses(some: Sequence[Any]) -> list[float]:
        generators = (np.random.default_rng(seed) for seed in some)
        return [loss(rng.integers(n_samples, size=n_samples)) for rng in generators]

    pieces = np.array_split(np.arange(n_draws), effective_n_jobs(n_jobs))
    found = Parallel(n_jobs=n_jobs, prefer="threads")(
        delayed(losses)([seeds[i] for i in piece]) for piece in pieces
    )
    drawn = np.concatenate([np.asarray(part) for part in found])
    return float(np.quantile(np.where(np.isnan(drawn), np.inf, drawn), confidence, method="higher"))
