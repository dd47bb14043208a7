"""Outputs in a file stay there: what is made of them goes to a file, or is worked through in blocks."""

import importlib.util
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ensprune.selectors import ILPSelector
from ensprune.selectors.ilp.evidence import Evidence
from ensprune.storage import is_on_disk, on_disk, release

_spec = importlib.util.spec_from_file_location(
    "ilp_cases", Path(__file__).with_name("ilp_cases.py")
)
cases = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(cases)

N_MEMBERS, N_SAMPLES = 40, 100_000


@pytest.fixture(scope="module")
def large():
    """Two classes, 32 MB of outputs in a file, and out-of-bag masks."""
    rng = np.random.default_rng(0)
    outputs = on_disk((N_MEMBERS, 2, N_SAMPLES))
    outputs[:, 0] = rng.random((N_MEMBERS, N_SAMPLES), dtype=np.float32)
    outputs[:, 1] = 1 - outputs[:, 0]
    release(outputs)
    few = cases.classification(n_members=N_MEMBERS, n_classes=2, n_samples=8)
    labels = few.combiner.classes[rng.integers(0, 2, N_SAMPLES)]
    mask = np.stack([rng.random(N_SAMPLES) < 0.37 for _ in range(N_MEMBERS)])
    return replace(few, outputs=outputs, y=labels, mask=mask)


@pytest.mark.parametrize("out_of_bag", [True, False])
@pytest.mark.parametrize("formulation", ["squared_error", "pairwise"])
def test_blocks_of_the_outputs(formulation, out_of_bag, large):
    problem = large if out_of_bag else replace(large, mask=None)
    tracemalloc.start()
    try:
        ILPSelector(formulation, mip_gap=1.0).select(problem)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Whatever the number of samples.
    assert peak < 25e6


@pytest.mark.parametrize("formulation", ["squared_error", "pairwise"])
def test_quadratic_formulations_read_a_matrix_only(formulation, monkeypatch):
    mask = np.random.default_rng(0).random((9, 40)) < 0.6
    monkeypatch.setattr(Evidence, "filled", None)
    path = ILPSelector(formulation).select(cases.case(formulation, mask=mask))
    assert path.result.status == "optimal"


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("regression", [False, True])
def test_in_a_file_as_in_memory(regression, weighted):
    problem = (cases.regression if regression else cases.classification)(3)
    mask = np.random.default_rng(1).random((9, 40)) < 0.6
    weights = np.linspace(0.5, 2, 9) if weighted else None
    problem = replace(
        problem, mask=mask, combiner=replace(problem.combiner, kind="vote", weights=weights)
    )
    outputs = on_disk(problem.outputs.shape)
    outputs[...] = problem.outputs
    held, filed = Evidence(problem), Evidence(replace(problem, outputs=outputs))
    assert is_on_disk(filed.filled)
    assert not is_on_disk(held.filled)
    np.testing.assert_array_equal(filed.filled, held.filled)
    assert filed.identities == held.identities
    if not regression:
        np.testing.assert_array_equal(filed.full_labels(), held.full_labels())
    # The mean that the ensemble itself takes, where all speak.
    plain = Evidence(replace(problem, mask=None))
    np.testing.assert_allclose(
        plain.outputs.mean(axis=0, dtype=float), problem.combiner.raw(problem.outputs)
    )


def test_members_that_are_silent_elsewhere_are_not_the_same():
    # Right everywhere: out of bag both say what a silent member says, of other pairs.
    problem = cases.regression(n_members=4, n_samples=6, budget=2)
    outputs = np.broadcast_to(problem.y.astype(np.float32), problem.outputs.shape).copy()
    mask = np.ones((4, 6), dtype=bool)
    mask[1, :3] = False
    identities = Evidence(replace(problem, outputs=outputs, mask=mask)).identities
    assert identities[0] == identities[2] == identities[3] != identities[1]


@pytest.mark.parametrize("options", [{"formulation": "margin"}, {"formulation": "accuracy"}, {}])
@pytest.mark.parametrize("out_of_bag", [True, False])
@pytest.mark.filterwarnings("ignore:ILPSelector:sklearn.exceptions.ConvergenceWarning")
def test_no_margins_of_large_files(options, out_of_bag, large, monkeypatch):
    def refuse(self, samples=None):
        raise AssertionError("margins take many times the memory of the outputs")

    monkeypatch.setattr(Evidence, "margins", refuse)
    some = slice(0, 5000)
    problem = replace(
        large,
        outputs=large.outputs[:, :, some],
        y=large.y[some],
        mask=large.mask[:, some] if out_of_bag else None,
    )
    floors = {} if options else {"min_recall": {"a": 0.4}}
    path = ILPSelector(time_limit=0.5, **options, **floors).select(problem)
    assert len(path[-1].indices) == 4
    assert path.result.bound >= path.result.objective_value


def test_members_that_differ_late_are_not_the_same():
    problem = cases.regression(n_members=4, n_samples=600)
    outputs = problem.outputs.copy()
    outputs[1] = outputs[2] = outputs[3] = outputs[0]
    outputs[2, :, -1] += 1
    first, second, third, last = Evidence(replace(problem, outputs=outputs)).identities
    assert first == second == last != third
