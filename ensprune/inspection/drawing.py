"""matplotlib, on demand: where displays draw, and in which colours."""

from __future__ import annotations

from typing import Any

# A palette that colour-blind readers can tell apart (Okabe & Ito 2008).
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#7f7f7f"


def axes_for(display: Any, ax: Any, **figure: Any) -> Any:
    """The axes given, or those of a new figure.

    Parameters
    ----------
    display : object
        What draws, for the message.
    ax : matplotlib Axes or None
    **figure
        How to make a figure where there are no axes.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If ``ax`` is something else.
    """
    try:
        from matplotlib import pyplot as plt
        from matplotlib.axes import Axes
    except ImportError as error:
        raise _missing(f"{type(display).__name__}.plot") from error
    if isinstance(ax, Axes):
        return ax
    if ax is not None:
        raise TypeError(f"ax={ax!r} is no matplotlib Axes; give one, or None for a new figure")
    return plt.subplots(layout="constrained", **figure)[1]


# A legend above the axes, where it covers nothing.
ABOVE: dict[str, Any] = {
    "loc": "lower left",
    "bbox_to_anchor": (0, 1),
    "borderaxespad": 0.2,
    "ncols": 2,
    "fontsize": "small",
}


def finish(display: Any, ax: Any, xlabel: str, ylabel: str, **legend: Any) -> None:
    """Name the axes, and set the attributes by which a display says where it drew.

    Parameters
    ----------
    display : object
        Gets ``ax_`` and ``figure_``.
    ax : matplotlib Axes
    xlabel, ylabel : str
    **legend
        Where the legend is and how it looks.
    """
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.grid(alpha=0.25)
    ax.legend(frameon=False, **legend)
    display.ax_, display.figure_ = ax, ax.figure


def new_figure(caller: str, **figure: Any) -> Any:
    """A figure without a window, which no notebook shows by itself.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise _missing(caller) from error
    return Figure(layout="constrained", **figure)


def _missing(caller: str) -> ImportError:
    return ImportError(
        f"{caller} draws with matplotlib, which is not installed; pip install 'ensprune[plot]'"
    )
