"""MLPPruner: laws that hold for every criterion, scope, schedule and structure."""

import copy
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import OptimizeWarning
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ensprune.mlp import MLPPruner
from ensprune.mlp.criteria import WEIGHT_CRITERIA
from ensprune.mlp.neurons import NEURON_CRITERIA

SCOPES = ["layer", "global", "erk"]
SCHEDULES = ["one_shot", "linear", "cubic", "layerwise"]


def same_weights(one, other):
    return all(
        np.array_equal(a, b)
        for a, b in zip(one.coefs_ + one.intercepts_, other.coefs_ + other.intercepts_, strict=True)
    )


def cases():
    for structure, criteria in (("weight", WEIGHT_CRITERIA), ("neuron", NEURON_CRITERIA)):
        for criterion in criteria:
            for scope in SCOPES:
                for schedule in SCHEDULES:
                    if (scope, schedule) != ("global", "layerwise"):
                        yield structure, criterion, scope, schedule


@pytest.mark.parametrize(("structure", "criterion", "scope", "schedule"), list(cases()))
def test_laws(digits, digits_net, structure, criterion, scope, schedule):
    X, y = digits[0][:250], digits[1][:250]
    before = copy.deepcopy(digits_net)
    pruner = MLPPruner(
        FrozenEstimator(digits_net), sparsity=0.5, criterion=criterion, scope=scope, n_steps=2,
        structure=structure, schedule=schedule, finetune_epochs=1, random_state=0,
    ).fit(X, y)  # fmt: skip
    small = pruner.pruned_estimator_

    # the original is untouched, bit for bit, and shares nothing with the result
    assert same_weights(digits_net, before)
    assert all(not np.shares_memory(a, b) for a in small.coefs_ for b in digits_net.coefs_)
    # the sparsity is what was asked for
    total = sum(m.size for m in pruner.masks_)
    zeros = total - sum(m.sum() for m in pruner.masks_)
    assert abs(zeros - 0.5 * total) <= len(pruner.masks_)
    assert pruner.sparsity_ == pytest.approx(zeros / total)
    if scope == "layer":
        assert all(abs(1 - m.mean() - 0.5) <= 1 / m.size for m in pruner.masks_)
    # zeros are exactly zero after fine-tuning; removed neurons are really gone
    if structure == "weight":
        assert all((W[~m] == 0).all() for W, m in zip(small.coefs_, pruner.masks_, strict=True))
        assert small.hidden_layer_sizes == (24, 12)
    else:
        sizes = tuple(int(m.sum()) for m in pruner.masks_)
        assert small.hidden_layer_sizes == sizes == tuple(len(b) for b in small.intercepts_[:-1])
    # the path starts dense, never gets denser, and ends in the result
    frame = pruner.path_.to_frame()
    assert list(frame.columns) == ["sparsity", "n_weights", "score_cut", "score"]
    assert frame["sparsity"].is_monotonic_increasing
    assert frame["sparsity"].iloc[-1] == pruner.sparsity_
    assert frame["n_weights"].iloc[-1] == sum(np.count_nonzero(W) for W in small.coefs_)
    assert frame.notna().all(axis=None)
    assert frame["score"].iloc[0] == pruner.score_full_
    assert frame["score"].iloc[-1] == pruner.score_pruned_
    # a plain network without optimiser state
    assert type(small) is MLPClassifier
    assert not hasattr(small, "_optimizer")
    assert np.array_equal(pruner.predict(X), small.predict(X))


@pytest.mark.parametrize(
    "options",
    [
        {"scope": "erk"},
        {"structure": "neuron", "criterion": "taylor"},
        {"structure": "neuron", "scope": "layer", "sparsity": [0.75, 0.5]},
        {"schedule": "layerwise", "scope": "layer", "finetune_epochs": 0},
    ],
)
def test_every_step_of_the_path_is_a_network(digits, digits_net, options):
    X, y = digits[0][:300], digits[1][:300]
    settings = {"sparsity": 0.8, "n_steps": 3, "finetune_epochs": 1, "random_state": 0} | options
    pruner = MLPPruner(FrozenEstimator(digits_net), **settings)
    pruner.fit(X, y, X_val=X[:100], y_val=y[:100])
    again = pickle.loads(pickle.dumps(pruner))
    for step in pruner.path_.steps:
        net = pruner.at(step.sparsity)
        assert type(net) is MLPClassifier
        assert net.score(X[:100], y[:100]) == step.score
        assert sum(np.count_nonzero(W) for W in net.coefs_) == step.n_weights
        assert same_weights(net, again.at(step.sparsity))
    assert same_weights(pruner.at(0), digits_net)
    assert same_weights(net, pruner.pruned_estimator_)
    # Between two steps it is the sparser one, and what is done to it changes nothing here.
    last, before = pruner.path_.steps[-1].sparsity, pruner.path_.steps[-2].sparsity
    between = pruner.at((last + before) / 2)
    assert same_weights(between, net)
    between.coefs_[0][:] = 0.0
    assert same_weights(pruner.at(last), net)
    with pytest.raises(ValueError, match="is more than the path has, which ends at"):
        pruner.at((last + 1) / 2)


