"""
=======================================
Which layer of a network can be pruned?
=======================================

A small network tells pictures of clothes apart. Pruning one layer at a time shows which of them carry the
accuracy; pruning all of them together, little by little and with training in between, keeps it.
"""

import warnings

import numpy as np
from matplotlib import pyplot as plt
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.neural_network import MLPClassifier

from ensprune import MLPPruner
from ensprune.fashion_mnist import load_fashion_mnist
from ensprune.inspection import PruningPathDisplay, SensitivityDisplay

X, y = load_fashion_mnist()
X = (X / 255).astype(np.float32)
X_train, y_train, X_val, y_val, X_test, y_test = (
    *(X[:3000], y[:3000]),
    *(X[3000:4000], y[3000:4000]),
    *(X[4000:6000], y[4000:6000]),
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)  # twelve epochs are meant
    network = MLPClassifier((64, 32), max_iter=12, random_state=0).fit(X_train, y_train)

# %%
# One layer at a time
# -------------------
# The first layer has 50,000 weights and can lose most of them; the last one has 320.

SensitivityDisplay.from_estimator(network, X_val, y_val)

# %%
# All layers together
# -------------------
# Nine of ten weights go, in ten steps with an epoch of training after each.

pruner = MLPPruner(FrozenEstimator(network), sparsity=0.9, finetune_epochs=1, random_state=0)
pruner.fit(X_train, y_train, X_val=X_val, y_val=y_val)
PruningPathDisplay.from_estimator(pruner)

# %%
# Zeros in a dense array take as long to multiply as other numbers, and the report says so: prediction
# becomes no faster. ``structure="neuron"`` does that, ``ensprune.mlp.compress`` stores zeros in less space.

print(pruner.report(X_test, y_test))
plt.show()
