"""What an experiment is: settings for each of its conditions, a measure, and the published reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefrontal.agents import A2CConfig, EnvironmentSpec, NetworkConfig
from prefrontal.agents.a2c.config import CourseReplayConfig
from prefrontal.agents.base import Job
from prefrontal.agents.evolution.config import (
    EvolutionConfig,
    HintonNowlanConfig,
    NoNetworkConfig,
    PublishedConfig,
)
from prefrontal.agents.r2d2.config import R2D2Config
from prefrontal.agents.td3.learner import TD3Config
from prefrontal.agents.td3.networks import TD3NetworkConfig
from prefrontal.analysis.stats.findings import Finding

if TYPE_CHECKING:
    from prefrontal.experiments.evaluation import Evaluation

if TYPE_CHECKING:  # each experiment knows which of them it has
    Network = Any
    Algorithm = Any
else:
    #: Network and algorithm of a condition; ``kind`` in config.toml says which, the first if it is not there.
    Network = NetworkConfig | NoNetworkConfig | TD3NetworkConfig
    Algorithm = (
        A2CConfig
        | EvolutionConfig
        | HintonNowlanConfig
        | TD3Config
        | R2D2Config
        | CourseReplayConfig
        | PublishedConfig
    )

__all__ = ["Algorithm", "Experiment", "Network", "Outcome", "Settings", "TrainingConfig"]


@dataclass(frozen=True)
class TrainingConfig:
    """How much training.

    Attributes:
        members: Independent agents trained side by side, each with its own weights, optimiser and random numbers.
        num_envs: Episodes per member and update. About 600 to 2,000 environment steps an update learn fastest.
        total_steps: Environment steps per member, rounded up to whole updates (of evolution: generations).
        snapshots: Copies of the weights that the run keeps, evenly spaced, for measures of how something was learned.
    """

    members: int = 1
    num_envs: int = 16
    total_steps: int = 1_000_000
    snapshots: int = 0

    def __post_init__(self) -> None:
        """Checks the numbers."""
        for name in ("members", "num_envs", "total_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.snapshots < 0:
            raise ValueError(f"snapshots must not be negative, not {self.snapshots}")


@dataclass(frozen=True)
class Settings:
    """All settings of one condition.

    Attributes:
        environment: What the agents are trained on and shown (`NO_ENVIRONMENT` for an algorithm that needs none).
        network: Shape of the networks.
        algorithm: Learning rule.
        training: How much training.
    """

    environment: EnvironmentSpec
    network: Network = field(default_factory=NetworkConfig)
    algorithm: Algorithm = field(default_factory=A2CConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def job(
        self, seed: int, device: str = "cpu", workers: int = 1, ray_address: str | None = None
    ) -> Job:
        """The training job of these settings."""
        training = self.training
        return Job(
            environment=self.environment,
            network=self.network,
            algorithm=self.algorithm,
            members=training.members,
            num_envs=training.num_envs,
            total_steps=training.total_steps,
            seed=seed,
            device=device,
            snapshots=training.snapshots,
            workers=workers,
            ray_address=ray_address,
        )


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
        whole_curves: Whether learning curves are shipped whole, not thinned, as findings are read off them.
        most_episodes: Episodes of each member that are measured at most; none for as many as are asked for.
    """

    name: str
    summary: str
    reference: str
    conditions: Mapping[str, Settings]
    measure: Callable[[Evaluation], Outcome]
    shipped: tuple[str, ...] = ("--members", "8")
    whole_curves: bool = False
    most_episodes: int | None = None
