"""PruningPath: the sub-ensembles a selector visited, and choosing a point on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

# Budgets and costs are sums of floats: this much relative slack keeps 0.3 of 10 members at 3.
_SLACK = 1e-9


@dataclass(frozen=True)
class PathPoint:
    """One sub-ensemble on a path.

    Parameters
    ----------
    indices : tuple of int
        Members, in the order chosen.
    cost : float
        Their total cost.
    objective : float
        What the selector's own objective said of it, greater is better; out of bag and for
        boosting this is a proxy of the metric asked for.
    weights : tuple of float, default=None
        Factors on the members' native weights; None leaves those as they are.
    score, score_se : float, default=nan
        The asked metric on the validation data, and its standard error.
    score_refined : float, default=nan
        The asked metric of the refined sub-ensemble, cross-fitted; NaN where not computed.
    """

    indices: tuple[int, ...]
    cost: float
    objective: float
    weights: tuple[float, ...] | None = None
    score: float = float("nan")
    score_se: float = float("nan")
    score_refined: float = float("nan")

    @property
    def size(self) -> int:
        """Number of members."""
        return len(self.indices)

    @property
    def weight_array(self) -> np.ndarray | None:
        """:attr:`weights` as an array of shape (size,), or None."""
        return None if self.weights is None else np.array(self.weights)


def cheap_to_dear(points: Sequence[PathPoint]) -> list[PathPoint]:
    """Points by cost, less those that one found later undercuts and that are no better.

    A larger sub-ensemble can be the cheaper one: a swap saves more than the member before it cost,
    or other clusters have other representatives.

    Parameters
    ----------
    points : sequence of PathPoint
        In the order they were found.
    """
    if all(before.cost <= after.cost for before, after in pairwise(points)):
        return list(points)
    kept: list[PathPoint] = []
    for point in reversed(points):
        least = point.cost * (1 - _SLACK)
        if not any(other.cost < least and other.objective >= point.objective for other in kept):
            kept.append(point)
    return sorted(kept, key=lambda point: (point.cost, point.size))


@dataclass(frozen=True)
class SelectorResult:
    """What a selector reports of its search.

    Parameters
    ----------
    status : str
        ``"complete"`` when the search went as far as the budget; ``"exhausted"`` when no further
        member fitted or helped.
    objective_value : float
        The selector's objective at the last point, greater is better.
    solve_time : float
        Wall-clock seconds.
    """

    status: str
    objective_value: float
    solve_time: float


@dataclass(frozen=True, repr=False)
class PruningPath:
    """The sequence of sub-ensembles a selector visited, from cheap to dear.

    Parameters
    ----------
    points : tuple of PathPoint
        From cheap to dear.
    result : object
        What the selector reports: a frozen dataclass.

    Examples
    --------
    >>> points = (PathPoint((4,), 1.0, -0.2), PathPoint((4, 0), 2.0, -0.1))
    >>> path = PruningPath(points, SelectorResult("complete", -0.1, 0.01))
    >>> path.within(1.5).indices
    (4,)
    """

    points: tuple[PathPoint, ...]
    result: Any

    def __repr__(self) -> str:
        # All members of all points would fill a notebook.
        sizes = [point.size for point in self.points]
        scores = [point.score for point in self.points if not np.isnan(point.score)]
        spread = f", scoring {min(scores):.4g} to {max(scores):.4g}" if scores else ""
        return (
            f"<PruningPath of {len(sizes)} sub-ensembles with {min(sizes, default=0)} "
            f"to {max(sizes, default=0)} members{spread}>"
        )

    def __len__(self) -> int:
        return len(self.points)

    def __iter__(self) -> Iterator[PathPoint]:
        return iter(self.points)

    def __getitem__(self, position: int) -> PathPoint:
        return self.points[position]

    def within(self, budget: float) -> PathPoint:
        """The last point that costs no more than a budget.

        Parameters
        ----------
        budget : float
            In the unit of the costs.

        Raises
        ------
        ValueError
            If even the first point costs more.
        """
        affordable = [point for point in self.points if point.cost <= budget * (1 + _SLACK)]
        if not affordable:
            raise ValueError(
                f"a budget of {budget:g} is less than the cheapest point of the path, "
                f"{self.points[0].cost:g}"
            )
        return affordable[-1]

    def keeping(self, score: float, refined: bool = False) -> PathPoint | None:
        """The cheapest point that scores at least ``score``; None where there is none.

        Parameters
        ----------
        score : float
            The least that will do.
        refined : bool, default=False
            Whether it is the refined score that has to be high enough.
        """
        least = score - _SLACK * max(1.0, abs(score))
        enough = [
            point
            for point in self.points
            if (point.score_refined if refined else point.score) >= least
        ]
        return min(enough, key=lambda point: point.cost, default=None)

    def within_one_standard_error(self) -> PathPoint:
        """The cheapest point that scores within one standard error of the best one.

        Raises
        ------
        ValueError
            If no point has a score.

        References
        ----------
        Breiman, Friedman, Olshen & Stone, "Classification and Regression Trees" (1984),
        section 3.4.3.
        """
        best = max(
            (point for point in self.points if np.isfinite(point.score)),
            key=lambda point: point.score,
            default=None,
        )
        if best is None:
            raise ValueError("no point of the path has a score")
        # Too few samples for a standard error leave the best point itself.
        allowance = best.score_se if np.isfinite(best.score_se) else 0.0
        return self.keeping(best.score - allowance) or best

    def with_scores(self, scores: Sequence[tuple[float, float]]) -> PruningPath:
        """A copy with a score for every point.

        Parameters
        ----------
        scores : sequence of (float, float)
            Score and standard error, point by point.
        """
        points = tuple(
            replace(point, score=score, score_se=se)
            for point, (score, se) in zip(self.points, scores, strict=True)
        )
        return replace(self, points=points)

    def with_score(self, position: int, score: float) -> PruningPath:
        """A copy with another score for one point.

        Parameters
        ----------
        position : int
            Of the point.
        score : float
        """
        points = list(self.points)
        points[position] = replace(points[position], score=score)
        return replace(self, points=tuple(points))

    def with_refined(self, scores: Mapping[int, float]) -> PruningPath:
        """A copy with refined scores for some of the points.

        Parameters
        ----------
        scores : mapping of int to float
            By the position of the point.
        """
        points = list(self.points)
        for position, score in scores.items():
            points[position] = replace(points[position], score_refined=score)
        return replace(self, points=tuple(points))

    def to_frame(self) -> pd.DataFrame:
        """One row per point.

        Returns
        -------
        pandas.DataFrame
            Columns ``size`` (members), ``cost`` (in the unit asked for), ``score`` and
            ``score_se`` (the asked metric on validation data and its standard error),
            ``score_refined`` (the same after ``refine``; NaN where not computed),
            ``objective`` (the selector's own), ``indices`` and ``weights`` (tuples; None is the
            members' native weights).
        """
        return pd.DataFrame(
            {
                "size": [point.size for point in self.points],
                "cost": [point.cost for point in self.points],
                "score": [point.score for point in self.points],
                "score_se": [point.score_se for point in self.points],
                "score_refined": [point.score_refined for point in self.points],
                "objective": [point.objective for point in self.points],
                "indices": [point.indices for point in self.points],
                "weights": [point.weights for point in self.points],
            }
        )
