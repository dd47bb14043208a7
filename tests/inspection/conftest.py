"""A fitted pruner of each kind, and no windows."""

from __future__ import annotations

import warnings

import matplotlib as mpl
import pytest
from matplotlib import pyplot as plt
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from ensprune import EnsemblePruner, MLPPruner
from ensprune.inspection import measuring


@pytest.fixture(autouse=True)
def _no_windows():
    mpl.use("Agg")
    yield
    plt.close("all")


@pytest.fixture(autouse=True)
def _few_turns(monkeypatch):
    """Times are looked at, but need not be precise."""
    monkeypatch.setattr(measuring, "_SECONDS", 0.0)


@pytest.fixture(scope="session")
def cancer():
    """X_train, X_test, y_train, y_test; the labels are strings."""
    bunch = load_breast_cancer()
    return train_test_split(
        bunch.data, bunch.target_names[bunch.target], test_size=0.4, random_state=0
    )


@pytest.fixture(scope="session")
def forest(cancer):
    return RandomForestClassifier(40, random_state=0).fit(cancer[0], cancer[2])


@pytest.fixture(scope="session")
def out_of_bag(cancer, forest):
    """Judged out of bag, cut to 8 of 40 trees."""
    pruner = EnsemblePruner(FrozenEstimator(forest), target_size=8, validation="oob")
    return pruner.fit(cancer[0], cancer[2])


@pytest.fixture(scope="session")
def certified(cancer, forest):
    """Some of 40 trees, certified on half of the rows given."""
    pruner = EnsemblePruner(
        FrozenEstimator(forest), target_size="auto", tolerance=0.025, confidence=0.9, random_state=0
    )
    return pruner.fit(cancer[1], cancer[3])


@pytest.fixture(scope="session")
def sparse_network(cancer):
    """A network that lost 60 % of its weights."""
    scaler = StandardScaler().fit(cancer[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        network = MLPClassifier((12, 6), max_iter=40, random_state=0)
        network.fit(scaler.transform(cancer[0]), cancer[2])
        pruner = MLPPruner(FrozenEstimator(network), sparsity=0.6, n_steps=3, random_state=0)
        return pruner.fit(scaler.transform(cancer[0]), cancer[2])
