"""A continuous task learned in seconds: remember a number, and say it three steps later."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from gymnasium import spaces

from prefrontal.agents.base import Job
from prefrontal.agents.common.pool import PREPARATIONS
from prefrontal.agents.rollout.spec import EnvironmentSpec
from prefrontal.agents.td3.config import TD3Config, TD3NetworkConfig
from prefrontal.envs import register
from prefrontal.envs.task import Task, check_parameters


@dataclasses.dataclass(frozen=True)
class Recall(Task):
    """Three steps: the target is seen at the first, ``1 - (a - target)^2 / 4`` paid at the last."""

    parameters = ("target",)
    mirror = ((-1.0,), (-1.0,))
    observation_low, observation_high = (-1.0,), (1.0,)

    steps = 3
    noise = 0
    num_actions = 0
    reward_range = (0.0, 1.0)
    draws = 1

    @property
    def action_space(self):
        return spaces.Box(-1.0, 1.0, (1,), np.float32)

    def from_uniform(self, uniform, split):
        return {"target": 1.6 * uniform[:, 0] - 0.8}

    def validate(self, params):
        return check_parameters(params, target=((), -1.0, 1.0))

    def reset(self, params):
        return {"t": 0}, params["target"][:, None]

    def step(self, params, state, action, noise):
        last = state["t"] == 2
        missed = (action[:, 0] - params["target"]).square()
        reward = 1.0 - missed / 4 if last else torch.zeros_like(missed)
        return {"t": state["t"] + 1}, torch.zeros(len(missed), 1), reward

    def facts(self, params, state, action):
        near = (action[:, 0] - params["target"]).abs() < 0.25
        last = float(state["t"] == 2)
        return {
            "active": torch.ones(len(near)),
            "ended": torch.full((len(near),), last),
            "rewarded": near.float() * last,
        }

    def privileged(self, params, state):
        return params["target"][:, None]


register("TestRecall", Recall)


def prepare() -> None:
    """What a new process must import to know the task: this module."""


PREPARATIONS.append(prepare)

RECALL = EnvironmentSpec("prefrontal/TestRecall-v0", inputs=())
FIREFLY = EnvironmentSpec(
    "prefrontal/FireflyNavigation-v0", ("action",), stages=({"observation_noise": 0.0}, {})
)
QUICK = TD3Config(
    learning_rate=1e-2,
    learning_rate_final=3e-3,
    target_rate=0.02,
    stop_threshold=0.0,
    imitation=0.0,
    updates_per_trial=1.0,
    trace=0.9,
    return_floor=1.0,
    learning_starts=40,
    memory=800,
    random_trials=0.0,
    stop_chance=(0.0, 0.0, 0.0),
    exploration=(0.3, 0.3, 0.2),
    first_phase_every=40,
    validation_every=40,
    validation_trials=64,
)


def job(
    config: TD3Config = QUICK,
    environment: EnvironmentSpec = RECALL,
    members: int = 1,
    trials: int = 400,
    seed: int = 0,
    network: TD3NetworkConfig | None = None,
) -> Job:
    """A small run of `trials` trials after phase I, 8 a round."""
    steps = 3 if environment is RECALL else 35
    network = network or TD3NetworkConfig("actor3", "critic5", scale=0.08)
    return Job(environment, network, config, members, 8, trials * steps, seed)
