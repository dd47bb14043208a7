"""What an objective reports is what scikit-learn's scorer says of the really cut estimator."""

from __future__ import annotations

import numpy as np
import pytest
from families import FAMILIES, Family, fitted
from sklearn.metrics import get_scorer, make_scorer

from ensprune.members import open_members
from ensprune.objectives import (
    AbsoluteError,
    Accuracy,
    ConfusionScore,
    GenericObjective,
    LogLoss,
    SquaredError,
    SquaredErrorThroughLink,
    make_objective,
)

CLASSIFICATION = [
    "accuracy",
    "balanced_accuracy",
    "neg_log_loss",
    "neg_brier_score",
    "f1_macro",
    "roc_auc",
]
REGRESSION = [
    "r2",
    "neg_mean_squared_error",
    "neg_root_mean_squared_error",
    "neg_mean_absolute_error",
    "neg_median_absolute_error",
]
FAST = {Accuracy, ConfusionScore, LogLoss, SquaredError, SquaredErrorThroughLink, AbsoluteError}


def cases():
    for family in FAMILIES:
        for scoring in REGRESSION if family.task == "regression" else CLASSIFICATION:
            if family.task == "multiclass" and scoring in ("roc_auc", "neg_brier_score"):
                continue  # scikit-learn 1.6 defines neither for several classes
            if family.name == "voting-hard" and scoring in (
                "neg_log_loss",
                "neg_brier_score",
                "roc_auc",
            ):
                continue  # hard votes have no probabilities
            if family.name.startswith(("stacking", "calibrated")) and scoring == "neg_brier_score":
                continue  # scored by scikit-learn, which refuses string labels here
            if family.name.startswith("bagging") and scoring == "roc_auc":
                continue  # asks bagging for a decision function, which is no sum of outputs
            yield pytest.param(family, scoring, id=f"{family.id}-{scoring}")


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("family", "scoring"), list(cases()))
def test_every_move_scores_as_the_cut_estimator(family: Family, scoring: str, weighted: bool):
    ensemble, X, y = fitted(family)
    members = open_members(ensemble)
    combiner = members.bind(X)
    objective = make_objective(scoring, combiner)
    scorer = get_scorer(scoring)
    if scoring == "neg_brier_score":
        # scikit-learn wants to be told which of two strings is positive.
        scorer = make_scorer(
            scorer._score_func,
            greater_is_better=False,
            response_method="predict_proba",
            pos_label=combiner.classes[1],
        )
    # Double precision, so that ties fall as they do in the ensemble itself.
    outputs = members.outputs(X, dtype=np.float64)
    rng = np.random.default_rng(0)
    weight = rng.uniform(0.5, 2.0, len(y)) if weighted else None
    # A single-precision engine rounds its predictions, which are of the size of the targets.
    scale = np.abs(y).max() if family.task == "regression" and family.single_precision else 1.0

    def real(indices):
        return scorer(members.subset(indices), X, y, sample_weight=weight)

    objective.start(outputs, y, combiner, weight, n_jobs=2)
    assert np.isnan(objective.score())
    order = rng.permutation(members.n_members)[:4].tolist()
    for size, member in enumerate(order, start=1):
        candidates = objective.candidates()
        assert candidates.shape == (members.n_members,)
        objective.add(member)
        expected = real(order[:size])
        assert candidates[member] == pytest.approx(expected, rel=1e-6, abs=1e-6 * scale)
        assert objective.score() == pytest.approx(expected, rel=1e-6, abs=1e-6 * scale)
    without = [t for t in order if t != order[1]]
    objective.drop(order[1])
    assert objective.selected == without
    assert objective.score() == pytest.approx(real(without), rel=1e-6, abs=1e-6 * scale)
    swaps = objective.swaps()
    if swaps is not None:
        assert swaps.shape == (len(without), members.n_members)
        new = order[1]
        expected = real([new, *without[1:]])
        assert swaps[0, new] == pytest.approx(expected, rel=1e-6, abs=1e-6 * scale)
    objective.clear()
    assert objective.selected == []
    objective.add(order[0])
    assert objective.score() == pytest.approx(real(order[:1]), rel=1e-6, abs=1e-6 * scale)


@pytest.mark.parametrize(("family", "scoring"), list(cases()))
def test_candidates_for_dropping_are_the_scores_after_dropping(family: Family, scoring: str):
    ensemble, X, y = fitted(family)
    members = open_members(ensemble)
    combiner = members.bind(X)
    # Sums of single precision are exact in double: what is taken away leaves nothing behind.
    outputs = members.outputs(X)
    objective = make_objective(scoring, combiner)
    objective.start(outputs, y, combiner)
    order = np.random.default_rng(1).permutation(members.n_members)[:4].tolist()
    for member in order:
        objective.add(member)
    dropping = objective.candidates(drop=True)
    outside = sorted(set(range(members.n_members)) - set(order))
    assert np.isneginf(dropping[outside]).all()
    for member in order:
        objective.drop(member)
        assert objective.score() == pytest.approx(dropping[member], rel=1e-9, abs=1e-12)
        objective.add(member)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.id)
def test_affine_combiners_have_fast_forms(family: Family):
    ensemble, _, _ = fitted(family)
    combiner = open_members(ensemble).combiner
    scorings = (
        REGRESSION[:-1]
        if combiner.classes is None
        else ["accuracy", "balanced_accuracy", "f1_macro"]
    )
    for scoring in scorings:
        kind = type(make_objective(scoring, combiner))
        assert kind in (FAST if combiner.linear else {GenericObjective})


def test_nothing_asked_is_accuracy_or_r2():
    by_id = {family.id: family for family in FAMILIES}
    classifier = open_members(fitted(by_id["forest-binary"])[0]).combiner
    regressor = open_members(fitted(by_id["forest-regression"])[0]).combiner
    assert isinstance(make_objective(None, classifier), Accuracy)
    objective = make_objective(None, regressor)
    assert isinstance(objective, SquaredError)
    assert objective.kind == "r2"


def test_labels_not_trained_on_are_named():
    family = next(f for f in FAMILIES if f.id == "forest-binary")
    ensemble, X, y = fitted(family)
    members = open_members(ensemble)
    objective = make_objective("accuracy", members.combiner)
    strange = np.where(np.arange(len(y)) < 3, "oak", y)
    with pytest.raises(ValueError, match="not trained on: 'oak'; it knows"):
        objective.start(members.outputs(X), strange, members.combiner)
