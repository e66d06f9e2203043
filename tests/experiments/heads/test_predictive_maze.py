"""The predictive maze: its two mazes, its conditions, and what is measured, by hand."""

import numpy as np
import pytest

from prefrontal.agents import Population
from prefrontal.envs.maze import find_maze
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import find_experiment
from prefrontal.experiments.heads.predictive_maze import (
    CELLS,
    MAZE,
    MOVED,
    foretold,
    search_and_return,
)

EXPERIMENT = find_experiment("predictive-maze")


def test_only_the_doors_at_the_ends_move():
    here, there = find_maze(MAZE), find_maze(MOVED)
    assert here.size == there.size == CELLS
    assert here.start == there.start
    moved = np.flatnonzero((here.cells != there.cells).any(axis=1))
    assert len(moved) == 4
    np.testing.assert_array_equal(np.abs(here.cells - there.cells)[moved], [[0, 1]] * 4)
    assert (here.distance != there.distance).any()


def test_search_and_return_by_hand():
    reward = np.array([[[0, 0, 1, 0, 1, 1], [0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0]]])
    first, later = search_and_return({"reward": reward})
    assert first.tolist() == [(3 + 6 + 2) / 3]
    assert later.tolist() == [1.5]


def test_what_is_foretold_is_the_next_cell():
    said = np.eye(3)[[[[1, 2, 0, 0]]]]
    cell = np.array([[[0, 1, 2, 1]]])  # the last step foretells nothing that is seen
    assert foretold({"head.ahead": said, "cell": cell}).tolist() == [pytest.approx(2 / 3)]


def test_what_is_measured_of_agents_that_know_nothing(tmp_path):
    names = ("no-head", "noise", "horizon-0", "horizon-80")
    settings = {name: EXPERIMENT.conditions[name] for name in names}
    agents = {
        name: Population.create(one.environment, one.network, members=3)
        for name, one in settings.items()
    }
    evaluation = Evaluation(agents, settings, "held_out", 40, 0, tmp_path, figures=False)
    found = {one.name: one for one in EXPERIMENT.measure(evaluation).findings}
    assert found["search steps, no-head"].value > 20
    assert found["next cell foretold, horizon-0"].value < 0.2
    first = evaluation.record("horizon-80", split="train")
    search, _ = search_and_return(first)
    without, _ = search_and_return(evaluation.record("no-head", split="train"))
    apart = found["search steps, horizon-80 less no head"]
    assert apart.value == pytest.approx((search - without).mean())
    assert "less noise" in apart.note
    assert found["similarity against distance, horizon-80 less no head"].bar == 0.0
    assert not any("less no head" in name and name.startswith("noise") for name in found)
