"""Agents learn from segments of episodes, with and without a memory."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from prefrontal.agents import A2C, EnvironmentSpec, NetworkConfig
from prefrontal.agents.registry import make_learner
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.experiments.own_environment import settings_for
from tests.agents.helpers import a2c


class Cue(gymnasium.Env):
    """A cue at the start, and 1 for naming it at the end of 3 to 5 steps; by chance .5."""

    observation_space, action_space = spaces.MultiBinary(2), spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.cue, self.left = self.np_random.integers(2), self.np_random.integers(3, 6)
        return np.eye(2, dtype=np.int8)[self.cue], {}

    def step(self, action):
        self.left -= 1
        over = bool(self.left == 0)
        return np.zeros(2, np.int8), float(over and action == self.cue), over, False, {}


@pytest.mark.parametrize(("core", "least", "most"), [("lstm", 0.95, 1.0), ("none", 0.3, 0.7)])
def test_what_a_core_remembers_is_learned_from_segments(core, least, most):
    """Segments of 7 steps end within episodes."""
    env_id = "tests/Cue-v0"
    if env_id not in gymnasium.registry:
        gymnasium.register(env_id, entry_point=Cue, max_episode_steps=9)
    config = a2c(segment=7, discount=0.9, entropy_coef=0.02, normalise_advantages=True)
    envs = make_envs(EnvironmentSpec(env_id, ()), [0], 32)
    agents = A2C(envs, NetworkConfig(core=core, hidden_size=16), config, [0], 32, 90_000, 11)
    returns = torch.cat([agents.update()["return"] for _ in range(200)])
    assert least <= float(returns[-40:].mean()) <= most


@pytest.mark.slow
def test_cartpole_is_balanced():
    settings = settings_for("CartPole-v1").with_options(
        segment=128, num_envs=8, discount=0.99, members=1, total_steps=150_000
    )
    agents = make_learner(settings.job(11), [0])
    returns = []
    while float(agents.steps[0]) < 110_000:
        returns.append(float(agents.update()["return"]))
    assert np.mean(returns[-20:]) >= 475
