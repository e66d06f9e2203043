"""Doors for code of the user's: a task, a core, a study, by the name of their file or as a class.

A door is opened by what a user types or passes in Python. A run folder only says what it needs;
its names are never imported. Processes that training starts open the same doors first.
"""

from __future__ import annotations

import re
import typing
from dataclasses import dataclass
from typing import Any

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.user_files import import_file, import_object, own_names
from prefrontal.experiments.experiment import Experiment, find_experiment
from prefrontal.experiments.names import is_experiment

_VERSION = r"-v\d+$"


@dataclass(frozen=True)
class Doors:
    """What of the user's a run needs.

    Attributes:
        task: A Gymnasium id, ``PACKAGE:ID`` or ``FILE.py:ID`` (what is named registers it), or a
            class or function: itself, ``FILE.py:NAME`` or ``PACKAGE.MODULE:NAME``.
        core: Name of a core of the package, or a class.
        study: Name of an experiment of the package, a file or module with ``EXPERIMENT``, or
            ``FILE.py:NAME`` of one.
    """

    task: Any = None
    core: Any = None
    study: str | None = None

    @property
    def local(self) -> bool:
        """Whether a class of the running script or notebook is needed: no other process has it."""
        return any(getattr(made, "__module__", "") == "__main__" for made in (self.task, self.core))

    def open(self) -> None:
        """Import and register everything."""
        self.environment()
        self.core_name()
        if self.study is not None:
            self.experiment()

    def environment(self) -> str | None:
        """Register the task; return its id, or None.

        Raises:
            ConfigError: There is no such file, module or class, or it is no task.
        """
        if not isinstance(self.task, str):
            return None if self.task is None else _register_task(self.task)
        place, _, name = self.task.rpartition(":")
        if not place:
            return name
        if "/" not in name and not re.search(_VERSION, name):
            return _register_task(import_object(self.task, could_be_task))
        import_file(place)
        return name

    def core_name(self) -> str | None:
        """Register the core; return its name, or None.

        Raises:
            ConfigError: There is no such file, module or class, or it is no core.
        """
        from prefrontal.agents.networks.config import register_core

        if self.core is None or (isinstance(self.core, str) and ":" not in self.core):
            return self.core
        made = import_object(self.core, _could_be_core) if isinstance(self.core, str) else self.core
        name = stored_name(self.core) if isinstance(self.core, str) else _name_of(made)
        try:
            register_core(name, made)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        return name

    def experiment(self, stored: str | None = None) -> Experiment:
        """Return the experiment.

        Args:
            stored: Name that a run folder gives; the door must lead to an experiment of that name.

        Raises:
            ConfigError: There is none of that name, or the file holds none.
        """
        if stored is not None and is_experiment(stored):
            if self.study is not None:
                raise ConfigError(f"the run is of {stored!r}, not of a study: leave out --study")
            return find_experiment(stored)
        if self.study is None:
            raise ConfigError(
                f"the run is of {stored!r}, which is no experiment of the package; if it is a "
                "study of yours, name its file: --study FILE.py"
            )
        study = self.study
        if study.endswith(".py") or ":" not in study:
            module = import_file(study)
            found = getattr(module, "EXPERIMENT", None)
            tasks = [] if found else own_names(module, _is_task)
        else:
            found, tasks = import_object(study, lambda made: isinstance(made, Experiment)), []
        if not isinstance(found, Experiment):
            named = ", ".join(f"{study}:{name}" for name in tasks)
            raise ConfigError(
                f"{study} holds no EXPERIMENT of the class prefrontal.experiments.Experiment"
                + (f"; to train on a task, name its class: {named}" if tasks else "")
            )
        if stored not in (None, found.name):
            raise ConfigError(f"the run is of {stored!r}, and {study} holds {found.name!r}")
        return found


def is_code(text: str | None) -> bool:
    """Return whether a name is that of a file or module of the user's, not of something known."""
    return text is not None and (text.endswith(".py") or ":" in text)


def stored_name(text: str) -> str:
    """Return the name of a user's class as run folders hold it: without the folder of its file."""
    return re.split(r"[/\\]", text)[-1]


def _name_of(made: Any) -> str:
    """Return the name under which a class that was passed in Python is known."""
    if not isinstance(made, type):
        raise ConfigError(f"a class is needed, or its name as text, not {made!r:.80}")
    return f"{made.__module__}:{made.__qualname__}"


def _is_task(made: Any) -> bool:
    """Return whether something is the class of a task or of an environment."""
    import gymnasium

    from prefrontal import envs

    kinds = (envs.Task, gymnasium.Env, gymnasium.vector.VectorEnv)
    return isinstance(made, type) and issubclass(made, kinds)


def could_be_task(made: Any) -> bool:
    """Return whether something is a task's class, or a function that may make an environment."""
    return _is_task(made) or (callable(made) and not isinstance(made, type))


def _could_be_core(made: Any) -> bool:
    from torch import nn

    return isinstance(made, type) and issubclass(made, nn.Module)


def _register_task(made: Any) -> str:
    """Register a task or an environment under ``own/NAME-v0``; return the id.

    It is a `Task`, a class of an environment or a vector environment, or a function that makes one
    (vector environments: of ``num_envs``).
    """
    import gymnasium

    from prefrontal import envs
    from prefrontal.agents.rollout.environments import OWN
    from prefrontal.agents.rollout.vectors import is_vectorised

    vector = is_vectorised(made)
    kinds = (envs.Task, gymnasium.Env)
    if not vector and not (issubclass(made, kinds) if isinstance(made, type) else callable(made)):
        raise ConfigError(
            f"{made!r:.80} is no task: it must be a class derived from prefrontal.envs.Task or "
            "gymnasium.Env, or a function that makes an environment"
        )
    name = getattr(made, "__name__", "")
    if not name.isidentifier():
        raise ConfigError(f"{made!r:.80} needs a name of its own: define a function or a class")
    env_id = f"{OWN}{name}-v0"
    known = gymnasium.registry.get(env_id)
    if known is not None and made in (
        known.kwargs.get("task"),
        known.entry_point,
        known.vector_entry_point,
    ):
        return env_id
    gymnasium.registry.pop(env_id, None)  # what was defined anew takes its place
    try:
        if isinstance(made, type) and issubclass(made, envs.Task):
            envs.register(name, made, namespace=OWN)
        elif vector:
            gymnasium.register(env_id, vector_entry_point=made)
        else:
            gymnasium.register(env_id, entry_point=typing.cast(Any, made))
    except ValueError as error:
        raise ConfigError(f"task {error}") from error
    return env_id
