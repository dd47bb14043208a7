"""MLPPruner is a citizen of scikit-learn."""

import pytest
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils.estimator_checks import check_estimator

from ensprune.mlp import MLPPruner

SETTINGS = {"hidden_layer_sizes": (16,), "max_iter": 40, "learning_rate_init": 0.05}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:.*not checking array_api input")
@pytest.mark.parametrize(
    ("network", "structure"),
    [(MLPClassifier, "weight"), (MLPClassifier, "neuron"), (MLPRegressor, "weight")],
)
def test_passes_the_checks_of_scikit_learn(network, structure):
    pruner = MLPPruner(
        network(random_state=0, **SETTINGS),
        sparsity=0.2,
        structure=structure,
        n_steps=2,
        random_state=0,
    )
    check_estimator(pruner, on_skip=None)
