"""Panels, legends and units that all figures share."""

import numpy as np
import pytest

from prefrontal.analysis.figures.style import draw_curves, drawing, legend_below, step_unit


def test_panels_stand_in_rows_and_outer_ones_are_labelled(tmp_path):
    path = tmp_path / "sub" / "a.png"
    with drawing(path, 5, (2.0, 1.0), (0.5, 0.3), 3, "x", "y", sharex=True) as (figure, panels):
        assert figure.get_size_inches() == pytest.approx([6.5, 2.3])
        assert [axes.get_ylabel() for axes in panels] == ["y", "", "", "y", ""]
        assert [axes.get_xlabel() for axes in panels] == ["", "", "x", "x", "x"]
        legend_below(figure, 2)
        assert not figure.legends  # nothing has a label yet
        for axes in panels:
            last = draw_curves(axes, {"a": np.ones((3, 2)), "b": np.ones((4, 1))})
        assert last.tolist() == [1, 2, 3, 4]
        legend_below(figure, 2)
        assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]
    assert path.stat().st_size > 1000


def test_nothing_is_written_after_an_error(tmp_path):
    path = tmp_path / "a.png"
    with pytest.raises(ValueError, match="stop"), drawing(path):
        raise ValueError("stop")
    assert not path.exists()


def test_steps_are_counted_in_readable_units():
    assert step_unit(100) == (1.0, "environment steps")
    assert step_unit(2e5) == (1e3, "environment steps (thousands)")
    assert step_unit(4e6) == (1e6, "environment steps (millions)")
