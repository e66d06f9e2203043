"""The environment ids of the package, and the tasks behind them."""

from __future__ import annotations

import dataclasses
import inspect

import gymnasium

from envs.bandits import BernoulliBandit, CorrelatedBandit, TwoArmedBandit
from envs.gym import TaskVectorEnv
from envs.informative import InformativeArmBandit
from envs.restless import RestlessBandit, SwitchingBandit
from envs.task import Task

#: Every task that has an id, by name. A new task adds one line here.
TASKS: dict[str, type[Task]] = {
    "TwoArmedBandit": TwoArmedBandit,
    "CorrelatedBandit": CorrelatedBandit,
    "InformativeArmBandit": InformativeArmBandit,
    "RestlessBandit": RestlessBandit,
    "BernoulliBandit": BernoulliBandit,
    "SwitchingBandit": SwitchingBandit,
}


def register(name: str, task_class: type[Task], version: int = 0) -> None:
    """Register ``prefrontal/NAME-vVERSION`` with Gymnasium, for ``make`` and ``make_vec``.

    Ids are strict: change what a seed gives, and the version must go up.

    Args:
        name: Name of the environment.
        task_class: A task class that can be imported, from a module.
        version: Version of the id.

    Raises:
        ValueError: A field of the task has the name of an argument of the faces.
    """
    taken = set(inspect.signature(TaskVectorEnv).parameters) - {"fields"}
    clash = taken.intersection(field.name for field in dataclasses.fields(task_class))
    if clash:
        raise ValueError(f"{name}: fields must not be named {', '.join(sorted(clash))}")
    gymnasium.register(
        id=f"prefrontal/{name}-v{version}",
        entry_point="envs.gym:TaskEnv",
        vector_entry_point="envs.gym:TaskVectorEnv",
        kwargs={"task": f"{task_class.__module__}:{task_class.__name__}"},
    )


def register_all() -> None:
    """Register every task in `TASKS` that is not registered yet."""
    for name, task_class in TASKS.items():
        if f"prefrontal/{name}-v0" not in gymnasium.registry:
            register(name, task_class)
