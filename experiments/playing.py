"""Records of trained populations, until populations record themselves (`evaluation.Player`)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.returns import next_values, rpe
from prefrontal.agents.common.seeding import generator
from prefrontal.agents.population import Population
from prefrontal.agents.rollout.rollout import Rollout, Stimulation, Trajectory
from prefrontal.agents.td3.play import Episodes
from prefrontal.agents.td3.population import ContinuousPopulation

__all__ = ["discrete", "record"]

Record = dict[str, np.ndarray]


def discrete(population: Any) -> bool:
    """Return whether the actions of a population are choices."""
    return not isinstance(population, ContinuousPopulation)


def record(
    population: Any,
    envs: Any,
    batches: int,
    *,
    seed: int,
    discount: float,
    deterministic: bool = False,
    hidden: bool = False,
    stimulation: Stimulation | None = None,
    forget: bool = False,
) -> list[Record]:
    """Play and record batches of episodes; see `prefrontal.experiments.evaluation.Player.record`."""
    if isinstance(population, ContinuousPopulation):
        if stimulation is not None:
            raise ConfigError(
                "agents with continuous actions are not given prediction errors that could be "
                "stimulated"
            )
        played = (population.play(envs, forget) for _ in range(batches))
        return [_continuous(one, population, discount, hidden, forget) for one in played]
    actions = [generator(seed, member, "evaluation") for member in population.members]
    batch = envs.num_envs // len(population)
    rollout = Rollout(envs, population.model, batch, actions, facts=True)
    return [
        _discrete(rollout.collect(deterministic, stimulation), population, discount, hidden)
        for _ in range(batches)
    ]


def _discrete(
    trajectory: Trajectory, population: Population, discount: float, hidden: bool
) -> Record:
    steps = trajectory.steps
    logits, values = population.model.heads(trajectory.tapes)
    after = _values_after(trajectory, values)
    values = values[:steps]
    tensors = {
        "action": trajectory.actions.to(torch.int16),
        "reward": trajectory.rewards,
        "value": values,
        "rpe": rpe(trajectory.rewards, discount, values, after),
        "policy": logits[:steps].softmax(2).transpose(2, 3),
    }
    if trajectory.mask is not None:
        tensors["mask"] = trajectory.mask
    tensors |= trajectory.facts
    if {"optimal_reward", "expected_reward"} <= set(tensors):
        tensors["regret"] = tensors["optimal_reward"] - tensors["expected_reward"]
    if hidden:
        tape = trajectory.tapes[0]
        tensors["hidden"] = tape.hidden()[:steps].transpose(2, 3)
        tensors["observation"] = torch.stack(tape.x_t[:steps]).transpose(2, 3)
    made = {name: _members_first(value) for name, value in tensors.items()}
    return made | {
        f"task.{name}": value.cpu().numpy().copy() for name, value in trajectory.task.items()
    }


def _continuous(
    episodes: Episodes,
    population: ContinuousPopulation,
    discount: float,
    hidden: bool,
    forgot: bool,
) -> Record:
    """Return a record; without values and hidden states where the memory was wiped."""
    mask = episodes.mask
    tensors = {"action": episodes.action, "reward": episodes.reward, "mask": mask, **episodes.facts}
    if not forgot:
        values, none = population.values(episodes), torch.zeros_like(mask[:, :1])
        after = torch.cat([values[:, 1:] * mask[:, 1:], none], 1)
        tensors["value"] = values
        tensors["rpe"] = rpe(episodes.reward, discount, values, after) * mask
    if hidden and not forgot:
        tensors |= {"hidden": population.hidden(episodes), "observation": episodes.observation}
    tensors |= {f"task.{name}": value for name, value in episodes.task.items()}
    return {
        name: value.cpu().unflatten(0, (len(population), -1)).numpy().copy()
        for name, value in tensors.items()
    }


def _values_after(trajectory: Trajectory, values: Tensor) -> Tensor:
    """Return the values of the next states, ``[T, P, B]``.

    The value after the end of an episode is 0, unless a time limit cut the episode.
    """
    steps = trajectory.steps
    if trajectory.mask is None or trajectory.truncated is None:
        return next_values(values[:steps])
    going_on = torch.cat([trajectory.mask[1:], torch.zeros_like(trajectory.mask[:1])])
    cut = (trajectory.mask - going_on) * trajectory.truncated
    return values[1 : steps + 1] * (going_on + cut)


def _members_first(value: Tensor) -> np.ndarray:
    """Turn ``[T, P, B, ...]`` into an array ``[P, B, T, ...]`` of its own."""
    return value.detach().movedim(0, 2).cpu().contiguous().clone().numpy()
