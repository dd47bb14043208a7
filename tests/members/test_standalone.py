"""A pruned estimator is a plain one: it loads and predicts where ensprune cannot be imported."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
from families import FAMILIES, fitted

from ensprune import refine_leaves
from ensprune.members import open_members

LOADER = """
import pickle, sys, warnings

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "ensprune":
            raise ImportError("ensprune is blocked")

sys.meta_path.insert(0, Blocked())
with open(sys.argv[1], "rb") as stream:
    models = pickle.load(stream)
predictions = {name: model.predict(X) for name, (model, X) in models.items()}
assert not any(name.partition(".")[0] == "ensprune" for name in sys.modules)
with open(sys.argv[2], "wb") as stream:
    pickle.dump(predictions, stream)
"""


def test_all_families_predict_where_ensprune_is_blocked(tmp_path):
    models = {}
    for family in FAMILIES:
        ensemble, X, y = fitted(family)
        weights = [1.0, 2.0] if family.carries_weights else None
        small = open_members(ensemble).subset([2, 0], weights)
        models[family.id] = small, X[:50]
        try:
            refined = refine_leaves(small, X, y, damping=1.0, shrinkage=3)
        except (TypeError, ValueError):  # tests/members/test_leaves.py says for which
            continue
        models[f"{family.id}-refined"] = refined, X[:50]
    assert len(models) > 1.4 * len(FAMILIES)
    with open(tmp_path / "models.pkl", "wb") as stream:
        pickle.dump(models, stream)
    files = [str(tmp_path / "models.pkl"), str(tmp_path / "predictions.pkl")]
    subprocess.run([sys.executable, "-c", LOADER, *files], check=True, cwd=tmp_path)
    with open(tmp_path / "predictions.pkl", "rb") as stream:
        predictions = pickle.load(stream)
    assert len(predictions) == len(models)
    for name, (model, X) in models.items():
        np.testing.assert_array_equal(predictions[name], model.predict(X))
