"""Figures of continual learning are written, with few and many members, and with gaps."""

import numpy as np
import pytest

from prefrontal.analysis.figures.continual import (
    accuracy_through_switches,
    against_buffer_size,
    pair_confusion,
    stage_matrix,
)


@pytest.mark.parametrize(("members", "conditions"), [(1, 1), (16, 4)])
def test_figures_are_written(tmp_path, members, conditions):
    rng = np.random.default_rng(0)
    names = [f"condition {k}" for k in range(conditions)]
    curves = {
        name: {pair: rng.random((6, members)) for pair in ("red/yellow", "green/blue")}
        for name in names
    }
    tables = rng.random((members, 4, 4))
    tables[:, 3, 1] = np.nan
    measures = {name: rng.random((3, members)) for name in ("forgetting", "other")}
    paths = [
        accuracy_through_switches(np.arange(6) * 1e4, curves, [3e4], tmp_path / "a.png"),
        pair_confusion(dict.fromkeys(names, tables), list("abcd"), tmp_path / "b.png"),
        against_buffer_size([0, 10, 100], measures, tmp_path / "c.png", "forgetting"),
        stage_matrix(dict.fromkeys(names, rng.random((members, 3, 3))), tmp_path / "d.png"),
    ]
    for path in paths:
        assert path.stat().st_size > 2000
