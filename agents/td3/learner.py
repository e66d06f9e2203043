"""Recurrent TD3 on whole trajectories (Fujimoto et al. 2018; Zhang, Pitkow & Angelaki 2024)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from prefrontal.agents.base import Job
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.memory import require_training
from prefrontal.agents.networks.parts import require_flat
from prefrontal.agents.td3.config import TD3Config, TD3NetworkConfig
from prefrontal.agents.td3.member import Member
from prefrontal.agents.td3.networks import require_continuous, stacks


def make_learner(job: Job, members: Sequence[int]) -> TD3:
    """Make a learner for some members of a job.

    Raises:
        ConfigError: As `check`.
    """
    check(job)
    return TD3(job, cast(TD3Config, job.algorithm), members)


def check(job: Job) -> str:
    """Check that a job can be trained; there is nothing to say of it.

    Raises:
        ConfigError: Networks, device or environment are not what recurrent TD3 needs.
    """
    if not isinstance(job.network, TD3NetworkConfig):
        raise ConfigError("recurrent TD3 needs a network of the kind td3")
    if torch.device(job.device).type != "cpu":
        raise ConfigError(f"recurrent TD3 computes on the CPU, not on {job.device}")
    require_continuous(job.environment.id, job.facts)
    require_flat("recurrent TD3", job.facts.parts)
    actor, critic = stacks(job.network, job.facts.input_size, job.facts.action_size)
    config, steps = cast(TD3Config, job.algorithm), job.facts.longest
    trials = max(-(-job.total_steps // steps), config.learning_starts)
    rows = min(config.memory, trials + job.num_envs) + job.num_envs + config.validation_trials
    played = rows * steps * (job.facts.input_size + job.facts.action_size + 1)
    require_training(job.members, actor.size + 2 * critic.size, played, job.snapshots)
    return ""


class TD3:
    """P members that learn one after the other, each by itself (see `Member`).

    Networks of this size fill a core one at a time: products of one member run at 75 to 85 GFLOP/s
    where those of 16 members side by side, whose weights leave the cache at every time step, run at
    45 to 65. So members are spread over processes, not over a batch dimension.

    Args:
        job: What to learn.
        config: Hyper-parameters.
        members: Identities of the members.
    """

    def __init__(self, job: Job, config: TD3Config, members: Sequence[int]) -> None:
        self.members = [Member(job, config, member) for member in members]

    @property
    def steps(self) -> Tensor:
        """Environment steps after phase I, of whole episodes, ``[P]``."""
        return torch.tensor([float(m.steps) for m in self.members], dtype=torch.float64)

    def update(self) -> dict[str, Tensor]:
        """Let every member that has not finished play trials and learn from memory.

        Returns:
            Metrics ``[P]``.
        """
        rows = [member.round() for member in self.members]
        return {
            name: torch.tensor([row[name] for row in rows], dtype=torch.float64) for name in rows[0]
        }

    def state(self) -> dict[str, Tensor]:
        """Return all that training needs to go on exactly, ``[P, ...]`` each.

        `weights` are those that did best in validation.
        """
        rows = [member.state() for member in self.members]
        return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
        for index, member in enumerate(self.members):
            member.set_state({name: value[index : index + 1] for name, value in state.items()})

    def close(self) -> None:
        """Close the environments."""
        for member in self.members:
            member.close()
