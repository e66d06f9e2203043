"""Tasks for meta-reinforcement learning, one file each, and their Gymnasium faces. They know nothing of agents.

A task is a frozen dataclass of pure functions over batched tensors (`Task`); `TaskEnv`, `TaskVectorEnv` and
`to_sb3_vec_env` are the faces of all of them. Importing this package registers every task as ``prefrontal/NAME-v0``; what it
exports is imported when it is first used, so that registering costs no torch.
"""

from __future__ import annotations

import importlib
from typing import Any

from prefrontal.envs.registration import TASKS, register, register_all

#: What is exported beside the tasks, and where it is.
_EXPORTS = {
    "Task": "task",
    "TaskEnv": "gym",
    "TaskVectorEnv": "gym",
    "check_vector_env": "checker",
    "to_sb3_vec_env": "sb3",
}

__all__ = ["TASKS", "register", "register_all", "task_class", *_EXPORTS, *TASKS]


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
