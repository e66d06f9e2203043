"""Pictures of every task, alone, in rows, and as videos."""

import copy
import importlib.util

import gymnasium
import numpy as np
import pytest
from gymnasium.error import DependencyNotInstalled
from gymnasium.wrappers import RecordVideo
from stable_baselines3.common.vec_env import VecVideoRecorder

from prefrontal import envs
from prefrontal.envs import pictures

VIDEO = importlib.util.find_spec("moviepy") is not None


def episode(name, render=True, **kwargs):
    """Play one episode; its pictures, and where it was."""
    env = gymnasium.make(f"prefrontal/{name}-v0", render_mode="rgb_array", **kwargs)
    env.reset(seed=0)
    env.action_space.seed(0)
    frames, over = [env.render()], False
    while not over:
        over = env.step(env.action_space.sample())[2]
        if render or over:
            frames.append(env.render())
    return frames, env


@pytest.mark.parametrize("name", envs.TASKS)
def test_every_task_has_pictures_of_one_size_that_change(name):
    frames, env = episode(name, render=False)
    for _ in range(2):  # a picture depends on nothing else
        np.testing.assert_array_equal(env.render(), frames[-1])
    frames.append(copy.deepcopy(env).render())
    np.testing.assert_array_equal(frames[-1], frames[-2])
    assert {frame.shape for frame in frames} == {frames[0].shape}
    assert frames[0].dtype == np.uint8
    assert all(side % 2 == 0 for side in frames[0].shape[:2])  # as video codecs want it
    assert (frames[0] != frames[-1]).any()
    assert len(np.unique(frames[0].reshape(-1, 3), axis=0)) > 2


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("TwoStep", {"compact": True, "trials": 3}),
        ("TwoStep", {"fixation": True, "trials": 3}),
        ("BernoulliBandit", {"arms": 50, "trials": 130}),
        ("HarlowOneDimensional", {"no_op": True, "max_steps": 40}),
        ("HarlowPairs", {"num_objects": 120, "trials": 2}),
        ("ChangingReward", {"change": "mixed", "mode": "any", "trials": 5}),
        ("FireflyNavigation", {"joystick": "discrete", "targets": 2}),
        ("RestlessBandit", {"trials": 2}),
    ],
)
def test_pictures_of_other_settings(name, fields):
    frames, _ = episode(name, split="all", **fields)
    assert len({frame.shape for frame in frames}) == 1


def test_a_bandit_shows_chances_choices_and_rewards():
    env = gymnasium.make("prefrontal/TwoArmedBandit-v0", render_mode="rgb_array", trials=10)
    env.reset(seed=0, options={"task": {"p": [1.0, 0.0]}})
    strip = slice(pictures.TOP + pictures.SCENE + 10, -10)
    assert (env.render()[100, [100, 300]] == [pictures.BLUE, pictures.FAINT]).all()
    env.step(0)
    first = env.render()[strip]
    env.step(1)
    second = env.render()[strip]
    assert (first[5, 15] == pictures.GOOD).all()  # arm 0 above, the first of ten columns
    assert (first[-5, 53] == pictures.FAINT).all()
    assert (second[-5, 53] == pictures.SHADE).all()  # arm 1 paid nothing


def test_the_two_step_task_shows_the_way():
    env = gymnasium.make("prefrontal/TwoStep-v0", render_mode="rgb_array", trials=2, split="all")
    task = {"good": [1, 1], "common": [1, 0]}
    env.reset(seed=0, options={"task": task})
    seen = []
    for action in (0, 0, 0, 1):
        env.step(action)
        frame = env.render()[pictures.TOP :]
        seen.append([(frame[100, x] == pictures.ORANGE).all() for x in (82, 317)])
    assert seen == [[True, False]] * 2 + [[False, True]] * 2  # state 0, then the rare state 1


