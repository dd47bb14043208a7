"""PruningPathDisplay: the score along the path, and where on it the pruned estimator is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..certificate import rounded_up
from .drawing import ABOVE, BLUE, GREEN, ORANGE, axes_for, finish
from .subject import PathCurve, subject_of

# From this ratio of the largest to the smallest size on, the axis is logarithmic.
_LOGARITHMIC = 50

# Points of a path up to which each is marked.
_MARKED = 30


class PruningPathDisplay:
    """Score against size or cost along the path of a pruner.

    Shows the full ensemble, a band of one standard error either way, the point chosen, and what
    is certified of it. Make one by :meth:`from_estimator` or :meth:`from_estimators`.

    Parameters
    ----------
    curves : mapping of str to PathCurve
        What is drawn, and what each is called; one of them is drawn in full detail.
    x : str, default=None
        What the horizontal axis counts: one of the units of the curves, None for the first of
        these. Ensembles have ``"size"`` (members) and ``"cost"``, networks ``"sparsity"`` and
        ``"n_weights"``.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D
        One for each curve.

    Raises
    ------
    ValueError
        If ``x`` is none of the units, or the curves have different units or metrics.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from ensprune import EnsemblePruner
    >>> from ensprune.inspection import PruningPathDisplay
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> pruner = EnsemblePruner(RandomForestClassifier(random_state=0)).fit(X, y)
    >>> display = PruningPathDisplay.from_estimator(pruner)  # doctest: +SKIP
    """

    def __init__(self, curves: Mapping[str, PathCurve], x: str | None = None):
        self.curves = curves
        first = next(iter(curves.values()))
        for curve in curves.values():
            if curve.metric != first.metric or set(curve.units) != set(first.units):
                raise ValueError(
                    f"the paths of {first.name} and {curve.name} are of {first.metric} against "
                    f"{list(first.units)} and of {curve.metric} against {list(curve.units)}; "
                    "draw together what has the same metric and units"
                )
        if x is not None and not (isinstance(x, str) and x in first.units):
            raise ValueError(f"x={x!r} is no unit of this path; give one of {list(first.units)}")
        self.x = next(iter(first.units)) if x is None else x

    @classmethod
    def from_estimator(
        cls, pruner: Any, *, x: str | None = None, ax: Any = None
    ) -> PruningPathDisplay:
        """Draw the path of one fitted pruner.

        Parameters
        ----------
        pruner : EnsemblePruner or MLPPruner
            Fitted.
        x : str, default=None
            ``"size"`` or ``"cost"`` (networks: ``"sparsity"`` or ``"n_weights"``); None is the
            first of these.
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        PruningPathDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        sklearn.exceptions.NotFittedError
            If the pruner is not fitted.
        """
        curve = subject_of(pruner).curve
        return cls({curve.name: curve}, x).plot(ax=ax)

    @classmethod
    def from_estimators(
        cls,
        pruners: Mapping[str, Any] | Iterable[Any],
        *,
        x: str | None = None,
        ax: Any = None,
    ) -> PruningPathDisplay:
        """Draw the paths of several fitted pruners, such as one for each selector.

        Parameters
        ----------
        pruners : mapping of str to pruner, or iterable of pruner
            Fitted, all with the same ``scoring``. Without names they are called by their
            selectors (networks: criteria).
        x : str, default=None
            As in :meth:`from_estimator`.
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        PruningPathDisplay
        """
        if not isinstance(pruners, Mapping | Iterable):
            raise TypeError(
                f"pruners={pruners!r} is no collection; give a list of fitted pruners, or a mapping "
                "of names to them"
            )
        if not isinstance(pruners, Mapping):
            pruners = _named(list(pruners))
        if not pruners:
            raise ValueError("pruners is empty; give at least one fitted pruner")
        curves = {name: subject_of(pruner).curve for name, pruner in pruners.items()}
        return cls(curves, x).plot(ax=ax)

    def plot(self, ax: Any = None) -> PruningPathDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        PruningPathDisplay
            Itself, with ``ax_``, ``figure_`` and ``lines_`` set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = axes_for(self, ax, figsize=(7, 4.2))
        curves = list(self.curves.values())
        alone = len(curves) == 1
        self.lines_ = []
        for position, (name, curve) in enumerate(self.curves.items()):
            colour = BLUE if alone else f"C{position}"
            label = "sub-ensembles on the path" if "size" in curve.units else "steps of the path"
            self.lines_.append(self._path(ax, curve, colour, label if alone else name, alone))
        if alone:
            self._certified(ax, curves[0])
        self._full(ax, curves, alone)
        for curve, line in zip(curves, self.lines_, strict=True):
            self._chosen(ax, curve, ORANGE if alone else line.get_color(), alone)
        self._axes(ax, curves)
        return self

    def _path(self, ax: Any, curve: PathCurve, colour: str, label: str, alone: bool) -> Any:
        points = curve.points
        x, score = points[self.x].to_numpy(), points["score"].to_numpy()
        marker = "." if len(x) <= _MARKED else ""
        (line,) = ax.plot(x, score, color=colour, marker=marker, label=label, zorder=3)
        se = points["score_se"].to_numpy()
        if np.isfinite(se).any():
            shade = 0.15 if alone else 0.08
            band = ax.fill_between(
                x, score - se, score + se, color=colour, alpha=shade, linewidth=0
            )
            if alone:
                band.set_label("± 1 standard error")
        refined = points["score_refined"].notna().to_numpy()
        if refined.any():
            ax.plot(
                x[refined],
                points["score_refined"][refined],
                color=colour,
                marker="+",
                linestyle=":",
                label="the same, refined" if alone else None,
                zorder=3,
            )
        return line

    def _full(self, ax: Any, curves: list[PathCurve], alone: bool) -> None:
        """A line at the full ensemble's score, one for all where it is the same."""
        scores = list(dict.fromkeys(curve.score_full for curve in curves))
        whole = "all members" if "size" in curves[0].units else "whole network"
        for position, score in enumerate(scores):
            label = None if position else whole
            if alone:
                label = f"{whole}: {score:.4g}"
            colour = "black" if len(scores) == 1 else self.lines_[position].get_color()
            ax.axhline(score, color=colour, linestyle="--", linewidth=1, label=label, zorder=2)

    def _certified(self, ax: Any, curve: PathCurve) -> None:
        certificate = curve.certificate
        if certificate is None or not np.isfinite(certificate.bound):
            return
        chosen = curve.chosen[self.x]
        sure = f"({100 * certificate.confidence:g} % confidence)"
        if certificate.tolerance is None:
            bound = rounded_up(certificate.bound)
            said = f"{bound:g} lost at most" if bound >= 0 else f"{-bound:g} gained at least"
            ax.vlines(
                chosen,
                curve.score_full - certificate.bound,
                curve.score_full,
                color=GREEN,
                linewidth=7,
                alpha=0.4,
                label=f"certified: {said} {sure}",
                zorder=2,
            )
        elif certificate.size < certificate.size_full:
            ax.axvspan(
                chosen,
                curve.totals[self.x],
                color=GREEN,
                alpha=0.12,
                linewidth=0,
                label=f"certified: {certificate.tolerance:g} lost at most {sure}",
                zorder=0,
            )
            low = curve.score_full - certificate.tolerance
            ax.axhline(low, color=GREEN, linestyle=":", linewidth=1, zorder=1)

    def _chosen(self, ax: Any, curve: PathCurve, colour: Any, alone: bool) -> None:
        label = None
        x = curve.chosen[self.x]
        unit = curve.units[self.x].lower()
        if alone and self.x == "sparsity":
            label = f"chosen: {100 * x:.1f} % {unit}"
        elif alone:
            label = f"chosen: {_number(x)} of {_number(curve.totals[self.x])} {unit}"
        if label and curve.off_path:
            label = f"retrained: {_number(x)} {unit}"
        ax.plot(
            x,
            curve.score_pruned,
            marker="o",
            markersize=9,
            markeredgecolor="white",
            color=colour,
            linestyle="",
            label=label,
            zorder=4,
        )

    def _axes(self, ax: Any, curves: list[PathCurve]) -> None:
        first = curves[0]
        sizes = np.concatenate([curve.points[self.x].to_numpy() for curve in curves])
        if sizes.min() > 0 and sizes.max() / sizes.min() >= _LOGARITHMIC:
            from matplotlib.ticker import LogLocator, StrMethodFormatter

            ax.set_xscale("log")
            ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            ax.xaxis.set_minor_locator(LogLocator(subs=()))
            if sizes.min() >= 1:
                ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        elif self.x == "sparsity":
            from matplotlib.ticker import PercentFormatter

            ax.xaxis.set_major_formatter(PercentFormatter(1.0))
        elif sizes.max() >= 10:
            from matplotlib.ticker import MaxNLocator, StrMethodFormatter

            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
            ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        units = list(dict.fromkeys(curve.units[self.x] for curve in curves))
        rows = list(dict.fromkeys(curve.rows for curve in curves))
        metric = f"{first.metric}\n({' / '.join(rows)})"
        finish(self, ax, " / ".join(units), metric, columnspacing=1.2, **ABOVE)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == round(value) else f"{value:.3g}"


def _named(pruners: list[Any]) -> dict[str, Any]:
    """Pruners by selector or criterion, numbered where these are the same."""
    named: dict[str, Any] = {}
    for pruner in pruners:
        how = getattr(pruner, "selector", None) or getattr(pruner, "criterion", "")
        name = how if isinstance(how, str) else repr(how)
        name = name or type(pruner).__name__
        alike = sum(known == name or known.startswith(f"{name} (") for known in named)
        named[name if not alike else f"{name} ({alike + 1})"] = pruner
    return named
