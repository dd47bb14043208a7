"""refine_leaves(): the leaf values of all trees of an ensemble, fitted anew together.

Which rows are refitted to, and which judge, is decided here; what is solved, and how the strength
is chosen, in ``refinement/``, what may be learnt beside labels in ``lesson.py``.
"""

from __future__ import annotations

import numbers
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import validate_params
from sklearn.utils.validation import _num_samples

from .arguments import N_JOBS, RANDOM_STATE, labelled_rows
from .combiner import Combiner
from .compaction.path import collapsed_to
from .leaf_rows import labels_of, read, some_of, taught
from .lesson import Course, Lesson
from .members import open_members
from .members.base import check_family
from .members.refittable import open_leaves
from .members.steps import last_step
from .refine import Evidence, Labelled, Opinion, Refinement
from .refinement.equations import Equations, indicators
from .refinement.strength import (
    DAMPINGS,
    SHRINKAGES,
    Apart,
    Strength,
    Trial,
    choose,
    folds,
    refit,
)
from .regrown import InClassesOf

# Rows up to which five folds are worth their time, less where trees have to be grown; above, three.
_FEW_ROWS, _MANY_ROWS = 1000, 3000
_MANY_FOLDS, _FEW_FOLDS = 5, 3

# Trees regrown at most to have an opinion: more of them would say much the same, and on many rows half
# of them do.
_MANY_SPEAKERS, _FEW_SPEAKERS = 60, 30

# Synthetic rows for each real one where strengths are compared; with fewer, a teacher looks worse than
# it is. The more for the leaves themselves, the less depends on their draw.
_SYNTHETIC = 10
_SYNTHETIC_AT_LAST = 30

# Trees of less than this share of the nodes of trees grown anew, on fewer rows, were compacted.
_COMPACTED = 0.8

# Fewer judging rows than this say nothing about strengths.
_FEWEST_ROWS = 20


@dataclass(frozen=True)
class LeafReport:
    """What was chosen for the leaves.

    Parameters
    ----------
    strength : Strength
    loss, loss_unrefined : float
        Half the squared error (half the Brier score) or the negative log-likelihood, a mean over
        rows that neither the trees nor the leaf values had seen: at this strength, and with the
        leaves as they were.
    judged_on : str
        ``"regrown"``: as many trees of the same kind, grown on the other folds of the training
        rows; ``"unseen rows"``: the ensemble itself, on folds of rows it was not trained on;
        ``"nothing"``: strength was given, or the rows were too few.
    """

    strength: Strength
    loss: float
    loss_unrefined: float
    judged_on: str


