"""Several episodes of one environment as one: what there is to learn about it stays true."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    numbers = [name for name, value in vars(env).items() if _is_number(value)]
    found = {}
    for name, given in vary.items():
        if name not in numbers:
            raise ConfigError(
                f"vary: {type(env).__name__} has no number {name!r}{did_you_mean(name, numbers)}"
            )
        whole = isinstance(getattr(env, name), int)
        low, high = _pair(name, given)
        if whole and (low != int(low) or high != int(high)):
            raise ConfigError(f"vary: {name} is a whole number, not {low} to {high}")
        found[name] = (int(low), int(high), True) if whole else (low, high, False)
    return found


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
    return isinstance(value, int | float) and not isinstance(value, bool)
