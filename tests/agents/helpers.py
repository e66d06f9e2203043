"""What several tests of the learners share: plain PyTorch references, and environments small enough to reason about."""

from __future__ import annotations

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from prefrontal.agents import A2C, A2CConfig, EnvironmentSpec, NetworkConfig
from prefrontal.agents.common.plain import from_plain
from prefrontal.agents.networks.actor_critic import BeliefNet, RecurrentNet
from prefrontal.agents.rollout.environments import make_envs

BANDIT = "prefrontal/TwoArmedBandit-v0"


def reference_heads(
    net: RecurrentNet, flat: Tensor, x: Tensor, member: int
) -> tuple[Tensor, list[Tensor]]:
    """Read-outs ``[T, O, B]`` and hidden states of one member, step by step in ordinary differentiable PyTorch.

    Args:
        net: For the shapes only.
        flat: Parameters ``[P, n]``.
        x: Inputs ``[T, P, I, B]``.
        member: Which member.
    """
    core, inputs, size = net.core, net.core.input_size, net.config.hidden_size
    weight, head, initial = (part[member] for part in net.split(flat))
    w_x, w_h, bias = weight[:, :inputs], weight[:, inputs:-1], weight[:, -1:]
    batch = x.shape[-1]
    zero = torch.zeros(size, batch, dtype=flat.dtype)
    h, c = zero, zero
    if net.config.learned_initial_state:
        h = initial[0].expand(size, batch)
        c = initial[1].expand(size, batch) if core.states == 2 else zero
    outputs, hidden = [], []
    for x_t in x[:, member]:
        if net.config.core == "lstm":
            i, f, g, o = (w_x @ x_t + w_h @ h + bias).chunk(4)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        elif net.config.core == "gru":
            from_x, from_h = (w_x @ x_t).chunk(4), (w_h @ h).chunk(4)
            b = bias.chunk(4)
            r, u = ((from_x[k] + from_h[k] + b[k]).sigmoid() for k in (0, 1))
            n = (from_x[2] + b[2] + r * (from_h[3] + b[3])).tanh()
            h = (1 - u) * n + u * h
        elif net.config.core == "rnn":
            h = (w_x @ x_t + w_h @ h + bias).tanh()
        else:
            h = w_x @ x_t + bias
            h = h.relu() if net.config.core == "relu" else h.tanh()
        hidden.append(h)
        if isinstance(net, BeliefNet):
            outputs.append(_perceptrons(net, head, h))
        else:
            outputs.append(head[:, :-1] @ h + head[:, -1:])
    return torch.stack(outputs), hidden


def _perceptrons(net: BeliefNet, flat: Tensor, belief: Tensor) -> Tensor:
    """Logits and value ``[K + 1, B]``: the actor's perceptron, then the critic's, layer by layer."""
    config, actions = net.config, net.output_size - 1
    units, size = config.head_units, config.hidden_size
    sizes = [2 * units * (size + 1)]
    sizes += [2 * units * (units + 1)] * (config.head_layers - 1)
    sizes += [actions * (units + 1), units + 1]
    *layers, actor, critic = flat.split(sizes)
    read = []
    for side, last in enumerate((actor, critic)):
        x = belief
        for layer in layers:
            weight = layer.view(2, units, -1)[side]
            x = weight[:, :-1] @ x + weight[:, -1:]
            x = x.relu() if config.head_activation == "relu" else x.tanh()
        weight = last.view(-1, units + 1)
        read.append(weight[:, :-1] @ x + weight[:, -1:])
    return torch.cat(read)


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

    The length is drawn from the seed, ``1 + seed % longest``. The reward is the action plus one. An episode of even
    length ends by termination, one of odd length by truncation.
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
    """`train.py` in a process of its own, with a checkpoint after every report; ends the process."""
    import os
    import sys

    import prefrontal.agents.training.loop
    import train
    from prefrontal.experiments.options import guarded

    os.chdir(folder)
    prefrontal.agents.training.loop.CHECKPOINT_SECONDS = 0.0
    sys.exit(guarded(train.main, arguments))
