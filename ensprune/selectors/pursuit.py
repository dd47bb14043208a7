"""Orthogonal matching pursuit over boosting stages, with non-negative weights.

Dropping a stage of a sum shifts the raw score, so stages are chosen together with weights: each
step adds the stage that promises the largest decrease of the loss and re-fits all weights.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.optimize import minimize, nnls

from ..combiner import affine
from ..link import Identity, Logistic
from ..objectives.base import normalised_weights
from ..objectives.convex import ConvexLoss
from ..objectives.targets import link_target
from ..path import PathPoint
from ..storage import blocks_of, is_on_disk, release, samples_of
from .base import Problem

# Weights below this share of the largest are zero: the stage is left out again.
_NEGLIGIBLE = 1e-9

# Bytes of stages that are looked at together.
_BLOCK_BYTES = 1 << 22

# Bytes of stages in a file that are held in memory while weights are fitted to them.
_HELD_BYTES = 1 << 24

# Share of the whole ensemble's prediction in what the stages are fitted to; the rest is the label.
_TRUST = 2.0 / 3.0


def _loss_of(problem: Problem) -> ConvexLoss:
    combiner = problem.combiner
    weight = normalised_weights(problem.sample_weight, problem.outputs.shape[2])
    target = link_target(problem.y, combiner)
    if combiner.kind == "sum":
        target = (1 - _TRUST) * target + _TRUST * _whole(problem)
    return ConvexLoss(combiner.link, target, weight)


def _whole(problem: Problem) -> np.ndarray:
    """The whole ensemble's own predictions, shaped like the target."""
    link = problem.combiner.link
    raw = problem.combiner.raw(problem.outputs)
    if problem.combiner.classes is None:
        return link.values(raw)[None]
    proba = link.proba(raw)
    return proba[1:] if isinstance(link, Logistic) else proba


def pursue(problem: Problem, per_cost: bool = False) -> tuple[list[PathPoint], bool]:
    """Choose stages and their weights.

    Parameters
    ----------
    problem : Problem
        Its combiner is a sum, or a vote whose total weight is then free. The loss is the one the
        link belongs to, whatever the metric: squared error (identity), log-loss (logistic,
        softmax), Poisson deviance (exponential).
    per_cost : bool, default=False
        Rank stages by decrease per cost.

    Returns
    -------
    points : list of PathPoint
        One per size reached; the objective is minus the loss. Where the budget allows all stages,
        the last is the ensemble as it is.
    complete : bool
        Whether the budget, not the lack of a helpful stage, ended the search.

    Notes
    -----
    Weights are fitted to two thirds of the whole ensemble's own prediction and one third of the
    label: the prediction has no label noise, and few validation samples have much of it.

    With current weights ``w`` on the set ``S``, raw score ``r = offset + sum_S w_t f_t``, gradient
    ``g`` and curvature ``h`` of the loss in ``r``, a stage promises the decrease
    ``<-g, f_t>^2 / (2 <f_t, h f_t>)`` if ``<-g, f_t> > 0``. For squared error ``<f_t, f_t>`` is
    that of the part of ``f_t`` orthogonal to the chosen stages, which makes the promise exact
    (without the sign constraint), and a step costs O(n_members |S|) on the Gram matrix.

    References
    ----------
    Hinton, Vinyals & Dean, "Distilling the knowledge in a neural network", 2015, for the target.
    Pati, Rezaiifar & Krishnaprasad, "Orthogonal matching pursuit", Asilomar 1993. Chen, Billings
    & Luo, "Orthogonal least squares methods and their application to non-linear system
    identification", International Journal of Control 50 (1989). Lozano, Swirszcz & Abe, "Group
    orthogonal matching pursuit for logistic regression", AISTATS 2011.
    """
    loss = _loss_of(problem)
    state: _State = (
        _SquaredState(problem, loss)
        if isinstance(problem.combiner.link, Identity)
        else _LikelihoodState(problem, loss)
    )
    native = affine(problem.combiner).member_weights
    chosen: list[int] = []
    weights = np.zeros(0)
    best: dict[int, PathPoint] = {}
    tried: set[tuple[int, ...]] = set()
    with problem.progress.stage("adding members", problem.most_members()) as stage:
        while True:
            spent = problem.costs[chosen].sum()
            free = problem.fits(spent + problem.costs)
            free[chosen] = False
            free &= native > 0
            if not free.any():
                complete = True
                break
            promise = np.where(free, state.promises(chosen, weights), -np.inf)
            if per_cost:
                # What costs nothing ranks like the cheapest that costs anything.
                promise = promise / np.maximum(
                    problem.costs, problem.costs[problem.costs > 0].min()
                )
            new = int(promise.argmax())
            if not promise[new] > 0:
                complete = False
                break
            chosen, weights, value = state.refit([*chosen, new], np.append(weights, 0.0))
            key = tuple(sorted(chosen))
            if not chosen or key in tried:
                complete = False
                break
            tried.add(key)
            known = best.get(len(chosen))
            if known is None or -value > known.objective:
                # Votes have learned weights already; a point's weights are factors on those.
                best[len(chosen)] = problem.point(chosen, -value, weights / native[chosen])
            if stage.step():
                complete = True
                break
    if not best and not problem.fits(problem.costs.sum()):
        # No stage helps: the cheapest that is least bad, at its own weight.
        fitting = np.flatnonzero(problem.fits(problem.costs))
        values = []
        for t in fitting:
            values.append(loss.value(state.offset + problem.outputs[t]))
            release(problem.outputs)
        least = int(np.argmin(values))
        return [problem.point([fitting[least]], -values[least])], False
    if problem.fits(problem.costs.sum()):
        # Whoever can afford all stages gets the ensemble as it is, not one fitted anew.
        value = loss.value(problem.combiner.raw(problem.outputs))
        best[problem.n_members] = problem.point(range(problem.n_members), -value)
    return sorted(best.values(), key=lambda point: point.cost), complete


