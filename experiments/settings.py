"""What an experiment is: settings for each of its conditions, a measure, and the published reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from agents import A2CConfig, EnvironmentSpec, NetworkConfig
from agents.training import Job
from analysis.findings import Finding

if TYPE_CHECKING:
    from experiments.evaluation import Evaluation

__all__ = ["Experiment", "Outcome", "Settings", "TrainingConfig"]


@dataclass(frozen=True)
class TrainingConfig:
    """How much training.

    Attributes:
        members: Independent agents trained side by side, each with its own weights, optimiser and random numbers.
        num_envs: Episodes per member and update. About 600 to 2,000 environment steps an update learn fastest.
        total_steps: Environment steps per member.
    """

    members: int = 1
    num_envs: int = 16
    total_steps: int = 1_000_000

    def __post_init__(self) -> None:
        """Checks the numbers."""
        for name in ("members", "num_envs", "total_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")


@dataclass(frozen=True)
class Settings:
    """All settings of one condition.

    Attributes:
        environment: What the agents are trained on and shown.
        network: Shape of the actor-critic.
        algorithm: Learning rule.
        training: How much training.
    """

    environment: EnvironmentSpec
    network: NetworkConfig = field(default_factory=NetworkConfig)
    algorithm: A2CConfig = field(default_factory=A2CConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def job(self, seed: int, device: str) -> Job:
        """The training job of these settings."""
        return Job(
            self.environment, self.network, self.algorithm, self.training.members,
            self.training.num_envs, self.training.total_steps, seed, device,
        )  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What a measure found.

    Attributes:
        findings: Measured numbers beside published ones, optima and bars.
        figures: Files written.
    """

    findings: list[Finding]
    figures: list[Path] = field(default_factory=list)


@dataclass(frozen=True)
class Experiment:
    """One published finding: how to train for it, how to measure it, what to hold it against.

    Attributes:
        name: Name on the command line.
        summary: One line.
        reference: Paper.
        conditions: Settings by condition; a single one is called `default`.
        measure: From an evaluation of trained populations to findings and figures.
        shipped: Options with which the shipped population was trained.
    """

    name: str
    summary: str
    reference: str
    conditions: Mapping[str, Settings]
    measure: Callable[[Evaluation], Outcome]
    shipped: tuple[str, ...] = ("--members", "8")
