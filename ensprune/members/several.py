"""Ensembles that were fitted on several targets, of which none can be pruned for all."""

from __future__ import annotations

from typing import Any


def several_targets(model: Any, how_many: int | str = "several") -> ValueError:
    """The error that says so."""
    return ValueError(
        f"{type(model).__name__} was fitted on {how_many} targets; pruning needs a single one: "
        "fit one ensemble per target"
    )