class _State:
    """What both losses share: the offset, and stages whose weight became zero leave again."""

    def __init__(self, problem: Problem, loss: ConvexLoss):
        nothing = np.zeros(problem.outputs.shape[1:])
        self.offset = affine(problem.combiner).shifted(nothing)  # (n_outputs, n_samples)
        self.outputs = problem.outputs
        self.loss = loss

    def promises(self, chosen: list[int], weights: np.ndarray) -> np.ndarray:
        """Expected decrease of the loss by each stage, shape (n_members,); 0 for none."""
        raise NotImplementedError

    def weights_for(self, chosen: list[int], start: np.ndarray) -> tuple[np.ndarray, float]:
        """Non-negative weights of least loss, and that loss."""
        raise NotImplementedError

    def refit(self, chosen: list[int], start: np.ndarray) -> tuple[list[int], np.ndarray, float]:
        weights, value = self.weights_for(chosen, start)
        keep = weights > _NEGLIGIBLE * max(weights.max(), 1e-300)
        return [t for t, kept in zip(chosen, keep, strict=True) if kept], weights[keep], value


class _SquaredState(_State):
    """Squared error: everything follows from the Gram matrix of the stages."""

    def __init__(self, problem: Problem, loss: ConvexLoss):
        super().__init__(problem, loss)
        n_members = len(self.outputs)
        self.residual = loss.target - self.offset
        self.gram = np.zeros((n_members, n_members))
        self.pull = np.zeros(n_members)
        for block in blocks_of(self.outputs.shape[2], 8 * n_members, _BLOCK_BYTES):
            # Values may be large against residuals: float64 keeps the difference.
            rows = samples_of(self.outputs[:, 0], block, np.float64)
            weighted = rows * loss.weight[block]
            self.gram += weighted @ rows.T
            self.pull += weighted @ self.residual[0, block]
        self.constant = float(loss.weight @ (self.residual**2)[0])

    def promises(self, chosen: list[int], weights: np.ndarray) -> np.ndarray:
        slope = self.pull - self.gram[:, chosen] @ weights
        left = np.diag(self.gram).copy()
        if chosen:
            inner = self.gram[np.ix_(chosen, chosen)]
            across = self.gram[chosen]
            left -= (across * np.linalg.lstsq(inner, across, rcond=None)[0]).sum(axis=0)
        floor = 1e-10 * np.diag(self.gram).max()
        helps = (slope > 0) & (left > floor)
        return np.where(helps, slope**2 / np.where(helps, left, 1.0), 0.0)

    def weights_for(self, chosen: list[int], start: np.ndarray) -> tuple[np.ndarray, float]:
        inner = self.gram[np.ix_(chosen, chosen)]
        pull = self.pull[chosen]
        # w'Gw - 2 p'w = |L'w - L^-1 p|^2 up to a constant.
        values, vectors = np.linalg.eigh(inner)
        values = np.maximum(values, 1e-12 * max(values.max(), 1e-300))
        root = vectors * np.sqrt(values)
        weights, _ = nnls(root.T, (vectors / np.sqrt(values)).T @ pull)
        loss = self.constant - 2 * pull @ weights + weights @ inner @ weights
        return weights, 0.5 * max(float(loss), 0.0)


