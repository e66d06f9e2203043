"""The maze: layouts, moves and rewards by hand, shortest paths, goals of the halves."""

import gymnasium
import numpy as np
import pytest
import torch

from prefrontal import envs
from prefrontal.envs.maze import LAYOUTS, find_maze

CROSS = "#.#/.S./#.#"  # cells 0 up, 1 left, 2 start, 3 right, 4 down
UP, RIGHT, DOWN, LEFT = range(4)


def test_moves_walls_and_the_way_back_by_hand():
    # Left, bump at the border and twice at walls, back, up, bump, back, right (the goal: to the
    # start).
    actions = [LEFT, LEFT, UP, DOWN, RIGHT, UP, UP, DOWN, RIGHT, RIGHT, DOWN]
    env = envs.TaskVectorEnv(
        "prefrontal.envs:OneShotMaze",
        1,
        split="all",
        inputs=(),
        autoreset="disabled",
        maze=CROSS,
        max_steps=len(actions),
    )
    obs, _ = env.reset(seed=0, options={"task": {"goal": [3], "first_cell": [2]}})
    cells, rewards, facts = [obs[0].argmax()], [], []
    for action in actions:
        obs, reward, *_, info = env.step([action])
        assert obs[0].sum() == 1
        cells.append(obs[0].argmax())
        rewards.append(reward[0])
        facts.append({name: value[0] for name, value in info.items() if name != "task"})
    assert cells == [2, 1, 1, 1, 1, 2, 0, 0, 2, 2, 2, 4]
    assert rewards == [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0]
    assert [f["trial"] for f in facts] == [0] * 9 + [1, 2]
    assert [f["searching"] for f in facts] == [1] * 9 + [0, 0]
    assert [f["distance"] for f in facts] == [1, 2, 2, 2, 2, 1, 2, 2, 1, 1, 1]
    assert [f["closer"] for f in facts] == [0, 0, 0, 0, 1, 0, 0, 1, 1, 1, 0]
    assert [f["reached"] for f in facts] == rewards
    assert [f["optimal_reward"] for f in facts] == [1, 0, 0, 0, 0, 1, 0, 0, 1, 1, 1]
    assert [f["optimal_action"] for f in facts] == [RIGHT] * 5 + [RIGHT, DOWN, DOWN] + [RIGHT] * 3
    assert [f["cell"] for f in facts] == cells[:-1]


def test_the_first_of_equally_good_actions_is_the_optimal_one():
    task = envs.OneShotMaze(max_steps=1)
    params = task.validate({"goal": [0, 4, 24, 20], "first_cell": [12] * 4})
    state, _ = task.reset(params)
    facts = task.facts(params, state, torch.tensor([UP, RIGHT, LEFT, UP]))
    assert facts["optimal_action"].tolist() == [UP, UP, RIGHT, DOWN]
    assert facts["closer"].tolist() == [1, 1, 0, 0]
    assert facts["distance"].tolist() == [4] * 4


def test_layouts_and_shortest_paths_by_hand():
    maze = find_maze("S#.\n.#G\n...")
    assert maze.cells.tolist() == [[0, 0], [0, 2], [1, 0], [1, 2], [2, 0], [2, 1], [2, 2]]
    assert maze.start == 0
    assert maze.goals.tolist() == [3]
    assert maze.distance[0].tolist() == [0, 6, 1, 5, 2, 3, 4]
    assert maze.moves[0].tolist() == [0, 0, 2, 0]
    assert maze.moves[5].tolist() == [5, 6, 5, 4]
    opened = find_maze("open")
    row, column = opened.cells.T
    manhattan = np.abs(row[:, None] - row) + np.abs(column[:, None] - column)
    assert (opened.distance == manhattan).all()
    assert opened.distance[opened.start, opened.goals].mean() == 2.5


@pytest.mark.parametrize("name", LAYOUTS)
def test_distances_obey_the_moves(name):
    maze = find_maze(name)
    assert (maze.distance == maze.distance.T).all()
    assert (np.diag(maze.distance) == 0).all()
    step = maze.distance[np.arange(maze.size)[:, None], maze.moves]
    assert set(step.ravel().tolist()) <= {0, 1}
    nearest = maze.distance[maze.moves].min(axis=1)  # of the four neighbours, to each cell
    off_diagonal = ~np.eye(maze.size, dtype=bool)
    assert (nearest[off_diagonal] == maze.distance[off_diagonal] - 1).all()


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ("opne", "maze must be one of open, walled, or rows of text; got 'opne'"),
        ("S./...", "all rows of a maze must be equally long"),
        ("S.x/...", r"a maze consists of # \. S G; got x"),
        ("..../....", "exactly one start S; got 0"),
        ("S.S", "exactly one start S; got 2"),
        ("S.#/##.", "row 2, column 3 of the maze cannot be reached from S"),
        ("S#", "a maze needs a free cell other than the start"),
    ],
)
def test_what_is_no_maze_is_an_error(layout, message):
    with pytest.raises(ValueError, match=message):
        envs.OneShotMaze(maze=layout)


