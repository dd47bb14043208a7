"""An estimator like the one inside: methods and attributes that the pruners pass on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._set_output import _wrap_data_with_container
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted


def _pruned_has(method: str) -> Any:
    """Whether the pruned (or, before fitting, the given) estimator has a method."""

    def check(pruner: Any) -> bool:
        # A raw Booster before fitting, or a missing method: the AttributeError says which.
        getattr(getattr(pruner, "pruned_estimator_", pruner.estimator), method)
        return True

    return available_if(check)


class PredictsWithPruned:
    """Predicts with ``pruned_estimator_``; knows the labels of ``estimator_``."""

    estimator: Any
    estimator_: Any
    pruned_estimator_: Any

    @_pruned_has("predict")
    def predict(self, X: Any) -> np.ndarray:
        """Predictions of the pruned estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        check_is_fitted(self, "pruned_estimator_")
        return self.pruned_estimator_.predict(X)

    @_pruned_has("predict_proba")
    def predict_proba(self, X: Any) -> np.ndarray:
        """Class probabilities of the pruned estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        check_is_fitted(self, "pruned_estimator_")
        return self.pruned_estimator_.predict_proba(X)

    @_pruned_has("predict_log_proba")
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithms of the class probabilities of the pruned estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        check_is_fitted(self, "pruned_estimator_")
        return self.pruned_estimator_.predict_log_proba(X)

    @_pruned_has("score")
    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The pruned estimator's own ``score``: accuracy or R2.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        float
        """
        check_is_fitted(self, "pruned_estimator_")
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        return self.pruned_estimator_.score(X, y, **weights)

    @property
    def classes_(self) -> np.ndarray:
        """Labels of a classifier."""
        return self._of_full("classes_")

    def _of_full(self, attribute: str) -> Any:
        if "estimator_" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__} is not fitted: no {attribute} yet")
        return getattr(self.estimator_, attribute)


class DelegatesToEnsemble:
    """What only ensembles have, beside :class:`PredictsWithPruned`."""

    # That transform's output can be in a container of scikit-learn's choice.
    _sklearn_auto_wrap_output_keys: ClassVar[set[str]] = {"transform"}

    pruned_estimator_: Any
    fit: Callable[..., Any]
    _of_full: Callable[[str], Any]

    @_pruned_has("decision_function")
    def decision_function(self, X: Any) -> np.ndarray:
        """Decision function of the pruned ensemble.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
        """
        check_is_fitted(self, "pruned_estimator_")
        return self.pruned_estimator_.decision_function(X)

    @_pruned_has("transform")
    def transform(self, X: Any) -> Any:
        """What the pruned ensemble transforms rows to (voting, stacking).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        array-like
        """
        check_is_fitted(self, "pruned_estimator_")
        transformed = self.pruned_estimator_.transform(X)
        return _wrap_data_with_container("transform", transformed, X, self)

    @_pruned_has("transform")
    def fit_transform(self, X: Any, y: Any, **fit_params: Any) -> Any:
        """Fit, prune and transform the same rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        **fit_params : dict
            As ``fit`` takes them.

        Returns
        -------
        array-like
        """
        return self.fit(X, y, **fit_params).transform(X)

    @_pruned_has("transform")
    def set_output(self, *, transform: str | None = None) -> DelegatesToEnsemble:
        """Choose the container of what :meth:`transform` returns; the ensemble is not told.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            None leaves it as it is.

        Returns
        -------
        self : estimator
        """
        if transform is not None:
            self._sklearn_output_config = {"transform": transform}  # cloned by scikit-learn
        return self

    @_pruned_has("get_feature_names_out")
    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of what :meth:`transform` returns.

        Parameters
        ----------
        input_features : array-like of str, default=None

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self, "pruned_estimator_")
        return self.pruned_estimator_.get_feature_names_out(input_features)

    @property
    def n_features_in_(self) -> int:
        """Number of features seen in fitting."""
        return self._of_full("n_features_in_")

    @property
    def feature_names_in_(self) -> np.ndarray:
        """Names of the features seen in fitting, where they have names."""
        return self._of_full("feature_names_in_")
