"""What a run needs of algorithms, learners and trained agents: a job, and a protocol for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from prefrontal.agents.rollout.environments import probe
from prefrontal.agents.rollout.spec import EnvironmentFacts, EnvironmentSpec

if TYPE_CHECKING:
    from prefrontal.agents.rollout.rollout import Stimulation

__all__ = [
    "Algorithm",
    "Job",
    "Learner",
    "Record",
    "Trained",
    "learn_until",
    "require_discrete",
    "section",
    "updates",
]

Record = dict[str, np.ndarray]


class Learner(Protocol):
    """P members that learn side by side, each as it would alone (up to rounding)."""

    @property
    def steps(self) -> Tensor:
        """Environment steps made so far, ``[P]`` float64."""
        ...

    def update(self) -> dict[str, Tensor]:
        """Learn a little; return metrics ``[P]`` float64, `return` among them."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Return all that is needed to go on exactly.

        The first dimension of every tensor is the member; `weights` and `steps` are among them.
        """
        ...

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
        ...

    def close(self) -> None:
        """Release environments and processes."""
        ...


class Trained(Protocol):
    """Trained agents of one shape; `prefrontal.agents.load` reads them back.

    Attributes:
        environment: What they were trained on.
        members: Identities of the members.
        discrete: Whether actions are choices.
    """

    environment: EnvironmentSpec
    members: Sequence[int]
    discrete: bool

    def __len__(self) -> int:
        """Return the number of members."""
        ...

    def meta(self) -> dict[str, Any]:
        """Return what loading needs besides the weights: JSON values, `kind` among them."""
        ...

    def save(self, path: Path | str) -> None:
        """Write ``path/checkpoint``."""
        ...

    def record(
        self,
        envs: Any,
        batches: int,
        *,
        seed: int,
        discount: float,
        deterministic: bool | None = None,
        hidden: bool = False,
        stimulation: Stimulation | None = None,
        forget: bool = False,
    ) -> list[Record]:
        """Play and record batches of episodes, one after the other, with frozen weights.

        Args:
            envs: Vector environment of tensors with facts, rows blocked by member, seeded.
            batches: How many batches.
            seed: Seed of the random numbers that actions are drawn with.
            discount: Discount γ of the prediction errors.
            deterministic: Whether the best action is always taken; None: as these agents act.
            hidden: Whether hidden states and observations are recorded.
            stimulation: Added to the prediction errors that actors are given.
            forget: Whether the memory is wiped where a trial begins (continuous actions only).

        Returns:
            A record of each batch: arrays ``[P, B, T, ...]`` by name.

        Raises:
            ConfigError: These agents cannot be stimulated, or cannot forget.
        """
        ...


class Algorithm(Protocol):
    """Settings of a learning rule: pure data. `prefrontal.agents.registry` knows its learner."""

    kind: ClassVar[str]

    @property
    def final_discount(self) -> float:
        """Discount γ at the end of training."""
        ...


@dataclass(frozen=True)
class Job:
    """All that determines what one condition of a run learns.

    Attributes:
        environment: What to train on.
        network: Shape of the networks.
        algorithm: Settings of the learning rule.
        members: Number of independent agents P.
        num_envs: Episodes per member and update.
        total_steps: Environment steps per member.
        seed: Seed of the run.
        device: Where to compute.
        snapshots: Copies of the weights that are kept, evenly spaced over the run; the last is the
            final one.
        workers: Processes for an algorithm that spreads its own work.
        ray_address: Ray cluster for such an algorithm.
    """

    environment: EnvironmentSpec
    network: Any
    algorithm: Algorithm
    members: int
    num_envs: int
    total_steps: int
    seed: int
    device: str = "cpu"
    snapshots: int = 0
    workers: int = 1
    ray_address: str | None = None

    @cached_property
    def facts(self) -> EnvironmentFacts:
        """Sizes and lengths of the environment; it is made once, to be asked.

        Raises:
            ConfigError: There is no such environment, or its stages do not fit together.
        """
        return probe(self.environment, discrete=False)


def updates(job: Job) -> float:
    """Return how many updates a run makes, about, if each plays `num_envs` episodes."""
    return job.facts.updates(job.num_envs, job.total_steps)


def require_discrete(job: Job) -> None:
    """Check that actions are choices.

    Raises:
        ConfigError: They are not.
    """
    if not job.facts.discrete:
        probe(job.environment)  # says so


def section(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the part of a state whose names begin with ``prefix.``, without it."""
    cut = len(prefix) + 1
    return {name[cut:]: value for name, value in state.items() if name.startswith(f"{prefix}.")}


def learn_until(learner: Learner, total_steps: int) -> dict[str, np.ndarray]:
    """Let a learner go on until every member has made so many environment steps, and close it.

    Returns:
        Metrics by name, ``[updates, P]``.

    Raises:
        ValueError: `total_steps` is below 1.
    """
    if total_steps < 1:
        raise ValueError(f"total_steps must be at least 1, not {total_steps}")
    rows: list[dict[str, Tensor]] = []
    while bool((learner.steps < total_steps).any()):
        rows.append(learner.update())
    learner.close()
    return {name: torch.stack([row[name] for row in rows]).numpy() for name in rows[0]}