class _LikelihoodState(_State):
    """Any convex loss: gradients over the samples, weights by L-BFGS-B."""

    def raw(self, chosen: list[int], weights: np.ndarray) -> np.ndarray:
        raw = self.offset.copy()
        for t, weight in zip(chosen, weights, strict=True):
            raw += weight * self.outputs[t].astype(np.float64, copy=False)
            release(self.outputs)
        return raw

    def promises(self, chosen: list[int], weights: np.ndarray) -> np.ndarray:
        gradient, curvature = self.loss.derivatives(self.raw(chosen, weights))
        dtype = self.outputs.dtype
        gradient, curvature = gradient.astype(dtype), curvature.astype(dtype)
        slope, curve = np.empty((2, len(self.outputs)))
        for some in blocks_of(len(self.outputs), gradient.nbytes, _BLOCK_BYTES):
            part = self.outputs[some]
            slope[some] = -np.einsum("tcn,cn->t", part, gradient)
            curve[some] = np.einsum("tcn,tcn,cn->t", part, part, curvature)
            release(part)
        helps = (slope > 0) & (curve > 0)
        return np.where(helps, slope**2 / np.where(helps, 2 * curve, 1.0), 0.0)

    def weights_for(self, chosen: list[int], start: np.ndarray) -> tuple[np.ndarray, float]:
        n_outputs, n_samples = self.offset.shape
        bytes_of_sample = 8 * len(chosen) * n_outputs
        blocks = blocks_of(n_samples, bytes_of_sample, _BLOCK_BYTES)
        held = None
        if not is_on_disk(self.outputs) or bytes_of_sample * n_samples <= _HELD_BYTES:
            held = [self._stages(chosen, block) for block in blocks]

        def stages() -> Iterator[tuple[slice, np.ndarray]]:
            parts = (self._stages(chosen, block) for block in blocks) if held is None else held
            return zip(blocks, parts, strict=True)

        def value_and_slope(weights: np.ndarray) -> tuple[float, np.ndarray]:
            raw = self.offset.copy()
            for block, part in stages():
                raw[:, block] += (weights @ part).reshape(n_outputs, -1)
            value, gradient = self.loss.value_and_gradient(raw)
            slope = np.zeros(len(chosen))
            for block, part in stages():
                slope += part @ gradient[:, block].ravel()
            return value, slope

        found = minimize(
            value_and_slope,
            np.where(start > 0, start, 1.0 if len(chosen) == 1 else 0.5),
            jac=True,
            method="L-BFGS-B",
            bounds=[(0.0, None)] * len(chosen),
            options={"maxiter": 100},
        )
        return found.x, float(found.fun)

    def _stages(self, chosen: list[int], block: slice) -> np.ndarray:
        """What chosen stages add in a block of samples, (n_chosen, n_outputs * n_block), float64."""
        stages = np.empty((len(chosen), len(self.offset), block.stop - block.start))
        for stage, t in zip(stages, chosen, strict=True):
            stage[...] = self.outputs[t, :, block]
            release(self.outputs)
        return stages.reshape(len(chosen), -1)
