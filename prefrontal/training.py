"""Train the agents of an experiment, or on a task of the user's: one run folder out.

`train` is both `prefrontal.train` of Python and what the command `prefrontal train` calls.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.rollout.spec import NO_ENVIRONMENT
from prefrontal.doors import Doors
from prefrontal.experiments.experiment import known_levels
from prefrontal.experiments.run_files import condition_folder, config_of, read_curves
from prefrontal.experiments.settings import Settings, require_common
from prefrontal.options import RunOptions
from prefrontal.planning import Plan, plan
from prefrontal.reading import built
from prefrontal.sinks import open_sinks, require_sinks
from prefrontal.sweeping import swept

if TYPE_CHECKING:  # these import torch
    from prefrontal.agents.base import Job
    from prefrontal.agents.runs.folder import RunFolder


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
    ray_address: str | None = None,
    log: str | Sequence[str] = (),
    condition: str | Sequence[str] = (),
    sweep: Mapping[str, Sequence[Any]] | None = None,
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
        ray_address: Ray cluster to spread the members over: ``HOST:PORT``, ``auto``, or ``local``,
            which starts one on this machine.
        log: Where settings and learning curves go too: ``wandb``, ``mlflow``.
        condition: Conditions to train; none: all.
        sweep: Values by the name of a setting, ``{"discount": (0.6, 0.9)}``; all combinations
            become conditions.
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
    log = (log,) if isinstance(log, str) else tuple(log)
    names = {field.name for field in dataclasses.fields(RunOptions)} - {"task", "core", "sweep"}
    given = {name: value for name, value in locals().items() if name in names}
    given |= {"out": None if out is None else Path(out), "condition": condition, "log": log}
    options = built(RunOptions, given)
    made = plan(what, options, Doors(task, core))
    require_common(made.conditions, settings)
    chosen = made.conditions
    if sweep is not None:
        _require_lists(sweep)
    if sweep:
        if resume or set(sweep) & set(settings):
            raise ConfigError("leave out sweep, or else resume and the settings that are swept")
        chosen = swept(chosen, sweep, lambda one, point: one.with_options(**point))
    chosen = {name: one.with_options(**settings) for name, one in chosen.items()}
    code = {"task": task, "core": core, "sweep": sweep}
    named = {key: getattr(one, "__qualname__", one) for key, one in code.items()} | given | settings
    told = [
        f"{key}={value if key == 'out' else repr(value)}" for key, value in named.items() if value
    ]
    return execute(made, chosen, options, f"prefrontal.train({', '.join([repr(what), *told])})")


def _require_lists(sweep: Any) -> None:
    """Check that a sweep of Python has values by the name of a setting.

    Raises:
        ConfigError: It is no dictionary, or a value in it is no list or tuple with something in it.
    """
    if not isinstance(sweep, Mapping):
        raise ConfigError(f"sweep takes values by name, {{'discount': (0.6, 0.9)}}, not {sweep!r}")
    for name, values in sweep.items():
        if not isinstance(name, str) or not isinstance(values, list | tuple) or not values:
            raise ConfigError(
                f"sweep: {name} takes a list of one value or more, not {values!r:.80}"
            )


def new_folder(name: str, seed: int) -> Path:
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
    if plan.doors.local:
        if options.ray_address is not None:
            raise ConfigError("a cluster needs what is trained in a file: name it FILE.py:NAME")
        options = replace(options, workers=1)
    with contextlib.ExitStack() as stack:
        # What cannot be trained leaves no folder behind
        processors = _joined(options, stack)
        check_all(settings, options, seed)
        name = plan.experiment.name
        title = plan.doors.environment() or name
        if resumed is not None:
            run = RunFolder.resume(resumed.path, command)
        else:
            out = options.out or new_folder(name, seed)
            run = RunFolder.create(out, config_of(name, seed, settings), command)
        PREPARATIONS.append(plan.doors.open)
        stack.callback(PREPARATIONS.remove, plan.doors.open)
        stack.enter_context(run)
        levels = known_levels(plan.experiment, settings)
        for condition, one in settings.items():
            label = title if condition == "default" else condition
            known = levels.get(condition, {})
            _train_condition(run, condition, one, options, seed, label, known, processors)
    return Run(run.path, plan.doors)


def _joined(options: RunOptions, stack: contextlib.ExitStack) -> int:
    """Return how many processors there are: of the Ray cluster, which is joined, or here.

    Raises:
        ConfigError: There is no such cluster, or it has no GPU for cuda.
    """
    cores = os.cpu_count() or 1
    if options.ray_address is None:
        return cores
    from prefrontal.agents.common.pool import join_cluster, processors

    ray, ours = join_cluster(options.ray_address, options.workers or cores)
    if ours:
        stack.callback(ray.shutdown)
    return processors(ray, options.device)


def check_all(settings: Mapping[str, Settings], options: RunOptions, seed: int) -> None:
    """Check that every condition can be trained here.

    Raises:
        ConfigError: A setting or the device does not do, or a package is missing.
    """
    import torch

    from prefrontal.agents.registry import check

    require_sinks(options.log)
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
    """Check that the processes fit in memory, where they are on this machine."""
    from prefrontal.agents.common.memory import WORKER, require_memory
    from prefrontal.agents.registry import entry_of

    spreads = entry_of(settings.algorithm).spreads_itself
    workers = options.workers if spreads else min(options.workers, settings.training.members)
    if workers > 1 and options.ray_address is None:
        require_memory(workers * WORKER, f"{workers:,} processes", "take fewer --workers")


def _train_condition(
    run: RunFolder,
    condition: str,
    settings: Settings,
    options: RunOptions,
    seed: int,
    label: str,
    levels: Mapping[str, float],
    processors: int,
) -> None:
    """Train the agents of one condition, and say how far it is."""
    from prefrontal.agents.registry import entry_of
    from prefrontal.agents.training.loop import Progress, train
    from prefrontal.progress import Reporter

    spreads = entry_of(settings.algorithm).spreads_itself
    if settings.environment.kwargs.get("env_workers") and options.ray_address is None:
        processors = 1  # processes of members could not start those of environments
    wanted = processors if spreads else min(settings.training.members, processors)
    workers = options.workers or wanted
    folder = condition_folder(run, condition)
    job = settings.job(seed, options.device, workers, options.ray_address)
    with (
        Reporter(label, settings.training, workers, options.progress) as reporter,
        open_sinks(options.log, folder.path, run.path, job) as send,
    ):

        def report(progress: Progress) -> None:
            reporter.report(progress)
            send(progress)

        train(job, folder, workers, report, levels)
    _diagnose(folder, condition, job, levels.get("chance"))


def _diagnose(folder: RunFolder, condition: str, job: Job, chance: float | None) -> None:
    """Say what the learning curves of policies show of failures."""
    from prefrontal.agents.training.diagnosis import diagnose

    curves = read_curves(folder.path / "metrics.csv")
    if "entropy" in curves and job.facts.discrete:
        told = curves["entropy"], curves["return"], job.facts.num_actions
        for sign in diagnose(*told, chance):
            print(sign if condition == "default" else f"{condition}: {sign}")
