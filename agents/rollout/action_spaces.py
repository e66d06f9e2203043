"""Actions of an environment as agents take them: numbered from 0, flat, many at once."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np
from gymnasium import spaces

from prefrontal.agents.common.actions import Actions, choice
from prefrontal.agents.common.errors import ConfigError


class ActionSpace:
    """Actions of a space, for agents and back.

    Choices are numbered from 0, whatever the environment's own numbers are; bits and numbers are
    flat, and numbers are clipped to the bounds they have.

    Args:
        space: Discrete, MultiDiscrete, MultiBinary or Box of floats.
        name: Of the environment, for messages.

    Raises:
        ConfigError: It is another space, or an empty one.

    Attributes:
        actions: What actions there are.
        flat: The space of flat actions, numbered from 0.
    """

    def __init__(self, space: Any, name: str) -> None:
        self.space, self.actions = space, actions_of(space, name)
        self.flat = _flat_space(self.actions)
        self._first = np.ravel(getattr(space, "start", 0))
        self._low, self._high = (np.array(ends, np.float32) for ends in self.actions.limits)
        self._bounded = np.isfinite(self._low) & np.isfinite(self._high)

    def checked(self, action: Any) -> np.ndarray:
        """Return one action as an array, ``[]`` or ``[A]``.

        Raises:
            ValueError: There is no such action.
        """
        given = np.asarray(action)
        if given.shape != self.actions.shape:
            raise ValueError(f"actions must have shape {self.actions.shape}, not {given.shape}")
        sizes = np.array(self.actions.sizes)
        if not len(sizes):
            if not np.isfinite(given).all():
                raise ValueError(f"actions must be finite numbers, not {given}")
            return given
        chosen = given.astype(np.int64)
        if (chosen < 0).any() or (chosen >= sizes).any():
            most = ", ".join(str(size - 1) for size in sizes)
            raise ValueError(f"actions must be 0 ... {most}, not {given}")
        return chosen

    def own(self, actions: np.ndarray) -> Any:
        """Return actions ``[m]`` or ``[m, A]`` as the environment takes them, a row each."""
        if self.actions.discrete:
            return actions + self._first[0]
        if not self.actions.sizes:
            actions = np.clip(actions, self._low, self._high)
        moved = (actions + self._first).reshape(len(actions), *self.space.shape)
        return moved.astype(self.space.dtype)

    def each(self, actions: np.ndarray) -> list[Any]:
        """Return actions ``[m]`` or ``[m, A]`` one by one as the environment takes them."""
        own = self.own(actions)
        return own.tolist() if self.actions.discrete else list(own)

    def inputs(self, actions: np.ndarray) -> np.ndarray:
        """Return actions ``[m]`` or ``[m, A]`` as agents are shown them, ``[m, W]``.

        Choices are one-hot, numbers are scaled from their bounds to -1 ... 1 (clipped alone where
        they do not have both; 0 where these are equal).
        """
        if self.actions.discrete:
            return np.eye(self.actions.sizes[0], dtype=np.float32)[actions]
        if self.actions.sizes:
            each = zip(self.actions.sizes, actions.T, strict=True)
            return np.concatenate([np.eye(n, dtype=np.float32)[chosen] for n, chosen in each], 1)
        clipped = np.clip(actions, self._low, self._high)
        low, high = (np.where(self._bounded, ends, 0) for ends in (self._low, self._high))
        span = np.where(high > low, high - low, 1)
        return np.where(self._bounded, (2 * clipped - low - high) / span, clipped)


def actions_of(space: Any, name: str) -> Actions:
    """Return what actions a space has, as data.

    Args:
        space: Discrete, MultiDiscrete, MultiBinary or Box.
        name: Of the environment, for messages.

    Raises:
        ConfigError: It is another space, or an empty one.
    """
    if isinstance(space, spaces.Discrete):
        return choice(int(space.n))
    if isinstance(space, spaces.MultiDiscrete | spaces.MultiBinary) and np.prod(space.shape) > 0:
        sizes = space.nvec if isinstance(space, spaces.MultiDiscrete) else np.full(space.shape, 2)
        return Actions(tuple(int(n) for n in np.ravel(sizes)), single=False)
    numbers = isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.floating)
    if numbers and np.prod(space.shape) > 0:
        ends = list(zip(np.ravel(space.low).tolist(), np.ravel(space.high).tolist(), strict=True))
        return Actions(
            low=tuple(_finite(*one) for one in ends),
            high=tuple(_finite(high, low) for low, high in ends),
            bounds=_bounds(ends),
        )
    raise ConfigError(
        f"{name} has actions {' '.join(repr(space).split())[:80]}; agents choose among options "
        "(Discrete, MultiDiscrete, MultiBinary) or give numbers (Box of floats): wrap the "
        "environment in a class of yours that flattens them (gymnasium.ActionWrapper), and train "
        "FILE.py:CLASS"
    )


def _finite(end: float, other: float) -> float:
    """Return one end of a number, or the other one where it has none."""
    return next((x for x in (end, other) if isfinite(x)), 0.0)


def _bounds(ends: Sequence[tuple[float, float]]) -> tuple[str, ...]:
    """Return which ends of each number count; nothing where `Actions` sees it by itself."""
    names = {(True, True): "both", (True, False): "low", (False, True): "high"}
    kinds = [names.get((isfinite(low), isfinite(high)), "none") for low, high in ends]
    plain = all(
        kind == "none" or (kind == "both" and low < high)
        for kind, (low, high) in zip(kinds, ends, strict=True)
    )
    return () if plain else tuple(kinds)


def _flat_space(actions: Actions) -> spaces.Space[Any]:
    """Return the space of flat actions, numbered from 0."""
    if actions.discrete:
        return spaces.Discrete(actions.sizes[0])
    if actions.sizes:
        return spaces.MultiDiscrete(list(actions.sizes))
    low, high = (np.array(ends, np.float32) for ends in actions.limits)
    return spaces.Box(low, high, dtype=np.float32)
