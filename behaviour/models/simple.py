"""Models without values: what any model of learning should be better than."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from prefrontal.behaviour.models.model import (
    Model,
    Parameter,
    State,
    Theta,
    Trial,
    filled,
    log_softmax,
    per_arm,
)
from prefrontal.behaviour.models.rescorla_wagner import bias_of_arms, biases
from prefrontal.behaviour.table import Behaviour


@dataclass(frozen=True)
class Random(Model):
    """Every arm that can be chosen is as likely; no parameters.

    Attributes:
        biased: Arms have a probability each, the same in all trials: a softmax of biases.
        arms: Number of arms K; only biases ask for it.
    """

    biased: bool = False
    arms: int = 2

    @property
    def name(self) -> str:
        """``random`` or ``biased-random``."""
        return "biased-random" if self.biased else "random"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """A bias towards each arm but the last."""
        return biases(self.arms) if self.biased else ()

    def log_policy(self, theta: Theta, state: State, trial: Trial) -> Tensor:
        """Return the softmax of the biases."""
        preferences = torch.zeros_like(trial.chosen)
        if self.biased:
            preferences = preferences + bias_of_arms(theta, trial.chosen.shape[-1])
        return log_softmax(preferences, trial.available)


@dataclass(frozen=True)
class WinStayLoseShift(Model):
    """Stay with the last arm after a win, leave it after a loss (Worthy & Maddox 2014).

    ``p(stay | win) = win_stay``, ``p(stay | loss) = 1 - lose_shift``; leaving, all other arms are
    as likely; and all arms before the first outcome. Where not all arms can be chosen, the
    probabilities of those that can are divided by their sum.

    Attributes:
        threshold: Rewards above it are wins, in the unit of rewards.
    """

    threshold: float = 0.0
    name = "wsls"
    parameters = (Parameter("win_stay", "unit"), Parameter("lose_shift", "unit"))

    def start(self, theta: Theta, behaviour: Behaviour) -> State:
        """Return no last arm (one-hot), and no win."""
        return {
            "last": filled(theta, behaviour, behaviour.arms),
            "won": filled(theta, behaviour),
        }

    def log_policy(self, theta: Theta, state: State, trial: Trial) -> Tensor:
        """Return the two probabilities of staying, or all arms alike."""
        last, won, arms = state["last"], state["won"], trial.chosen.shape[-1]
        stay = won * theta["win_stay"] + (1 - won) * (1 - theta["lose_shift"])
        stay = per_arm(stay, arms)
        p = stay * last + (1 - stay) * (1 - last) / (arms - 1)
        p = torch.where(last.any(-1, keepdim=True), p, 1 / arms)
        if trial.available is None:
            return p.log()
        p = (p * trial.available) / (p * trial.available).sum(-1, keepdim=True)
        # The logarithm of 0 is left out, not only replaced: it has no gradient.
        return p.masked_fill(~trial.available, 1.0).log().masked_fill(~trial.available, -torch.inf)

    def update(self, theta: Theta, state: State, trial: Trial) -> State:
        """Return the arm and whether it won."""
        won = (trial.reward > self.threshold).double()
        return {
            "last": trial.chosen.expand_as(state["last"]),
            "won": won.expand_as(state["won"]),
        }


@dataclass(frozen=True)
class PearceHall(Model):
    """Rescorla-Wagner whose rate follows surprise (Pearce & Hall 1980; hybrid of Li et al. 2011).

    For the arm chosen, with ``delta = r - Q``: ``Q += min(1, kappa A) delta``, then
    ``A += eta (|delta| - A)``; softmax with inverse temperature beta. Associabilities A are those
    of arms, and in the unit of rewards.

    Attributes:
        start_value: Value of all arms before the first reward, in the unit of rewards.
        start_associability: Likewise of A; None: the largest absolute reward in a fit, 1 elsewhere.
    """

    start_value: float = 0.0
    start_associability: float | None = None
    name = "pearce-hall"
    parameters = (
        Parameter("learning_rate", "unit", unit=-1),
        Parameter("associability_rate", "unit"),
        Parameter("inverse_temperature", "positive", unit=-1),
    )

    def in_unit(self, scale: float) -> PearceHall:
        """Return it with the first associability of rewards of at most ``scale``."""
        return (
            self
            if self.start_associability is not None
            else replace(self, start_associability=scale)
        )

    def start(self, theta: Theta, behaviour: Behaviour) -> State:
        """Return values and associabilities, the same for all arms."""
        arms, stated = behaviour.arms, self.start_associability
        first = 1.0 if stated is None else stated
        return {
            "values": filled(theta, behaviour, arms, value=self.start_value),
            "associability": filled(theta, behaviour, arms, value=first),
        }

    def prepare(self, theta: Theta, trials: Trial) -> dict[str, Tensor]:
        """Return the rates of the arm chosen; 0 of others."""
        arms = trials.chosen.shape[-1]
        return {
            "rate": per_arm(theta["learning_rate"], arms) * trials.chosen,
            "change": per_arm(theta["associability_rate"], arms) * trials.chosen,
            "reward": trials.reward.unsqueeze(-1),
        }

    def log_policy(self, theta: Theta, state: State, trial: Trial) -> Tensor:
        """Return the softmax of the values."""
        values = state["values"]
        scale = per_arm(theta["inverse_temperature"], values.shape[-1])
        return log_softmax(scale * values, trial.available)

    def update(self, theta: Theta, state: State, trial: Trial) -> State:
        """Return values and associabilities after the outcome."""
        values, associability, made = state["values"], state["associability"], trial.prepared
        delta = made["reward"] - values
        rate = (made["rate"] * associability).clamp(max=1.0)
        return {
            "values": torch.addcmul(values, rate, delta),
            "associability": torch.lerp(associability, delta.abs(), made["change"]),
        }

    def latents(self, theta: Theta, state: State, trial: Trial) -> dict[str, Tensor]:
        """Return the prediction error."""
        return {"rpe": trial.reward - (state["values"] * trial.chosen).sum(-1)}
