"""refine_leaves(): the leaf values of a fitted ensemble anew, with or without a teacher.

How they are fitted is in ``leaf_refinement.py``.
"""

from __future__ import annotations

import numbers
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils.validation import _num_samples

from .arguments import SEEN_OR_NOT, check_arguments, check_option, labelled_rows
from .leaf_refinement import LeafRefinement
from .members import open_members
from .members.opening import check_family
from .members.refittable import open_leaves
from .members.steps import last_step
from .refine import Labelled, Opinion
from .refinement.strength import DAMPINGS, SHRINKAGES
from .regrown import InClassesOf


def refine_leaves(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    validation: str = "auto",
    teacher: Any = None,
    damping: float | str = "auto",
    shrinkage: float | str = "auto",
    sample_weight: Any = None,
    return_report: bool = False,
    n_jobs: int | None = None,
    random_state: Any = None,
) -> Any:
    """Fit the leaf values of all trees of an ensemble anew, jointly.

    Trees of an ensemble are grown one by one; which values in their leaves work best *together*
    nobody asked. Here all of them are the unknowns of one sparse problem.

    Parameters
    ----------
    estimator : estimator
        A fitted forest (random or extra trees), bagging of trees, gradient boosting, histogram
        gradient boosting, XGBoost or LightGBM model, classifier or regressor; alone or in a pipeline, a
        fitted search or a ``FrozenEstimator``. It is left as it was. AdaBoost cannot: its
        classifier counts votes and its regressor takes a median, whatever is in the leaves.
    X : array-like of shape (n_samples, n_features)
        Rows to fit the leaves to.
    y : array-like of shape (n_samples,)
        Their labels or values.
    validation : {"auto", "oob"}, default="auto"
        What the rows are to the ensemble.

        - ``"auto"``: it was not trained on them.
        - ``"oob"``: they are its own training rows; forests and bagging only.
    teacher : estimator, default=None
        The larger fitted ensemble that the estimator was cut or compacted from, trained on the same
        rows: leaves are told what it says. None is the estimator itself with
        ``validation="oob"``, and nobody with ``"auto"``.
    damping : float or "auto", default="auto"
        Positive. How strongly the values are held where (shrunken) they were, relative to the
        rows in each leaf; ``np.inf`` keeps them there.
    shrinkage : float or "auto", default="auto"
        Non-negative. Hierarchical shrinkage of the values that are held to, in rows: a node of
        that many rows has half its say. 0 is none.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows. A ``class_weight`` of the ensemble weights them as well.
    return_report : bool, default=False
        Whether to return what was chosen and what it is worth, too.
    n_jobs : int, default=None
        Threads; None is one.
    random_state : int, RandomState instance or None, default=None
        Draws folds and, with ``validation="oob"``, seeds the trees grown on them.

    Returns
    -------
    estimator
        A new one of the same class. With ``damping=np.inf, shrinkage=0``, and where no strength
        is better than that, it predicts as the given one.
    report : LeafReport
        If asked for: the strength, the losses that it was judged by, and, as ``str``, a sentence.

    Raises
    ------
    TypeError
        If it is no ensemble whose prediction adds up leaf values.
    ValueError
        If it was fitted for medians or quantiles or under monotonicity constraints, which other
        values would break; if ``validation="oob"`` is asked of boosting or of rows that are not
        the training rows; or a parameter is out of range.

    Notes
    -----
    Minimised is ``sum_i w_i loss(y_i, raw_i) + damping * sum_l r_l |v_l - p_l|^2`` over the
    values ``v``; ``raw`` is the ensemble's raw score, ``p_l`` the shrunk value of leaf ``l`` and
    ``r_l`` its share of the rows. The loss belongs to what the ensemble predicts: squared error
    by LSQR for regression, the Brier score for the averaged probabilities of forests and bagging,
    the log-loss or Poisson deviance by L-BFGS for the margins of boosting.

    **Probabilities stay probabilities.** The values of every leaf of a forest are projected onto
    the distributions over the classes within the fit, step by step, so each tree's
    ``predict_proba`` sums to one and lies in [0, 1] and so does the mean, for any row. That has
    a price: values beyond 0 and 1 would sharpen a forest more than distributions can.

    **Leaves have a teacher.** Labels are noisy, and a leaf holds few of them. Where trees are
    bootstrapped and ``validation="oob"``, the values may be fitted, beside labels of more or less
    weight, to what better informed models say of synthetic rows, in which values of neighbours are
    mixed: the ensemble itself (after pruning: the one before), gradient boosting and kernel ridge
    regression on the same rows. Their values are averaged with the shares that come nearest to the
    labels, their probabilities multiplied with the powers that do, so that several who are fairly
    sure are surer together; for that, each is judged on rows it has not seen, out of bag or
    cross-fitted. How far to go with that is judged as all else is. Sparse rows are mixed and taught
    without making them dense: a synthetic one has half of what only one of two near ones has;
    boosting looks at a few hundred columns, and kernels ask for inner products. So are the texts of a
    pipeline that begins by counting their words by scikit-learn's own rules; functions that a user
    gives to parse them may not take those that are mixed.
    Twenty of 200 trees, chosen for it by ``EnsemblePruner(refine="leaves")``, had a Brier score or
    squared error 7 % below that of all of them, geometric mean over 14 data sets and 4 splits, where
    the cut alone was 2 % above (``benchmarks/refine.py``).

    **Boosting's stages may be weighed anew** together with their leaf values (fully corrective),
    again only if that is judged better.

    **A gain that may be chance is taken in part.** What is judged best is the best of some fifty
    strengths, on few rows perhaps by luck. If it gains less than three of its standard errors over
    leaving the values alone, they go only so much of the way (``refinement_.strength.step``): on a
    loss that is convex in them, a part of a gain is safer than all of it.

    **Rows that trees have seen mislead.** On a bootstrapped tree's own rows residuals are near
    zero whatever the truth is, so no strength is judged there. With ``validation="oob"`` as many
    trees with the same parameters are grown on the other folds of the rows, refitted there at
    each strength, and judged on the fold that nothing of them has seen, not even the steps of a
    pipeline, which are fitted anew without it; nothing is held out of the final fit. Leaves may
    then be fitted to each row twice: through all trees, and through those only that have not
    seen it, if that is judged better. With ``validation="auto"`` the rows are new to the ensemble
    and the values alone are cross-fitted.

    References
    ----------
    Ren, Cao, Wei & Sun, "Global refinement of random forest", CVPR 2015. Agarwal, Tan, Ronen,
    Singh & Yu, "Hierarchical shrinkage", ICML 2022. Bucila, Caruana & Niculescu-Mizil, "Model
    compression", KDD 2006 (synthetic rows). Breiman, "Stacked regressions", Machine Learning 24
    (1996) (shares of teachers). Genest & Zidek, "Combining probability distributions", Statistical
    Science 1 (1986) (their powers).

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from ensprune import refine_leaves
    >>> X, y = load_diabetes(return_X_y=True)
    >>> forest = RandomForestRegressor(20, random_state=0).fit(X[:300], y[:300])
    >>> refined = refine_leaves(forest, X[:300], y[:300], validation="oob", random_state=0)
    >>> refined.score(X[300:], y[300:]) > forest.score(X[300:], y[300:])
    True
    """
    check_arguments(
        "refine_leaves", return_report=return_report, n_jobs=n_jobs, random_state=random_state
    )
    check_option("validation", validation, SEEN_OR_NOT)
    dampings = _choices("damping", damping, (np.inf, *DAMPINGS), positive=True)
    shrinkages = _choices("shrinkage", shrinkage, SHRINKAGES, positive=False)
    X, y, sample_weight = labelled_rows(X, y, sample_weight)
    seen = validation == "oob"
    evidence = leaf_evidence(open_leaves(estimator), teacher, X, y, sample_weight, seen, n_jobs)
    refinement = LeafRefinement(n_jobs, random_state, dampings, shrinkages)
    refined = refinement.fit(estimator, evidence).refined(estimator, evidence)
    return (refined, refinement.report) if return_report else refined


