"""Actors of recurrent TD3 at play: whole episodes of a vector environment of tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from prefrontal.agents.rollout.blame import blame, check_numbers, check_shape, name_of
from prefrontal.agents.td3.networks import Stack


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
        """Number of trials: one an episode, unless the environment says when one `ended`."""
        return self.facts["ended"].sum().item() if "ended" in self.facts else float(len(self.mask))

    @property
    def rewarded(self) -> float:
        """Number of `rewarded` trials (of episodes with a reward where there is no such fact)."""
        if "rewarded" in self.facts:
            return self.facts["rewarded"].sum().item()
        return float((self.reward.sum(1) > 0).sum().item())


@dataclass(frozen=True)
class Exploration:
    """How actions differ from the actor's.

    Once an action of a trial had a component of at least `threshold`, one without is a stop.

    Attributes:
        noise: Added to actions that are not a stop, ``[T, E, A]``.
        threshold: Size from which on an action is not a stop.
        stops: Where the agent stops at random, once the trial is under way, ``[T, E]`` of bool.
        random_rows: How many rows, the first ones, follow their noise and `stops` alone: the
            actor's own stops do not count.
    """

    noise: Tensor
    threshold: float
    stops: Tensor
    random_rows: int = 0

    def explore(self, t: int, action: Tensor, started: Tensor) -> Tensor:
        """Return what is done at step `t` instead of the actor's actions ``[E, A]``.

        Args:
            t: Which step.
            action: What the actors say.
            started: Whether the trial of a row is under way, ``[E]`` of bool; updated.
        """
        noisy = (action + self.noise[t]).clamp_(-1, 1)
        stop = (action.abs().amax(1) < self.threshold) & started
        stop[: self.random_rows] = False
        action = torch.where(stop.unsqueeze(1), action, noisy)
        action *= ~(self.stops[t] & started).unsqueeze(1)
        started |= action.abs().amax(1) >= self.threshold
        return action


def play(
    envs: Any,
    stack: Stack,
    flat: Tensor,
    exploration: Exploration | None = None,
    *,
    keep: bool = False,
    forget: bool = False,
) -> Episodes:
    """Play one episode in every row, all networks with the same number of rows.

    Args:
        envs: Vector environment with facts, of E rows, blocked by network.
        stack: The actors.
        flat: Their parameters ``[N, n]``.
        exploration: How actions differ from the actors'; None for not at all.
        keep: Whether all facts are wanted, or only those that count trials.
        forget: Whether the recurrent state begins anew after every trial, as a control.

    Raises:
        TrainingError: The environment raises, or returns something that nobody can learn from.
    """
    try:
        played = _play(envs, stack, flat, exploration, keep, forget)
    except Exception as error:
        blame(envs, error)
        raise
    # Once an action is no number, the actor is to blame for what follows.
    wrong = (~played.action.isfinite()).flatten(2).any(2).any(0).nonzero().flatten().tolist()
    end = wrong[0] if wrong else played.action.shape[1]
    told = name_of(envs), getattr(envs, "task", None)
    check_numbers(told[0], "reward", played.reward[:, :end], told[1], time=1, first=1)
    check_numbers(told[0], "observation", played.observation[:, : end + 1], told[1], time=1)
    return played


def _play(
    envs: Any,
    stack: Stack,
    flat: Tensor,
    exploration: Exploration | None,
    keep: bool,
    forget: bool,
) -> Episodes:
    n = len(flat)
    seen, info = envs.reset()
    rows, steps = len(seen), int(envs.steps)
    state = stack.begin(rows // n, flat)
    x = seen.new_zeros(rows, steps, stack.inputs)
    actions = seen.new_zeros(rows, steps, stack.outputs)
    rewards, mask = seen.new_zeros(rows, steps), seen.new_ones(rows, steps)
    facts: dict[str, Tensor] = {}
    started = torch.zeros(rows, dtype=torch.bool)
    for t in range(steps):
        x[:, t] = seen
        out, state = stack.step(flat, seen.reshape(n, -1, stack.inputs), state)
        action = out.tanh_().reshape(rows, -1)
        if exploration is not None:
            action = exploration.explore(t, action, started)
        actions[:, t] = action
        seen, reward, _, _, step = envs.step(action)
        if not t:
            check_shape(envs, reward)
        rewards[:, t] = reward
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
