"""Agents in an environment where an illegal action ends the episode: they never take one."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from prefrontal.agents import A2C, EnvironmentSpec, NetworkConfig, Population
from prefrontal.agents.reference.random_play import RandomPlayers
from prefrontal.agents.rollout.environments import make_envs
from tests.agents.helpers import a2c


class Legal(gymnasium.Env):
    """Some of five actions are legal, others at every step; the first legal one pays.

    An illegal action ends the episode and pays -100. Legal ones are in ``info["action_mask"]``, or
    told by ``action_masks()``.
    """

    taken = illegal = 0  # of all of them

    def __init__(self, method=False):
        self.method = method
        self.observation_space = spaces.MultiBinary(5)
        self.action_space = spaces.Discrete(5, start=3)

    def _seen(self):
        self.legal = self.np_random.random(5) < 0.4
        self.legal[self.np_random.integers(5)] = True
        shown = self.np_random.integers(0, 2, 5, np.int8)  # says nothing about what is legal
        return shown, {} if self.method else {"action_mask": self.legal.astype(np.int8)}

    def action_masks(self):
        assert self.method
        return self.legal

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._seen()

    def step(self, action):
        Legal.taken += 1
        number = action - 3
        if not self.legal[number]:
            Legal.illegal += 1
            return *self._seen()[:1], -100.0, True, False, {"action_mask": np.ones(5)}
        pays = float(number == np.flatnonzero(self.legal)[0])
        over = bool(self.np_random.random() < 0.05)
        seen, info = self._seen()
        return seen, pays, over, False, info


def spec(**kwargs) -> EnvironmentSpec:
    if "tests/LegalActions-v0" not in gymnasium.registry:
        gymnasium.register("tests/LegalActions-v0", entry_point=Legal, max_episode_steps=20)
    return EnvironmentSpec("tests/LegalActions-v0", ("action", "reward"), kwargs)


@pytest.fixture(autouse=True)
def counted():
    Legal.taken = Legal.illegal = 0
    yield
    assert Legal.taken > 500
    assert not Legal.illegal


@pytest.mark.parametrize(
    "kwargs",
    [{}, {"method": True}, {"meta_episodes": 3}],
    ids=["info", "method", "inner episodes"],
)
@pytest.mark.parametrize("core", ["lstm", "none"])
def test_none_is_taken_while_agents_learn(kwargs, core):
    envs = make_envs(spec(**kwargs), [0, 1], 4)
    network = NetworkConfig(core=core, hidden_size=6)
    settings = a2c(
        passes=2, replay="uniform", replay_capacity=8, replay_steps="separate", learning_rate=0.02
    )
    agents = A2C([envs], network, settings, [0, 1], 4, 4000, 0)
    while agents.steps[0] < 600:
        agents.update()


def test_none_is_taken_by_agents_that_are_played_and_recorded():
    agents = Population.create(spec(), NetworkConfig(hidden_size=6), 2)
    envs = make_envs(agents.environment, [0, 1], 5)
    envs.reset(seed=1)
    list(agents.record(envs, 5, seed=0, discount=0.9))
    RandomPlayers([0, 1]).record(envs, 5, seed=0)
    env = agents[0].make_env()
    observation, info = env.reset(seed=2)
    for _ in range(60):
        action, _ = agents[0].predict(observation, action_masks=info["action_mask"])
        observation, _, ended, cut, info = env.step(action)
        if ended or cut:
            observation, info = env.reset()


@pytest.mark.slow
def test_none_in_100_000():
    envs = make_envs(spec(), [0], 16)
    agents = A2C([envs], NetworkConfig(hidden_size=8), a2c(passes=2), [0], 16, 100_000, 0)
    while agents.steps[0] < 100_000:
        agents.update()
    assert Legal.taken >= 100_000
