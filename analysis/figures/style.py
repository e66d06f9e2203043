"""One look for all figures, and the parts they share.

Colours are those that colour-blind readers can tell apart (Okabe & Ito 2008; Tol 2021). Every
figure is captioned with how many members it shows, and what bands and bars are.
"""

from __future__ import annotations

import textwrap
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

# Okabe & Ito (2008), reordered: the first two go best together. The last four: Tol (2021).
PALETTE = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#4D4D4D"),
    *("#882255", "#999933", "#332288", "#661100"),
)
INK, GREY, FAINT = "#222222", "#8A8A8A", "#DDDDDD"
CURVE, DOTS, NAME = "curve", "dots", "name"  # what an artist shows, in its gid
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
    caption: str = "",
    **grid: Any,
) -> Iterator[tuple[Figure, list[Axes]]]:
    """Open a figure of our style, and write it at the end of the block, making its folder.

    Args:
        path: Where to write, in the format of its suffix; an SVG stands beside each PNG.
        count: Number of panels.
        panel: Width and height of each panel, inches.
        margin: Width and height that the whole figure has beside the panels, inches.
        most: Most panels in a row; all of them by default.
        xlabel: Label of the horizontal axis of panels with none below.
        ylabel: Label of the vertical axis of the first panel of each row.
        caption: What is shown, beside what the figure itself says of members and intervals.
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
        said = "; ".join(text for text in (_shown(panels), caption) if text)
        lines = textwrap.wrap(said, int(17 * size[0]))
        if lines:
            look: Any = {"x": 0.01, "ha": "left", "fontsize": 7, "color": "#6A6A6A"}
            figure.suptitle("\n".join(lines), **look)
            figure.set_size_inches(size[0], size[1] + 0.06 + 0.12 * len(lines))
        figure.draw_without_rendering()  # settles the layout
        for axes in panels[:count]:
            _spread_names(axes)
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        dated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}  # same data, same file
        for file in (path, path.with_suffix(".svg")) if path.suffix == ".png" else (path,):
            figure.savefig(file, metadata=dated.get(file.suffix))


def _shown(panels: Sequence[Axes]) -> str:
    """Return what curves, bands and dots of members are, from what these have as their gid."""
    counts: dict[str, list[int]] = {}
    for axes in panels:
        for artist in axes.get_children():
            kind, _, count = (artist.get_gid() or "").partition("-")
            if kind in (CURVE, DOTS):
                counts.setdefault(kind, []).append(int(count))
    said = []
    for kind, found in counts.items():
        least, most = min(found), max(found)
        members = f"{least} to {most} members" if least < most else f"{most} members"
        if most == 1:
            said.append("1 member")
        elif kind == CURVE:
            said.append(f"mean of {members}, band: 95 % interval over members, thin: each member")
        else:
            said.append(f"dots: {members}, black lines: 95 % interval of their mean")
    return "; ".join(said)


def each(episodes: int | None) -> str:
    """Return the part of a caption about the episodes of each member."""
    return "" if episodes is None else f"{episodes:,} episodes each"


def colours(names: Sequence[str]) -> dict[str, str]:
    """Return one colour of the palette for each name, in order, repeating after twelve."""
    return {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(names)}


def gradient(*tones: str) -> Any:
    """Return a Matplotlib colour map that goes evenly through these colours."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("gradient", list(tones))


