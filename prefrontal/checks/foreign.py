"""Environments of Gymnasium's own kind: its checker, and whether agents can meet them."""

from __future__ import annotations

import contextlib
import functools
import re
import warnings
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils.env_checker import check_env

from prefrontal.agents.common.errors import TrainingError
from prefrontal.agents.reference.random_play import RandomPlayers
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.agents.rollout.spec import EnvironmentSpec
from prefrontal.agents.rollout.vectors import is_vectorised
from prefrontal.checks.calls import Wrong, called
from prefrontal.doors import Doors

STEPS = 100  # played to find what an environment returns
_OF_VALUES = "returned by"  # what its warnings about wrong observations and rewards have in common


def environment_problems(made: Any) -> Iterator[str]:
    """Yield what is wrong with a class of an environment, or a function that makes one.

    Its arguments are at their defaults.

    Raises:
        Wrong: The last problem, after which nothing can be checked.
    """
    env_id = Doors(task=made).environment()
    assert env_id is not None
    found = [] if is_vectorised(made) else list(_gymnasium_problems(made))
    yield from found
    if found:
        return
    envs = _envs(env_id)  # its ConfigError says what is wrong
    envs.reset(seed=0)
    envs.steps = min(envs.steps, STEPS)
    try:
        RandomPlayers([0]).record(envs, 1, seed=0)
    except TrainingError as error:
        raise Wrong(str(error)) from error
    envs.close()


def environment_notes(made: Any) -> tuple[str, ...]:
    """Return what a user has to know of how agents meet an environment that has no problems."""
    envs = _envs(Doors(task=made).environment() or "")
    envs.close()
    return tuple(envs.notes)


def _envs(env_id: str) -> Any:
    return make_envs(EnvironmentSpec(env_id, ("action", "reward"), {}), (0,), 2, discrete=False)


def _gymnasium_problems(made: Any) -> Iterator[str]:
    """Yield what the checker of Gymnasium says of an environment."""
    env = called(f"{made.__name__}()", made)
    if not isinstance(env, gymnasium.Env):
        raise Wrong(f"{made.__name__} must make a gymnasium.Env, not {type(env).__name__}")
    _play_legally(env)
    where = f"{made.__name__}: the checker of Gymnasium"
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        called(where, check_env, env, None, True)
    env.close()
    texts = [re.sub(r"\x1b\[\d*m|WARN: ", "", str(one.message)) for one in warned]
    yield from (f"{where} says: {text}" for text in dict.fromkeys(texts) if _OF_VALUES in text)


def _play_legally(env: gymnasium.Env) -> None:
    """Let steps take a legal action in place of one that the environment's own mask forbids.

    The checker of Gymnasium draws from the whole space, and takes what it drew before a reset.
    """
    space, mask = env.action_space if hasattr(env, "action_space") else None, None
    if not isinstance(space, gymnasium.spaces.Discrete):
        return
    reset, step = env.reset, env.step

    def told(info: Any) -> Any:
        if isinstance(info, dict) and "action_mask" in info:
            return info["action_mask"]
        with contextlib.suppress(AttributeError):
            return env.get_wrapper_attr("action_masks")()
        return None

    @functools.wraps(reset)
    def reset_and_look(*args: Any, **kwargs: Any) -> Any:
        nonlocal mask
        made = reset(*args, **kwargs)
        mask = told(made[-1]) if isinstance(made, tuple) and made else None
        return made

    @functools.wraps(step)
    def step_legally(action: Any) -> Any:
        nonlocal mask
        legal = np.flatnonzero(np.ravel(mask if mask is not None else []))
        if len(legal) and action - space.start not in legal:
            action = space.start + legal[0]
        made = step(action)
        mask = told(made[-1]) if isinstance(made, tuple) and made else None
        return made

    vars(env).update(reset=reset_and_look, step=step_legally)
