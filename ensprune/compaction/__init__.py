"""Smaller trees: fewer nodes in the members an ensemble keeps.

``lossless.py`` says which nodes no prediction needs, ``evidence.py`` what collapsing the others
costs, ``collapse.py`` and ``depth.py`` in which order they go, ``compact.py`` where to stop. What a
tree is made of is ``trees/``, what an ensemble is, ``members/``.
"""

from .compact import compact

__all__ = ["compact"]
