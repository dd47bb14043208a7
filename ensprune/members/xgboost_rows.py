"""Rows as an XGBoost model takes them: in which forms, and how each is predicted."""

from __future__ import annotations

from typing import Any

import numpy as np
import xgboost
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from .engines import sliceable
from .xgboost_margins import as_dense, can_read, margins


class GivenRows:
    """What a model's own ``predict`` would take, for it and for boosters made of its trees.

    Parameters
    ----------
    estimator : XGBModel or Booster
    booster : Booster
        What the estimator predicts with.
    device : str
        On which it predicts.

    Attributes
    ----------
    missing : float
        What stands for a missing value, besides NaN.
    """

    def __init__(self, estimator: Any, booster: xgboost.Booster, device: str):
        self._estimator = estimator
        self._booster = booster
        self._device = device
        self._raw = isinstance(estimator, xgboost.Booster)
        self.missing: float = np.nan if self._raw else estimator.missing

    def checked(self, X: Any) -> tuple[Any, int]:
        """Rows in a form that can be sliced, where there is one, and their number.

        Raises
        ------
        TypeError
            If an estimator is given a ``DMatrix``.
        ValueError
            If a ``DMatrix`` has a base margin, or rows have other features than the model.
        """
        if isinstance(X, xgboost.DMatrix):
            if not self._raw:
                raise TypeError(
                    f"{type(self._estimator).__name__} predicts on arrays and DataFrames; give "
                    "those, or its get_booster()"
                )
            if X.get_base_margin().size:
                raise ValueError(
                    "the DMatrix has a base_margin, which takes the place of the intercept in "
                    "every prediction; give one without"
                )
            self._check_columns(X.num_col(), X.num_col() > self._booster.num_features())
            return X, X.num_row()
        X = sliceable(X)
        if isinstance(X, np.ndarray) and not X.flags.aligned:
            X = X.copy()  # from a message or a file; XGBoost refuses it
        shape: tuple[int, ...] = getattr(X, "shape", ())
        if len(shape) == 2:
            self._check_columns(shape[1], shape[1] != self._booster.num_features())
        return X, _num_samples(X)

    def _check_columns(self, given: int, refused: bool) -> None:
        # XGBoost writes past the end of its buffers when it looks for the leaves of wider rows.
        if refused:
            raise ValueError(
                f"X has {given} features, but {type(self._estimator).__name__} is expecting "
                f"{self._booster.num_features()} features as input"
            )

    def margin(self, booster: xgboost.Booster, X: Any, rows: slice) -> np.ndarray:
        """Margins of some of the :meth:`checked` rows, shape (n_rows, n_outputs of the booster).

        They may be XGBoost's memory: use them before this thread predicts again.
        """
        if isinstance(X, xgboost.DMatrix):
            if rows.stop - rows.start < X.num_row():
                X = X.slice(np.arange(rows.start, rows.stop))
            return booster.predict(X, output_margin=True, strict_shape=True)
        # scikit-learn's way of slicing costs the time of some 80 rows
        X = X[rows] if isinstance(X, np.ndarray) else as_dense(_safe_indexing(X, rows), booster)
        if can_read(X, booster, self._device):
            return margins(booster, X, self.missing)
        try:
            return booster.inplace_predict(
                X, predict_type="margin", missing=self.missing, strict_shape=True
            )
        except TypeError:  # read through a DMatrix only, as the estimators' own predict does
            return booster.predict(self.matrix(X), output_margin=True, strict_shape=True)

    def matrix(self, X: Any) -> xgboost.DMatrix:
        """Rows as the estimators' own ``predict`` reads them where it cannot in place."""
        if isinstance(X, xgboost.DMatrix):
            return X
        read_as = (
            {"enable_categorical": True}
            if self._raw
            else {
                "enable_categorical": self._estimator.enable_categorical,
                "feature_types": self._estimator.feature_types,
            }
        )
        return xgboost.DMatrix(X, missing=self.missing, **read_as)
