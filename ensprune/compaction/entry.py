"""compact(): fewer nodes in an ensemble's trees, and where on a path to stop."""

from __future__ import annotations

import numbers
from collections.abc import Iterator
from typing import Any

from ..arguments import check_arguments
from ..members.opening import open_members
from ..objectives.registry import ScorerLike
from ..scoring import as_scorer
from .certified import certified
from .crossing import PATIENCE, least_nodes
from .path import (
    CompactionPoint,
    check_options,
    judging_rows,
    lossless,
    path_below,
    scorer_of,
)


def compact(
    estimator: Any,
    X: Any = None,
    y: Any = None,
    *,
    tolerance: float = 0.0,
    scoring: ScorerLike | None = None,
    method: str = "cost_complexity",
    validation: str = "auto",
    confidence: float | None = None,
    return_certificate: bool = False,
    sample_weight: Any = None,
    n_jobs: int | None = None,
    random_state: Any = None,
) -> Any:
    """Take nodes out of an ensemble's trees.

    Without rows it is lossless: splits that no row can reach go, and subtrees whose leaves say the
    same become a leaf. Every prediction stays as it is, bit for bit, for any row: infinities,
    missing values and categories never seen included. Trees as they are grown have few such nodes,
    but for AdaBoost's classifiers, of whose trees only the label counts; rounded, merged or
    re-fitted trees have more.

    With labelled rows, subtrees collapse after that as long as the score on those rows stays within
    ``tolerance`` of the ensemble's own, on the rows as they are and cross-fitted: with the subtrees
    of one half judged by the other. A collapsed subtree says the mean of its leaves, each weighted
    by the training rows in it.

    Parameters
    ----------
    estimator : estimator
        A fitted random forest, extra trees, bagging or AdaBoost of decision trees, gradient
        boosting, histogram gradient boosting, XGBoost or LightGBM model; or a pipeline, search, frozen or
        calibrated model around one. It is left as it was.
    X : array-like of shape (n_samples, n_features), default=None
        Labelled rows that judge; None is lossless only.
    y : array-like of shape (n_samples,), default=None
        Their labels or values.
    tolerance : float, default=0.0
        How much of the score may be lost on those rows, in the score's unit.
    scoring : str or callable, default=None
        Any scikit-learn scoring string or scorer callable. None is accuracy or R2.
    method : {"cost_complexity", "depth"}, default="cost_complexity"
        The path. ``"cost_complexity"`` collapses the subtrees of all trees that cost the least loss
        per node, a tenth of the nodes at a time. ``"depth"`` cuts each tree at a depth of its own.
    validation : {"auto", "oob"}, default="auto"
        ``"auto"``: the ensemble has not seen the rows. ``"oob"``: they are its training rows, and
        each tree is judged where it was out of bag; nothing need be held out. Scores are then what
        they would be if all trees spoke for a row, extrapolated from those that may and from half
        of those: not for ``confidence``.
    confidence : float, default=None
        In (0, 1), such as 0.95: half of the rows (stratified for classifiers) say which nodes go,
        the other half how many may. Ensembles are tested on it from large to small, until one is
        not certified to lose at most ``tolerance`` with this confidence. None takes the score on
        the rows that chose at its word.
    return_certificate : bool, default=False
        Whether to return what was proved, too; needs ``confidence``.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows.
    n_jobs : int, default=None
        Threads for reading members.
    random_state : int, RandomState instance or None, default=None
        Splits the rows, and seeds the certificate's resampling.

    Returns
    -------
    estimator
        A new estimator of the same class with as many members.
    certificate : Certificate
        If asked for: the bound on the loss, the test, sizes in nodes, and, as ``str``, a sentence.

    Raises
    ------
    TypeError
        If its members are no plain decision trees.
    ValueError
        If only one of ``X`` and ``y`` is given, rows are missing for a ``tolerance`` or for weights,
        a parameter is out of range, ``validation="oob"`` is asked of an ensemble that leaves no rows
        out, or there are too few rows for ``confidence``.
    sklearn.exceptions.NotFittedError
        If the ensemble is not fitted.

    Notes
    -----
    The order of a path is that of a proxy, squared error, log-loss or Poisson deviance as the
    ensemble's link has it: one quarter its rise to second order on the given rows, three quarters the
    rise that the training weights in the leaves predict if the ensemble is right. The metric itself
    decides where to stop. With fewer than 40 rows nothing is cross-fitted, and the score on the rows
    that chose is optimistic.

    References
    ----------
    Breiman, Friedman, Olshen & Stone, "Classification and Regression Trees" (1984), chapter 3.
    Liu & Mazumder, "ForestPrune: compact depth-pruned tree ensembles", AISTATS 2023.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from ensprune import compact
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> forest = RandomForestClassifier(50, random_state=0).fit(X, y)
    >>> small = compact(forest, X, y, tolerance=0.01, validation="oob")
    >>> def nodes(forest):
    ...     return sum(tree.tree_.node_count for tree in forest.estimators_)
    >>> nodes(small) < nodes(forest) / 3
    True
    """
    check_arguments(
        "compact",
        return_certificate=return_certificate,
        n_jobs=n_jobs,
        random_state=random_state,
    )
    check_options(method, validation)
    _check(X, y, tolerance)
    _check_confidence(X, confidence, return_certificate, validation)
    if X is None:
        if sample_weight is not None:
            raise ValueError("sample_weight was given without X and y")
        if scoring is not None:
            as_scorer(scoring, estimator)  # nothing is scored, but a mistake is one
        if validation == "oob":
            raise ValueError("validation='oob' needs the training rows: give X and y")
        return lossless(open_members(estimator))
    if confidence is not None:
        smaller, certificate = certified(
            estimator,
            X,
            y,
            sample_weight,
            float(tolerance),
            float(confidence),
            scoring,
            method,
            n_jobs,
            random_state,
        )
        return (smaller, certificate) if return_certificate else smaller
    members = open_members(estimator)
    whole = lossless(members)
    rows = judging_rows(members, X, y, sample_weight, validation)
    scorer = scorer_of(scoring, estimator, members, rows.y)
    least = least_nodes(whole, rows, scorer, method, float(tolerance), n_jobs)
    path = path_below(whole, rows, scorer, method, n_jobs, judging=rows)
    return smallest_within(path, float(tolerance), least).estimator


