"""``refine="leaves"``: the leaf values of all trees of an ensemble, fitted anew together.

Which rows are refitted to, and which judge, is decided here; what is solved, and how the strength
is chosen, in ``refinement/``, what may be learnt beside labels in ``lesson.py``. The call on an
ensemble that is there is in ``refitting.py``.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.utils import check_random_state
from sklearn.utils.validation import _num_samples

from .combiner import Combiner
from .compaction.path import collapsed_to
from .leaf_rows import labels_of, read, some_of, taught
from .lesson import Course, Lesson
from .members.refittable import check_leaves, open_leaves
from .refine import Evidence, Labelled, Refinement, Rehearsal
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
from .rehearsal import rehearse

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

    def __str__(self) -> str:
        strength = self.strength
        if self.judged_on == "nothing":
            reason = "too few rows to judge by" if strength.leaves_alone else "as strongly as told"
        else:
            judges = "trees grown alike" if self.judged_on == "regrown" else "its trees"
            reason = (
                f"on rows that {judges} had not seen the loss was {self.loss:.4g}, with the leaves as "
                f"they were {self.loss_unrefined:.4g}"
            )
            if strength.leaves_alone:
                reason = f"nothing was better on rows that {judges} had not seen"
        if strength.leaves_alone:
            return f"leaf values left as they were: {reason}"
        way = "" if strength.step == 1 else f", {100 * strength.step:.0f} % of the way"
        return f"leaf values fitted anew{way}: {reason}"


@dataclass(frozen=True)
class _Rehearsed:
    """What a search was told, for the refit to go on with: teachers need not learn twice."""

    X: Any
    fold_of: np.ndarray
    course: Course
    generator: np.random.Generator  # once folds and course were drawn
    lesson: Lesson


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
        self._rehearsed: _Rehearsed | None = None
        self._forget()

    def _forget(self) -> None:
        self._course: Course | None = None
        self._lesson: Lesson | None = None
        self._regrown: tuple[np.ndarray, list[Apart]] | None = None  # folds; one for each of them

    def __getstate__(self) -> dict[str, Any]:
        # Only the search, and scores along the path, need what was learnt without a fold.
        return self.__dict__ | {"_regrown": None, "_rehearsed": None}

    def rehearsal(self, estimator: Any, evidence: Evidence) -> Rehearsal | None:
        self._rehearsed = None
        part = evidence[0]
        n_samples = _num_samples(part.X)
        weighted = part.sample_weight is not None and np.ptp(part.sample_weight) > 0
        # Synthetic rows have no weights that a search could heed.
        if len(evidence) > 1 or not part.seen or part.opinion is None or weighted:
            return None
        if n_samples < _FEWEST_ROWS or self._is_given:
            return None
        members = open_leaves(estimator)
        generator = self._generator()
        fold_of = self._folds_of(members, evidence, generator)
        course = Course.given(members, part, fold_of, generator, self.n_jobs)
        if course is None:
            return None
        onward = deepcopy(generator)
        lesson = course.lesson(part.opinion, _SYNTHETIC_AT_LAST, generator)
        self._rehearsed = _Rehearsed(part.X, fold_of, course, onward, lesson)
        return rehearse(members, lesson, self.n_jobs)

    @property
    def _is_given(self) -> bool:
        """Whether there is no strength to choose."""
        return len(self.dampings) == len(self.shrinkages) == 1

    def _generator(self) -> np.random.Generator:
        rng = check_random_state(self.random_state)
        return np.random.default_rng(rng.randint(np.iinfo(np.int32).max))

    def fit(self, estimator: Any, evidence: Evidence) -> LeafRefinement:
        self._forget()
        members = open_leaves(estimator)
        members.leaves()  # says at once what cannot be refitted
        given = Strength(self.dampings[0], self.shrinkages[0])
        if self._is_given:
            self.report = LeafReport(given, np.nan, np.nan, "nothing")
            return self
        generator = self._generator()
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
            rehearsed = self._rehearsal_of(evidence[0])
            if rehearsed is not None:
                self._lesson = rehearsed.lesson
            else:
                self._lesson = self._course.lesson(opinion, _SYNTHETIC_AT_LAST, generator)
        self._course = None
        return self

    @property
    def lesson(self) -> Lesson | None:
        """What leaves are taught, if that was judged better; after :meth:`fit`."""
        return self._lesson

    def check(self, unfitted: Any) -> None:
        check_leaves(unfitted)

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
        rehearsed = self._rehearsal_of(part)
        if rehearsed is not None:
            fold_of, self._course = rehearsed.fold_of, rehearsed.course
            rng = deepcopy(rehearsed.generator)
        else:
            fold_of = self._folds_of(members, evidence, rng)
            self._course = Course.given(members, part, fold_of, rng, self.n_jobs)
        seeds = rng.integers(1 << 31, size=fold_of.max() + 1).tolist()
        regrown = Parallel(n_jobs=self.n_jobs, require="sharedmem")(
            delayed(self._regrown_without)(members, part, fold_of, fold, seed)
            for fold, seed in enumerate(seeds)
        )
        self._regrown = fold_of, regrown
        link = members.combiner.link
        return [apart.first(members.n_members).trial(link) for apart in regrown]

    def _folds_of(self, members: Any, evidence: Evidence, rng: np.random.Generator) -> np.ndarray:
        """A fold for each training row, shape (n_samples,)."""
        n_folds = _n_folds(_num_samples(evidence[0].X), _FEW_ROWS)
        return folds(labels_of(read(members, evidence, self.n_jobs)), n_folds, rng)

    def _rehearsal_of(self, part: Labelled) -> _Rehearsed | None:
        """What was drawn up for a search on these very rows."""
        known = self._rehearsed
        return known if known is not None and known.X is part.X else None

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
