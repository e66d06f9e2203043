"""Figures of continual learning are written, with every number of members and gaps where nothing was met."""

import numpy as np
import pytest

from prefrontal.analysis.figures.continual import (
    accuracy_through_switches,
    against_buffer_size,
    pair_confusion,
    stage_matrix,
)


@pytest.mark.parametrize("members", [1, 16])
@pytest.mark.parametrize("conditions", [1, 4])
def test_figures_are_written(tmp_path, members, conditions):
    rng = np.random.default_rng(0)
    names = [f"condition {k}" for k in range(conditions)]
    curves = {
        name: {pair: rng.random((6, members)) for pair in ("red/yellow", "green/blue")}
        for name in names
    }
    tables = rng.random((members, 4, 4))
    tables[:, 3, 1] = np.nan
    paths = [
        accuracy_through_switches(np.arange(6) * 1e4, curves, [3e4], tmp_path / "a.png", "switches"),
        pair_confusion(dict.fromkeys(names, tables), list("abcd"), tmp_path / "b.png", "confusion"),
        against_buffer_size(
            [0, 10, 100], {"forgetting": rng.random((3, members)), "other": rng.random((3, members))},
            tmp_path / "c.png", "forgetting", references={"joint": 0.0},
        ),
        stage_matrix(dict.fromkeys(names, rng.random((members, 3, 3))), tmp_path / "d.png", title="R"),
    ]  # fmt: skip
    for path in paths:
        assert path.stat().st_size > 5000
