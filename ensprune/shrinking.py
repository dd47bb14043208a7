"""shrink(): fewer members, smaller trees and refitted leaves, to so many bytes or nodes.

What each of the three does is in ``pruner.py``, ``leaf_compaction.py`` and ``leaf_refinement.py``.
"""

from __future__ import annotations

import numbers
import pickle
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state

from .arguments import SEEN_OR_NOT, check_arguments, check_option, labelled_rows
from .compaction.path import scorer_of
from .leaf_compaction import Size, collapsed, collapsed_as_taught, of_roots
from .leaf_refinement import LeafRefinement
from .members import open_members
from .members.refittable import open_leaves
from .objectives.registry import ScorerLike
from .objectives.squared import SquaredError
from .path import PruningPath
from .pruner import EnsemblePruner
from .refine import Evidence
from .refitting import leaf_evidence
from .selectors.base import Problem, make_selector

# Members of so many times the size asked for are chosen before their trees are collapsed: of forests
# cut to a twentieth, half as many as large and more of smaller trees lost more labels.
_EXCESS = 2.0

# But so large a share of their nodes has room: what is not in nodes stays, and boosted trees, of a dozen
# nodes each, would become stumps.
_NODES_LEFT = 1 / 3

# And so many nodes a tree, on average: of trees on a few hundred rows, as many whole ones as fit had a
# lower loss than twice as many halves.
_FEWEST_NODES = 30

# Those chosen may be smaller than the average by so much.
_SMALLER = 1.5

_ALLOWED = "give an int, 1 or more, or a float in (0, 1) for a share"


def shrink(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    target_size: int | float = 0.05,
    cost: str = "bytes",
    scoring: ScorerLike | None = None,
    validation: str = "auto",
    sample_weight: Any = None,
    n_jobs: int | None = None,
    random_state: Any = None,
) -> Any:
    """Make an ensemble of trees as small as asked: members, nodes and leaf values at once.

    Into the same bytes go few large trees or more of smaller ones. Members are chosen that fill twice
    the size asked for, or fewer if less than a third of their nodes, or than 30 nodes a tree, would be
    left; then leaf values are fitted anew, together, and subtrees collapse that add least to the
    others, in turn, until all of it fits.

    Parameters
    ----------
    estimator : estimator
        A fitted forest (random or extra trees), bagging of trees, gradient boosting, histogram
        gradient boosting, XGBoost or LightGBM model, classifier or regressor; alone or in a pipeline, a
        fitted search or a ``FrozenEstimator``. It is left as it was.
    X : array-like of shape (n_samples, n_features)
        Labelled rows.
    y : array-like of shape (n_samples,)
        Their labels or values.
    target_size : int or float, default=0.05
        What it may cost at most: an int in the unit of ``cost``, or a share of what it costs now.
    cost : {"bytes", "nodes"}, default="bytes"
        ``"bytes"``: those of ``pickle.dumps(estimator)``; ``"nodes"``: of all
        its trees.
    scoring : str or callable, default=None
        The metric that chooses members, as in :class:`EnsemblePruner`, where no teachers do.
    validation : {"auto", "oob"}, default="auto"
        What the rows are to the ensemble.

        - ``"auto"``: it was not trained on them.
        - ``"oob"``: they are its own training rows; forests and bagging only. Better models of
          small trees come of that, since leaves then have teachers: see :func:`refine_leaves`.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows.
    n_jobs : int, default=None
        Threads; None is one.
    random_state : int, RandomState instance or None, default=None
        As in :func:`refine_leaves`.

    Returns
    -------
    estimator
        A new one of the same class that costs no more than asked.

    Raises
    ------
    TypeError
        If it is no ensemble whose prediction adds up leaf values, or ``target_size`` is no number.
    ValueError
        If ``target_size`` is out of range, or less than a single member costs whose tree is a root,
        ``cost``, ``scoring`` or ``validation`` is unknown; or as :func:`refine_leaves`.
    sklearn.exceptions.NotFittedError
        If the ensemble is not fitted.

    Notes
    -----
    Where leaves have teachers (see :func:`refine_leaves`), these choose the members, each by what it
    can say once refitted, and say which subtrees go: leaf values are refitted, subtrees collapse
    whose loss takes the ensemble least far from the teachers' answers on synthetic rows, and so on
    until it fits. Where they have none, labels say so, as in :func:`compact`. How strongly leaves
    are refitted is judged on trees grown anew without the rows that judge, collapsed as far.

    References
    ----------
    Breiman, Friedman, Olshen & Stone, "Classification and Regression Trees" (1984), chapter 3
    (collapsing what costs least per node); Bucila, Caruana & Niculescu-Mizil, "Model compression",
    KDD 2006 (synthetic rows); Ren, Cao, Wei & Sun, "Global refinement of random forest", CVPR 2015.

    Examples
    --------
    >>> import pickle
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from ensprune import shrink
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(100, random_state=0).fit(X, y)
    >>> small = shrink(forest, X, y, target_size=0.1, validation="oob", random_state=0)
    >>> len(pickle.dumps(small)) <= 0.1 * len(pickle.dumps(forest))
    True
    """
    check_arguments("shrink", n_jobs=n_jobs, random_state=random_state)
    check_option("cost", cost, _SIZES)
    check_option("validation", validation, SEEN_OR_NOT)
    members = open_leaves(estimator)
    members.leaves()  # says at once what cannot be refitted, and the next what cannot be cut down
    members.trees()
    size = _SIZES[cost]
    limit = _limit(target_size, estimator, size)
    X, y, sample_weight = labelled_rows(X, y, sample_weight)
    scorer_of(scoring, estimator, members, y)  # refuses what is none, whoever chooses
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    rows = leaf_evidence(members, None, X, y, sample_weight, validation == "oob", n_jobs)
    refinement = LeafRefinement(n_jobs, seed)
    most = _most_members(members, _EXCESS * limit, size)
    path = _path(estimator, members, rows, refinement, scoring, most, n_jobs, seed)
    cut = _filling(members, path, limit, size)
    room = limit
    while True:
        small = collapsed(cut, rows, room, size)
        if size(small) > room:
            if size(small) <= limit:
                return small  # as it is, for refitted values would be longer
            raise ValueError(
                f"target_size={target_size} allows {limit:.0f} {cost}, but one member of "
                f"{type(members.estimator).__name__} has {size(small)} even if its tree is but a "
                "root; give more"
            )
        refinement.fit(small, rows)
        if refinement.lesson is not None and small is not cut:
            result = collapsed_as_taught(cut, refinement, rows, room, size)
        else:
            result = refinement.refined(small, rows)
        if size(result) <= limit:
            return result
        room -= size(result) - limit  # where values are written as text, others are longer


