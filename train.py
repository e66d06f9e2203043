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
from pathlib import Path

import torch
from tqdm import tqdm

from prefrontal.agents import A2CConfig
from prefrontal.agents.common.errors import ConfigError, did_you_mean
from prefrontal.agents.registry import check, entry_of
from prefrontal.agents.rollout.environments import find_spec, make_envs
from prefrontal.agents.runs.folder import RunFolder
from prefrontal.agents.training.diagnosis import diagnose
from prefrontal.agents.training.loop import Progress, train
from prefrontal.experiments import Settings, all_experiments, find_experiment
from prefrontal.experiments.options import RunOptions, parse_run, parse_settings
from prefrontal.experiments.own_environment import EXPERIMENT as OWN_ENVIRONMENT
from prefrontal.experiments.own_environment import settings_for
from prefrontal.experiments.runs import (
    condition_folder,
    config_of,
    guarded,
    read_curves,
    settings_of,
)

USAGE = """usage: train.py EXPERIMENT [options]        (train.py EXPERIMENT --help lists every option)
       train.py --env-id ID [options]       train on any Gymnasium environment
       train.py --list                      all experiments"""


def main(arguments: list[str]) -> int:
    """Runs the command line; returns the exit code."""
    torch.set_num_threads(1)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, file=sys.stderr if not arguments else sys.stdout)
        return 0 if arguments else 2
    if arguments[0] == "--list":
        for name, experiment in all_experiments().items():
            print(f"{name:28} {experiment.summary}")
        return 0
    named, env_id, words = parse_run(arguments)
    conditions, name, description = _defaults(named, env_id)
    resumed = _resumed(name, words)
    if resumed is not None:
        stored, seed, conditions = settings_of(resumed)
        _refuse_another(resumed, stored, name, conditions, env_id)
    chosen = _chosen(conditions, words)
    options = defaults = RunOptions(seed=seed) if resumed else RunOptions()
    settings = {}
    for condition in chosen:
        settings[condition], options = parse_settings(
            conditions[condition], defaults, words, f"train.py {name}", description
        )
    if resumed is not None:
        kept = {condition: conditions[condition] for condition in chosen}
        _refuse_changes(resumed, seed, kept, options.seed, settings)
        run = RunFolder.resume(resumed.path)
    else:
        for condition, one in settings.items():  # what cannot be trained leaves no folder behind
            if said := check(one.job(options.seed, options.device)):
                print(f"{condition}: {said}")
        out = options.out or _new_folder(name, options.seed)
        run = RunFolder.create(out, config_of(name, options.seed, settings))
    with run:
        _train(run, settings, options)
    print(f"trained: {run.path}\nevaluate it:  python evaluate.py {run.path}")
    print(f"its curves:   tensorboard --logdir {run.path}")
    return 0


def _defaults(name: str | None, env_id: str | None) -> tuple[Mapping[str, Settings], str, str]:
    """Conditions, name and description of what is to be trained."""
    if env_id is not None:
        find_spec(env_id)
        base = find_experiment(name).conditions if name else None
        first = next(iter(base.values())) if base else None
        return {"default": settings_for(env_id, first)}, OWN_ENVIRONMENT.name, f"Train on {env_id}."
    if name is None:
        raise ConfigError(f"name an experiment first{did_you_mean('', all_experiments())}")
    experiment = find_experiment(name)
    return experiment.conditions, name, f"{experiment.summary} ({experiment.reference})"


def _chosen(conditions: Mapping[str, Settings], words: list[str]) -> list[str]:
    """Conditions named after --condition, or all; the others' options need not fit."""
    names: list[str] = []
    taking = False
    for word in words:
        option, _, value = word.partition("=")
        if word.startswith("--"):
            taking = option == "--condition"
            word = value
        if taking and word:
            names.append(word)
    if not names and any(word.partition("=")[0] == "--condition" for word in words):
        raise ConfigError(f"--condition needs a name: {', '.join(conditions)}")
    for name in names:
        if name not in conditions:
            raise ConfigError(f"there is no condition {name!r}{did_you_mean(name, conditions)}")
    return names or list(conditions)


def _new_folder(name: str, seed: int) -> Path:
    """Where a run goes that was not told where."""
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-seed{seed}"
    paths = (Path("runs", name, stem + end) for end in ("", *(f"-{k}" for k in range(2, 1000))))
    return next(path for path in paths if not path.exists())


def _resumed(name: str, words: list[str]) -> RunFolder | None:
    """The run to go on with: the one in --out, or the newest of the experiment."""
    if "--resume" not in words:
        return None
    for index, word in enumerate(words):
        if word.partition("=")[0] == "--out":
            path = word.partition("=")[2] or (words[index + 1] if index + 1 < len(words) else "")
            return RunFolder.read(path)
    runs = sorted(Path("runs", name).glob("*/config.toml"), key=lambda p: p.stat().st_mtime)
    if not runs:
        raise ConfigError(
            f"there is no run of {name} to resume in {Path('runs', name)}; name its folder with --out"
        )
    return RunFolder.read(runs[-1].parent)


def _refuse_another(
    run: RunFolder, stored: str, name: str, conditions: Mapping[str, Settings], env_id: str | None
) -> None:
    if stored != name:
        raise ConfigError(f"{run.path} is a run of {stored}, not of {name}")
    ids = {one.environment.id for one in conditions.values()}
    if env_id is not None and ids != {settings_for(env_id).environment.id}:
        raise ConfigError(f"{run.path} trains on {', '.join(sorted(ids))}, not on {env_id}")


def _refuse_changes(
    run: RunFolder,
    seed: int,
    stored: Mapping[str, Settings],
    given_seed: int,
    given: Mapping[str, Settings],
) -> None:
    if given_seed != seed or dict(given) != dict(stored):
        raise ConfigError(
            f"--resume goes on with the settings in {run.path / 'config.toml'}; leave other settings out, or start a new run"
        )


def _train(run: RunFolder, settings: Mapping[str, Settings], options: RunOptions) -> None:
    for condition, one in settings.items():
        cores = os.cpu_count() or 1
        spreads = entry_of(one.algorithm).spreads_itself
        workers = options.workers or (cores if spreads else min(one.training.members, cores))
        label = run.path.parent.name if condition == "default" else condition
        with tqdm(
            total=one.training.total_steps, unit="step", unit_scale=True, desc=label,
            disable=options.no_progress or (not sys.stderr.isatty() and "FORCE_PROGRESS" not in os.environ),
        ) as bar:  # fmt: skip

            def report(progress: Progress, bar: tqdm = bar) -> None:
                bar.update(min(progress.steps, progress.total_steps) - bar.n)
                shown = {"reward": "return", "best": "best", "entropy": "entropy"}
                bar.set_postfix(
                    {
                        label: f"{progress.metrics[name].mean():.3g}"
                        for label, name in shown.items()
                        if name in progress.metrics
                    }
                )

            folder = condition_folder(run, condition)
            job = one.job(options.seed, options.device, workers, options.ray_address)
            train(job, folder, workers, report)
        curves = read_curves(folder.path / "metrics.csv")
        if isinstance(one.algorithm, A2CConfig) and curves:
            for sign in diagnose(curves["entropy"], curves["return"], _actions(one)):
                print(sign if condition == "default" else f"{condition}: {sign}")


def _actions(settings: Settings) -> int:
    """Number of actions of an environment with discrete ones."""
    envs = make_envs(settings.environment, [0], 1)
    envs.close()
    return int(envs.num_actions)


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