def test_rows_of_a_vector_environment_have_their_own_pictures():
    env = gymnasium.make_vec(
        "prefrontal/TwoArmedBandit-v0", num_envs=2, render_mode="rgb_array", tensors=False
    )
    env.reset(seed=0, options={"task": {"p": [[0.5, 0.5], [0.5, 0.5]]}})
    same = env.render()
    assert (same[0] == same[1]).all()
    env.step([0, 1])
    assert (env.render()[0] != env.render()[1]).any()


def test_continuous_actions_and_few_facts_are_drawn_too():
    class Bare(envs.TwoArmedBandit):
        def facts(self, params, state, action):
            return {"trial": action}

    env = envs.TaskEnv(Bare(trials=3), render_mode="rgb_array")
    env.reset(seed=0)
    env.step(0)
    assert env.render().shape == (pictures.HEIGHT, pictures.WIDTH, 3)
    strip = pictures.blank(40, 80)
    pictures.strip(
        strip, np.zeros((3, 2)), np.float32([0, -2, 2]), steps=4, num_actions=0, bounds=(-2, 2)
    )
    shown = [tuple(strip[20, x].tolist()) for x in (10, 30, 50, 70)]
    assert shown == [pictures.SHADE, pictures.BAD, pictures.GOOD, pictures.FAINT]


def test_text_is_legible():
    assert [pictures.short(x) for x in (1.0, 0.25, -0.5, 12.5, 1234.0, 0.0, 10.0)] == [
        *("1", ".25", "-.5", "12.5", "1234", "0", "10")
    ]
    signs = {pictures.letters(one).tobytes() for one in pictures.FONT}
    assert len(signs) == len(pictures.FONT)


def test_pictures_of_sb3_environments():
    env = envs.to_sb3_vec_env(
        gymnasium.make_vec("prefrontal/TwoStep-v0", num_envs=3, render_mode="rgb_array")
    )
    env.reset()
    images = env.get_images()
    assert len(images) == 3
    height, width, _ = images[0].shape
    assert env.render().shape == (2 * height, 2 * width, 3)
    plain = envs.to_sb3_vec_env(gymnasium.make_vec("prefrontal/TwoStep-v0", num_envs=3))
    with pytest.raises(ValueError, match='made with render_mode="rgb_array"; this one has None'):
        plain.get_images()


@pytest.mark.skipif(VIDEO, reason="moviepy is there")
def test_without_moviepy_videos_ask_for_it_by_name(tmp_path):
    with pytest.raises(DependencyNotInstalled, match=r"(?i)moviepy"):
        RecordVideo(gymnasium.make("prefrontal/Harlow-v0", render_mode="rgb_array"), str(tmp_path))
    env = envs.to_sb3_vec_env(
        gymnasium.make_vec("prefrontal/Harlow-v0", num_envs=2, render_mode="rgb_array")
    )
    with pytest.raises(DependencyNotInstalled, match=r"(?i)moviepy"):
        VecVideoRecorder(env, str(tmp_path), lambda step: step == 0)


@pytest.mark.skipif(not VIDEO, reason="videos need moviepy")
@pytest.mark.parametrize("name", envs.TASKS)
def test_videos_are_written(name, tmp_path):
    env = RecordVideo(
        gymnasium.make(f"prefrontal/{name}-v0", render_mode="rgb_array"),
        str(tmp_path / "gymnasium"),
        video_length=5,
    )
    env.reset(seed=0)
    for _ in range(5):
        env.step(env.action_space.sample())
    env.close()
    vector = envs.to_sb3_vec_env(
        gymnasium.make_vec(f"prefrontal/{name}-v0", num_envs=2, render_mode="rgb_array")
    )
    recorder = VecVideoRecorder(vector, str(tmp_path / "sb3"), lambda step: step == 0, 3)
    recorder.reset()
    for _ in range(5):
        recorder.step(np.stack([vector.action_space.sample() for _ in range(2)]))
    recorder.close()
    assert len([p for p in tmp_path.rglob("*.mp4") if p.stat().st_size > 500]) == 2
