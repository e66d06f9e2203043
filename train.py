"""Command line: train the agents of an experiment; one run folder out.

python train.py --list
python train.py wang2016-bandit --help
python train.py wang2016-bandit --members 8 --seed 1
python train.py --env-id CartPole-v1
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from prefrontal.agents.common.errors import ConfigError, did_you_mean
from prefrontal.agents.rollout.spec import NO_ENVIRONMENT
from prefrontal.experiments.experiment import all_experiments, find_experiment
from prefrontal.experiments.options import RunOptions, guarded, parse_known, parse_settings
from prefrontal.experiments.settings import (
    Settings,
    condition_folder,
    config_of,
    read_curves,
    settings_of,
)

if TYPE_CHECKING:  # these import torch
    from prefrontal.agents.base import Job
    from prefrontal.agents.runs.folder import RunFolder
    from prefrontal.agents.training.loop import Progress

USAGE = """usage: train.py EXPERIMENT [options]    (train.py EXPERIMENT --help lists every option)
       train.py --env-id ID [options]   train on any Gymnasium environment
       train.py --list                  all experiments"""


def main(arguments: list[str]) -> int:
    """Run the command line; return the exit code."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, file=sys.stderr if not arguments else sys.stdout)
        return 0 if arguments else 2
    if arguments[0] == "--list":
        for name, experiment in all_experiments().items():
            print(f"{name:28} {experiment.summary}")
        return 0
    options, words = parse_known(RunOptions(), arguments, "train.py")
    named = words.pop(0) if words and not words[0].startswith("-") else None
    conditions, name, description = _defaults(named, options.env_id)
    resumed = _resumed(name, options.out) if options.resume else None
    seed = 0
    if resumed is not None:
        stored, seed, conditions = settings_of(resumed)
        _refuse_another(resumed, stored, name, conditions, options.env_id)
    chosen = _chosen(conditions, options.condition)
    prog = f"train.py {name}"
    settings = {
        condition: parse_settings(one, options, words, prog, description)
        for condition, one in chosen.items()
    }
    if resumed is not None and (settings != chosen or options.seed not in (None, seed)):
        raise ConfigError(
            f"--resume goes on with the settings in {resumed.path / 'config.toml'}; leave other "
            "settings out, or start a new run"
        )
    options = replace(options, seed=seed if options.seed is None else options.seed)
    _train(name, settings, options, resumed)
    return 0


def _defaults(name: str | None, env_id: str | None) -> tuple[Mapping[str, Settings], str, str]:
    """Return conditions, name and description of what is to be trained."""
    if env_id is not None:
        from prefrontal.experiments import own_environment

        base = find_experiment(name).conditions if name else None
        if base and any(one.environment == NO_ENVIRONMENT for one in base.values()):
            raise ConfigError(f"{name} needs no environment: leave out --env-id")
        first = next(iter(base.values())) if base else None
        own = own_environment.settings_for(env_id, first)
        return {"default": own}, own_environment.EXPERIMENT.name, f"Train on {env_id}."
    if name is None:
        raise ConfigError(f"name an experiment first{did_you_mean('', all_experiments())}")
    experiment = find_experiment(name)
    return experiment.conditions, name, f"{experiment.summary} ({experiment.reference})"


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
    if env_id is not None and ids != {env_id.removeprefix("envs:")}:
        raise ConfigError(f"{run.path} trains on {', '.join(sorted(ids))}, not on {env_id}")


def _new_folder(name: str, seed: int) -> Path:
    """Return a folder that does not exist, for a run that was not given one."""
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-seed{seed}"
    paths = (Path("runs", name, stem + end) for end in ("", *(f"-{k}" for k in range(2, 1000))))
    return next(path for path in paths if not path.exists())


def _train(
    name: str, settings: Mapping[str, Settings], options: RunOptions, resumed: RunFolder | None
) -> None:
    """Check the settings, then train every condition in one run folder."""
    import torch

    from prefrontal.agents.runs.folder import RunFolder

    torch.set_num_threads(1)
    seed = options.seed or 0
    _check(settings, options)  # what cannot be trained leaves no folder behind
    if resumed is not None:
        run = RunFolder.resume(resumed.path)
    else:
        out = options.out or _new_folder(name, seed)
        run = RunFolder.create(out, config_of(name, seed, settings))
    with run:
        for condition, one in settings.items():
            _train_condition(run, condition, one, options)
    print(f"trained: {run.path}\nevaluate it:  python evaluate.py {run.path}")
    print(f"its curves:   tensorboard --logdir {run.path}")


def _check(settings: Mapping[str, Settings], options: RunOptions) -> None:
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
        if said := check(one.job(options.seed or 0, options.device)):
            print(f"{condition}: {said}")


def _train_condition(
    run: RunFolder, condition: str, settings: Settings, options: RunOptions
) -> None:
    """Train the agents of one condition, with a progress bar."""
    from tqdm import tqdm

    from prefrontal.agents.registry import entry_of
    from prefrontal.agents.training.loop import train

    cores = os.cpu_count() or 1
    spreads = entry_of(settings.algorithm).spreads_itself
    workers = options.workers or (cores if spreads else min(settings.training.members, cores))
    label = run.path.parent.name if condition == "default" else condition
    hidden = not options.progress or not (sys.stderr.isatty() or "FORCE_PROGRESS" in os.environ)
    total = settings.training.total_steps
    with tqdm(total=total, unit="step", unit_scale=True, desc=label, disable=hidden) as bar:

        def report(progress: Progress) -> None:
            bar.update(min(progress.steps, progress.total_steps) - bar.n)
            shown = {"reward": "return", "best": "best", "entropy": "entropy"}
            known = {label: name for label, name in shown.items() if name in progress.metrics}
            means = {label: progress.metrics[name].mean() for label, name in known.items()}
            bar.set_postfix({label: f"{mean:.3g}" for label, mean in means.items()})

        folder = condition_folder(run, condition)
        job = settings.job(options.seed or 0, options.device, workers, options.ray_address)
        train(job, folder, workers, report)
    _diagnose(folder, condition, job)


def _diagnose(folder: RunFolder, condition: str, job: Job) -> None:
    """Say what the learning curves of policies show of failures."""
    from prefrontal.agents.training.loop import diagnose

    curves = read_curves(folder.path / "metrics.csv")
    if "entropy" in curves:
        for sign in diagnose(curves["entropy"], curves["return"], job.facts.num_actions):
            print(sign if condition == "default" else f"{condition}: {sign}")


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