class LeafRefinement(Refinement):
    """``refine="leaves"``; see :func:`refine_leaves`.

    Parameters
    ----------
    n_jobs : int, default=None
    random_state : int, RandomState instance or None, default=None
    dampings, shrinkages : iterable of float
        What the strength is chosen from.
    """

    report: LeafReport

    def __init__(
        self,
        n_jobs: int | None = None,
        random_state: Any = None,
        dampings: Iterable[float] = (np.inf, *DAMPINGS),
        shrinkages: Iterable[float] = SHRINKAGES,
    ):
        super().__init__(n_jobs, random_state)
        self.dampings = tuple(dampings)
        self.shrinkages = tuple(shrinkages)
        self._forget()

    def _forget(self) -> None:
        self._course: Course | None = None
        self._lesson: Lesson | None = None
        self._regrown: tuple[np.ndarray, list[Apart]] | None = None  # folds; one for each of them

    def __getstate__(self) -> dict[str, Any]:
        # Only scores along the path need the trees that were grown without a fold.
        return self.__dict__ | {"_regrown": None}

    def fit(self, estimator: Any, evidence: Evidence) -> LeafRefinement:
        self._forget()
        members = open_leaves(estimator)
        members.leaves()  # says at once what cannot be refitted
        given = Strength(self.dampings[0], self.shrinkages[0])
        if len(self.dampings) == len(self.shrinkages) == 1:
            self.report = LeafReport(given, np.nan, np.nan, "nothing")
            return self
        rng = check_random_state(self.random_state)
        generator = np.random.default_rng(rng.randint(np.iinfo(np.int32).max))
        unseen = any(not part.seen for part in evidence)
        n_judging = sum(_num_samples(part.X) for part in evidence if part.seen != unseen)
        if n_judging < _FEWEST_ROWS:
            self.report = LeafReport(Strength(), np.nan, np.nan, "nothing")
            return self
        trials = (
            self._trials_on_unseen(members, evidence, generator)
            if unseen
            else self._regrown_trials(members, evidence, generator)
        )
        strength, loss, alone = choose(trials, self.dampings, self.shrinkages)
        judged_on = "unseen rows" if unseen else "regrown"
        self.report = LeafReport(strength, loss, alone, judged_on)
        opinion = evidence[0].opinion
        if strength.taught and self._course is not None and opinion is not None:
            self._lesson = self._course.lesson(opinion, _SYNTHETIC_AT_LAST, generator)
        self._course = None
        return self

    def refined(self, estimator: Any, evidence: Evidence) -> Any:
        strength = self.report.strength
        members = open_leaves(estimator)
        if strength.leaves_alone:
            return members.subset(np.arange(members.n_members))
        rows = read(members, evidence, self.n_jobs, out_of_bag=strength.out_of_bag)
        if self._lesson is not None:
            rows = taught(members, rows, self._lesson, self.n_jobs)
        return members.with_leaf_values(
            refit(members.leaves(), rows, members.combiner.link, strength)
        )

    def cross_fitted(self, estimator: Any, evidence: Evidence) -> tuple[Combiner, np.ndarray]:
        members = open_leaves(estimator)
        link = members.combiner.link
        if self._regrown is not None:
            # A third of a cut's own trees, all that have not seen a row, say less of it than all of
            # them do, the less so once each makes up for the others' errors.
            fold_of, folds_apart = self._regrown
            judged = Parallel(n_jobs=self.n_jobs, require="sharedmem")(
                delayed(apart.first(members.n_members).raw)(link, self.report.strength)
                for apart in folds_apart
            )
            raw = np.empty((members.n_outputs, len(fold_of)))
            for fold, own in enumerate(judged):
                raw[:, fold_of == fold] = own
            return members.combiner, raw
        unseen = any(not part.seen for part in evidence)
        rows = read(members, evidence, self.n_jobs, out_of_bag=not unseen)
        judging = np.concatenate(
            [np.full(_num_samples(part.X), part.seen != unseen) for part in evidence]
        )
        leaves = members.leaves()
        fold_of = folds(labels_of(rows), 5, np.random.default_rng(0))
        raw = np.full(rows.target.shape, np.nan)
        for fold in range(5):
            at = np.flatnonzero((fold_of == fold) & judging)
            fit = rows.take((fold_of != fold) | ~judging)
            values = refit(leaves, fit, link, self.report.strength)
            if rows.unseen is not None:
                at = at[rows.unseen[at].any(axis=1)]
                heard = indicators(leaves, rows.ids[at], rows.unseen[at])
                raw[:, at] = rows.start[:, at] + (heard @ values).T
            else:
                raw[:, at] = Equations(leaves, rows.take(at)).raw(values)
        return members.combiner, raw[:, judging]

    def _trials_on_unseen(
        self, members: Any, evidence: Evidence, rng: np.random.Generator
    ) -> list[Trial]:
        """The ensemble itself: refitted without a fold of its unseen rows, judged on the fold."""
        rows = read(members, evidence, self.n_jobs)
        unseen = np.concatenate([np.full(_num_samples(part.X), not part.seen) for part in evidence])
        n_folds = _n_folds(len(unseen), _MANY_ROWS)
        fold_of = np.full(len(unseen), -1)
        fold_of[unseen] = folds(labels_of(rows.take(unseen)), n_folds, rng)
        leaves, link = members.leaves(), members.combiner.link
        return [
            Trial(leaves, rows.take(fold_of != fold), rows.take(fold_of == fold), link)
            for fold in range(n_folds)
        ]

    def _regrown_trials(
        self, members: Any, evidence: Evidence, rng: np.random.Generator
    ) -> list[Trial]:
        """Trees of the same kind, grown and refitted without a fold, judged on the fold."""
        (part,) = evidence
        n_samples = _num_samples(part.X)
        n_folds = _n_folds(n_samples, _FEW_ROWS)
        fold_of = folds(labels_of(read(members, evidence, self.n_jobs)), n_folds, rng)
        self._course = Course.given(members, part, fold_of, rng, self.n_jobs)
        seeds = rng.integers(1 << 31, size=n_folds).tolist()
        regrown = Parallel(n_jobs=self.n_jobs, require="sharedmem")(
            delayed(self._regrown_without)(members, part, fold_of, fold, seed)
            for fold, seed in enumerate(seeds)
        )
        self._regrown = fold_of, regrown
        link = members.combiner.link
        return [apart.first(members.n_members).trial(link) for apart in regrown]

    def _regrown_without(
        self, members: Any, part: Labelled, fold_of: np.ndarray, fold: int, seed: int
    ) -> Apart:
        """Trees grown without one fold, and whatever it takes to refit and to judge them."""
        fit, judge = (
            some_of(part, np.flatnonzero(side)) for side in (fold_of != fold, fold_of == fold)
        )
        n_grown = members.n_members
        if part.opinion is not None:
            speakers = _MANY_SPEAKERS if len(fold_of) <= _MANY_ROWS else _FEW_SPEAKERS
            n_grown = max(n_grown, min(part.opinion.n_members, speakers))
        grown = members.regrown(fit.X, fit.y, fit.sample_weight, n_grown, seed)
        if grown is None:
            raise ValueError(
                f"the leaves of {type(members.estimator).__name__} cannot be refitted on its "
                "training rows alone: in them it knows the labels; give rows it was not "
                "trained on"
            )
        whole = InClassesOf(open_leaves(grown), members.combiner)
        opinion = None if part.opinion is None else whole.opinion(fit.X, None)
        trees = InClassesOf(open_leaves(_as_small(grown, members, fit)), members.combiner)
        rows = read(trees, [replace(fit, opinion=opinion)], out_of_bag=True)
        judged = replace(read(trees, [judge]), unseen=None)
        told = None
        if self._course is not None and opinion is not None:
            rng = np.random.default_rng(seed)
            told = taught(trees, rows, self._course.lesson(opinion, _SYNTHETIC, rng, fold))
        return Apart(trees.leaves(), rows, judged, told)


