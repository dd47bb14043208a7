"""PruningReport: a pruner's before and after, as text, Markdown, HTML or a DataFrame."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
from sklearn.utils.validation import _num_samples

from ..arguments import check_as_many, check_has_rows, labels_or_values, row_weights
from ..reporting import ROWS
from .intervals import Estimate, compared, with_interval
from .measuring import pickled_bytes, seconds_to_predict
from .numerals import bytes_of, changed, count_of, ratio_of, score_of, seconds_of
from .subject import PathCurve, Subject, subject_of

# Share of a time that the next measurement may not find again.
_NOISE = 0.05

# Processes for each CPU from which on longer calls are interrupted and shorter ones are not.
_BUSY = 2.0


@dataclass(frozen=True)
class Quantity:
    """One line of the table: something counted or timed, before and after.

    Parameters
    ----------
    name : str
    full, pruned : float
    kind : {"count", "bytes", "seconds"}
    """

    name: str
    full: float
    pruned: float
    kind: str

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """Name, before, after and their ratio, as text."""
        write: Callable[[float], str] = {
            "count": count_of,
            "bytes": bytes_of,
            "seconds": seconds_of,
        }[self.kind]
        if self.kind == "seconds":
            ratio = ratio_of(self.full, self.pruned, "faster", "slower", _NOISE)
        else:
            ratio = ratio_of(self.full, self.pruned, "smaller", "larger")
        return self.name, write(self.full), write(self.pruned), ratio


@dataclass(frozen=True)
class PruningReport:
    """What a pruner made of an estimator.

    Made by :meth:`EnsemblePruner.report <ensprune.EnsemblePruner.report>`; printing it gives text,
    a notebook shows :meth:`_repr_html_`.

    Parameters
    ----------
    title : str
        What was pruned, from how much to how much.
    quantities : tuple of Quantity
        Parts, pickled bytes, seconds for one row and for a batch.
    metric : str
        What the scorer is called.
    score_full, score_pruned : Estimate
        With their 95 % intervals.
    change : Estimate
        Score of the pruned estimator minus that of the full one; without an interval where the
        scores are those of the fit.
    certificate : str or None
        The sentence of the certificate.
    notes : tuple of str
        What was scored and timed on which rows.
    curve : PathCurve
        What the figure shows.
    """

    title: str
    quantities: tuple[Quantity, ...]
    metric: str
    score_full: Estimate
    score_pruned: Estimate
    change: Estimate
    certificate: str | None
    notes: tuple[str, ...]
    curve: PathCurve

    @property
    def header(self) -> tuple[str, str, str, str]:
        """Names of the columns."""
        return "", "full", "pruned", "change"

    @property
    def cells(self) -> list[tuple[str, str, str, str]]:
        """The table as text, line by line."""
        scores = score_of(self.score_full), score_of(self.score_pruned), changed(self.change)
        return [*(quantity.cells for quantity in self.quantities), (self.metric, *scores)]

    def to_frame(self) -> pd.DataFrame:
        """The table as numbers.

        Returns
        -------
        pandas.DataFrame
            A row for each quantity and for the metric, columns ``full`` and ``pruned``, and
            ``full_low``, ``full_high``, ``pruned_low``, ``pruned_high`` with the 95 % intervals of
            the metric (NaN elsewhere).
        """
        rows = {
            quantity.name: {"full": quantity.full, "pruned": quantity.pruned}
            for quantity in self.quantities
        }
        rows[self.metric] = {
            f"{which}{end}": getattr(score, attribute)
            for which, score in (("full", self.score_full), ("pruned", self.score_pruned))
            for end, attribute in (("", "value"), ("_low", "low"), ("_high", "high"))
        }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("quantity")

    def __str__(self) -> str:
        table = [self.header, *self.cells]
        widths = [max(len(row[column]) for row in table) for column in range(4)]
        lines = [
            "  ".join(
                cell.rjust(width) if column else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in table
        ]
        lines.insert(1, "-" * (sum(widths) + 6))
        return "\n".join([self.title, "", *lines, "", *self.sentences])

    @property
    def sentences(self) -> list[str]:
        """The certificate and the notes."""
        certified = [] if self.certificate is None else [f"Certificate: {self.certificate}."]
        return [*certified, *self.notes]

    def to_markdown(self) -> str:
        """A section of a model card, in GitHub's Markdown.

        Returns
        -------
        str
        """
        rows = [f"| {' | '.join(_escaped(cell) for cell in row)} |" for row in self.cells]
        header = f"| {' | '.join(self.header)} |\n| --- | ---: | ---: | ---: |"
        bullets = [f"- {_escaped(sentence)}" for sentence in self.sentences]
        return "\n".join([f"## {_escaped(self.title)}", "", header, *rows, "", *bullets, ""])

    def to_html(self) -> str:
        """A complete HTML page that needs no other file.

        The path is in it as a figure where matplotlib is installed.

        Returns
        -------
        str
        """
        from .html import page

        return page(self)

    def _repr_html_(self) -> str:
        from .html import fragment

        return fragment(self)

    def figure(self) -> Any:
        """The path as a figure that belongs to no window.

        Returns
        -------
        matplotlib Figure

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        from .drawing import new_figure
        from .path import PruningPathDisplay

        figure = new_figure("PruningReport.figure", figsize=(7, 3.8))
        PruningPathDisplay({self.curve.name: self.curve}).plot(ax=figure.subplots())
        return figure


