"""Smaller trees: fewer nodes in the members an ensemble keeps.

``lossless.py`` says which nodes no prediction needs, ``evidence.py`` what collapsing the others
costs, ``collapse.py`` and ``depth.py`` in which order they go, ``path.py`` what that gives,
``entry.py`` where to stop, ``crossing.py`` how far rows can be believed in that and
``certified.py`` where it is proved. What a tree is made of is ``trees/``, what an ensemble is, ``members/``.
"""

from .entry import compact
from .path import CompactionPoint, compaction_path

__all__ = ["CompactionPoint", "compact", "compaction_path"]
