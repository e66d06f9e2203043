"""Every figure is written from plausible and from smallest input, twice alike, without pyplot."""

import matplotlib
import numpy as np
import pytest

from prefrontal.analysis.choice import choice
from prefrontal.analysis.figures import behaviour as figures_behaviour
from prefrontal.analysis.figures import learning as figures
from prefrontal.analysis.figures import probes as figures_probes
from prefrontal.analysis.figures import style

RNG = np.random.default_rng(0)
STEPS = np.arange(1, 21) * 1000.0


def _draw_all(folder, members=3):
    curve = RNG.random((20, members))
    regret = np.cumsum(RNG.random((members, 20)), axis=1)
    action = RNG.integers(0, 2, (10, 20))
    probabilities = RNG.random((10, 2))
    bars = {"RC": {"a": curve[0], "b": curve[1]}, "RU": {"a": curve[2], "b": curve[3]}}
    return [
        figures.learning_curve(STEPS, {"a": curve}, folder / "a.png", references={"best": 1.0}),
        figures.regret_curves(
            regret, {"bad": regret[0] * 9, "good": regret[0]}, folder / "b.png", optimum=1.0
        ),
        figures.regret_curves(regret, {}, folder / "c.svg", optimum=regret[0] / 2),
        figures.bars_with_members(
            bars, folder / "d.png", "stay", published={"RC": 0.99}, ideal={"RU": 0.66}, ylim=(0, 1)
        ),
        figures_behaviour.choice_raster(action, action, probabilities, folder / "f.png"),
        figures_behaviour.curves_by_trial(
            {"a": regret, "b": regret}, folder / "sub" / "g.png", "y", {"chance": 0.5}, (0, 9)
        ),
        figures_behaviour.hidden_state_pca(
            RNG.normal(size=(10, 20, 5)), probabilities[:, 0], folder / "h.png"
        ),
        figures_probes.matching_figure(
            choice.matching_law(RNG.integers(0, 2, (members, 9, 40)), np.ones((members, 9, 40))),
            folder / "i.png",
        ),
        figures_probes.history_figure(
            choice.history_regression(
                np.stack([action] * members), np.stack([action] * members), 2
            ),
            folder / "j.png",
        ),
    ]


@pytest.mark.parametrize("members", [1, 3])
def test_figures_are_written(tmp_path, members):
    for path in _draw_all(tmp_path, members):
        assert path.stat().st_size > 1000


def test_settings_of_the_caller_are_left_alone(tmp_path):
    before = dict(matplotlib.rcParams)
    figures.learning_curve(STEPS, {"a": RNG.random((20, 2))}, tmp_path / "a.png")
    assert dict(matplotlib.rcParams) == before


def test_same_data_same_file(tmp_path):
    values = RNG.random((20, 3))
    for suffix in ("png", "svg"):
        one, two = (
            figures.learning_curve(STEPS, {"a": values}, tmp_path / f"{i}.{suffix}")
            for i in range(2)
        )
        assert one.read_bytes() == two.read_bytes()


def test_rasters_are_for_two_arms(tmp_path):
    with pytest.raises(ValueError, match=r"\[episodes, 2\]"):
        figures_behaviour.choice_raster(
            np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((2, 3)), tmp_path / "a.png"
        )


def test_training_is_drawn_below_the_optimum_where_it_is_known(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(style, "mean_and_members", lambda *given: drawn.append(given))
    returns = {"a": np.full((40, 2), 60.0), "b": np.full((30, 2), 50.0), "c": np.full((30, 2), 1.0)}
    curves = {name: (np.arange(len(one)) + 1, one) for name, one in returns.items()}
    levels = {"optimum": 65.0, "chance": 50.0}
    lines = []
    monkeypatch.setattr(style, "reference_lines", lambda axes, named: lines.append((axes, named)))
    figures.training_curves(curves, tmp_path / "a.png", {"a": levels, "b": levels})
    assert [named for _, named in lines] == [{"chance": 15.0, "optimum": 0.0}, {}]
    panels = [axes for axes, _ in lines]
    assert [given[0] for given in drawn] == [panels[0], panels[0], panels[1]]
    for given, value in zip(drawn, (5.0, 15.0, 1.0), strict=True):
        np.testing.assert_allclose(given[2], value)
        assert len(given[1]) == len(given[2])  # from the first report to the last
    assert len({given[3] for given in drawn}) == 3
