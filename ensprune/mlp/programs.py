"""One layer to a programme: checks what :func:`ensprune.mlp.prune_layer` was asked, then L1 or L0."""

from __future__ import annotations

from typing import Any

import numpy as np

from .l0_program import l0_program
from .l1_program import l1_program


def solve(
    W: np.ndarray,
    X: np.ndarray,
    bias: np.ndarray | None,
    target: np.ndarray,
    keep: np.ndarray | None,
    method: str,
    sparsity: float | None,
    epsilon: float | None,
    *,
    relu: bool,
    margins: bool,
    time_limit: float,
    mip_gap: float,
    n_jobs: int | None,
) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
    """Run a programme for :func:`ensprune.mlp.prune_layer`; weights, bias and what was proven."""
    if keep is not None and not keep.all():
        raise ValueError(f"method={method!r} starts from a dense layer; mask must be None.")
    free_bias = bias is not None
    if method == "l0_program":
        coef, shift, proof = l0_program(
            X, target, W, sparsity=sparsity, epsilon=epsilon, margins=margins,
            intercept=free_bias, time_limit=time_limit, mip_gap=mip_gap,
        )  # fmt: skip
    else:
        coef, shift, proof = l1_program(
            X, target, W, sparsity=sparsity, epsilon=epsilon, relu=relu,
            intercept=free_bias, time_limit=time_limit, n_jobs=n_jobs,
        )  # fmt: skip
    if not coef.any():
        raise ValueError(
            f"the layer of shape {W.shape} would lose all of its weights at epsilon={epsilon}, "
            f"sparsity={sparsity}: its outputs are that close to constant; ask for less."
        )
    return coef, shift if free_bias else None, proof
