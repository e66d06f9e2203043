"""What users pass to the faces of a task, checked: the task and its fields, seeds and options."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

from gymnasium.envs.registration import load_env_creator

from prefrontal.checking import build
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


def as_seed(seed: Any) -> int | None:
    """Return a seed as a Python int (Gymnasium refuses NumPy's)."""
    if seed is None:
        return None
    try:
        return operator.index(seed)
    except TypeError:
        raise TypeError(f"seed must be an integer or None; got {seed!r}") from None


def task_option(options: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return ``options["task"]``, the only option there is."""
    unknown = sorted(set(options or ()) - {"task"})
    if unknown:
        raise ValueError(f"reset options must be 'task' only; got {', '.join(unknown)}")
    given = (options or {}).get("task")
    if given is not None and not isinstance(given, Mapping):
        raise ValueError(f"options['task'] must map parameter names to arrays; got {given!r}")
    return given
