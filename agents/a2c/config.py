"""Settings of the recurrent A2C, of its replay and of what protects it from forgetting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from prefrontal.agents.rules.config import BACKWARD, SEARCHING, RuleConfig
from prefrontal.checking import check, option


@dataclass(frozen=True)
class CriticConfig:
    """The baseline of the policy gradient."""

    baseline: Literal["own", "privileged", "heads"] = option(
        "own",
        "Baseline of the policy gradient: the agent's `own` value head, a `privileged` critic "
        "that sees the task in training, or the mean of the first of its `heads` that learns "
        "returns with the learner's discount (replayed episodes always have their own value head "
        "as baseline).",
        name="critic",
    )
    units: int = option(64, "Hidden units of the privileged critic.", least=1, name="critic_units")
    learning_rate: float = option(
        3e-3,
        "Step size of the privileged critic (annealed like the agent's).",
        above=0,
        name="critic_learning_rate",
    )

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)


@dataclass(frozen=True)
class ReplayConfig:
    """Which episodes are kept, and how an actor-critic learns from them again."""

    keep: Literal["none", "uniform", "prioritised", "reservoir"] = option(
        "none",
        "Episodes kept for replay: `none`, the newest (`uniform`), the newest drawn by their "
        "value errors (`prioritised`), or a fair sample of all that were ever played "
        "(`reservoir`).",
        name="replay",
    )
    capacity: int = option(
        1000, "Episodes that a member keeps for replay.", least=1, name="replay_capacity"
    )
    ratio: float = option(
        1.0, "Replayed episodes per new one, on average.", above=0, name="replay_ratio"
    )
    steps: Literal["mixed", "separate"] = option(
        "mixed",
        "Whether new and replayed episodes are `mixed` in one optimiser step, or learned from in "
        "`separate` steps of at most as many episodes as there are new ones.",
        name="replay_steps",
    )
    from_stage: int = option(
        0,
        "First stage of the environment in which episodes are replayed (they are kept from stage "
        "0 on).",
        least=0,
        name="replay_from_stage",
    )
    coef: float = option(
        1.0,
        "Weight of the actor-critic loss of replayed episodes; 0 leaves the cloning losses alone "
        "(distillation).",
        least=0,
        name="replay_coef",
    )
    correction: Literal["vtrace", "clipped", "none"] = option(
        "vtrace",
        "Correction for replayed actions of another policy: `vtrace` (Espeholt et al. 2018), "
        "`clipped` importance weights of uncorrected returns, or `none` (biased; a control).",
        name="correction",
    )
    rho_bar: float = option(
        1.0,
        "Largest importance weight of a temporal difference in replay (V-trace's rho bar).",
        above=0,
        name="rho_bar",
    )
    c_bar: float = option(
        1.0,
        "Largest importance weight of the trace in replay (V-trace's c bar); at most rho_bar.",
        above=0,
        name="c_bar",
    )
    policy_cloning: float = option(
        0.0,
        "Weight of KL(kept policy ‖ policy) on replayed episodes (CLEAR, Rolnick et al. 2019).",
        least=0,
        name="policy_cloning",
    )
    value_cloning: float = option(
        0.0,
        "Weight of the squared difference between values and kept values on replayed episodes "
        "(CLEAR).",
        least=0,
        name="value_cloning",
    )
    cloning_target: Literal["behaviour", "stage_end"] = option(
        "behaviour",
        "What replay clones: the `behaviour` when the episode was played (CLEAR), or, on episodes "
        "of earlier stages, the agent as it was at the last `stage_end`.",
        name="cloning_target",
    )

    @property
    def clones(self) -> bool:
        """Whether anything is cloned on replayed episodes."""
        return self.policy_cloning > 0 or self.value_cloning > 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)
        if self.c_bar > self.rho_bar:
            raise ValueError(f"c_bar must not exceed rho_bar, {self.rho_bar}, not {self.c_bar}")
        if self.clones and self.keep == "none":
            raise ValueError("policy_cloning and value_cloning need replay")


@dataclass(frozen=True)
class EWCConfig:
    """Elastic weight consolidation; see `prefrontal.agents.a2c.ewc`."""

    coef: float = option(
        0.0,
        "Weight of elastic weight consolidation (Kirkpatrick et al. 2017); 0 switches it off.",
        least=0,
        name="ewc_coef",
    )
    online: bool = option(
        False,
        "Whether elastic weight consolidation has one running Fisher information and the newest "
        "anchor (Schwarz et al. 2018) in place of one of each per stage.",
        name="ewc_online",
    )
    decay: float = option(
        1.0,
        "Share of the running Fisher information that remains at the end of a stage (ewc_online).",
        least=0,
        most=1,
        name="ewc_decay",
    )
    episodes: int = option(
        64,
        "Episodes played at the end of a stage to estimate the Fisher information (not counted as "
        "steps).",
        least=1,
        name="ewc_episodes",
    )

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)
        if self.online and not self.coef:
            raise ValueError("ewc_online needs an ewc_coef above 0")


@dataclass(frozen=True)
class A2CConfig:
    """Settings of recurrent A2C. "Annealed": linear in environment steps over the whole run."""

    kind: ClassVar[str] = "a2c"

    learning_rate: float = option(1e-2, "Step size of the optimiser at the start.", above=0)
    learning_rate_final: float = option(
        0.0, "Step size of the optimiser at the end (annealed).", least=0
    )
    optimiser: Literal["adam", "rmsprop"] = option(
        "adam", "Optimiser: `adam`, or `rmsprop` (Wang et al. 2018)."
    )
    epsilon: float = option(
        1e-5, "Number added to the root of the second moment of the gradient.", above=0
    )
    clip_norm: float = option(0.5, "Largest norm of the gradient of a member.", above=0)
    discount: float = option(0.8, "Discount per step at the start.", least=0, most=1)
    discount_final: float | None = option(
        None,
        "Discount reached after the share discount_anneal of the run; none keeps it constant.",
        least=0,
        most=1,
    )
    discount_anneal: float = option(
        0.5, "Share of the run over which the discount is annealed.", above=0
    )
    gae_lambda: float = option(
        1.0,
        "λ of generalised advantage estimation (Schulman et al. 2016); 1 is the Monte Carlo "
        "return.",
        least=0,
        most=1,
    )
    n_step: int | None = option(
        None, "Steps of an n-step return, in place of gae_lambda; none uses gae_lambda.", least=1
    )
    value_coef: float = option(
        0.25, "Weight of the squared value error (Wang et al. 2018: .05).", least=0
    )
    entropy_coef: float = option(
        0.05, "Weight of the entropy bonus at the start, in units of reward per nat.", least=0
    )
    entropy_coef_final: float = option(
        0.0, "Weight of the entropy bonus after the share entropy_anneal of the run.", least=0
    )
    entropy_anneal: float = option(
        1.0, "Share of the run over which the entropy bonus is annealed.", above=0
    )
    normalise_advantages: bool = option(
        False, "Whether advantages are given mean 0 and deviation 1 in each member's batch."
    )
    normalise_values: bool = option(
        False,
        "Whether values are learned in units of the root mean square of each batch's returns, so "
        "that value_coef and learning_rate mean the same whatever rewards are.",
    )
    segment: int | None = option(
        None,
        "Steps of every environment between updates, whatever ends in them (environments that are "
        "not ours); none plays one whole episode in every environment.",
        least=1,
    )
    critic: CriticConfig = CriticConfig()
    passes: int = option(
        1,
        "Optimiser steps on each batch; above 1 the ratio of policies is clipped (Schulman et al. "
        "2017).",
        least=1,
    )
    clip_ratio: float = option(
        0.2, "Largest change of the ratio of new to old policy where passes is above 1.", above=0
    )
    anneal: Literal["run", "stage"] = option(
        "run",
        'What "annealed" spans where a run has stages: the whole `run`, or every `stage` anew.',
    )
    reset_optimiser: bool = option(
        False, "Whether every later stage begins with fresh moments of the optimiser."
    )
    rule: RuleConfig = RuleConfig()  # noqa: RUF009 (frozen)
    replay: ReplayConfig = ReplayConfig()
    ewc: EWCConfig = EWCConfig()

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)
        mixed = self.replay.keep != "none" and self.replay.steps == "mixed"
        if mixed and self.passes > 1:
            raise ValueError(
                'replay with passes above 1 needs replay_steps "separate" (--replay-steps separate)'
            )
        if self.normalise_values and self.replay.keep != "none":
            raise ValueError(
                "normalise_values is not for replay: leave it out (--no-normalise-values)"
            )
        rule = self.rule.name
        if rule not in BACKWARD and (self.passes > 1 or self.replay.keep != "none"):
            raise ValueError(
                f"the rule {rule} learns from what its own noise did: it needs passes = 1, and no "
                "replay"
            )
        if rule in SEARCHING and (self.critic.baseline != "own" or self.ewc.coef):
            raise ValueError(f'the rule {rule} needs critic "own", and no ewc_coef')

    @property
    def final_discount(self) -> float:
        """Discount at the end of training."""
        return self.discount if self.discount_final is None else self.discount_final


@dataclass(frozen=True)
class CourseReplayConfig:
    """Settings of the NeuroAI course's A2C with its buffer; the defaults are the published ones."""

    kind: ClassVar[str] = "course-replay"

    learning_rate: float = option(
        7.5e-4, "Step size of RMSProp, constant; its moments start anew with every stage.", above=0
    )
    epsilon: float = option(1e-5, "Number added to the root of the second moment.", above=0)
    discount: float = option(0.91, "Discount of Monte Carlo returns per step.", least=0, most=1)
    value_coef: float = option(0.4, "Weight of the squared value error.", least=0)
    entropy_coef: float = option(0.001, "Weight of the entropy bonus.", least=0)
    capacity: int = option(
        250, "Gradients of the first stage that are kept, the newest; 0 for no buffer.", least=0
    )

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)

    @property
    def final_discount(self) -> float:
        """Discount γ."""
        return self.discount
