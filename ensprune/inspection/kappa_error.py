"""KappaErrorDisplay: how much pairs of members differ, and how wrong they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..selectors.ordering.agreement import pairwise_kappa
from .drawing import ABOVE, BLUE, GREY, axes_for, finish
from .pairs import Company


class KappaErrorDisplay:
    """The kappa-error diagram: a point for every pair of members.

    To the left are pairs that differ, at the bottom those that are right: an ensemble wants both,
    and members seldom offer both. Make one by :meth:`from_estimator`.

    Parameters
    ----------
    kappa : ndarray of shape (n_members, n_members)
        Cohen's kappa of each pair.
    error : ndarray of shape (n_members,)
        Error rate of each member.
    kept : ndarray of int, default=None
        Members whose pairs are drawn apart.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    References
    ----------
    Margineantu & Dietterich, "Pruning adaptive boosting", ICML 1997.
    """

    def __init__(self, kappa: np.ndarray, error: np.ndarray, kept: np.ndarray | None = None):
        self.kappa = kappa
        self.error = error
        self.kept = kept

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        out_of_bag: bool = False,
        n_jobs: int | None = None,
        ax: Any = None,
    ) -> KappaErrorDisplay:
        """Compare the members of a fitted pruner or ensemble on labelled rows, and draw.

        Parameters
        ----------
        estimator : EnsemblePruner or ensemble
            Fitted classifier that averages or votes. Of a pruner, the members of the full ensemble
            are compared, and pairs of those it kept are drawn apart.
        X : array-like of shape (n_samples, n_features)
            Rows that the members were not trained on, unless ``out_of_bag``.
        y : array-like of shape (n_samples,)
            Their labels.
        out_of_bag : bool, default=False
            ``X`` are the training rows; a member's error is of those it has not seen, and kappa of
            those that neither of the pair has.
        n_jobs : int, default=None
            Threads for reading members.
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        KappaErrorDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError
            If members give no labels.
        ValueError
            If nothing is out of bag.
        """
        company = Company.of(estimator)
        problem = company.on_rows(X, y, out_of_bag, n_jobs, cls.__name__)
        ballots = company.ballots(problem, cls.__name__)
        return cls(pairwise_kappa(ballots), 1.0 - ballots.accuracy, company.kept).plot(ax=ax)

    def plot(self, ax: Any = None) -> KappaErrorDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        KappaErrorDisplay
            Itself, with ``ax_`` and ``figure_`` set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = axes_for(self, ax, figsize=(6.4, 4.8))
        everyone = np.arange(len(self.error))
        self._cloud(ax, everyone, "all pairs", GREY, 0)
        if self.kept is not None:
            self._cloud(ax, np.asarray(self.kept), "pairs of kept members", BLUE, 1)
        finish(self, ax, "Cohen's kappa of the pair", "Mean error rate of the pair", **ABOVE)
        return self

    def _cloud(self, ax: Any, members: np.ndarray, name: str, colour: str, layer: int) -> None:
        first, second = (members[some] for some in np.triu_indices(len(members), 1))
        kappa, error = self.kappa[first, second], (self.error[first] + self.error[second]) / 2
        # Many points make a picture of points, not a file of them.
        ax.scatter(
            kappa,
            error,
            s=float(np.clip(2e4 / max(len(kappa), 1), 4, 25)),
            color=colour,
            alpha=0.35 if layer == 0 else 0.7,
            linewidths=0,
            rasterized=True,
            label=f"{name} ({len(kappa):,})",
            zorder=2 + layer,
        )
        if len(kappa):
            ax.plot(
                kappa.mean(),
                error.mean(),
                marker="D",
                markersize=8,
                markeredgecolor="white",
                markerfacecolor=colour,
                linestyle="",
                label=f"mean of {name}",
                zorder=4 + layer,
            )
