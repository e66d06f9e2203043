"""Say what is wrong with a task, a core, a model or a study of the user's, in one line each.

`problems` is what `prefrontal check` calls; `quick_problems` is the part that takes no time (of a
core, all of it), for those who train without checking. Tasks are made, drawn and played; cores take
steps, alone and mapped over members; studies train for one update and are measured.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.user_files import import_file, import_object, own_names
from prefrontal.checks.classes import class_problems, collected, quick_problems
from prefrontal.experiments.experiment import Experiment

__all__ = ["notes", "problems", "quick_problems"]


def problems(what: Any) -> list[str]:
    """Return what is wrong with a task, core, model or study, a line each; nothing if all is well.

    Args:
        what: ``FILE.py:CLASS`` or ``PACKAGE.MODULE:CLASS`` of a task (`prefrontal.envs.Task` or
            `gymnasium.Env`), a core or a model, or the class; ``FILE.py`` of a study.
    """
    return collected(_all_problems, what)


def notes(what: Any) -> list[str]:
    """Return what could be better in a task or model without problems, or is to be known of it."""
    import gymnasium

    from prefrontal.behaviour.models import Model
    from prefrontal.envs.task import Task

    made = import_object(what) if isinstance(what, str) and ":" in what else what
    if isinstance(made, type) and issubclass(made, Task):
        from prefrontal.checks.declared import notes as notes_on

        return list(notes_on(made))
    if isinstance(made, type) and issubclass(made, Model):
        from prefrontal.checks.models import model_notes

        return list(model_notes(made))
    if inspect.isfunction(made) or (isinstance(made, type) and issubclass(made, gymnasium.Env)):
        from prefrontal.checks.foreign import environment_notes

        return list(environment_notes(made))
    return []


def _all_problems(what: Any) -> Iterator[str]:
    if isinstance(what, str) and (what.endswith(".py") or ":" not in what):
        from prefrontal.checks.studies import study_problems

        _refuse_another(what)
        yield from study_problems(what)
        return
    made = import_object(what) if isinstance(what, str) else what
    if isinstance(made, Experiment):
        from prefrontal.checks.studies import study_problems

        if not isinstance(what, str):
            raise ConfigError("a study is checked by the name of its file, FILE.py")
        yield from study_problems(what)
    else:
        yield from class_problems(made, quick=False)


def _refuse_another(what: str) -> None:
    """Raise Wrong for a file without a study; say how its classes are named."""
    from prefrontal.checks.calls import Wrong

    if not what.endswith(".py") and not all(map(str.isidentifier, what.split("."))):
        raise Wrong(
            "name a task, core or model, FILE.py:CLASS or PACKAGE.MODULE:CLASS, or a study, "
            f"FILE.py, not {what!r}"
        )
    module = import_file(what)
    if hasattr(module, "EXPERIMENT"):
        return
    own = ", ".join(f"{what}:{name}" for name in own_names(module, inspect.isclass))
    hint = f"; name the class if you mean a task, core or model: {own}" if own else ""
    raise Wrong(f"{what} has no EXPERIMENT, as a study must{hint}")
