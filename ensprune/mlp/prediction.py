"""What MLPPruner hands on to the pruned network: predictions, score, class labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted


def _network_has(method: str) -> Any:
    def check(pruner: Any) -> bool:
        # Before fitting the given network answers; its AttributeError says what is missing.
        getattr(getattr(pruner, "pruned_estimator_", pruner.estimator), method)
        return True

    return available_if(check)


class PredictsWithPruned:
    """Predicts with ``pruned_estimator_``."""

    estimator: Any
    estimator_: Any
    pruned_estimator_: Any

    @_network_has("predict")
    def predict(self, X: Any) -> np.ndarray:
        """Predict with the pruned network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        check_is_fitted(self)
        return self.pruned_estimator_.predict(X)

    @_network_has("predict_proba")
    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict class probabilities with the pruned network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        check_is_fitted(self)
        return self.pruned_estimator_.predict_proba(X)

    @_network_has("predict_log_proba")
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Predict logarithms of class probabilities with the pruned network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        check_is_fitted(self)
        return self.pruned_estimator_.predict_log_proba(X)

    @_network_has("score")
    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the pruned network's own score: accuracy, or R2 for regression.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        float
        """
        check_is_fitted(self)
        return self.pruned_estimator_.score(X, y, sample_weight)

    @property
    def classes_(self) -> np.ndarray:
        """Class labels of the network; an AttributeError for regression."""
        return self.estimator_.classes_
