"""Environments of Gymnasium's own kind: its checker, and whether agents can meet them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from typing import Any

import gymnasium
from gymnasium.utils.env_checker import check_env

from prefrontal.agents.rollout.environments import make_envs
from prefrontal.agents.rollout.spec import EnvironmentSpec
from prefrontal.checks.calls import called
from prefrontal.doors import Doors

_OF_VALUES = "returned by"  # what its warnings about wrong observations and rewards have in common


def environment_problems(cls: type[gymnasium.Env[Any, Any]]) -> Iterator[str]:
    """Yield what is wrong with a class of an environment, its arguments at their defaults.

    Raises:
        Wrong: The last problem, after which nothing can be checked.
    """
    name = cls.__name__
    env_id = Doors(task=cls).environment()
    assert env_id is not None
    env = called(f"{name}()", cls)
    where = f"{name}: the checker of Gymnasium"
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        called(where, check_env, env, None, True)
    env.close()
    texts = [re.sub(r"\x1b\[\d*m|WARN: ", "", str(one.message)) for one in warned]
    yield from (f"{where} says: {text}" for text in dict.fromkeys(texts) if _OF_VALUES in text)
    limit = {} if gymnasium.spec(env_id).max_episode_steps else {"max_episode_steps": 100}
    spec = EnvironmentSpec(env_id, ("action", "reward"), limit)
    made = make_envs(spec, (0,), 2)  # its ConfigError says what is wrong
    made.reset(seed=0)
    made.close()
