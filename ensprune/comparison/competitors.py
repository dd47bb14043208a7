"""Fit, prune, and score all competitors on test rows. Every one gets the same training rows."""

from __future__ import annotations

import pickle
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.metrics import get_scorer
from sklearn.model_selection import GroupShuffleSplit
from sklearn.utils import _safe_indexing

from ..members import open_members
from ..pruner import EnsemblePruner
from .families import Family, Judge

COMPETITORS = ("full", "pruned", "first K", "random K", "retrained")

_DRAWS = 5
_REPEATS = 3  # of each timed call


@dataclass(frozen=True)
class Task:
    """One data set, split.

    Parameters
    ----------
    name, scoring, metric : str
        What the table calls the data; scikit-learn's name of the metric; what the table calls it.
    X_train, y_train, X_test, y_test : array-like
    groups : ndarray of shape (n_train,)
        Numbers the distinct training rows.
    """

    name: str
    scoring: str
    metric: str
    X_train: Any
    y_train: np.ndarray
    X_test: Any
    y_test: np.ndarray
    groups: np.ndarray

    def score(self, estimator: BaseEstimator) -> float:
        """Of a fitted estimator on the test rows."""
        return get_scorer(self.scoring)(estimator, self.X_test, self.y_test)


@dataclass(frozen=True)
class Comparison:
    """One line of the table.

    Parameters
    ----------
    dataset, metric, ensemble, kind : str
    members, size, seconds : tuple of (full, pruned)
        Members; pickled bytes; seconds to predict the test rows.
    scores : dict of str to float
        On the test rows, by competitor.
    """

    dataset: str
    metric: str
    ensemble: str
    kind: str
    members: tuple[int, int]
    size: tuple[int, int]
    seconds: tuple[float, float]
    scores: dict[str, float]

    @property
    def smaller(self) -> float:
        """Bytes of the full by those of the pruned ensemble."""
        return self.size[0] / self.size[1]

    @property
    def faster(self) -> float:
        """Seconds of the full by those of the pruned ensemble."""
        return self.seconds[0] / self.seconds[1]


def row_groups(X: Any) -> np.ndarray:
    """A number for each distinct row.

    Parameters
    ----------
    X : array or DataFrame of shape (n_samples, n_features)

    Returns
    -------
    ndarray of shape (n_samples,), dtype uint64
    """
    return pd.util.hash_pandas_object(pd.DataFrame(X), index=False).to_numpy()


def split(groups: np.ndarray, n_train: int, seed: int) -> list[np.ndarray]:
    """Row numbers of two parts in random order; copies of a row stay together.

    Parameters
    ----------
    groups : ndarray of shape (n_samples,)
        From :func:`row_groups`.
    n_train : int
        Rows of the first part, about.
    seed : int
    """
    share = 1 - n_train / len(groups)
    splitter = GroupShuffleSplit(1, test_size=share, random_state=seed)
    parts = next(splitter.split(groups, groups=groups))
    # It keeps the order of the file, which cross-validation inside stacking must not see.
    return [np.random.default_rng(seed).permutation(part) for part in parts]


def compare(task: Task, family: Family, target_size: int | float, seed: int) -> Comparison:
    """Fit, prune, and score all competitors on the test rows.

    Parameters
    ----------
    task : Task
    family : Family
    target_size : int or float
        Members to keep, or a share of them.
    seed : int

    Returns
    -------
    Comparison
    """
    X, y = task.X_train, task.y_train
    pruner = EnsemblePruner(
        family.ensemble, target_size=target_size, scoring=task.scoring, random_state=seed
    )
    pruner.fit(X, y)
    # Forests, bagging and stacking are judged where unseen: they had all rows. The others gave a
    # quarter away.
    had_all = pruner._judged.unseen is not None
    full = pruner.estimator_ if had_all else clone(family.ensemble).fit(X, y)
    pruned = pruner.pruned_estimator_
    k = pruner.n_members_

    members = open_members(full)
    members.set_training_data(X, y)  # for stacking: its final estimator is refitted
    rng = np.random.default_rng(seed)
    taken = min(k, members.n_members)  # AdaBoost ends where it errs on no row, sooner on some rows
    draws = [rng.choice(members.n_members, taken, replace=False) for _ in range(_DRAWS)]

    baseline = family.retrained(k, _validation_judge(task, seed))
    retrained = [clone(baseline).set_params(**draw).fit(X, y) for draw in family.draws]
    seconds = _predict_seconds([full, pruned], task.X_test)
    return Comparison(
        task.name,
        task.metric,
        family.name,
        family.kind,
        members=(members.n_members, k),
        size=(len(pickle.dumps(full)), len(pickle.dumps(pruned))),
        seconds=(seconds[0], seconds[1]),
        scores={
            "full": task.score(full),
            "pruned": task.score(pruned),
            "first K": task.score(members.subset(np.arange(taken))),
            "random K": float(np.mean([task.score(members.subset(draw)) for draw in draws])),
            "retrained": float(np.mean([task.score(fitted) for fitted in retrained])),
        },
    )


def _validation_judge(task: Task, seed: int) -> Judge:
    """Score of an unfitted candidate: fitted on three quarters of the training rows."""
    fit, held_out = split(task.groups, 3 * len(task.groups) // 4, seed)
    scorer = get_scorer(task.scoring)
    X_fit, X_held_out = (_safe_indexing(task.X_train, rows) for rows in (fit, held_out))

    def judge(candidate: BaseEstimator) -> float:
        fitted = clone(candidate).fit(X_fit, task.y_train[fit])
        return scorer(fitted, X_held_out, task.y_train[held_out])

    return judge


def _predict_seconds(fitted: Sequence[Any], X: Any) -> list[float]:
    """Median seconds per call of ``predict``, taking turns so that all meet the same weather."""
    taken: list[list[float]] = [[] for _ in fitted]
    for _ in range(_REPEATS):
        for times, estimator in zip(taken, fitted, strict=True):
            start = time.perf_counter()
            estimator.predict(X)
            times.append(time.perf_counter() - start)
    return [float(np.median(times)) for times in taken]


__all__ = ["COMPETITORS", "Comparison", "Task", "compare", "row_groups", "split"]
