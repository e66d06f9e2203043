"""What is not supported of others' environments is said in one line, with the way out."""

from pathlib import Path

import pytest

from prefrontal import command
from prefrontal.command import guarded

MINE = """
import gymnasium
import numpy as np
from gymnasium import spaces

BOX = spaces.Box(-1, 1, (2,))


class Env(gymnasium.Env):
    observation_space, action_space = BOX, spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), 0.0, True, False, {}


class Text(Env):
    observation_space = spaces.Text(5)


class Graph(Env):
    observation_space = spaces.Graph(BOX, None)


class Sequences(Env):
    observation_space = spaces.Sequence(BOX)


class OneOf(Env):
    observation_space = spaces.OneOf((BOX, spaces.Discrete(2)))


class OnlyText(Env):
    observation_space = spaces.Dict({"mission": spaces.Text(5)})


class TextActions(Env):
    action_space = spaces.Text(5)


class DictActions(Env):
    action_space = spaces.Dict({"a": spaces.Discrete(2)})


class Old(Env):
    def step(self, action):
        return self.observation_space.sample(), 0.0, True, {}


class Illegal(Env):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0], {"action_mask": np.zeros(2)}


def number(render=None):
    return 3


def vector(num_envs):
    return gymnasium.make("CartPole-v1")


def shy(num_envs):
    from gymnasium.vector import SyncVectorEnv

    env = SyncVectorEnv([Env] * num_envs)
    env.metadata = {}
    return env


nameless = lambda: Env()
THING = Env()
"""
SPACES = "need Box, Discrete, MultiBinary, MultiDiscrete, or Dict and Tuple of these"
CASES = [
    ("mine.py:Text", SPACES),
    ("mine.py:Graph", SPACES),
    ("mine.py:Sequences", SPACES),
    ("mine.py:OneOf", SPACES),
    ("mine.py:OnlyText", "0 numbers with their inputs; there must be 1 to"),
    ("mine.py:TextActions", "agents choose among options"),
    ("mine.py:DictActions", "gymnasium.ActionWrapper"),
    ("mine.py:Old", "step must return (observation, reward, terminated, truncated, info)"),
    ("mine.py:Illegal", "the action mask must allow at least one action"),
    ("mine.py:number", "must inherit from the gymnasium.Env class"),
    ("mine.py:vector", "must make a gymnasium.vector.VectorEnv"),
    ("mine.py:shy", "metadata['autoreset_mode'] = "),
    ("mine.py:nameless", "needs a name of its own"),
    ("mine.py:THING", "is no task: it must be a class derived from"),
    ("Ant-v5", 'pip install "gymnasium[mujoco]"'),
    ("MiniGrid-Nowhere-v0", "prefrontal train minigrid:MiniGrid-Nowhere-v0"),
    ("nobodys_package:Thing-v0", "there is no module 'nobodys_package'"),
    ("CartPole-v1 --meta-episodes 0", "meta_episodes must be a whole number of at least 1, not 0"),
    ("CartPole-v1 --env-workers 0", "env_workers must be a whole number of at least 1, not 0"),
    ("CartPole-v1 --vary gravty=5:15", "did you mean 'gravity'?"),
    ("CartPole-v1 --vary gravity=5", "needs a range LOW:HIGH, such as gravity=5:15"),
    ("CartPole-v1 --vary gravity=15:5", "needs a range LOW:HIGH"),
    ("CartPole-v1 --inputs trial_start", "those of --meta-episodes do"),
    ("CartPole-v1 --env-kwargs gravity=5", "gravity"),
    ("Pendulum-v1 --algorithm r2d2", "this agent needs Discrete"),
    ("CartPole-v1 --env-workers 2 --workers 2 --members 2", "leave out --workers"),
]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(MINE)


@pytest.mark.parametrize(("words", "message"), CASES)
def test_in_one_line(words, message, capsys):
    more = ["--total-steps", "20", "--num-envs", "2", "--no-progress"]
    assert guarded(command.train, [*words.split(), *more]) == 2
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    assert message in err
    assert len(err.splitlines()) == 1, err


@pytest.mark.parametrize("task", ["Blackjack-v1", "CliffWalking-v1", "mine.py:Env"])
def test_a_missing_time_limit_is_a_note(task, capsys):
    words = [task, "--total-steps", "4", "--num-envs", "1", "--hidden-size", "4", "--no-progress"]
    limit = ["--env-kwargs", "max_episode_steps=4"]
    assert guarded(command.train, [*words, *limit]) == 0
    assert "no time limit" not in capsys.readouterr().out
    if task != "CliffWalking-v1":  # a random walk along a cliff takes its time
        assert guarded(command.train, words) == 0
        said = "has no time limit: episodes are cut after 1,000 steps (set another by --env-kwargs"
        assert said in capsys.readouterr().out
