"""Pictures and reports of what was pruned; matplotlib is imported only to draw."""

from .path import PruningPathDisplay
from .report import PruningReport

__all__ = ["PruningPathDisplay", "PruningReport"]