def test_the_sparsity_asked_for_is_on_the_path_up_to_rounding(digits, digits_net):
    X, y = digits[0][:200], digits[1][:200]
    # 48 and 24 neurons: a half of which is 24 and 12, 0.55 of which is 26.4 and 13.2.
    for sparsity in (0.5, 0.55):
        pruner = MLPPruner(
            FrozenEstimator(digits_net), sparsity, structure="neuron", scope="layer", n_steps=1
        ).fit(X, y)
        assert same_weights(pruner.at(sparsity), pruner.pruned_estimator_)


@pytest.mark.parametrize(
    ("sparsity", "error", "message"),
    [
        ("auto", TypeError, "sparsity='auto' is no number"),
        (True, TypeError, "sparsity=True is no number"),
        ([0.5, 0.5], TypeError, "is no number"),
        (1.0, ValueError, r"sparsity=1.0 must lie in \[0, 1\)"),
        (-0.1, ValueError, r"must lie in \[0, 1\)"),
        (float("nan"), ValueError, r"must lie in \[0, 1\)"),
    ],
)
def test_a_sparsity_of_the_path_is_checked(digits, digits_net, sparsity, error, message):
    pruner = MLPPruner(FrozenEstimator(digits_net), schedule="one_shot", finetune_epochs=0)
    with pytest.raises(NotFittedError):
        pruner.at(0.5)
    with pytest.raises(error, match=message):
        pruner.fit(digits[0][:100], digits[1][:100]).at(sparsity)


@pytest.mark.parametrize("structure", ["weight", "neuron"])
def test_the_same_seed_gives_the_same_network(digits, digits_net, structure):
    X, y = digits[0][:300], digits[1][:300]
    settings = {"sparsity": 0.6, "structure": structure, "n_steps": 2, "random_state": 7}
    fits = [MLPPruner(FrozenEstimator(digits_net), **settings).fit(X, y) for _ in range(2)]
    assert same_weights(fits[0].pruned_estimator_, fits[1].pruned_estimator_)


