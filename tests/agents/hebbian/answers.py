"""A task of two types for rate networks: a number is seen, and asked for two steps later."""

import dataclasses

import numpy as np
import torch
from gymnasium import spaces

from prefrontal.agents.base import Job
from prefrontal.agents.common.pool import PREPARATIONS
from prefrontal.agents.hebbian.config import HebbianConfig, RateNetworkConfig
from prefrontal.agents.rollout.spec import EnvironmentSpec
from prefrontal.checking import option
from prefrontal.envs import register
from prefrontal.envs.task import Task, check_parameters


@dataclasses.dataclass(frozen=True)
class Answers(Task):
    """The action should be the target in the last three of nine steps."""

    parameters = ("target",)
    observation_low, observation_high = (-1.0,), (1.0,)

    steps = 9
    noise = 0
    num_actions = 0
    draws = 1

    kinds: int = option(2, "Different targets.", least=1)
    bonus: float = option(0.0, "Added to every reward.")

    @property
    def reward_range(self):
        return (-0.5 + self.bonus, self.bonus)

    @property
    def action_space(self):
        return spaces.Box(-1.0, 1.0, (1,), np.float32)

    def from_uniform(self, uniform, split):
        return {"target": (uniform[:, 0] * self.kinds).floor() / max(1, self.kinds - 1) - 0.5}

    def validate(self, params):
        return check_parameters(params, target=((), -1.0, 1.0))

    def reset(self, params):
        return {"t": 0}, params["target"][:, None]

    def step(self, params, state, action, noise):
        missed = (action[:, 0] - params["target"]).abs() / 3
        reward = -missed if state["t"] >= 6 else torch.zeros_like(missed)
        seen = params["target"] if state["t"] < 3 else torch.zeros_like(missed)
        return {"t": state["t"] + 1}, seen[:, None], reward + self.bonus

    def facts(self, params, state, action):
        return {"trial": torch.zeros(len(action), dtype=torch.int64)}

    def privileged(self, params, state):
        return params["target"][:, None]


register("TestAnswers", Answers)


def prepare() -> None:
    """What a new process must import to know the task: this module."""


PREPARATIONS.append(prepare)

ANSWERS = EnvironmentSpec("prefrontal/TestAnswers-v0", inputs=())
SMALL = RateNetworkConfig(units=14, time_constant=3.0)
EAGER = HebbianConfig(probability=0.1, learning_starts=0, largest_change=0.01)


def job(
    config: HebbianConfig = EAGER,
    members: int = 2,
    trials: int = 20,
    environment: EnvironmentSpec = ANSWERS,
    **more: int,
) -> Job:
    """A small run."""
    return Job(environment, SMALL, config, members, 1, trials * 9, 3, **more)
