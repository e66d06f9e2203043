"""The environment ids of the package, and where their tasks are. Importing this imports no task, and no torch.

Gymnasium calls `register_all` itself where the package is installed (entry point ``gymnasium.envs``).
"""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

from gymnasium.envs.registration import register as register_with_gymnasium
from gymnasium.envs.registration import registry

__all__ = ["TASKS", "register", "register_all"]

#: Every task that has an id, and its module in this package. A new task adds one line here.
TASKS = {
    "TwoArmedBandit": "bandits",
    "CorrelatedBandit": "bandits",
    "InformativeArmBandit": "informative",
    "RestlessBandit": "restless",
    "BernoulliBandit": "bandits",
    "SwitchingBandit": "restless",
    "TwoStep": "two_step",
    "TwoStepWang2016": "two_step",
    "Daw2011TwoStep": "daw",
    "Harlow": "harlow",
    "HarlowOneDimensional": "harlow_ring",
    "HarlowPairs": "harlow_pairs",
    "Foraging": "foraging",
    "InferredValue": "reversal",
    "Volatility": "reversal",
    "RiskyChoice": "risky_choice",
    "ContextBandit": "context_bandit",
    "ChangingReward": "changing_reward",
    "FireflyNavigation": "navigation",
    "OneShotMaze": "maze",
}


def register(name: str, task_class: type[Any], version: int = 0) -> None:
    """Register ``prefrontal/NAME-vVERSION`` with Gymnasium, for ``make`` and ``make_vec``.

    Ids are strict: change what a seed gives, and the version must go up.

    Args:
        name: Name of the environment.
        task_class: A `Task` class that can be imported, from a module.
        version: Version of the id.

    Raises:
        ValueError: A field of the task has the name of an argument of the faces.
    """
    from prefrontal.envs.gym import TaskVectorEnv  # imports torch

    taken = set(inspect.signature(TaskVectorEnv).parameters) - {"fields"}
    clash = taken.intersection(field.name for field in dataclasses.fields(task_class))
    if clash:
        raise ValueError(f"{name}: fields must not be named {', '.join(sorted(clash))}")
    _register(f"prefrontal/{name}-v{version}", f"{task_class.__module__}:{task_class.__name__}")


def register_all() -> None:
    """Register every task in `TASKS` that is not registered yet."""
    for name, module in TASKS.items():
        if f"prefrontal/{name}-v0" not in registry:
            _register(f"prefrontal/{name}-v0", f"prefrontal.envs.{module}:{name}")


def _register(env_id: str, task: str) -> None:
    register_with_gymnasium(
        id=env_id,
        entry_point="prefrontal.envs.gym:TaskEnv",
        vector_entry_point="prefrontal.envs.gym:TaskVectorEnv",
        kwargs={"task": task},
    )


register_all()
