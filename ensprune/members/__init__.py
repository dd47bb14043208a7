"""Adapters: one file per ensemble family says how to read its members and how to cut it.

An adapter never sees a metric. Third parties add a family from outside with
``open_members.register(TheirEnsemble)``.
"""

from . import (
    adaboost,
    bagging,
    boosting,
    calibrated,
    forest,
    hist_boosting,
    stacking,
    voting,
    wrappers,
)
from .base import Members
from .opening import open_members

__all__ = ["Members", "open_members"]

# Importing the modules registered their families; the names themselves are not public.
del adaboost, bagging, boosting, calibrated, forest, hist_boosting, stacking, voting, wrappers
