"""retrain=True: fewer rounds of boosting at a higher learning rate, beside the cut of many.

Boosting sums, so a choice of its stages rivals a model that was boosted for as few rounds from the
start. Whether it beats it is measured here, not assumed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from .budget import member_costs
from .leaf_refinement import LeafRefinement, LeafReport
from .members.base import Members
from .members.opening import open_members
from .members.refittable import open_leaves
from .objectives.generic import call_scorer
from .validation import Validation

# Tried: these multiples of the learning rate, as far as it stays at most one.
_MULTIPLES = (1, 2, 3, 5, 8)

# What XGBoost takes where none is given.
_XGBOOST_RATE = 0.3

# Sums and votes of rounds; forests have learning rates, too, but no rounds.
_BOOSTED = ("sum", "vote", "median")

CUT, RETRAINED, REFINED = "cut", "retrained", "retrained + leaves"


@dataclass(frozen=True)
class RetrainReport:
    """What was tried beside the cut of the full model, and which was kept.

    Parameters
    ----------
    kept : {"cut", "retrained", "retrained + leaves"}
        What scored best on the validation rows; of those that tie, the first of these.
    n_rounds : int
        Rounds of the retrained model.
    learning_rate : float
        Of the retrained model: the one that scored best.
    scores : dict of float to float
        The score at each learning rate.
    score_cut, score_retrained, score_refined : float
        On the validation rows: of the cut (each row by members chosen without it, since those
        chosen with it look too good), of the retrained model, and of that with its leaf values
        fitted anew (each row by leaves fitted without it; NaN where leaves cannot be).
    leaves : LeafReport or None
        What was chosen for the leaves of the retrained model.
    """

    kept: str
    n_rounds: int
    learning_rate: float
    scores: dict[float, float]
    score_cut: float
    score_retrained: float
    score_refined: float
    leaves: LeafReport | None

    def __str__(self) -> str:
        if not self.n_rounds:
            return "kept the cut of the full model: no retrained round fits the budget"
        which = {CUT: "cut of the full model", RETRAINED: "retrained model"}
        kept = which.get(self.kept, "retrained model with its leaves fitted anew")
        scores = f"the cut {self.score_cut:.4g}, retrained {self.score_retrained:.4g}"
        if np.isfinite(self.score_refined):
            scores += f", with its leaves fitted anew {self.score_refined:.4g}"
        return (
            f"kept the {kept}; scores on the validation rows: {scores} ({self.n_rounds:,} rounds "
            f"at a learning rate of {self.learning_rate:g})"
        )


@dataclass(frozen=True)
class Rounds:
    """Where an unfitted boosting model says how many rounds it takes, and how far each goes.

    Parameters
    ----------
    estimator : estimator
        Alone, or the last step of a pipeline.
    number, rate : str
        Names of the parameters, from the outside.
    learning_rate : float
        Its own.
    """

    estimator: Any
    number: str
    rate: str
    learning_rate: float

    @property
    def rates(self) -> list[float]:
        """Learning rates to try, from its own upwards."""
        most = max(1.0, self.learning_rate)
        # As people write them: 3 * 0.3 is 0.8999999999999999.
        rates = (float(f"{multiple * self.learning_rate:.12g}") for multiple in _MULTIPLES)
        return sorted({min(most, rate) for rate in rates})

    def model(self, n_rounds: int, rate: float) -> Any:
        """An unfitted copy that takes so many rounds."""
        return clone(self.estimator).set_params(**{self.number: n_rounds, self.rate: rate})


def rounds_of(estimator: Any) -> Rounds:
    """The rounds of an unfitted boosting model.

    Raises
    ------
    TypeError
        If it is none.
    """
    prefix, inner = "", estimator
    while isinstance(inner, Pipeline):
        name, inner = inner.steps[-1]
        prefix += f"{name}__"
    params = inner.get_params(deep=False) if hasattr(inner, "get_params") else {}
    number = next((name for name in ("max_iter", "n_estimators") if name in params), None)
    if number is None or "learning_rate" not in params:
        raise TypeError(
            f"retrain=True boosts anew, and {type(inner).__name__} has no rounds and no learning "
            "rate; give a boosting model, alone or last in a pipeline, or leave retrain=False"
        )
    rate = params["learning_rate"]
    return Rounds(
        estimator,
        prefix + number,
        f"{prefix}learning_rate",
        _XGBOOST_RATE if rate is None else float(rate),
    )


def retrain(
    rounds: Rounds,
    fit: Callable[[Any], Any],
    validation: Validation,
    n_kept: int,
    cost: str,
    budget: float,
    score_cut: float,
    random_state: Any = None,
) -> tuple[RetrainReport, Any]:
    """Boost anew for as few rounds as the cut may have, and compare.

    Parameters
    ----------
    rounds : Rounds
    fit : callable
        ``fit(unfitted)`` fits it as the full model was fitted, on the same rows.
    validation : Validation
        Of the full model.
    n_kept : int
        Rounds of the cut.
    cost : {"members", "nodes", "bytes", "latency"}
    budget : float
        What the retrained model may cost.
    score_cut : float
        Of the cut, on validation rows that had no part in choosing it.
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    report : RetrainReport
    model : estimator or None
        The retrained model, if it was kept.

    Raises
    ------
    TypeError
        If the rounds of the full model are neither summed nor vote.
    """
    members = validation.members
    if members.combiner.kind not in _BOOSTED:
        raise TypeError(
            f"retrain=True boosts anew, but {type(members.estimator).__name__} is no boosting "
            "model; leave retrain=False"
        )
    costs = member_costs(members, cost, validation.X)
    n_rounds = max(n_kept, _affordable(costs, budget))
    tried: dict[float, tuple[float, Any]] = {}
    for rate in rounds.rates:
        model = _within(open_members(fit(rounds.model(n_rounds, rate))), cost, budget, validation)
        if model is not None:
            tried[rate] = _score(validation, model), model
    scores = {rate: score for rate, (score, _) in tried.items()}
    known = [rate for rate, score in scores.items() if np.isfinite(score)]
    if not known:
        report = RetrainReport(CUT, 0, np.nan, scores, score_cut, np.nan, np.nan, None)
        return report, None
    best = max(known, key=scores.__getitem__)
    model = tried[best][1]
    refined, score_refined, leaves = _refined(model, validation, random_state)
    candidates = [
        (CUT, score_cut, None),
        (RETRAINED, scores[best], model),
        (REFINED, score_refined, refined),
    ]
    kept, _, winner = max(
        (one for one in candidates if np.isfinite(one[1])), key=lambda one: one[1]
    )
    report = RetrainReport(
        kept,
        open_members(model).n_members,
        best,
        scores,
        score_cut,
        scores[best],
        score_refined,
        leaves,
    )
    return report, winner


def _affordable(costs: np.ndarray, budget: float) -> int:
    """How many first rounds fit a budget."""
    return int((np.cumsum(costs) <= budget * (1 + 1e-9)).sum())


def _within(members: Members, cost: str, budget: float, validation: Validation) -> Any:
    """The model with as many of its first rounds as fit the budget, None if no round does."""
    n_rounds = _affordable(member_costs(members, cost, validation.X), budget)
    if n_rounds == 0:
        return None
    return members.estimator if n_rounds == members.n_members else members.subset(range(n_rounds))


def _score(validation: Validation, model: Any) -> float:
    return call_scorer(
        validation.scorer, model, validation.X, validation.y, validation.sample_weight
    )


def _refined(
    model: Any, validation: Validation, random_state: Any
) -> tuple[Any, float, LeafReport | None]:
    """The model with its leaf values fitted anew, its score, and how strongly."""
    evidence = validation.evidence
    try:
        open_leaves(model).leaves()
    except (TypeError, ValueError):
        # A vote, a median, a quantile: leaf values of another loss than the model's.
        return None, np.nan, None
    refinement = LeafRefinement(validation.n_jobs, random_state).fit(model, evidence)
    score, _ = validation.score_raw(*refinement.cross_fitted(model, evidence))
    return refinement.refined(model, evidence), score, refinement.report
