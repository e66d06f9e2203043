"""Settings of recurrent Q-learning: pure data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from prefrontal.checking import check, option


@dataclass(frozen=True)
class R2D2Config:
    """Settings of R2D2 (Kapturowski et al. 2019). "Annealed": linear in steps over the run."""

    kind: ClassVar[str] = "q"

    learning_rate: float = option(3e-3, "Step size of the optimiser at the start.", above=0)
    learning_rate_final: float = option(
        0.0, "Step size of the optimiser at the end (annealed).", least=0
    )
    optimiser: Literal["adam", "rmsprop"] = option("adam", "Optimiser: `adam` or `rmsprop`.")
    epsilon: float = option(
        1e-5, "Number added to the root of the second moment of the gradient.", above=0
    )
    clip_norm: float = option(1.0, "Largest norm of the gradient of a member.", above=0)
    discount: float = option(0.8, "Discount per step.", least=0, most=1)
    n_step: int = option(
        3, "Rewards in a target before the value of the state that is reached.", least=1
    )
    double: bool = option(
        True,
        "Whether the learner's network chooses the action that the target network values (van "
        "Hasselt et al. 2016).",
    )
    rescaling: bool = option(
        False,
        "Whether values are learned on the scale h(x) = sign(x) (√(|x| + 1) - 1) + .001 x (Pohlen "
        "et al. 2018).",
    )
    target_interval: int = option(
        50, "Optimiser steps between copies of the weights to the target network.", least=1
    )
    exploration: float = option(
        1.0, "Probability of a random action at the start.", least=0, most=1
    )
    exploration_final: float = option(
        0.02,
        "Probability of a random action after the share exploration_anneal of the run (annealed).",
        least=0,
        most=1,
    )
    exploration_anneal: float = option(
        0.5, "Share of the run over which the probability of a random action is annealed.", above=0
    )
    exploration_spread: float = option(
        0.0,
        "Spread a of exploration over a member's B environments: environment i has the exponent 1 "
        "+ a i / (B - 1) on the probability of a random action (Horgan et al. 2018: 7); 0: none.",
        least=0,
    )
    sequence: int | None = option(
        None, "Steps that are learned from at a time; none takes whole episodes.", least=1
    )
    burn_in: int = option(
        0, "Steps before a sequence that only bring a kept recurrent state up to date.", least=0
    )
    replay: Literal["prioritised", "uniform", "reservoir"] = option(
        "prioritised",
        "Episodes kept for replay: the newest (`uniform`, or `prioritised` by their errors), or a "
        "fair sample of all that were ever played (`reservoir`).",
    )
    replay_capacity: int = option(2000, "Episodes that a member keeps for replay.", least=1)
    replay_batch: int = option(32, "Replayed sequences in an optimiser step.", least=1)
    replay_start: int = option(32, "Episodes that are kept before learning begins.", least=1)
    optimiser_steps: int = option(1, "Optimiser steps an update.", least=1)
    anneal: Literal["run", "stage"] = option(
        "run",
        'What "annealed" spans where a run has stages: the whole `run`, or every `stage` anew.',
    )
    reset_optimiser: bool = option(
        False, "Whether every later stage begins with fresh moments of the optimiser."
    )

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)
        if self.burn_in and (self.sequence is None or self.sequence % self.burn_in):
            raise ValueError("burn_in needs a sequence that it divides")
        if self.replay_start > self.replay_capacity:
            raise ValueError(
                f"replay_start must not exceed replay_capacity, {self.replay_capacity}, not "
                f"{self.replay_start}"
            )

    @property
    def final_discount(self) -> float:
        """Discount γ."""
        return self.discount
