"""Points, paths and budgets by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ensprune.budget import budget_of
from ensprune.path import PathPoint, PruningPath, SelectorResult, cheap_to_dear


def path():
    points = (
        PathPoint((4,), 1.0, -0.3),
        PathPoint((4, 0), 2.5, -0.2),
        PathPoint((4, 0, 2), 4.0, -0.1, weights=(1.0, 0.5, 2.0)),
    )
    return PruningPath(points, SelectorResult("complete", -0.1, 0.0))


@pytest.mark.parametrize(
    ("budget", "size"), [(1.0, 1), (2.4, 1), (2.5, 2), (2.5 - 1e-12, 2), (3.9, 2), (100.0, 3)]
)
def test_within_takes_the_last_affordable_point(budget, size):
    assert path().within(budget).size == size


def test_cheap_to_dear_by_hand():
    # Of three members two ways: the later is cheaper and better. What four cost is less than the
    # second, but they score less: both are of use. The fifth costs what the fourth does.
    found = [(1, 2.0, 0.5), (3, 7.0, 0.7), (3, 6.0, 0.8), (4, 5.0, 0.6), (5, 5.0, 0.6)]
    points = [PathPoint(tuple(range(size)), *rest) for size, *rest in found]
    ordered = [(point.size, point.cost, point.objective) for point in cheap_to_dear(points)]
    assert ordered == [found[0], found[3], found[4], found[2]]
    assert cheap_to_dear(points[:2]) == points[:2]


def test_within_refuses_what_is_too_cheap():
    with pytest.raises(ValueError, match=r"a budget of 0\.5 is less than the cheapest point"):
        path().within(0.5)


def test_one_standard_error_needs_a_score():
    with pytest.raises(ValueError, match="no point of the path has a score"):
        path().within_one_standard_error()
    # Without a standard error it is the best point itself.
    scored = path().with_scores([(0.7, np.nan), (0.9, np.nan), (0.8, np.nan)])
    assert scored.within_one_standard_error().size == 2


def test_frame_has_a_row_per_point():
    scored = path().with_scores([(0.7, 0.01), (0.8, 0.02), (0.9, 0.03)])
    frame = scored.to_frame()
    assert frame["score"].tolist() == [0.7, 0.8, 0.9]
    assert frame["score_se"].tolist() == [0.01, 0.02, 0.03]
    assert frame["cost"].tolist() == [1.0, 2.5, 4.0]
    assert frame["size"].tolist() == [1, 2, 3]
    assert frame["indices"].iloc[1] == (4, 0)
    assert frame["objective"].tolist() == [point.objective for point in scored]
    assert frame["weights"].tolist() == [point.weights for point in scored]
    assert np.isnan(path().to_frame()[["score", "score_refined"]]).all(axis=None)


@pytest.mark.parametrize(
    ("target_size", "expected"),
    [(7, 7.0), (np.int64(7), 7.0), (0.5, 5.0), (np.float32(0.5), 5.0), (0.3, 3.0), (0.01, 1.0)],
)
def test_budgets_in_members(target_size, expected):
    assert budget_of(target_size, np.ones(10), "Forest", "members") == expected


def test_a_path_is_shown_in_a_line():
    scored = path().with_scores([(0.7, 0.01), (0.8, 0.02), (0.9, 0.03)])
    assert repr(path()) == "<PruningPath of 3 sub-ensembles with 1 to 3 members>"
    assert repr(scored) == (
        "<PruningPath of 3 sub-ensembles with 1 to 3 members, scoring 0.7 to 0.9>"
    )


def test_messages_allow_no_more_than_can_be_asked_for():
    nodes, seconds = np.array([175.0, 300.0]), np.array([1e-4, 2e-4])
    with pytest.raises(ValueError, match=r"give an int in \[175, 475\], a float"):
        budget_of(10, nodes, "Forest", "nodes")
    # No whole number of seconds buys some but not all of the members.
    with pytest.raises(ValueError, match=r"of 0\.0003 \(latency\) of Forest; give a float in"):
        budget_of(1, seconds, "Forest", "latency")


def test_budgets_in_other_units_are_not_rounded():
    assert budget_of(0.25, np.array([3.0, 7.0, 4.0]), "Forest", "nodes") == 3.5
    with pytest.raises(ValueError, match="cheapest member of Forest costs 3"):
        budget_of(0.2, np.array([3.0, 7.0, 4.0]), "Forest", "nodes")
