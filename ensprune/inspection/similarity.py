"""MemberSimilarityDisplay: which members say the same, and which of these were kept."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from ..arguments import check_option
from ..selectors.ordering.agreement import pairwise_agreement, pairwise_kappa
from .drawing import ORANGE, axes_for
from .pairs import Company, pairwise_correlation

_MEASURES = {
    "agreement": "Share of rows with the same label",
    "kappa": "Cohen's kappa",
    "correlation": "Correlation",
}

_ORDERS = ("cluster", "members", "kept")

# Members up to which each is numbered.
_NUMBERED = 25


class MemberSimilarityDisplay:
    """A matrix of how alike the members are, the kept ones marked.

    Make one by :meth:`from_estimator`.

    Parameters
    ----------
    similarity : ndarray of shape (n_members, n_members)
        1 on the diagonal; NaN where two members cannot be compared.
    kept : ndarray of int, default=None
        Members to mark.
    measure : {"agreement", "kappa", "correlation"}, default="agreement"
        What ``similarity`` is, for the scale's name.
    order : {"cluster", "members", "kept"}, default="cluster"
        Members next to those like them, by average linkage; in their own order; or the kept ones
        first, in the order they were chosen.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    image_ : matplotlib AxesImage
    order_ : ndarray of int
        Members from left to right.
    """

    def __init__(
        self,
        similarity: np.ndarray,
        kept: np.ndarray | None = None,
        measure: str = "agreement",
        order: str = "cluster",
    ):
        check_option("measure", measure, _MEASURES)
        check_option("order", order, _ORDERS)
        self.similarity = similarity
        self.kept = kept
        self.measure = measure
        self.order = order

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        measure: str = "auto",
        order: str = "cluster",
        out_of_bag: bool = False,
        n_jobs: int | None = None,
        ax: Any = None,
    ) -> MemberSimilarityDisplay:
        """Compare the members of a fitted pruner or ensemble on some rows, and draw.

        Parameters
        ----------
        estimator : EnsemblePruner or ensemble
            Fitted. Of a pruner, the members of the full ensemble are compared, and those it kept
            are marked.
        X : array-like of shape (n_samples, n_features)
            Rows that the members were not trained on, unless ``out_of_bag``.
        y : array-like of shape (n_samples,), default=None
            For correlations of regressors: with the target values the errors are compared,
            without them the predictions, which are all alike where members predict well.
        measure : {"auto", "agreement", "kappa", "correlation"}, default="auto"
            ``"agreement"``: share of rows on which two members give the same label. ``"kappa"``:
            the same beyond chance. ``"correlation"``: of what the members output. ``"auto"``:
            agreement where members give labels, else correlation.
        order : {"cluster", "members", "kept"}, default="cluster"
            As in :class:`MemberSimilarityDisplay`.
        out_of_bag : bool, default=False
            ``X`` are the training rows, and two members are compared on those that neither has
            seen.
        n_jobs : int, default=None
            Threads for reading members.
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        MemberSimilarityDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError
            If labels are to be compared and members give none.
        ValueError
            If a parameter is none of the above, or nothing is out of bag.
        """
        check_option("measure", measure, ("auto", *_MEASURES))
        check_option("order", order, _ORDERS)
        company = Company.of(estimator)
        problem = company.on_rows(X, y, out_of_bag, n_jobs, cls.__name__)
        combiner = problem.combiner
        if measure == "auto":
            # A single stage of boosting, alone or inside another ensemble, hardly decides a label.
            labels = combiner.classes is not None and combiner.kind not in ("sum", "nested")
            measure = "agreement" if labels else "correlation"
        if measure == "correlation":
            values = problem.outputs
            if y is not None and combiner.classes is None and combiner.kind != "sum":
                values = values - problem.y
            speaks = problem.mask
            if speaks is not None:
                speaks = np.repeat(speaks[:, None, :], values.shape[1], axis=1).reshape(
                    len(values), -1
                )
            similarity = pairwise_correlation(values.reshape(len(values), -1), speaks)
        else:
            ballots = company.ballots(problem, f"measure={measure!r}")
            if measure == "kappa":
                similarity = pairwise_kappa(ballots)
            else:
                similarity = pairwise_agreement(ballots)[0]
        return cls(similarity, company.kept, measure, order).plot(ax=ax)

    def plot(self, ax: Any = None, *, cmap: Any = "viridis") -> MemberSimilarityDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.
        cmap : str or matplotlib Colormap, default="viridis"
            From the least to the most alike.

        Returns
        -------
        MemberSimilarityDisplay
            Itself, with ``ax_``, ``figure_``, ``image_`` and ``order_`` set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = axes_for(self, ax, figsize=(6.4, 5.6))
        n_members = len(self.similarity)
        self.order_ = self._ordered()
        matrix = self.similarity[np.ix_(self.order_, self.order_)]
        # The diagonal is 1 and would take most of the scale.
        others = matrix[~np.eye(n_members, dtype=bool)]
        others = others[np.isfinite(others)]
        limits = (others.min(), others.max()) if len(others) else (0.0, 1.0)
        if limits[1] - limits[0] < 1e-9:
            limits = (limits[0] - 0.5, limits[1] + 0.5)
        self.image_ = ax.imshow(matrix, cmap=cmap, vmin=limits[0], vmax=limits[1])
        ax.figure.colorbar(
            self.image_, ax=ax, label=_MEASURES[self.measure], extend="max", shrink=0.85, pad=0.06
        )
        self._mark(ax)
        if n_members <= _NUMBERED:
            ax.set_xticks(range(n_members), self.order_, rotation=90)
            ax.set_yticks(range(n_members), self.order_)
        elif self.order != "members":
            ax.set_xticks([])
            ax.set_yticks([])
        how = {
            "cluster": "next to those like them",
            "members": "in their own order",
            "kept": "kept ones first",
        }[self.order]
        ax.set(xlabel=f"{n_members:,} members, {how}", ylabel="The same members")
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _ordered(self) -> np.ndarray:
        everyone = np.arange(len(self.similarity))
        if self.order == "kept" and self.kept is not None:
            return np.concatenate([self.kept, np.setdiff1d(everyone, self.kept)]).astype(np.intp)
        if self.order != "cluster" or len(everyone) < 3:
            return everyone
        known = np.nan_to_num(self.similarity, nan=0.0)
        distance = (1.0 - (known + known.T) / 2).clip(0.0)
        np.fill_diagonal(distance, 0.0)
        return leaves_list(linkage(squareform(distance, checks=False), "average"))

    def _mark(self, ax: Any) -> None:
        """Triangles beside the rows and columns of kept members, outside the matrix."""
        if self.kept is None:
            return
        at = np.flatnonzero(np.isin(self.order_, self.kept))
        outside: dict[str, Any] = {"color": ORANGE, "clip_on": False, "linestyle": ""}
        size = float(np.clip(300 / len(self.similarity), 3.0, 7.0))
        ax.plot(
            at,
            np.full(len(at), 1.015),
            marker="v",
            markersize=size,
            transform=ax.get_xaxis_transform(),
            label=f"{len(at):,} kept",
            **outside,
        )
        ax.plot(
            np.full(len(at), 1.015),
            at,
            marker="<",
            markersize=size,
            transform=ax.get_yaxis_transform(),
            **outside,
        )
        ax.legend(
            loc="lower left",
            bbox_to_anchor=(0, 1.02),
            frameon=False,
            borderaxespad=0,
            handletextpad=0.2,
        )
