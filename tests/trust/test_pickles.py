"""Pruned estimators pickled by an earlier release: they load, without ensprune, and answer alike."""

from __future__ import annotations

import gzip
import pickle
import pickletools
from functools import cache
from pathlib import Path

import numpy as np
import pytest

NAMES = [
    "RandomForestClassifier",
    "AdaBoostClassifier",
    "BaggingClassifier",
    "VotingClassifier",
    "XGBClassifier",
    "MLPClassifier",
]


@cache
def saved():
    path = Path(__file__).with_name("pruned_by_0.1.0.pkl.gz")
    return pickle.loads(gzip.decompress(path.read_bytes()))


# Their libraries say that they were pickled by older ones.
@pytest.mark.filterwarnings("ignore:Trying to unpickle estimator")
@pytest.mark.filterwarnings("ignore:.*If you are loading a serialized model")
@pytest.mark.parametrize("name", NAMES)
def test_what_an_earlier_release_pruned_still_answers(name):
    X, estimators = saved()
    written, answers = estimators[name]
    estimator = pickle.loads(written)
    assert type(estimator).__name__ == name
    np.testing.assert_allclose(estimator.predict_proba(X), answers, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_ours_is_in_the_pickle(name):
    written, _ = saved()[1][name]
    words = [argument for _, argument, _ in pickletools.genops(written) if argument is not None]
    assert any("sklearn" in str(word) or "xgboost" in str(word) for word in words)
    assert not any("ensprune" in str(word) for word in words)
