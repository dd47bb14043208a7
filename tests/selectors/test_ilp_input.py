"""Bad input to ILPSelector is answered with the parameter's name, what was given, what is allowed."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ensprune.combiner import LinearCombiner, MedianCombiner
from ensprune.link import Identity
from ensprune.objectives import LogLoss
from ensprune.selectors import ILPSelector, make_selector
from ensprune.selectors.ilp.solver import make_solver

_spec = importlib.util.spec_from_file_location(
    "ilp_cases", Path(__file__).with_name("ilp_cases.py")
)
cases = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(cases)


def refused(match, problem=None, error=ValueError, **options):
    with pytest.raises(error, match=match):
        ILPSelector(**options).select(cases.classification() if problem is None else problem)


def test_known_by_name():
    assert isinstance(make_selector("ilp"), ILPSelector)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"formulation": "mse"}, r"formulation='mse' is unknown; give one of \['absolute_error'"),
        ({"must_keep": [0, 1, 2, 3, 4]}, "must_keep has 5 members but target_size is 4"),
        ({"must_keep": [9]}, r"must_keep has index 9, but the ensemble has 9 members.*\[0, 8\]"),
        ({"must_drop": [-1]}, "must_drop has index -1"),
        ({"must_keep": [0.5]}, r"must_keep=\[0.5\] is no list of member indices"),
        ({"must_drop": list(range(9))}, "must_drop names all 9 members"),
        ({"must_keep": [3], "must_drop": [1, 3]}, "must_keep and must_drop both name member 3"),
        ({"must_keep": [0, 1], "at_most": [([0, 1, 2], 1)]}, "must_keep has 2 .* at_most allows 1"),
        ({"at_most": [([0, 1], -1)]}, r"at_most\[0\] allows -1 members; give an int >= 0"),
        ({"at_most": [3]}, r"at_most\[0\]=3 is no pair \(indices, k\)"),
        ({"at_most": [(range(9), 0)]}, "at_most leaves no member to choose"),
        ({"min_recall": {"z": 0.5}}, r"min_recall names the class 'z'; the ensemble has \['a', "),
        ({"min_recall": {"a": 1.5}}, r"min_recall=\{'a': 1.5\} must be in \[0, 1\]"),
        ({"min_recall": [0.5]}, r"min_recall=\[0.5\] is no dict of \{class: value\}"),
        ({"time_limit": 0}, "time_limit=0 must be > 0"),
        ({"mip_gap": -1.0}, "mip_gap=-1.0 must be >= 0"),
        ({"rho": "wide"}, "rho='wide' is no number"),
        ({"faithful": True}, "faithful=True goes with formulation='cover' only"),
        ({"tolerance": 0.1}, "tolerance=0.1 goes with formulation='cover' only"),
        ({"solver": "hihgs"}, "solver='hihgs' is unknown; give 'highs', 'cbc', a PuLP solver"),
    ],
)
def test_bad_parameters(options, match):
    refused(match, **options)


@pytest.mark.parametrize("members", [[None, 1], ["a", 1], [0.5], "ab"])
def test_what_are_no_indices_is_refused_as_such_whatever_the_size(members):
    selector = ILPSelector(must_keep=members)
    selector.check_size(1)  # before it is known how many members there are
    refused("must_keep=.* is no list of member indices", must_keep=members)


def test_recall_floor_that_the_full_ensemble_misses():
    problem = cases.classification(3)
    reached = cases.recall(problem, np.ones(9, bool), "c")
    assert reached < 1
    refused(
        r"min_recall=\{'c': 1\}.* even the full ensemble only reaches", problem, min_recall={"c": 1}
    )
    with pytest.raises(ValueError, match=rf"only reaches {reached:.4g} on .* at most") as told:
        ILPSelector(min_recall={"c": reached + 1e-6}).select(problem)
    allowed = float(str(told.value).rsplit(maxsplit=1)[1])
    assert reached - 1e-4 <= allowed <= reached
    ILPSelector(min_recall={"c": allowed}).select(replace(problem, budget=9.0))


def test_recall_floors_that_no_small_set_reaches():
    problem = cases.classification(0, budget=1)
    full = {c: cases.recall(problem, np.ones(9, bool), c) for c in "abc"}
    assert not [m for m in range(9) if all(cases.recall(problem, [m], c) >= full[c] for c in full)]
    refused("min_recall=.* cannot hold within target_size", problem, min_recall=full)


def test_cover_within_too_small_a_budget():
    problem = cases.classification(1, budget=1, n_samples=60)
    refused(
        r"faithful=True cannot hold within target_size \(a budget of 1\); raise target_size or",
        problem,
        formulation="cover",
        faithful=True,
    )


def test_costs_of_kept_members():
    problem = cases.classification(costs=np.arange(1.0, 10), budget=10.0)
    refused(
        "must_keep has members that cost 17 but target_size allows 10", problem, must_keep=[7, 8]
    )
    refused("must_drop leaves no member within", replace(problem, budget=2.5), must_drop=[0, 1])


def test_formulations_and_ensembles_that_do_not_go_together():
    regression = cases.regression()
    for name in ("accuracy", "margin", "pairwise"):
        refused(f"formulation='{name}'.* for classifiers", regression, formulation=name)
    refused("formulation='absolute_error' is for regressors", formulation="absolute_error")
    refused("faithful=True keeps labels", regression, formulation="cover", faithful=True)
    refused("min_recall is for classifiers", regression, min_recall={"a": 0.5})
    logs = cases.classification(objective=LogLoss())
    refused("formulation='cover' keeps accuracy, MSE, .* not LogLoss", logs, formulation="cover")
    sums = replace(regression, combiner=LinearCombiner("sum", Identity(), None, 9))
    refused("sums its stages.*selector='greedy'", sums)
    median = replace(regression, combiner=MedianCombiner(Identity(), np.ones(9)))
    refused("averaged, not combined by a weighted median", median)


def test_solver_that_is_not_installed(monkeypatch):
    import pulp

    monkeypatch.setattr(pulp.COIN_CMD, "available", lambda self: False)
    refused(
        r"solver='cbc' is not installed: pip install 'ensprune\[cbc\]'",
        error=ImportError,
        solver="cbc",
    )
    refused("is no PuLP solver", error=TypeError, solver=3)


def test_solver_objects_are_not_changed():
    import pulp

    given = pulp.HiGHS(msg=True, timeLimit=7)
    before = dict(given.__dict__)
    own = make_solver(given)
    assert own is not given
    ILPSelector("margin", solver=given).select(cases.classification())
    assert given.__dict__ == before
