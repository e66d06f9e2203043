"""Meta-RL as usually written: one environment, `nn.LSTMCell`, BPTT through the whole episode."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from benchmarks.peers.common import (
    ACTIONS,
    CLIP_NORM,
    DISCOUNT,
    ENTROPY_COEF,
    HIDDEN,
    INPUT_SIZE,
    LEARNING_RATE,
    TRIALS,
    VALUE_COEF,
    single_env,
)

if TYPE_CHECKING:
    import torch


def make_agent() -> Any:
    """An LSTM cell with a policy and a value head."""
    from torch import nn

    return nn.ModuleDict(
        {
            "cell": nn.LSTMCell(INPUT_SIZE, HIDDEN),
            "actor": nn.Linear(HIDDEN, ACTIONS),
            "critic": nn.Linear(HIDDEN, 1),
        }
    )


def episode_loss(agent: Any, env: Any) -> tuple[torch.Tensor, float]:
    """Play one episode and return its A2C loss and the sum of its rewards."""
    import torch
    from torch.distributions import Categorical

    observation, _ = env.reset()
    state = (torch.zeros(1, HIDDEN), torch.zeros(1, HIDDEN))
    log_probs, values, entropies, rewards = [], [], [], []
    done = False
    while not done:
        state = agent["cell"](torch.from_numpy(observation).unsqueeze(0), state)
        policy = Categorical(logits=agent["actor"](state[0]))
        action = policy.sample()
        observation, reward, terminated, truncated, _ = env.step(action.item())
        done = terminated or truncated
        log_probs.append(policy.log_prob(action))
        values.append(agent["critic"](state[0]).squeeze(1))
        entropies.append(policy.entropy())
        rewards.append(reward)
    targets: list[float] = []
    target = 0.0
    for reward in reversed(rewards):
        target = reward + DISCOUNT * target
        targets.insert(0, target)
    value = torch.cat(values)
    advantage = torch.tensor(targets) - value
    policy_loss = -(torch.cat(log_probs) * advantage.detach()).mean()
    loss = policy_loss + VALUE_COEF * advantage.square().mean()
    return loss - ENTROPY_COEF * torch.cat(entropies).mean(), float(sum(rewards))


def play(members: int, num_envs: int) -> Iterator[int]:
    """Train one agent on one environment; see `benchmarks.peers`.

    Raises:
        ValueError: If `members` or `num_envs` is not 1.
    """
    if members != 1 or num_envs != 1:
        raise ValueError(
            f"this loop has one agent and one environment, not {members} and {num_envs}"
        )
    import torch
    from torch import nn

    torch.manual_seed(0)
    env, agent = single_env(), make_agent()
    optimiser = torch.optim.Adam(agent.parameters(), lr=LEARNING_RATE)
    while True:
        loss, _ = episode_loss(agent, env)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(agent.parameters(), CLIP_NORM)
        optimiser.step()
        yield TRIALS
