"""Episodes as Minari datasets: what is read back is what was played."""

import importlib.util
import sys

import gymnasium
import numpy as np
import pytest

from prefrontal import command
from prefrontal.agents import EnvironmentSpec, NetworkConfig, Population
from prefrontal.agents.common.errors import ConfigError
from prefrontal.minari_export import export

pytestmark = pytest.mark.skipif(
    not (importlib.util.find_spec("minari") and importlib.util.find_spec("h5py")),
    reason="needs minari[hdf5]",
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    return tmp_path


class Watched(gymnasium.Wrapper):
    """It keeps what happens."""

    def __init__(self, env, seen):
        super().__init__(env)
        self.seen = seen

    @property
    def spec(self):
        return self.env.spec

    def reset(self, **kwargs):
        found = self.env.reset(**kwargs)
        self.seen.append([found[0]])
        return found

    def step(self, action):
        found = self.env.step(action)
        self.seen[-1].append((action, *found[:4]))
        return found


def population(env_id, members=2, **kwargs):
    spec = EnvironmentSpec(env_id, ("action", "reward"), kwargs)
    return Population.create(spec, NetworkConfig(hidden_size=4), members)


@pytest.mark.parametrize("env_id", ["Taxi-v4", "Pendulum-v1"])
def test_reads_back_what_was_played(env_id, monkeypatch):
    import minari

    agents, seen = population(env_id, max_episode_steps=12), []
    make = Population.make_env

    def made(self, *args):
        env = make(self, *args)
        env.env = Watched(env.env, seen)
        return env

    monkeypatch.setattr(type(agents[0]), "make_env", made)
    export(agents, "ours/played-v0", episodes=2, seed=3)
    dataset = minari.load_dataset("ours/played-v0")
    found = list(dataset.iterate_episodes())
    assert len(found) == len(seen) == 4
    for episode, (start, *steps) in zip(found, seen, strict=True):
        actions, observations, rewards, ended, cut = zip(*steps, strict=True)
        np.testing.assert_array_equal(episode.observations, np.array([start, *observations]))
        np.testing.assert_array_equal(episode.actions, np.array(actions))
        np.testing.assert_array_equal(episode.rewards, np.array(rewards))
        np.testing.assert_array_equal(episode.terminations, np.array(ended))
        np.testing.assert_array_equal(episode.truncations, np.array(cut))
    assert dataset.recover_environment().spec.max_episode_steps == 12


def test_tasks_of_ours_are_kept_as_agents_see_them():
    agents = population("prefrontal/TwoArmedBandit-v0", trials=5)
    dataset = export(agents, "ours/bandit-v0", episodes=3)
    assert dataset.total_episodes == 6
    assert dataset.total_steps == 30
    assert next(dataset.iterate_episodes()).observations.shape == (6, agents.model.input_size)


def test_the_command_keeps_recorded_episodes(folder, capsys):
    words = ["CartPole-v1", "--total-steps", "50", "--hidden-size", "4", "--no-progress"]
    assert command.train([*words, "--out", str(folder / "run")]) == 0
    quick = ["--episodes", "4", "--record", "2", "--no-figures", "--minari", "mine/cart-v3"]
    assert command.evaluate([str(folder / "run"), *quick]) == 0
    assert "minari/mine/cart-v3" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="there is a Minari dataset 'mine/cart-v3' already"):
        command.evaluate([str(folder / "run"), *quick])


@pytest.mark.parametrize("name", ["cart pole", "cartpole", ""])
def test_names_that_are_none(name):
    with pytest.raises(ConfigError, match="names no Minari dataset; names are like"):
        export(population("CartPole-v1"), name)


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "minari", None)
    with pytest.raises(ConfigError, match=r"pip install 'prefrontal\[minari\]'"):
        export(population("CartPole-v1"), "a-v0")
