"""What a record holds of the episodes that actor-critics played."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from prefrontal.agents.a2c.heads import recorded
from prefrontal.agents.base import Record
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.returns import next_values, rpe
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.rollout.rollout import Trajectory


def record_of(
    model: ActorCritic,
    trajectory: Trajectory,
    policy: Tensor,
    values: Tensor,
    said: Mapping[str, Tensor],
    discount: float,
    hidden: bool,
) -> Record:
    """Return the record of some episodes, arrays ``[P, B, T, ...]``; see `Population.record`.

    Args:
        model: Who played.
        trajectory: The episodes.
        policy: ``[T, P, K, B]``, see `Population.judged`.
        values: ``[T, P, B]`` (one step more, if episodes can be cut).
        said: What heads said, ``[T, P, n, B]`` by name.
        discount: Discount γ of the prediction errors.
        hidden: Whether hidden states and observations are recorded.

    Raises:
        ConfigError: A fact of the environment has a name of ours.
    """
    steps, tape = trajectory.steps, trajectory.tapes[0]
    acted = model.policy.applied(trajectory.actions)
    # δ_t = r_t + γ v_t - v_{t-1}; a cut episode has the value at the cut, others end with 0
    gamma = torch.full((model.members,), discount, dtype=values.dtype)
    rewards, discount_t, before = trajectory.to_the_end(values, gamma)
    tensors = {
        "action": acted if acted.is_floating_point() else acted.to(torch.int16),
        "reward": trajectory.rewards,
        "value": before,
        "rpe": rpe(rewards, discount_t, before, next_values(before)),
        "policy": policy.transpose(2, 3),
    }
    tensors |= recorded(model.config.heads, said, trajectory, gamma)
    if trajectory.available is not None:
        tensors["available"] = trajectory.available.transpose(2, 3)
    if trajectory.mask is not None:
        tensors["mask"] = trajectory.mask
    if clash := {*tensors, "hidden", "observation", "regret"} & set(trajectory.facts):
        raise ConfigError(f"a record has its own {', '.join(clash)}: name the fact otherwise")
    tensors |= trajectory.facts
    if {"optimal_reward", "expected_reward"} <= set(tensors):
        tensors["regret"] = tensors["optimal_reward"] - tensors["expected_reward"]
    if hidden:
        tensors["hidden"] = tape.hidden()[:steps].transpose(2, 3)
        tensors["observation"] = model.given(tape)[:steps].transpose(2, 3)
    record = {name: x.detach().movedim(0, 2) for name, x in tensors.items()}
    record |= {f"task.{name}": x for name, x in trajectory.task.items()}
    # Copies, as the buffers will hold the next episodes.
    own = torch.contiguous_format
    return {name: x.cpu().clone(memory_format=own).numpy() for name, x in record.items()}
