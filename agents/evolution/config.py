"""Settings of evolution around learning: pure data, without PyTorch.

What is inherited decides what evolves: initial weights and hyper-parameters, while learned weights
are thrown away (`baldwin`: Baldwin 1896; Hinton & Nowlan 1987; Fernando et al. 2018); the learned
weights (`lamarck`, the mean over the tasks of a generation); initial weights that never learn
(`darwin`); hyper-parameters alone, with random weights at every birth and measurement
(`hyper-parameters`); or nothing (`random-search`: every child is a random genome).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from prefrontal.checking import check, option

#: Hyper-parameters of an individual, in the order of the columns.
HYPER = ("learning_rate", "discount", "value_coef", "entropy_coef")


@dataclass(frozen=True)
class LifetimeConfig:
    """A life of learning; the defaults are those of the NeuroAI course."""

    updates: int = option(25, "Optimiser steps of a life.", least=0)
    episodes: int = option(1, "Episodes per optimiser step.", least=1)
    embedding_size: int = option(20, "Units of a linear layer before the core, or 0.", least=0)
    decay: float = option(0.99, "Decay of RMSProp's mean square.", least=0, below=1)
    epsilon: float = option(1e-5, "Added to the root of RMSProp's mean square.", above=0)

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)


@dataclass(frozen=True)
class EvolutionConfig:
    """A genetic algorithm and the lives that it judges."""

    kind: ClassVar[str] = "evolution"

    inheritance: Literal["baldwin", "lamarck", "darwin", "hyper-parameters", "random-search"] = (
        option(
            "baldwin",
            "What is inherited: initial weights and hyper-parameters (`baldwin`), what was learned "
            "too (`lamarck`), weights that never learn (`darwin`), `hyper-parameters` alone, or "
            "nothing (`random-search`).",
        )
    )
    individuals: int = option(50, "Individuals of a population.", least=2)
    offspring: int = option(45, "Children a generation, in place of the worst.", least=1)
    remeasured: int = option(5, "Best survivors, measured again every generation.", least=0)
    tasks: int = option(
        10,
        "Tasks that fitness is the sum over; new ones in every generation, the same for all "
        "individuals.",
        least=2,
    )
    selection: Literal["tournament", "truncation"] = option(
        "tournament",
        "How parents are selected: by `tournament`, or by `truncation` (any of the best "
        "individuals, equally probable).",
    )
    tournament: int = option(3, "Individuals in a tournament.", least=1)
    truncation: int = option(20, "Best individuals that truncation selects from.", least=1)
    caution: float = option(
        0.0, "Standard errors taken off the mean of an individual's measurements.", least=0
    )
    champion_caution: float = option(
        2.0,
        "Standard errors that are taken off the mean when the champion is chosen, from the mean "
        "variance of all individuals (the few scores of a new one may all be perfect by luck).",
        least=0,
    )
    weight_scale: float = option(0.05, "Standard deviation of weights' first mutations.", least=0)
    hyper_scale: float = option(
        0.2,
        "Initial standard deviation of mutations of hyper-parameters, on a logarithmic scale (of "
        "1 minus the discount, for the discount).",
        least=0,
    )
    adaptation: float = option(
        0.2,
        "Standard deviation of the logarithm by which the standard deviations of mutations mutate "
        "themselves; 0 keeps them.",
        least=0,
    )
    learning_rate: float = option(7.5e-4, "Step size of learning at the start of evolution.")
    discount: float = option(0.91, "Discount per step at the start of evolution.")
    value_coef: float = option(0.4, "Weight of the squared value error at the start of evolution.")
    entropy_coef: float = option(1e-3, "Weight of the entropy bonus at the start of evolution.")
    learning_rate_range: tuple[float, float] = option(
        (1e-4, 3e-2), "Bounds of the step size.", above=0
    )
    discount_range: tuple[float, float] = option(
        (0.0, 0.99), "Bounds of the discount.", least=0, below=1
    )
    value_coef_range: tuple[float, float] = option(
        (0.02, 1.0), "Bounds of the weight of the squared value error.", above=0
    )
    entropy_coef_range: tuple[float, float] = option(
        (1e-5, 0.3), "Bounds of the weight of the entropy bonus.", above=0
    )
    learning_updates: int = option(25, "Optimiser steps of a life.", least=0)
    learning_episodes: int = option(1, "Episodes per optimiser step of a life.", least=1)
    embedding_units: int = option(20, "Units of a linear layer before the core, or 0.", least=0)

    def __post_init__(self) -> None:
        """Check the ranges, and what goes with what."""
        check(self)
        if self.offspring + self.remeasured > self.individuals:
            most = f"{self.individuals}, together"
            raise ValueError(f"offspring and remeasured must be at most individuals, {most}")
        if max(self.tournament, self.truncation) > self.individuals:
            raise ValueError(f"tournament and truncation must be at most {self.individuals}")
        for name in HYPER:
            (low, high), value = getattr(self, f"{name}_range"), getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} must lie in {name}_range, {low} to {high}, not {value}")

    @property
    def lifetime(self) -> LifetimeConfig:
        """A life of learning."""
        return LifetimeConfig(self.learning_updates, self.learning_episodes, self.embedding_units)

    @property
    def final_discount(self) -> float:
        """Discount at the start of evolution; each champion has its own."""
        return self.discount


@dataclass(frozen=True)
class PublishedConfig(EvolutionConfig):
    """The algorithm that the NeuroAI course published: see `prefrontal.agents.evolution.published`.

    Only the sizes, and the hyper-parameters at the start, can be set.
    """

    kind: ClassVar[str] = "published-evolution"

    offspring: int = option(5, "Children a generation; they replace random individuals.", least=1)
    remeasured: int = option(0, "Without effect: nobody is measured again.", least=0)
    selection: Literal["tournament", "truncation"] = option(
        "truncation", "Without effect: any of the best may be parents."
    )
    champion_caution: float = option(
        0.0, "Standard errors taken off the mean when the champion is chosen.", least=0
    )
    weight_scale: float = option(0.02, "Without effect: mutations of weights are .02.", least=0)
    adaptation: float = option(0.0, "Without effect: mutations keep their size.", least=0)


@dataclass(frozen=True)
class NoNetworkConfig:
    """There is no network: a genome is the phenotype, or becomes it by guessing."""

    kind: ClassVar[str] = "none"


@dataclass(frozen=True)
class HintonNowlanConfig:
    """Constants of the simulation of Hinton & Nowlan (1987); defaults are the published ones."""

    kind: ClassVar[str] = "hinton-nowlan"

    individuals: int = option(1000, "Organisms in a population.", least=2)
    genes: int = option(20, "Potential connections of an organism.", least=2)
    trials: int = option(1000, "Trials of a life; 0 is no learning.", least=0)
    undecided: float = option(
        0.5,
        "Initial frequency of undecided genes; the others are right or wrong with equal "
        "probability.",
        least=0,
        most=1,
    )
    advantage: float = option(
        19.0,
        "Fitness of an organism that is born perfect, above the 1 of one that never gets there.",
        least=0,
    )

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)

    @property
    def final_discount(self) -> float:
        """Discount for analyses; none is used, as a life has one outcome."""
        return 1.0
