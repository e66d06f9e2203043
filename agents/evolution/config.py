"""Settings of evolution around learning: pure data, without PyTorch.

What is inherited decides what evolves: initial weights and hyper-parameters, while learned weights
are thrown away (`baldwin`: Baldwin 1896; Hinton & Nowlan 1987; Fernando et al. 2018); the learned
weights (`lamarck`, the mean over the tasks of a generation); initial weights that never learn
(`darwin`); hyper-parameters alone, with random weights at every birth and measurement
(`hyper-parameters`); or nothing (`random-search`: every child is a random genome).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

__all__ = [
    "HYPER",
    "EvolutionConfig",
    "HintonNowlanConfig",
    "LifetimeConfig",
    "NoNetworkConfig",
    "PublishedConfig",
]

#: Hyper-parameters of an individual, in the order of the columns.
HYPER = ("learning_rate", "discount", "value_coef", "entropy_coef")

Range = tuple[float, float]


def _at_least(config: Any, **least: float) -> None:
    """Raise a ValueError that names the first field below its least value."""
    for name, value in least.items():
        if not getattr(config, name) >= value:
            raise ValueError(f"{name} must be at least {value}, not {getattr(config, name)}")


@dataclass(frozen=True)
class LifetimeConfig:
    """A life of learning; the defaults are those of the NeuroAI course.

    Attributes:
        updates: Optimiser steps.
        episodes: Episodes per optimiser step.
        embedding_size: Units of a linear layer before the core; 0: none.
        decay: Decay of RMSProp's mean square.
        epsilon: Added to the root of RMSProp's mean square.
    """

    updates: int = 25
    episodes: int = 1
    embedding_size: int = 20
    decay: float = 0.99
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        """Check the numbers."""
        _at_least(self, updates=0, episodes=1, embedding_size=0)
        if not (0 <= self.decay < 1 and self.epsilon > 0):
            raise ValueError("decay must lie in [0, 1) and epsilon be positive")


@dataclass(frozen=True)
class EvolutionConfig:
    """A genetic algorithm and the lives that it judges.

    Attributes:
        inheritance: What is inherited: initial weights and hyper-parameters (`baldwin`), what was
            learned too (`lamarck`), weights that never learn (`darwin`), `hyper-parameters` alone,
            or nothing (`random-search`).
        individuals: Individuals of a population.
        offspring: Children a generation; they replace the worst individuals.
        remeasured: Best survivors that are measured again in every generation.
        tasks: Tasks that fitness is the sum over; new ones in every generation, the same for all
            individuals.
        selection: How parents are selected: by `tournament`, or by `truncation` (any of the best,
            equally probable).
        tournament: Individuals in a tournament.
        truncation: Best individuals that may be parents.
        caution: Standard errors of the measurements that are taken off an individual's mean to get
            its fitness.
        champion_caution: Standard errors that are taken off the mean when the champion is chosen,
            from the mean variance of all individuals: the few scores of a new one may all be
            perfect by luck.
        weight_scale: Initial standard deviation of mutations of weights.
        hyper_scale: Initial standard deviation of mutations of hyper-parameters, on their own
            scale (logarithms; of 1 - γ for the discount).
        adaptation: Standard deviation of the logarithm by which both mutation scales mutate; 0
            keeps them.
        learning_rate: Step size of learning at the start of evolution.
        discount: Discount γ at the start of evolution.
        value_coef: Weight of the squared value error at the start of evolution.
        entropy_coef: Weight of the entropy bonus at the start of evolution.
        learning_rate_range: Bounds of the step size.
        discount_range: Bounds of the discount; below 1.
        value_coef_range: Bounds of the weight of the squared value error.
        entropy_coef_range: Bounds of the weight of the entropy bonus.
        learning_updates: Optimiser steps of a life.
        learning_episodes: Episodes per optimiser step of a life.
        embedding_units: Units of a linear layer before the core; 0: none.
    """

    kind: ClassVar[str] = "evolution"

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
        """Check the numbers."""
        _at_least(
            self, individuals=2, offspring=1, remeasured=0, tasks=2, tournament=1, truncation=1
        )
        if self.offspring + self.remeasured > self.individuals:
            raise ValueError(
                "offspring and remeasured must be at most individuals, "
                f"{self.individuals}, together"
            )
        if max(self.tournament, self.truncation) > self.individuals:
            raise ValueError(f"tournament and truncation must be at most {self.individuals}")
        for name in ("caution", "champion_caution", "weight_scale", "hyper_scale", "adaptation"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, not {getattr(self, name)}")
        for name in HYPER:
            (low, high), value = getattr(self, f"{name}_range"), getattr(self, name)
            allowed = low >= 0 and high < 1 if name == "discount" else low > 0
            if not (allowed and low <= value <= high):
                raise ValueError(
                    f"{name} must lie in {name}_range, which must be positive "
                    "(discount: from 0, below 1)"
                )
        _ = self.lifetime  # which checks its own numbers

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

    offspring: int = 5
    remeasured: int = 0
    selection: Any = "truncation"
    truncation: int = 20
    champion_caution: float = 0.0
    weight_scale: float = 0.02
    adaptation: float = 0.0


@dataclass(frozen=True)
class NoNetworkConfig:
    """There is no network: a genome is the phenotype, or becomes it by guessing."""

    kind: ClassVar[str] = "none"


@dataclass(frozen=True)
class HintonNowlanConfig:
    """Constants of the simulation of Hinton & Nowlan (1987); the defaults are the published ones.

    Attributes:
        individuals: Organisms in a population.
        genes: Potential connections.
        trials: Trials of a life; 0: no learning, an undecided connection stays absent.
        undecided: Initial frequency of undecided genes; the others are right or wrong with equal
            probability.
        advantage: Fitness of an organism that is born perfect, above the 1 of one that never gets
            there.
    """

    kind: ClassVar[str] = "hinton-nowlan"

    individuals: int = 1000
    genes: int = 20
    trials: int = 1000
    undecided: float = 0.5
    advantage: float = 19.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        _at_least(self, individuals=2, genes=2, trials=0, advantage=0.0)
        if not 0 <= self.undecided <= 1:
            raise ValueError(f"undecided must lie between 0 and 1, not {self.undecided}")

    @property
    def final_discount(self) -> float:
        """Discount for analyses; none is used, as a life has one outcome."""
        return 1.0
