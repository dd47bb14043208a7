"""Answers along a path: to the last bit those of each sub-ensemble on its own."""

from __future__ import annotations

import numpy as np
import pytest

from ensprune.along import AlongPath
from ensprune.combiner import LinearCombiner, MedianCombiner
from ensprune.link import Identity, Probability

PATH = [[3], [3, 1], [3, 1, 7, 4], [3, 1, 7, 5], [3, 1, 7, 5], [2, 0], [2, 0, 1, 6, 8]]


@pytest.mark.parametrize("weights", ["none", "kept", "changed"])
@pytest.mark.parametrize(
    ("kind", "masked"),
    [("mean", False), ("vote", False), ("sum", False), ("mean", True), ("vote", True)],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_sub_ensemble_answers_as_on_its_own(kind, weights, masked, dtype):
    rng = np.random.default_rng(0)
    outputs = rng.random((9, 3, 50)).astype(dtype)
    mask = rng.random((9, 50)) < 0.3 if masked else None
    native = None if weights == "none" else rng.uniform(0.5, 2.0, 9)
    offset = np.array([0.1, -0.2, 0.3])
    full = LinearCombiner(kind, Probability(), np.arange(3), 9, native, offset)
    along = AlongPath(outputs, mask)
    answers = []
    for step, members in enumerate(PATH):
        factors = np.full(len(members), 1.0 + step % 3) if weights == "changed" else None
        combiner = full.take(members, factors)
        if mask is None:
            raw = combiner.raw(outputs[members])
        else:
            raw = combiner.raw_out_of_bag(outputs[members], mask[members])
            raw = raw[:, mask[members].any(axis=0)]
        answers.append((along.replay(combiner, members), raw))
    for answer, raw in answers:  # also after the others were asked for
        sure = np.where((raw > 1) & (raw < 1 + 1e-12), 1, raw).T
        total = sure.sum(axis=1, keepdims=True)
        expected = np.where(np.abs(total - 1) > 1e-9, sure / total, sure)
        np.testing.assert_array_equal(answer.predict_proba_, expected)
        np.testing.assert_array_equal(answer.predict_, raw.argmax(axis=0))


def test_what_does_not_average_has_no_answers_out_of_bag():
    along = AlongPath(np.zeros((3, 1, 5)), np.ones((3, 5), dtype=bool))
    median = MedianCombiner(Identity(), np.ones(2))
    total = LinearCombiner("sum", Identity(), None, 2)
    for combiner, match in ((median, "no affine function"), (total, "need an averaging combiner")):
        with pytest.raises(TypeError, match=match):
            along.replay(combiner, [0, 2])
