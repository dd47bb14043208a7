"""A report as HTML: a fragment for notebooks, a page for a file."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .report import PruningReport

_STYLE = """
.ensprune-report { font-family: system-ui, sans-serif; max-width: 52em; line-height: 1.45 }
.ensprune-report h2 { font-size: 1.25em; margin: 0 0 .6em }
.ensprune-report table { border-collapse: collapse; font-variant-numeric: tabular-nums }
.ensprune-report th, .ensprune-report td { padding: .3em .9em; text-align: right; white-space: nowrap;
  border-bottom: 1px solid color-mix(in srgb, currentColor 18%, transparent) }
.ensprune-report th:first-child { text-align: left; font-weight: normal; padding-left: 0 }
.ensprune-report thead th { font-weight: 600 }
.ensprune-report p { margin: .7em 0 0 }
.ensprune-report p.certificate { font-weight: 600 }
.ensprune-report p.note { font-size: .85em; opacity: .75 }
.ensprune-report img { display: block; width: 100%; max-width: 44em; margin-top: 1em; background: white }
"""


def fragment(report: PruningReport) -> str:
    """A ``<div>`` with its own style."""
    header = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in report.header)
    rows = "\n".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for name, *cells in report.cells
    )
    said = "\n".join(f'<p class="note">{escape(note)}</p>' for note in report.notes)
    certificate = ""
    if report.certificate is not None:
        certificate = f'<p class="certificate">Certificate: {escape(report.certificate)}.</p>'
    return f"""<div class="ensprune-report">
<style>{_STYLE}</style>
<h2>{escape(report.title)}</h2>
<table>
<thead><tr>{header}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
{certificate}
{_figure(report)}
{said}
</div>
"""


def page(report: PruningReport) -> str:
    """A complete document."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(report.title)}</title>
<style>body {{ margin: 2em auto; max-width: 56em; padding: 0 1em }}</style>
</head>
<body>
{fragment(report)}
</body>
</html>
"""


def _figure(report: PruningReport) -> str:
    """The path as an image within the text; nothing where matplotlib is not installed."""
    try:
        figure = report.figure()
    except ImportError:
        return ""
    drawn = io.BytesIO()
    # An image of its own: names within an inline SVG would clash with those of the next one.
    figure.savefig(drawn, format="svg", metadata={"Date": None})
    encoded = base64.b64encode(drawn.getvalue()).decode("ascii")
    alt = f"{report.metric} along the pruning path of {report.curve.name}"
    return f'<img alt="{escape(alt)}" src="data:image/svg+xml;base64,{encoded}">'
