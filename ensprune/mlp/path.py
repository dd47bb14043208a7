"""The path of a weight pruning: sparsity, size and score after every step."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

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

    def to_frame(self) -> pd.DataFrame:
        """Return the path as a DataFrame with columns sparsity, n_weights, score_cut, score."""
        import pandas as pd

        return pd.DataFrame([asdict(step) for step in self.steps])
