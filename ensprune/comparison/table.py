"""Comparisons as text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from .competitors import COMPETITORS, Comparison
from .families import KINDS

_RETRAINED = {
    "average": "averages: mean of 5 such",
    "boosting": "boosting: best of 4 learning rates",
    "stack": "stacking, voting: best K learners",
}
_NAMES = {"average": "averages", "boosting": "boosting", "stack": "stacking, voting"}


def table(comparisons: Sequence[Comparison]) -> str:
    """All comparisons as text, a block per data set; ``*`` marks the best with K members.

    Parameters
    ----------
    comparisons : sequence of Comparison

    Returns
    -------
    str
    """
    names = "".join(f"{name:>8} " for name in COMPETITORS).rstrip()
    width = max(17, *(len(row.ensemble) + 1 for row in comparisons))
    header = [
        f"{'':{width + 8}} |{'pickle':>16}{'':6} |{'predict, ms':>14}{'':5} |{'test score':>25}",
        f"{'ensemble':{width}}{'members':>8} |{'full':>8}{'pruned':>8}{'ratio':>6} |"
        f"{'full':>7}{'pruned':>7}{'ratio':>6} |{names}",
    ]
    lines = list(header)
    for number, row in enumerate(comparisons):
        if number == 0 or row.dataset != comparisons[number - 1].dataset:
            title = f"-- {row.dataset}, {row.metric} "
            lines.append(title.ljust(max(map(len, header)) + 1, "-"))
        lines.append(_line(row, width))
    return "\n".join([*lines, "", *_notes(comparisons)])


def byte_size(size: float) -> str:
    """A number of bytes for people."""
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def _line(row: Comparison, width: int) -> str:
    best = max(round(row.scores[name], 3) for name in COMPETITORS[1:])
    scores = "".join(
        f"{row.scores[name]:>8.3f}"
        + ("*" if name != "full" and round(row.scores[name], 3) == best else " ")
        for name in COMPETITORS
    )
    milliseconds = "".join(f"{1000 * seconds:>7.1f}" for seconds in row.seconds)
    sizes = "".join(f"{byte_size(size):>8}" for size in row.size)
    return (
        f"{row.ensemble:{width}}{f'{row.members[0]}>{row.members[1]}':>8} |"
        f"{sizes}{_times(row.smaller):>6} |{milliseconds}{_times(row.faster):>6} |{scores}"
    ).rstrip()


def _times(ratio: float) -> str:
    """A ratio in five characters, apart from its neighbour."""
    return f"{ratio:.1f}x" if ratio < 99.95 else f"{ratio:.0f}x"


def _notes(comparisons: Sequence[Comparison]) -> list[str]:
    """What the columns are, and a count of who won."""
    kinds = [kind for kind in KINDS if any(row.kind == kind for row in comparisons)]
    wins = []
    for kind in kinds:
        rows = [row for row in comparisons if row.kind == kind]
        won = sum(row.scores["pruned"] > row.scores["retrained"] for row in rows)
        wins.append(f"{_NAMES[kind]} {won} of {len(rows)}")
    retrained = "; ".join(_RETRAINED[kind] for kind in kinds)
    text = (
        "Higher is better; * is the best with K members. retrained: K members fitted afresh on all "
        f"training rows ({retrained}). random K: mean of 5 draws. One split of the data: "
        "differences of 0.01 and more may be chance, and other splits (--seed) count other winners."
    )
    return [*textwrap.wrap(text, 100), f"pruned beats retrained: {', '.join(wins)}."]


__all__ = ["byte_size", "table"]
