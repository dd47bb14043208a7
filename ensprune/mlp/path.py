"""The path of a weight pruning: sparsity, size and score after every step."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SparsityStep:
    """One pruning step.

    Parameters
    ----------
    sparsity : float
        Fraction of weights that are zero (structure="weight") or of hidden neurons removed.
    n_weights : int
        Non-zero weights (biases not counted).
    score_cut : float
        Validation score right after the cut, before fine-tuning.
    score : float
        Validation score after fine-tuning.
    """

    sparsity: float
    n_weights: int
    score_cut: float
    score: float


@dataclass(frozen=True)
class SparsityPath:
    """What `MLPPruner` went through, step by step; the first entry is the dense network.

    Parameters
    ----------
    steps : tuple of SparsityStep
    """

    steps: tuple[SparsityStep, ...]

    def __len__(self) -> int:
        return len(self.steps)

    def reaching(self, sparsity: Any, rounding: float = 0.0) -> int:
        """Return the position of the densest step that is as sparse as asked.

        Parameters
        ----------
        sparsity : float in [0, 1)
        rounding : float, default=0.0
            By how much the last step may miss it.

        Raises
        ------
        TypeError
            If `sparsity` is no number.
        ValueError
            If it is outside [0, 1), or no step is as sparse.
        """
        if isinstance(sparsity, bool | np.bool_) or not isinstance(sparsity, Real):
            raise TypeError(f"sparsity={sparsity!r} is no number; give a float in [0, 1).")
        if not 0 <= float(sparsity) < 1:
            raise ValueError(f"sparsity={sparsity!r} must lie in [0, 1).")
        for position, step in enumerate(self.steps):
            if step.sparsity >= float(sparsity) - 1e-9:
                return position
        last = self.steps[-1].sparsity
        if float(sparsity) > last + rounding + 1e-9:
            raise ValueError(
                f"sparsity={sparsity} is more than the path has, which ends at {last:.4g}; fit with "
                "a larger sparsity."
            )
        return len(self.steps) - 1

    def to_frame(self) -> pd.DataFrame:
        """Return the path as a DataFrame with columns sparsity, n_weights, score_cut, score."""
        import pandas as pd

        return pd.DataFrame([asdict(step) for step in self.steps])
