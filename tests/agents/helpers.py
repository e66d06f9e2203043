"""What tests of the learners share: plain references, and environments to reason about."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor
from torch.func import functional_call

from prefrontal.agents import A2C, A2CConfig, EnvironmentSpec, NetworkConfig
from prefrontal.agents.common.plain import from_plain
from prefrontal.agents.networks.vectorised import Net, Vectorised
from prefrontal.agents.rollout.environments import make_envs

BANDIT = "prefrontal/TwoArmedBandit-v0"


def reference_heads(net: Any, flat: Tensor, x: Tensor, member: int) -> tuple[Tensor, list[Tensor]]:
    """Read-outs ``[T, O, B]`` and hidden states of one member, step by step, unmapped.

    Args:
        net: For the shapes only.
        flat: Parameters ``[P, n]``.
        x: Inputs ``[T, P, I, B]``.
        member: Which member.
    """
    module = Net(net.input_size, net.output_size, net.config).to(flat.dtype)
    values = {k: v[0] for k, v in Vectorised(module).views(flat[member : member + 1]).items()}
    state, outputs, hidden = module.initial_state(x.shape[-1]), [], []
    for x_t in x[:, member]:
        output, h, state = functional_call(module, values, (x_t.T, state))
        outputs.append(output.T)
        hidden.append(h.T)
    return torch.stack(outputs), hidden


def a2c(**flat: object) -> A2CConfig:
    """Settings of A2C by flat names, as old files and the command line have them."""
    return from_plain(A2CConfig, flat)


def learner(
    members: list[int] | range = range(1),
    *,
    seed: int = 0,
    batch: int = 4,
    trials: int = 6,
    total_steps: int = 2000,
    inputs: tuple[str, ...] = ("action", "reward", "time"),
    network: NetworkConfig | None = None,
    **config: object,
) -> A2C:
    """A learner of a short two-armed bandit."""
    algorithm = a2c(**config)
    envs = make_envs(
        EnvironmentSpec(BANDIT, inputs, {"trials": trials}),
        members,
        batch,
        privileged=algorithm.critic.baseline == "privileged",
    )
    network = network or NetworkConfig(hidden_size=8)
    return A2C(envs, network, algorithm, list(members), batch, total_steps, seed)


class Countdown(gymnasium.Env):
    """Episodes of a known length; the observation says how many steps are left.

    The length is drawn from the seed, ``1 + seed % longest``. The reward is the action plus one. An
    episode of even length ends by termination, one of odd length by truncation.
    """

    def __init__(self, longest: int = 5, start: int = 0):
        self.longest = longest
        self.observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)
        self.action_space = spaces.Discrete(3, start=start)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if seed is not None:
            self.length = 1 + seed % self.longest
        self.t = 0
        return self._observe(), {}

    def _observe(self) -> np.ndarray:
        return np.array([self.length - self.t, self.length], np.float32)

    def step(self, action):
        assert self.action_space.contains(action)
        self.t += 1
        over = self.t >= self.length
        even = self.length % 2 == 0
        reward = float(action - self.action_space.start + 1)
        return self._observe(), reward, over and even, over and not even, {}


def register_countdown(longest: int = 5, start: int = 0) -> str:
    """Registers `Countdown` (once) and returns its id."""
    env_id = f"tests/Countdown{longest}From{start}-v0"
    if env_id not in gymnasium.registry:
        gymnasium.register(
            env_id,
            entry_point=Countdown,
            max_episode_steps=longest + 1,
            kwargs={"longest": longest, "start": start},
        )
    return env_id


def run_train(folder: str, arguments: list[str]) -> None:
    """`prefrontal train` in a process of its own, with a checkpoint after every report."""
    import os
    import sys

    import prefrontal.agents.training.loop
    from prefrontal import command
    from prefrontal.command import guarded

    os.chdir(folder)
    prefrontal.agents.training.loop.CHECKPOINT_SECONDS = 0.0
    sys.exit(guarded(command.train, arguments))