def n_bytes(estimator: Any) -> int:
    """Of its pickle."""
    return len(pickle.dumps(estimator))


def n_nodes(estimator: Any) -> int:
    """Of all its trees."""
    return sum(tree.n_nodes for tree in open_members(estimator).trees())


_SIZES: dict[str, Size] = {"bytes": n_bytes, "nodes": n_nodes}


def _limit(target_size: Any, estimator: Any, size: Size) -> float:
    """What the smaller ensemble may cost."""
    if isinstance(target_size, bool | np.bool_) or not isinstance(target_size, numbers.Real):
        raise TypeError(f"target_size={target_size!r} is no number; {_ALLOWED}")
    if isinstance(target_size, numbers.Integral):
        if target_size < 1:
            raise ValueError(f"target_size={target_size} is less than 1; {_ALLOWED}")
        return float(target_size)
    if not 0 < float(target_size) < 1:
        raise ValueError(f"target_size={float(target_size)} is no share in (0, 1); {_ALLOWED}")
    return float(target_size) * size(estimator)


def _most_members(members: Any, limit: float, size: Size) -> int:
    """More members than will fit, or all."""
    n_members = members.n_members
    first, whole = size(members.subset([0])), size(members.subset(np.arange(n_members)))
    each = max((whole - first) / max(n_members - 1, 1), 1.0)  # pickled together they share things
    return int(np.clip(1 + _SMALLER * (limit - first) / each, 1, n_members))


def _path(
    estimator: Any,
    members: Any,
    rows: Evidence,
    refinement: LeafRefinement,
    scoring: ScorerLike | None,
    most: int,
    n_jobs: int | None,
    seed: int,
) -> PruningPath:
    """Sub-ensembles of up to so many members: by what trees can say once refitted, if that is known."""
    rehearsed = refinement.rehearsal(estimator, rows)
    if rehearsed is None:
        (part,) = rows
        pruner = EnsemblePruner(
            FrozenEstimator(estimator),
            target_size=most,
            scoring=scoring,
            validation="oob" if part.seen else "auto",
            n_jobs=n_jobs,
            random_state=seed,
        )
        return pruner.fit(part.X, part.y, sample_weight=part.sample_weight).path_
    problem = Problem(
        outputs=rehearsed.outputs,
        y=rehearsed.y,
        combiner=members.bind(rehearsed.X),
        objective=SquaredError("mse" if members.combiner.classes is None else "brier"),
        costs=np.ones(members.n_members),
        budget=most,
        sample_weight=rehearsed.sample_weight,
        rows=rehearsed.X,
        n_jobs=n_jobs,
        random_state=seed,
    )
    return make_selector("greedy").select(problem)


def _filling(members: Any, path: PruningPath, limit: float, size: Size) -> Any:
    """The largest cut of a path that fits with fewer nodes, or of the first point."""

    def cut(n_members: int) -> Any:
        point = path.within(n_members)
        return members.subset(point.indices, point.weight_array)

    def fits(candidate: Any) -> bool:
        whole = size(candidate)
        if whole <= limit or whole > _EXCESS * limit:
            return whole <= limit
        n_each = float(np.mean([tree.n_nodes for tree in open_members(candidate).trees()]))
        left = max(_NODES_LEFT, _FEWEST_NODES / n_each)
        return left * whole + (1 - left) * size(of_roots(candidate)) <= limit

    enough, too_many = 1, int(path[-1].cost) + 1
    while too_many - enough > 1:
        middle = (enough + too_many) // 2
        if fits(cut(middle)):
            enough = middle
        else:
            too_many = middle
    return cut(enough)
