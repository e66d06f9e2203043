"""Logits that are updated by policy gradient within an episode, of P members at once.

An episode starts with logits θ_0. Between two updates the policy ``π = softmax(θ)`` does not
change, so that how often each action was taken, c, and what it earned in all, w, are all that an
update needs:

    g_j = (w_j − b c_j − π_j Σ_i (w_i − b c_i)) / n,     θ ← θ + α ⊙ g,

the mean over the n steps of ``(r_t − b) ∇ log π(a_t)``. Each update has step sizes α, one a logit
(Li et al. 2017, Meta-SGD), and a baseline b of its own. The parameters of a member, flat, are θ_0,
the logarithms of all α, and all b.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from prefrontal.agents.gradient_policies.config import LogitsConfig


@dataclass(frozen=True)
class Parameters:
    """Parameters of P members, by name, so that they broadcast over episodes."""

    start: Tensor  # θ_0 [P, 1, K]
    steps: Tensor  # α [P, U, 1, K]
    baselines: Tensor  # b [P, U, 1, 1]

    @classmethod
    def of(cls, weights: Tensor, actions: int, updates: int) -> Parameters:
        """Return those in flat weights ``[P, n]``."""
        start, steps, baselines = weights.split([actions, updates * actions, updates], 1)
        return cls(
            start.unsqueeze(1),
            steps.view(-1, updates, 1, actions).exp(),
            baselines.view(-1, updates, 1, 1),
        )


def size(actions: int, updates: int) -> int:
    """Return the number of parameters of a member."""
    return actions + updates * actions + updates


def initial_weights(network: LogitsConfig, actions: int, members: int) -> Tensor:
    """Return the parameters where training starts, ``[P, n]``: all actions are equally likely."""
    updates = network.updates
    weights = torch.zeros(members, size(actions, updates))
    weights[:, actions:-updates] = torch.tensor(network.inner_step).log()
    weights[:, -updates:] = network.inner_baseline
    return weights


def inner_gradient(logits: Tensor, taken: Tensor, earned: Tensor, baseline: Tensor) -> Tensor:
    """Return the policy gradient g of the steps since the last update, see the module.

    Args:
        logits: θ ``[P, B, K]``, or what broadcasts to it.
        taken: How often each action was taken, c ``[P, B, K]``.
        earned: The rewards of each action, summed, w ``[P, B, K]``.
        baseline: b, of a shape that broadcasts.
    """
    above = earned - baseline * taken
    return (above - logits.softmax(-1) * above.sum(-1, keepdim=True)) / taken.sum(-1, keepdim=True)


def adapted(
    parameters: Parameters, taken: Sequence[Tensor], earned: Sequence[Tensor], exact: bool = True
) -> list[Tensor]:
    """Return the logits before the first update and after each, U + 1 of ``[P, B, K]``.

    Args:
        parameters: Start, step sizes and baselines.
        taken: Of the steps before each update, see `inner_gradient`.
        earned: Likewise.
        exact: Whether the gradients of the updates are functions of the parameters, and not taken
            as constant.
    """
    logits = [parameters.start.expand_as(taken[0])]
    for k, (c, w) in enumerate(zip(taken, earned, strict=True)):
        step = inner_gradient(logits[-1], c, w, parameters.baselines[:, k])
        logits.append(logits[-1] + parameters.steps[:, k] * (step if exact else step.detach()))
    return logits


def tallies(actions: Tensor, amounts: Tensor, count: int) -> Tensor:
    """Return amounts ``[T, P, B]`` summed over time by the action taken, ``[P, B, K]``."""
    total = amounts.new_zeros(*actions.shape[1:], count)
    return total.scatter_add_(-1, actions.movedim(0, -1), amounts.movedim(0, -1))


@dataclass(frozen=True)
class Played:
    """What one episode in every environment was.

    Attributes:
        actions: ``[T, P, B]`` int64.
        rewards: ``[T, P, B]``.
        logits: θ in each part, between updates, ``[P, B, K]`` each.
        ends: Where each part ends.
        task: Parameters of the tasks by name, as the environment gives them.
    """

    actions: Tensor
    rewards: Tensor
    logits: list[Tensor]
    ends: list[int]
    task: dict[str, Tensor]

    def by_action(self, amounts: Tensor) -> list[Tensor]:
        """Return amounts ``[T, P, B]`` summed over each part by the action taken."""
        count, parts = self.logits[0].shape[-1], zip([0, *self.ends], self.ends, strict=False)
        return [tallies(self.actions[i:j], amounts[i:j], count) for i, j in parts]


@torch.no_grad()
def play(
    envs: Any,
    parameters: Parameters,
    times: Sequence[int],
    uniform: Tensor | None,
    watch: Callable[[Tensor, dict[str, Tensor]], None] | None = None,
) -> Played:
    """Play one episode in every environment, and update the logits at these times.

    Args:
        envs: Vector environment of tensors, rows blocked by member.
        parameters: Start, step sizes and baselines.
        times: Steps after which logits are updated; those behind the end do not come.
        uniform: Numbers in [0, 1) that actions are drawn with, ``[T, P, B]``; None takes the best
            action (the first of equal ones).
        watch: Called with the observation before each step, and what the environment tells of it.
    """
    members, count = len(parameters.start), parameters.start.shape[-1]
    steps, rows = int(envs.steps), envs.num_envs // members
    actions = torch.empty(steps, members, rows, dtype=torch.int64)
    rewards, logits = torch.empty(steps, members, rows), parameters.start.expand(-1, rows, -1)
    seen, info = envs.reset()
    played = Played(actions, rewards, [], [], info.get("task", {}))
    for k, end in enumerate([*(time for time in times if time < steps), steps]):
        begin = played.ends[-1] if played.ends else 0
        policy = logits.softmax(-1)
        bounds = policy.cumsum(-1)[..., :-1]
        for t in range(begin, end):
            if uniform is None:
                actions[t] = policy.argmax(-1)
            else:
                torch.sum(uniform[t].unsqueeze(-1) >= bounds, -1, out=actions[t])
            before = seen.clone() if watch else seen
            seen, reward, _, _, info = envs.step(actions[t].flatten())
            rewards[t] = reward.view(members, rows)
            if watch:
                watch(before, info)
        played.logits.append(logits)
        played.ends.append(end)
        if end < steps:
            part = actions[begin:end]
            taken = tallies(part, torch.ones_like(rewards[begin:end]), count)
            earned = tallies(part, rewards[begin:end], count)
            gradient = inner_gradient(logits, taken, earned, parameters.baselines[:, k])
            logits = logits + parameters.steps[:, k] * gradient
    return played
