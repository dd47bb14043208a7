"""Objectives: what a sub-ensemble is to preserve, for every candidate at once.

One file per kind of metric. An objective sees arrays, never an estimator.
"""

from .absolute import AbsoluteError
from .accuracy import Accuracy
from .base import Objective
from .confusion import ConfusionScore
from .deviance import MeanLoss
from .generic import GenericObjective
from .likelihood import LogLoss
from .ranking import AveragePrecision, RocAuc, RocAucOneVsOne
from .registry import make_objective, register_objective
from .running import LinearObjective
from .squared import SquaredError, SquaredErrorThroughLink

__all__ = [
    "AbsoluteError",
    "Accuracy",
    "AveragePrecision",
    "ConfusionScore",
    "GenericObjective",
    "LinearObjective",
    "LogLoss",
    "MeanLoss",
    "Objective",
    "RocAuc",
    "RocAucOneVsOne",
    "SquaredError",
    "SquaredErrorThroughLink",
    "make_objective",
    "register_objective",
]
