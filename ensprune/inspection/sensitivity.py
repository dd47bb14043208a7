"""SensitivityDisplay: how the score of a network falls when one layer alone is pruned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.base import is_classifier
from sklearn.frozen import FrozenEstimator

from ..objectives.registry import metric_name
from .drawing import axes_for, finish

if TYPE_CHECKING:
    import pandas as pd


class SensitivityDisplay:
    """One curve of score against sparsity for each layer of a network.

    Make one by :meth:`from_estimator`, or from a frame that :func:`ensprune.mlp.sensitivity` made.

    Parameters
    ----------
    frame : pandas.DataFrame of shape (n_sparsities, n_layers)
        Scores; the index is the sparsity.
    metric : str, default="score"
        What the scores are called.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D
        One for each layer.
    """

    def __init__(self, frame: pd.DataFrame, metric: str = "score") -> None:
        self.frame = frame
        self.metric = metric

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any, *, ax: Any = None, **options: Any
    ) -> SensitivityDisplay:
        """Compute :func:`ensprune.mlp.sensitivity` and draw it.

        Parameters
        ----------
        estimator : MLPClassifier, MLPRegressor or MLPPruner
            Fitted. Of a pruner, the full network is looked at.
        X : array-like of shape (n_samples, n_features)
            Rows to score on.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their labels or values.
        ax : matplotlib Axes, default=None
            None makes a new figure.
        **options
            Keyword arguments of :func:`ensprune.mlp.sensitivity`: ``sparsities``, ``criterion``,
            ``scoring`` and others.

        Returns
        -------
        SensitivityDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError, ValueError
            As :func:`ensprune.mlp.sensitivity`.
        """
        from ..mlp.sensitivity import sensitivity

        if isinstance(estimator, FrozenEstimator):
            estimator = estimator.estimator
        estimator = getattr(estimator, "estimator_", estimator)
        frame = sensitivity(estimator, X, y, **options)
        scoring = options.get("scoring")
        if scoring is None:
            scoring = "accuracy" if is_classifier(estimator) else "r2"
        return cls(frame, metric_name(scoring, scoring)).plot(ax=ax)

    def plot(self, ax: Any = None) -> SensitivityDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        SensitivityDisplay
            Itself, with ``ax_``, ``figure_`` and ``lines_`` set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = axes_for(self, ax, figsize=(6.4, 4.2))
        from matplotlib.ticker import PercentFormatter

        self.lines_ = [
            ax.plot(self.frame.index, self.frame[name], marker="o", markersize=3, label=name)[0]
            for name in self.frame.columns
        ]
        ax.xaxis.set_major_formatter(PercentFormatter(1.0))
        finish(self, ax, "Zero weights in this layer, all others whole", self.metric)
        return self
