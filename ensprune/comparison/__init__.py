"""Pruned ensembles beside the full ones, and beside what training fewer members gives.

``families.py`` has the ensembles and their baselines, ``competitors.py`` fits and scores,
``table.py`` prints.
"""

from .competitors import COMPETITORS, Comparison, Task, compare, row_groups, split
from .families import KINDS, Family, families, family_of
from .table import byte_size, table

__all__ = [
    "COMPETITORS",
    "KINDS",
    "Comparison",
    "Family",
    "Task",
    "byte_size",
    "compare",
    "families",
    "family_of",
    "row_groups",
    "split",
    "table",
]
