"""scikit-learn's own checks of an estimator, over several base ensembles."""

from __future__ import annotations

from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.utils.estimator_checks import parametrize_with_checks

from ensprune import EnsemblePruner

PRUNERS = [
    EnsemblePruner(RandomForestClassifier(6, random_state=0), target_size=0.5),
    EnsemblePruner(RandomForestRegressor(6, random_state=0), target_size=3, selector="first"),
    EnsemblePruner(
        GradientBoostingRegressor(n_estimators=6, random_state=0), target_size=0.5, random_state=0
    ),
    EnsemblePruner(
        AdaBoostClassifier(n_estimators=6, random_state=0), target_size=0.5, random_state=0
    ),
    EnsemblePruner(
        ExtraTreesRegressor(6, random_state=0), selector="random", validation=0.4, random_state=0
    ),
]

_ROWS = (
    "a weight of two is not a row given twice: rows are drawn for the bootstrap or split off for "
    "validation"
)


def expected_failures(pruner: EnsemblePruner) -> dict[str, str]:
    """The checks that cannot hold, and why."""
    return {
        "check_sample_weight_equivalence_on_dense_data": _ROWS,
        "check_sample_weight_equivalence_on_sparse_data": _ROWS,
    }


@parametrize_with_checks(PRUNERS, expected_failed_checks=expected_failures)
def test_scikit_learn_checks(estimator, check):
    check(estimator)
