"""Hyper-parameters of evolution around learning, and the lives that it judges.

What is inherited decides what evolves: newborn weights and hyper-parameters, learned ones thrown away (`baldwin`: Baldwin
1896; Hinton & Nowlan 1987; Fernando et al. 2018); the learned weights (`lamarck`, the mean over the tasks of a generation);
newborn weights that never learn (`darwin`); hyper-parameters alone, with random weights at every birth and measurement
(`hyper-parameters`); or nothing (`random-search`: every child is a stranger).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import Tensor

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.evolution.genome import Bounds
from prefrontal.agents.evolution.lifetimes import HYPER, LifetimeConfig, Lifetimes

if TYPE_CHECKING:
    from prefrontal.agents.base import Job
    from prefrontal.agents.evolution.learner import Evolution
    from prefrontal.agents.evolution.population import Evolved

__all__ = ["EvolutionConfig", "lifetimes_of"]

Range = tuple[float, float]


@dataclass(frozen=True)
class EvolutionConfig:
    """A genetic algorithm and the lives that it judges.

    Attributes:
        inheritance: What is inherited; see the module.
        individuals: Individuals of a population.
        offspring: Children a generation; the worst make room.
        remeasured: Best survivors that are measured again in every generation.
        tasks: Tasks that fitness is the sum over; new ones in every generation, the same for all.
        selection: Of parents: a `tournament`, or `truncation` (any of the best, equally probable).
        tournament: Individuals in a tournament.
        truncation: Best individuals that may be parents.
        caution: Standard errors that fitness is less than the mean of the measurements.
        champion_caution: The same for who is the champion, with the standard error that everyone's spread tells: the few
            scores of a newborn may all be perfect by luck.
        weight_scale: Initial standard deviation of mutations of weights.
        hyper_scale: Initial standard deviation of mutations of hyper-parameters, on their own scale.
        adaptation: Standard deviation of the logarithm by which both scales mutate; 0 keeps them.
        learning_rate: Step size of learning at the start of evolution.
        discount: Discount γ at the start.
        value_coef: Weight of the squared value error at the start.
        entropy_coef: Weight of the entropy bonus at the start.
        learning_rate_range: Bounds of the step size.
        discount_range: Bounds of the discount; below 1.
        value_coef_range: Bounds of the weight of the squared value error.
        entropy_coef_range: Bounds of the weight of the entropy bonus.
        learning_updates: Optimiser steps of a life.
        learning_episodes: Episodes each.
        embedding_units: Units of a linear layer before the LSTM; 0: none.
    """

    kind: ClassVar[str] = "evolution"
    spreads_itself: ClassVar[bool] = True
    generations: ClassVar[bool] = True  # each is reported and saved

    inheritance: Literal["baldwin", "lamarck", "darwin", "hyper-parameters", "random-search"] = (
        "baldwin"
    )
    individuals: int = 50
    offspring: int = 45
    remeasured: int = 5
    tasks: int = 10
    selection: Literal["tournament", "truncation"] = "tournament"
    tournament: int = 3
    truncation: int = 20
    caution: float = 0.0
    champion_caution: float = 2.0
    weight_scale: float = 0.05
    hyper_scale: float = 0.2
    adaptation: float = 0.2
    learning_rate: float = 7.5e-4
    discount: float = 0.91
    value_coef: float = 0.4
    entropy_coef: float = 1e-3
    learning_rate_range: Range = (1e-4, 3e-2)
    discount_range: Range = (0.0, 0.99)
    value_coef_range: Range = (0.02, 1.0)
    entropy_coef_range: Range = (1e-5, 0.3)
    learning_updates: int = 25
    learning_episodes: int = 1
    embedding_units: int = 20

    def __post_init__(self) -> None:
        """Checks the numbers."""
        for name, least in (
            ("individuals", 2), ("offspring", 1), ("remeasured", 0), ("tasks", 2), ("tournament", 1), ("truncation", 1),
        ):  # fmt: skip
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")
        if self.offspring + self.remeasured > self.individuals:
            raise ValueError(
                f"offspring and remeasured must be at most individuals, {self.individuals}, together"
            )
        if max(self.tournament, self.truncation) > self.individuals:
            raise ValueError(f"tournament and truncation must be at most {self.individuals}")
        for name in ("caution", "champion_caution", "weight_scale", "hyper_scale", "adaptation"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, not {getattr(self, name)}")
        for name in HYPER:
            low, high = getattr(self, f"{name}_range")
            least = low >= 0 if name == "discount" else low > 0
            if not (
                least and low <= getattr(self, name) <= high and (high < 1 or name != "discount")
            ):
                raise ValueError(
                    f"{name} must lie in {name}_range, which must be positive (discount: from 0, below 1)"
                )
        _ = self.lifetime

    @property
    def lifetime(self) -> LifetimeConfig:
        """A life of learning."""
        return LifetimeConfig(self.learning_updates, self.learning_episodes, self.embedding_units)

    @property
    def final_discount(self) -> float:
        """Discount at the start of evolution; each champion has its own."""
        return self.discount

    def bounds(self) -> Bounds:
        """Where genes may go."""
        hyper = torch.tensor([getattr(self, f"{name}_range") for name in HYPER])
        scales = torch.tensor([[1e-3, 1.0], [1e-2, 2.0]])
        return Bounds(hyper, scales, self.adaptation)

    def learner(self, job: Job, members: Sequence[int]) -> Evolution:
        """A learner for some members of a job."""
        from prefrontal.agents.evolution.learner import (
            Evolution,  # which itself needs these hyper-parameters
        )

        return Evolution(job, self, members)

    def population(self, job: Job, weights: Tensor) -> Evolved:
        """The champions with these weights."""
        from prefrontal.agents.evolution.population import Evolved  # which itself lives lifetimes

        return Evolved.of_job(job, weights, self.lifetime)

    def updates(self, job: Job) -> float:
        """Generations within the environment steps of a job."""
        lives = lifetimes_of(job, self)
        steps = int(lives.test.steps) if self.inheritance == "darwin" else lives.steps
        first, each = self.individuals, self.offspring + self.remeasured
        return 1 + max(0.0, job.total_steps / (self.tasks * steps) - first) / each


def lifetimes_of(job: Job, config: EvolutionConfig) -> Lifetimes:
    """The lives of a job.

    Raises:
        ConfigError: If the networks are none that lifetimes have.
    """
    network = job.network
    if (network.core, network.layout, network.actor_reward) != ("lstm", "shared", "reward"):
        raise ConfigError('lifetimes need core "lstm" and layout "shared"')
    return Lifetimes(job.environment, config.lifetime, network.hidden_size)
