"""Cut a fitted ensemble down to a budget: a real, smaller estimator of the same class."""

from typing import TYPE_CHECKING, Any

from .compaction import compact
from .distillation import distill
from .pruner import EnsemblePruner, prune

if TYPE_CHECKING:
    from .leaf_refinement import refine_leaves
    from .mlp import MLPPruner

__all__ = ["EnsemblePruner", "MLPPruner", "compact", "distill", "prune", "refine_leaves"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Neural networks load only for those who prune them.
    if name == "MLPPruner":
        from .mlp import MLPPruner

        return MLPPruner
    if name == "refine_leaves":
        from .leaf_refinement import refine_leaves

        return refine_leaves
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
