"""Hyper-parameters of recurrent Q-learning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from prefrontal.agents.rollout.environments import make_stages, probe

if TYPE_CHECKING:
    from torch import Tensor

    from prefrontal.agents.base import Job
    from prefrontal.agents.population import Population
    from prefrontal.agents.r2d2.learner import QLearner

__all__ = ["QConfig"]


@dataclass(frozen=True)
class QConfig:
    """Hyper-parameters of R2D2 (Kapturowski et al. 2019). "Annealed" means linear in steps over the whole run.

    Attributes:
        learning_rate: Step size at the start.
        learning_rate_final: Step size at the end (annealed).
        optimiser: `adam` or `rmsprop`.
        epsilon: Added to the root of the second moment of the gradient.
        clip_norm: Largest gradient norm, per member.
        discount: Discount γ per step.
        n_step: Rewards in a target before the value of the state reached.
        double: Whether the learner's network chooses the action that the target network values (van Hasselt et al. 2016).
        rescaling: Whether values are learned on the scale h(x) = sign(x) (√(|x| + 1) - 1) + .001 x (Pohlen et al. 2018).
        target_interval: Optimiser steps between copies of the weights to the target network.
        exploration: Probability of a random action at the start.
        exploration_final: Probability of a random action after `exploration_anneal` of the run (annealed).
        exploration_anneal: Fraction of the run over which it is annealed.
        exploration_spread: α of a ladder over a member's B environments: environment i has the exponent 1 + α i / (B - 1)
            on that probability (Horgan et al. 2018: 7); 0 gives all the same.
        sequence: Steps that are learned from at a time; none takes whole episodes.
        burn_in: Steps before these that only bring a kept recurrent state up to date.
        replay: Which episodes are kept: the newest (`uniform`, or `prioritised` by their errors), or a fair sample of all
            there ever were (`reservoir`).
        replay_capacity: Episodes that a member keeps.
        replay_batch: Sequences an optimiser step.
        replay_start: Episodes that are kept before learning begins.
        optimiser_steps: Optimiser steps an update.
        anneal: What "annealed" spans where a run has stages: the whole `run`, or every `stage` anew.
        reset_optimiser: Whether every later stage begins with fresh moments of the optimiser.
    """

    kind: ClassVar[str] = "q"

    learning_rate: float = 3e-3
    learning_rate_final: float = 0.0
    optimiser: Literal["adam", "rmsprop"] = "adam"
    epsilon: float = 1e-5
    clip_norm: float = 1.0
    discount: float = 0.8
    n_step: int = 3
    double: bool = True
    rescaling: bool = False
    target_interval: int = 50
    exploration: float = 1.0
    exploration_final: float = 0.02
    exploration_anneal: float = 0.5
    exploration_spread: float = 0.0
    sequence: int | None = None
    burn_in: int = 0
    replay: Literal["prioritised", "uniform", "reservoir"] = "prioritised"
    replay_capacity: int = 2000
    replay_batch: int = 32
    replay_start: int = 32
    optimiser_steps: int = 1
    anneal: Literal["run", "stage"] = "run"
    reset_optimiser: bool = False

    def __post_init__(self) -> None:
        """Checks the ranges."""
        for name in ("discount", "exploration", "exploration_final"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1, not {getattr(self, name)}")
        for name in ("learning_rate", "epsilon", "clip_norm", "exploration_anneal"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}")
        for name in ("learning_rate_final", "exploration_spread", "burn_in"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, not {getattr(self, name)}")
        for name in (
            "n_step", "target_interval", "replay_capacity", "replay_batch", "replay_start", "optimiser_steps",
        ):  # fmt: skip
            if not getattr(self, name) >= 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.sequence is not None and self.sequence < 1:
            raise ValueError(f"sequence must be at least 1, not {self.sequence}")
        if self.burn_in and (self.sequence is None or self.sequence % self.burn_in):
            raise ValueError("burn_in needs a sequence that it divides")
        if self.replay_start > self.replay_capacity:
            raise ValueError(
                f"replay_start must not exceed replay_capacity, {self.replay_capacity}, not {self.replay_start}"
            )

    @property
    def final_discount(self) -> float:
        """Discount γ."""
        return self.discount

    def learner(self, job: Job, members: Sequence[int]) -> QLearner:
        """A learner for some members of a job."""
        from prefrontal.agents.r2d2.learner import (
            QLearner,  # which itself needs these hyper-parameters
        )

        envs = make_stages(job.environment, members, job.num_envs, device=job.device)
        return QLearner(
            envs,
            job.network,
            self,
            members,
            job.num_envs,
            job.total_steps,
            job.seed,
            job.device,
        )

    def population(self, job: Job, weights: Tensor) -> Population:
        """The agents with these weights; their logits are advantages, so let them act deterministically."""
        from prefrontal.agents.population import Population

        return Population.of(job, weights)

    def updates(self, job: Job) -> float:
        """Updates of a whole run."""
        return probe(job.environment).updates(job.num_envs, job.total_steps)
