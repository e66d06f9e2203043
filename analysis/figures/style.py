"""One look for all figures, and the parts they share.

Colours are those that colour-blind readers can tell apart (Okabe & Ito 2008).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.missing import numbers
from prefrontal.analysis.stats.intervals import curve_interval, interval
from prefrontal.analysis.stats.means import observed_mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito (2008), reordered: the first two go best together.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#4D4D4D")
INK, GREY, FAINT = "#222222", "#8A8A8A", "#DDDDDD"
DASHED: Any = (0, (4, 3))
SHARED: Any = {"sharex": True, "sharey": True}

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


@contextmanager
def drawing(
    path: Path,
    count: int = 1,
    panel: tuple[float, float] = (4.6, 3.2),
    margin: tuple[float, float] = (0.0, 0.0),
    most: int | None = None,
    xlabel: str = "",
    ylabel: str = "",
    **grid: Any,
) -> Iterator[tuple[Figure, list[Axes]]]:
    """Open a figure of our style, and write it at the end of the block, making its folder.

    Args:
        path: Where to write, in the format of its suffix.
        count: Number of panels.
        panel: Width and height of each panel, inches.
        margin: Width and height that the whole figure has beside the panels, inches.
        most: Most panels in a row; all of them by default.
        xlabel: Label of the horizontal axis of panels with none below.
        ylabel: Label of the vertical axis of the first panel of each row.
        **grid: Passed to ``Figure.subplots``.

    Yields:
        The figure and its panels, row by row.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(most or count, count)
    rows = -(-count // columns)
    size = panel[0] * columns + margin[0], panel[1] * rows + margin[1]
    with rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        panels = list(np.ravel(figure.subplots(rows, columns, squeeze=False, **grid)))
        for axes in panels[count:]:
            axes.set_visible(False)
        for axes in panels[:count:columns]:
            axes.set_ylabel(ylabel)
        for axes in panels[max(count - columns, 0) : count]:
            axes.set_xlabel(xlabel)
            axes.tick_params(labelbottom=True)  # also where a hidden panel is below
        yield figure, panels[:count]
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        dated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}  # same data, same file
        figure.savefig(path, metadata=dated.get(path.suffix))


def colours(names: Sequence[str]) -> dict[str, str]:
    """Return one colour of the palette for each name, in order, repeating after eight."""
    return {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(names)}


