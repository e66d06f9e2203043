"""Updates of TD3 from memory.

Ours on whole trajectories with recurrent networks, and those it is compared with.

All updates are of 16 x 14 = 224 steps, with an actor and two critics of 200,000 parameters each,
and every second one also updates the actor and the targets.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

TRAJECTORIES, STEPS = 16, 14
INPUTS, ACTIONS = 6, 2
UNITS = 440  # of both layers of the feed-forward networks: 198,002 parameters in an actor
ROUND = 4  # updates between looks at the clock


def play(members: int, num_envs: int, holistic: bool = False) -> Iterator[int]:
    """Ours; yields updates, of all members together.

    Args:
        members: Agents, each with networks of its own.
        num_envs: Trajectories in an update.
        holistic: Whether an LSTM does everything (``actor1``, ``critic1``).
    """
    import torch

    from prefrontal.agents.networks.packed import Packing
    from prefrontal.agents.td3.config import TD3Config, TD3NetworkConfig
    from prefrontal.agents.td3.update import Batch, Networks, initial_weights

    network = TD3NetworkConfig("actor1", "critic1") if holistic else TD3NetworkConfig()
    chance = torch.Generator().manual_seed(0)
    agents = [
        Networks(network, INPUTS, ACTIONS, TD3Config(), weights[None])
        for weights in initial_weights(network, INPUTS, ACTIONS, range(members), 0)
    ]
    packing = Packing((STEPS,) * num_envs)
    x = torch.randn(packing.rows, INPUTS, generator=chance)
    action = 2 * torch.rand(packing.rows, ACTIONS, generator=chance) - 1
    batch = Batch(x, action, torch.rand(packing.rows, generator=chance), packing)
    while True:
        for agent in agents:
            for _ in range(ROUND):
                agent.learn(batch, 1e-4, chance)
        yield ROUND * members


def play_sb3(members: int, num_envs: int) -> Iterator[int]:
    """Stable-Baselines3: feed-forward networks of as many parameters.

    A batch has as many transitions.

    Raises:
        ValueError: If `members` is not 1.
    """
    if members != 1:
        raise ValueError(f"Stable-Baselines3 trains one agent at a time, not {members}")
    import numpy as np
    from gymnasium import Env, spaces
    from stable_baselines3 import TD3
    from stable_baselines3.common.logger import Logger

    class Nowhere(Env[np.ndarray, np.ndarray]):
        """Spaces alone: nothing is played here."""

        observation_space = spaces.Box(-1, 1, (INPUTS,), np.float32)
        action_space = spaces.Box(-1, 1, (ACTIONS,), np.float32)

    size = num_envs * STEPS
    model = TD3(
        "MlpPolicy",
        Nowhere(),
        batch_size=size,
        buffer_size=4096,
        policy_kwargs={"net_arch": [UNITS, UNITS]},
        device="cpu",
        seed=0,
    )
    model.set_logger(Logger(folder=None, output_formats=[]))
    rng: Any = np.random.default_rng(0)
    assert model.replay_buffer is not None
    for _ in range(4096):
        x, after = (rng.normal(size=(1, INPUTS)).astype(np.float32) for _ in range(2))
        action = rng.uniform(-1, 1, (1, ACTIONS)).astype(np.float32)
        model.replay_buffer.add(x, after, action, rng.random(1), np.zeros(1, bool), [{}])
    while True:
        model.train(gradient_steps=ROUND, batch_size=size)
        yield ROUND


def play_autograd(members: int, num_envs: int) -> Iterator[int]:
    """The modular networks as one writes them: `torch.nn.LSTM`, autograd, one agent.

    Raises:
        ValueError: If `members` is not 1.
    """
    if members != 1:
        raise ValueError(f"this peer trains one agent at a time, not {members}")
    import copy

    import torch
    from torch import Tensor, nn

    class Net(nn.Module):
        """LSTM 128, then (with the action, for critics) ReLU 300, ReLU 300 and a read-out."""

        def __init__(self, actions: int, outputs: int) -> None:
            super().__init__()
            self.core = nn.LSTM(INPUTS, 128)
            self.head = nn.Sequential(
                nn.Linear(128 + actions, 300),
                nn.ReLU(),
                nn.Linear(300, 300),
                nn.ReLU(),
                nn.Linear(300, outputs),
            )

        def forward(self, x: Tensor, action: Tensor | None = None) -> Tensor:
            belief, _ = self.core(x)
            out: Tensor = self.head(belief if action is None else torch.cat([belief, action], 2))
            return out

    actor, critics = Net(0, ACTIONS), nn.ModuleList([Net(ACTIONS, 1), Net(ACTIONS, 1)])
    targets = copy.deepcopy(nn.ModuleList([actor, *critics]))
    adams = [torch.optim.Adam(net.parameters(), lr=1e-4) for net in (actor, critics)]
    x = torch.randn(STEPS, num_envs, INPUTS)
    action = 2 * torch.rand(STEPS, num_envs, ACTIONS) - 1
    reward = torch.rand(STEPS, num_envs, 1)
    count = 0
    while True:
        for _ in range(ROUND):
            with torch.no_grad():
                following = targets[0](x).tanh()
                noise = (0.05 * torch.randn_like(following)).clamp(-0.1, 0.1)
                following = (following + noise).clamp(-1, 1)
                after = torch.minimum(*(critic(x, following) for critic in targets[1:]))
                y = reward + 0.97 * torch.cat([after[1:], torch.zeros_like(after[:1])])
            loss = sum((critic(x, action) - y).square().mean() for critic in critics)
            adams[1].zero_grad()
            loss.backward()
            adams[1].step()
            count += 1
            if count % 2 == 0:
                adams[0].zero_grad()
                (-critics[0](x, actor(x).tanh()).mean()).backward()
                adams[0].step()
                with torch.no_grad():
                    pairs = zip(
                        targets.parameters(),
                        [*actor.parameters(), *critics.parameters()],
                        strict=True,
                    )
                    for target, own in pairs:
                        target.lerp_(own, 0.005)
        yield ROUND
