"""Bounds of numbers: two are squashed to, one is clipped to, none is free, equal ones are one."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from prefrontal.agents import EnvironmentSpec, NetworkConfig, Population, load
from prefrontal.agents.common.actions import Actions
from prefrontal.agents.common.policies import policy_of, random_actions
from prefrontal.agents.rollout.action_spaces import ActionSpace

INF = np.inf
LOW, HIGH = np.float32([0, -INF, 3, -INF, -2]), np.float32([INF, 1, 3, INF, 2])
MIXED = spaces.Box(LOW, HIGH)


class Bounded(gymnasium.Env):
    """It takes only actions within their bounds."""

    observation_space, action_space = spaces.Box(-1, 1, (1,)), MIXED

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        return np.zeros(1, np.float32), 1.0, False, False, {}


gymnasium.register("tests/Bounded-v0", Bounded, max_episode_steps=4)


def test_numbers_keep_the_bounds_they_have():
    made = ActionSpace(MIXED, "mixed")
    assert made.actions.bounds == ("low", "high", "both", "none", "both")
    assert np.isfinite([made.actions.low, made.actions.high]).all()  # files hold no infinity
    assert made.flat == MIXED
    given = torch.tensor([[-5.0, 7.0, 0.4, -9.0, -30.0], [5.0, -7.0, -2.0, 9.0, 0.0]])
    expected = [[0, 1, 3, -9, -2], [5, -7, 3, 9, 0]]
    assert policy_of(made.actions).applied(given).tolist() == expected
    assert made.own(given.numpy()).tolist() == expected
    scaled = [[0, 1, 0, -9, -1], [5, -7, 0, 9, 0]]
    assert made.inputs(given.numpy()).tolist() == scaled
    drawn = random_actions(MIXED, 200, torch.Generator().manual_seed(0)).numpy()
    assert (drawn >= LOW).all()
    assert (drawn <= HIGH).all()


def test_what_earlier_versions_wrote_means_the_same():
    old = Actions(low=(-2.0, 0.0), high=(2.0, 0.0))
    assert old.limits == ((-2, -INF), (2, INF))
    now = ActionSpace(spaces.Box(np.float32([-2, -INF]), np.float32([2, INF])), "old").actions
    assert now == old
    with pytest.raises(ValueError, match="bounds must be both, low, high, none each"):
        Actions(low=(0.0,), high=(1.0,), bounds=("upper",))


def test_agents_keep_bounds_in_training_and_after_loading(tmp_path):
    spec = EnvironmentSpec("tests/Bounded-v0", ("action",))
    agents = Population.create(spec, NetworkConfig(hidden_size=4), 1)
    agents.learn(64, num_envs=4)
    agents.save(tmp_path)
    agent = load(tmp_path)[0]
    assert agent.model.policy.actions == agents.model.policy.actions
    env = agent.make_env()
    seen, _ = env.reset(seed=0)
    for _ in range(4):
        action, _ = agent.predict(seen)
        assert MIXED.contains(action)
        seen = env.step(action)[0]
