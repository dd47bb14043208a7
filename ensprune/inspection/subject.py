"""What there is to show of a fitted pruner, whichever kind it is: one view for displays and reports."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from ..certificate import Certificate
from ..judging import members_of
from ..objectives.registry import metric_name
from ..path import PruningPath
from ..reporting import Judged, Reports
from ..retraining import CUT


@dataclass(frozen=True)
class PathCurve:
    """The path of a fitted pruner with what is drawn beside it; it holds no estimator.

    Parameters
    ----------
    name : str
        Class of the estimator that was pruned.
    metric : str
        What the scorer is called.
    rows : str
        Which rows the scores are of.
    points : pandas.DataFrame
        One row per point, in the order visited; ``score``, ``score_se``, ``score_refined`` and a
        column for each of ``units``.
    units : dict of str to str
        What a size may be counted in: column of ``points``, and the name of an axis with it.
    totals : dict of str to float
        The full estimator's size in these units.
    chosen : dict of str to float
        The pruned estimator's size in these units.
    score_full, se_full, score_pruned : float
        As the fit found them.
    certificate : Certificate or None
    retrained : str, default=""
        Which of the cut and the retrained models was kept, as a sentence.
    off_path : bool, default=False
        Whether it is a retrained one, which no point of the path stands for.
    refined : str, default=""
        What was fitted anew after the cut, as a sentence.
    """

    name: str
    metric: str
    rows: str
    points: pd.DataFrame
    units: dict[str, str]
    totals: dict[str, float]
    chosen: dict[str, float]
    score_full: float
    se_full: float
    score_pruned: float
    certificate: Certificate | None
    retrained: str = ""
    off_path: bool = False
    refined: str = ""


@dataclass(frozen=True)
class Subject:
    """A fitted pruner as displays and reports see it.

    Parameters
    ----------
    full, pruned : estimator
    scorer : callable
    judged : Judged
        The rows that the scores of the fit are of.
    curve : PathCurve
    count : callable
        ``count(estimator)`` gives numbers of its parts by name.
    """

    full: Any
    pruned: Any
    scorer: Callable[..., float]
    judged: Judged
    curve: PathCurve
    count: Callable[[Any], dict[str, int]]


def subject_of(pruner: Any) -> Subject:
    """The view of a fitted ``EnsemblePruner`` or ``MLPPruner``.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    TypeError
        If it is no pruner.
    """
    if not isinstance(pruner, Reports):
        raise TypeError(
            f"{type(pruner).__name__} is no pruner; give a fitted EnsemblePruner or MLPPruner"
        )
    check_is_fitted(pruner, "path_")
    path: Any = vars(pruner)["path_"]
    return _of_ensemble(pruner) if isinstance(path, PruningPath) else _of_network(pruner)


def off_path(pruner: Any) -> bool:
    """Whether a fitted pruner kept a retrained model instead of members of the full one."""
    retrained = getattr(pruner, "retrained_", None)
    return retrained is not None and retrained.kept != CUT


# What is added up where a cost is asked for by name.
_UNITS = {
    "members": "Members",
    "nodes": "Tree nodes",
    "bytes": "Bytes",
    "latency": "Seconds per 1,000 rows",
}


def _of_ensemble(pruner: Any) -> Subject:
    members = members_of(pruner.estimator_, pruner.deep)
    scorer = pruner._scorer(members)
    unit = pruner.cost if isinstance(pruner.cost, str) else ""

    def count(estimator: Any) -> dict[str, int]:
        inside = members_of(estimator, pruner.deep)
        counts = {"members": inside.n_members}
        with contextlib.suppress(TypeError):  # members that are no trees
            counts["nodes"] = int(inside.costs("nodes").sum())
        return counts

    judged = pruner._judged
    retrained = getattr(pruner, "retrained_", None)
    curve = PathCurve(
        name=type(pruner.estimator_).__name__,
        metric=metric_name(pruner.scoring, scorer),
        rows=str(judged),
        points=pruner.path_.to_frame()[["size", "cost", "score", "score_se", "score_refined"]],
        units={"size": "Members", "cost": _UNITS.get(unit, "Cost")},
        totals={"size": float(members.n_members), "cost": pruner.cost_full_},
        chosen={"size": float(pruner.n_members_), "cost": pruner.cost_pruned_},
        score_full=pruner.score_full_,
        se_full=judged.se_full,
        score_pruned=pruner.score_pruned_,
        certificate=pruner.certificate_,
        retrained="" if retrained is None else str(retrained),
        off_path=off_path(pruner),
        refined=_refined(pruner),
    )
    full, pruned = pruner.estimator_, pruner.pruned_estimator_
    return Subject(full, pruned, scorer, judged, curve, count)


def _refined(pruner: Any) -> str:
    refinement = None if off_path(pruner) else getattr(pruner, "refinement_", None)
    return "" if refinement is None else str(refinement)


def _of_network(pruner: Any) -> Subject:
    full = pruner.estimator_
    scorer = pruner._scorer(full)
    neurons = pruner.structure == "neuron"
    points = pruner.path_.to_frame().assign(score_se=np.nan, score_refined=np.nan)
    curve = PathCurve(
        name=type(full).__name__,
        metric=metric_name(pruner.scoring, scorer),
        rows=str(pruner._judged),
        points=points,
        units={
            "sparsity": "Removed hidden neurons" if neurons else "Zero weights",
            "n_weights": "Non-zero weights",
        },
        totals={"sparsity": 0.0, "n_weights": float(points["n_weights"].iloc[0])},
        chosen={unit: float(points[unit].iloc[-1]) for unit in ("sparsity", "n_weights")},
        score_full=pruner.score_full_,
        se_full=pruner._judged.se_full,
        score_pruned=pruner.score_pruned_,
        certificate=None,
    )
    count = _count_neurons if neurons else _count_weights
    return Subject(full, pruner.pruned_estimator_, scorer, pruner._judged, curve, count)


def _count_weights(network: Any) -> dict[str, int]:
    return {
        "non-zero weights": int(sum(np.count_nonzero(W) for W in network.coefs_)),
        "hidden neurons": sum(W.shape[1] for W in network.coefs_[:-1]),
    }


def _count_neurons(network: Any) -> dict[str, int]:
    return dict(reversed(_count_weights(network).items()))
