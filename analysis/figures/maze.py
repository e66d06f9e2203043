"""Figures of one-shot navigation: steps by goal, and paths in the maze."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from prefrontal.analysis.figures.style import (
    GREY,
    INK,
    PALETTE,
    colours,
    mean_and_members,
    new_figure,
    save,
    style,
)

__all__ = ["maze_paths", "steps_by_goal"]


def steps_by_goal(
    curves: Mapping[str, ArrayLike], path: Path, references: Mapping[str, float] | None = None
) -> Path:
    """Steps to the first, second ... goal: mean over members with a 95 % interval, every member a thin line.

    Args:
        curves: Name to members' curves ``[M, G]``.
        path: Where to write.
        references: Steps of the shortest paths by the name of a curve, drawn in its colour.

    Returns:
        The path.
    """
    with style():
        figure, (axes,) = new_figure()
        for name, colour in colours(list(curves)).items():
            members = np.atleast_2d(np.asarray(curves[name], dtype=np.float64))
            goals = np.arange(1, members.shape[1] + 1)
            mean_and_members(axes, goals, members.T, colour, name)
            if references and name in references:
                axes.axhline(references[name], color=colour, linewidth=0.9, linestyle=(0, (4, 3)))
            axes.set_xticks(goals)
        axes.set_ylim(0, None)
        axes.set(xlabel="goal", ylabel="steps (dashed: shortest paths)")
        axes.legend(loc="best")
        return save(figure, path)


def maze_paths(
    rows: Sequence[str], cells: ArrayLike, visited: ArrayLike, reached: ArrayLike, goals: ArrayLike, path: Path
) -> Path:  # fmt: skip
    """Paths of some episodes from above: the search for the first goal, and the ways back to it.

    Args:
        rows: Text of the maze, ``#`` for walls.
        cells: Row and column of each cell, ``[C, 2]``.
        visited: Cell at each step, ``[E, T]``.
        reached: Whether the step reaches the goal, ``[E, T]``.
        goals: Cell of the goal, ``[E]``.
        path: Where to write.

    Returns:
        The path.
    """
    places = np.asarray(cells)
    where, ends, targets = np.asarray(visited), np.asarray(reached) > 0, np.asarray(goals)
    with style():
        count = len(where)
        figure, panels = new_figure(1, count, (2.5 * count + 0.2, 3.5))
        for axes, cell, end, goal in zip(panels, where, ends, targets, strict=True):
            _draw_maze(axes, rows)
            row, column = places[goal]
            axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, color=PALETTE[2], alpha=0.5))
            runs = np.split(cell, np.flatnonzero(end) + 1)
            found = int(end.sum())
            # LATER PATHS first, so that the search lies on top
            for index, run in reversed(list(enumerate(runs[: max(found, 1)]))):
                route = places[np.append(run, goal) if found else run]
                spread = 0.28 * np.linspace(-1, 1, len(route)) if index == 0 else 0.0
                axes.plot(
                    route[:, 1] + spread, route[:, 0] + spread,
                    color=PALETTE[1] if index == 0 else PALETTE[0],
                    linewidth=1.4 if index == 0 else 2.4, alpha=0.9 if index == 0 else 0.35,
                )  # fmt: skip
            start = places[cell[0]]
            axes.plot(start[1], start[0], "o", color=INK, markersize=5)
            lengths = np.diff(np.flatnonzero(end), prepend=-1)
            steps = ", ".join(str(length) for length in lengths[:5]) or "not found"
            axes.set_title(f"steps: {steps}{' …' if len(lengths) > 5 else ''}", fontsize=8, pad=4)
        labels = [("search", PALETTE[1]), ("later ways", PALETTE[0]), ("goal", PALETTE[2])]
        handles = [Rectangle((0, 0), 1, 1, color=colour, label=name) for name, colour in labels]
        figure.legend(handles=handles, loc="outside lower center", ncols=3)
        return save(figure, path)


def _draw_maze(axes: Axes, rows: Sequence[str]) -> None:
    """Walls and outline, row 0 at the top."""
    height, width = len(rows), len(rows[0])
    for row, line in enumerate(rows):
        for column, text in enumerate(line):
            if text == "#":
                axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, color=GREY))
    axes.add_patch(Rectangle((-0.5, -0.5), width, height, fill=False, color=INK))
    axes.set(xlim=(-0.6, width - 0.4), ylim=(height - 0.4, -0.6), xticks=[], yticks=[])
    axes.set_aspect("equal")
    for side in axes.spines.values():
        side.set_visible(False)
