"""One-shot navigation: find a hidden goal once, then go straight back (a water maze on a grid)."""

from __future__ import annotations

import dataclasses
import functools
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np

from prefrontal.checking import option
from prefrontal.envs.lazy import Tensor, torch
from prefrontal.envs.splits import check_split
from prefrontal.envs.task import Params, Past, State, StepResult, Task, check_parameters

PIXELS = 48  # side of a cell in a picture
COLOURS = {"wall": (60, 60, 70), "free": (245, 245, 240), "start": (200, 210, 230)}
COLOURS |= {"goal": (70, 160, 90), "agent": (200, 80, 50)}


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
}


@dataclasses.dataclass(frozen=True, eq=False)
class Maze:
    """A maze of C cells that can be entered, numbered row by row.

    Attributes:
        rows: Its text.
        cells: Row and column of each cell, ``[C, 2]``.
        moves: Cell reached from each cell by each action (up, right, down, left), ``[C, 4]``;
            itself where a wall is.
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
        layout: A name in `LAYOUTS`, or rows of text separated by ``/`` or line breaks: ``#`` a
            wall, ``.`` a free cell, ``S`` the start (exactly one), ``G`` a cell that may be a goal
            (if there is none, every free cell may be).

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
    """Return the cell one step away from each cell, itself if that is a wall or outside."""
    padded = np.pad(number, 1, constant_values=-1)
    reached = padded[tuple((cells + 1 + np.array(step)).T)]
    return np.where(reached >= 0, reached, np.arange(len(cells)))


def _distances(moves: np.ndarray, source: int) -> np.ndarray:
    """Return breadth-first distances from one cell, ``[C]``; -1 where there is no path."""
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


@dataclasses.dataclass(frozen=True)
class OneShotMaze(Task):
    """A maze with a hidden goal: search for it once, then go straight back to it, again and again.

    ## Description
    The goal is a cell of the maze that looks like any other, the same for the whole episode. When
    the agent enters it, it is paid and put back to the start, from where it can find the goal
    again. So the first goal takes a search, and the later ones a path as long as the distance, if
    the agent remembers where it was paid.

    ## Action Space
    `Discrete(4)`: 0 up, 1 right, 2 down, 3 left. A step against a wall or the border stays.

    ## Observation Space
    One feature a cell that can be entered, row by row: 1 for the cell of the agent, 0 for the
    others; then the chosen `inputs`. At the goal the agent sees the start already: only the reward
    tells.

    ## Starting State
    At the start cell, and there again after every goal; with `random_start` at a cell other than
    the goal, each as likely as the others, drawn anew after every goal.

    ## Reward
    1 for entering the goal, else 0.

    ## Episode End
    Terminates after `max_steps` steps. Never truncates.

    ## Information
    `task`: `goal`, the number of its cell; `first_cell`, that of the cell the episode starts at.
    Each step: `trial`, goals found before; `searching`, whether that is none; `cell`, where the
    agent is; `distance`, steps of the shortest path from there to the goal; `reached`, whether the
    action enters the goal; `optimal_action`, the first action in their order that shortens the
    path; `closer`, whether the chosen action does; `expected_reward` and `optimal_reward` of this
    step.

    ## Task Distribution
    Goals are cells, each as likely as the others. Those with (row + 2 column) divisible by 5 are
    `held_out`, a fifth of them scattered like the moves of a knight (one in each row and column of
    5 x 5); the others are `train`. `all`: every goal, as published.

    ## Paper Correspondence
    Wang et al. 2016, experiment 7: a fixed maze whose goal moves from episode to episode, reward at
    the goal and return to the start, the same observations in every episode. There the maze is seen
    from within (Mirowski et al. 2017), published are about 100 steps to the first goal and 30 to
    later ones, and none of the maze's dimensions: layouts and one-hot positions are ours. One
    searching `open` in the best way needs 12.5 steps on average, and 2.5 to each later goal;
    `prefrontal.agents.reference.search_optima` computes both for any maze.

    ## References
    Wang JX et al. 2016, Learning to reinforcement learn, arXiv:1611.05763. Mirowski P et al. 2017,
    Learning to navigate in complex environments, arXiv:1611.03673. Morris RGM 1981, Spatial
    localization does not require the presence of local cues, Learning and Motivation 12:239-260.
    """

    parameters = ("goal", "first_cell")
    num_actions = 4
    reward_range = (0.0, 1.0)
    draws = 2
    reward_values = (0.0, 1.0)

    maze: str = option(
        "open",
        "Layout: `open` (5 x 5 without walls, start in the centre), `walled` (7 x 7, passages of "
        "37 cells, start in the centre), or rows of text separated by `/`: `#` wall, `.` free, `S` "
        "start, `G` cells that may be goals (if there is none, all but the start).",
    )
    max_steps: int = option(60, "Steps of an episode.", least=1)
    random_start: bool = option(False, "Whether the agent starts at a random cell.")

    def __post_init__(self) -> None:
        super().__post_init__()
        find_maze(self.maze)

    @property
    def plan(self) -> Maze:
        """Cells, moves and shortest paths."""
        return find_maze(self.maze)

    @property
    def observation_low(self) -> tuple[float, ...]:  # type: ignore[override]
        """A cell the agent is not at."""
        return (0.0,) * self.plan.size

    @property
    def observation_high(self) -> tuple[float, ...]:  # type: ignore[override]
        """The cell of the agent."""
        return (1.0,) * self.plan.size

    @property
    def steps(self) -> int:
        """As many as `max_steps`."""
        return self.max_steps

    @property
    def noise(self) -> int:
        """Where to start after a goal, if that is random."""
        return int(self.random_start)

    def goals(self, split: str) -> np.ndarray:
        """Return the cells that may be the goal in a split.

        Raises:
            ValueError: The maze is so small that there are none.
        """
        check_split(split)
        maze = self.plan
        row, column = maze.cells[maze.goals].T
        held_out = (row + 2 * column) % 5 == 0
        goals = maze.goals[{"all": row >= 0, "held_out": held_out, "train": ~held_out}[split]]
        if not len(goals):
            raise ValueError(f'maze {self.maze!r} has no {split} goals; take the split "all"')
        return goals

    def from_uniform(self, uniform: Tensor, split: str) -> Params:
        """Make ``{"goal": [n], "first_cell": [n]}``."""
        goals = torch.from_numpy(self.goals(split)).to(uniform.device)
        index = (uniform[:, 0] * len(goals)).long().clamp_(max=len(goals) - 1)
        goal = goals[index]
        if self.random_start:
            return {"goal": goal, "first_cell": _elsewhere(uniform[:, 1], goal, self.plan.size)}
        return {"goal": goal, "first_cell": torch.full_like(goal, self.plan.start)}

    def validate(self, params: Mapping[str, Any]) -> Params:
        """Accept ``{"goal": [num_envs], "first_cell": [num_envs]}``, two different cells.

        Raises:
            ValueError: See `check_parameters`; or an episode would start at its goal, or go on
            there.
        """
        cells = ((), 0, self.plan.size - 1)
        names = ("goal", "first_cell")
        checked = check_parameters(params, integers=names, goal=cells, first_cell=cells)
        if bool((checked["goal"] == checked["first_cell"]).any()):
            raise ValueError("task parameters 'goal' and 'first_cell' must be different cells")
        if not self.random_start and bool((checked["goal"] == self.plan.start).any()):
            raise ValueError(
                f"task parameter 'goal' must not be {self.plan.start}, the cell where agents start"
            )
        return checked

    def reset(self, params: Params) -> tuple[State, Tensor]:
        """Put the agent to its first cell."""
        maze, goal = self.plan, params["goal"]
        device = goal.device
        position = params["first_cell"]
        state: State = {
            "t": 0,
            "position": position,
            "found": torch.zeros_like(goal),
            "fresh": True,  # whether the agent was just put to where it starts
            "moves": torch.from_numpy(maze.moves.reshape(-1)).to(device),
            "views": torch.eye(maze.size, device=device),
            "start": torch.tensor(maze.start, device=device),
        }
        return state, state["views"].index_select(0, position)

    def step(self, params: Params, state: State, action: Tensor, noise: Tensor) -> StepResult:
        """Move; pay at the goal, and put the agent back."""
        goal = params["goal"]
        entered = state["moves"].take(4 * state["position"] + action)
        reached = entered == goal
        start = _elsewhere(noise[0], goal, self.plan.size) if self.random_start else state["start"]
        position = torch.where(reached, start, entered)
        after = {
            **state,
            "t": state["t"] + 1,
            "position": position,
            "found": state["found"] + reached,
            "fresh": reached,
        }
        return after, state["views"].index_select(0, position), reached.float()

    def trial_start(self, params: Params, state: State) -> Tensor | bool:
        """Say whether the agent was just put to the start."""
        fresh: Tensor | bool = state["fresh"]
        return fresh

    def facts(self, params: Params, state: State, action: Tensor) -> dict[str, Tensor]:
        """Return trial, place, distance, and which actions shorten the path."""
        maze, position, goal = self.plan, state["position"], params["goal"]
        table = torch.from_numpy(maze.distance).to(goal.device)
        near = state["moves"].view(-1, 4)[position]  # [n, 4]
        distance, after = table[position, goal], table[near, goal[:, None]]
        chosen = after.gather(1, action[:, None]).squeeze(1)
        reached = (chosen == 0).float()
        return {
            "trial": state["found"],
            "searching": (state["found"] == 0).long(),
            "cell": position,
            "distance": distance,
            "reached": reached,
            "optimal_action": (4 * after + torch.arange(4, device=goal.device)).argmin(dim=1),
            "closer": (chosen < distance).long(),
            "expected_reward": reached,
            "optimal_reward": (distance == 1).float(),
        }

    def privileged(self, params: Params, state: State) -> Tensor:
        """Return row and column of the goal in [-1, 1], the distance to it, and t / T, ``[n, 4]``.

        The distance is in units of the largest in the maze.
        """
        maze, goal = self.plan, params["goal"]
        span = np.maximum(np.array(maze.shape) - 1, 1)
        places = torch.from_numpy((2.0 * maze.cells / span - 1.0).astype(np.float32))
        scaled = torch.from_numpy((maze.distance / maze.distance.max()).astype(np.float32))
        distance = scaled.to(goal.device)[state["position"], goal]
        time = torch.full_like(distance, state["t"] / self.steps)
        return torch.cat([places.to(goal.device)[goal], torch.stack([distance, time], 1)], dim=1)

    def render(self, params: Params, row: int) -> str:
        """Name the goal by row and column, from 1 on."""
        where, column = self.plan.cells[int(params["goal"][row])] + 1
        return f"{super().render(params, row)} (goal: row {where}, column {column} of {self.maze})"

    def image(self, params: Params, state: State, row: int, past: Past) -> np.ndarray:
        """Draw walls, start, goal and agent from above."""
        maze = self.plan
        walls = np.array([[text == WALL for text in line] for line in maze.rows])
        grid = np.where(walls[..., None], COLOURS["wall"], COLOURS["free"]).astype(np.uint8)
        if not self.random_start:
            grid[tuple(maze.cells[maze.start])] = COLOURS["start"]
        grid[tuple(maze.cells[int(params["goal"][row])])] = COLOURS["goal"]
        picture = grid.repeat(PIXELS, axis=0).repeat(PIXELS, axis=1)
        # AGENT: a disc
        offset = np.arange(PIXELS) - (PIXELS - 1) / 2
        disc = offset[:, None] ** 2 + offset[None] ** 2 <= (0.36 * PIXELS) ** 2
        top, left = maze.cells[int(state["position"][row])] * PIXELS
        picture[top : top + PIXELS, left : left + PIXELS][disc] = COLOURS["agent"]
        return picture


def _elsewhere(uniform: Tensor, goal: Tensor, cells: int) -> Tensor:
    """Draw a cell other than the goal, each as likely as the others."""
    cell = (uniform * (cells - 1)).long().clamp_(max=cells - 2)
    return cell + (cell >= goal)
