"""What is wrong with the class of a task, a core or a model: all of it, or what is quick."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.user_files import blamed


def quick_problems(made: Any) -> list[str]:
    """Return the problems of the class of a task or core that a few steps show."""
    return collected(_quick_problems, made)


def collected(check: Callable[[Any], Iterator[str]], what: Any) -> list[str]:
    """Return the problems that a check yields or raises, in one line each."""
    from prefrontal.checks.calls import Wrong

    found: list[str] = []
    try:
        found.extend(iter(check(what)))
    except Wrong as wrong:
        found.append(str(wrong))
    except ConfigError as error:
        found.append(str(error))
    except Exception as error:
        if (theirs := blamed(error)) is None:
            raise
        found.append(theirs)
    return [" ".join(one.split()) for one in found if one]


def _quick_problems(made: Any) -> Iterator[str]:
    yield from class_problems(made, quick=True)


def class_problems(made: Any, quick: bool) -> Iterator[str]:
    """Yield what is wrong with a class; which checks it gets depends on what it derives from."""
    import gymnasium
    from torch import nn

    from prefrontal.agents.rollout.vectors import is_vectorised
    from prefrontal.behaviour.models import Model
    from prefrontal.checks.calls import Wrong
    from prefrontal.envs.task import Task

    if is_vectorised(made) or inspect.isfunction(made):
        from prefrontal.checks.foreign import environment_problems

        yield from () if quick else environment_problems(made)
        return
    if not isinstance(made, type):
        raise Wrong(f"{made!r:.60} is no class: name the class of a task, core or model")
    if issubclass(made, Task):
        from prefrontal.checks.tasks import task_problems

        yield from task_problems(made, quick)
    elif issubclass(made, gymnasium.Env):
        from prefrontal.checks.foreign import environment_problems

        yield from () if quick else environment_problems(made)
    elif issubclass(made, nn.Module):
        from prefrontal.checks.cores import core_problems

        yield from core_problems(made)
    elif issubclass(made, Model):
        from prefrontal.checks.models import model_problems

        yield from model_problems(made)
    else:
        bases = "prefrontal.envs.Task (a task), torch.nn.Module (a core) or "
        bases += "prefrontal.behaviour.models.Model (a model of choice)"
        if hasattr(made, "step"):
            bases = "prefrontal.envs.Task or gymnasium.Env"
        elif hasattr(made, "log_policy"):
            bases = "prefrontal.behaviour.models.Model, as a model of choice must"
        elif hasattr(made, "forward"):
            bases = "torch.nn.Module, as a core must"
        raise Wrong(f"{made.__name__} must derive from {bases}")
