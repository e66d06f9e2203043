"""Several episodes of an environment as one: boundaries, what varies, what is refused."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.envs.classic_control import CartPoleEnv

from prefrontal.agents import EnvironmentSpec, NetworkConfig
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.agents.rollout.episodes import EpisodeVectorEnv, make_foreign
from prefrontal.agents.rollout.meta_episodes import MetaEpisodes
from prefrontal.agents.rollout.rollout import Rollout
from tests.agents.helpers import register_countdown


class Constant(gymnasium.Env):
    """Pays the same at every step, and never ends."""

    observation_space = gymnasium.spaces.Box(0, 1, (1,))
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self):
        self.pays = 1.0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        return np.zeros(1, np.float32), self.pays, False, False, {}


gymnasium.register("tests/Constant-v0", Constant, max_episode_steps=5)


def test_inner_episodes_follow_each_other():
    env = make_foreign(register_countdown(), ("reward", "trial_start", "time"), meta_episodes=3)
    assert env.steps == 3 * 6
    seen, _ = env.reset(seed=1)  # the inner length is 2, and stays
    columns = {name: env.input_slices[name].start for name in env.input_slices}
    starts, rewards, trials = [seen[columns["trial_start"]]], [], []
    over = False
    while not over:
        seen, reward, over, cut, info = env.step(1)
        assert not cut
        starts.append(seen[columns["trial_start"]])
        rewards.append(reward)
        trials.append(info["trial"])
        assert seen[columns["reward"]] == reward
    assert starts == [1, 0, 1, 0, 1, 0, 0]
    assert trials == [0, 0, 0, 1, 1, 2] or trials == [0, 0, 1, 1, 2, 2]
    assert len(rewards) == 6


def test_what_varies_is_drawn_by_the_seed_and_stays_in_an_episode():
    vary = {"gravity": "5:15", "length": (0.25, 1.0)}
    env = MetaEpisodes(gymnasium.make("CartPole-v1"), 2, vary)
    drawn = []
    for seed in (0, 1, 0):
        env.reset(seed=seed)
        inner = env.unwrapped
        now = inner.gravity, inner.length
        over = False
        while not over:
            _, _, over, _, info = env.step(0)
            assert (inner.gravity, inner.length) == now
        assert info["trial"] == 1
        drawn.append(now)
    assert drawn[0] == drawn[2] != drawn[1]
    assert all(5 <= g <= 15 and 0.25 <= x <= 1 for g, x in drawn)
    env.reset()
    assert (env.unwrapped.gravity, env.unwrapped.length) != drawn[2]


def test_a_function_may_change_the_environment():
    def physics(env, rng):
        env.length = rng.choice([0.3, 0.6])
        env.polemass_length = env.masspole * env.length

    env = MetaEpisodes(gymnasium.make("CartPole-v1"), 1, physics)
    seen = set()
    for seed in range(20):
        env.reset(seed=seed)
        assert env.unwrapped.polemass_length == env.unwrapped.masspole * env.unwrapped.length
        seen.add(float(env.unwrapped.length))
    assert seen == {0.3, 0.6}


def test_whole_numbers_stay_whole():
    env = MetaEpisodes(gymnasium.make(register_countdown()), 2, {"longest": (2, 3)})
    drawn = set()
    for seed in range(20):
        env.reset(seed=seed)
        assert type(env.unwrapped.longest) is int
        drawn.add(env.unwrapped.longest)
    assert drawn == {2, 3}


def test_vector_environments_tell_the_trial():
    kwargs = {"meta_episodes": 2}
    envs = EpisodeVectorEnv(register_countdown(), [0], 2, ("trial_start",), **kwargs)
    envs.reset(seed=0)
    trials = [envs.step(torch.ones(2, dtype=torch.long))[-1]["trial"] for _ in range(12)]
    assert torch.stack(trials).max() == 1
    one = EpisodeVectorEnv(register_countdown(), [0], 1)
    one.reset(seed=0)
    assert one.step(torch.ones(1, dtype=torch.long))[-1] == {}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"meta_episodes": 0}, "at least 1"),
        ({"meta_episodes": 2.0}, "whole number"),
        ({"vary": {"gravty": "5:15"}}, "did you mean 'gravity'"),
        ({"vary": {"gravity": "15:5"}}, "LOW:HIGH"),
        ({"vary": {"gravity": 5}}, "LOW:HIGH"),
        ({"vary": {"gravity": "a:b"}}, "LOW:HIGH"),
        ({"vary": {"gravity": (1, np.nan)}}, "LOW:HIGH"),
    ],
)
def test_wrong_arguments_are_one_line(given, said):
    with pytest.raises(ConfigError, match=said) as caught:
        make_foreign("CartPole-v1", (), **given)
    assert "\n" not in str(caught.value)


def test_only_meta_episodes_say_where_trials_start():
    with pytest.raises(ConfigError, match="--meta-episodes"):
        make_foreign("CartPole-v1", ("trial_start",))


@pytest.mark.parametrize("kwargs", [{"vary": {"pays": (1, 1)}}, {"meta_episodes": 3}])
def test_a_time_limit_of_the_last_inner_episode_truncates(kwargs):
    spec = EnvironmentSpec("tests/Constant-v0", (), kwargs)
    envs = make_envs(spec, [0], 2)
    envs.reset(seed=0)
    streams = [torch.Generator().manual_seed(0)]
    trajectory = Rollout(envs, ActorCritic(1, 2, NetworkConfig(core="none"), 1), 2, streams)
    played = trajectory.collect()
    assert played.truncated.all()
    value, gamma = 1 / (1 - 0.8), torch.tensor([0.8])  # of a reward of 1 that never ends
    values = torch.full((played.steps + 1, 1, 2), value)
    rewards, discount, _ = played.to_the_end(values, gamma)
    after = torch.cat([values[1:-1], torch.zeros(1, 1, 2)])
    torch.testing.assert_close(rewards + discount * after, values[:-1])


def test_an_inner_episode_that_terminates_last_terminates():
    env = make_foreign(register_countdown(), (), meta_episodes=2)
    for seed in range(6):
        env.reset(seed=seed)
        over = cut = False
        while not (over or cut):
            _, _, over, cut, _ = env.step(0)
        assert over == (env.unwrapped.length % 2 == 0)
        assert cut == (env.unwrapped.length % 2 == 1)


class Pole(CartPoleEnv):
    """What is computed from others is computed when it is asked for, as the documentation shows."""

    max_episode_steps = 500
    polemass_length = property(lambda self: self.masspole * self.length, lambda self, value: None)
    total_mass = property(lambda self: self.masspole + self.masscart, lambda self, value: None)


def test_a_note_names_what_the_environment_computed_from_what_varies():
    vary = {"length": "0.3:0.8", "masspole": "0.1:0.2", "gravity": "5:15", "tau": (0.02, 0.04)}
    notes = make_foreign("CartPole-v1", (), vary=vary).notes
    assert len(notes) == 2
    assert "CartPoleEnv may have computed polemass_length from length" in notes[0]
    assert "computed total_mass, polemass_length from masspole" in notes[1]
    pendulum = make_foreign("Pendulum-v1", (), vary={"max_speed": "6:9"})
    assert pendulum.notes == ()  # g = max_speed + max_torque by chance, and is an argument
    env = MetaEpisodes(Pole(), 2, vary)
    assert env.notes == ()
    env.reset(seed=0)
    inner = env.unwrapped
    assert inner.polemass_length == inner.masspole * inner.length != 0.05


class Class(Constant):
    """Its numbers are those of the class."""

    length = 5
    slots = property(lambda self: 3)

    def __init__(self):
        self.start = 2


def test_numbers_of_the_class_vary():
    env = MetaEpisodes(Class(), 1, {"length": "7:9"})
    env.reset(seed=0)
    assert 7 <= env.unwrapped.length <= 9
    assert Class.length == 5
    with pytest.raises(ConfigError, match="'slots' of Class cannot be set"):
        MetaEpisodes(Class(), 1, {"slots": "2:3"})
