"""An estimator that answers with responses computed beforehand.

scikit-learn's scorers and calibrators want an estimator; a candidate sub-ensemble is only arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _num_samples

from .codes import classes_of


class Replay(BaseEstimator):
    """Answers ``predict``, ``predict_proba``, ``decision_function`` and ``score`` from memory.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,) or None
        None makes it a regressor.
    predict : ndarray of shape (n_samples,) or callable that returns it, default=None
    predict_proba : ndarray of shape (n_samples, n_classes), default=None
    decision_function : ndarray of shape (n_samples,) or (n_samples, n_classes), default=None
        What each method returns; a method whose answer is None is not there. A callable is called
        when somebody asks: most metrics look at labels or at probabilities only.
    """

    def __init__(
        self,
        classes: np.ndarray | None,
        predict: np.ndarray | Callable[[], np.ndarray] | None = None,
        predict_proba: np.ndarray | None = None,
        decision_function: np.ndarray | None = None,
    ):
        self._predict = predict
        self.predict_proba_ = predict_proba
        self.decision_function_ = decision_function
        if classes is not None:
            self.classes_ = classes

    @property
    def predict_(self) -> np.ndarray | None:
        """The answer of ``predict``, if there is one."""
        if callable(self._predict):
            self._predict = self._predict()
        return self._predict

    @classmethod
    def of(cls, estimator: Any, X: Any) -> Replay:
        """What a fitted estimator answers for some rows, by every method it has."""
        methods = ("predict", "predict_proba", "decision_function")
        said, *answers = (
            getattr(estimator, name)(X) if hasattr(estimator, name) else None for name in methods
        )
        classes = classes_of(estimator)
        if classes is not None and said is not None and said.ndim == 2 and said.shape[1] == 1:
            said = said[:, 0]  # labels of CatBoost's classifiers of several classes
        return cls(classes, said, *answers)

    def rows(self, kept: np.ndarray) -> Replay:
        """The answers for some of the rows only."""
        parts = (self.predict_, self.predict_proba_, self.decision_function_)
        return Replay(
            getattr(self, "classes_", None),
            *(None if part is None else part[kept] for part in parts),
        )

    @classmethod
    def joined(cls, parts: Sequence[Replay]) -> Replay:
        """The answers for blocks of rows, put together."""
        if len(parts) == 1:
            return parts[0]
        answers = zip(
            *((p.predict_, p.predict_proba_, p.decision_function_) for p in parts), strict=True
        )
        return cls(
            getattr(parts[0], "classes_", None),
            *(None if some[0] is None else np.concatenate(some) for some in answers),
        )

    def __getattr__(self, name: str) -> Any:
        # Also where a method is not available; says who was asked what, for those who explain it.
        raise AttributeError(f"there is no {name} of these members", name=name, obj=self)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.estimator_type = "classifier" if hasattr(self, "classes_") else "regressor"
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @available_if(lambda replay: replay._predict is not None)
    def predict(self, X: Any) -> np.ndarray:
        return self._answer(self.predict_, X)

    @available_if(lambda replay: replay.predict_proba_ is not None)
    def predict_proba(self, X: Any) -> np.ndarray:
        return self._answer(self.predict_proba_, X)

    @available_if(lambda replay: replay.decision_function_ is not None)
    def decision_function(self, X: Any) -> np.ndarray:
        return self._answer(self.decision_function_, X)

    @available_if(lambda replay: replay._predict is not None)
    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        # As scikit-learn's estimators score themselves: scorers that are given may ask for that.
        metric = accuracy_score if hasattr(self, "classes_") else r2_score
        return metric(y, self.predict(X), sample_weight=sample_weight)

    @staticmethod
    def _answer(response: np.ndarray | None, X: Any) -> np.ndarray:
        assert response is not None
        if _num_samples(X) != len(response):
            raise ValueError(
                f"the scorer asked for predictions of {_num_samples(X)} rows, but it was given "
                f"{len(response)}: a custom scorer must predict exactly the rows it gets"
            )
        return response