def gradient(*tones: str) -> Any:
    """Return a Matplotlib colour map that goes evenly through these colours."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("gradient", list(tones))


def mean_and_members(
    axes: Axes, x: ArrayLike, values: ArrayLike, colour: str, label: str | None = None
) -> None:
    """Draw the mean over members with its 95 % interval, and every member as a thin line.

    Args:
        axes: Where to draw.
        x: Horizontal positions ``[U]``.
        values: Curves ``[U, M]``, one column a member.
        colour: Colour of all of them.
        label: Entry of the legend for the mean.
    """
    curves = np.asarray(values, dtype=np.float64)
    mean, low, high = curve_interval(curves)
    if curves.shape[1] > 1:
        axes.plot(x, curves, color=colour, linewidth=0.5, alpha=0.3)
        axes.fill_between(np.asarray(x), low, high, color=colour, alpha=0.22, linewidth=0)
    axes.plot(x, mean, color=colour, label=label, linewidth=2.0)


def smoothed(values: ArrayLike) -> NDArray[np.float64]:
    """Return running means of curves ``[U, M]`` over at most 5 % of their points.

    The window is centred and shrinks towards both ends, so that the first and the last point stay.
    """
    curves = numbers("values", values, axes=("point", "member"))
    count = len(curves)
    reach = min(count // 40, (count - 1) // 2)
    half = np.minimum(np.minimum(np.arange(count), np.arange(count)[::-1]), reach)
    window = [curves[at - by : at + by + 1] for at, by in enumerate(half)]
    return np.array([observed_mean(part, axis=0) for part in window])


def draw_curves(
    axes: Axes,
    curves: Mapping[str, ArrayLike],
    x: ArrayLike | None = None,
    tones: Mapping[str, str] | None = None,
    first: int = 1,
) -> NDArray[np.float64]:
    """Draw each of several curves by :func:`mean_and_members`, labelled with its name.

    Args:
        axes: Where to draw.
        curves: Name to values ``[U, M]``.
        x: Horizontal positions ``[U]``; by default whole numbers from `first`.
        tones: Name to colour; the palette in order by default.
        first: The first position where `x` is not given.

    Returns:
        Positions of the longest curve ``[U]``.
    """
    tones = colours(list(curves)) if tones is None else tones
    longest: NDArray[np.float64] = np.zeros(0)
    for name, values in curves.items():
        table = np.asarray(values, dtype=np.float64)
        at = np.asarray(range(first, first + len(table)) if x is None else x, dtype=np.float64)
        mean_and_members(axes, at, table, tones[name], name)
        longest = max(longest, at, key=len)
    return longest


def dots_and_interval(
    axes: Axes, x: float, values: ArrayLike, spread: float, colour: str, width: float, **dots: Any
) -> float:
    """Draw every member as a dot and the interval of their mean as a line; return the mean.

    Args:
        axes: Where to draw.
        x: Horizontal position.
        values: Of the members ``[M]``.
        spread: How far dots stand aside at most.
        colour: Colour of the dots.
        width: Width of the line, points.
        **dots: Passed to ``Axes.scatter``.
    """
    members = np.asarray(values, dtype=np.float64)
    aside = np.linspace(-spread, spread, len(members)) if len(members) > 1 else 0.0
    axes.scatter(x + aside, members, color=colour, linewidths=0, **dots)
    estimate = interval(members)
    if estimate.low is not None and estimate.high is not None:
        axes.plot([x, x], [estimate.low, estimate.high], color=INK, linewidth=width, zorder=4)
    return estimate.value


def draw_table(
    axes: Axes, values: ArrayLike, rows: Sequence[str], columns: Sequence[str], **image: Any
) -> Any:
    """Draw a table as coloured cells with named rows and columns; return the image."""
    drawn = axes.imshow(values, **image)
    axes.set_xticks(range(len(columns)), list(columns))
    axes.set_yticks(range(len(rows)), list(rows))
    axes.tick_params(length=0)
    return drawn


def reference_lines(axes: Axes, references: Mapping[str, float] | None) -> None:
    """Draw dashed horizontal lines with their names at the right end, just above the line."""
    for name, value in (references or {}).items():
        axes.axhline(value, color=INK, linewidth=0.9, linestyle=DASHED, zorder=1.5)
        _at_right_end(axes, value, name, (-2, 2), ha="right", va="bottom", fontsize=7.5)


def legend_below(figure: Figure, columns: int, **legend: Any) -> None:
    """Put one legend of all panels below them, each label once; none if nothing has a label."""
    entries: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if entries:
        handles, labels = list(entries.values()), list(entries)
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, **legend)


def hide_spines(axes: Axes) -> None:
    """Leave out the frame of a panel."""
    for spine in axes.spines.values():
        spine.set_visible(False)


def label_ends(axes: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    """Name curves at their right ends, pushed apart so that no two names overlap.

    Args:
        axes: With its limits set; curves that end above it are named at the top, with an arrow.
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
        _at_right_end(axes, y, text, (5, 0), color=colour, va="center", fontsize=8)


def _at_right_end(axes: Axes, y: float, text: str, shift: tuple[float, float], **look: Any) -> None:
    """Write at the right end of a panel at height y, shifted by so many points."""
    ends: Any = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
    axes.annotate(text, (1, y), shift, annotation_clip=False, **ends, **look)


def step_unit(largest: float) -> tuple[float, str]:
    """Return the steps that an axis up to `largest` counts by, and the label of that axis."""
    if largest >= 2e6:
        return 1e6, "environment steps (millions)"
    if largest >= 2e4:
        return 1e3, "environment steps (thousands)"
    return 1.0, "environment steps"
