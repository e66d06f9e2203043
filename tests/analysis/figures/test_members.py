"""Scatter plots by member."""

import numpy as np

from prefrontal.analysis.figures.members import scatter_by_member


def test_a_panel_a_condition_and_missing_points_left_out(tmp_path):
    x = np.array([[0.1, np.nan, 0.3], [0.2, 0.4, 0.6]])
    path = tmp_path / "deep" / "points.png"
    made = scatter_by_member({"one": (x, x), "two": (x, 2 * x)}, path, "x", "y", True, 40)
    assert made == path
    drawn = path.with_suffix(".svg").read_text()
    assert path.is_file()
    assert drawn.count('<g id="PathCollection_') == 4  # two members in each of two panels
    dots = drawn[drawn.index('<g id="PathCollection_1"') : drawn.index('<g id="PathCollection_2"')]
    assert dots.count("<use") == 2  # of three, one is missing
