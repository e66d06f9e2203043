"""What a cognitive model is: a few lines that say how values change and how choices follow.

A model is written for one trial; `run` applies it to all trials of all subjects, from as many
parameter vectors side by side as a fit needs. All tensors are float64; `...` stands for leading
dimensions such as the starting points of a fit.

Only `update` goes from trial to trial. What depends on one state alone (`log_policy`, `latents`)
or on none (`prepare`) is computed for all trials in one call, time being one more leading
dimension, and so must be written with operations that broadcast.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from prefrontal.behaviour.table import Behaviour

State = dict[str, Tensor]
Theta = Mapping[str, Tensor]  # parameters by name, each [..., S]


@dataclass(frozen=True)
class Parameter:
    """A parameter of a model, and what is known of it before any data.

    Attributes:
        name: Its name, as users write it.
        transform: From the real line to its range: ``unit`` (0 to 1, logistic), ``positive``
            (exponential) or ``real``.
        mean: Prior mean, before the transform.
        variance: Prior variance, before the transform; 6.25 as in Piray et al. (2019).
        unit: Power of the unit of reward that it has: 0 for a rate, -1 for an inverse temperature,
            1 for what is added to a value.
    """

    name: str
    transform: Literal["unit", "positive", "real"] = "real"
    mean: float = 0.0
    variance: float = 6.25
    unit: int = 0

    def constrained(self, raw: Tensor) -> Tensor:
        """Return values in the parameter's range from real numbers."""
        if self.transform == "unit":
            return raw.sigmoid()
        return raw.exp() if self.transform == "positive" else raw

    def raw(self, value: Tensor) -> Tensor:
        """Return real numbers from values in the range; the inverse of `constrained`."""
        if self.transform == "unit":
            return value.logit()
        return value.log() if self.transform == "positive" else value


class Trial(NamedTuple):
    """One trial of all subjects; where a method takes all trials at once, ``[T, 1..., S, ...]``.

    Attributes:
        choice: ``[S]`` int64; 0 where it is missing (nothing is scored or learned there).
        chosen: One-hot choices ``[S, K]``; zeros where missing.
        reward: ``[S]``; 0 where it is missing.
        previous: One-hot choice before this one ``[S, K]``; zeros where values start anew.
        first: Whether values start anew before this trial, ``[S]`` of bool.
        available: ``[S, K]`` of bool, or None: all arms.
        state2: Second-stage states ``[S]`` int64 from 0, or None; 0 where missing.
        choice2: Second-stage choices, likewise.
        columns: Other numbers of the trial, ``[S]`` each, by the name of the column.
        prepared: What the model's `prepare` made, ``[..., S, ...]`` each.
    """

    choice: Tensor
    chosen: Tensor
    reward: Tensor
    previous: Tensor
    first: Tensor
    available: Tensor | None = None
    state2: Tensor | None = None
    choice2: Tensor | None = None
    columns: Mapping[str, Tensor] = {}
    prepared: Mapping[str, Tensor] = {}


class Model:
    """A model of the chooser; derive yours from it.

    Attributes:
        name: As users write it.
        parameters: Its parameters, in order.
        explains: Which choices its likelihood covers: ``choice``, or ``choice`` and ``choice2``.
        needs: Fields of `Behaviour`, or columns, that it cannot do without.
    """

    @property
    def name(self) -> str:
        """By default that of the class; like the others, a class may set it: ``name = "mine"``."""
        return type(self).__name__

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """By default none: ``parameters = (Parameter("rate", "unit"),)`` sets one."""
        return ()

    @property
    def explains(self) -> tuple[str, ...]:
        """By default the choice, and none at a second stage."""
        return ("choice",)

    @property
    def needs(self) -> tuple[str, ...]:
        """By default nothing but choices and rewards."""
        return ()

    def in_unit(self, scale: float) -> Model:
        """Return it with what its defaults are where rewards are at most ``scale``, not 1.

        Fits ask for it, so that the unit of rewards does not matter. By default it is the model as
        it is: that of models without constants in the unit of rewards.
        """
        return self

    def start(self, theta: Theta, behaviour: Behaviour) -> State:
        """Return the state before a first trial, tensors ``[..., S, ...]``; by default none."""
        return {}

    def prepare(self, theta: Theta, trials: Trial) -> dict[str, Tensor]:
        """Return what `update` needs of a trial and no state enters, all trials at once."""
        return {}

    def log_policy(self, theta: Theta, state: State, trial: Trial) -> Tensor:
        """Return log-probabilities of the arms before the choice, ``[..., S, K]``."""
        raise NotImplementedError

    def log_policy2(self, theta: Theta, state: State, trial: Trial) -> Tensor:
        """Return those of the second stage, given the first choice and the state it led to."""
        raise NotImplementedError

    def update(self, theta: Theta, state: State, trial: Trial) -> State:
        """Return the state after a trial; applied only where the trial is learned from."""
        return state

    def latents(self, theta: Theta, state: State, trial: Trial) -> dict[str, Tensor]:
        """Return what else to report of a trial, such as ``rpe``, ``[..., S]`` each."""
        return {}

    def theta(self, raw: Tensor) -> dict[str, Tensor]:
        """Return parameters in their ranges, by name, from real numbers ``[..., S, P]``."""
        columns = zip(self.parameters, raw.unbind(-1), strict=True)
        return {one.name: one.constrained(column) for one, column in columns}

    def raw(self, theta: Mapping[str, object]) -> Tensor:
        """Return real numbers ``[..., S, P]`` from parameters by name; inverse of `theta`."""
        values = [torch.as_tensor(theta[one.name], dtype=torch.float64) for one in self.parameters]
        parts = zip(self.parameters, torch.broadcast_tensors(*values), strict=True)
        return torch.stack([one.raw(value) for one, value in parts], -1)


def filled(theta: Theta, behaviour: Behaviour, *size: int, value: float = 0.0) -> Tensor:
    """Return ``[..., S, *size]`` of one value: a start for all parameter vectors and subjects."""
    lead = next(iter(theta.values())).shape[:-1] if theta else ()
    return torch.full((*lead, len(behaviour), *size), value, dtype=torch.float64)


def per_arm(value: Tensor, arms: int) -> Tensor:
    """Return ``[..., S]`` as ``[..., S, K]``, the same for each arm.

    It is ``value[..., None]``, and its gradient is ten times faster where time is put before it.
    """
    return value.unsqueeze(-1).expand(*value.shape, arms)


def log_softmax(preferences: Tensor, available: Tensor | None = None) -> Tensor:
    """Return log-probabilities ``[..., S, K]`` of a softmax over the arms that can be chosen."""
    if available is not None:
        preferences = preferences.masked_fill(~available, -torch.inf)
    return preferences.log_softmax(-1)
