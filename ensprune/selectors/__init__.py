"""Selectors: the search for a sub-ensemble. A selector sees arrays, never an estimator."""

from typing import Any

from .allocation import AllocationSelector
from .auto import AutoSelector
from .base import Problem, Selector, make_selector, register_selector
from .baseline import FirstSelector, RandomSelector
from .cluster import ClusterSelector
from .greedy import GreedySelector
from .ordering import OrderingSelector
from .weights import WeightSelector

__all__ = [
    "AllocationSelector",
    "AutoSelector",
    "ClusterSelector",
    "FirstSelector",
    "GreedySelector",
    "ILPSelector",
    "OrderingSelector",
    "Problem",
    "RandomSelector",
    "Selector",
    "WeightSelector",
    "make_selector",
    "register_selector",
]

# Imported when first used: integer programming brings PuLP with it.
register_selector("ilp", "ensprune.selectors.ilp:ILPSelector")


def __getattr__(name: str) -> Any:
    if name == "ILPSelector":
        from .ilp import ILPSelector

        return ILPSelector
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
