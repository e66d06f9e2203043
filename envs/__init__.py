"""Tasks for meta-reinforcement learning, one file each, and their Gymnasium faces.

A task (`Task`) is a frozen dataclass of pure functions over batched tensors. `TaskEnv`,
`TaskVectorEnv` and `to_sb3_vec_env` are the faces of all tasks. Nothing here knows of agents.
Importing this package registers every task as ``prefrontal/NAME-v0``; it imports no PyTorch, and
what it exports is imported when it is first used.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from typing import Any

from gymnasium.envs.registration import register as register_with_gymnasium
from gymnasium.envs.registration import registry

#: Every task that has an id, and its module in this package. A new task adds one line.
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
    "DelayedNonMatchToSample": "non_match",
    "TransitiveInference": "transitive",
    "VariableMagnitude": "magnitude",
}

#: What is exported beside the tasks, and its module.
_EXPORTS = {
    "Task": "task",
    "TaskEnv": "single",
    "TaskVectorEnv": "gym",
    "check_vector_env": "checker",
    "to_sb3_vec_env": "sb3",
}

__all__ = ["TASKS", "register", "task_class", *_EXPORTS, *TASKS]


def task_class(name: str) -> type[Any]:
    """Return the class of one of `TASKS`."""
    task: type[Any] = getattr(importlib.import_module(f"{__name__}.{TASKS[name]}"), name)
    return task


def __getattr__(name: str) -> Any:
    module = (TASKS | _EXPORTS).get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)


def register(
    name: str, task_class: type[Any], version: int = 0, namespace: str = "prefrontal/"
) -> None:
    """Register ``prefrontal/NAME-vVERSION`` with Gymnasium, for ``make`` and ``make_vec``.

    Ids are strict: change what a seed gives, and the version must go up.

    Args:
        name: Name of the environment.
        task_class: A `Task` class.
        version: Version of the id.
        namespace: Of the id, in place of the package's.

    Raises:
        ValueError: A field of the task has the name of an argument of the faces.
    """
    from prefrontal.envs.gym import TaskVectorEnv

    taken = set(inspect.signature(TaskVectorEnv).parameters) - {"fields"}
    clash = taken.intersection(field.name for field in dataclasses.fields(task_class))
    if clash:
        raise ValueError(f"{name}: fields must not be named {', '.join(sorted(clash))}")
    _register(f"{namespace}{name}-v{version}", task_class)


def _register(env_id: str, task: str | type[Any]) -> None:
    register_with_gymnasium(
        id=env_id,
        entry_point="prefrontal.envs.single:TaskEnv",
        vector_entry_point="prefrontal.envs.gym:TaskVectorEnv",
        kwargs={"task": task},
    )


for _name, _module in TASKS.items():
    if f"prefrontal/{_name}-v0" not in registry:
        _register(f"prefrontal/{_name}-v0", f"{__name__}.{_module}:{_name}")
