"""Weight-level pruning of multi-layer perceptrons: sparse and narrow networks."""

from typing import TYPE_CHECKING, Any

from .compress import compress
from .criteria import weight_scores
from .ensemble import prune_member_weights
from .finetune import finetune
from .l0_program import l0_program
from .l1_program import l1_program
from .layer import PrunedLayer, prune_layer
from .neurons import neuron_scores, remove_dead_neurons, remove_neurons
from .obs import obs_eliminate, obs_prune, reconstruct
from .path import SparsityPath, SparsityStep
from .pruner import MLPPruner
from .schedules import schedule_fractions
from .scopes import erk_sparsities
from .sensitivity import sensitivity

if TYPE_CHECKING:
    from ..inspection.sensitivity import SensitivityDisplay

__all__ = [
    "MLPPruner",
    "PrunedLayer",
    "SensitivityDisplay",
    "SparsityPath",
    "SparsityStep",
    "compress",
    "erk_sparsities",
    "finetune",
    "l0_program",
    "l1_program",
    "neuron_scores",
    "obs_eliminate",
    "obs_prune",
    "prune_layer",
    "prune_member_weights",
    "reconstruct",
    "remove_dead_neurons",
    "remove_neurons",
    "schedule_fractions",
    "sensitivity",
    "weight_scores",
]


def __getattr__(name: str) -> Any:
    # Pictures are drawn elsewhere, and networks do not import what draws them.
    if name == "SensitivityDisplay":
        from ..inspection.sensitivity import SensitivityDisplay

        return SensitivityDisplay
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
