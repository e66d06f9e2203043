"""What a run needs of an algorithm and of its learners, whatever they are: one protocol each.

An algorithm is a frozen dataclass of hyper-parameters; it makes learners (which learn) and trained agents (which are
saved, loaded and evaluated). `prefrontal.agents.training.loop` and the command line know nothing else of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from prefrontal.agents.rollout.spec import EnvironmentSpec

__all__ = ["Algorithm", "Job", "Learner", "Trained", "learn_until"]


class Learner(Protocol):
    """P members learning side by side; what one learns does not depend on who is beside it."""

    @property
    def steps(self) -> Tensor:
        """Environment steps made so far, ``[P]`` float64."""
        ...

    def update(self) -> dict[str, Tensor]:
        """Learns a little; returns metrics ``[P]`` float64, `return` among them."""
        ...

    def state(self) -> dict[str, Tensor]:
        """All that is needed to go on exactly: tensors whose first dimension is the member, `weights` and `steps` among them."""
        ...

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restores what `state` returned."""
        ...

    def close(self) -> None:
        """Releases environments and processes."""
        ...


def learn_until(learner: Learner, total_steps: int) -> dict[str, np.ndarray]:
    """Lets a learner go on until every member has made so many environment steps, and closes it.

    Returns:
        Metrics by name, ``[updates, P]``.

    Raises:
        ValueError: If `total_steps` is below 1.
    """
    if total_steps < 1:
        raise ValueError(f"total_steps must be at least 1, not {total_steps}")
    rows: list[dict[str, Tensor]] = []
    while bool((learner.steps < total_steps).any()):
        rows.append(learner.update())
    learner.close()
    return {name: torch.stack([row[name] for row in rows]).numpy() for name in rows[0]}


class Trained(Protocol):
    """Trained agents; `prefrontal.agents.load` reads them back."""

    def __len__(self) -> int:
        """Number of members."""
        ...

    def meta(self) -> dict[str, Any]:
        """What loading needs besides the weights: JSON values, `kind` among them."""
        ...


class Algorithm(Protocol):
    """Hyper-parameters of a learning rule, and what is made with them."""

    kind: ClassVar[str]

    @property
    def final_discount(self) -> float:
        """Discount γ at the end of training."""
        ...

    def learner(self, job: Job, members: Sequence[int]) -> Learner:
        """A learner for some members of a job."""
        ...

    def population(self, job: Job, weights: Tensor) -> Trained:
        """The agents with these weights ``[P, n]``."""
        ...

    def updates(self, job: Job) -> float:
        """How many updates a whole run makes, about: it decides when a run reports, and nothing else."""
        ...


@dataclass(frozen=True)
class Job:
    """All that determines what one condition of a run learns.

    Attributes:
        environment: What to train on.
        network: Shape of the networks.
        algorithm: Hyper-parameters.
        members: Number of independent agents P.
        num_envs: Episodes per member and update.
        total_steps: Environment steps per member.
        seed: Seed of the run.
        device: Where to compute.
        snapshots: Copies of the weights that are kept, evenly spaced over the run; the last is the final one.
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

    def learner(self, members: Sequence[int]) -> Learner:
        """A learner for some of the members."""
        return self.algorithm.learner(self, members)
