"""What a cognitive model is: a few lines that say how values change and how choices follow.

A model is written for one trial; `run` applies it to all trials of all subjects, from as many
parameter vectors side by side as a fit needs. All tensors are float64; `...` stands for leading
dimensions such as the starting points of a fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

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
    """One trial of all subjects.

    Attributes:
        choice: ``[S]`` int64; 0 where it is missing (nothing is scored or learned there).
        chosen: One-hot choices ``[S, K]``.
        reward: ``[S]``; 0 where it is missing.
        available: ``[S, K]`` of bool, or None: all arms.
        state2: Second-stage states ``[S]`` int64 from 0, or None; 0 where missing.
        choice2: Second-stage choices, likewise.
        first: Whether values started anew before this trial, ``[S]`` of bool.
        columns: Other numbers of the trial, ``[S]`` each, by the name of the column.
    """

    choice: Tensor
    chosen: Tensor
    reward: Tensor
    available: Tensor | None
    state2: Tensor | None
    choice2: Tensor | None
    first: Tensor
    columns: Mapping[str, Tensor]


class Model(Protocol):
    """A model of the chooser.

    Attributes:
        name: As users write it.
        parameters: Its parameters, in order.
        explains: Which choices its likelihood covers: ``choice``, or ``choice`` and ``choice2``.
        needs: Fields of `Behaviour`, or columns, that it cannot do without.
    """

    name: str
    parameters: tuple[Parameter, ...]
    explains: tuple[str, ...]
    needs: tuple[str, ...]

    def start(self, theta: Theta, behaviour: Behaviour) -> State:
        """Return the state before a first trial, tensors ``[..., S, ...]``."""
        ...

    def log_policy(self, theta: Theta, state: State, trial: Trial) -> Tensor:
        """Return log-probabilities of the arms before the choice, ``[..., S, K]``."""
        ...

    def log_policy2(self, theta: Theta, state: State, trial: Trial) -> Tensor:
        """Return those of the second stage, given the first choice and the state it led to."""
        ...

    def update(self, theta: Theta, state: State, trial: Trial) -> tuple[State, dict[str, Tensor]]:
        """Return the state after a trial, and what to record of it (``rpe``), ``[..., S]`` each.

        It is applied only where the trial is learned from.
        """
        ...


def log_softmax(preferences: Tensor, available: Tensor | None = None) -> Tensor:
    """Return log-probabilities ``[..., S, K]`` of a softmax over the arms that can be chosen."""
    if available is not None:
        preferences = preferences.masked_fill(~available, -torch.inf)
    return preferences.log_softmax(-1)
