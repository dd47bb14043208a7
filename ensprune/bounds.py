"""Upper confidence bounds on a loss, from arrays: statistics that know nothing of ensembles."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from scipy import stats

from .objectives.base import normalised_weights
from .threads import one_blas_thread

# Draws of weights: at least the first, and enough to have the second beyond the quantile.
_DIRICHLET_DRAWS, _BEYOND = 2000, 100

_BOOTSTRAP_DRAWS = 100

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
    n_draws = max(_DIRICHLET_DRAWS, math.ceil(_BEYOND / (1 - confidence)))
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


def resampled(
    score: Callable[[np.ndarray], float],
    n_samples: int,
    random_state: int = 0,
    n_jobs: int | None = None,
) -> np.ndarray:
    """A statistic of rows drawn with replacement, again and again.

    Parameters
    ----------
    score : callable
        Of row positions, with repetitions.
    n_samples : int
    random_state : int, default=0
        The same seed draws the same rows, so that two statistics are paired.
    n_jobs : int, default=None
        Threads.

    Returns
    -------
    ndarray of shape (100,), dtype float64
        Enough for a standard error (Efron & Tibshirani 1993, section 6.4).
    """
    seeds = np.random.SeedSequence(random_state).spawn(_BOOTSTRAP_DRAWS)

    def scores(some: np.ndarray) -> list[float]:
        generators = (np.random.default_rng(seeds[i]) for i in some)
        return [score(rng.integers(n_samples, size=n_samples)) for rng in generators]

    pieces = np.array_split(np.arange(_BOOTSTRAP_DRAWS), effective_n_jobs(n_jobs))
    with one_blas_thread(len(pieces) > 1):
        found = Parallel(n_jobs=n_jobs, prefer="threads")(
            delayed(scores)(piece) for piece in pieces
        )
    return np.concatenate([np.asarray(part, dtype=np.float64) for part in found])


def bootstrap_bound(losses: np.ndarray, confidence: float) -> float:
    """Upper confidence bound on a loss that is no average, from its resampled values.

    Their mean plus as many of their standard deviations as Student's t has it, with one degree of
    freedom less than there are values: a hundred say little about a quantile, but enough about a
    standard error.

    Parameters
    ----------
    losses : ndarray of shape (n_draws,)
        Differences of paired :func:`resampled` scores; NaN where the metric is not defined on the
        rows drawn.
    confidence : float
        In (0, 1).

    Returns
    -------
    float
        Infinity where the metric is undefined on more draws than the confidence leaves out.

    References
    ----------
    Efron & Tibshirani, "An Introduction to the Bootstrap" (1993), chapters 6 and 12.
    """
    defined = losses[~np.isnan(losses)]
    if len(defined) < max(2, confidence * len(losses)):
        return math.inf
    quantile = stats.t.ppf(confidence, len(defined) - 1)
    return float(defined.mean() + quantile * defined.std(ddof=1))
