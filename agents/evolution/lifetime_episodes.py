"""Episodes of one task, drawn for many lives at once, and tables of what they show and pay.

Every life has a stream of random numbers of its own, so that what happens in it does not depend on
who lives beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prefrontal.agents.common.errors import ConfigError, TrainingError
from prefrontal.agents.common.user_files import blamed
from prefrontal.agents.rollout.blame import check_numbers
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.agents.rollout.spec import EnvironmentSpec


class Numbers:
    """Uniform numbers of L lives, each from a stream of its own."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self.streams = [np.random.Generator(np.random.Philox(int(seed))) for seed in seeds]

    def draw(self, count: int) -> Tensor:
        """Draw the next numbers of every life ``[L, count]``."""
        return torch.from_numpy(np.stack([s.random(count, dtype=np.float32) for s in self.streams]))


@dataclass(frozen=True)
class Rows:
    """B episodes of each of L lives, in rows; fields as in `Episodes`."""

    params: dict[str, Tensor]  # [L B, ...]
    noise: Tensor  # [T, K, L B]
    uniform: Tensor  # [T, L B]
    batch: int


@dataclass(frozen=True)
class Episodes:
    """All N episodes of L lives.

    Attributes:
        params: Task parameters ``[L N, ...]``.
        noise: Noise of steps ``[L, N, T, K]``.
        uniform: Uniform numbers for actions ``[L, N, T]``.
    """

    params: dict[str, Tensor]
    noise: Tensor
    uniform: Tensor

    def rows(self, first: int, count: int) -> Rows:
        """Return the episodes from `first` on, `count` of every life."""
        lives, episodes, steps = self.uniform.shape
        chosen = slice(first, first + count)
        params = {
            name: value.unflatten(0, (lives, episodes))[:, chosen].flatten(0, 1)
            for name, value in self.params.items()
        }
        noise = self.noise[:, chosen].flatten(0, 1).permute(1, 2, 0)
        return Rows(params, noise, self.uniform[:, chosen].reshape(-1, steps).T, count)


def draw_episodes(
    task: Any, numbers: Numbers, count: int, split: str, lasting: dict[str, Tensor] | None
) -> Episodes:
    """Draw `count` episodes of every life; what is lasting takes the place of what is drawn."""
    steps, noise, draws = int(task.steps), int(task.noise), task.draws
    lives = len(numbers.streams)
    drawn = numbers.draw(count * (draws + steps * (noise + 1))).view(lives, count, -1)
    params = task.from_uniform(drawn[:, :, :draws].reshape(lives * count, draws), split)
    for name, value in (lasting or {}).items():
        params[name] = value.repeat_interleave(count, 0)
    rest = drawn[:, :, draws:].view(lives, count, steps, noise + 1)
    return Episodes(params, rest[..., :noise], rest[..., noise])


def tabulate(task: Any, episodes: Episodes | None, lives: int) -> tuple[Tensor, ...]:
    """Return what N episodes of an open-loop task show and pay; empty tensors without episodes.

    Returns:
        Observations ``[L, N, T, D]``, rewards of each action ``[L, N, T, A]``, uniform numbers for
        actions ``[L, N, T]`` and best actions ``[L, N, T]``.

    Raises:
        TrainingError: A reward or an observation is no finite number, or their shape is wrong.
    """
    size, actions = len(task.observation_low), int(task.num_actions)
    if episodes is None:
        empty = torch.empty(lives, 0)
        return empty, empty, empty, empty
    rows = episodes.rows(0, episodes.uniform.shape[1])
    steps, count = rows.uniform.shape
    try:
        told = task.open_outcomes(rows.params, rows.noise)
    except ValueError as error:
        raise TrainingError(blamed(error) or str(error)) from error
    # Of an open-loop task the best action is the same whatever is done.
    idle = torch.zeros(steps, count, dtype=torch.int64)
    states = told.visited(task, rows.params, rows.noise, idle)
    best = best_action(task, task.episode_facts(rows.params, states, idle)).T
    observations, rewards = told.observations.permute(2, 0, 1), told.rewards.permute(2, 0, 1)
    shape, name = (lives, count // lives, int(task.steps)), type(task).__name__
    check_numbers(name, "reward", rewards, task, time=1, first=1)
    check_numbers(name, "observation", observations, task, time=1)
    return (
        observations.contiguous().view(*shape, size),
        rewards.contiguous().view(*shape, actions),
        rows.uniform.T.contiguous().view(shape),
        best.reshape(shape),
    )


def best_action(task: Any, facts: dict[str, Tensor]) -> Tensor:
    """Return the best actions; of an open-loop task -1 at steps that decide nothing."""
    best = facts["optimal_action"]
    if task.open_loop and "decision" in facts:
        return best.where(facts["decision"] == 1, -1)
    return best


def task_of(spec: EnvironmentSpec) -> Any:
    """Return the task of an environment; raise if it has none that is made of uniform numbers."""
    envs = make_envs(replace(spec, split="all"), [0], 1)
    task = getattr(envs, "task", None)
    envs.close()
    if task is None or task.draws is None:
        raise ConfigError(
            f"lifetimes need a task that is made of uniform numbers; {spec.id!r} is not: "
            "--algorithm a2c learns in any"
        )
    return task
