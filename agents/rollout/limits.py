"""How long an episode may last, wherever an environment says it."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import gymnasium
from gymnasium.wrappers import TimeLimit

#: Steps after which episodes are cut where an environment does not say how long they may last.
ASSUMED = 1000
#: Attributes in which environments of others say it that do not register it (MiniGrid, popgym).
_NAMES = ("max_episode_steps", "max_steps", "max_episode_length")


def time_limit(env: gymnasium.Env[Any, Any]) -> int | None:
    """Return the longest episode, from the specification, a wrapper or the environment itself."""
    told = env.spec.max_episode_steps if env.spec is not None else None
    if told is not None and told > 0:  # -1: none
        return int(told)
    inner: Any = env
    while isinstance(inner, gymnasium.Wrapper):
        if isinstance(inner, TimeLimit):
            return int(inner._max_episode_steps)
        inner = inner.env
    return limit_of(inner)


def limit_of(env: Any) -> int | None:
    """Return the longest episode that an environment or a vector environment says in itself."""
    for name in _NAMES:
        told = getattr(env, name, None)
        if isinstance(told, Integral) and not isinstance(told, bool) and int(told) > 0:
            return int(told) + (name == "max_episode_length")  # popgym counts one step less
    return None


def limited(env: gymnasium.Env[Any, Any]) -> tuple[gymnasium.Env[Any, Any], int, bool]:
    """Return an environment with a time limit, the limit, and whether it is assumed."""
    told = time_limit(env)
    limit = told or ASSUMED
    if any(isinstance(one, TimeLimit) for one in _layers(env)):
        return env, limit, False
    return TimeLimit(env, limit), limit, told is None


def _layers(env: Any) -> list[Any]:
    layers = [env]
    while isinstance(layers[-1], gymnasium.Wrapper):
        layers.append(layers[-1].env)
    return layers
