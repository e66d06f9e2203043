"""The environment ids of the package, and the tasks behind them."""

from __future__ import annotations

import dataclasses
import inspect

import gymnasium

from envs.bandits import BernoulliBandit, CorrelatedBandit, TwoArmedBandit
from envs.changing_reward import ChangingReward
from envs.context_bandit import ContextBandit
from envs.daw import Daw2011TwoStep
from envs.foraging import Foraging
from envs.gym import TaskVectorEnv
from envs.harlow import Harlow
from envs.harlow_pairs import HarlowPairs
from envs.harlow_ring import HarlowOneDimensional
from envs.informative import InformativeArmBandit
from envs.maze import OneShotMaze
from envs.navigation import FireflyNavigation
from envs.restless import RestlessBandit, SwitchingBandit
from envs.reversal import InferredValue, Volatility
from envs.risky_choice import RiskyChoice
from envs.task import Task
from envs.two_step import TwoStep, TwoStepWang2016

#: Every task that has an id, by name. A new task adds one line here.
TASKS: dict[str, type[Task]] = {
    "TwoArmedBandit": TwoArmedBandit,
    "CorrelatedBandit": CorrelatedBandit,
    "InformativeArmBandit": InformativeArmBandit,
    "RestlessBandit": RestlessBandit,
    "BernoulliBandit": BernoulliBandit,
    "SwitchingBandit": SwitchingBandit,
    "TwoStep": TwoStep,
    "TwoStepWang2016": TwoStepWang2016,
    "Daw2011TwoStep": Daw2011TwoStep,
    "Harlow": Harlow,
    "HarlowOneDimensional": HarlowOneDimensional,
    "HarlowPairs": HarlowPairs,
    "Foraging": Foraging,
    "InferredValue": InferredValue,
    "Volatility": Volatility,
    "RiskyChoice": RiskyChoice,
    "ContextBandit": ContextBandit,
    "ChangingReward": ChangingReward,
    "FireflyNavigation": FireflyNavigation,
    "OneShotMaze": OneShotMaze,
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
