"""Genomes: newborn weights and hyper-parameters of learning, and how they are born, crossed and mutated.

Hyper-parameters are mutated on the scale on which they matter: learning rate, value and entropy weights on a logarithmic
one, the discount by its horizon, log(1 - γ). Each genome carries its own two mutation scales, for weights and for
hyper-parameters, which mutate first (log-normal self-adaptation: Schwefel 1981; Bäck 1996, section 2.1), so that evolution
finds out how far its steps should go. A child shares no storage with its parents.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from prefrontal.agents.evolution.lifetime_net import LifetimeNet
from prefrontal.agents.evolution.lifetimes import HYPER

__all__ = ["Bounds", "Genome", "crossover", "mutate", "newborn", "stranger"]


@dataclass(frozen=True)
class Genome:
    """One individual's genes.

    Attributes:
        weights: Newborn weights ``[n]``.
        hyper: Hyper-parameters ``[4]``, in the order of `prefrontal.agents.evolution.lifetimes.HYPER`.
        scales: Standard deviation of mutations: of weights, and of hyper-parameters on their own scale, ``[2]``.
    """

    weights: Tensor
    hyper: Tensor
    scales: Tensor


@dataclass(frozen=True)
class Bounds:
    """Where genes may go.

    Attributes:
        hyper: Lowest and highest value of each hyper-parameter ``[4, 2]``.
        scales: Of each mutation scale ``[2, 2]``.
        rate: Standard deviation of the logarithm by which mutation scales mutate; 0 keeps them.
    """

    hyper: Tensor
    scales: Tensor
    rate: float


def newborn(net: LifetimeNet, hyper: Tensor, scales: Tensor, generator: torch.Generator) -> Genome:
    """A genome with random weights and given hyper-parameters."""
    return Genome(net.initial(1, generator)[0], hyper.clone(), scales.clone())


def stranger(
    net: LifetimeNet, bounds: Bounds, scales: Tensor, generator: torch.Generator
) -> Genome:
    """A genome with random weights and hyper-parameters uniform, on their own scale, between their bounds."""
    low, high = (_unfold(end) for end in bounds.hyper.T)
    drawn = low + (high - low) * torch.rand(len(HYPER), generator=generator)
    return Genome(
        net.initial(1, generator)[0], _bounded(_fold(drawn), bounds.hyper), scales.clone()
    )


def crossover(
    mother: Genome, father: Genome, net: LifetimeNet, generator: torch.Generator
) -> Genome:
    """A child that has each module, and each hyper-parameter, of one or the other parent with equal probability.

    Its mutation scales are the geometric mean of theirs.
    """
    coins = torch.rand(len(net.modules) + len(HYPER), generator=generator) < 0.5
    weights = mother.weights.clone()
    for taken, module in zip(coins.tolist(), net.modules.values(), strict=False):
        if taken:
            weights[module] = father.weights[module]
    hyper = torch.where(coins[len(net.modules) :], father.hyper, mother.hyper)
    return Genome(weights, hyper, (mother.scales * father.scales).sqrt())


def mutate(genome: Genome, bounds: Bounds, generator: torch.Generator) -> Genome:
    """Gaussian mutation of every gene, with the genome's own scales, which mutate first."""
    noise = torch.randn(2 + len(HYPER), generator=generator)
    scales = _bounded(genome.scales * (bounds.rate * noise[:2]).exp(), bounds.scales)
    weights = genome.weights + scales[0] * torch.randn(len(genome.weights), generator=generator)
    hyper = _fold(_unfold(genome.hyper) + scales[1] * noise[2:])
    return Genome(weights, _bounded(hyper, bounds.hyper), scales)


def _unfold(hyper: Tensor) -> Tensor:
    """Hyper-parameters on the scale on which they mutate: logarithms, of 1 - γ for the discount."""
    value = hyper.clone()
    value[1] = 1 - value[1]
    return value.log()


def _fold(value: Tensor) -> Tensor:
    hyper = value.exp()
    hyper[1] = 1 - hyper[1]
    return hyper


def _bounded(value: Tensor, ends: Tensor) -> Tensor:
    return torch.minimum(torch.maximum(value, ends[:, 0]), ends[:, 1])
