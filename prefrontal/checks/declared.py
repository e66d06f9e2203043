"""What a task declares: its fields, constants and methods, without playing it."""

from __future__ import annotations

import dataclasses
import inspect
import math
import numbers
from collections.abc import Iterator
from typing import Any

from gymnasium import spaces

from prefrontal.checking import checked, fields
from prefrontal.checks.calls import Wrong, called
from prefrontal.envs.gym import TaskVectorEnv
from prefrontal.envs.task import Task
from prefrontal.experiments.settings import LEARNERS, TrainingConfig, option_names
from prefrontal.options import RunOptions, ShownOptions

#: Attributes of a task that are constant: as fields they would be options.
_CONSTANT = {"noise", "reward_range", "parameters", "reward_values", "lasting", "open_loop"}
_CONSTANT |= {"observation_low", "observation_high", "mirror", "render_modes", "draws"}


def class_problems(cls: type[Task]) -> Iterator[str]:
    """Yield what is wrong with a class of a task, before it is made.

    Raises:
        Wrong: It cannot be made.
    """
    name = cls.__name__
    params = vars(cls).get("__dataclass_params__")
    if params is None or not params.frozen:
        raise Wrong(f"{name} must be decorated with @dataclasses.dataclass(frozen=True)")
    missing = set(cls.__abstractmethods__) | ({"parameters"} - set(dir(cls)))
    if missing:
        raise Wrong(f"{name} lacks {', '.join(sorted(missing))}; see prefrontal.envs.Task")
    if (cls.draws is Task.draws or cls.from_uniform is Task.from_uniform) and (
        cls.sample is Task.sample
    ):
        raise Wrong(f"{name} must define draws and from_uniform, or sample")
    found = []
    for key, (field, hint) in fields(cls).items():
        if field.default is dataclasses.MISSING:
            found.append(f"{name}.{key} must have a default (a plain one, no default_factory)")
            continue
        try:
            checked(field.default, hint, f"{name}.{key}")
        except ValueError as error:
            found.append(f"{error}: its default must fit its annotation")
        if key in _CONSTANT:
            found.append(f"{name}.{key} must be constant: leave its annotation out, or ClassVar it")
        elif key in (taken := _faces() | _settings("a2c")):
            found.append(f"{name}.{key} must have another name: {taken[key]} is called so")
    yield from found
    if any("default" in one for one in found):
        raise Wrong("")


def notes(cls: type[Task]) -> Iterator[str]:
    """Yield what could be better in a class of a task."""
    if (cls.__doc__ or "").strip().startswith("##"):
        yield f"{cls.__name__} has no docstring: say in a line what the task is"
    first = _settings("a2c")
    for learner in LEARNERS:
        for key in fields(cls).keys() & (_settings(learner).keys() - first.keys()):
            yield f"{cls.__name__}.{key} is also a setting of {learner}, which counts there"


def _faces() -> dict[str, str]:
    """Return the arguments of the Gymnasium faces, by name."""
    return dict.fromkeys(inspect.signature(TaskVectorEnv).parameters, "an argument of gymnasium's")


def _settings(learner: str) -> dict[str, str]:
    """Return the options of `prefrontal train` with one learner, by name."""
    algorithm, network = LEARNERS[learner]
    names: set[str] = {"env_id"}
    names |= {field.name for cls in (RunOptions, ShownOptions) for field in dataclasses.fields(cls)}
    for config in (TrainingConfig(), algorithm(), network()):
        names |= option_names(config)
    return dict.fromkeys(names, "an option of `prefrontal train`")


def made(cls: type[Task]) -> Task:
    """Return a task with its defaults.

    Raises:
        Wrong: It cannot be made.
    """
    task: Task = called(f"{cls.__name__}()", cls)
    return task


def constant_problems(task: Task) -> Iterator[str]:
    """Yield what is wrong with the constants of a task.

    Raises:
        Wrong: Some are wrong: no episode can be played.
    """
    name = type(task).__name__
    for key, is_right, right in _CONSTANTS:
        value = called(f"{name}.{key}", getattr, task, key)
        if not is_right(value):
            raise Wrong(f"{name}.{key} must be {right}, not {value!r:.80}")
    low, high = task.observation_low, task.observation_high
    if len(low) != len(high) or any(a > b for a, b in zip(low, high, strict=True)):
        raise Wrong(
            f"{name}.observation_low and observation_high must be as long as each other, and low "
            f"not above high; they are {low!r:.80} and {high!r:.80}"
        )
    space = called(f"{name}.action_space", getattr, task, "action_space")
    if task.num_actions == 0 and not isinstance(space, spaces.Box):
        raise Wrong(f"{name}.num_actions is 0 (continuous): action_space must then be a Box")
    for value in task.reward_values or ():
        if not task.reward_range[0] <= value <= task.reward_range[1]:
            yield f"{name}.reward_values has {value}, which lies outside of reward_range"
    for key in task.lasting or ():
        if key not in task.parameters:
            yield f"{name}.lasting has {key!r}, which is not in parameters"


def _count(least: int) -> Any:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and (value >= least)


def _finite(value: Any) -> bool:
    return isinstance(value, numbers.Real) and math.isfinite(value)


def _numbers(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) > 0 and all(map(_finite, value))


def _range(value: Any) -> bool:
    return _numbers(value) and len(value) == 2 and value[0] < value[1]


def _names(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) > 0 and all(isinstance(x, str) for x in value)


_CONSTANTS: list[tuple[str, Any, str]] = [
    ("parameters", _names, 'a tuple of names, as ("p",)'),
    ("steps", _count(1), "a whole number, 1 or more"),
    ("noise", _count(0), "a whole number, the uniform numbers that a step takes"),
    ("num_actions", _count(0), "a whole number (0: continuous actions)"),
    ("reward_range", _range, "a tuple (lowest, highest) of different finite numbers"),
    ("observation_low", _numbers, "a tuple of finite numbers, one a feature"),
    ("observation_high", _numbers, "a tuple of finite numbers, one a feature"),
    ("draws", lambda v: v is None or _count(1)(v), "None, or a whole number, 1 or more"),
    ("reward_values", lambda v: v is None or _numbers(v), "None, or a tuple of finite numbers"),
    ("lasting", lambda v: v is None or isinstance(v, tuple), "None, or a tuple of parameters"),
    ("open_loop", lambda v: isinstance(v, bool), "True or False"),
]