def leaf_evidence(
    members: Any,
    teacher: Any,
    X: Any,
    y: np.ndarray,
    sample_weight: np.ndarray | None,
    seen: bool,
    n_jobs: int | None,
) -> list[Labelled]:
    """Labelled rows, checked, and what an ensemble or its teacher says of them.

    Parameters
    ----------
    members : Members and HasLeaves
    teacher : estimator or None
    X, y, sample_weight
        As :func:`~ensprune.arguments.labelled_rows` returns them.
    seen : bool
        Whether the members were trained on them.
    n_jobs : int or None

    Raises
    ------
    TypeError, ValueError
        As :func:`refine_leaves`.
    """
    if seen:
        unseen = members.out_of_bag(_num_samples(X))  # says if these are other rows
        if unseen is not None:
            members.check_trained_on(X, unseen)
    opinion = _opinion(members, teacher, X, seen, n_jobs)
    return [Labelled(X, y, sample_weight, seen, opinion=opinion)]


def _opinion(members: Any, teacher: Any, X: Any, seen: bool, n_jobs: int | None) -> Opinion | None:
    """What is said of the rows: by the teacher, or out of bag by the ensemble itself."""
    if teacher is None and not seen:
        return None
    speaker = members if teacher is None else _opened(teacher, members)
    if seen:
        opinion = InClassesOf(speaker, members.combiner).opinion(X, n_jobs)
    else:
        opinion = Opinion.of(speaker.bind(X), speaker.outputs(X, n_jobs), None)
    if opinion is not None:
        return replace(opinion, mean=_of_classes(opinion.mean, members.n_outputs))
    if seen and teacher is not None:
        raise ValueError(
            f"teacher={type(teacher).__name__} has seen all of the rows; give one that leaves some "
            "out of each member's bag, or rows that neither was trained on, validation='auto'"
        )
    return None


