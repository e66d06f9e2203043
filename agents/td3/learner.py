"""Recurrent TD3 on whole trajectories (Fujimoto et al. 2018; Zhang, Pitkow & Angelaki 2024): settings and learner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor

from prefrontal.agents.base import Job
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.td3.member import Member
from prefrontal.agents.td3.networks import TD3NetworkConfig

__all__ = ["TD3", "TD3Config", "check", "make_learner", "updates"]


@dataclass(frozen=True)
class TD3Config:
    """Hyper-parameters of recurrent TD3. A trial is one trajectory: an episode, up to where nothing happens any more.

    Training has three phases. I: large exploration noise, and the first of the environment's `stages`, until the agent finds
    rewards at all; then memory and counters are cleared. II: learning. III, once the agent is good: less noise, smaller steps.
    Only trials after phase I count as steps. What a run keeps is not the last agent but the best one in validation.

    Attributes:
        discount: Discount γ per step.
        learning_rate: Step size of Adam in phases I and II.
        learning_rate_final: Step size at the beginning of phase III; it falls linearly to a tenth at the end of the run.
        epsilon: Added to the root of Adam's second moment.
        batch: Trajectories in an update, of similar length.
        updates_per_trial: Updates of the critics for each trial played.
        actor_delay: The actor and the target networks are updated every so many updates of the critics.
        trace: Weight λ of what followed in the trajectory against the target critics' opinion of it (λ-returns, Watkins 1989): a
            reward at the end of a trial is not handed back step by step by target networks that lag behind. The trace is cut
            where the agent stopped and the target actor would not have, or the reverse. 0 is plain TD3.
        target_rate: Share τ of the networks that the target networks take over each time.
        target_noise: Standard deviation of the noise on the target's actions.
        target_clip: Largest size of that noise.
        saturation: Cost of what goes into the actor's tanh beyond ±2, squared and summed over components.
        stop_threshold: Actions with all components below it are of a kind of their own ("stop"), which neither
            smoothing nor exploration leaves; 0 if there is no such thing.
        imitation: Weight β in phase I of the squared distance between the actor's actions and those remembered, relative to the
            mean size of the critic's values (TD3 with behaviour cloning, Fujimoto & Gu 2021).
        return_floor: In phase I trajectories are drawn from memory in proportion to their return plus this: what was paid is
            learned from and repeated (Oh et al. 2018). From phase II on all are drawn alike.
        memory: Trajectories that are remembered, the newest ones.
        learning_starts: Trajectories to be remembered before learning starts.
        mirror: Whether half of the trajectories are learned from as their mirror image, where the environment has one.
        exploration: Standard deviation of the noise on actions in phases I, II and III.
        stop_chance: Chance at every step of a trial under way that the agent stops, whatever its actor says, in phases I, II and
            III. Stops are so small a part of the space of actions that noise hardly ever comes upon them, and what a stop is
            worth here and now is what an agent has to know in order to stop in the right place.
        babble: Share of the trials of phase I in which noise is drawn once and kept, and the agent stops at random, whatever
            its actor says: it comes to many places, and some are rewarded.
        babble_steps: Mean number of steps until such a trial is stopped.
        first_phase_reward: Rewarded fraction in validation that ends phase I.
        first_phase_every: Trials of phase I between validations.
        first_phase_trials: Trials after which phase I ends at the latest.
        final_phase_reward: Rewarded fraction in validation that starts phase III.
        validation_every: Trials between validations.
        validation_trials: Trials of a validation, the same ones each time, without exploration.
        validation_gains: Gains to validate at, as in the published study, which so looked at those that it tests;
            by default the environment is that of training.
    """

    kind: ClassVar[str] = "td3"

    discount: float = 0.97
    learning_rate: float = 5e-4
    learning_rate_final: float = 3e-4
    epsilon: float = 1.5e-4
    batch: int = 16
    updates_per_trial: float = 2.0
    actor_delay: int = 2
    trace: float = 0.9
    target_rate: float = 0.005
    target_noise: float = 0.05
    target_clip: float = 0.1
    saturation: float = 0.05
    stop_threshold: float = 0.1
    imitation: float = 2.0
    return_floor: float = 0.02
    memory: int = 10_000
    learning_starts: int = 400
    mirror: bool = True
    exploration: tuple[float, float, float] = (0.8, 0.5, 0.4)
    stop_chance: tuple[float, float, float] = (0.03, 0.04, 0.02)
    babble: float = 0.5
    babble_steps: float = 12.0
    first_phase_reward: float = 0.2
    first_phase_every: int = 100
    first_phase_trials: int = 50_000
    final_phase_reward: float = 0.8
    validation_every: int = 200
    validation_trials: int = 300
    validation_gains: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Checks the ranges."""
        for name in (
            "learning_rate", "learning_rate_final", "epsilon", "batch", "updates_per_trial", "actor_delay", "memory",
            "learning_starts", "babble_steps", "first_phase_every", "validation_every", "validation_trials",
        ):  # fmt: skip
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}")
        for name in (
            "discount",
            "trace",
            "target_rate",
            "babble",
            "first_phase_reward",
            "final_phase_reward",
        ):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1, not {getattr(self, name)}")
        for name in (
            "target_noise",
            "target_clip",
            "saturation",
            "stop_threshold",
            "imitation",
            "return_floor",
            "first_phase_trials",
        ):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, not {getattr(self, name)}")
        if min(self.exploration) < 0 or min(self.validation_gains, default=1) <= 0:
            raise ValueError("exploration must not be negative, and validation_gains positive")
        if not 0 <= min(self.stop_chance) <= max(self.stop_chance) <= 1:
            raise ValueError(f"stop_chance must be between 0 and 1, not {self.stop_chance}")
        if self.memory < self.learning_starts:
            raise ValueError(f"memory must be at least learning_starts, {self.learning_starts}")

    @property
    def final_discount(self) -> float:
        """Discount γ, the same throughout."""
        return self.discount


