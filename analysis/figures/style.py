"""One look for all figures, and the parts they share.

Matplotlib only, drawn without a display, colours that colour-blind readers can tell apart
(Okabe & Ito 2008). Nothing here touches Matplotlib's global settings or ``pyplot``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from prefrontal.analysis.stats.intervals import curve_interval

# Okabe & Ito (2008), reordered: the first two go best together.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#4D4D4D")
INK, GREY, FAINT = "#222222", "#8A8A8A", "#DDDDDD"

STYLE: Any = {  # rc keys; Any, for their literal type differs between Matplotlib releases
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10.0,
    "axes.labelsize": 9.0,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "figure.dpi": 100.0,
    "savefig.dpi": 200.0,
    "savefig.facecolor": "white",
    "svg.hashsalt": "prefrontal",
}


def new_figure(
    rows: int = 1, columns: int = 1, size: tuple[float, float] = (4.6, 3.2), **grid: Any
) -> tuple[Figure, list[Axes]]:
    """A figure of our style with its axes in reading order; call inside :func:`style`.

    Args:
        rows: Rows of panels.
        columns: Columns of panels.
        size: Width and height of the whole figure, inches.
        **grid: Passed to ``Figure.subplots``.
    """
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, **grid)
    return figure, list(np.ravel(axes))


def new_panels(
    count: int,
    most: int,
    panel: tuple[float, float],
    margin: tuple[float, float],
    xlabel: str = "",
    ylabel: str = "",
    **grid: Any,
) -> tuple[Figure, list[Axes]]:
    """A figure with a panel for each of several things, the outer ones labelled; call inside :func:`style`.

    Args:
        count: How many panels.
        most: How many stand in a row at most.
        panel: Width and height of each, inches.
        margin: Width and height that the whole figure has beside them, inches.
        xlabel: Label of the horizontal axis of panels with none below.
        ylabel: Label of the vertical axis of the first panel of each row.
        **grid: Passed to ``Figure.subplots``.
    """
    columns = min(most, count)
    rows = -(-count // columns)
    size = panel[0] * columns + margin[0], panel[1] * rows + margin[1]
    figure, panels = new_figure(rows, columns, size, **grid)
    for axes in panels[count:]:
        axes.set_visible(False)
    for axes in panels[:count:columns]:
        axes.set_ylabel(ylabel)
    for axes in panels[max(count - columns, 0) : count]:
        axes.set_xlabel(xlabel)
        axes.tick_params(labelbottom=True)  # also where a hidden panel is below
    return figure, panels[:count]


def style() -> Any:
    """Context in which figures have our style; the caller's Matplotlib settings are untouched."""
    return rc_context(STYLE)


def save(figure: Figure, path: Path) -> Path:
    """Write the figure (format from the suffix), making its folder if need be; returns the path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    dated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}  # same data, same file
    figure.savefig(path, metadata=dated.get(path.suffix))
    return path


def colours(names: Sequence[str]) -> dict[str, str]:
    """One colour of the palette for each name, in order, repeating after eight."""
    return {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(names)}


def mean_and_members(
    axes: Axes, x: ArrayLike, values: ArrayLike, colour: str, label: str | None = None
) -> None:
    """Mean over members with its 95 % interval, and every member as a thin line.

    Args:
        axes: Where to draw.
        x: Horizontal positions [U].
        values: Curves [U, M], one column per member.
        colour: Colour of all of them.
        label: Entry of the legend for the mean.
    """
    curves = np.asarray(values, dtype=np.float64)
    mean, low, high = curve_interval(curves)
    if curves.shape[1] > 1:
        axes.plot(x, curves, color=colour, linewidth=0.5, alpha=0.3)
        axes.fill_between(np.asarray(x), low, high, color=colour, alpha=0.22, linewidth=0)
    axes.plot(x, mean, color=colour, label=label, linewidth=2.0)


def reference_lines(axes: Axes, references: Mapping[str, float]) -> None:
    """Dashed horizontal lines with their names at the right end, just above the line."""
    for name, value in references.items():
        axes.axhline(value, color=INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1.5)
        axes.annotate(
            name,
            xy=(1, value),
            xycoords=("axes fraction", "data"),
            xytext=(-2, 2),
            textcoords="offset points",
            ha="right",
            va="bottom",
            fontsize=7.5,
        )


def label_ends(axes: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    """Name curves at their right ends, pushed apart so that no two names overlap.

    Args:
        axes: With its limits set; curves that end above the top are named at the top, with an
            arrow.
        ends: (height of the end, name, colour) of each curve.
    """
    bottom, top = axes.get_ylim()
    height = axes.get_window_extent().height * 72 / axes.figure.get_dpi()  # points
    gap = 10.5 / height * (top - bottom)
    ordered = sorted(ends)
    wanted = np.array([min(end, top) for end, _, _ in ordered])
    # From the bottom up, then from the top down: at least one line of text between neighbours.
    for i in range(1, len(wanted)):
        wanted[i] = max(wanted[i], wanted[i - 1] + gap)
    wanted[-1:] = np.minimum(wanted[-1:], top)
    for i in range(len(wanted) - 2, -1, -1):
        wanted[i] = min(wanted[i], wanted[i + 1] - gap)
    for y, (end, name, colour) in zip(wanted, ordered, strict=True):
        text = f"{name}  {end:.2f}" + (" ↑" if end > top else "")
        axes.annotate(
            text,
            xy=(1, y),
            xycoords=("axes fraction", "data"),
            xytext=(5, 0),
            textcoords="offset points",
            color=colour,
            va="center",
            fontsize=8,
            annotation_clip=False,
        )


def step_unit(largest: float) -> tuple[float, str]:
    """Factor and its words for an axis of steps: (1e6, " (millions)") for large counts."""
    if largest >= 2e6:
        return 1e6, " (millions)"
    if largest >= 2e4:
        return 1e3, " (thousands)"
    return 1.0, ""
