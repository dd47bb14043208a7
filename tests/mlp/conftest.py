"""Small fitted networks that the tests of this directory share; tests must not change them."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from threadpoolctl import threadpool_limits


def fit_quietly(net, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return net.fit(X, y)


@pytest.fixture(scope="session")
def digits():
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # old scikit-learn reading with new numpy
        X, y = load_digits(return_X_y=True)
    return X / 16, y


@pytest.fixture(scope="session")
def digits_net(digits):
    X, y = digits
    return fit_quietly(MLPClassifier((24, 12), max_iter=40, random_state=0), X[:1200], y[:1200])


@pytest.fixture(scope="session")
def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return X * 20, (y - y.mean()) / y.std()


@pytest.fixture(scope="session")
def diabetes_net(diabetes):
    X, y = diabetes
    return fit_quietly(MLPRegressor(hidden_layer_sizes=(10, 6), max_iter=200, random_state=0), X, y)


@pytest.fixture
def rng():
    return np.random.RandomState(0)


@pytest.fixture(autouse=True)
def one_blas_thread():
    """Networks this small lose more to threads than they gain."""
    with threadpool_limits(1, user_api="blas"):
        yield
