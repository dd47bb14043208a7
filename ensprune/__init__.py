"""Cut a fitted ensemble down to a budget: a real, smaller estimator of the same class."""

from .pruner import EnsemblePruner, prune

__all__ = ["EnsemblePruner", "prune"]
__version__ = "0.1.0"