def _escaped(text: str) -> str:
    """Text that Markdown leaves as it is within a table."""
    return re.sub(r"([|_*<\\])", r"\\\1", text)


def make_report(
    pruner: Any, X: Any = None, y: Any = None, sample_weight: Any = None
) -> PruningReport:
    """The report of a fitted pruner; see :meth:`ensprune.EnsemblePruner.report`."""
    subject = subject_of(pruner)
    curve, judged = subject.curve, subject.judged
    if X is None:
        if y is not None or sample_weight is not None:
            name = "sample_weight" if y is None else "y"
            raise ValueError(f"{name} was given without X; give the rows too, or neither")
        X = judged.rows
        timed_on = f"{_num_samples(X):,} that the fit has kept"
    else:
        timed_on = "of those given"
        check_has_rows(X, "X")
        if _num_samples(X) == 0:
            raise ValueError("X has no rows; give at least one, or None for rows of the fit")
    if y is None:
        full = with_interval(curve.score_full, judged.se_full, subject.scorer, judged.n_rows)
        pruned = with_interval(curve.score_pruned, judged.se_pruned, subject.scorer, judged.n_rows)
        change = Estimate(curve.score_pruned - curve.score_full)
        scored_on = judged.sentence
    else:
        y, weight = _checked(X, y, sample_weight)
        full, pruned, change = compared(subject.scorer, subject.full, subject.pruned, X, y, weight)
        scored_on = f"on the {_rows(len(y))} given; the change is of paired predictions"
    quantities = _quantities(subject, X)
    before, after = (count_of(number) for number in (quantities[0].full, quantities[0].pruned))
    done = "retrained as" if curve.off_path else "pruned to"
    return PruningReport(
        title=f"{curve.name}: {before} {quantities[0].name} {done} {after}",
        quantities=quantities,
        metric=curve.metric,
        score_full=full,
        score_pruned=pruned,
        change=change,
        certificate=None if curve.certificate is None else str(curve.certificate),
        notes=(
            f"{curve.metric}: {scored_on}. In brackets: 95 % intervals.",
            "predict: wall-clock time, the best of some turns of full and pruned on the same rows "
            f"({timed_on}), on this machine ({os.cpu_count()} CPUs), n_jobs as the estimators have it."
            f"{_remark_on_load()}",
            *([f"refine: {curve.refined}."] if curve.refined else []),
            *([f"retrain: {curve.retrained}."] if curve.retrained else []),
        ),
        curve=curve,
    )


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number:,} rows"


def _remark_on_load() -> str:
    """What other work on the machine does to the times."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load <= _BUSY * (os.cpu_count() or 1):
        return ""
    return " It was busy with other work, which makes times longer, long ones most of all."


def _checked(X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any]:
    y = labels_or_values(y, "y", several=True)
    check_as_many(X, y)
    if sample_weight is not None:
        sample_weight = row_weights(sample_weight, X, "sample_weight")
    return y, sample_weight


def _quantities(subject: Subject, X: Any) -> tuple[Quantity, ...]:
    both = subject.full, subject.pruned
    counts = [subject.count(estimator) for estimator in both]
    found = [
        Quantity(name, number, counts[1][name], "count")
        for name, number in counts[0].items()
        if name in counts[1]
    ]
    sizes = [pickled_bytes(estimator) for estimator in both]
    if sizes[0] is not None and sizes[1] is not None:
        found.append(Quantity("pickle", sizes[0], sizes[1], "bytes"))
    for n_rows in dict.fromkeys((1, min(_num_samples(X), ROWS))):
        before, after = seconds_to_predict(both, X, n_rows)
        found.append(Quantity(f"predict, {_rows(n_rows)}", before, after, "seconds"))
    return tuple(found)
