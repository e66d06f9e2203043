"""Figures of navigation are written, with one member and with several."""

import numpy as np
import pytest

from prefrontal.analysis.figures.navigation import (
    architecture_table,
    learning_by_trials,
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
