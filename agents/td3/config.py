"""Settings of recurrent TD3 and of its networks: pure data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

__all__ = ["TD3Config", "TD3NetworkConfig"]


@dataclass(frozen=True)
class TD3NetworkConfig:
    """Shape of an actor and its twin critics.

    Attributes:
        actor: Which of the three actors: `actor1` an LSTM (holistic), `actor2` two LSTMs, `actor3`
            an LSTM and two ReLU layers (modular).
        critic: Which of the five critics: `critic1` an LSTM that is given the action (holistic),
            `critic2` two LSTMs, `critic3` an LSTM and two ReLU layers; `critic4` and `critic5`
            (modular) are `critic2` and `critic3` with the action entering after the first LSTM.
        scale: Factor on the width of every layer; 1 is as published.
    """

    kind: ClassVar[str] = "td3"

    actor: Literal["actor1", "actor2", "actor3"] = "actor3"
    critic: Literal["critic1", "critic2", "critic3", "critic4", "critic5"] = "critic5"
    scale: float = 1.0

    def __post_init__(self) -> None:
        """Check the scale."""
        if not self.scale > 0:
            raise ValueError(f"scale must be positive, not {self.scale}")


@dataclass(frozen=True)
class TD3Config:
    """Hyper-parameters of recurrent TD3. A trial is one trajectory: an episode up to its last event.

    Training has three phases. I: large exploration noise, and the first of the environment's
    `stages`, until the agent finds rewards at all; then memory and counters are cleared. II:
    learning. III, once the agent is good: less noise, smaller steps. Only trials after phase I
    count as steps. A run keeps the agent that was best in validation, not the last one.

    Attributes:
        discount: Discount γ per step.
        learning_rate: Step size of Adam in phases I and II.
        learning_rate_final: Step size of Adam at the start of phase III; it falls linearly to a
            tenth at the end of the run.
        epsilon: Added to the root of Adam's second moment.
        batch: Trajectories in an update, of similar length.
        updates_per_trial: Updates of the critics for each trial played.
        actor_delay: The actor and the target networks are updated once in so many updates of the
            critics.
        trace: λ of the λ-returns that the critics learn (Watkins 1989): the weight of the rest of
            the trajectory against the target critics' value of it, so that a reward at the end of a
            trial reaches its start at once. The trace is cut where the agent stopped and the target
            actor would not have, or the reverse. 0 is plain TD3.
        target_rate: Share τ of the networks that the target networks take over each time.
        target_noise: Standard deviation of the noise on the target actor's actions.
        target_clip: Largest size of the noise on the target actor's actions.
        saturation: Cost of what enters the actor's tanh beyond ±2, squared and summed over
            components.
        stop_threshold: Actions with all components below this size mean "stop", and neither
            smoothing nor exploration turns a stop into another action; 0 if there are no stops.
        imitation: Weight β in phase I of the squared distance between the actor's actions and the
            remembered ones, relative to the mean size of the critic's values (TD3 with behaviour
            cloning, Fujimoto & Gu 2021).
        return_floor: In phase I trajectories are drawn from memory in proportion to their return
            plus this number, so that rewarded behaviour is learned from (Oh et al. 2018). From
            phase II on all are drawn alike.
        memory: Trajectories that are remembered, the newest ones.
        learning_starts: Trajectories to be remembered before learning starts.
        mirror: Whether half of the trajectories are learned from as their mirror image, where the
            environment has one.
        exploration: Standard deviation of the noise on actions in phases I, II and III.
        stop_chance: Chance per step of a trial under way that the agent stops at random, in phases
            I, II and III. Noise on actions hardly ever meets the small region of stops, but the
            agent has to learn what a stop is worth.
        random_trials: Share of the trials of phase I in which noise is drawn once and kept, and the
            agent stops at random: it reaches many places, and some are rewarded.
        random_trial_steps: Mean number of steps until one of the random trials of phase I is
            stopped.
        first_phase_reward: Rewarded fraction in validation that ends phase I.
        first_phase_every: Trials of phase I between validations.
        first_phase_trials: Trials after which phase I ends at the latest.
        final_phase_reward: Rewarded fraction in validation that starts phase III.
        validation_every: Trials of phases II and III between validations.
        validation_trials: Trials of a validation, the same ones each time, without exploration.
        validation_gains: Gains to validate at, as in the published study, whose validation so used
            the gains of the test; by default validation uses the environment of training.
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
    random_trials: float = field(default=0.5, metadata={"name": "babble"})
    random_trial_steps: float = field(default=12.0, metadata={"name": "babble_steps"})
    first_phase_reward: float = 0.2
    first_phase_every: int = 100
    first_phase_trials: int = 50_000
    final_phase_reward: float = 0.8
    validation_every: int = 200
    validation_trials: int = 300
    validation_gains: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Check the ranges."""
        positive = (
            "learning_rate learning_rate_final epsilon batch updates_per_trial actor_delay memory "
            "learning_starts random_trial_steps first_phase_every validation_every "
            "validation_trials"
        )
        shares = "discount trace target_rate random_trials first_phase_reward final_phase_reward "
        sizes = (
            "target_noise target_clip saturation stop_threshold imitation return_floor "
            "first_phase_trials"
        )
        for name in positive.split():
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}")
        for name in shares.split():
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1, not {getattr(self, name)}")
        for name in sizes.split():
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

    # BRIDGE: these three go when the registry joins settings, learner and population.

    def learner(self, job: Any, members: Any) -> Any:
        """Return a learner for some members of a job."""
        from prefrontal.agents.td3.learner import make_learner

        return make_learner(job, members)

    def population(self, job: Any, weights: Any) -> Any:
        """Return the agents with these weights."""
        from prefrontal.agents.td3.population import make_population

        return make_population(job, weights)

    def updates(self, job: Any) -> float:
        """Return how many updates a whole run makes."""
        from prefrontal.agents.td3.learner import updates

        return updates(job)
