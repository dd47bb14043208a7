"""Which training rows a bootstrapping ensemble hid from each member, and whether these are they."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.ensemble import BaggingClassifier, BaggingRegressor
from sklearn.ensemble._forest import BaseForest
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline

# Where the ensemble's draw goes by weights, as of scikit-learn 1.9, heavy rows are in nearly every
# sample. Drawn evenly, 37 % of the members leave a row out; below this share too few are left to judge.
_SCARCE = 0.1

# Fewer pairs of a member and a row may fall below it by chance.
_ENOUGH_PAIRS = 30

# Trees that are asked whether they were grown on the rows given: each is sure, unless it is a stump.
N_ASKED = 3


def unseen_rows(ensemble: Any, n_samples: int, n_trained: int | None) -> np.ndarray | None:
    """Rows out of bag per member, from ``estimators_samples_``.

    Parameters
    ----------
    ensemble : estimator
        Fitted, with ``estimators_samples_``.
    n_samples : int
        Rows the caller has.
    n_trained : int or None
        Rows the ensemble was fitted on; None where it does not say.

    Returns
    -------
    ndarray of shape (n_members, n_samples), dtype bool, or None
        None where no member left a row out.

    Raises
    ------
    ValueError
        If the two numbers of rows differ.
    """
    if n_trained is not None and n_trained != n_samples:
        raise ValueError(
            f"validation='oob' needs the rows {type(ensemble).__name__} was trained on: it was "
            f"fitted on {n_trained} rows, X has {n_samples}; give those rows, or use other "
            "labelled data with validation='auto'"
        )
    samples = ensemble.estimators_samples_
    unseen = np.ones((len(samples), n_samples), dtype=bool)
    for row, seen in zip(unseen, samples, strict=True):
        row[seen] = False
    return unseen if unseen.any() else None


def scarcely_unseen(
    unseen: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None, classifies: bool
) -> str | None:
    """Name what nearly all members have seen, such as a class of great weight; None if there is none.

    Parameters
    ----------
    unseen : ndarray of shape (n_members, n_samples), dtype bool
    y : ndarray of shape (n_samples,)
    sample_weight : ndarray of shape (n_samples,) or None
        Of the metric: rows that count more are looked at more.
    classifies : bool
        Whether to look at each class by itself.

    Returns
    -------
    str or None
        For a message: the rows, and how few of the members have not seen them.
    """
    n_members = len(unseen)
    share = unseen.mean(axis=0)
    weight = np.ones(len(share)) if sample_weight is None else sample_weight
    groups = [("the rows that weigh most", np.full(len(share), True))]
    if classifies:
        groups = [(f"the rows of class {label!r}", y == label) for label in np.unique(y).tolist()]
    for name, rows in groups:
        if not weight[rows].sum() > 0 or n_members * np.count_nonzero(rows) < _ENOUGH_PAIRS:
            continue
        left_out = float(np.average(share[rows], weights=weight[rows]))
        if left_out < _SCARCE:
            return f"{name} have been left out by {100 * left_out:.1f} % of the {n_members} members"
    return None


def little_said(scarce: str) -> str:
    """The message about rows as :func:`scarcely_unseen` names them."""
    return (
        f"validation='oob': {scarce}; scores out of bag say little of them (as of scikit-learn 1.9 "
        "weights decide what is drawn, those of class_weight too). Give labelled rows that the "
        "ensemble was not trained on; EnsemblePruner holds them out with validation=0.25"
    )


def refuse_other_rows(ensemble: Any, trees: Sequence[Any], rows: Any, unseen: np.ndarray) -> None:
    """Refuse rows that some trees cannot have been grown on: a leaf knows how many it had.

    Parameters
    ----------
    ensemble : estimator
        For the message.
    trees : sequence of estimator
        Some of its first members, as scikit-learn grows them.
    rows : array-like or sparse matrix of shape (n_samples, n_features), dtype float32
        As the trees take them.
    unseen : ndarray of shape (n_members, n_samples), dtype bool

    Raises
    ------
    ValueError
        If a leaf was grown on more rows than now fall into it.
    """
    for tree, hidden in zip(trees, unseen, strict=False):
        nodes = tree.tree_
        fallen = np.bincount(nodes.apply(rows)[~hidden], minlength=nodes.node_count)
        leaf = nodes.children_left == -1
        # Fewer it may be: rows of no weight have not been counted.
        if (nodes.n_node_samples[leaf] > fallen[leaf]).any():
            raise ValueError(
                f"validation='oob' needs the rows {type(ensemble).__name__} was trained on, in the "
                "same order, and by the leaves of its trees these are not; give those rows, or use "
                "other labelled data with validation='auto'"
            )


def bootstraps(estimator: Any) -> bool:
    """Whether an unfitted estimator will train its members on bootstrap samples.

    Looks through pipelines and searches; a search over ``bootstrap`` itself shows only after
    fitting.
    """
    if isinstance(estimator, Pipeline):
        return bootstraps(estimator.steps[-1][1])
    if isinstance(estimator, BaseSearchCV):
        return bootstraps(estimator.estimator)
    families = BaseForest | BaggingClassifier | BaggingRegressor
    return isinstance(estimator, families) and bool(estimator.bootstrap)
