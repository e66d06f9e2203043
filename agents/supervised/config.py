"""Settings of decision pretraining: pure data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from prefrontal.checking import check, option


@dataclass(frozen=True)
class DecisionPretrainedConfig:
    """Settings of decision pretraining (Lee et al. 2023). "Annealed": linear over the run."""

    kind: ClassVar[str] = "decision-pretrained"

    learning_rate: float = option(3e-3, "Step size of Adam at the start.", above=0)
    learning_rate_final: float = option(0.0, "Step size of Adam at the end (annealed).", least=0)
    epsilon: float = option(
        1e-5, "Number added to the root of the second moment of the gradient.", above=0
    )
    clip_norm: float = option(1.0, "Largest norm of the gradient of a member.", above=0)
    spread: float = option(
        3.0,
        "Largest spread τ of the random behaviour policies: an episode has τ uniform in 0 ... "
        "spread, and probabilities of actions proportional to E^τ, E exponential (τ = 1: all "
        "probabilities are equally likely; larger: few actions are taken).",
        least=0,
    )

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)

    @property
    def final_discount(self) -> float:
        """Discount γ: none, as no values are learned."""
        return 0.0
