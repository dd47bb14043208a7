"""Standard errors: by hand for averages, by brute force for the rest, NaN where nobody can tell."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import get_scorer, r2_score

from ensprune.replay import Replay
from ensprune.standard_error import error_on

RNG = np.random.default_rng(0)
Y = RNG.normal(size=200)
SAID = Y + RNG.normal(size=200)


def error(scoring, y, said, weight=None):
    scorer = get_scorer(scoring)
    classes = np.unique(y) if y.dtype.kind in "Ui" else None
    return error_on(scorer, Replay(classes, predict=said), np.empty((len(y), 0)), y, weight)


def test_of_an_average_it_is_that_of_the_mean():
    losses = (SAID - Y) ** 2
    expected = losses.std() / np.sqrt(len(Y))
    assert error("neg_mean_squared_error", Y, SAID) == pytest.approx(expected)
    # Of a weighted mean, the rows that weigh nothing say nothing.
    weight = np.where(np.arange(200) < 50, 2.0, 0.0)
    half = error("neg_mean_squared_error", Y[:50], SAID[:50])
    assert error("neg_mean_squared_error", Y, SAID, weight) == pytest.approx(half)


def test_roots_and_shares_of_the_variance_by_the_delta_rule():
    of_squares = error("neg_mean_squared_error", Y, SAID)
    mean = np.mean((SAID - Y) ** 2)
    assert error("neg_root_mean_squared_error", Y, SAID) == pytest.approx(
        of_squares / (2 * np.sqrt(mean))
    )
    assert error("r2", Y, SAID) == pytest.approx(of_squares / Y.var())


def test_nothing_wrong_has_no_error_and_no_variance_has_no_share():
    assert error("neg_root_mean_squared_error", Y, Y) == 0.0
    assert np.isnan(error("r2", np.ones(20), SAID[:20]))


def test_other_metrics_leave_out_a_tenth_at_a_time():
    y, said = (Y > 0).astype(int), (SAID > 0).astype(int)
    found = error("f1", y, said)
    # As far apart as samples of this size really are.
    scorer = get_scorer("f1")
    drawn = [
        scorer._score_func(y[rows], said[rows])
        for rows in (RNG.integers(0, 200, 200) for _ in range(300))
    ]
    assert 0.5 < found / np.std(drawn) < 2.0


@pytest.mark.parametrize("n_rows", [1, 9])
def test_too_few_rows_tell_nothing(n_rows):
    y, said = (Y > 0).astype(int)[:n_rows], (SAID > 0).astype(int)[:n_rows]
    assert np.isnan(error("f1", y, said))
    assert np.isnan(error("accuracy", y, said)) == (n_rows == 1)


def test_several_targets_and_metrics_that_need_every_row_have_none():
    two = np.c_[Y, Y]
    replay = Replay(None, predict=two)
    assert np.isnan(error_on(get_scorer("r2"), replay, two, two))

    def needs_all(estimator, X, y):
        if len(y) < 200:
            raise ValueError("a row is missing")
        return r2_score(y, estimator.predict(X))

    assert np.isnan(error_on(needs_all, Replay(None, predict=SAID), two, Y))
