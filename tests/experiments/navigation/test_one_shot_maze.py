"""One-shot navigation: measures of a perfect searcher and of a blind one.

On untrained agents.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from prefrontal.agents import Population
from prefrontal.agents.registry import make_learner
from prefrontal.analysis.choice.search import goals_by_step
from prefrontal.envs.maze import OneShotMaze
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import find_experiment
from prefrontal.experiments.navigation.one_shot_maze import _control, _first, _memory, ideal

EXPERIMENT = find_experiment("one-shot-maze")


def perfect(task, goals, order):
    """Rewards and distances of one who searches along `order`, then takes shortest paths."""
    maze = task.plan
    reward = np.zeros((1, len(goals), task.steps))
    for episode, goal in enumerate(goals):
        cell, t = maze.start, 0
        for place in order:
            t += maze.distance[cell, place]
            cell = place
            if place == goal:
                break
        reward[0, episode, t - 1 :: maze.distance[maze.start, goal]] = 1
    return {"reward": reward}


def test_the_best_searcher_has_the_optimal_findings():
    task = OneShotMaze()
    search, distance = ideal(task)
    goals = task.goals("all")
    record = perfect(task, goals, goals[np.array(search.order)])
    outcome = _first("open", task, record) + _memory("open", task, record)
    found = {finding.name: finding for finding in outcome}
    assert found["episodes with the goal found, open"].value == 1.0
    first = found["steps to the first goal, whole episodes if not found, open"]
    later = found["steps to a later goal, episodes with two goals, open"]
    assert first.value == first.optimum == 12.5
    assert later.value == later.optimum == distance == 2.5
    assert found["first over later steps, later of episodes with two goals, open"].value == 5.0
    assert all(finding.verdict in ("met", None) for finding in found.values())


def test_no_optimum_is_known_where_agents_start_anywhere():
    task = OneShotMaze()
    goals = task.goals("all")
    record = perfect(task, goals, goals[np.array(ideal(task)[0].order)])
    task = replace(task, random_start=True)
    anywhere = _first("open", task, record) + _memory("open", task, record)
    with_optimum = [finding.name for finding in anywhere if finding.optimum is not None]
    assert with_optimum == ["episodes with the goal found, open"]


def test_the_walled_maze_by_its_bounds():
    search, distance = ideal(OneShotMaze(maze="walled", max_steps=100))
    assert distance == pytest.approx(34 / 9)
    assert 18.5 == search.lower <= search.upper < 19.1  # 36 goals: (1 + ... + 36) / 36 at least


def test_a_blind_walk_shows_no_drop():
    generator = np.random.default_rng(0)
    record = {"reward": (generator.random((8, 2000, 60)) < 0.05).astype(float)}
    ratio = _control("open-feedforward", record)[0]
    assert ratio.verdict == "met"
    assert ratio.low < 1.0 < ratio.high


def test_no_search_seems_better_because_it_fails():
    """A blind walk that finds the goal in few episodes is not faster than one that always does."""
    reward = np.zeros((2, 100, 60))
    reward[:, :10, [2, 4, 6, 8, 10]] = 1.0  # five goals at once in one episode of ten, else none
    record = {"reward": reward}
    found = {one.name: one for one in _first("open-feedforward", OneShotMaze(), record)}
    first = found["steps to the first goal, whole episodes if not found, open-feedforward"]
    assert first.value == pytest.approx(0.1 * 3 + 0.9 * 60)
    assert first.value > first.optimum
    curve = goals_by_step(reward)
    assert curve[0, 2] == pytest.approx(0.1)
    assert curve[0, -1] == pytest.approx(0.5)


def test_the_measure_runs_and_draws_on_untrained_agents(tmp_path):
    populations = {
        name: Population.create(settings.environment, settings.network, members=2)
        for name, settings in EXPERIMENT.conditions.items()
    }
    outcome = EXPERIMENT.measure(
        Evaluation(populations, EXPERIMENT.conditions, "held_out", 300, 0, tmp_path)
    )
    names = [finding.name for finding in outcome.findings]
    assert len(set(names)) == len(names)
    verdicts = {finding.name: finding.verdict for finding in outcome.findings}
    assert verdicts["steps to a later goal, episodes with two goals, open"] == "missed"
    assert all(np.isfinite(finding.value) for finding in outcome.findings)
    assert [path.name for path in outcome.figures] == [
        "goals_by_step.png",
        "paths_open.png",
        "paths_walled.png",
    ]
    assert all(path.is_file() for path in outcome.figures)


@pytest.mark.parametrize("condition", EXPERIMENT.conditions)
def test_every_condition_can_be_learned_from(condition):
    settings = EXPERIMENT.conditions[condition]
    kwargs = settings.environment.kwargs | {"max_steps": 12}
    spec = replace(settings.environment, kwargs=kwargs)
    metrics = make_learner(replace(settings, environment=spec).job(seed=0), [0]).update()
    assert torch.isfinite(metrics["gradient_norm"]).all()
