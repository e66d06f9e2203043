"""Inference on which arm is the good one, where the good one changes (reversals)."""

from __future__ import annotations

from dataclasses import dataclass

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
from prefrontal.behaviour.table import Behaviour


@dataclass(frozen=True)
class HiddenState(Model):
    """Bayesian belief on which of K arms is good (Hampton, Bossaerts & O'Doherty 2006).

    The good arm wins with probability ``(1 + c) / 2``, the others with ``(1 - c) / 2``. Beliefs
    ``b(k)`` are multiplied by the likelihood of the outcome if k is good, and divided by their
    sum; then the good arm changes with hazard h, to each of the others alike:
    ``b(k) <- (1 - h) b(k) + h (1 - b(k)) / (K - 1)``. Softmax of ``beta b(k)``; b starts at 1/K.

    Attributes:
        threshold: Rewards above it are wins, in the unit of rewards.
    """

    threshold: float = 0.0
    name = "hidden-state"
    parameters = (
        Parameter("hazard", "unit", mean=-2.0),
        Parameter("contrast", "unit"),
        Parameter("inverse_temperature", "positive"),
    )

    def start(self, theta: Theta, behaviour: Behaviour) -> State:
        """Return the same belief for all arms."""
        return {"belief": filled(theta, behaviour, behaviour.arms, value=1 / behaviour.arms)}

    def prepare(self, theta: Theta, trials: Trial) -> dict[str, Tensor]:
        """Return the likelihood of the outcome if each arm is the good one ``[T, ..., S, K]``."""
        arms = trials.chosen.shape[-1]
        won = (trials.reward > self.threshold).double().unsqueeze(-1)
        sign = (2 * trials.chosen - 1) * (2 * won - 1)  # 1: speaks for the arm, -1: against it
        likelihood = (1 + sign * per_arm(theta["contrast"], arms)) / 2
        others = theta["hazard"] / (arms - 1)
        kept = 1 - theta["hazard"] - others
        return {
            "likelihood": likelihood,
            "kept": per_arm(kept, arms).expand_as(likelihood),
            "others": per_arm(others, arms).expand_as(likelihood),
        }

    def log_policy(self, theta: Theta, state: State, trial: Trial) -> Tensor:
        """Return the softmax of the beliefs."""
        belief = state["belief"]
        scale = per_arm(theta["inverse_temperature"], belief.shape[-1])
        return log_softmax(scale * belief, trial.available)

    def update(self, theta: Theta, state: State, trial: Trial) -> State:
        """Return the belief for the next trial."""
        joint = state["belief"] * trial.prepared["likelihood"]
        posterior = joint / joint.sum(-1, keepdim=True)
        kept, others = trial.prepared["kept"], trial.prepared["others"]
        return {"belief": torch.addcmul(others, kept, posterior)}

    def latents(self, theta: Theta, state: State, trial: Trial) -> dict[str, Tensor]:
        """Return the surprise at the outcome: a win is 1, a loss 0, less what was expected."""
        believed = (state["belief"] * trial.chosen).sum(-1)
        expected = (1 + theta["contrast"] * (2 * believed - 1)) / 2
        return {"rpe": (trial.reward > self.threshold).double() - expected}