def test_halves_share_no_goal():
    task = envs.OneShotMaze()
    goals = {}
    for split in ("train", "held_out", "all"):
        drawn = task.sample(20_000, split, torch.Generator().manual_seed(0))
        cells, counts = drawn["goal"].unique(return_counts=True)
        goals[split] = set(cells.tolist())
        assert counts.min() > 0.85 * 20_000 / len(cells)
        assert (drawn["first_cell"] == 12).all()
    # One in each row and column: (0, 0), (1, 2), (2, 4), (3, 1), (4, 3).
    assert goals["held_out"] == {0, 7, 14, 16, 23}
    assert goals["train"] == set(range(25)) - {12} - goals["held_out"]
    assert goals["all"] == goals["train"] | goals["held_out"]
    with pytest.raises(
        ValueError, match=r"maze 'S\.' has no held_out goals; take the split \"all\""
    ):
        gymnasium.make("prefrontal/OneShotMaze-v0", maze="S.", split="held_out")


def test_a_goal_where_agents_are_put_back_is_refused():
    task = {"task": {"goal": [0], "first_cell": [2]}}
    env = envs.TaskVectorEnv(envs.OneShotMaze(maze="S.."), 1, split="all")
    with pytest.raises(ValueError, match="'goal' must not be 0, the cell where agents start"):
        env.reset(seed=0, options=task)
    anywhere = envs.OneShotMaze(maze="S..", random_start=True)
    envs.TaskVectorEnv(anywhere, 1, split="all").reset(seed=0, options=task)


def test_random_starts_are_anywhere_but_at_the_goal(play, random_policy):
    record = play(envs.OneShotMaze(random_start=True, max_steps=40), random_policy(4), 4000)
    goal, cell, reached = record["task.goal"][0], record["cell"][0], record["reached"][0]
    assert (cell != goal[:, None]).all()
    after = cell[:, 1:][reached[:, :-1] > 0]
    counts = np.bincount(after, minlength=25)
    assert len(after) > 3000
    assert counts.min() > 0.6 * len(after) / 25
    assert (record["task.first_cell"][0] == cell[:, 0]).all()
    assert np.bincount(cell[:, 0], minlength=25).min() > 0.7 * 4000 / 25
    assert (record["reward"][0] == reached).all()


def test_the_optimal_policy_takes_the_shortest_path():
    env = envs.TaskVectorEnv(
        envs.OneShotMaze(maze="walled", max_steps=200),
        64,
        split="all",
        tensors=True,
        autoreset="disabled",
    )
    _, info = env.reset(seed=0)
    maze, goal = find_maze("walled"), info["task"]["goal"]
    moves, distance = torch.from_numpy(maze.moves), torch.from_numpy(maze.distance)
    cell, found = torch.full((64,), maze.start), torch.zeros(64)
    for _ in range(200):
        action = distance[moves[cell], goal[:, None]].argmin(1)
        obs, reward, *_ = env.step(action)
        found += reward
        cell = obs[:, : maze.size].argmax(1)
    assert (found == 200 // distance[maze.start, goal]).all()


def test_tasks_set_by_hand_are_checked():
    task = envs.OneShotMaze()
    with pytest.raises(ValueError, match="must be different cells"):
        task.validate({"goal": [3], "first_cell": [3]})
    with pytest.raises(ValueError, match=r"'goal' must lie in \[0, 24\]"):
        task.validate({"goal": [25], "first_cell": [3]})


def test_what_a_privileged_critic_sees():
    task = envs.OneShotMaze(max_steps=10)
    params = task.validate({"goal": [0, 14], "first_cell": [12, 12]})
    state, _ = task.reset(params)
    seen = task.privileged(params, {**state, "t": 5})
    torch.testing.assert_close(seen, torch.tensor([[-1, -1, 0.5, 0.5], [0, 1, 0.25, 0.5]]))


def test_pictures_show_the_agent_and_the_goal():
    env = gymnasium.make(
        "prefrontal/OneShotMaze-v0", maze=CROSS, render_mode="rgb_array", split="all"
    )
    env.reset(seed=0, options={"task": {"goal": 3, "first_cell": 2}})
    picture = env.render()
    assert picture.shape == (144, 144, 3)
    assert picture.dtype == np.uint8
    centre, goal, wall = picture[72, 72], picture[72, 120], picture[4, 4]
    env.step(LEFT)
    moved = env.render()
    assert (moved[72, 24] == centre).all()
    assert (moved[72, 120] == goal).all()
    assert (moved[4, 4] == wall).all()
    assert len({tuple(colour) for colour in (centre, goal, wall, moved[72, 72])}) == 4
    words = gymnasium.make("prefrontal/OneShotMaze-v0", render_mode="ansi")
    words.reset(seed=0, options={"task": {"goal": 5, "first_cell": 12}})
    assert "(goal: row 2, column 1 of open)" in words.render()
