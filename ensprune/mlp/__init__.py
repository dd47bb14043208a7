"""Weight-level pruning of multi-layer perceptrons: sparse and narrow networks."""

from typing import TYPE_CHECKING, Any

from ensprune.mlp.compress import compress
from ensprune.mlp.criteria import weight_scores
from ensprune.mlp.ensemble import prune_member_weights
from ensprune.mlp.finetune import finetune
from ensprune.mlp.l0_program import l0_program
from ensprune.mlp.l1_program import l1_program
from ensprune.mlp.layer import PrunedLayer, prune_layer
from ensprune.mlp.neurons import neuron_scores, remove_dead_neurons, remove_neurons
from ensprune.mlp.obs import obs_eliminate, obs_prune, reconstruct
from ensprune.mlp.path import SparsityPath, SparsityStep
from ensprune.mlp.pruner import MLPPruner
from ensprune.mlp.schedules import schedule_fractions
from ensprune.mlp.scopes import erk_sparsities
from ensprune.mlp.sensitivity import sensitivity

if TYPE_CHECKING:
    from ensprune.inspection.sensitivity import SensitivityDisplay

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
        from ensprune.inspection.sensitivity import SensitivityDisplay

        return SensitivityDisplay
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
