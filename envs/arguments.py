"""What users pass to the faces of a task, checked: the task and its fields, seeds and options."""

from __future__ import annotations

import dataclasses
import numbers
import operator
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np
from gymnasium.envs.registration import load_env_creator

from prefrontal.envs.task import Task


def resolve_task(task: Task | type[Task] | str, fields: Mapping[str, Any]) -> Task:
    """Make a task from an instance, a class, or ``"module:Class"``, and its fields.

    Raises:
        ValueError: Unknown fields, a field of the wrong type, or fields for a task that is already made.
    """
    if isinstance(task, Task):
        if fields:
            raise ValueError(f"unknown arguments {', '.join(fields)}; the task is already made")
        return task
    task_class: Any = load_env_creator(task) if isinstance(task, str) else task
    if not (isinstance(task_class, type) and issubclass(task_class, Task)):
        raise TypeError(f"task must be a Task, a Task class or 'module:Class'; got {task!r}")
    known = [field.name for field in dataclasses.fields(task_class)]
    unknown = [name for name in fields if name not in known]
    if unknown:
        raise ValueError(
            f"{task_class.__name__} has no argument {', '.join(unknown)}; "
            f"it has {', '.join(known) or 'none'}"
        )
    hints = _hints(task_class)
    given = dict(fields)
    for name, value in fields.items():
        check_type(name, value, hints.get(name, Any))
        if get_origin(hints.get(name)) is tuple:
            given[name] = tuple(value)  # it may have been a list
    made: Task = task_class(**given)
    return made


#: Types that are checked, who belongs to them (NumPy's scalars do), and what they are in words.
_SCALARS: dict[Any, tuple[tuple[type, ...], str]] = {
    bool: ((bool, np.bool_), "True or False"),
    int: ((numbers.Integral,), "an integer"),
    float: ((numbers.Real,), "a number"),
    str: ((str,), "a string"),
    type(None): ((type(None),), "None"),
}


def check_type(name: str, value: Any, hint: Any) -> None:
    """Check what was given for an argument against its type.

    Understands bool, int, float, str, None, Literal, unions and tuples of these (a list is as good
    as a tuple); anything is right for other types. Which texts a Literal allows is for the task to say.

    Raises:
        ValueError: The value is of another type (Gymnasium would add to a TypeError).
    """
    if not _fits(value, hint):
        raise ValueError(f"{name} must be {_in_words(hint)}; got {value!r}")


def _hints(task_class: type[Task]) -> dict[str, Any]:
    """The types of the fields; none where they cannot be found (names known to a type checker only)."""
    try:
        return typing.get_type_hints(task_class)
    except NameError:
        return {}


def _fits(value: Any, hint: Any) -> bool:
    origin, args = get_origin(hint), get_args(hint)
    if hint in _SCALARS:
        # True is a number to Python, and not to us.
        return isinstance(value, _SCALARS[hint][0]) and (
            hint is bool or not isinstance(value, bool)
        )
    if origin is Literal:
        return any(_fits(value, type(choice)) for choice in args)
    if origin in (Union, types.UnionType):
        return any(_fits(value, one) for one in args)
    if origin is tuple:
        if not isinstance(value, tuple | list):
            return False
        items = (args[0],) * len(value) if args and args[-1] is Ellipsis else args
        return len(items) == len(value) and all(map(_fits, value, items))
    return True


def _in_words(hint: Any) -> str:
    origin, args = get_origin(hint), get_args(hint)
    if hint in _SCALARS:
        return _SCALARS[hint][1]
    if origin is Literal:
        return f"one of {', '.join(map(str, args))}"
    if origin in (Union, types.UnionType):
        return " or ".join(map(_in_words, args))
    if origin is tuple and args and args[-1] is Ellipsis:
        return f"a tuple, each item {_in_words(args[0])}"
    if origin is tuple:
        return f"a tuple of {len(args)}: {', '.join(map(_in_words, args))}"
    return "anything"


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
