"""Figures of errors by trial and of responses are written."""

import numpy as np

from prefrontal.analysis.figures import trials


def test_figures_are_written(tmp_path):
    rng = np.random.default_rng(0)
    errors = {"cube": rng.random((200, 3)), "none": 2 * rng.random((100, 3))}
    criteria = {"cube": np.array([120.0, np.inf, 60.0]), "none": np.full(3, np.inf)}
    traces = {name: np.tanh(rng.normal(size=(90, 3))) for name in ("AA", "AB")}
    paths = [
        trials.error_curves(errors, criteria, tmp_path / "errors.png", 1.0),
        trials.error_curves({"cube": errors["cube"][:7]}, criteria, tmp_path / "few.png", 1.0),
        trials.responses(
            traces,
            tmp_path / "responses.png",
            {"AA": [(1, 20), (40, 60)], "AB": [(1, 20)]},
            {"AA": -0.98, "AB": 0.98},
            (70, 90),
        ),
    ]
    assert all(path.stat().st_size > 3000 for path in paths)
