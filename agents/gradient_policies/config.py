"""Settings of agents that adapt by gradient, and of how that is learned: pure data."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

from prefrontal.checking import check, option


@dataclass(frozen=True)
class LogitsConfig:
    """A policy that is a logit for each action, and when an episode changes it."""

    kind: ClassVar[str] = "logits"

    update_after: tuple[int, ...] = option(
        (),
        "Steps of an episode after which the logits are updated, in order, each time by the steps "
        "since the update before; by default once, after a fifth of the episode.",
        least=1,
    )
    inner_step: float = option(
        5.0,
        "Step size of the updates within an episode, equal for all logits where training starts.",
        above=0,
    )
    inner_baseline: float = option(
        0.5, "What rewards are compared with in these updates, where training starts."
    )

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)
        if any(late <= early for early, late in pairwise(self.update_after)):
            raise ValueError(f"update_after must increase, not {self.update_after}")

    @property
    def updates(self) -> int:
        """Updates U of an episode."""
        return len(self.update_after) or 1

    def times(self, steps: int) -> tuple[int, ...]:
        """Return the steps after which an episode of so many steps updates the logits."""
        return self.update_after or (max(1, steps // 5),)


@dataclass(frozen=True)
class MetaGradientConfig:
    """How the start of the logits, and the step sizes of their updates, are learned.

    "Annealed": linear over the run.
    """

    kind: ClassVar[str] = "meta-gradient"

    outer: Literal["exact", "first-order", "reptile"] = option(
        "exact",
        "Gradient of the return of whole episodes: exact, through the updates and with what early "
        "actions change for later ones (E-MAML, DiCE); of first order, which takes the updates as "
        "constant and credits an action with rewards up to the next update only; or none, but a "
        "step to where the updates lead (Reptile).",
    )
    learned: Literal["all", "logits"] = option(
        "all",
        "What is learned: start, step sizes and baselines (Meta-SGD), or the start of the logits "
        "alone (MAML). Reptile learns the logits alone.",
    )
    learning_rate: float = option(
        0.05, "Step size of Adam at the start; of Reptile, how far it goes to the mean.", above=0
    )
    learning_rate_final: float = option(0.0, "That step size at the end (annealed).", least=0)
    clip_norm: float = option(1.0, "Largest norm of the gradient of a member.", above=0)
    epsilon: float = option(
        1e-8, "Number added to the root of the second moment of the gradient.", above=0
    )

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)

    @property
    def final_discount(self) -> float:
        """Discount for analyses: none is used, all rewards of an episode count alike."""
        return 1.0
