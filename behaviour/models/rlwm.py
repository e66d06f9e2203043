"""Reinforcement learning and working memory side by side (stimulus-response learning)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
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
from prefrontal.behaviour.models.rescorla_wagner import with_lapse
from prefrontal.behaviour.table import Behaviour

SHARP = 20.0  # how sharp the corner of the memory's share is


@dataclass(frozen=True)
class WorkingMemory(Model):
    """RLWM: slow values and a fast memory that fades (Collins & Frank 2012).

    For stimulus s, K actions and n stimuli in the block, with Q and W from 1/K (in a fit, of the
    largest reward):

    - ``Q(s, a) += alpha (r - Q(s, a))``
    - ``W += phi (1/K - W)`` for all other pairs, and ``W(s, a) = r``
    - both are chosen by with a softmax of inverse temperature beta; memory has the weight
      ``rho min(1, C / n)``, and a part ``epsilon`` of choices is random.

    So that a likelihood has a maximum with a curvature where C = n, the corner of the minimum is
    rounded: ``-log(exp(-k) + exp(-k C / n)) / k`` with k = 20, 0.035 less than 1 at C = n.

    The table has the columns ``stimulus`` (from 0) and ``set_size`` (n), and starts anew at blocks
    whose stimuli are new. Rewards are from 0 to 1, or to the largest one.

    Attributes:
        largest: The largest reward; None: as found in a fit, 1 elsewhere.
    """

    largest: float | None = None
    name = "rlwm"
    needs = ("stimulus", "set_size")
    parameters = (
        Parameter("learning_rate", "unit"),
        Parameter("memory_decay", "unit"),
        Parameter("memory_weight", "unit"),
        Parameter("capacity", "positive", mean=1.0, variance=1.0),
        Parameter("inverse_temperature", "positive", mean=1.0, unit=-1),
        Parameter("lapse", "unit", mean=-3.0),
    )

    def in_unit(self, scale: float) -> WorkingMemory:
        """Return it for rewards of at most ``scale``."""
        return self if self.largest is not None else replace(self, largest=scale)

    def _even(self, arms: int) -> float:
        """Return what an action is worth of which nothing is known."""
        return (1.0 if self.largest is None else self.largest) / arms

    def start(self, theta: Theta, behaviour: Behaviour) -> State:
        """Return values and memory of all stimuli and actions ``[..., S, N, K]``.

        Raises:
            ValueError: Stimuli are not numbered.
        """
        stimulus = behaviour.columns["stimulus"][behaviour.present]
        known = stimulus[~np.isnan(stimulus.astype(float))]
        if not known.size or (known < 0).any() or (known % 1 != 0).any():
            raise ValueError("rlwm needs stimuli that are numbered from 0")
        size = int(known.max()) + 1
        value = self._even(behaviour.arms)
        return {
            "values": filled(theta, behaviour, size, behaviour.arms, value=value),
            "memory": filled(theta, behaviour, size, behaviour.arms, value=value),
        }

    def log_policy(self, theta: Theta, state: State, trial: Trial) -> Tensor:
        """Return the mixture of both softmaxes, with lapses."""
        arms = trial.chosen.shape[-1]
        scale = per_arm(theta["inverse_temperature"], arms)
        slow, fast = (
            log_softmax(scale * _seen(state[name], trial), trial.available).exp()
            for name in ("values", "memory")
        )
        share = theta["capacity"] / trial.columns["set_size"].clamp(min=1)
        share = torch.logaddexp(-SHARP * share, -SHARP * torch.ones_like(share)) / -SHARP
        weight = per_arm(theta["memory_weight"] * share, arms)
        return with_lapse(torch.lerp(slow, fast, weight), theta["lapse"], trial.available)

    def update(self, theta: Theta, state: State, trial: Trial) -> State:
        """Return values moved to the reward, and the memory that holds it."""
        values, memory = state["values"], state["memory"]
        arms, stimuli = trial.chosen.shape[-1], torch.arange(values.shape[-2])
        met = trial.columns["stimulus"].unsqueeze(-1) == stimuli
        here = met.unsqueeze(-1) & trial.chosen.bool().unsqueeze(-2)
        reward = trial.reward[..., None, None]
        learned = torch.lerp(values, reward, theta["learning_rate"][..., None, None])
        faded = torch.lerp(
            memory,
            torch.full_like(memory, self._even(arms)),
            theta["memory_decay"][..., None, None],
        )
        return {
            "values": torch.where(here, learned, values),
            "memory": torch.where(here, reward, faded),
        }

    def latents(self, theta: Theta, state: State, trial: Trial) -> dict[str, Tensor]:
        """Return the prediction error of the values."""
        return {"rpe": trial.reward - (_seen(state["values"], trial) * trial.chosen).sum(-1)}


def _seen(values: Tensor, trial: Trial) -> Tensor:
    """Return those of the stimulus of the trial ``[..., S, K]``, of ``[..., S, N, K]``."""
    index = trial.columns["stimulus"].long()[..., None, None]
    return torch.take_along_dim(values, index, -2).squeeze(-2)
