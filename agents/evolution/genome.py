"""Genomes and individuals: how genes arise, are crossed and mutated, and what measurements tell.

Hyper-parameters are mutated on the scale on which they matter: learning rate, value and entropy
weights on a logarithmic one, the discount by its horizon, log(1 - γ). Each genome carries its own
two mutation scales, for weights and for hyper-parameters, which mutate first (log-normal
self-adaptation: Schwefel 1981; Bäck 1996, section 2.1), so that evolution finds out how far its
steps should go. A child shares no storage with its parents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from deap import base
from torch import Tensor

from prefrontal.agents.evolution.config import HYPER, EvolutionConfig
from prefrontal.agents.evolution.lifetime_net import LifetimeNet


@dataclass(frozen=True)
class Genome:
    """One individual's genes.

    Attributes:
        weights: Initial weights ``[n]``.
        hyper: Hyper-parameters ``[4]``, in the order of `prefrontal.agents.evolution.config.HYPER`.
        scales: Standard deviation of mutations: of weights, and of hyper-parameters on their own
            scale, ``[2]``.
    """

    weights: Tensor
    hyper: Tensor
    scales: Tensor


@dataclass(frozen=True)
class Bounds:
    """Where genes may go: the lowest and highest value of each, and how far scales mutate."""

    hyper: Tensor  # [4, 2]
    scales: Tensor  # [2, 2]
    rate: float  # see `EvolutionConfig.adaptation`

    @classmethod
    def of(cls, config: EvolutionConfig) -> Bounds:
        """Return the bounds of an algorithm."""
        hyper = torch.tensor([getattr(config, f"{name}_range") for name in HYPER])
        return cls(hyper, torch.tensor([[1e-3, 1.0], [1e-2, 2.0]]), config.adaptation)


def initial_genome(net: LifetimeNet, config: EvolutionConfig, g: torch.Generator) -> Genome:
    """Return random weights with the hyper-parameters that evolution starts from."""
    hyper = torch.tensor([getattr(config, name) for name in HYPER])
    scales = torch.tensor([config.weight_scale, config.hyper_scale])
    return Genome(net.initial(1, g)[0], hyper, scales)


def random_genome(net: LifetimeNet, config: EvolutionConfig, g: torch.Generator) -> Genome:
    """Return random weights, and hyper-parameters uniform on their own scale within bounds."""
    ends = Bounds.of(config).hyper
    low, high = (_unfold(end) for end in ends.T)
    hyper = _fold(low + (high - low) * torch.rand(len(HYPER), generator=g))
    return replace(initial_genome(net, config, g), hyper=_bounded(hyper, ends))


def crossover(
    mother: Genome, father: Genome, net: LifetimeNet, generator: torch.Generator
) -> Genome:
    """Return a child that has each module and hyper-parameter of one or the other parent.

    Either parent is equally probable. The mutation scales are the geometric mean of the parents'.
    """
    coins = torch.rand(len(net.modules) + len(HYPER), generator=generator) < 0.5
    weights = mother.weights.clone()
    for taken, module in zip(coins.tolist(), net.modules.values(), strict=False):
        if taken:
            weights[module] = father.weights[module]
    hyper = torch.where(coins[len(net.modules) :], father.hyper, mother.hyper)
    return Genome(weights, hyper, (mother.scales * father.scales).sqrt())


def mutate(genome: Genome, bounds: Bounds, generator: torch.Generator) -> Genome:
    """Add Gaussian noise to every gene, with the genome's own scales, which mutate first."""
    noise = torch.randn(2 + len(HYPER), generator=generator)
    scales = _bounded(genome.scales * (bounds.rate * noise[:2]).exp(), bounds.scales)
    weights = genome.weights + scales[0] * torch.randn(len(genome.weights), generator=generator)
    hyper = _fold(_unfold(genome.hyper) + scales[1] * noise[2:])
    return Genome(weights, _bounded(hyper, bounds.hyper), scales)


def _unfold(hyper: Tensor) -> Tensor:
    """Return hyper-parameters on the scale on which they mutate: logarithms, of 1 - γ for γ."""
    value = hyper.clone()
    value[1] = 1 - value[1]
    return value.log()


def _fold(value: Tensor) -> Tensor:
    hyper = value.exp()
    hyper[1] = 1 - hyper[1]
    return hyper


def _bounded(value: Tensor, ends: Tensor) -> Tensor:
    return torch.minimum(torch.maximum(value, ends[:, 0]), ends[:, 1])


class _Fitness(base.Fitness):
    weights = (1.0,)


class Individual:
    """A genome and what is known of it.

    Args:
        genome: Its genes.
        scores: Number, sum and sum of squares of its scores, task by task.
        parents: Mean fitness of its parents, if it has any.
    """

    def __init__(
        self, genome: Genome, scores: Sequence[float] = (0, 0, 0), parents: float | None = None
    ) -> None:
        self.genome, self.parents = genome, parents
        self.count, self.sum, self.squares = scores
        self.fitness = _Fitness()

    def measured(self, scores: np.ndarray, tasks: int, caution: float) -> None:
        """Add the scores of a generation's tasks, and set the fitness (see `judge`)."""
        self.count += len(scores)
        self.sum += float(np.sum(scores))
        self.squares += float(np.square(scores).sum())
        self.judge(tasks, caution)

    @property
    def spread(self) -> float:
        """Variance of the scores from task to task."""
        return max(self.squares - self.sum**2 / max(self.count, 1), 0.0) / max(self.count - 1, 1)

    def judge(self, tasks: int, caution: float) -> None:
        """Set the fitness: the mean less `caution` standard errors, as a sum over `tasks` tasks."""
        if self.count:
            error = (self.spread / self.count) ** 0.5
            self.fitness.values = (tasks * (self.sum / self.count - caution * error),)

    def mean(self, tasks: int) -> float:
        """Return the mean of all measurements, as a sum over `tasks` tasks."""
        return tasks * self.sum / max(self.count, 1)


def champion(population: Sequence[Individual], config: EvolutionConfig) -> Individual:
    """Return the best individual by the mean of its measurements, less what luck may have added."""
    variance = sum(one.spread for one in population) / len(population)

    def cautious(one: Individual) -> float:
        error = (variance / max(one.count, 1)) ** 0.5
        return one.sum / max(one.count, 1) - config.champion_caution * error

    return max(population, key=cautious)
