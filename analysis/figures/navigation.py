"""Figures of navigation.

Of fireflies: paths from above, measures against gain, learning, architectures. Of the maze: steps
by goal, and paths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.figures import style
from prefrontal.analysis.missing import codes, numbers
from prefrontal.analysis.stats.findings import number, span
from prefrontal.analysis.stats.intervals import interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HIT, MISS, TARGET = style.PALETTE[0], style.PALETTE[1], style.PALETTE[4]
MERIT = ("#F5C9A6", "#F7F7F7", "#B5D7EC")  # from bad to good; text stays legible on all
DASHES = ((1, 1.5), (4, 2))


def paths_from_above(
    records: Mapping[str, Mapping[str, Mapping[str, NDArray]]],
    path: Path,
    members: Mapping[str, int],
    count: int = 16,
    zone: float = 65.0,
) -> Path:
    """Draw paths of one member of each condition from above, a row a condition, a column a gain.

    Blue paths end in the reward zone, orange ones do not; a thin line leads from the end of a path
    to its target.

    Args:
        records: Condition to (name of the column to a record of single trials, columns
            ``[M, E, T]``).
        path: Where to write; returned.
        members: Which member of each condition.
        count: How many trials, the first ones.
        zone: Radius of the reward zone, cm.
    """
    columns = len(next(iter(records.values())))
    drawn = [(c, gain, record) for c, by in records.items() for gain, record in by.items()]
    said = f"at most {count} trials a panel; blue paths end in the reward zone, orange ones do not"
    look: Any = {"xlabel": "cm", "ylabel": "cm", "caption": said, **style.SHARED}
    canvas = style.drawing(path, len(drawn), (2.7, 2.7), (0.6, 0.5), columns, **look)
    with canvas as (_, panels):
        for axes, (condition, gain, record) in zip(panels, drawn, strict=True):
            for trial in range(min(count, record["active"].shape[1])):
                _one_path(axes, record, members[condition], trial, zone)
            axes.plot(0, 0, marker="^", color=style.INK, markersize=5, zorder=5)
            axes.set(aspect="equal", title=f"{condition}, member {members[condition]}, {gain}")
    return path


def _one_path(
    axes: Axes, record: Mapping[str, NDArray], member: int, trial: int, zone: float
) -> None:
    """Draw one trial."""
    from matplotlib.patches import Circle

    active = record["active"][member, trial] > 0
    last = int(active.sum()) - 1
    x, y = (
        np.append(record[at][member, trial][active], record[end][member, trial][last])
        for at, end in (("x", "end_x"), ("y", "end_y"))
    )
    target = [record[name][member, trial][last] for name in ("target_x", "target_y")]
    tone = HIT if record["rewarded"][member, trial][last] > 0 else MISS
    axes.add_patch(Circle((target[0], target[1]), zone, color=TARGET, alpha=0.12, linewidth=0))
    axes.plot([x[-1], target[0]], [y[-1], target[1]], color=style.FAINT, linewidth=0.8, zorder=1.5)
    axes.plot(x, y, color=tone, linewidth=1.1, alpha=0.85)
    axes.plot(x[-1], y[-1], marker="o", color=tone, markersize=2.5)
    axes.plot(*target, marker=".", color=TARGET, markersize=5)


def measures_against_gain(
    gains: ArrayLike,
    panels: Mapping[str, Mapping[str, ArrayLike]],
    path: Path,
    references: Mapping[str, Mapping[str, float]] | None = None,
    others: Mapping[str, Mapping[str, ArrayLike]] | None = None,
    trained: float = 1.0,
    episodes: int | None = None,
) -> Path:
    """Draw measures by gain, one panel each: mean with a 95 % interval, and every member.

    Args:
        gains: Gains G, ascending.
        panels: Name of a measure, with unit, to (condition to members' values ``[G, M]``).
        path: Where to write; returned.
        references: Name of a measure to named horizontal lines.
        others: Name of a measure to (name of a simulated navigator to its values ``[G]``), drawn
            dashed; at most two.
        trained: The gain of training, marked.
        episodes: Episodes of each member that the values are means over, for the caption.
    """
    x = np.log2(numbers("gains", gains, axes=("gain",), complete=True))
    labels: Any = {"xlabel": "gain (trained at 1)", "caption": style.each(episodes)}
    canvas = style.drawing(path, len(panels), (3.3, 3.6), (0.4, 0.0), **labels)
    with canvas as (figure, drawn):
        for axes, (measure, curves) in zip(drawn, panels.items(), strict=True):
            axes.axvline(np.log2(trained), color=style.FAINT, linewidth=5, zorder=0.5)
            style.draw_curves(axes, curves, x)
            lines = (others or {}).get(measure, {})
            for dash, (name, line) in zip(DASHES, lines.items(), strict=False):
                axes.plot(x, line, color=style.INK, linewidth=1.0, linestyle=(0, dash), label=name)
            style.reference_lines(axes, (references or {}).get(measure))
            axes.set_xticks(x, [f"{gain:g}" for gain in np.asarray(gains)])
            axes.set_ylabel(measure)
        style.legend_below(figure, 4)
    return path


def learning_by_trials(trials: ArrayLike, curves: Mapping[str, ArrayLike], path: Path) -> Path:
    """Draw the rewarded fraction on a common grid of trials: mean with interval, every member.

    Args:
        trials: The grid ``[U]``.
        curves: Condition to values ``[U, M]``.
        path: Where to write; returned.
    """
    counted = {f"{name} ({np.shape(values)[1]})": values for name, values in curves.items()}
    canvas = style.drawing(path, panel=(4.8, 3.4), xlabel="trials", ylabel="rewarded fraction")
    with canvas as (figure, (axes,)):
        style.draw_curves(axes, counted, trials)
        axes.set_ylim(-0.02, 1.02)
        style.legend_below(figure, 3)
    return path


def architecture_table(
    measures: Mapping[str, Mapping[str, ArrayLike]],
    path: Path,
    lower_is_better: frozenset[str] = frozenset(),
) -> Path:
    """Draw a table of conditions by measures: mean and 95 % interval, the best of a column bluest.

    Args:
        measures: Condition to (measure to members' values ``[M]``), the same measures in all.
        path: Where to write; returned.
        lower_is_better: Measures of which less (in size) is better.
    """
    names = list(next(iter(measures.values())))
    found = [[interval(by[name]) for name in names] for by in measures.values()]
    means = np.array([[one.value for one in row] for row in found])
    merit = np.where([name in lower_is_better for name in names], -np.abs(means), means)
    extent = np.ptp(merit, axis=0)
    shade = (merit - merit.min(axis=0)) / np.where(extent > 0, extent, 1.0)
    rows = [
        f"{condition} ({row[0].members})" for condition, row in zip(measures, found, strict=True)
    ]
    size = 1.9 + 1.15 * len(names), 0.9 + 0.5 * len(rows)
    said = (
        "mean and 95 % interval over members, whose number is in brackets; best of a column: blue"
    )
    canvas = style.drawing(path, panel=size, caption=said)
    with canvas as (_, (axes,)):
        look: Any = {"cmap": style.gradient(*MERIT), "vmin": 0, "vmax": 1, "aspect": "auto"}
        style.draw_table(axes, shade, rows, names, **look)
        for (i, j), value in np.ndenumerate(means):
            ends = span(found[i][j].low, found[i][j].high)
            middle: Any = {"ha": "center", "va": "center"}
            axes.text(j, i - 0.12 * bool(ends), number(value), **middle)
            axes.text(j, i + 0.12, f"\n{ends}" if ends else "", fontsize=6.5, **middle)
        axes.xaxis.tick_top()
        style.hide_spines(axes)
    return path


def goals_found_by_step(
    curves: Mapping[str, ArrayLike], path: Path, episodes: int | None = None
) -> Path:
    """Draw the mean number of goals found by each step: mean with a 95 % interval, every member.

    Args:
        curves: Name to members' curves ``[M, T]``, of all their episodes.
        path: Where to write; returned.
        episodes: Episodes of each member that the values are means over, for the caption.
    """
    labels: Any = {"xlabel": "step", "ylabel": "goals found (mean of all episodes)"}
    canvas = style.drawing(path, **labels, caption=style.each(episodes))
    with canvas as (figure, (axes,)):
        style.draw_curves(axes, {name: np.atleast_2d(v).T for name, v in curves.items()})
        axes.set_ylim(0, None)
        axes.set_xlim(0, None)
        style.legend_below(figure, 2)
    return path


def maze_paths(
    rows: Sequence[str],
    cells: ArrayLike,
    visited: ArrayLike,
    reached: ArrayLike,
    goals: ArrayLike,
    path: Path,
    member: int = 0,
) -> Path:
    """Draw some episodes from above: the search for the first goal, and the ways back to it.

    Args:
        rows: Text of the maze, ``#`` for walls.
        cells: Row and column of each cell ``[C, 2]``.
        visited: Cell at each step ``[E, T]``.
        reached: Whether the step reaches the goal ``[E, T]``.
        goals: Cell of the goal ``[E]``.
        path: Where to write; returned.
        member: Whose episodes they are, for the caption.
    """
    from matplotlib.patches import Rectangle

    places = codes("cells", cells, axes=("cell", "coordinate"), complete=True)
    visited = codes("visited", visited, len(places), ("episode", "step"), complete=True)
    goals = codes("goals", goals, len(places), ("episode",), complete=True)
    paid = numbers("reached", reached, axes=("episode", "step"), complete=True)
    later_tone, search_tone, goal_tone = style.PALETTE[:3]
    said = f"member {member}, {len(visited)} episodes"
    canvas = style.drawing(path, len(visited), (2.5, 3.5), (0.2, 0.0), caption=said)
    with canvas as (figure, panels):
        for axes, cell, end, goal in zip(panels, visited, paid > 0, goals, strict=True):
            _draw_maze(axes, rows)
            row, column = places[goal]
            axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, color=goal_tone, alpha=0.5))
            found = np.flatnonzero(end)
            runs = np.split(cell, found + 1)[: max(len(found), 1)]
            # LATER PATHS first, so that the search lies on top
            for index, run in reversed(list(enumerate(runs))):
                route = places[np.append(run, goal) if len(found) else run]
                x, y = route[:, 1], route[:, 0]
                if index == 0:
                    aside = 0.28 * np.linspace(-1, 1, len(route))
                    axes.plot(x + aside, y + aside, color=search_tone, linewidth=1.4, alpha=0.9)
                else:
                    axes.plot(x, y, color=later_tone, linewidth=2.4, alpha=0.35)
            start = places[cell[0]]
            axes.plot(start[1], start[0], "o", color=style.INK, markersize=5)
            lengths = np.diff(found, prepend=-1)
            steps = ", ".join(str(length) for length in lengths[:5]) or "not found"
            axes.set_title(f"steps: {steps}{' …' if len(lengths) > 5 else ''}", fontsize=8, pad=4)
        labels = {"search": search_tone, "later ways": later_tone, "goal": goal_tone}
        handles = [Rectangle((0, 0), 1, 1, color=tone, label=name) for name, tone in labels.items()]
        figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return path


def _draw_maze(axes: Axes, rows: Sequence[str]) -> None:
    """Draw walls and outline, row 0 at the top."""
    from matplotlib.patches import Rectangle

    height, width = len(rows), len(rows[0])
    for row, line in enumerate(rows):
        for column, text in enumerate(line):
            if text == "#":
                axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, color=style.GREY))
    axes.add_patch(Rectangle((-0.5, -0.5), width, height, fill=False, color=style.INK))
    axes.set(xlim=(-0.6, width - 0.4), ylim=(height - 0.4, -0.6), xticks=[], yticks=[])
    axes.set_aspect("equal")
    style.hide_spines(axes)
