"""Train the agents of an experiment, or on a task of the user's: one run folder out.

`train` is both `prefrontal.train` of Python and what the command `prefrontal train` calls.
"""

from __future__ import annotations

import dataclasses
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefrontal.agents.common.errors import ConfigError, did_you_mean
from prefrontal.agents.rollout.spec import NO_ENVIRONMENT
from prefrontal.doors import Doors
from prefrontal.experiments.experiment import (
    Experiment,
    find_experiment,
    known_levels,
)
from prefrontal.experiments.names import is_experiment, summaries
from prefrontal.experiments.run_files import condition_folder, config_of, read_curves, settings_of
from prefrontal.experiments.settings import Settings, require_common, task_options
from prefrontal.options import RunOptions
from prefrontal.reading import built

if TYPE_CHECKING:  # these import torch
    from prefrontal.agents.base import Job
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


@dataclass(frozen=True)
class Run:
    """A finished training run, as `prefrontal.train` returns it.

    Attributes:
        path: Its folder.
        doors: Code of the user's that it needs.
    """

    path: Path
    doors: Doors

    def __str__(self) -> str:
        return str(self.path)

    def __fspath__(self) -> str:
        return str(self.path)


def train(
    what: Any = None,
    *,
    task: Any = None,
    core: Any = None,
    algorithm: str | None = None,
    preset: str | None = None,
    seed: int | None = None,
    out: Path | str | None = None,
    resume: bool = False,
    device: str = "cpu",
    workers: int = 0,
    condition: str | Sequence[str] = (),
    progress: bool = True,
    **settings: Any,
) -> Run:
    """Train agents; return the run.

    Args:
        what: Name of an experiment; or a task: a Gymnasium id, a `Task` or `gymnasium.Env` class, a
            function that makes environments, or its name, ``FILE.py:NAME``; or a study: ``FILE.py``
            with an ``EXPERIMENT``.
        task: Task in place of the experiment's.
        core: Recurrent core: a name, a class, or ``FILE.py:CLASS``.
        algorithm: Learner in place of the experiment's: a2c, r2d2, td3, evolution,
            decision-pretrained or meta-gradient.
        preset: Named settings for an environment that is not ours (`experiments.presets`).
        seed: Seed of weights, tasks, noise and actions; default 0.
        out: Run folder; default ``runs/EXPERIMENT/TIME-seedSEED``.
        resume: Whether to go on with the run in `out`, or with the newest of the experiment.
        device: Where to compute: cpu, or cuda.
        workers: Processes to spread the members over; 0: one a core, at most one a member.
        condition: Conditions to train; none: all.
        progress: Whether to show how far training is.
        **settings: Any setting by the name of its option: ``members=8``, ``hidden_size=32``, a
            parameter of the task.

    Raises:
        PrefrontalError: What the command would say in one line.
    """
    if callable(what):
        what, task = None, what
    if not isinstance(what, str | None):
        raise ConfigError(f"name an experiment or a task, not {what!r:.80}")
    condition = (condition,) if isinstance(condition, str) else tuple(condition)
    names = {field.name for field in dataclasses.fields(RunOptions)} - {"task", "core"}
    given = {name: value for name, value in locals().items() if name in names}
    given |= {"out": None if out is None else Path(out), "condition": condition}
    options = built(RunOptions, given)
    made = plan(what, options, Doors(task, core))
    require_common(made.conditions, settings)
    chosen = {name: one.with_options(**settings) for name, one in made.conditions.items()}
    code = {"task": task, "core": core}
    named = {key: getattr(one, "__qualname__", one) for key, one in code.items()} | given | settings
    told = [
        f"{key}={value if key == 'out' else repr(value)}" for key, value in named.items() if value
    ]
    return execute(made, chosen, options, f"prefrontal.train({', '.join([repr(what), *told])})")


def plan(what: str | None, options: RunOptions, doors: Doors | None = None) -> Plan:
    """Find out what is to be trained, and open the doors to code of the user's.

    Args:
        what: See `train`.
        options: How to run; `task` and `core` count where there are no `doors`.
        doors: Code of the user's.

    Raises:
        ConfigError: There is no such experiment, task, core, condition or run.
    """
    doors = doors or Doors(options.task, options.core)
    if what is not None and not is_experiment(what):
        doors = _door_to(what, doors)
    core = doors.core_name()
    _refuse_faults(doors)
    experiment, conditions, description = _defaults(what, doors, options)
    resumed, seed = _resumed(experiment.name, options.out) if options.resume else None, 0
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

        if isinstance(import_object(what), Experiment):
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


