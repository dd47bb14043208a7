"""Pictures and reports of what was pruned; matplotlib is imported only to draw."""

from .kappa_error import KappaErrorDisplay
from .path import PruningPathDisplay
from .report import PruningReport
from .sensitivity import SensitivityDisplay
from .similarity import MemberSimilarityDisplay

__all__ = [
    "KappaErrorDisplay",
    "MemberSimilarityDisplay",
    "PruningPathDisplay",
    "PruningReport",
    "SensitivityDisplay",
]
