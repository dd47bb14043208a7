"""
Latency, measured: one row, a batch, ONNX and SHAP
==================================================

Fewer trees are fewer nodes to walk, but a prediction also costs what it costs to call it. So how
much faster a pruned ensemble is depends on who asks: here one row and 10,000 rows are timed, for
the full and the pruned ensemble, in its own library and in ONNX Runtime, and SHAP values besides.
Times are medians on whatever machine this runs on; compare them within a column.
"""

# %%
import statistics
import time
import warnings

import numpy as np
import onnxmltools
import onnxruntime
import skl2onnx
from onnxmltools.convert.common.data_types import FloatTensorType
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from xgboost import XGBClassifier

from ensprune import prune
from ensprune.datasets import load_hpc

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "The set_.* function will be deprecated")
    import shap

X, labels = load_hpc(return_X_y=True)
X = X.astype(np.float32)  # as XGBoost and ONNX read it
y = np.unique(labels, return_inverse=True)[1]
X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.4, stratify=y, random_state=0)
batch = np.resize(X_val, (10_000, X.shape[1]))
row = batch[:1]

# %%
# Ten in a hundred members are kept. (Needs the extras ``onnx`` and ``shap``.)
ensembles = {
    "forest of 200": RandomForestClassifier(200, min_samples_leaf=2, n_jobs=1, random_state=0),
    "XGBoost, 200 rounds": XGBClassifier(n_estimators=200, max_depth=5, n_jobs=1, random_state=0),
}
models = {}
for name, ensemble in ensembles.items():
    models[name] = full = ensemble.fit(X_train, y_train)
    models[f"{name}, pruned to 20"] = prune(full, X_val, y_val, target_size=20)


def to_onnx(model):
    if isinstance(model, RandomForestClassifier):
        return skl2onnx.to_onnx(model, row, options={id(model): {"zipmap": False}})
    kind = FloatTensorType([None, X.shape[1]])
    return onnxmltools.convert_xgboost(model, initial_types=[("X", kind)])


def session(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(to_onnx(model).SerializeToString(), options)


def milliseconds(call, repeats):
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times[1:])


def timings(model):
    run = session(model)
    feed = run.get_inputs()[0].name
    found = run.run(None, {feed: X_val})[1]
    assert np.abs(found - model.predict_proba(X_val)).max() < 1e-4
    explainer = shap.TreeExplainer(model)
    return (
        milliseconds(lambda: model.predict_proba(row), 15),
        milliseconds(lambda: model.predict_proba(batch), 3),
        milliseconds(lambda: run.run(None, {feed: row}), 15),
        milliseconds(lambda: run.run(None, {feed: batch}), 3),
        milliseconds(lambda: explainer.shap_values(batch[:20]), 1),
    )


# %%
# One thread everywhere; the last column is for the SHAP values of 20 rows.
print(f"{'milliseconds for':<36}{'1 row':>8}{'10,000':>9}{'ONNX: 1':>9}{'10,000':>9}{'SHAP':>9}")
for name, model in models.items():
    widths = (8, 9, 9, 9, 9)
    columns = zip(timings(model), widths, strict=True)
    print(f"{name:<36}" + "".join(f"{ms:>{width}.{2 + (ms < 1)}f}" for ms, width in columns))
