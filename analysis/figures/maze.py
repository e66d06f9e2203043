"""Figures of one-shot navigation: steps by goal, and paths in the maze."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from prefrontal.analysis.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["maze_paths", "steps_by_goal"]


def steps_by_goal(
    curves: Mapping[str, ArrayLike], path: Path, references: Mapping[str, float] | None = None
) -> Path:
    """Draw the steps to the first, second ... goal: mean with a 95 % interval, and every member.

    Args:
        curves: Name to members' curves ``[M, G]``.
        path: Where to write; returned.
        references: Steps of the shortest paths by the name of a curve, drawn in its colour.
    """
    tones = style.colours(list(curves))
    canvas = style.drawing(path, xlabel="goal", ylabel="steps (dashed: shortest paths)")
    with canvas as (_, (axes,)):
        goals = style.draw_curves(axes, {name: np.atleast_2d(v).T for name, v in curves.items()})
        for name, steps in (references or {}).items():
            if name in tones:
                axes.axhline(steps, color=tones[name], linewidth=0.9, linestyle=style.DASHED)
        axes.set_xticks(goals)
        axes.set_ylim(0, None)
        axes.legend(loc="best")
    return path


def maze_paths(
    rows: Sequence[str],
    cells: ArrayLike,
    visited: ArrayLike,
    reached: ArrayLike,
    goals: ArrayLike,
    path: Path,
) -> Path:
    """Draw some episodes from above: the search for the first goal, and the ways back to it.

    Args:
        rows: Text of the maze, ``#`` for walls.
        cells: Row and column of each cell ``[C, 2]``.
        visited: Cell at each step ``[E, T]``.
        reached: Whether the step reaches the goal ``[E, T]``.
        goals: Cell of the goal ``[E]``.
        path: Where to write; returned.
    """
    from matplotlib.patches import Rectangle

    places = np.asarray(cells)
    where, ends, targets = np.asarray(visited), np.asarray(reached) > 0, np.asarray(goals)
    canvas = style.drawing(path, len(where), (2.5, 3.5), (0.2, 0.0))
    with canvas as (figure, panels):
        for axes, cell, end, goal in zip(panels, where, ends, targets, strict=True):
            _draw_maze(axes, rows)
            row, column = places[goal]
            axes.add_patch(
                Rectangle((column - 0.5, row - 0.5), 1, 1, color=style.PALETTE[2], alpha=0.5)
            )
            found = np.flatnonzero(end)
            runs = np.split(cell, found + 1)[: max(len(found), 1)]
            # LATER PATHS first, so that the search lies on top
            for index, run in reversed(list(enumerate(runs))):
                route = places[np.append(run, goal) if len(found) else run]
                x, y = route[:, 1], route[:, 0]
                if index == 0:
                    aside = 0.28 * np.linspace(-1, 1, len(route))
                    axes.plot(
                        x + aside, y + aside, color=style.PALETTE[1], linewidth=1.4, alpha=0.9
                    )
                else:
                    axes.plot(x, y, color=style.PALETTE[0], linewidth=2.4, alpha=0.35)
            start = places[cell[0]]
            axes.plot(start[1], start[0], "o", color=style.INK, markersize=5)
            lengths = np.diff(found, prepend=-1)
            steps = ", ".join(str(length) for length in lengths[:5]) or "not found"
            axes.set_title(f"steps: {steps}{' …' if len(lengths) > 5 else ''}", fontsize=8, pad=4)
        labels = [
            ("search", style.PALETTE[1]),
            ("later ways", style.PALETTE[0]),
            ("goal", style.PALETTE[2]),
        ]
        handles = [Rectangle((0, 0), 1, 1, color=colour, label=name) for name, colour in labels]
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
