"""Environments of Gymnasium's own kind: its checker, and whether agents can meet them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import gymnasium
from gymnasium.utils.env_checker import check_env

from prefrontal.agents.rollout.environments import make_envs
from prefrontal.agents.rollout.spec import EnvironmentSpec
from prefrontal.checks.calls import called
from prefrontal.doors import Doors


def environment_problems(cls: type[gymnasium.Env[Any, Any]], quick: bool = False) -> Iterator[str]:
    """Yield what is wrong with a class of an environment, its arguments at their defaults.

    Raises:
        Wrong: The last problem, after which nothing can be checked.
    """
    name = cls.__name__
    env_id = Doors(task=cls).environment()
    assert env_id is not None
    if not quick:
        env = called(f"{name}()", cls)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            called(f"{name}: the checker of Gymnasium", check_env, env, None, True)
        env.close()
    spec = EnvironmentSpec(env_id, ("action", "reward"))
    made = make_envs(spec, (0,), 2, discrete=False)  # its ConfigError says what is wrong
    made.reset(seed=0)
    made.close()
    yield from ()
