"""Arguments of the faces: which task, and which rows start again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.envs.registration import load_env_creator

from prefrontal.checking import build
from prefrontal.envs.lazy import Tensor, torch
from prefrontal.envs.task import Task


def resolve_task(task: Task | type[Task] | str, fields: Mapping[str, Any]) -> Task:
    """Make a task from an instance, a class, or ``"module:Class"``, and its fields.

    Raises:
        ValueError: Unknown fields, a field of the wrong type, or fields for a task that is already
        made.
    """
    if isinstance(task, Task):
        if fields:
            raise ValueError(f"unknown arguments {', '.join(fields)}; the task is already made")
        return task
    task_class: Any = load_env_creator(task) if isinstance(task, str) else task
    if not (isinstance(task_class, type) and issubclass(task_class, Task)):
        raise TypeError(f"task must be a Task, a Task class or 'module:Class'; got {task!r}")
    made: Task = build(task_class, fields)
    return made


def check_mask(mask: Any, rows: int) -> None:
    """Accept a reset mask ``[rows]`` that is true in every row.

    Raises:
        ValueError: It is something else, or leaves rows out.
    """
    array = np.asarray(mask)
    if array.dtype != np.bool_ or array.shape != (rows,):
        raise ValueError(f"reset_mask must be {rows} of true or false, one a row; got {mask!r}")
    if not array.all():
        raise ValueError(
            "reset_mask must be true in every row: rows run in lock-step, so none starts again "
            "without the others"
        )


def checked_actions(env: Any, actions: Any) -> Tensor:
    """Return actions as tensors that count from 0.

    Args:
        env: The vector environment.
        actions: ``[n]`` integers, or ``[n, A]`` floats where they are continuous.

    Raises:
        ValueError: They have another shape or lie outside the action space.
    """
    array, shape = np.asarray(actions), env.action_space.shape
    if array.shape != shape:
        raise ValueError(f"actions must have shape {shape}; got {array.shape}")
    if env.num_actions == 0:
        array = array.astype(np.float32)
        if array not in env.action_space:
            raise ValueError(f"actions must lie in {env.single_action_space}; got {array}")
        return torch.from_numpy(array).to(env.device)
    first = int(getattr(env.single_action_space, "start", 0))
    last = first + env.num_actions - 1
    if array.dtype.kind not in "iu" or array.min() < first or array.max() > last:
        raise ValueError(f"actions must be integers in {first}..{last}; got {array}")
    return torch.from_numpy(array.astype(np.int64) - first).to(env.device)
