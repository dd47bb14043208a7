"""Log-loss: only the true class's row of averaged probabilities matters."""

from __future__ import annotations

import numpy as np
from scipy.special import log_expit, logsumexp
from sklearn.metrics import log_loss

from ..combiner import Combiner
from ..link import Logistic, Probability
from .base import register_objective
from .running import LinearObjective


class LogLoss(LinearObjective):
    """Mean log-probability of the true class, clipped as scikit-learn clips it.

    For averaged probabilities the outputs are cut down once to the row of the true class, a
    factor ``n_classes`` less to read at every step; for one margin to that margin with the true
    label's sign.
    """

    def _reduce(
        self, outputs: np.ndarray, offset: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        self._log_eps = float(np.log(np.finfo(self.combiner.dtype).eps))
        self._log_top = float(np.log1p(-np.finfo(self.combiner.dtype).eps))
        link = self.combiner.link
        if isinstance(link, Logistic):
            sign = np.where(self._targets == 1, 1, -1).astype(outputs.dtype)
            return outputs * sign, None if offset is None else offset * sign
        if isinstance(link, Probability):
            at = self._targets, np.arange(self.n_samples)
            rows = np.ascontiguousarray(outputs[:, at[0], at[1]])[:, None]
            return rows, None if offset is None else offset[at][None]
        return outputs, offset

    def _contributions(self, raw: np.ndarray, block: slice) -> np.ndarray:
        link = self.combiner.link
        if isinstance(link, Probability):
            with np.errstate(divide="ignore"):
                logs = np.log(raw[0], out=raw[0])
        elif isinstance(link, Logistic):
            logs = log_expit(link.scale * raw[0])
        else:
            raw *= link.scale
            true = raw[self._targets[block], np.arange(raw.shape[1])]
            logs = true - logsumexp(raw, axis=0)
        return np.clip(logs, self._log_eps, self._log_top, out=logs)


def _has_proba(combiner: Combiner) -> bool:
    return combiner.linear and combiner.has_proba and combiner.classes is not None


register_objective(log_loss, LogLoss, _has_proba)
