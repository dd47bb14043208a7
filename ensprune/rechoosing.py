"""What a cut scores on rows that had no part in choosing it: the search, cross-fitted.

For comparing a cut with models whose members the validation rows did not choose.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from sklearn.utils import _safe_indexing

from .members.opening import open_members
from .objectives.registry import make_objective
from .refine import FittedRefinement, Labelled
from .refinement.strength import folds
from .selectors.base import Problem, Selector
from .validation import Validation

_N_FOLDS = 3


def rechosen_score(
    problem: Problem,
    selector: Selector,
    validation: Validation,
    refinement: FittedRefinement | None = None,
) -> float:
    """The score of cuts chosen without the rows they are scored on.

    Parameters
    ----------
    problem : Problem
        On all validation rows, nothing out of bag; with the budget of the cut.
    selector : Selector
    validation : Validation
    refinement : FittedRefinement, default=None
        What is done to a cut, as strongly as it is told.

    Returns
    -------
    float
        On all rows, each predicted by a cut chosen (and refined) on the other two thirds of them.
        Such cuts are a little worse than the one chosen on all rows.
    """
    combiner = validation.combiner
    _, labels = np.unique(problem.y, return_inverse=True)
    fold_of = folds(labels, _N_FOLDS, np.random.default_rng(0))
    raw = np.full(problem.outputs.shape[1:], np.nan)
    for fold in range(_N_FOLDS):
        held, others = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_of != fold)
        point = selector.select(_on(problem, others, validation)).within(problem.budget)
        if refinement is None:
            kept = list(point.indices)
            cut = combiner.take(kept, point.weight_array).on_rows(held)
            raw[:, held] = cut.raw(problem.outputs[kept][:, :, held])
            continue
        evidence = [_without(part, held) if not part.seen else part for part in refinement.evidence]
        cut = validation.members.subset(point.indices, point.weight_array)
        members = open_members(refinement.refinement.refined(cut, evidence))
        X = _safe_indexing(validation.X, held)
        raw[:, held] = members.bind(X).raw(members.outputs(X, validation.n_jobs))
    return validation.score_raw(combiner, raw)[0]


def _on(problem: Problem, rows: np.ndarray, validation: Validation) -> Problem:
    """The problem on some of its rows."""
    combiner = problem.combiner.on_rows(rows)
    weight = problem.sample_weight
    return replace(
        problem,
        outputs=problem.outputs[:, :, rows],
        y=problem.y[rows],
        combiner=combiner,
        objective=make_objective(validation.scorer, combiner),
        sample_weight=None if weight is None else weight[rows],
        rows=_safe_indexing(problem.rows, rows),
    )


def _without(part: Labelled, rows: np.ndarray) -> Labelled:
    """Labelled rows without some of them."""
    kept = np.setdiff1d(np.arange(len(part.y)), rows)
    weight, opinion = part.sample_weight, part.opinion
    return replace(
        part,
        X=_safe_indexing(part.X, kept),
        y=part.y[kept],
        sample_weight=None if weight is None else weight[kept],
        opinion=None if opinion is None else replace(opinion, mean=opinion.mean[:, kept]),
    )
