"""Other processes and machines: the same members, bit for bit, and nothing sent per task."""

from __future__ import annotations

import pickle

import dask.array
import distributed
import joblib
import numpy as np
import pytest
from families import FAMILIES, Family, fitted
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import d2_log_loss_score, make_scorer
from xgboost import XGBClassifier
from xgboost import dask as xgboost_dask

from ensprune import EnsemblePruner
from ensprune.members import open_members
from ensprune.members.reading import read_members
from ensprune.objectives.generic import GenericObjective


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, memory_limit=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def rows():
    return make_classification(400, 8, n_informative=5, random_state=0)


def test_a_cluster_chooses_the_same_members(client, rows):
    X, y = rows
    forest = RandomForestClassifier(12, max_depth=5, random_state=0).fit(X[:200], y[:200])
    # No fast form: the scorer itself runs on the cluster.
    scorer = make_scorer(d2_log_loss_score, response_method="predict_proba")
    pruner = EnsemblePruner(FrozenEstimator(forest), target_size=2, scoring=scorer)
    here = pruner.fit(X[200:], y[200:])
    expected = here.path_, here.score_full_
    with joblib.parallel_config(backend="dask"):
        there = pruner.fit(X[200:], y[200:])
    assert [p.indices for p in there.path_] == [p.indices for p in expected[0]]
    assert [p.score for p in there.path_] == [p.score for p in expected[0]]
    assert there.score_full_ == expected[1]


def test_members_are_read_bit_for_bit_alike(client, rows):
    X, y = rows
    model = XGBClassifier(n_estimators=6, max_depth=3, n_jobs=1).fit(X, y)
    for members in (open_members(model), open_members(RandomForestClassifier(6).fit(X, y))):
        here = members.outputs(X, 1, indices=[4, 0, 5])
        with joblib.parallel_config(backend="dask"):
            there = read_members(members, X, indices=[4, 0, 5])
        np.testing.assert_array_equal(here, there)


def test_the_ensemble_is_sent_once(client, rows, monkeypatch):
    X, y = rows
    members = open_members(RandomForestClassifier(20, random_state=0).fit(X, y))
    pickled = []
    reduce = type(members).__reduce_ex__

    def counting(self, protocol):
        pickled.append(self)
        return reduce(self, protocol)

    monkeypatch.setattr(type(members), "__reduce_ex__", counting, raising=False)
    with joblib.parallel_config(backend="dask"):
        read_members(members, X)
    assert len(pickled) == 1


def test_rows_that_no_scorer_looks_at_stay_here(client, rows):
    X, y = rows

    class Homebound(np.ndarray):
        def __reduce_ex__(self, protocol):
            raise AssertionError("sent")

    members = open_members(RandomForestClassifier(5, random_state=0).fit(X, y))
    scorer = make_scorer(d2_log_loss_score, response_method="predict_proba")
    objective = GenericObjective(scorer)
    given = members.outputs(X), y, members.combiner
    objective.start(*given, rows=X)
    here = objective.candidates()
    with joblib.parallel_config(backend="dask"):
        objective.start(*given, rows=X.view(Homebound))
        np.testing.assert_array_equal(objective.candidates(), here)


def test_a_model_trained_on_the_cluster_is_pruned(client, rows):
    X, y = rows
    model = xgboost_dask.DaskXGBClassifier(n_estimators=8, max_depth=2)
    model.client = client
    model.fit(dask.array.from_array(X, chunks=(200, 8)), dask.array.from_array(y, chunks=200))
    pruner = EnsemblePruner(FrozenEstimator(model.get_booster()), target_size=4).fit(X, y)
    assert pruner.pruned_estimator_.num_boosted_rounds() == pruner.n_members_ <= 4


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.id)
def test_every_adapter_travels(family: Family):
    ensemble, X, _ = fitted(family)
    members = open_members(ensemble)
    travelled = pickle.loads(pickle.dumps(members))
    np.testing.assert_array_equal(travelled.outputs(X, 1), members.outputs(X, 1))
