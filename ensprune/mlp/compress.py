"""compress(): the same network in fewer bytes, or with a faster forward pass.

Quantised and index arrays carry a recipe of numpy calls that pickle writes instead of their values;
loading runs it, so a compressed pickle needs numpy, scipy and scikit-learn only.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from ..arguments import check_option
from .network import (
    check_is_mlp,
    check_weights_are_dense_and_finite,
    copy_network,
    layer_inputs,
)
from .neurons import remove_dead_neurons

STORAGES = ("auto", "dense", "csr")
DTYPES = ("float64", "float32", "int8")

_REPEATS = 5  # of each timed product


class _Call:
    """Pickles as the result of ``function(*arguments)``."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.recipe = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.recipe


class PackedArray(np.ndarray):
    """A read-only array that pickles as a call of numpy on smaller arrays.

    Copies and views of it are ordinary arrays as far as pickle is concerned.
    """

    recipe: tuple[Callable[..., Any], tuple[Any, ...]] | None

    def __array_finalize__(self, source: Any) -> None:
        self.recipe = None

    def __reduce__(self) -> Any:
        return np.array(self, subok=False).__reduce__() if self.recipe is None else self.recipe

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self.recipe is None:
            return np.array(self, subok=False).__reduce_ex__(protocol)
        return self.recipe


def compress(
    estimator: Any,
    *,
    storage: str = "auto",
    prefer: str = "size",
    dtype: str | None = None,
    X: Any = None,
) -> Any:
    """Return a copy of a fitted MLP that is smaller to store or faster to run.

    Optimiser state goes in any case: scikit-learn keeps three more arrays of each layer's size. So
    do hidden neurons that nothing enters or leaves any more: their constant is folded into the next
    bias, and ``hidden_layer_sizes`` shrinks accordingly.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Fitted; it is not changed. Usually ``pruner.pruned_estimator_``.
    storage : {"auto", "dense", "csr"}, default="auto"
        How weights are held: in dense arrays, in CSR matrices, or layer by layer whichever `prefer`
        asks for. A network with CSR weights predicts for dense `X` only and cannot be trained on.
    prefer : {"size", "speed"}, default="size"
        For storage="auto": fewer pickled bytes, or the faster product as measured here and now on
        this machine. Unless nearly everything is zero, dense products are the faster ones.
    dtype : {"float64", "float32", "int8"}, numpy dtype or None, default=None
        Stored type of weights and biases; None keeps the network's. "int8" stores weights as 8-bit
        integers with one float32 scale per output neuron (biases as float32); they are float32 in
        memory and dequantised on load, and such arrays are read-only before they are pickled.
    X : array-like of shape (n_samples, n_features), default=None
        Rows to time the products on (prefer="speed"). None takes 500 rows of uniform noise.

    Returns
    -------
    MLPClassifier or MLPRegressor
        Predicts as `estimator` does: equal up to rounding for dtype=None, within about 1e-6 for
        "float32", with a weight error of at most 1/254 of the largest weight of each output neuron
        for "int8".

    Raises
    ------
    TypeError
        If `estimator` is not an MLP.
    ValueError
        If an option is unknown or the network is compressed already.

    Examples
    --------
    >>> import pickle
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neural_network import MLPClassifier
    >>> from ensprune.mlp import MLPPruner, compress
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier((50, 50), tol=1e-2, max_iter=500, random_state=0)
    >>> pruner = MLPPruner(net, sparsity=0.9, random_state=0).fit(X, y)
    >>> small = compress(pruner.pruned_estimator_, dtype="float32")
    >>> len(pickle.dumps(small)) < len(pickle.dumps(pruner.estimator_)) / 8
    True
    """
    check_is_mlp(estimator)
    check_is_fitted(estimator)
    if isinstance(dtype, np.dtype):
        dtype = dtype.name
    for name, value, allowed in (
        ("storage", storage, STORAGES),
        ("prefer", prefer, ("size", "speed")),
        ("dtype", "float64" if dtype is None else dtype, DTYPES),
    ):
        check_option(name, value, allowed)
    check_weights_are_dense_and_finite(estimator)
    small = remove_dead_neurons(copy_network(estimator))
    float_dtype = np.dtype("float32" if dtype == "int8" else dtype or small.coefs_[0].dtype)
    small.intercepts_ = [b.astype(float_dtype) for b in small.intercepts_]

    inputs: list[Any] = [None] * len(small.coefs_)
    if storage == "auto" and prefer == "speed":
        n_features = small.coefs_[0].shape[0]
        rows = np.random.RandomState(0).uniform(size=(500, n_features)) if X is None else X
        inputs = layer_inputs(small, check_array(rows, dtype=[np.float64, np.float32]))
    for layer, W in enumerate(small.coefs_):
        dense, csr = _dense(W, float_dtype, dtype == "int8"), _csr(W, float_dtype, dtype == "int8")
        if storage == "auto" and prefer == "speed":
            as_csr = _seconds(inputs[layer], csr) < _seconds(inputs[layer], dense)
        elif storage == "auto":
            as_csr = _csr_bytes(csr, dtype) < W.size * _stored_itemsize(float_dtype, dtype)
        else:
            as_csr = storage == "csr"
        small.coefs_[layer] = csr if as_csr else dense
    return small


