"""Mazes as text: cells, moves, shortest paths."""

from __future__ import annotations

import dataclasses
import functools
from collections import deque

import numpy as np

WALL, FREE, START, GOAL = "#", ".", "S", "G"
MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))  # up, right, down, left

#: Layouts by name. A goal may be any free cell other than the start, unless some are marked ``G``.
LAYOUTS: dict[str, tuple[str, ...]] = {
    "open": (
        ".....",
        ".....",
        "..S..",
        ".....",
        ".....",
    ),
    "walled": (
        "...#...",
        ".#...#.",
        ".#.#.#.",
        "...S...",
        ".#.#.#.",
        ".#...#.",
        "...#...",
    ),
}  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False)
class Maze:
    """A maze of C cells that can be entered, numbered row by row.

    Attributes:
        rows: Its text.
        cells: Row and column of each cell, ``[C, 2]``.
        moves: Cell reached from each cell by each action (up, right, down, left), ``[C, 4]``; itself
            where a wall is.
        start: The start, a cell.
        goals: Cells that may be goals, ``[G]``.
        distance: Steps of the shortest path from each cell to each other, ``[C, C]``.
    """

    rows: tuple[str, ...]
    cells: np.ndarray
    moves: np.ndarray
    start: int
    goals: np.ndarray
    distance: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the text."""
        return len(self.rows), len(self.rows[0])

    @property
    def size(self) -> int:
        """Number of cells C."""
        return len(self.cells)


@functools.lru_cache
def find_maze(layout: str) -> Maze:
    """Read a maze.

    Args:
        layout: A name in `LAYOUTS`, or rows of text separated by ``/`` or line breaks: ``#`` a wall,
            ``.`` a free cell, ``S`` the start (exactly one), ``G`` a cell that may be a goal (if there
            is none, every free cell may be).

    Raises:
        ValueError: The text is no maze, or a cell cannot be reached from the start.
    """
    rows = LAYOUTS.get(layout) or tuple(layout.strip().replace("\n", "/").split("/"))
    if len(rows) == 1 and not set(layout) <= set(WALL + FREE + START + GOAL):
        names = ", ".join(LAYOUTS)
        raise ValueError(f"maze must be one of {names}, or rows of text; got {layout!r}")
    if len({len(row) for row in rows}) > 1:
        raise ValueError("all rows of a maze must be equally long")
    text = "".join(rows)
    unknown = set(text) - set(WALL + FREE + START + GOAL)
    if unknown:
        found = " ".join(sorted(unknown))
        raise ValueError(f"a maze consists of {WALL} {FREE} {START} {GOAL}; got {found}")
    if text.count(START) != 1:
        raise ValueError(f"a maze has exactly one start {START}; got {text.count(START)}")
    grid = np.array([list(row) for row in rows])
    cells = np.argwhere(grid != WALL)
    number = np.full(grid.shape, -1)
    number[tuple(cells.T)] = np.arange(len(cells))
    moves = np.stack([_neighbours(number, cells, step) for step in MOVES], axis=1)
    kind = grid[tuple(cells.T)]
    start = int(np.flatnonzero(kind == START)[0])
    goals = np.flatnonzero(kind == GOAL) if GOAL in text else np.flatnonzero(kind != START)
    distance = np.stack([_distances(moves, cell) for cell in range(len(cells))])
    if (distance < 0).any():
        row, column = cells[np.flatnonzero(distance[start] < 0)[0]] + 1
        raise ValueError(f"row {row}, column {column} of the maze cannot be reached from {START}")
    if not len(goals):
        raise ValueError("a maze needs a free cell other than the start, for the goal")
    return Maze(rows, cells, moves, start, goals, distance)


def _neighbours(number: np.ndarray, cells: np.ndarray, step: tuple[int, int]) -> np.ndarray:
    """The cell one step away from each cell, itself if that is a wall or outside."""
    padded = np.pad(number, 1, constant_values=-1)
    there = padded[tuple((cells + 1 + np.array(step)).T)]
    return np.where(there >= 0, there, np.arange(len(cells)))


def _distances(moves: np.ndarray, source: int) -> np.ndarray:
    """Breadth-first distances from one cell, ``[C]``; -1 where there is no path."""
    found = np.full(len(moves), -1)
    found[source] = 0
    queue = deque([source])
    while queue:
        cell = queue.popleft()
        for near in moves[cell]:
            if found[near] < 0:
                found[near] = found[cell] + 1
                queue.append(int(near))
    return found
