"""Hyper-parameters of the recurrent A2C, of its replay and of what protects it from forgetting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from prefrontal.agents.rollout.environments import make_stages, probe

if TYPE_CHECKING:
    from torch import Tensor

    from prefrontal.agents.a2c.learner import A2C
    from prefrontal.agents.base import Job
    from prefrontal.agents.population import Population

__all__ = ["A2CConfig"]


@dataclass(frozen=True)
class A2CConfig:
    """Hyper-parameters of the learning rule. "Annealed" means linear in environment steps over the whole run.

    Attributes:
        learning_rate: Step size at the start.
        learning_rate_final: Step size at the end (annealed).
        optimiser: `adam`, or `rmsprop` (Wang et al. 2018).
        epsilon: Added to the root of the second moment of the gradient.
        clip_norm: Largest gradient norm, per member.
        discount: Discount γ per step at the start.
        discount_final: Discount reached after `discount_anneal` of the run; none keeps it constant.
        discount_anneal: Fraction of the run over which the discount is annealed.
        gae_lambda: λ of generalised advantage estimation (Schulman et al. 2016); 1 is the Monte Carlo return.
        n_step: Steps of an n-step return in place of λ; none uses λ.
        value_coef: Weight of the squared value error (Wang et al. 2018: .05).
        entropy_coef: Weight of the entropy bonus at the start, in units of reward per nat.
        entropy_coef_final: Weight of the entropy bonus after `entropy_anneal` of the run (annealed).
        entropy_anneal: Fraction of the run over which the entropy bonus is annealed.
        normalise_advantages: Whether advantages have mean 0 and deviation 1 in each member's batch.
        critic: Baseline of the policy gradient: the agent's `own` value head, or a `privileged` critic that sees the
            task (replayed episodes: always its own).
        critic_units: Hidden units of the privileged critic.
        critic_learning_rate: Step size of the privileged critic (annealed like `learning_rate`).
        passes: Optimiser steps on each batch; above 1 the ratio of policies is clipped (Schulman et al. 2017).
        clip_ratio: Largest change of that ratio.
        anneal: What "annealed" spans where a run has stages: the whole `run`, or every `stage` anew.
        reset_optimiser: Whether every later stage begins with fresh moments of the optimiser.
        replay: Which episodes are kept for replay: `none`, the newest (`uniform`), the newest drawn by their errors
            (`prioritised`), or a fair sample of all there ever were (`reservoir`).
        replay_capacity: Episodes that a member keeps.
        replay_ratio: Replayed episodes per new one (on average; may be above 1).
        replay_steps: New and replayed episodes `mixed` in one optimiser step, or in `separate` ones of at most as many
            episodes as there are new ones.
        replay_from_stage: First stage in which episodes are replayed (they are kept from the first on).
        replay_coef: Weight of the actor-critic loss of replayed episodes; 0 leaves the cloning alone (distillation).
        correction: What makes up for actions of another policy: `vtrace` (Espeholt et al. 2018), `clipped` importance
            weights of uncorrected returns, or `none` (wrong, a control).
        rho_bar: Largest importance weight of a temporal difference.
        c_bar: Largest importance weight of a trace.
        policy_cloning: Weight of the divergence KL(kept policy ‖ policy) on replayed episodes (CLEAR, Rolnick et al. 2019).
        value_cloning: Weight of the squared difference from the kept values on replayed episodes (CLEAR).
        cloning_target: What is cloned: the `behaviour` when the episode was played (CLEAR), or, on episodes of earlier
            stages, the agent as it was at the last `stage_end`.
        ewc_coef: Weight of elastic weight consolidation (Kirkpatrick et al. 2017); 0 is none. See `prefrontal.agents.a2c.ewc`.
        ewc_online: Whether it has one running Fisher information and the newest anchor (Schwarz et al. 2018), in place of
            one of each per stage.
        ewc_decay: What remains of the running Fisher information at the end of a stage.
        ewc_episodes: Episodes that are played at the end of a stage to estimate it (not counted as steps).
    """

    kind: ClassVar[str] = "a2c"

    learning_rate: float = 1e-2
    learning_rate_final: float = 0.0
    optimiser: Literal["adam", "rmsprop"] = "adam"
    epsilon: float = 1e-5
    clip_norm: float = 0.5
    discount: float = 0.8
    discount_final: float | None = None
    discount_anneal: float = 0.5
    gae_lambda: float = 1.0
    n_step: int | None = None
    value_coef: float = 0.25
    entropy_coef: float = 0.05
    entropy_coef_final: float = 0.0
    entropy_anneal: float = 1.0
    normalise_advantages: bool = False
    critic: Literal["own", "privileged"] = "own"
    critic_units: int = 64
    critic_learning_rate: float = 3e-3
    passes: int = 1
    clip_ratio: float = 0.2
    anneal: Literal["run", "stage"] = "run"
    reset_optimiser: bool = False
    replay: Literal["none", "uniform", "prioritised", "reservoir"] = "none"
    replay_capacity: int = 1000
    replay_ratio: float = 1.0
    replay_steps: Literal["mixed", "separate"] = "mixed"
    replay_from_stage: int = 0
    replay_coef: float = 1.0
    correction: Literal["vtrace", "clipped", "none"] = "vtrace"
    rho_bar: float = 1.0
    c_bar: float = 1.0
    policy_cloning: float = 0.0
    value_cloning: float = 0.0
    cloning_target: Literal["behaviour", "stage_end"] = "behaviour"
    ewc_coef: float = 0.0
    ewc_online: bool = False
    ewc_decay: float = 1.0
    ewc_episodes: int = 64

    def __post_init__(self) -> None:
        """Checks the ranges."""
        for name in ("discount", "discount_final", "gae_lambda", "ewc_decay"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"{name} must be between 0 and 1, not {value}")
        for name in (
            "learning_rate",
            "epsilon",
            "clip_norm",
            "discount_anneal",
            "entropy_anneal",
            "critic_units",
            "critic_learning_rate",
            "clip_ratio",
            "replay_capacity",
            "replay_ratio",
            "rho_bar",
            "c_bar",
            "ewc_episodes",
        ):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}")
        for name in (
            "learning_rate_final",
            "value_coef",
            "entropy_coef",
            "entropy_coef_final",
            "replay_from_stage",
            "replay_coef",
            "policy_cloning",
            "value_cloning",
            "ewc_coef",
        ):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, not {getattr(self, name)}")
        if self.passes < 1 or (self.n_step is not None and self.n_step < 1):
            raise ValueError("passes and n_step must be at least 1")
        if self.c_bar > self.rho_bar:
            raise ValueError(f"c_bar must not exceed rho_bar, {self.rho_bar}, not {self.c_bar}")
        if self.clones and self.replay == "none":
            raise ValueError("policy_cloning and value_cloning need replay")
        if self.ewc_online and not self.ewc_coef:
            raise ValueError("ewc_online needs an ewc_coef above 0")
        if self.replay != "none" and self.replay_steps == "mixed" and self.passes > 1:
            raise ValueError('replay with passes above 1 needs replay_steps "separate"')

    @property
    def final_discount(self) -> float:
        """Discount γ at the end of training."""
        return self.discount if self.discount_final is None else self.discount_final

    @property
    def clones(self) -> bool:
        """Whether anything is cloned on replayed episodes."""
        return self.policy_cloning > 0 or self.value_cloning > 0

    def learner(self, job: Job, members: Sequence[int]) -> A2C:
        """A learner for some members of a job."""
        from prefrontal.agents.a2c.learner import A2C  # which itself needs these hyper-parameters

        envs = make_stages(
            job.environment,
            members,
            job.num_envs,
            privileged=self.critic == "privileged",
            device=job.device,
        )
        return A2C(
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
        """The agents with these weights."""
        from prefrontal.agents.population import Population  # which itself trains with A2C

        return Population.of(job, weights)

    def updates(self, job: Job) -> float:
        """Updates of a whole run."""
        return probe(job.environment).updates(job.num_envs, job.total_steps)
