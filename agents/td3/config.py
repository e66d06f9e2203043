"""Settings of recurrent TD3 and of its networks: pure data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from prefrontal.checking import check, option


@dataclass(frozen=True)
class TD3NetworkConfig:
    """Shape of an actor and its twin critics."""

    kind: ClassVar[str] = "td3"

    actor: Literal["actor1", "actor2", "actor3"] = option(
        "actor3",
        "Which of three actors: `actor1` an LSTM (holistic), `actor2` two LSTMs, `actor3` an LSTM "
        "and two ReLU layers (modular).",
    )
    critic: Literal["critic1", "critic2", "critic3", "critic4", "critic5"] = option(
        "critic5",
        "Which of five critics: `critic1` an LSTM that is given the action (holistic), `critic2` "
        "two LSTMs, `critic3` an LSTM and two ReLU layers; `critic4` and `critic5` (modular) are "
        "`critic2` and `critic3` with the action entering after the first LSTM.",
    )
    scale: float = option(1.0, "Factor on the width of every layer; 1 is as published.", above=0)

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)


@dataclass(frozen=True)
class TD3Config:
    """Settings of recurrent TD3. A trial is one trajectory: an episode up to its last event.

    Training has three phases. I: large exploration noise, and the first of the environment's
    `stages`, until the agent finds rewards at all; then memory and counters are cleared. II:
    learning. III, once the agent is good: less noise, smaller steps. Only trials after phase I
    count as steps. A run keeps the agent that was best in validation, not the last one.
    """

    kind: ClassVar[str] = "td3"
    renamed: ClassVar[dict[str, str]] = {
        "babble": "random_trials",
        "babble_steps": "random_trial_steps",
    }

    discount: float = option(0.97, "Discount per step.", least=0, most=1)
    learning_rate: float = option(5e-4, "Step size of Adam in phases I and II.", above=0)
    learning_rate_final: float = option(
        3e-4,
        "Step size of Adam at the start of phase III; it falls linearly to a tenth at the end of "
        "the run.",
        above=0,
    )
    epsilon: float = option(1.5e-4, "Added to the root of Adam's second moment.", above=0)
    batch: int = option(16, "Trajectories in an update, of similar length.", least=1)
    updates_per_trial: float = option(2.0, "Updates of the critics for each trial played.", above=0)
    actor_delay: int = option(
        2,
        "Updates of the critics for each update of the actor and the target networks.",
        least=1,
    )
    trace: float = option(
        0.9,
        "λ of the λ-returns that the critics learn (Watkins 1989): weight of the rest of the "
        "trajectory against the target critics' value of it, so that a reward at the end of a "
        "trial reaches its start at once. The trace is cut where the agent stopped and the target "
        "actor would not have, or the reverse. 0 is plain TD3.",
        least=0,
        most=1,
    )
    target_rate: float = option(
        0.005, "Share of the networks that the target networks take over.", least=0, most=1
    )
    target_noise: float = option(
        0.05, "Standard deviation of the noise on the target actor's actions.", least=0
    )
    target_clip: float = option(
        0.1, "Largest size of the noise on the target actor's actions.", least=0
    )
    saturation: float = option(
        0.05,
        "Cost of what enters the actor's tanh beyond ±2, squared and summed over components.",
        least=0,
    )
    stop_threshold: float = option(
        0.1,
        'Actions with all components below this size mean "stop", and neither smoothing nor '
        "exploration turns a stop into another action; 0 if there are no stops.",
        least=0,
    )
    imitation: float = option(
        2.0,
        "Weight β in phase I of the squared distance between the actor's actions and the "
        "remembered ones, relative to the mean size of the critic's values (TD3 with behaviour "
        "cloning, Fujimoto & Gu 2021).",
        least=0,
    )
    return_floor: float = option(
        0.02,
        "In phase I trajectories are drawn from memory in proportion to their return plus this "
        "number, so that rewarded behaviour is learned from (Oh et al. 2018). From phase II on all "
        "are drawn alike.",
        least=0,
    )
    memory: int = option(10_000, "Trajectories that are remembered, the newest ones.", least=1)
    learning_starts: int = option(
        400, "Trajectories to be remembered before learning starts.", least=1
    )
    mirror: bool = option(
        True,
        "Whether half of the trajectories are learned from as their mirror image, where the "
        "environment has one.",
    )
    exploration: tuple[float, float, float] = option(
        (0.8, 0.5, 0.4),
        "Standard deviation of the noise on actions in phases I, II and III.",
        least=0,
    )
    stop_chance: tuple[float, float, float] = option(
        (0.03, 0.04, 0.02),
        "Chance per step of a trial under way that the agent stops at random, in phases I, II and "
        "III. Noise on actions hardly ever meets the small region of stops, but the agent has to "
        "learn what a stop is worth.",
        least=0,
        most=1,
    )
    random_trials: float = option(
        0.5,
        "Share of the trials of phase I in which noise is drawn once and kept, and the agent stops "
        "at random: it reaches many places, and some are rewarded.",
        least=0,
        most=1,
    )
    random_trial_steps: float = option(
        12.0, "Mean number of steps until one of the random trials of phase I is stopped.", above=0
    )
    first_phase_reward: float = option(
        0.2, "Rewarded fraction in validation that ends phase I.", least=0, most=1
    )
    first_phase_every: int = option(100, "Trials of phase I between validations.", least=1)
    first_phase_trials: int = option(
        50_000, "Trials after which phase I ends at the latest.", least=0
    )
    final_phase_reward: float = option(
        0.8, "Rewarded fraction in validation that starts phase III.", least=0, most=1
    )
    validation_every: int = option(200, "Trials of phases II and III between validations.", least=1)
    validation_trials: int = option(
        300, "Trials of a validation, the same ones each time, without exploration.", least=1
    )
    validation_gains: tuple[float, ...] = option(
        (),
        "Gains to validate at, as in the published study, whose validation so used the gains of "
        "the test; by default validation uses the environment of training.",
        above=0,
    )

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)
        if self.memory < self.learning_starts:
            raise ValueError(f"memory must be at least learning_starts, {self.learning_starts}")

    @property
    def final_discount(self) -> float:
        """Discount γ, the same throughout."""
        return self.discount
