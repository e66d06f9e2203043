"""Any Gymnasium environment as recurrent agents see it, one episode at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium import spaces

from prefrontal.agents.common.actions import Actions, choice
from prefrontal.agents.common.errors import (
    ConfigError,
    PrefrontalError,
    TrainingError,
    did_you_mean,
)
from prefrontal.agents.common.user_files import blamed, place_of
from prefrontal.agents.networks.parts import Part
from prefrontal.agents.rollout.meta_episodes import MetaEpisodes
from prefrontal.agents.rollout.spec import in_order

_INPUTS = ("action", "reward", "time", "trial_start")
_FIVE = "step must return (observation, reward, terminated, truncated, info)"
_MOST = 1_000_000  # numbers in an observation
_STACKED = (
    "images of one frame have 2 or 3 dimensions: leave a stack of frames out, agents have a memory"
)


class MetaInputs(gymnasium.Wrapper[np.ndarray, Any, Any, Any]):
    """An environment as recurrent agents see it: flat observations, followed by chosen inputs.

    Observations are flattened as `gymnasium.spaces.flatten` does: discrete ones become one-hot,
    those of a Dict or Tuple follow each other. Bytes (uint8, or other unsigned integers) and images
    are scaled from their bounds to 0 ... 1; `parts` says where images are. Actions are flat too:
    one choice, several (MultiDiscrete, MultiBinary), or numbers (Box). Choices are numbered from 0,
    whatever the environment's own numbers are.

    Args:
        env: An environment with observations that are Box, Discrete, MultiBinary, MultiDiscrete, or
            a Dict or Tuple of these, with such actions (no Dict or Tuple) and a time limit.
        inputs: What follows the observation, in this order: any of `action` (the previous one:
            choices one-hot, numbers scaled from their bounds to -1 ... 1), `reward` (the previous
            one), `time` (share of the time limit), and of `MetaEpisodes` `trial_start` (1 at the
            first step of an inner episode, else 0).

    Raises:
        ConfigError: The environment has other spaces, or no time limit, or there is no such
            input.

    Attributes:
        inputs: Names of the inputs.
        input_slices: Where in an observation each input lies.
        steps: Longest episode (the time limit of the environment).
        parts: What the observation is made of.
        actions: What actions there are.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], inputs: Sequence[str] = ()) -> None:
        if not isinstance(env, gymnasium.Env):
            raise ConfigError(f"MetaInputs takes an environment of Gymnasium's, not {_short(env)}")
        super().__init__(env)
        self.id = name = env.spec.id if env.spec is not None else type(env.unwrapped).__name__
        self.inputs = in_order(inputs)
        for one in self.inputs:
            if one == "trial_start" and not isinstance(env, MetaEpisodes):
                raise ConfigError(
                    f"input 'trial_start' is not available for {name}: environments that are not "
                    "ours do not say where their trials start (those of --meta-episodes do)"
                )
            if one not in _INPUTS:
                raise ConfigError(
                    f"input {one!r} is not available for {name}{did_you_mean(one, _INPUTS)}"
                )
        limit = _time_limit(env)
        if not limit:
            raise ConfigError(
                f"{name} has no time limit; give one: --env-kwargs max_episode_steps=STEPS (or "
                "gymnasium.wrappers.TimeLimit)"
            )
        self.actions = actions_of(env.action_space, name)
        if why := _unfit(env.observation_space):
            raise ConfigError(f"{name} has observations {_short(env.observation_space)}; {why}")
        self.parts = tuple(_parts(env.observation_space))
        self.steps, self._played = int(limit), env.action_space
        self.action_space = _flat_actions(self.actions)
        self._first = np.ravel(getattr(env.action_space, "start", 0))
        size = spaces.flatdim(env.observation_space)
        widths = {"action": self.actions.width, "reward": 1, "time": 1, "trial_start": 1}
        self.input_slices = {"observation": slice(0, size)}
        for one in self.inputs:
            self.input_slices[one] = slice(size, size + widths[one])
            size += widths[one]
        if not 0 < size <= _MOST:
            raise ConfigError(
                f"{name} has observations {_short(env.observation_space)}, {size:,} numbers with "
                f"their inputs; there must be 1 to {_MOST:,}"
            )
        self.observation_space = spaces.Box(-np.inf, np.inf, (size,), np.float32)
        self._t, self._seed = 0, "no seed"

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode, with inputs of zero.

        Raises:
            TrainingError: The environment raises, or returns no observation of its space.
        """
        self._t, self._seed = 0, "no seed" if seed is None else f"seed {seed}"
        result = self._call(self.env.reset, seed=seed, options=options)
        if not isinstance(result, tuple) or len(result) != 2:
            self._blame("reset must return (observation, info)", result)
        observation, info = result
        return self._seen(observation, {"trial_start": np.float32(1)}), info

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Take one step with an action of `action_space`.

        Raises:
            ValueError: There is no such action.
            TrainingError: The environment raises, or returns something that nobody can learn from.
        """
        chosen = self._checked(action)
        self._t += 1
        result = self._call(self.env.step, self._own(chosen))
        if not isinstance(result, tuple) or len(result) != 5:
            self._blame(_FIVE, result)
        observation, reward, ended, cut, info = result
        if not _is_number(reward):
            self._blame("the reward must be a finite number", reward)
        for flag in (ended, cut):
            if np.ndim(flag) or flag not in (True, False):
                self._blame("terminated and truncated must be true or false", flag)
        inputs = {"action": self._as_input(chosen), "reward": np.float32(reward)}
        inputs["time"] = np.float32(self._t / self.steps)
        inputs["trial_start"] = np.float32("trial_start" in self.inputs and info["trial_start"])
        return self._seen(observation, inputs), float(reward), bool(ended), bool(cut), info

    # ACTIONS

    def _checked(self, action: Any) -> np.ndarray:
        """Return an action as an array ``[A]``; raise ValueError if it is none."""
        actions = self.actions
        given = np.asarray(action)
        if given.shape != actions.shape:
            raise ValueError(f"actions must have shape {actions.shape}, not {given.shape}")
        if not actions.sizes:
            if not np.isfinite(given).all():
                raise ValueError(f"actions must be finite numbers, not {_short(action)}")
            low, high = (np.array(ends, np.float32) for ends in (actions.low, actions.high))
            return np.where(high > low, np.clip(given, low, high), given).astype(np.float32)
        chosen = given.ravel().astype(np.int64)
        if (chosen < 0).any() or (chosen >= actions.sizes).any():
            most = ", ".join(str(size - 1) for size in actions.sizes)
            raise ValueError(f"actions must be 0 ... {most}, not {_short(action)}")
        return chosen

    def _own(self, chosen: np.ndarray) -> Any:
        """Return an action ``[A]`` as the environment takes it."""
        space = self._played
        if isinstance(space, spaces.Discrete):
            return int(chosen[0] + self._first[0])
        return (chosen + self._first).reshape(space.shape).astype(space.dtype)

    def _as_input(self, chosen: np.ndarray) -> np.ndarray:
        """Return an action ``[A]`` as agents see it: one-hot choices, or numbers of -1 ... 1."""
        actions = self.actions
        if actions.sizes:
            return np.concatenate(
                [np.eye(n)[k] for n, k in zip(actions.sizes, chosen, strict=True)]
            )
        low, high = (np.array(ends, np.float32) for ends in (actions.low, actions.high))
        span = np.where(high > low, high - low, 1)
        return np.where(high > low, 2 * (chosen - low) / span - 1, chosen)

    def _seen(self, observation: Any, inputs: dict[str, Any]) -> np.ndarray:
        seen = np.zeros(cast(spaces.Box, self.observation_space).shape, np.float32)
        try:
            flat = _flat(self.env.observation_space, observation)
        except (ValueError, TypeError, OverflowError) as error:
            self._blame(f"the observation {error}", observation)
        for name, value in {"observation": flat, **inputs}.items():
            if name in self.input_slices:
                seen[self.input_slices[name]] = value
        return seen

    # BLAME

    def _call(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call the environment; what it raises is its fault."""
        try:
            return method(*args, **kwargs)
        except (PrefrontalError, MemoryError, gymnasium.error.ResetNeeded):
            raise
        except Exception as error:  # others' environments raise anything
            name = method.__name__
            said = f"{name} raised {blamed(error) or f'{type(error).__name__}: {error}'}"
            if name == "reset" and isinstance(error, TypeError) and "argument" in said:
                said += "; it takes seed and options"
            if name == "step" and "to unpack (expected 5" in said:  # by Gymnasium's own wrappers
                said = _FIVE
            if blamed(error) is None:
                said += place_of(getattr(type(self.unwrapped), name))
            raise TrainingError(f"{self._when()}: {said}") from error

    def _blame(self, wrong: str, value: Any) -> None:
        method = type(self.unwrapped).step if self._t else type(self.unwrapped).reset
        raise TrainingError(f"{self._when()}: {wrong}, not {_short(value)}{place_of(method)}")

    def _when(self) -> str:
        return f"environment {self.id}, step {self._t} of an episode with {self._seed}"


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
        whole = np.ravel(np.isfinite(space.low) & np.isfinite(space.high))
        low, high = (
            tuple(float(x) if fine else 0.0 for x, fine in zip(np.ravel(end), whole, strict=True))
            for end in (space.low, space.high)
        )
        return Actions(low=low, high=high)
    raise ConfigError(
        f"{name} has actions {_short(space)}; agents choose among options (Discrete, "
        "MultiDiscrete, MultiBinary) or give numbers (Box of floats): wrap the environment in a "
        "class of yours that flattens them (gymnasium.ActionWrapper), and train FILE.py:CLASS"
    )


def _flat_actions(actions: Actions) -> spaces.Space[Any]:
    """Return the space of flat actions, numbered from 0."""
    if actions.discrete:
        return spaces.Discrete(actions.sizes[0])
    if actions.sizes:
        return spaces.MultiDiscrete(list(actions.sizes))
    low, high = (np.array(ends, np.float32) for ends in (actions.low, actions.high))
    free = high <= low
    return spaces.Box(np.where(free, -np.inf, low), np.where(free, np.inf, high), dtype=np.float32)


def _time_limit(env: gymnasium.Env[Any, Any]) -> int | None:
    """Return the longest episode, from the specification or from a wrapper."""
    if isinstance(env, MetaEpisodes):
        limit = _time_limit(env.env)
        return limit and limit * env.episodes
    if env.spec is not None and env.spec.max_episode_steps:
        return env.spec.max_episode_steps
    while isinstance(env, gymnasium.Wrapper):
        if isinstance(env, gymnasium.wrappers.TimeLimit):
            return int(env._max_episode_steps)
        env = env.env
    return None


def _unfit(space: Any) -> str:
    """Return why observations cannot be shown to agents; "" if they can."""
    if isinstance(space, spaces.Dict | spaces.Tuple):
        parts = space.spaces.values() if isinstance(space, spaces.Dict) else space.spaces
        return next(filter(None, map(_unfit, parts)), "")
    if isinstance(space, spaces.Box):
        return _STACKED if _is_image(space) and len(space.shape) > 3 else ""
    if isinstance(space, spaces.Discrete | spaces.MultiBinary | spaces.MultiDiscrete):
        return ""
    return (
        "environments that are not ours need Box, Discrete, MultiBinary, MultiDiscrete, or Dict "
        "and Tuple of these"
    )


def _flat(space: Any, value: Any) -> np.ndarray:
    """Return an observation as numbers ``[I]``; raise ValueError if it is none of the space."""
    if isinstance(space, spaces.Dict | spaces.Tuple):
        keys: Sequence[Any] = list(space.spaces) if isinstance(space, spaces.Dict) else []
        if isinstance(space, spaces.Tuple):
            keys = range(len(space.spaces))
            fits = isinstance(value, Sequence | np.ndarray) and len(value) == len(keys)
        else:
            fits = isinstance(value, Mapping) and set(value) == set(keys)
        if not fits:
            raise ValueError(f"must have the entries {', '.join(map(str, keys))}")
        parts = [_flat(space.spaces[key], value[key]) for key in keys]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)
    if not isinstance(space, spaces.Box):
        if not space.contains(value):
            raise ValueError(f"must be of {_short(space)}")
        return np.asarray(spaces.flatten(space, np.asarray(value)), np.float32).ravel()
    try:
        array = np.asarray(value)
    except ValueError:  # of rows of unequal length
        array = np.asarray(None)
    if array.dtype.kind not in "biuf" or array.shape != space.shape:
        raise ValueError(f"must be numbers of shape {list(space.shape)}")
    with np.errstate(over="ignore"):
        flat = array.astype(np.float32).ravel()
    if not np.isfinite(flat).all():
        raise ValueError("must be finite numbers")
    if np.issubdtype(space.dtype, np.integer):
        limits = np.iinfo(cast(Any, space.dtype))
        if (
            (flat != np.round(flat)).any()
            or (array < limits.min).any()
            or (array > limits.max).any()
        ):
            raise ValueError(f"must be of its type, {space.dtype}")
    if _unsigned(space) or _is_image(space):
        low, high = space.low.astype(np.float32).ravel(), space.high.astype(np.float32).ravel()
        flat = (flat - low) / np.maximum(high - low, 1)
    return flat


def _parts(space: Any) -> list[Part]:
    """Return what flat observations of a space are made of."""
    if isinstance(space, spaces.Dict | spaces.Tuple):
        each = space.spaces.values() if isinstance(space, spaces.Dict) else space.spaces
        return [part for one in each for part in _parts(one)]
    size = spaces.flatdim(space)
    if not size:
        return []
    if not isinstance(space, spaces.Box) or (_unsigned(space) and not _is_image(space)):
        return [Part("symbols", (size,))]
    low, high = float(space.low.min()), float(space.high.max())
    if _is_image(space):
        unit = max(high - low, 1.0)
        return [Part("image", space.shape, unit, space.dtype.kind != "f" and unit <= 255)]
    if len(space.shape) == 3 and np.isfinite([low, high]).all():
        return [Part("grid", space.shape)]
    return [Part("numbers", (size,))]


def _is_image(space: spaces.Box) -> bool:
    """Return whether observations are pixels: of several dimensions, and bytes, bits, or 0 to 255.

    All have the same bounds.
    """
    if len(space.shape) < 2 or not space.low.size:
        return False
    low, high = space.low.reshape(-1), space.high.reshape(-1)
    same = bool((low == low[0]).all() and (high == high[0]).all())
    whole = low[0] == 0 and high[0] == 255
    return same and bool(_unsigned(space) or space.dtype == bool or whole)


def _unsigned(space: spaces.Box) -> bool:
    """Return whether observations are bytes, or other counts from 0."""
    return np.issubdtype(space.dtype, np.unsignedinteger)


def _is_number(value: Any) -> bool:
    """Return whether a value is one finite number, for agents too (float32)."""
    array = np.asarray(value)
    with np.errstate(over="ignore"):
        return (
            not array.ndim and array.dtype.kind in "biuf" and bool(np.isfinite(np.float32(array)))
        )


def _short(value: Any) -> str:
    """Return a value in one line of at most 80 characters."""
    return " ".join(repr(value).split())[:80]
