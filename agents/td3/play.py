"""Actors of recurrent TD3 at play: whole episodes of a vector environment of tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from prefrontal.agents.td3.networks import Stack

__all__ = ["Episodes", "play"]


@dataclass(frozen=True)
class Episodes:
    """What was played: E episodes of up to T steps, of N agents with E / N rows each.

    Attributes:
        observation: ``[E, T, I]``.
        action: ``[E, T, A]``, with the noise of exploration.
        reward: ``[E, T]``.
        mask: ``[E, T]``, 1 while something happens.
        facts: What the environment said of each step, ``[E, T]``.
        task: Parameters of the tasks, ``[E, ...]``.
    """

    observation: Tensor
    action: Tensor
    reward: Tensor
    mask: Tensor
    facts: dict[str, Tensor]
    task: dict[str, Tensor]

    @property
    def lengths(self) -> Tensor:
        """Steps of each episode, ``[E]``."""
        return self.mask.sum(1).long()

    @property
    def trials(self) -> float:
        """How many trials were played: one an episode, unless the environment says when one `ended`."""
        return self.facts["ended"].sum().item() if "ended" in self.facts else float(len(self.mask))

    @property
    def rewarded(self) -> float:
        """How many trials were `rewarded` (where the environment does not say: episodes that paid something)."""
        if "rewarded" in self.facts:
            return self.facts["rewarded"].sum().item()
        return float((self.reward.sum(1) > 0).sum().item())


def play(
    envs: Any,
    stack: Stack,
    flat: Tensor,
    noise: Tensor | None = None,
    threshold: float = 0.0,
    halt: Tensor | None = None,
    babbling: int = 0,
    keep: bool = False,
    forget: bool = False,
) -> Episodes:
    """Plays one episode in every row, all networks with the same number of rows.

    Args:
        envs: Vector environment with facts, of E rows, blocked by network.
        stack: The actors.
        flat: Their parameters ``[N, n]``.
        noise: Exploration ``[T, E, A]``, added to actions that are not a stop; none for none.
        threshold: Actions with all components below it are a stop, once a larger one was taken in the trial.
        halt: Where the agent stops whatever its actor says, once the trial is under way, ``[T, E]`` of bool; none for nowhere.
        babbling: How many rows, the first ones, follow their noise and `halt` even where the actor would stop.
        keep: Whether all facts are wanted, or only those that count trials.
        forget: Whether the recurrent state begins anew after every trial, as a control.
    """
    n = len(flat)
    seen, info = envs.reset()
    rows, steps = len(seen), int(envs.steps)
    state = stack.begin(rows // n, flat)
    x = seen.new_zeros(rows, steps, stack.inputs)
    actions = seen.new_zeros(rows, steps, stack.outputs)
    rewards, mask = seen.new_zeros(rows, steps), seen.new_ones(rows, steps)
    facts: dict[str, Tensor] = {}
    started = torch.zeros(rows, dtype=torch.bool)  # whether a small action stops
    for t in range(steps):
        x[:, t] = seen
        out, state = stack.step(flat, seen.reshape(n, -1, stack.inputs), state)
        action = out.tanh_().reshape(rows, -1)
        if noise is not None:
            noisy = (action + noise[t]).clamp_(-1, 1)
            stop = (action.abs().amax(1) < threshold) & started
            stop[:babbling] = False
            action = torch.where(stop.unsqueeze(1), action, noisy)
            if halt is not None:
                action *= ~(halt[t] & started).unsqueeze(1)
            started |= action.abs().amax(1) >= threshold
        actions[:, t] = action
        seen, rewards[:, t], _, _, step = envs.step(action)
        for name, value in step.items():
            if name != "task" and (keep or name in ("active", "ended", "rewarded")):
                if name not in facts:
                    facts[name] = value.new_zeros(rows, steps, *value.shape[1:])
                facts[name][:, t] = value
        if "ended" in step:
            goes_on = step["ended"] == 0
            started &= goes_on
            if forget:
                kept = goes_on.reshape(n, -1, 1)
                state = [(hidden * kept, cell * kept) for hidden, cell in state]
        if "active" in step:
            mask[:, t] = step["active"]
            if not keep and not bool(step["active"].any()):
                mask[:, t:] = 0.0
                break
    return Episodes(x, actions, rewards, mask, facts, info["task"])