def test_nothing_global_changes_and_nothing_is_printed(digits, digits_net, capfd):
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    filters = list(warnings.filters)
    net = clone(digits_net).set_params(verbose=False, max_iter=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        MLPPruner(net, criterion="obs", n_steps=2, rewind=0, random_state=0).fit(
            digits[0][:200], digits[1][:200]
        )
    assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    assert list(warnings.filters) == filters
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_zeros_stay_zero_whatever_the_network_was_trained_with(digits, solver, early_stopping):
    X, y = digits[0][:300], digits[1][:300]
    net = MLPClassifier(
        (16,), solver=solver, early_stopping=early_stopping, max_iter=15, random_state=0,
        learning_rate="adaptive", batch_size=32,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", OptimizeWarning)  # old scikit-learn with new scipy
        net.fit(X, y)
    pruner = MLPPruner(FrozenEstimator(net), sparsity=0.7, n_steps=3, random_state=0).fit(X, y)
    zeros = [W == 0 for W in pruner.pruned_estimator_.coefs_]
    assert all((z == ~m).all() for z, m in zip(zeros, pruner.masks_, strict=True))
    assert pruner.pruned_estimator_.get_params() == net.get_params()


def test_predicts_where_ensprune_is_not_installed(digits, digits_net, tmp_path):
    X, y = digits[0][:300], digits[1][:300]
    stored = []
    for structure in ("weight", "neuron"):
        pruner = MLPPruner(FrozenEstimator(digits_net), sparsity=0.5, structure=structure)
        small = pruner.fit(X, y).pruned_estimator_
        stored.append((small, X[:20], small.predict_proba(X[:20])))
    (tmp_path / "nets.pkl").write_bytes(pickle.dumps(stored))
    code = (
        "import sys, pickle; sys.modules['ensprune'] = None\n"
        "for net, X, p in pickle.load(open(sys.argv[1], 'rb')):\n"
        "    assert (net.predict_proba(X) == p).all()\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, tmp_path / "nets.pkl"], capture_output=True
    )
    assert done.returncode == 0, done.stderr


def test_unfitted_estimator_is_trained_and_left_unfitted(digits):
    X, y = digits
    net = MLPClassifier((20,), max_iter=300, tol=1e-2, random_state=0)
    pruner = MLPPruner(net, sparsity=0.5, random_state=0).fit(X, y)
    assert not hasattr(net, "coefs_")
    assert pruner.estimator_.get_params() == net.get_params()
    assert pruner.score_full_ > 0.9
    assert pruner.score_pruned_ > pruner.score_full_ - 0.03


def test_regression(diabetes, diabetes_net):
    X, y = diabetes
    pruner = MLPPruner(
        FrozenEstimator(diabetes_net),
        sparsity=0.5,
        scoring="neg_mean_absolute_error",
        random_state=0,
    ).fit(X, y)
    assert isinstance(pruner.pruned_estimator_, MLPRegressor)
    assert pruner.score_full_ < 0
    assert pruner.score(X, y) == pruner.pruned_estimator_.score(X, y)


def test_multilabel_and_two_targets(digits):
    X, y = digits[0][:200], digits[1][:200]
    several = np.column_stack([y % 2, y > 4])
    for net in (MLPClassifier, MLPRegressor):
        full = net(hidden_layer_sizes=(12,), max_iter=300, tol=0.05, random_state=0)
        for structure in ("weight", "neuron"):
            pruner = MLPPruner(
                full, sparsity=0.5, criterion="taylor", structure=structure, n_steps=2, random_state=0
            ).fit(X, several)  # fmt: skip
            assert pruner.predict(X).shape == (200, 2)
            assert np.isfinite(pruner.score_pruned_)


def test_l0_program_keeps_the_decisions_of_a_binary_classifier(digits):
    few = digits[1] < 2
    X, y = digits[0][few][:60], digits[1][few][:60]
    net = MLPClassifier((4,), max_iter=300, tol=0.01, learning_rate_init=0.01, random_state=0)
    pruner = MLPPruner(
        FrozenEstimator(net.fit(X, y)), method="l0_program", epsilon=0.5, finetune_epochs=0,
        time_limit=4.0, validation=None, random_state=0,
    ).fit(X, y)  # fmt: skip
    assert pruner.sparsity_ > 0.5
    assert pruner.score_pruned_ == pruner.score_full_


def test_obs_reconstruction_beats_plain_magnitude_without_training(digits, digits_net):
    X, y = digits
    scores = {}
    for criterion in ("magnitude", "obs"):
        pruner = MLPPruner(
            FrozenEstimator(digits_net), sparsity=0.8, criterion=criterion, schedule="one_shot",
            finetune_epochs=0, random_state=0,
        ).fit(X[:1200], y[:1200])  # fmt: skip
        scores[criterion] = pruner.score(X[1200:], y[1200:])
    full = digits_net.score(X[1200:], y[1200:])
    assert scores["obs"] > full - 0.05
    assert scores["obs"] > scores["magnitude"] + 0.05


def test_transfer_to_another_task(digits, digits_net):
    X, y = digits
    few = y < 5
    turned = X.reshape(-1, 8, 8)[:, ::-1].reshape(len(X), -1)[few]
    pruner = MLPPruner(
        FrozenEstimator(digits_net), sparsity=0.5, criterion="taylor", random_state=0
    )
    pruner.fit(turned, y[few])
    assert pruner.score_pruned_ > pruner.score_full_ + 0.2
    assert np.array_equal(pruner.classes_, digits_net.classes_)


@pytest.mark.parametrize("rewind", [0, 2])
@pytest.mark.parametrize("structure", ["weight", "neuron"])
def test_rewinding_starts_from_the_early_weights(digits, rewind, structure):
    X, y = digits[0][:300], digits[1][:300]
    net = MLPClassifier((16,), max_iter=max(rewind, 1), random_state=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        early = clone(net).fit(X, y)
        pruner = MLPPruner(
            net.set_params(max_iter=10), sparsity=0.5, structure=structure, schedule="one_shot",
            finetune_epochs=0, rewind=rewind, validation=None, random_state=0,
        ).fit(X, y)  # fmt: skip
    found = pruner.pruned_estimator_
    if rewind == 0:
        # scikit-learn draws the initial weights uniformly within this bound
        bound = np.sqrt(6 / (64 + 16))
        assert np.abs(found.coefs_[0]).max() <= bound
        assert np.abs(pruner.estimator_.coefs_[0] - early.coefs_[0]).max() > 0
    elif structure == "weight":
        mask = pruner.masks_[0]
        assert np.array_equal(found.coefs_[0][mask], early.coefs_[0][mask])
    else:
        assert np.array_equal(found.coefs_[0], early.coefs_[0][:, pruner.masks_[0]])


def test_sparsity_per_layer_and_epochs_per_step(digits, digits_net):
    X, y = digits[0][:300], digits[1][:300]
    pruner = MLPPruner(
        FrozenEstimator(digits_net), sparsity=[0.9, 0.5, 0.0], scope="layer", n_steps=3,
        finetune_epochs=[0, 1, 2], random_state=0,
    ).fit(X, y)  # fmt: skip
    np.testing.assert_allclose(pruner.layer_sparsities_, [0.9, 0.5, 0.0], atol=0.002)
    first = pruner.path_.steps[1]
    assert first.score_cut == first.score


@pytest.mark.parametrize("method", ["l1_program", "l0_program"])
def test_programmes_prune_a_whole_network(diabetes, diabetes_net, method):
    X, y = diabetes
    pruner = MLPPruner(
        FrozenEstimator(diabetes_net), sparsity=0.5, method=method, finetune_epochs=1,
        max_samples=60, time_limit=1.0, random_state=0,
    ).fit(X, y)  # fmt: skip
    assert pruner.sparsity_ >= 0.5
    assert len(pruner.layer_results_) == 3
    assert {r.status for r in pruner.layer_results_} <= {"optimal", "time_limit"}
    assert all(
        (W[~m] == 0).all()
        for W, m in zip(pruner.pruned_estimator_.coefs_, pruner.masks_, strict=True)
    )
    assert np.isfinite(pruner.path_.steps[-1].score)


def test_epsilon_holds_the_outputs_or_says_by_how_much_it_was_relaxed(diabetes, diabetes_net):
    X, y = diabetes
    pruner = MLPPruner(
        FrozenEstimator(diabetes_net), method="l1_program", epsilon=0.2, finetune_epochs=0,
        validation=None, random_state=0,
    ).fit(X, y)  # fmt: skip
    first, last = pruner.layer_results_[0], pruner.layer_results_[-1]
    assert first.status == "optimal"
    assert {r.status for r in pruner.layer_results_} <= {"optimal", "relaxed"}
    change = np.abs(pruner.predict(X) - diabetes_net.predict(X)).max()
    held = change <= 0.2 * diabetes_net.predict(X).std() + 1e-6
    assert held == (last.status == "optimal")
    assert pruner.sparsity_ > 0


def test_data_frames_grid_search_and_pipeline(digits):
    X, y = pd.DataFrame(digits[0][:300]).add_prefix("pixel"), digits[1][:300]
    pruner = MLPPruner(
        MLPClassifier((16,), max_iter=300, tol=0.01, random_state=0), n_steps=2, random_state=0
    )
    search = GridSearchCV(pruner, {"sparsity": [0.2, 0.9]}, cv=2).fit(X, y)
    assert search.best_params_ == {"sparsity": 0.2}
    assert list(search.best_estimator_.pruned_estimator_.feature_names_in_) == list(X.columns)
    pipeline = make_pipeline(StandardScaler(), clone(pruner).set_params(sparsity=0.2)).fit(X, y)
    assert pipeline.score(X, y) > 0.5
    assert pipeline.predict_proba(X).shape == (300, 10)


def test_explicit_validation_rows_are_the_ones_scored(digits, digits_net):
    X, y = digits
    pruner = MLPPruner(FrozenEstimator(digits_net), sparsity=0.3, n_steps=1, random_state=0)
    pruner.fit(X[:300], y[:300], X_val=X[1200:], y_val=y[1200:])
    assert pruner.score_full_ == digits_net.score(X[1200:], y[1200:])
    assert pruner.score_pruned_ == pruner.score(X[1200:], y[1200:])


@pytest.mark.parametrize(
    "settings", [{"criterion": "wanda"}, {"criterion": "obs", "reconstruct": False}]
)
def test_scores_from_deviations_leave_the_means_to_the_intercepts(rng, settings):
    X = np.c_[rng.normal(size=(80, 3)), np.full(80, 50.0)]  # the last input is constant
    y = X[:, 0] - X[:, 1]
    net = MLPRegressor(
        hidden_layer_sizes=(4,), activation="identity", solver="lbfgs", random_state=0
    )
    net.fit(X, y)
    net.coefs_[0][3], net.intercepts_[0] = 1.0, net.intercepts_[0] - 50 * (1 - net.coefs_[0][3])
    pruner = MLPPruner(
        FrozenEstimator(net), sparsity=[0.25, 0.0], scope="layer", schedule="one_shot",
        finetune_epochs=0, validation=None, random_state=0, **settings,
    )  # fmt: skip
    pruned = pruner.fit(X, y).pruned_estimator_
    assert not pruned.coefs_[0][3].any()
    np.testing.assert_allclose(pruned.predict(X), net.predict(X), atol=1e-6)


def test_a_programme_takes_one_sparsity_per_layer_with_the_default_scope(diabetes, diabetes_net):
    X, y = diabetes
    pruner = MLPPruner(
        FrozenEstimator(diabetes_net), sparsity=[0.5, 0.5, 0.0], method="l1_program",
        finetune_epochs=0, max_samples=60, random_state=0,
    ).fit(X, y)  # fmt: skip
    assert pruner.layer_sparsities_[0] >= 0.5
    assert pruner.layer_sparsities_[1] >= 0.5
