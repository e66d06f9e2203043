"""Looking into a trained core: its units held or driven while it runs, and its step by itself.

`Intervention` changes the activity of some units after every step: lesions (held at 0), clamps
(held at another value) and stimulation (something is added). `CoreStep` is one step of a core at
constant inputs, as a function of its state alone, for `prefrontal.analysis.dynamics`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.networks.cores import State

LARGEST = 1000.0  # activity that a unit is held at or driven by, at most
_UNITS = re.compile(r"random:(\d+)(?:=(\S+))?|(\d+)(?:=(\S+))?")


@dataclass(frozen=True)
class Intervention:
    """What is done to hidden units after every step of an episode.

    A unit's activity is changed in the features that heads read, and in the first part of the state
    that has a number for each unit, by which it reaches the others in the next step. (The caches of
    attention have none: there, only what is read out is changed.)

    Attributes:
        held: Unit to the activity that it is held at; 0 is a lesion.
        added: Unit to what is added to its activity.
    """

    held: Mapping[int, float] = field(default_factory=dict)
    added: Mapping[int, float] = field(default_factory=dict)

    def __call__(self, features: Tensor, state: State) -> tuple[Tensor, State]:
        """Return features ``[B, H]`` and the state with the units changed."""
        units = features.shape[1]
        parts = list(state)
        for index, part in enumerate(parts):
            if part.shape[1:].numel() == units:
                parts[index] = self._changed(part.flatten(1)).view(part.shape)
                break
        return self._changed(features), tuple(parts)

    def _changed(self, activity: Tensor) -> Tensor:
        units = activity.shape[1]
        add, keep, hold = torch.zeros(units), torch.ones(units), torch.zeros(units)
        for unit, value in self.added.items():
            add[unit] = value
        for unit, value in self.held.items():
            keep[unit], hold[unit], add[unit] = 0.0, value, 0.0
        return activity * keep.to(activity) + (add + hold).to(activity)

    def require_units(self, units: int) -> None:
        """Check that there are such units.

        Raises:
            ConfigError: There are only `units`.
        """
        if wrong := [unit for unit in {*self.held, *self.added} if not 0 <= unit < units]:
            raise ConfigError(f"there is no unit {wrong[0]}: the core has units 0 to {units - 1}")


def units_of(text: str, units: int, value: float, seed: int = 0) -> dict[int, float]:
    """Return units and their values from words.

    Args:
        text: ``3,7,12``, or ``3=0.5,7=-1`` with values, or ``random:8`` (``random:8=0.5``) for so
            many that are drawn.
        units: Number of units H of the core.
        value: Of units without one.
        seed: Of the units that are drawn.

    Raises:
        ConfigError: The text is none of these, or there are no such units.
    """
    found: dict[int, float] = {}
    for word in text.replace(" ", "").split(","):
        match = _UNITS.fullmatch(word)
        try:
            count, drawn, unit, given = match.groups() if match else ("", "", "", "")
            worth = value if (drawn or given) is None else float(drawn or given or "")
            if not abs(worth) <= LARGEST:
                raise ValueError
        except ValueError:
            raise ConfigError(
                f"units are written 3,7,12, with values up to {LARGEST:g} 3=0.5,7=-1, or random:8, "
                f"not {text!r:.80}"
            ) from None
        chosen = [int(unit)] if unit else []
        if count:
            if not 1 <= int(count) <= units:
                raise ConfigError(f"random:{count} units: the core has {units}")
            order = np.random.default_rng(seed).permutation(units)
            chosen = order[: int(count)].tolist()
        found |= dict.fromkeys(chosen, worth)
    Intervention(found).require_units(units)
    return dict(sorted(found.items()))


def with_intervention(model: ActorCritic, change: Intervention) -> ActorCritic:
    """Return a copy of networks whose first core (the actor's) is changed while it runs.

    Raises:
        ConfigError: The core has no such units.
    """
    change.require_units(model.config.hidden_size)
    made = _plain(model, model.members, model.parameters)
    made.nets[0].plain.module.intervention = change
    return made


def intervened(population: Any, change: Intervention) -> Any:
    """Return a copy of trained agents (or of one) whose units are changed while they act.

    It plays, records and predicts as the original does; weights and what it saves are the same, and
    learning goes on without the change.

    Args:
        population: Agents of recurrent actor-critics or Q-networks, as `prefrontal.load` returns.
        change: What is done to which units.

    Raises:
        ConfigError: These agents have no such core, or no such units.
    """
    if not isinstance(getattr(population, "model", None), ActorCritic):
        raise ConfigError(
            "units are held or driven in recurrent actor-critics and Q-networks alone, which these "
            "agents are not"
        )
    made = copy.copy(population)
    made.model = with_intervention(population.model, change)
    made.part = partial(_part_of, population, change)
    return made


def _part_of(
    population: Any, change: Intervention, indices: Sequence[int], kind: Any = None
) -> Any:
    """Return some members of a changed population, changed as well."""
    return intervened(population.part(indices, *([] if kind is None else [kind])), change)


class CoreStep:
    """One step of a member's core at constant inputs, from states ``[B, S]`` to the next ones.

    A state is what the core carries to its next step (of an LSTM h and c), all parts side by side.
    It is differentiable, in float64.

    Args:
        model: Networks of a population (`Population.model`).
        inputs: What it is given at every step ``[I]``: observation and further inputs.
        member: Which member, 0 ... P - 1.
        net: Which network, 0 the actor or the one that both share, 1 the critic.

    Attributes:
        size: Numbers S of a state.

    Raises:
        ConfigError: The inputs are not ``[I]``, or the core has no state.
    """

    def __init__(
        self, model: ActorCritic, inputs: np.ndarray | Tensor, member: int = 0, net: int = 0
    ) -> None:
        given = torch.as_tensor(inputs, dtype=torch.float64)
        if given.shape != (model.input_size,):
            raise ConfigError(
                f"inputs must be {model.input_size} numbers, those of one step, not "
                f"{list(given.shape)}"
            )
        alone = _plain(model, 1, model.parameters[[member]], torch.float64)
        alone.nets[0].plain.module.intervention = model.nets[0].plain.module.intervention
        self._net, self._inputs = alone.nets[net], given
        self._views = self._net.plain.views(self._net.parameters)
        self.initial = self._net.initial_state(1)
        self.shapes = [part.shape[2:] for part in self.initial]
        self.size = sum(shape.numel() for shape in self.shapes)
        if not self.size:
            raise ConfigError(f"the core {model.config.core} has no state that could come to rest")

    def flat(self, state: State) -> Tensor:
        """Return parts of a state ``[..., B, ...]`` of one member as ``[B, S]``."""
        parts = [part.reshape(-1, shape.numel()) for part, shape in self._each(state)]
        return torch.cat(parts, 1).to(torch.float64)

    def _each(self, state: State) -> list[tuple[Tensor, torch.Size]]:
        return list(zip(state, self.shapes, strict=True))

    def _stepped(self, states: Tensor) -> tuple[Tensor, Tensor, State]:
        sizes = [shape.numel() for shape in self.shapes]
        parts = states.split(sizes, 1)
        now = tuple(part.unflatten(1, shape)[None] for part, shape in self._each(parts))
        x = self._inputs.expand(1, len(states), -1)
        return self._net.plain.step(self._views, x, now)

    def __call__(self, states: Tensor) -> Tensor:
        """Return the next states ``[B, S]``."""
        return self.flat(self._stepped(states)[2])

    def read(self, states: Tensor) -> Tensor:
        """Return what the heads say after a step from these states ``[B, O]``: policy first."""
        return self._stepped(states)[0][0]


def _plain(
    model: ActorCritic, members: int, weights: Tensor, dtype: torch.dtype | None = None
) -> ActorCritic:
    """Return a copy in plain PyTorch."""
    sizes = model.input_size, model.num_actions, model.config, members
    kind = dtype or model.dtype, model.device, model.rows
    made = ActorCritic(*sizes, *kind, plain=True, actions=model.policy.actions)
    made.set_parameters(weights.to(made.dtype))
    return made
