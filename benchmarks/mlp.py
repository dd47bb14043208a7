"""Weight-level pruning on all of MNIST with a 784-300-100-10 network.

    python benchmarks/mlp.py mnist.npz [--section oneshot gradual neurons storage programme]

The file holds arrays ``X`` (70000 x 784, or 70000 x 28 x 28, bytes) and ``y``; the last 10,000 rows
are the test part. Every accuracy is on the test part, which nothing is fitted to or selected by.
Seconds depend on the machine; speeds are given as ratios within this run.
"""

import argparse
import pickle
import time
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.neural_network import MLPClassifier
from sklearn.utils import check_random_state

from ensprune.mlp import MLPPruner, compress, finetune
from ensprune.mlp.l1_program import solve_neuron

SECTIONS = ("oneshot", "gradual", "neurons", "storage", "programme")
GRADUAL_EPOCHS = [2] * 9 + [12]


def load(path):
    with np.load(path) as file:
        X, y = file["X"].reshape(70_000, -1), file["y"]
    X = (X / 255).astype(np.float32)
    return X[:60_000], y[:60_000], X[60_000:], y[60_000:]


def train_dense(X, y):
    net = MLPClassifier((300, 100), max_iter=10, batch_size=128, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return net.fit(X, y)


def pruned(net, data, **settings):
    X, y, X_test, y_test = data
    pruner = MLPPruner(FrozenEstimator(net), random_state=0, **settings)
    return pruner.fit(X, y, X_val=X_test, y_val=y_test)


def speed_ratio(slow, fast, X, repeats=30):
    """Return how many times faster `fast` predicts, from the fastest of interleaved runs."""
    best = {}
    for _ in range(repeats):
        for name, net in (("slow", slow), ("fast", fast)):
            start = time.perf_counter()
            net.predict(X)
            best[name] = min(best.get(name, np.inf), time.perf_counter() - start)
    return best["slow"] / best["fast"]


def oneshot(net, data):
    print("\n## One-shot, no fine-tuning: accuracy lost, in points")
    print("| criterion | 80 % | 90 % | 95 % |")
    print("| --- | --- | --- | --- |")
    for criterion in ("random", "magnitude", "taylor", "wanda", "obs"):
        cells = []
        for sparsity in (0.80, 0.90, 0.95):
            found = pruned(
                net, data, criterion=criterion, sparsity=sparsity, schedule="one_shot",
                finetune_epochs=0,
            )  # fmt: skip
            cells.append(f"{100 * (found.score_full_ - found.score_pruned_):.2f}")
        print(f"| {criterion} | {' | '.join(cells)} |", flush=True)


def gradual(net, data):
    print(f"\n## Gradual (cubic, 10 steps, {sum(GRADUAL_EPOCHS)} epochs of fine-tuning)")
    X, y, X_test, y_test = data
    longer = finetune(
        net, X, y, None, sum(GRADUAL_EPOCHS), check_random_state(0), decay=True
    )  # fmt: skip
    print(f"dense: {net.score(X_test, y_test):.4f}")
    print(f"dense, trained as many epochs more: {longer.score(X_test, y_test):.4f}")
    print("| criterion | sparsity | weights fewer | accuracy | minus dense, points |")
    print("| --- | --- | --- | --- | --- |")
    for criterion in ("magnitude", "wanda"):
        for sparsity in (0.95, 0.98, 0.99):
            found = pruned(
                net, data, criterion=criterion, sparsity=sparsity, finetune_epochs=GRADUAL_EPOCHS
            )
            left = sum(np.count_nonzero(W) for W in found.pruned_estimator_.coefs_)
            fewer = sum(W.size for W in net.coefs_) / left
            gain = 100 * (found.score_pruned_ - found.score_full_)
            print(
                f"| {criterion} | {sparsity} | {fewer:.1f}x | {found.score_pruned_:.4f} | {gain:+.2f} |",
                flush=True,
            )


def neurons(net, data):
    print("\n## Half of the hidden neurons gone")
    print("| criterion | fine-tuning | widths | accuracy | minus dense, points | predict faster |")
    print("| --- | --- | --- | --- | --- | --- |")
    for criterion in ("taylor", "activation", "group_lasso", "obs"):
        for label, settings in (
            ("none", {"schedule": "one_shot", "finetune_epochs": 0}),
            ("1 + 1 + 3", {"schedule": "linear", "n_steps": 3, "finetune_epochs": [1, 1, 3]}),
        ):
            found = pruned(
                net, data, criterion=criterion, structure="neuron", sparsity=0.5, **settings
            )
            small = found.pruned_estimator_
            gain = 100 * (found.score_pruned_ - found.score_full_)
            print(
                f"| {criterion} | {label} | {small.hidden_layer_sizes} | {found.score_pruned_:.4f} | "
                f"{gain:+.2f} | {speed_ratio(net, small, data[2]):.2f}x |",
                flush=True,
            )


def storage(net, data):
    print("\n## Storage of a network at 95 %, against the dense one")
    found = pruned(net, data, criterion="wanda", sparsity=0.95, n_steps=5, finetune_epochs=1)
    sparse_net = found.pruned_estimator_
    as_fitted, bare = len(pickle.dumps(net)), len(pickle.dumps(compress(net, storage="dense")))
    print(f"dense pickle {as_fitted} bytes; without optimiser state {bare}")
    print(
        "| storage | pickle | smaller than dense as fitted | ... without state | accuracy | predict faster than dense |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for label, options in (
        ("pruned, not compressed", None),
        ("compress()", {}),
        ("compress(prefer='speed')", {"prefer": "speed", "X": data[2][:1000]}),
        ("compress(dtype='float32')", {"dtype": "float32"}),
        ("compress(dtype='int8')", {"dtype": "int8"}),
        ("compress(storage='dense', dtype='int8')", {"storage": "dense", "dtype": "int8"}),
    ):
        small = sparse_net if options is None else compress(sparse_net, **options)
        stored = pickle.dumps(small)
        loaded = pickle.loads(stored)
        print(
            f"| {label} | {len(stored)} | {as_fitted / len(stored):.1f}x | {bare / len(stored):.1f}x | "
            f"{loaded.score(data[2], data[3]):.4f} | {speed_ratio(net, loaded, data[2]):.2f}x |",
            flush=True,
        )


def programme():
    print("\n## L1 programme: seconds of one solve for one output neuron")
    print("| rows x inputs | entries | seconds |")
    print("| --- | --- | --- |")
    rng = np.random.default_rng(0)
    for n_samples, n_in in ((300, 60), (500, 99), (1000, 100), (1000, 300)):
        X = np.maximum(rng.normal(size=(n_samples, n_in)) @ rng.normal(size=(n_in, n_in)), 0)
        X /= X.std(axis=0)
        W = rng.normal(size=(n_in, 1))
        seconds = timed_programme(X, W)
        print(f"| {n_samples} x {n_in} | {X.size} | {seconds:.2f} |", flush=True)


def timed_programme(X, W):
    z = (X @ W)[:, 0]
    start = time.perf_counter()
    solve_neuron(X, z, 0.3 * z.std(), relu=False, intercept=True, time_limit=60.0)
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mnist", help="npz file with X and y")
    parser.add_argument("--section", nargs="+", choices=SECTIONS, default=SECTIONS)
    options = parser.parse_args()
    data = load(options.mnist)
    net = train_dense(*data[:2])
    print(f"784-300-100-10, 10 epochs, float32: accuracy {net.score(*data[2:]):.4f}", flush=True)
    for name in options.section:
        if name == "programme":
            programme()
        else:
            {"oneshot": oneshot, "gradual": gradual, "neurons": neurons, "storage": storage}[name](
                net, data
            )


if __name__ == "__main__":
    main()
