"""Panels, legends and units that all figures share."""

import itertools

import numpy as np
import pytest

from prefrontal.analysis.figures import style
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


def test_figures_say_how_many_members_and_what_bands_are(tmp_path):
    curves = {"a": np.random.default_rng(0).random((5, 8))}
    with style.drawing(tmp_path / "a.png", caption="40 episodes each") as (figure, (axes,)):
        style.draw_curves(axes, curves)
        style.dots_and_interval(axes, 1.0, [1.0, 2.0, 3.0], 0.1, "k", 1.0)
    said = figure.get_suptitle().replace("\n", " ")
    assert "mean of 8 members, band: 95 % interval over members, thin: each member" in said
    assert "dots: 3 members, black lines: 95 % interval of their mean" in said
    assert said.endswith("40 episodes each")
    with style.drawing(tmp_path / "b.png") as (figure, (axes,)):
        style.draw_curves(axes, {"a": curves["a"][:, :1], "b": curves["a"][:, :1]})
    assert figure.get_suptitle() == "1 member"
    assert (tmp_path / "b.svg").is_file()


def test_names_beside_a_panel_do_not_overlap(tmp_path):
    levels = {"optimum": 0.0, "a little above it": 0.01, "a bound with a long name": 0.02, "far": 1}
    with style.drawing(tmp_path / "a.png") as (figure, (axes,)):
        axes.set_ylim(0, 1)
        style.reference_lines(axes, levels)
    figure.draw_without_rendering()
    boxes = sorted((text.get_window_extent() for text in axes.texts), key=lambda box: box.y0)
    assert len(boxes) == 4
    assert all(low.y1 <= high.y0 + 1 for low, high in itertools.pairwise(boxes))
    assert all(box.x0 >= axes.bbox.x1 for box in boxes)  # beside the data, not on them


def test_smoothing_keeps_both_ends():
    noise = np.random.default_rng(1).normal(size=(200, 3))
    smooth = style.smoothed(noise)
    assert smooth.shape == noise.shape
    np.testing.assert_array_equal(smooth[[0, -1]], noise[[0, -1]])
    np.testing.assert_allclose(smooth[100], noise[95:106].mean(axis=0))
    noise[100, 0] = np.nan  # left out, not spread
    assert np.isfinite(style.smoothed(noise)).all()


def test_different_things_have_different_colours():
    assert len(set(style.PALETTE)) == len(style.PALETTE) == 12
    assert len(set(style.colours([str(k) for k in range(12)]).values())) == 12
