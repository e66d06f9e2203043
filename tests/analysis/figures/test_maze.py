"""Figures of the maze are written, also of an episode in which the goal was never found."""

import numpy as np

from prefrontal.analysis.figures.maze import maze_paths, steps_by_goal


def test_figures_are_written(tmp_path):
    curves = {"a": np.array([[9.0, 3, 3], [8.0, 2, 3]]), "b": np.array([[9.0, 9, 9]])}
    assert steps_by_goal(curves, tmp_path / "steps.png", {"a": 2.5}).stat().st_size > 2000
    cells = np.array([[0, 0], [0, 1], [1, 1]])
    visited = np.array([[0, 1, 0, 1], [0, 0, 0, 0]])
    reached = np.array([[0, 1, 0, 1], [0, 0, 0, 0]])
    path = maze_paths(("S.", "#."), cells, visited, reached, np.array([2, 2]), tmp_path / "p.png")
    assert path.stat().st_size > 2000
