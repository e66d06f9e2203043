"""Recurrent TD3 on whole trajectories (Fujimoto et al. 2018; Zhang, Pitkow & Angelaki 2024)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from prefrontal.agents.base import Job
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.rollout.environments import probe
from prefrontal.agents.td3.config import TD3Config, TD3NetworkConfig
from prefrontal.agents.td3.member import Member

__all__ = ["TD3", "make_learner", "updates"]


def make_learner(job: Job, members: Sequence[int]) -> TD3:
    """Return a learner for some members of a job.

    Raises:
        ConfigError: If the job has networks of another kind, a device other than the CPU, or an
            environment without actions in -1 ... 1.
    """
    if not isinstance(job.network, TD3NetworkConfig):
        raise ConfigError("recurrent TD3 needs a network of the kind td3")
    if torch.device(job.device).type != "cpu":
        raise ConfigError(f"recurrent TD3 computes on the CPU, not on {job.device}")
    return TD3(job, job.algorithm, members)


def updates(job: Job) -> float:
    """Return the number of rounds of `num_envs` trials in a whole run, phase I not counted."""
    return probe(job.environment, discrete=False).updates(job.num_envs, job.total_steps)


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
