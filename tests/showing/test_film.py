"""Episodes as films: every task, agents, environments of others."""

import gymnasium
import numpy as np
import pytest
from PIL import Image

import prefrontal as pf
from prefrontal import command
from prefrontal.envs import TASKS
from prefrontal.showing import film
from prefrontal.showing.options import PlayOptions
from tests.front import refused


def frames(path) -> int:
    with Image.open(path) as image:
        return image.n_frames


@pytest.mark.parametrize("name", TASKS)
def test_every_task_has_pictures_of_an_episode(name):
    episode = film._task_episode(PlayOptions(f"prefrontal/{name}-v0", seed=1, frames=12))
    assert len(episode.pictures) == min(12, len(episode.record["reward"])) + 1
    assert episode.pictures[0].ndim == 3
    assert any((one != episode.pictures[0]).any() for one in episode.pictures)


@pytest.mark.slow
def test_every_task_has_a_film(tmp_path):
    for name in TASKS:
        out = pf.play(f"prefrontal/{name}-v0", out=tmp_path / f"{name}.gif", frames=1, seed=1)
        with Image.open(out) as image:
            assert image.size == (768, 384)


def test_a_film_of_an_agent_shows_what_is_recorded(runs):
    options = PlayOptions(str(runs["lstm"]), member=1, seed=3)
    episode = film._run_episode(options, film.Doors())
    record = episode.record
    assert len(episode.pictures) == episode.steps + 1 == len(episode.seen)
    assert {"policy", "value", "rpe"} <= set(record)
    panels = film._panels(record, episode.steps)
    assert list(panels) == ["policy", "value", "prediction error"]
    np.testing.assert_array_equal(panels["value"][:, 0], record["value"])
    # The same member as in an evaluation of all, on the same task
    from prefrontal.doors import Doors
    from prefrontal.showing.runs import opened

    whole = opened(runs["lstm"], Doors()).evaluation(1, seed=3).record()
    np.testing.assert_array_equal(whole["action"][1, 0], record["action"])
    np.testing.assert_allclose(whole["value"][1, 0], record["value"], atol=1e-6)


class Corridor(gymnasium.Env):
    """Five places in a row, shown as a picture where one is asked for."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012
    observation_space = gymnasium.spaces.Box(0, 5, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, render_mode=None):
        self.render_mode, self.place = render_mode, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = 0
        return np.array([self.place], np.float32), {}

    def step(self, action):
        self.place += 1
        return np.array([self.place], np.float32), 1.0, self.place == 5, False, {}

    def render(self):
        return np.full((6, 6, 3), 40 * self.place, np.uint8)


class Blind(Corridor):
    """The same without pictures."""

    metadata = {"render_modes": []}  # noqa: RUF012

    def render(self):
        raise AssertionError("nobody asks")


@pytest.mark.parametrize(("made", "pictures"), [(Corridor, 6), (Blind, 0)])
def test_environments_of_others(made, pictures, monkeypatch):
    monkeypatch.setitem(gymnasium.registry, "Place-v0", None)
    gymnasium.registry.pop("Place-v0")
    gymnasium.register("Place-v0", entry_point=made, max_episode_steps=9)
    episode = film._task_episode(PlayOptions("Place-v0"))
    assert len(episode.pictures) == pictures
    assert episode.steps == 5
    np.testing.assert_array_equal(episode.seen[:, 0], range(6))
    if pictures:
        assert [int(one[0, 0, 0]) for one in episode.pictures] == [0, 40, 80, 120, 160, 200]


def test_numbers_are_drawn_where_there_is_no_picture(tmp_path):
    record = {"action": np.array([[0.5, -1.0]] * 3, np.float32), "reward": np.ones(3, np.float32)}
    episode = film.Episode("$a^$ <b>", record, np.arange(8.0).reshape(4, 2), [])
    film.draw(episode, tmp_path / "x.gif", frames=9, fps=5)
    assert frames(tmp_path / "x.gif") == 4


def test_the_command_writes_a_film(runs, tmp_path, capsys):
    out = tmp_path / "new" / "talk.gif"
    assert (
        command.play([str(runs["gru"]), "--member", "2", "--out", str(out), "--frames", "2"]) == 0
    )
    assert str(out) in capsys.readouterr().out
    assert frames(out) == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{run}", "--member", "3"], "members 0 to 2, not 3"),
        (["{run}", "--condition", "x"], "no condition 'x'"),
        (["{run}", "--out", "talk.avi"], "NAME.gif"),
        (["prefrontal/TwoStepp-v0"], "neither a run nor a task"),
        (["wang2018-two-stepp"], "neither a run nor a task"),
        (["{run}", "--fps", "0"], "fps must be"),
        ([], "required"),
    ],
)
def test_refusals(runs, words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    filled = [word.replace("{run}", str(runs["lstm"])) for word in words]
    assert message in refused(capsys, command.play, filled)


def test_films_need_ffmpeg_for_mp4(runs, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(film.shutil, "which", lambda name: None)
    assert "ffmpeg" in refused(capsys, command.play, [str(runs["lstm"]), "--out", "talk.mp4"])
