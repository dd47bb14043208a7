"""Ordering: members ranked by a criterion of the literature, and the first that fit kept."""

from .ballots import Ballots
from .criterion import Criterion, criterion_names, make_criterion, register_criterion
from .selector import OrderingSelector

__all__ = [
    "Ballots",
    "Criterion",
    "OrderingSelector",
    "criterion_names",
    "make_criterion",
    "register_criterion",
]
