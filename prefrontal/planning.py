"""Find out what is to be trained: an experiment, a task, a study or a run that goes on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefrontal.agents.common.errors import ConfigError, did_you_mean, quoted
from prefrontal.agents.rollout.spec import NO_ENVIRONMENT
from prefrontal.doors import Doors, could_be_task
from prefrontal.experiments.experiment import Experiment, find_experiment
from prefrontal.experiments.names import is_experiment, summaries
from prefrontal.experiments.run_files import settings_of
from prefrontal.experiments.settings import Settings, task_options
from prefrontal.options import RunOptions

if TYPE_CHECKING:  # imports torch
    from prefrontal.agents.runs.folder import RunFolder


@dataclass(frozen=True)
class Plan:
    """What is to be trained, before any setting is changed.

    Attributes:
        experiment: Whose conditions they are, or `own-environment`.
        conditions: Settings by condition.
        description: One line.
        doors: Code of the user's that is needed.
        resumed: The run that is continued, if one is.
        seed: Its seed.
    """

    experiment: Experiment
    conditions: Mapping[str, Settings]
    description: str
    doors: Doors
    resumed: RunFolder | None = None
    seed: int = 0


def plan(
    what: str | None, options: RunOptions, doors: Doors | None = None, under: str = ""
) -> Plan:
    """Find out what is to be trained, and open the doors to code of the user's.

    Args:
        what: See `train`.
        options: How to run; `task` and `core` count where there are no `doors`.
        doors: Code of the user's.
        under: Folder in ``runs`` where the run that is resumed is looked for.

    Raises:
        ConfigError: There is no such experiment, task, core, condition or run.
    """
    doors = doors or Doors(options.task, options.core)
    if what is not None and not is_experiment(what):
        doors = _door_to(what, doors)
    core = doors.core_name()
    _refuse_faults(doors)
    experiment, conditions, description = _defaults(what, doors, options)
    resumed, seed = None, 0
    if options.resume:
        resumed = _resumed(experiment.name, options.out, under)
    if resumed is not None:
        stored, seed, conditions = settings_of(resumed, core)
        _refuse_another(resumed, stored, experiment.name, conditions, doors.environment())
    conditions = _chosen(conditions, options.condition)
    if resumed is None:
        if options.algorithm is not None:
            if any(one.environment == NO_ENVIRONMENT for one in conditions.values()):
                raise ConfigError(f"{experiment.name} has no environment to learn in by another")
            conditions = {k: one.with_algorithm(options.algorithm) for k, one in conditions.items()}
        if core is not None:
            conditions = {k: one.with_options(core=core) for k, one in conditions.items()}
    return Plan(experiment, conditions, description, doors, resumed, seed)


def _refuse_faults(doors: Doors) -> None:
    """Refuse a task or core of the user's that is seen to be wrong within a second.

    Raises:
        ConfigError: It is; `prefrontal check` would say more.
    """
    from prefrontal.agents.networks.config import CORES

    task, core = task_options(doors.environment() or ""), CORES.get(doors.core_name() or "")
    for what, made in ((doors.task, task), (doors.core, core)):
        if isinstance(made, type) and not made.__module__.startswith("prefrontal."):
            from prefrontal.checks.classes import quick_problems

            if found := quick_problems(made):
                raise ConfigError(f"{what if isinstance(what, str) else made.__name__}: {found[0]}")


def _door_to(what: str, doors: Doors) -> Doors:
    """Return the doors with the one that the first word of the command line names."""
    place, _, name = what.rpartition(":")
    if what.endswith(".py"):
        return replace(doors, study=what)
    if doors.task is not None:
        raise ConfigError(f"there is no experiment {what!r}{did_you_mean(what, summaries())}")
    if place and not re.search(r"/|-v\d+$", name):
        from prefrontal.agents.common.user_files import import_object

        def fits(made: Any) -> bool:
            return isinstance(made, Experiment) or could_be_task(made)

        if isinstance(import_object(what, fits), Experiment):
            return replace(doors, study=what)
        return replace(doors, task=what)
    if place or "/" in what or re.search(r"-v\d+$", what):
        return replace(doors, task=what)
    raise ConfigError(f"there is no experiment {what!r}{did_you_mean(what, summaries())}")


def _defaults(
    what: str | None, doors: Doors, options: RunOptions
) -> tuple[Experiment, Mapping[str, Settings], str]:
    """Return experiment, conditions and description of what is to be trained."""
    from prefrontal.experiments import own_environment

    base = None
    if doors.study is not None:
        base = doors.experiment()
    elif what is not None and is_experiment(what):
        base = find_experiment(what)
    env_id = doors.environment()
    if env_id is None:
        if base is None:
            raise ConfigError("name an experiment or a task first; `prefrontal list` shows all")
        if options.preset is not None:
            raise ConfigError(f"{what} has settings of its own: leave out --preset")
        return base, base.conditions, f"{base.summary} ({base.reference})"
    first = next(iter(base.conditions.values())) if base else None
    if first is not None and first.environment == NO_ENVIRONMENT:
        raise ConfigError(f"{what} needs no environment: leave out --task")
    own = own_environment.settings_for(env_id, first, options.preset, doors.core_name())
    return own_environment.EXPERIMENT, {"default": own}, f"Train on {env_id}."


def _chosen(conditions: Mapping[str, Settings], names: tuple[str, ...]) -> dict[str, Settings]:
    """Return the conditions that are named, or all."""
    for name in names:
        if name not in conditions:
            raise ConfigError(f"there is no condition {name!r}{did_you_mean(name, conditions)}")
    return {name: conditions[name] for name in names or conditions}


def _resumed(name: str, out: Path | None, under: str) -> RunFolder:
    """Return the run to continue: the one in `out`, or the newest of the experiment."""
    from prefrontal.agents.runs.folder import RunFolder

    if out is not None:
        return RunFolder.read(out)
    folder = Path("runs", under, name)
    runs = sorted(folder.glob("*/config.toml"), key=lambda path: path.stat().st_mtime)
    if not runs:
        raise ConfigError(
            f"there is no run of {name} to resume in {quoted(folder)}; name its folder with --out"
        )
    return RunFolder.read(runs[-1].parent)


def _refuse_another(
    run: RunFolder, stored: str, name: str, conditions: Mapping[str, Settings], env_id: str | None
) -> None:
    """Refuse to resume the run of another experiment or environment."""
    if stored != name:
        raise ConfigError(f"{run.path} is a run of {stored}, not of {name}")
    ids = {one.environment.id for one in conditions.values()}
    if env_id is not None and ids != {env_id}:
        raise ConfigError(f"{run.path} trains on {', '.join(sorted(ids))}, not on {env_id}")