def mean_and_members(
    axes: Axes,
    x: ArrayLike,
    values: ArrayLike,
    colour: str,
    label: str | None = None,
    strength: float = 1.0,
) -> None:
    """Draw the mean over members with its 95 % interval, and every member as a thin line.

    Args:
        axes: Where to draw.
        x: Horizontal positions ``[U]``.
        values: Curves ``[U, M]``, one column a member.
        colour: Colour of all of them.
        label: Entry of the legend for the mean.
        strength: Opacity of band and members, less where many curves share a panel.
    """
    curves = np.asarray(values, dtype=np.float64)
    mean, low, high = curve_interval(curves)
    if curves.shape[1] > 1:
        axes.plot(x, curves, color=colour, linewidth=0.5, alpha=0.3 * strength)
        axes.fill_between(
            np.asarray(x), low, high, color=colour, alpha=0.22 * strength, linewidth=0
        )
    shown = f"{CURVE}-{curves.shape[1]}"
    axes.plot(x, mean, color=colour, label=label, linewidth=2.0, gid=shown)


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
        mean_and_members(axes, at, table, tones[name], name, 1.0 if len(curves) < 5 else 0.5)
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
    shown = f"{DOTS}-{len(members)}"
    axes.scatter(x + aside, members, color=colour, linewidths=0, gid=shown, **dots)
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
    """Draw dashed horizontal lines with their names at the right of the panel."""
    for name, value in (references or {}).items():
        axes.axhline(value, color=INK, linewidth=0.9, linestyle=DASHED, zorder=1.5)
        _at_right_end(axes, value, textwrap.fill(name, 18), INK)


def legend_below(figure: Figure, columns: int, **legend: Any) -> None:
    """Put one legend of all panels below them, each label once; none if nothing has a label.

    It has as many columns as fit, and at most `columns`.
    """
    entries: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if entries:
        handles, labels = list(entries.values()), list(entries)
        widest = 0.5 + 0.065 * max(map(len, labels))  # inches
        columns = max(1, min(columns, int(figure.get_figwidth() / widest)))
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, **legend)


def hide_spines(axes: Axes) -> None:
    """Leave out the frame of a panel."""
    for spine in axes.spines.values():
        spine.set_visible(False)


def label_ends(axes: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    """Name curves at their right ends.

    Args:
        axes: With its limits set; curves that end above it are named at the top, with an arrow.
        ends: (height of the end, name, colour) of each curve.
    """
    top = axes.get_ylim()[1]
    for end, name, colour in sorted(ends):
        text = f"{name}  {end:.2f}" + (" ↑" if end > top else "")
        _at_right_end(axes, min(end, top), text, colour)


def _at_right_end(axes: Axes, y: float, text: str, colour: str) -> None:
    """Write at the right of a panel at height y; `drawing` pushes such names apart."""
    place: Any = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
    look: Any = {"color": colour, "va": "center", "fontsize": 8, "annotation_clip": False}
    axes.annotate(text, (1, y), (5, 0), gid=NAME, **place, **look)


def _spread_names(axes: Axes) -> None:
    """Push names at the right of a panel apart, so that no two overlap."""
    names: list[Any] = [text for text in axes.texts if text.get_gid() == NAME]
    at = [axes.transData.transform((0, name.xy[1]))[1] * 72 / axes.figure.dpi for name in names]
    order = np.argsort(at, kind="stable")
    names, heights = [names[i] for i in order], np.array(at)[order]
    half = [5.3 * (1 + name.get_text().count("\n")) for name in names]  # points
    wanted = heights.copy()
    # From the bottom up, then from the top down to where the highest one belongs
    for i in range(1, len(wanted)):
        wanted[i] = max(wanted[i], wanted[i - 1] + half[i - 1] + half[i])
    wanted[-1:] = np.minimum(wanted[-1:], axes.bbox.y1 * 72 / axes.figure.dpi)
    for i in range(len(wanted) - 2, -1, -1):
        wanted[i] = min(wanted[i], wanted[i + 1] - half[i + 1] - half[i])
    for name, height, y in zip(names, heights, wanted, strict=True):
        name.set_position((5, y - height))


def step_unit(largest: float) -> tuple[float, str]:
    """Return the steps that an axis up to `largest` counts by, and the label of that axis."""
    if largest >= 2e6:
        return 1e6, "environment steps (millions)"
    if largest >= 2e4:
        return 1e3, "environment steps (thousands)"
    return 1.0, "environment steps"
