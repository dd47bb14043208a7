"""The classic experiment: prune every layer of a network on 28 x 28 images, 10 % to 99 %.

    python examples/prune_mlp_mnist.py                    # 10,000 images of Fashion-MNIST, bundled
    python examples/prune_mlp_mnist.py path/to/mnist.npz  # arrays X and y, last 10,000 rows: test

Four ways to the same sparsity. Each layer by the magnitude of its weights: cut and nothing else
("one-shot"); cut and refit what is left by least squares, without labels ("reconstructed"); cut a
little more of the network of the row above and train ("fine-tuned"). And fine-tuned with the layers
sharing the sparsity by the worth of their weights ("fine-tuned, shared"). Prints a table and, where
matplotlib is installed, draws it.
"""

import argparse
import pickle
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.neural_network import MLPClassifier

from ensprune.fashion_mnist import load_fashion_mnist
from ensprune.mlp import MLPPruner, compress

SPARSITIES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
WAYS = ("one-shot", "reconstructed", "fine-tuned", "fine-tuned, shared")


def load(path):
    """Return training images and labels, test images and labels; pixels in [0, 1]."""
    if path is None:
        X, y = load_fashion_mnist()
        n_test = 2_000
    else:
        with np.load(path) as file:
            X, y = file["X"].reshape(len(file["y"]), -1), file["y"]
        n_test = 10_000
    X = (X / 255).astype(np.float32)
    return X[:-n_test], y[:-n_test], X[-n_test:], y[-n_test:]


def train(X, y):
    net = MLPClassifier((128, 64, 32), max_iter=15, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 15 epochs are meant
        return net.fit(X, y)


def prune(net, sparsity, data, **settings):
    """Prune each layer of `net` to `sparsity`; return the pruned network and its test accuracy."""
    X, y, X_test, y_test = data
    pruner = MLPPruner(
        FrozenEstimator(net), sparsity=sparsity, schedule="one_shot", max_samples=2_000,
        random_state=0, **settings,
    )  # fmt: skip
    pruner.fit(X, y, X_val=X_test, y_val=y_test)
    return pruner.pruned_estimator_, pruner.score_pruned_


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", nargs="?", help="npz file with X and y; default: bundled images")
    parser.add_argument("--figure", default="prune_mlp_mnist.png", help="where to draw")
    options = parser.parse_args()

    data = load(options.images)
    dense = train(*data[:2])
    dense_score = dense.score(*data[2:])
    n_weights = sum(W.size for W in dense.coefs_)
    print(f"784-128-64-32-10, {n_weights} weights, dense accuracy {dense_score:.4f}\n")

    print(f"| sparsity | {' | '.join(WAYS)} |")
    print(f"| --- {'| --- ' * len(WAYS)}|")
    table, each, shared = [], dense, dense
    for sparsity in SPARSITIES:
        epochs = 1 if sparsity <= 0.5 else 3
        scores = [
            prune(dense, sparsity, data, scope="layer", finetune_epochs=0)[1],
            prune(dense, sparsity, data, scope="layer", finetune_epochs=0, reconstruct=True)[1],
        ]
        each, score = prune(each, sparsity, data, scope="layer", finetune_epochs=epochs)
        scores.append(score)
        shared, score = prune(
            shared, sparsity, data, scope="global", criterion="wanda", finetune_epochs=epochs
        )
        scores.append(score)
        table.append(scores)
        print(f"| {sparsity:.0%} | {' | '.join(f'{score:.4f}' for score in scores)} |", flush=True)

    stored = [len(pickle.dumps(net)) for net in (dense, compress(shared, dtype="int8"))]
    print(f"\nAt 99 %, int8: {stored[1]} bytes instead of {stored[0]}.")
    draw(np.array(table), dense_score, options.figure)


def draw(table, dense_score, path):
    try:
        import matplotlib
    except ImportError:
        print("matplotlib is not installed: no figure.")
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for scores, way in zip(table.T, WAYS):
        ax.plot(SPARSITIES, scores, marker="o", markersize=4, label=way)
    ax.axhline(dense_score, color="grey", linestyle="--", linewidth=1, label="dense")
    ax.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    ax.set(xlabel="Sparsity", ylabel="Test accuracy", xlim=(0.08, 1.0))
    ax.set_title("One network, four ways to prune it")
    ax.grid(alpha=0.3)
    ax.legend(loc="lower left")
    figure.savefig(path, dpi=150)
    plt.close(figure)
    print(f"Figure: {path}")


if __name__ == "__main__":
    main()