def _as_small(grown: Any, members: Any, part: Labelled) -> Any:
    """Trees grown anew; of those whose trees were compacted as many, and compacted as far."""
    n_nodes = sum(tree.n_nodes for tree in members.trees())
    fresh = open_leaves(grown)
    as_many = fresh.subset(np.arange(members.n_members))
    if n_nodes > _COMPACTED * sum(tree.n_nodes for tree in open_leaves(as_many).trees()):
        return grown
    return collapsed_to(as_many, part.X, part.y, part.sample_weight, n_nodes)


def _n_folds(n_samples: int, few: int) -> int:
    return _MANY_FOLDS if n_samples <= few else _FEW_FOLDS


@validate_params(
    {"n_jobs": N_JOBS, "random_state": RANDOM_STATE}, prefer_skip_nested_validation=False
)
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
    n_jobs : int, default=None
        Threads; None is one.
    random_state : int, RandomState instance or None, default=None
        Draws folds and, with ``validation="oob"``, seeds the trees grown on them.

    Returns
    -------
    estimator
        A new one of the same class. With ``damping=np.inf, shrinkage=0``, and where no strength
        is better than that, it predicts as the given one.

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
    mixed: the ensemble itself (after pruning: the one before) and gradient boosting on the same
    rows, averaged with the share that comes nearest to the labels; for that, each is judged on
    rows it has not seen, out of bag or cross-fitted. How far to go with that is judged as all
    else is; sparse rows have no teacher but the ensemble's opinion of rows out of bag. Twenty of 200
    trees had a Brier score or squared error 3 % below that of all of them, geometric mean over 14
    data sets and 2 splits, where the cut alone was 2 % above (``benchmarks/refine.py``).

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
    compression", KDD 2006 (synthetic rows).

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
    if validation not in ("auto", "oob"):
        raise ValueError(f"validation={validation!r} is unknown; give 'auto' or 'oob'")
    dampings = _choices("damping", damping, (np.inf, *DAMPINGS), positive=True)
    shrinkages = _choices("shrinkage", shrinkage, SHRINKAGES, positive=False)
    X, y, sample_weight = labelled_rows(X, y, sample_weight)
    seen = validation == "oob"
    members = open_leaves(estimator)
    if seen:
        unseen = members.out_of_bag(_num_samples(X))  # says if these are other rows
        if unseen is not None:
            members.check_trained_on(X, unseen)
    opinion = _opinion(members, teacher, X, seen, n_jobs)
    evidence = [Labelled(X, y, sample_weight, seen, opinion=opinion)]
    refinement = LeafRefinement(n_jobs, random_state, dampings, shrinkages)
    return refinement.fit(estimator, evidence).refined(estimator, evidence)


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
        raise ValueError(
            f"teacher={name} predicts something else than {own}; give what it was cut from"
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
