"""Settings of reward-modulated Hebbian learning and of its rate networks: pure data.

The defaults are those of Miconi (2017, eLife 6:e20899) and his published code for delayed
non-match to sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from prefrontal.checking import check, option

#: Units whose potential is constant, and that potential: the biases of the others.
BIASES = {1: 1.0, 10: 1.0, 11: -1.0}


@dataclass(frozen=True)
class RateNetworkConfig:
    """Shape of a network of rate units; unit 0 is the output."""

    kind: ClassVar[str] = "rate"

    units: int = option(
        200, "Units, fully connected; three of them are constant.", least=max(BIASES) + 1
    )
    gain: float = option(
        1.5,
        "Standard deviation of the initial weights times the root of the number of units; activity "
        "is chaotic above 1.",
        above=0,
    )
    time_constant: float = option(30.0, "Time constant of the units, steps.", least=1)
    start: float = option(
        0.1, "Potentials at the start of a trial are uniform within ± this.", least=0
    )

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)


@dataclass(frozen=True)
class HebbianConfig:
    """Perturbations of single units, and what is learned from them at the end of a trial."""

    kind: ClassVar[str] = "hebbian"

    rule: Literal["hebbian", "node-perturbation"] = option(
        "hebbian",
        "What a weight remembers of a trial: products of what arrives and of how the unit "
        "fluctuates, raised to `exponent` (`hebbian`), or products of what arrives and of the "
        "perturbation itself, which the synapse would have to know (`node-perturbation`).",
    )
    exponent: int = option(
        3,
        "Odd exponent of the Hebbian products; 1 takes them as they are (a control, which cannot "
        "tell a perturbation from the relaxation after it).",
        least=1,
    )
    learning_rate: float = option(
        0.1, "Step size η; .001 is published for `node-perturbation`.", above=0
    )
    largest_change: float = option(
        3e-4, "Bound of the size of a weight's change in one trial.", above=0
    )
    probability: float = option(
        0.003, "Probability that a unit is perturbed in a step.", above=0, most=1
    )
    amplitude: float = option(
        16.0, "Largest size of a perturbation, which is uniform and added to the input.", above=0
    )
    average: float = option(
        0.05,
        "Share of the past in the running mean of a potential, from which it fluctuates.",
        least=0,
        below=1,
    )
    error_average: float = option(
        0.75, "Share of the past in the mean error of a trial type.", least=0, below=1
    )
    learning_starts: int = option(
        100, "Trials before learning starts, which only the mean errors are taken from.", least=0
    )

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)
        if self.exponent % 2 == 0:
            raise ValueError(
                f"exponent must be odd, which keeps the sign of a product, not {self.exponent}"
            )

    @property
    def final_discount(self) -> float:
        """Discount for analyses; none is used, as only the end of a trial counts."""
        return 1.0
