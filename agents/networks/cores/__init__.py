"""What a core is, and the cores of the package, one file each.

A core is the recurrent part of a network for **one** member, in plain PyTorch: an `nn.Module` made
by ``Core(input_size, hidden_size, **own)``, where `own` are settings of the core, keyword arguments
with defaults (`NetworkConfig.core_kwargs`). It has two methods,

- ``initial_state(batch)``: the state at the start of an episode, a tuple of tensors ``[B, ...]`` of
  any shape (vectors, matrices of plastic weights, caches); an empty tuple if there is none;
- ``forward(x, state)``: from inputs ``[B, I]`` and the state to features ``[B, hidden_size]`` and
  the next state, of the same shapes. It keeps nothing on the object and draws no random numbers.

It may have more:

- ``initialise(generator, input_gain, forget_bias)`` draws the weights; otherwise its constructor
  does, with PyTorch's generator seeded for each member;
- ``drive(x, state)``, what reaches the units, ``[B, N]``, and ``advance(pre, state)``, what they
  make of it: two halves of ``forward``. The past enters `drive` through the weights, and `advance`
  through what stays in a unit. Rules that cut the first path (e-prop) or disturb the units (node
  perturbation) need them;
- ``sequence(xs, state)``: features ``[T, B, hidden_size]`` of all steps ``[T, B, I]`` at once, in
  place of T calls of `forward`, where that is faster; the state is None for the initial one;
- ``reset(state)``: the state with its activity set back where a trial starts (`reset_at` "trial"),
  while what outlasts a trial is kept; without it all of the state is set back.

A population runs as one: `prefrontal.agents.networks.vectorised` maps the module over members with
`torch.func`. Make a core known by `prefrontal.agents.networks.config.register_core`.
"""

from __future__ import annotations

import importlib
import inspect
import typing
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from prefrontal.agents.common.errors import ConfigError, did_you_mean
from prefrontal.agents.networks.config import CORES
from prefrontal.checking import checked

State = tuple[Tensor, ...]


def make_core(
    name: str, input_size: int, hidden_size: int, own: Mapping[str, Any] | None = None
) -> Any:
    """Return a core by its name in `CORES`, for one member.

    Args:
        name: Its name.
        input_size: Inputs I a step.
        hidden_size: Features H.
        own: Settings of the core.

    Raises:
        ConfigError: The core has no such setting, or not with such a value or size.
    """
    made, own = core_class(name), own or {}
    taken = dict(list(inspect.signature(made.__init__).parameters.items())[3:])
    hints = typing.get_type_hints(made.__init__) if own else {}
    given = {}
    for key, value in own.items():
        if key not in taken:
            hint = did_you_mean(key, taken) if taken else ": it has no settings"
            raise ConfigError(f"the core {name} has no setting {key!r}{hint}")
        try:
            given[key] = checked(value, hints.get(key, Any), key)
        except ValueError as error:
            raise ConfigError(f"the core {name}: {error}") from error
    try:
        return made(input_size, hidden_size, **given)
    except ValueError as error:
        raise ConfigError(f"the core {name}: {error}") from error


def sized(name: str, value: int, least: int = 1, most: int | None = None) -> int:
    """Return a size of a core, checked.

    Raises:
        ValueError: It is less than `least` or more than `most`.
    """
    if value < least or (most is not None and value > most):
        allowed = f"at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name} must be {allowed}, not {value}")
    return value


def uniform(part: Tensor, fan_in: int, generator: torch.Generator) -> None:
    """Draw weights uniformly in ±1/√(fan-in), in place."""
    with torch.no_grad():
        part.copy_((2 * torch.rand(part.shape, generator=generator) - 1) * fan_in**-0.5)


def at_once(kind: type) -> bool:
    """Return whether a core's `sequence` computes what its steps do.

    A class that changes a step of the one that it derives from, and not the sequence, has none.
    """
    for one in kind.__mro__:
        if "sequence" in vars(one):
            return True
        if vars(one).keys() & {"forward", "drive", "advance", "initial_state"}:
            return False
    return False


def core_class(name: str) -> Any:
    """Return the class of a core by its name in `CORES`."""
    made = CORES[name]
    if isinstance(made, str):
        module, _, attribute = made.partition(":")
        made = getattr(importlib.import_module(module), attribute)
    return made
