"""What it costs to collapse a subtree: the rise of the loss, to second order, for all at once.

The loss is a proxy that fits the ensemble's link: squared error, log-loss, Poisson deviance. Which
metric decides where to stop is no matter of this module.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..link import Exp, Link, Logistic, LogisticValue, Softmax
from .grove import Grove

# Share of a rise that the training weights in the leaves predict if the ensemble is right; the rest
# is read off the labelled rows, which are few in most nodes: on most sets tried, none and half of it
# did worse.
PRIOR = 0.75


@dataclass(frozen=True)
class Loss:
    """A loss of the raw score, per row, with first and second derivatives.

    Parameters
    ----------
    link : Link
    target : ndarray of shape (n_samples, n_outputs)
        Numbers, or indicators of the classes (of the second one where there is one output).
    weight : ndarray of shape (n_samples,)
        Weights of the rows; mean 1.
    """

    link: Link
    target: np.ndarray
    weight: np.ndarray

    def slopes(self, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First and second derivative by the raw score, each of shape (n_samples, n_outputs)."""
        scale = getattr(self.link, "scale", 1.0)
        if isinstance(self.link, Logistic | Softmax):
            p = self.link.proba(raw.T)[-raw.shape[1] :].T
            first, second = scale * (p - self.target), scale**2 * p * (1 - p)
        elif isinstance(self.link, LogisticValue):
            p = self.link.values(raw.T)[:, None]
            first, second = p - self.target, p * (1 - p)
        elif isinstance(self.link, Exp):
            mean = self.link.values(raw.T)[:, None]
            first, second = mean - self.target, mean
        else:
            first, second = raw - self.target, np.ones_like(raw)
        return first * self.weight[:, None], second * self.weight[:, None]


class Evidence:
    """Labelled rows against which nodes are judged.

    Parameters
    ----------
    grove : Grove
    loss : Loss
    offset : ndarray of shape (n_samples, n_outputs)
        The raw score without any tree.
    unseen : ndarray of shape (n_trees, n_samples), dtype bool, default=None
        Where each tree may be judged: the rows it was not trained on. The raw score of a row is
        then the mean over those trees. None is everywhere.
    prior : float, default=PRIOR
        Weight of what the training rows say.
    """

    def __init__(
        self,
        grove: Grove,
        loss: Loss,
        offset: np.ndarray,
        unseen: np.ndarray | None = None,
        prior: float = PRIOR,
    ):
        self.grove = grove
        self.loss = loss
        self.offset = offset
        self.prior = prior
        self.judged = grove.reached
        self.speaks = np.ones(len(offset))  # share of the ensemble that speaks for a row
        if unseen is not None:
            weights = np.array([tree.scale for tree in grove.trees])
            self.speaks = weights @ unseen / weights.sum()
            tree_of = np.repeat(np.arange(len(weights)), np.diff(grove.roots))
            at = grove.reached.tocoo()
            kept = unseen[tree_of[at.row], at.col]
            self.judged = type(grove.reached)(
                (at.data[kept], (at.row[kept], at.col[kept])), shape=at.shape
            )

    def raw(self) -> np.ndarray:
        """The raw score of each row as the ensemble is now, shape (n_samples, n_outputs)."""
        added = self.judged.T @ self.grove.adds[self.grove.owner]
        spoken = np.maximum(self.speaks, np.finfo(float).tiny)[:, None]
        return self.offset + added / spoken

    def slopes(self) -> tuple[np.ndarray, np.ndarray]:
        """Derivatives of the loss at each row; zero where no tree speaks."""
        first, second = self.loss.slopes(self.raw())
        silent = self.speaks <= 0
        first[silent] = 0.0
        second[silent] = 0.0
        return first, second

    def rises(self) -> np.ndarray:
        """How much the loss over all rows rises with each node collapsed alone, (n_nodes,)."""
        grove = self.grove
        first, second = self.slopes()
        now = grove.adds[grove.owner]
        rise = np.zeros(len(now))
        for k in range(now.shape[1]):
            g = self.judged @ first[:, k]
            h = self.judged @ second[:, k]
            h_before = second[:, k].sum() * grove.share
            h = (1 - self.prior) * h + self.prior * h_before
            g *= 1 - self.prior
            d = now[:, k]
            sums = grove.up(np.column_stack([g, h, g * d, h * d, h * d**2]))
            v = grove.adds[:, k]
            g, h, gd, hd, hdd = sums.T
            rise += v * g - gd + 0.5 * (v**2 * h - 2 * v * hd + hdd)
        return rise
