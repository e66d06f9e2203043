"""Several episodes of one environment as one: what there is to learn about it stays true."""

from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import gymnasium
import numpy as np

from prefrontal.agents.common.errors import ConfigError, did_you_mean
from prefrontal.agents.rollout.limits import limited

#: Ranges ``(low, high)`` by attribute, or a function of the environment and a generator.
Vary = Mapping[str, Any] | Callable[[gymnasium.Env[Any, Any], np.random.Generator], None]


class MetaEpisodes(gymnasium.Wrapper[Any, Any, Any, Any]):
    """One episode of n inner ones, between which agents keep their memory (RL², Duan et al. 2016).

    An inner episode that ends, or reaches its time limit, is followed at once by the first
    observation of the next one; the step says so by ``info["trial_start"]``, and ``info["trial"]``
    counts them from 0. The last one ends the episode as it ends itself: terminated, or truncated by
    its time limit. With `vary` the environment is changed at the start of each whole episode, and
    stays so in all inner ones.

    Args:
        env: The environment; without a time limit it gets one, see `limited`.
        episodes: Inner episodes n.
        vary: Attributes of the environment and the range of each, ``(low, high)`` or
            ``"low:high"``, drawn uniformly (whole numbers where the attribute is one); or a
            function of the unwrapped environment and a generator, which changes it.

    Raises:
        ConfigError: There is no such attribute, it is no number, or a range is none.

    Attributes:
        steps: Longest episode, of all inner ones.
        assumed: Whether the time limit is assumed.
        notes: What a user has to know of what varies, a line each.
    """

    def __init__(
        self, env: gymnasium.Env[Any, Any], episodes: int, vary: Vary | None = None
    ) -> None:
        env, limit, self.assumed = limited(env)
        super().__init__(env)
        if not isinstance(episodes, int) or isinstance(episodes, bool) or episodes < 1:
            raise ConfigError(f"meta_episodes must be a whole number of at least 1, not {episodes}")
        self.episodes, self.steps = episodes, limit * episodes
        self._vary = vary if callable(vary) else _ranges(env.unwrapped, vary or {})
        self.notes = () if callable(vary) else tuple(_notes(env.unwrapped, vary or {}))
        self._random = np.random.default_rng()
        self.trial = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Change the environment, if it varies, and start the first inner episode."""
        if seed is not None:
            self._random = np.random.default_rng(seed)
        inner: Any = self.env.unwrapped
        if callable(self._vary):
            self._vary(inner, self._random)
        else:
            for name, (low, high, whole) in self._vary.items():
                drawn = self._random.integers(low, high + 1) if whole else None
                value = float(self._random.uniform(low, high)) if drawn is None else int(drawn)
                setattr(inner, name, value)
        self.trial = 0
        observation, info = self.env.reset(seed=seed, options=options)
        return observation, {**info, "trial_start": True, "trial": 0}

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Take a step; an inner episode that is over is followed by the next one."""
        observation, reward, ended, cut, info = self.env.step(action)
        told = {"trial_start": False, "trial": self.trial}
        if not (ended or cut):
            return observation, reward, False, False, {**info, **told}
        if self.trial + 1 == self.episodes:
            return observation, reward, ended, cut, {**info, **told}
        self.trial += 1
        observation, more = self.env.reset()
        info = {name: value for name, value in info.items() if name != "action_mask"}  # of the end
        return observation, reward, False, False, {**info, **more, **told, "trial_start": True}


def _ranges(env: Any, vary: Mapping[str, Any]) -> dict[str, tuple[Any, Any, bool]]:
    """Return the range of each attribute, and whether it is a whole number."""
    numbers, found = _numbers(env), {}
    for name, given in vary.items():
        if name not in numbers:
            raise ConfigError(
                f"vary: {type(env).__name__} has no number {name!r}{did_you_mean(name, numbers)}"
            )
        try:
            setattr(env, name, numbers[name])
        except (AttributeError, TypeError) as error:  # a property, say
            raise ConfigError(
                f"vary: {name!r} of {type(env).__name__} cannot be set: {error}"
            ) from error
        whole = isinstance(numbers[name], Integral)
        low, high = _pair(name, given)
        if whole and (low != int(low) or high != int(high)):
            raise ConfigError(f"vary: {name} is a whole number, not {low} to {high}")
        found[name] = (int(low), int(high), True) if whole else (low, high, False)
    return found


def _numbers(env: Any) -> dict[str, Any]:
    """Return all public numbers of an environment: its own, its class's, and properties."""
    found = {}
    for name in dir(env):
        if not name.startswith("_") and not hasattr(gymnasium.Env, name):
            with contextlib.suppress(Exception):  # a property may raise anything
                found[name] = getattr(env, name)
    return {name: value for name, value in found.items() if _is_number(value)}


def _notes(env: Any, vary: Mapping[str, Any]) -> Iterator[str]:
    """Yield which numbers seem to be computed, when it is made, of one that varies and another.

    They stay as they are when that one changes: `polemass_length` of CartPole, for example, is
    `masspole * length`. Such a number is the product or the sum of two that were set before it, and
    no argument of the constructor.
    """
    given = {*vary, *inspect.signature(type(env)).parameters}
    numbers = {name: value for name, value in vars(env).items() if _is_number(value)}
    order = list(numbers)
    for name in vary:
        kept = [
            one
            for index, one in enumerate(order)
            if name in order[:index]
            and one not in given
            and any(
                (x != 1 and math.isclose(numbers[one], numbers[name] * x))
                or (x != 0 and math.isclose(numbers[one], numbers[name] + x))
                for x in (numbers[other] for other in order[:index] if other != name)
            )
        ]
        if kept:
            yield (
                f"{type(env).__name__} may have computed {', '.join(kept)} from {name} when it "
                "was made, and --vary does not change that (docs/environments.md, Meta-episodes)"
            )


def _pair(name: str, given: Any) -> tuple[float, float]:
    parts = given.split(":") if isinstance(given, str) else given
    try:
        low, high = (float(part) for part in parts)
    except (TypeError, ValueError):
        low, high = 1.0, 0.0
    if not (isinstance(parts, Sequence) and np.isfinite([low, high]).all() and low <= high):
        raise ConfigError(
            f"vary: {name} needs a range LOW:HIGH, such as {name}=5:15, not {given!r}"
        )
    return low, high


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
