"""Figures of navigation are written: one member or several, goals found or never found."""

import numpy as np
import pytest

from prefrontal.analysis.figures.navigation import (
    architecture_table,
    goals_found_by_step,
    learning_by_trials,
    maze_paths,
    measures_against_gain,
    paths_from_above,
)

COLUMNS = ("active", "x", "y", "end_x", "end_y", "target_x", "target_y", "rewarded")


@pytest.mark.parametrize("members", [1, 3])
def test_figures_are_written(tmp_path, members):
    rng = np.random.default_rng(0)
    record = {name: 100 * rng.random((members, 4, 9)) for name in COLUMNS}
    curves = {name: rng.random((5, members)) for name in ("modular", "holistic")}
    measures = {c: {"area": v[0], "error": v[1]} for c, v in curves.items()}
    paths = [
        paths_from_above(
            {name: {"1x": record, "2x": record} for name in curves},
            tmp_path / "a.png",
            dict.fromkeys(curves, members - 1),
        ),
        measures_against_gain(
            [0.5, 0.7, 1, 1.5, 2],
            {"area": curves, "error": curves},
            tmp_path / "b.png",
            {"error": {"zone": 0.5}},
            {"area": {"integrator": rng.random(5)}},
        ),
        learning_by_trials(np.arange(5), curves, tmp_path / "c.png"),
        architecture_table(measures, tmp_path / "d.png", frozenset({"error"})),
    ]
    for path in paths:
        assert path.stat().st_size > 2000


def test_figures_of_the_maze_are_written(tmp_path):
    curves = {"a": np.array([[9.0, 3, 3], [8.0, 2, 3]]), "b": np.array([[9.0, 9, 9]])}
    assert goals_found_by_step(curves, tmp_path / "steps.png").stat().st_size > 2000
    cells = np.array([[0, 0], [0, 1], [1, 1]])
    visited = np.array([[0, 1, 0, 1], [0, 0, 0, 0]])
    reached = np.array([[0, 1, 0, 1], [0, 0, 0, 0]])
    path = maze_paths(("S.", "#."), cells, visited, reached, np.array([2, 2]), tmp_path / "p.png")
    assert path.stat().st_size > 2000