def _resumed(name: str, out: Path | None) -> RunFolder:
    """Return the run to continue: the one in `out`, or the newest of the experiment."""
    from prefrontal.agents.runs.folder import RunFolder

    if out is not None:
        return RunFolder.read(out)
    folder = Path("runs", name)
    runs = sorted(folder.glob("*/config.toml"), key=lambda path: path.stat().st_mtime)
    if not runs:
        raise ConfigError(
            f"there is no run of {name} to resume in {folder}; name its folder with --out"
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


def _new_folder(name: str, seed: int) -> Path:
    """Return a folder that does not exist, for a run that was not given one."""
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-seed{seed}"
    paths = (Path("runs", name, stem + end) for end in ("", *(f"-{k}" for k in range(2, 1000))))
    return next(path for path in paths if not path.exists())


def execute(plan: Plan, settings: Mapping[str, Settings], options: RunOptions, command: str) -> Run:
    """Check the settings, then train every condition in one run folder.

    Args:
        plan: What is trained.
        settings: Its settings, changed or not.
        options: How to run.
        command: What the user typed, for ``command.txt``.

    Raises:
        PrefrontalError: It cannot be trained, or training cannot go on.
    """
    import torch

    from prefrontal.agents.common.pool import PREPARATIONS
    from prefrontal.agents.runs.folder import RunFolder

    torch.set_num_threads(1)
    resolved = {name: one.resolved() for name, one in settings.items()}
    resumed, seed = plan.resumed, options.seed or 0
    if resumed is not None:
        seed = plan.seed
        if (
            resolved != {name: one.resolved() for name, one in plan.conditions.items()}
            or options.seed not in (None, seed)
            or options.algorithm
        ):
            raise ConfigError(
                f"--resume goes on with the settings in {resumed.path / 'config.toml'}; leave "
                "other settings out, or start a new run"
            )
    else:
        settings = resolved  # a folder says all, whatever defaults become later
    _check(settings, options, seed)  # what cannot be trained leaves no folder behind
    name = plan.experiment.name
    title = plan.doors.environment() or name
    if resumed is not None:
        run = RunFolder.resume(resumed.path, command)
    else:
        out = options.out or _new_folder(name, seed)
        run = RunFolder.create(out, config_of(name, seed, settings), command)
    if plan.doors.local:
        options = replace(options, workers=1)
    PREPARATIONS.append(plan.doors.open)
    try:
        with run:
            levels = known_levels(plan.experiment, settings)
            for condition, one in settings.items():
                label = title if condition == "default" else condition
                known = levels.get(condition, {})
                _train_condition(run, condition, one, options, seed, label, known)
    finally:
        PREPARATIONS.remove(plan.doors.open)
    return Run(run.path, plan.doors)


def _check(settings: Mapping[str, Settings], options: RunOptions, seed: int) -> None:
    """Check that every condition can be trained here.

    Raises:
        ConfigError: A setting, the device or the Ray cluster does not do.
    """
    import torch

    from prefrontal.agents.common.pool import check_ray
    from prefrontal.agents.registry import check

    if options.ray_address is not None:
        check_ray(options.ray_address)
    try:
        torch.empty(0, device=options.device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0].partition(" at start of")[0]
        raise ConfigError(f"device {options.device!r} cannot be used here: {reason}") from error
    for condition, one in settings.items():
        job = one.job(seed, options.device)
        if said := check(job):
            print(f"{condition}: {said}")
        for note in () if job.environment == NO_ENVIRONMENT else job.facts.notes:
            print(f"note: {note}")
        _check_workers(one, options)


def _check_workers(settings: Settings, options: RunOptions) -> None:
    """Check that the processes fit in memory, and that a Ray cluster would be used."""
    from prefrontal.agents.common.memory import WORKER, require_memory
    from prefrontal.agents.registry import entry_of

    spreads = entry_of(settings.algorithm).spreads_itself
    if options.ray_address is not None and not spreads:
        raise ConfigError("--ray-address is for evolving populations: leave it out")
    workers = options.workers if spreads else min(options.workers, settings.training.members)
    if workers > 1:
        require_memory(workers * WORKER, f"{workers:,} processes", "take fewer --workers")


def _train_condition(
    run: RunFolder,
    condition: str,
    settings: Settings,
    options: RunOptions,
    seed: int,
    label: str,
    levels: Mapping[str, float],
) -> None:
    """Train the agents of one condition, and say how far it is."""
    from prefrontal.agents.registry import entry_of
    from prefrontal.agents.training.loop import train
    from prefrontal.progress import Reporter

    cores = os.cpu_count() or 1
    spreads = entry_of(settings.algorithm).spreads_itself
    if settings.environment.kwargs.get("env_workers"):
        cores = 1  # processes of members could not start those of environments
    workers = options.workers or (cores if spreads else min(settings.training.members, cores))
    folder = condition_folder(run, condition)
    job = settings.job(seed, options.device, workers, options.ray_address)
    with Reporter(label, settings.training, workers, options.progress) as reporter:
        train(job, folder, workers, reporter.report, levels)
    _diagnose(folder, condition, job)


def _diagnose(folder: RunFolder, condition: str, job: Job) -> None:
    """Say what the learning curves of policies show of failures."""
    from prefrontal.agents.training.diagnosis import diagnose

    curves = read_curves(folder.path / "metrics.csv")
    if "entropy" in curves and job.facts.discrete:
        for sign in diagnose(curves["entropy"], curves["return"], job.facts.num_actions):
            print(sign if condition == "default" else f"{condition}: {sign}")
