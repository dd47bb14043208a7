"""compress(): what is stored, what it predicts, where it loads."""

import copy
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from ensprune.mlp import compress
from ensprune.mlp.compress import PackedArray
from ensprune.mlp.network import copy_network

OPTIONS = [
    {"storage": storage, "dtype": dtype}
    for storage in ("auto", "dense", "csr")
    for dtype in (None, "float32", "int8")
]


@pytest.fixture(scope="module")
def sparse_net(digits_net):
    net = copy_network(digits_net)
    draw = np.random.RandomState(0)
    for W in net.coefs_[:2]:
        W[draw.uniform(size=W.shape) < 0.93] = 0.0
    return net


@pytest.mark.parametrize("options", OPTIONS)
def test_predictions_and_round_trip(digits, sparse_net, options):
    X, _ = digits
    before = copy.deepcopy(sparse_net)
    small = compress(sparse_net, **options)
    allowed = {None: 1e-12, "float32": 1e-5, "int8": 0.1}[options["dtype"]]
    full = sparse_net.predict_proba(X)
    assert np.abs(small.predict_proba(X) - full).max() <= allowed
    loaded = pickle.loads(pickle.dumps(small))
    assert np.array_equal(loaded.predict_proba(X), small.predict_proba(X))
    assert all(np.array_equal(a, b) for a, b in zip(before.coefs_, sparse_net.coefs_, strict=True))
    assert type(loaded) is MLPClassifier
    if options["dtype"]:
        assert {W.dtype for W in loaded.coefs_} == {np.dtype("float32")}
    if options["storage"] == "csr":
        assert all(sparse.issparse(W) for W in loaded.coefs_)


def test_int8_errs_by_half_a_step_of_each_neurons_scale(sparse_net):
    small = compress(sparse_net, storage="dense", dtype="int8")
    net = compress(sparse_net, storage="dense")
    for W, q in zip(net.coefs_, small.coefs_, strict=True):
        step = np.abs(W).max(axis=0) / 127
        assert (np.abs(W - q) <= step / 2 * (1 + 1e-5)).all()
        assert (np.asarray(q)[W == 0] == 0).all()


@pytest.mark.parametrize("name", ["float32", "int8"])
def test_a_dtype_is_taken_for_its_name(sparse_net, name):
    by_name, by_dtype = (compress(sparse_net, dtype=given) for given in (name, np.dtype(name)))
    assert pickle.dumps(by_name) == pickle.dumps(by_dtype)


def test_sizes(digits_net, sparse_net):
    as_fitted = len(pickle.dumps(digits_net))
    sizes = [
        len(pickle.dumps(compress(sparse_net, dtype=dtype))) for dtype in (None, "float32", "int8")
    ]
    assert sizes[2] < sizes[1] < sizes[0] < as_fitted / 3
    dense = len(pickle.dumps(compress(sparse_net, storage="dense")))
    assert sizes[0] < dense < as_fitted
    assert len(pickle.dumps(compress(sparse_net, storage="csr", dtype="int8"))) <= sizes[2] * 1.2


def test_auto_keeps_dense_layers_dense(sparse_net):
    small = compress(sparse_net)
    assert [sparse.issparse(W) for W in small.coefs_] == [True, True, False]


def test_speed_decides_by_measurement(digits, sparse_net):
    X, _ = digits
    for rows in (None, X[:100]):
        small = compress(sparse_net, prefer="speed", X=rows)
        np.testing.assert_allclose(small.predict_proba(X), sparse_net.predict_proba(X), atol=1e-12)


def test_loads_and_predicts_where_ensprune_is_not_installed(digits, sparse_net, tmp_path):
    X = digits[0][:20]
    nets = [compress(sparse_net, storage=storage, dtype="int8") for storage in ("dense", "csr")]
    cases = [(net, X, net.predict_proba(X)) for net in nets]
    (tmp_path / "nets.pkl").write_bytes(pickle.dumps(cases))
    joblib.dump(cases, tmp_path / "nets.joblib")
    code = (
        "import sys, pickle, joblib; sys.modules['ensprune'] = None\n"
        "pickled = pickle.load(open(sys.argv[1], 'rb'))\n"
        "for net, X, p in pickled + joblib.load(sys.argv[2]):\n"
        "    assert (net.predict_proba(X) == p).all()\n"
        "    assert all(type(getattr(W, 'data', W)).__name__ != 'PackedArray' for W in net.coefs_)\n"
    )
    files = [tmp_path / "nets.pkl", tmp_path / "nets.joblib"]
    done = subprocess.run([sys.executable, "-I", "-c", code, *files], capture_output=True)
    assert done.returncode == 0, done.stderr


def test_packed_arrays_cannot_go_stale():
    packed = np.arange(4.0).view(PackedArray)
    packed.recipe = (np.zeros, (4,))
    assert pickle.loads(pickle.dumps(packed)).tolist() == [0, 0, 0, 0]
    for other in (packed + 1, packed[:2], packed.copy(), copy.deepcopy(packed)):
        assert pickle.loads(pickle.dumps(other)).tolist() == np.asarray(other).tolist()


def test_packed_weights_are_read_only(sparse_net):
    small = compress(sparse_net, storage="dense", dtype="int8")
    with pytest.raises(ValueError, match="read-only"):
        small.coefs_[0][0, 0] = 1.0


def test_bad_input_is_named(sparse_net):
    with pytest.raises(TypeError, match="must be an MLPClassifier or MLPRegressor"):
        compress(LogisticRegression())
    for options in ({"storage": "coo"}, {"prefer": "memory"}, {"dtype": "float16"}):
        ((name, value),) = options.items()
        with pytest.raises(ValueError, match=f"{name}='{value}' is unknown; give"):
            compress(sparse_net, **options)
    with pytest.raises(ValueError, match="compressed already"):
        compress(compress(sparse_net, storage="csr"))