def _of_classes(mean: np.ndarray, n_outputs: int) -> np.ndarray:
    """Probabilities of both of two classes, or of the second only, as boosting has it."""
    if len(mean) == n_outputs:
        return mean
    return mean[1:] if n_outputs == 1 else np.concatenate([1.0 - mean, mean])


def _opened(teacher: Any, members: Any) -> Any:
    """The teacher's members, if it says the same kind of thing as the ensemble."""
    check_family(last_step(teacher)[1], "teacher")
    found = open_members(teacher)
    name, own = type(teacher).__name__, type(members.estimator).__name__
    if not found.combiner.linear:
        raise TypeError(
            f"teacher={name} does not add up what its members say; give a forest, bagging or boosting"
        )
    here, there = members.combiner.classes, found.combiner.classes
    if here is None or there is None:
        same = here is there
    else:
        same = np.array_equal(here, there)
    if not same:
        taught, learnt = (
            "values" if classes is None else f"the classes {classes[:10].tolist()}"
            for classes in (there, here)
        )
        raise ValueError(
            f"teacher={name} predicts {taught}, but {own} {learnt}; give what it was cut from"
        )
    return found


def _choices(
    name: str, given: float | str, automatic: tuple[float, ...], positive: bool
) -> tuple[float, ...]:
    if isinstance(given, str) and given == "auto":
        return automatic
    number = isinstance(given, numbers.Real) and not isinstance(given, bool)
    if not number or not (given > 0 if positive else 0 <= given < np.inf):  # type: ignore[operator]
        allowed = "a positive number (np.inf included)" if positive else "a non-negative number"
        raise ValueError(f"{name}={given!r} is not allowed; give 'auto' or {allowed}")
    return (float(given),)
