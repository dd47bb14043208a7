"""AdaBoostClassifier (SAMME) and AdaBoostRegressor (R2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from sklearn.ensemble import AdaBoostClassifier, AdaBoostRegressor
from sklearn.utils.validation import check_is_fitted, validate_data

from ..codes import samme
from ..combination import Combination
from ..combiner import Combiner, Indices, LinearCombiner, MedianCombiner
from ..link import Identity, Logistic, Softmax
from ..trees import Tree, TreeCut
from ..trees.cart import cut_carts, read_cart
from .base import Members
from .copying import shallow_copy
from .opening import open_members
from .reading import map_members
from .trees import is_tree


class _AdaBoostMembers(Members):
    """What classifier and regressor share: learned weights that must stay aligned."""

    def __init__(self, ensemble: Any):
        check_is_fitted(ensemble)
        super().__init__(ensemble)

    @property
    def n_members(self) -> int:
        return len(self.estimator.estimators_)

    @property
    def _weights(self) -> np.ndarray:
        # Boosting that stopped early leaves the arrays longer than the list of members.
        return self.estimator.estimator_weights_[: self.n_members]

    def _validated(self, X: Any) -> Any:
        return validate_data(
            self.estimator,
            X,
            accept_sparse=["csr", "csc"],
            ensure_2d=True,
            allow_nd=True,
            dtype=None,
            reset=False,
        )

    def parts(self) -> Iterable[Any]:
        return self.estimator.estimators_

    def trees(self) -> list[Tree]:
        shares = self._weights / self._weights.sum()
        result = []
        for t, (member, share) in enumerate(zip(self.estimator.estimators_, shares, strict=True)):
            if not is_tree(member):
                raise self._no_trees(member)
            result.append(self._placed(read_cart(member), t, float(share)))
        return result

    def _placed(self, tree: Tree, member: int, share: float) -> Tree:
        return tree.placed(member, [0], share)

    def reached_nodes(self, X: Any) -> np.ndarray:
        X = self._validated(X)
        return np.stack([member.apply(X) for member in self.estimator.estimators_])

    def with_trees(self, cuts: Sequence[TreeCut | None], exact: bool = False) -> Any:
        return shallow_copy(self.estimator, estimators_=cut_carts(self.estimator.estimators_, cuts))

    def subset(self, indices: Indices, weights: np.ndarray | None = None) -> Any:
        kept, factors = self._checked(indices, weights)
        native = self._weights[kept]
        if factors is not None:
            native = native * factors
        if not native.sum() > 0:
            raise ValueError(
                f"the {len(kept)} members kept have a total weight of {native.sum()}: "
                f"{type(self.estimator).__name__} cannot average them; keep another member too"
            )
        return shallow_copy(
            self.estimator,
            estimators_=[self.estimator.estimators_[t] for t in kept],
            estimator_weights_=native,
            estimator_errors_=self.estimator.estimator_errors_[kept],
            n_estimators=len(kept),
        )


class AdaBoostClassifierMembers(_AdaBoostMembers):
    """Outputs are SAMME codes: 1 for the class voted for, ``-1 / (n_classes - 1)`` for the rest.

    With two classes a single row, +2 or -2, so that the weighted mean is scikit-learn's
    ``decision_function``.

    References
    ----------
    Zhu, Zou, Rosset & Hastie, "Multi-class AdaBoost", Statistics and Its Interface 2 (2009).
    """

    def __init__(self, ensemble: Any):
        super().__init__(ensemble)
        if len(ensemble.classes_) < 2:
            raise ValueError("AdaBoostClassifier was fitted on a single class: nothing to prune")

    @classmethod
    def foretell(cls, unfitted: Any) -> Combination | None:
        return Combination("vote", True, n_members=unfitted.n_estimators)

    @property
    def combiner(self) -> Combiner:
        classes = self.estimator.classes_
        link = Logistic() if len(classes) == 2 else Softmax(len(classes) - 1)
        return LinearCombiner("vote", link, classes, self.n_members, weights=self._weights)

    def outputs(
        self,
        X: Any,
        n_jobs: int | None = None,
        *,
        indices: Indices | None = None,
        dtype: type = np.float32,
    ) -> np.ndarray:
        chosen = range(self.n_members) if indices is None else indices
        X = self._validated(X)
        classes = self.estimator.classes_
        binary = len(classes) == 2

        def read(t: int) -> np.ndarray:
            votes = self.estimator.estimators_[t].predict(X) == classes[1:, None]
            codes = samme(np.vstack([~votes.any(axis=0), votes]))
            return 2.0 * codes[1:] if binary else codes

        return map_members(read, chosen, (1 if binary else len(classes), X.shape[0]), dtype, n_jobs)

    def _placed(self, tree: Tree, member: int, share: float) -> Tree:
        classes = self.estimator.classes_
        rows = np.searchsorted(classes, self.estimator.estimators_[member].classes_)
        codes = samme(np.eye(len(classes), dtype=bool))  # (n_outputs, n_classes)
        if len(classes) == 2:
            codes = 2.0 * codes[1:]
        return tree.placed(member, rows, share, codes=codes.T[rows])


class AdaBoostRegressorMembers(_AdaBoostMembers):
    """Outputs are predictions; the ensemble predicts their weighted median.

    References
    ----------
    Drucker, "Improving regressors using boosting techniques", ICML 1997.
    """

    @classmethod
    def foretell(cls, unfitted: Any) -> Combination | None:
        n_members = unfitted.n_estimators
        return Combination("median", False, linear=False, link=Identity, n_members=n_members)

    @property
    def combiner(self) -> Combiner:
        return MedianCombiner(Identity(), self._weights)

    def outputs(
        self,
        X: Any,
        n_jobs: int | None = None,
        *,
        indices: Indices | None = None,
        dtype: type = np.float32,
    ) -> np.ndarray:
        chosen = range(self.n_members) if indices is None else indices
        X = self._validated(X)

        def read(t: int) -> np.ndarray:
            return self.estimator.estimators_[t].predict(X)[None]

        return map_members(read, chosen, (1, X.shape[0]), dtype, n_jobs)


open_members.register(AdaBoostClassifier, AdaBoostClassifierMembers)
open_members.register(AdaBoostRegressor, AdaBoostRegressorMembers)