def make_learner(job: Job, members: Sequence[int]) -> TD3:
    """Make a learner for some members of a job."""
    check(job)
    return TD3(job, cast(TD3Config, job.algorithm), members)


def check(job: Job) -> str:
    """Check that a job can be trained; there is nothing to say of it.

    Raises:
        ConfigError: The device or the environment is none that recurrent TD3 can have.
    """
    if torch.device(job.device).type != "cpu":
        raise ConfigError(f"recurrent TD3 computes on the CPU, not on {job.device}")
    if not isinstance(job.network, TD3NetworkConfig):
        raise ConfigError("recurrent TD3 needs a network of the kind td3")
    if job.facts.discrete:
        raise ConfigError(f"environment {job.environment.id!r} has no continuous actions")
    actor, critic = job.network.stacks(job.facts.input_size, job.facts.action_size, 1)
    torch.empty(actor.size + critic.size)  # raises where there is not that much memory
    return ""


def updates(job: Job) -> float:
    """Return the rounds of `num_envs` trials of a whole run, phase I not counted."""
    return job.total_steps / (job.facts.steps[-1] * job.num_envs)


class TD3:
    """P members that learn one after the other, each by itself (see `prefrontal.agents.td3.member.Member`).

    Nets of this size fill a core one at a time: products of one member run at 75 to 85 GFLOP/s where those of 16 members side by
    side, whose weights leave the cache at every time step, run at 45 to 65. So members are spread over processes, not over a
    batch dimension; that one's curve does not depend on the others is then plain.

    Args:
        job: What to learn.
        config: Hyper-parameters.
        members: Identities of the members.
    """

    def __init__(self, job: Job, config: TD3Config, members: Sequence[int]) -> None:
        self.members = [Member(job, config, member) for member in members]

    @property
    def steps(self) -> Tensor:
        """Environment steps after phase I, of whole episodes, ``[P]``."""
        return torch.tensor([float(m.steps) for m in self.members], dtype=torch.float64)

    def update(self) -> dict[str, Tensor]:
        """A round of trials, and of learning from memory, for every member that has not finished; metrics ``[P]``."""
        rows = [member.round() for member in self.members]
        return {
            name: torch.tensor([row[name] for row in rows], dtype=torch.float64) for name in rows[0]
        }

    def state(self) -> dict[str, Tensor]:
        """All that training needs to go on exactly, ``[P, ...]`` each; `weights` are those that did best in validation."""
        rows = [member.state() for member in self.members]
        return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restores what `state` returned."""
        for index, member in enumerate(self.members):
            member.set_state({name: value[index : index + 1] for name, value in state.items()})

    def close(self) -> None:
        """Closes the environments."""
        for member in self.members:
            member.close()
