"""Selectors: the search for a sub-ensemble. A selector sees arrays, never an estimator."""

from .base import Problem, Selector, make_selector, register_selector
from .baseline import FirstSelector, RandomSelector
from .greedy import GreedySelector

__all__ = [
    "FirstSelector",
    "GreedySelector",
    "Problem",
    "RandomSelector",
    "Selector",
    "make_selector",
    "register_selector",
]
