"""A small student that learns what an ensemble says, instead of a smaller ensemble.

``synthesis.py`` makes more rows, ``teaching.py`` has the student learn the ensemble's answers.
"""

from .teaching import distill

__all__ = ["distill"]