def smallest_within(
    path: Iterator[CompactionPoint], tolerance: float, least: int = 0
) -> CompactionPoint:
    """The smallest ensemble of a path that scores at most ``tolerance`` below its first one.

    Parameters
    ----------
    path : iterator of CompactionPoint
    tolerance : float
    least : int, default=0
        Nodes it has at least.
    """
    full = chosen = next(path)
    failures = 0
    for point in path:
        if point.n_nodes < least:
            break
        if point.score >= full.score - tolerance:
            chosen = min(chosen, point, key=lambda p: p.n_nodes)
            failures = 0
        else:
            failures += 1
        if failures == PATIENCE:
            break
    return chosen


def _check_confidence(X: Any, confidence: Any, return_certificate: bool, validation: str) -> None:
    if confidence is None:
        if return_certificate:
            raise ValueError("return_certificate=True needs a confidence, such as 0.95")
        return
    if not isinstance(confidence, numbers.Real) or isinstance(confidence, bool):
        raise TypeError(f"confidence={confidence!r} is no number; give one in (0, 1), or None")
    if not 0 < float(confidence) < 1:
        raise ValueError(f"confidence={confidence} is not in (0, 1)")
    if X is None:
        raise ValueError(f"confidence={confidence} is proved on labelled rows: give X and y, too")
    if validation == "oob":
        raise ValueError(
            f"confidence={confidence} cannot be had out of bag, where a third of the trees answer: "
            "smaller trees cost them less than they cost all; give rows the ensemble has not seen"
        )


def _check(X: Any, y: Any, tolerance: Any) -> None:
    if (X is None) != (y is None):
        given, missing = ("X", "y") if y is None else ("y", "X")
        raise ValueError(f"{given} was given without {missing}; give both or neither")
    if not isinstance(tolerance, numbers.Real) or isinstance(tolerance, bool):
        raise TypeError(f"tolerance={tolerance!r} is no number; give a loss of score, 0 or more")
    if not 0 <= float(tolerance) < float("inf"):
        raise ValueError(f"tolerance={tolerance} must be a finite loss of score, 0 or more")
    if X is None and float(tolerance) > 0:
        raise ValueError(
            f"tolerance={tolerance} is a loss of score on labelled rows: give X and y, too"
        )
