"""Cut a fitted ensemble down to a budget: a real, smaller estimator of the same class."""

from importlib import import_module
from importlib.util import find_spec
from threading import RLock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .compaction import compact
    from .distillation import distill
    from .mlp import MLPPruner
    from .pruner import EnsemblePruner, prune
    from .refitting import refine_leaves
    from .shrinking import shrink

__all__ = [
    "EnsemblePruner",
    "MLPPruner",
    "compact",
    "distill",
    "prune",
    "refine_leaves",
    "shrink",
]
__version__ = "0.1.0"

# Loaded when first asked for: the command can then say how it is used, and be interrupted, before
# scikit-learn is there, and networks load only for those who prune them.
_HOMES = {
    "EnsemblePruner": "pruner",
    "MLPPruner": "mlp",
    "compact": "compaction",
    "distill": "distillation",
    "prune": "pruner",
    "refine_leaves": "refitting",
    "shrink": "shrinking",
}
_one_at_a_time = RLock()

if not TYPE_CHECKING:  # where it would vouch for any name

    def __getattr__(name: str) -> Any:
        # Libraries below import each other in circles, which threads may not enter at two ends.
        with _one_at_a_time:
            if name in _HOMES:
                found = getattr(import_module(f".{_HOMES[name]}", __name__), name)
                globals()[name] = found
                return found
            known = name.isidentifier() and not name.startswith("_")
            if known and find_spec(f"{__name__}.{name}") is not None:
                return import_module(f".{name}", __name__)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