def _dense(W: np.ndarray, float_dtype: np.dtype, quantised: bool) -> np.ndarray:
    if not quantised:
        return W.astype(float_dtype)
    q, scale = _quantise(W)
    return _packed(q * scale, np.multiply, q, scale)


def _csr(W: np.ndarray, float_dtype: np.dtype, quantised: bool) -> Any:
    q, scale = _quantise(W) if quantised else (W.astype(float_dtype), None)
    found = sparse.csr_matrix(q)
    found.sort_indices()
    values = found.data if scale is None else found.data * scale[found.indices]
    csr = sparse.csr_matrix((values, found.indices, found.indptr), shape=W.shape)
    # Indices are as narrow as they can be in the pickle, and int32 again in memory.
    for name, largest in (("indices", W.shape[1]), ("indptr", found.nnz)):
        wide = getattr(csr, name).astype(np.int32)
        setattr(csr, name, _packed(wide, np.asarray, _narrowest(wide, largest), "int32"))
    if scale is not None:
        csr.data = _packed(values, np.multiply, found.data, _Call(np.take, scale, csr.indices))
    return csr


def _quantise(W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return int8 weights and their float32 scale per output neuron."""
    scale = np.abs(W).max(axis=0) / 127
    scale = np.where(scale > 0, scale, 1.0).astype(np.float32)
    return np.clip(np.round(W / scale), -127, 127).astype(np.int8), scale


def _narrowest(values: np.ndarray, largest: int) -> np.ndarray:
    return values.astype(np.min_scalar_type(max(int(largest), 1)))


def _packed(values: np.ndarray, function: Callable[..., Any], *arguments: Any) -> PackedArray:
    packed = np.array(values).view(PackedArray)
    packed.recipe = (function, arguments)
    packed.flags.writeable = False
    return packed


def _stored_itemsize(float_dtype: np.dtype, dtype: str | None) -> int:
    return 1 if dtype == "int8" else float_dtype.itemsize


def _csr_bytes(csr: Any, dtype: str | None) -> int:
    index_bytes = np.min_scalar_type(max(csr.shape[1], 1)).itemsize
    start_bytes = np.min_scalar_type(max(csr.nnz, 1)).itemsize
    per_weight = _stored_itemsize(csr.data.dtype, dtype) + index_bytes
    return csr.nnz * per_weight + (csr.shape[0] + 1) * start_bytes


def _seconds(A: np.ndarray, W: Any) -> float:
    """Return the fastest of a few products ``A @ W``."""
    best = np.inf
    for _ in range(_REPEATS):
        start = time.perf_counter()
        A @ W
        best = min(best, time.perf_counter() - start)
    return best
