"""Single decision trees, whatever library grew them: reading them, and building them smaller.

One file per engine. How many trees an ensemble has and how they add up is ``members/``, which nodes
may go is ``compaction/``.
"""

from .structure import Tree, TreeCut

__all__ = ["Tree", "TreeCut"]
