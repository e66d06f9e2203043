"""Evaluate trained agents on held-out tasks: findings, records and figures.

`evaluate` is both `prefrontal.evaluate` of Python and what the command `prefrontal evaluate` calls.
"""

from __future__ import annotations

import base64
import inspect
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prefrontal.agents.common.errors import ConfigError, did_you_mean, quoted
from prefrontal.agents.rollout.spec import NO_ENVIRONMENT
from prefrontal.analysis.stats.findings import Finding, table
from prefrontal.doors import Doors
from prefrontal.experiments import own_environment
from prefrontal.experiments.evaluation import Evaluation, Record, write_record
from prefrontal.experiments.experiment import (
    Experiment,
    conclusion,
    known_levels,
)
from prefrontal.experiments.judging import fingerprint
from prefrontal.experiments.names import is_experiment
from prefrontal.experiments.run_files import (
    condition_folder,
    load_run,
    load_snapshots,
    read_curves,
    settings_of,
)
from prefrontal.experiments.settings import EPISODES, Settings, task_options
from prefrontal.intervening import intervened
from prefrontal.measuring import measured, show_in_tensorboard
from prefrontal.options import EvaluationOptions
from prefrontal.reading import built
from prefrontal.reading_runs import find_run, require_own, require_room
from prefrontal.shipped import shipped_folder, shipped_names
from prefrontal.training import Run

if TYPE_CHECKING:
    from prefrontal.agents.runs.folder import RunFolder  # imports torch


@dataclass(frozen=True)
class Figure:
    """A figure that was written; notebooks show it.

    Attributes:
        path: Its file.
    """

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def __fspath__(self) -> str:
        return str(self.path)

    def _repr_html_(self) -> str:
        kind = {".png": "png", ".svg": "svg+xml"}[self.path.suffix]
        data = base64.b64encode(self.path.read_bytes()).decode()
        return f'<img src="data:image/{kind};base64,{data}" alt="{self.path.stem}">'


@dataclass(frozen=True)
class Report:
    """What an evaluation found.

    Attributes:
        experiment: Whose finding it is.
        title: Name and summary of the experiment, or the task of the user's.
        conditions: Conditions that were evaluated.
        findings: Measured numbers beside published ones, optima and bars (``pandas.DataFrame``
            takes the list as it is).
        figures: Figures that were written.
        records: By condition, what was recorded: arrays ``[M, E, T, ...]`` by name.
        metrics: What ``metrics.json`` holds.
        exit_code: 1 if the finding, measured as a whole, is not reproduced; else 0.
        written: All files that were written.
        evaluation: The agents, and what they have played.
    """

    experiment: Experiment
    title: str
    conditions: tuple[str, ...]
    findings: list[Finding]
    figures: list[Figure]
    records: dict[str, Record]
    metrics: dict[str, Any]
    exit_code: int
    written: list[Path]
    evaluation: Evaluation

    @property
    def record(self) -> Record:
        """Record of the first condition."""
        return next(iter(self.records.values()))

    @property
    def metrics_text(self) -> str:
        """What ``metrics.json`` holds, as text."""
        return json.dumps(self.metrics, indent=1) + "\n"

    def print(self) -> None:
        """Print findings, verdict and files."""
        print(f"{self.title}\n\n{self}")
        if self.metrics["conclusion"]:
            print(f"\n{self.metrics['conclusion']}")
        print("\nwritten:")
        for path in self.written:
            print(f"  {path}")

    def __str__(self) -> str:
        return table(self.findings)

    def _repr_markdown_(self) -> str:
        return table(self.findings, "markdown")


def evaluate(
    run: Run | Path | str,
    *,
    split: str = "held_out",
    episodes: int = EPISODES,
    seed: int = 0,
    out: Path | str | None = None,
    record: int = 20,
    figures: bool = True,
    block: float = 0.0,
    stimulate: float = 0.0,
    lesion: str | None = None,
    drive: str | None = None,
    task: Any = None,
    core: Any = None,
    study: str | None = None,
    minari: str | None = None,
) -> Report:
    """Evaluate a run: play held-out tasks with frozen weights, measure, draw, write.

    Args:
        run: What `prefrontal.train` returned, a run folder, or the name of a shipped population.
        split: Tasks that findings are about: ``held_out``, ``train`` or ``all``.
        episodes: Episodes per member for the findings, at most.
        seed: Seed of tasks, noise and actions.
        out: Folder to write to; default ``RUN/evaluation``, and ``runs/evaluation/NAME`` for a
            shipped population, with ``-units`` after it where units are held or driven.
        record: Episodes per member that are recorded step by step, at most `episodes`.
        figures: Whether to draw.
        block: Subtracted from the prediction error that actors are given after every reward.
        stimulate: Added to it after every outcome without one.
        lesion: Hidden units that are held at 0 at every step, ``"3,7,12"`` or ``"random:8"``.
        drive: Hidden units to whose activity something is added, ``"3=0.5,7=-1"``.
        task: Task of yours that the agents were trained on: a class, or ``FILE.py:CLASS``.
        core: Core of yours that they have: a class, or ``FILE.py:CLASS``.
        study: Study of yours that they were trained for, ``FILE.py``.
        minari: Name of a Minari dataset that keeps the recorded episodes too.

    Raises:
        PrefrontalError: What the command would say in one line.
    """
    doors = run.doors if isinstance(run, Run) else Doors()
    named = Doors(task, core, study)
    doors = Doors(*(getattr(named, f.name) or getattr(doors, f.name) for f in fields(Doors)))
    given = {key: value for key, value in locals().items() if key in _OPTIONS}
    given |= {"run": _path(run), "out": None if out is None else Path(out)}
    return evaluate_by(built(EvaluationOptions, given), doors)


_OPTIONS = {field.name for field in fields(EvaluationOptions)} - {"task", "core", "study", "json"}


def evaluate_by(options: EvaluationOptions, doors: Doors | None = None) -> Report:
    """Evaluate by options, with the code of the user's that they name or that is given."""
    doors = doors or Doors(options.task, options.core, options.study)
    import torch

    torch.set_num_threads(1)
    run, out = find_run(options.run)
    code = doors.core_name(), doors.environment()
    name, _, settings = settings_of(run, *code)
    experiment = doors.experiment(name)
    if not experiment.held_out:
        options = replace(options, split="all")
    require_own(experiment, settings, run.path)
    options = replace(options, record=min(options.record, options.episodes))
    changed = bool(options.lesion or options.drive)
    folder = options.out or (out.with_name(f"{out.name}-units") if changed else out)
    folder = folder.expanduser()
    evaluation, units = _evaluation(run, settings, experiment, options, folder, code)
    outcome = measured(experiment, evaluation, run.path, changed)
    records = {
        condition: evaluation.record(condition, episodes=options.record, hidden=True)
        for condition, one in settings.items()
        if one.environment != NO_ENVIRONMENT
    }
    said, exit_code = conclusion(experiment, outcome.findings, settings, evaluation.episodes)
    metrics = {
        "experiment": name,
        "reference": experiment.reference,
        "split": options.split,
        "episodes": evaluation.episodes,
        "seed": options.seed,
        "members": {key: len(population) for key, population in evaluation.populations.items()},
        "code": fingerprint(name) if is_experiment(name) else None,
        "conclusion": said,
        "findings": [finding.to_json() for finding in outcome.findings],
    }
    if units:
        metrics["units"] = units
    written = [folder / "metrics.json", folder / "findings.md"]
    written[1].write_text(table(outcome.findings, "markdown") + "\n", encoding="utf-8")
    for condition, one in records.items():
        place = folder if condition == "default" else folder / condition
        place.mkdir(exist_ok=True)
        written += write_record(one, place)
    if options.minari is not None:
        from prefrontal.minari_export import keep

        written.append(keep(options, evaluation.populations))
    report = Report(
        experiment,
        _title(experiment, settings),
        tuple(settings),
        outcome.findings,
        [Figure(path) for path in outcome.figures],
        records,
        metrics,
        exit_code,
        [*written, *outcome.figures],
        evaluation,
    )
    written[0].write_text(report.metrics_text, encoding="utf-8")
    shipped = shipped_folder(run.path.name)
    ours = shipped is not None and shipped.samefile(run.path)
    if not ours and not changed and os.access(run.path, os.W_OK):
        show_in_tensorboard(run, report.title, outcome, evaluation)
    return report


def load(
    path: Run | Path | str, condition: str | None = None, *, task: Any = None, core: Any = None
) -> Any:
    """Load trained agents: of a run folder, or a shipped population by its name.

    Args:
        path: What `prefrontal.train` returned, a folder, or a name of `prefrontal list`.
        condition: Which condition; needed if the run has several.
        task: Task of yours that they were trained on: a class, or ``FILE.py:CLASS``.
        core: Core of yours that they have: a class, or ``FILE.py:CLASS``.

    Raises:
        PrefrontalError: There are no agents there, or they need code that is not named.
    """
    from prefrontal.agents.registry import load as load_agents

    doors = path.doors if isinstance(path, Run) else Doors()
    doors = Doors(task or doors.task, core or doors.core)
    folder = _path(path).expanduser()
    if not folder.exists():
        hint = did_you_mean(folder.name, shipped_names())
        folder = shipped_folder(str(path)) or folder
        if not folder.exists() and "mean" in hint:
            raise ConfigError(f"there are no trained agents in {quoted(folder)}{hint}")
    return load_agents(folder, condition, doors.core_name(), doors.environment())


def _path(run: Any) -> Path:
    """Return the folder of what a caller names a run by."""
    if not isinstance(run, Run | Path | str):
        raise ConfigError(f"a run is named by its folder or its name, not by {run!r:.80}")
    return Path(run)


def _evaluation(
    run: RunFolder,
    settings: Mapping[str, Settings],
    experiment: Experiment,
    options: EvaluationOptions,
    folder: Path,
    code: tuple[str | None, str | None],
) -> tuple[Evaluation, dict[str, Any]]:
    """Return the trained populations of a run, ready to be measured; make the folder.

    And what was done to which of their units, see `intervened`.
    """
    from prefrontal.agents.rollout.rollout import Stimulation

    given = options.block or options.stimulate
    if given and any(
        getattr(one.network, "actor_reward", "") != "rpe" for one in settings.values()
    ):
        raise ConfigError(
            'prediction errors are changed only in networks with actor_reward "rpe", which these '
            "are not: leave out block and stimulate"
        )
    episodes = min(options.episodes, experiment.most_episodes or options.episodes)
    populations = load_run(run, settings, *code)
    curves = {key: read_curves(condition_folder(run, key).path / "metrics.csv") for key in settings}
    for key, population in populations.items():
        if population.environment != NO_ENVIRONMENT:
            require_room(key, population, episodes, options.record)
        members = curves[key]["steps"].shape[1] if curves[key] else len(population)
        if members != len(population):
            raise ConfigError(
                f"metrics.csv of {key} has {members} members, and the checkpoint {len(population)}"
            )
    snapshots = load_snapshots(run, settings, *code)
    populations, snapshots, units = intervened(populations, snapshots, options)
    folder.mkdir(parents=True, exist_ok=True)
    _note_missing(curves, settings)
    evaluation = Evaluation(
        populations,
        settings,
        options.split,
        episodes,
        options.seed,
        folder,
        curves,
        figures=options.figures,
        stimulation=Stimulation(-options.block, options.stimulate) if given else None,
        snapshots=snapshots,
        levels=known_levels(experiment, settings),
    )
    return evaluation, units


def _note_missing(
    curves: Mapping[str, Mapping[str, np.ndarray]], settings: Mapping[str, Settings]
) -> None:
    """Note learning curves that do not reach to the end of training."""
    for key, curve in curves.items():
        total, steps = settings[key].training.total_steps, curve["steps"][-1].min() if curve else 0
        if steps < total:
            what = f"ends at step {steps:,.0f} of {total:,}" if steps else "is missing or empty"
            note = f"note: metrics.csv of {key} {what}; findings about learning want the whole"
            print(note, file=sys.stderr)


def _title(experiment: Experiment, settings: Mapping[str, Settings]) -> str:
    """Return the heading of an evaluation."""
    if experiment.name != own_environment.EXPERIMENT.name:
        return f"{experiment.name}: {experiment.summary}"
    env_id = next(iter(settings.values())).environment.id
    task = task_options(env_id)
    return f"{env_id}: {(inspect.getdoc(task) or '').partition(chr(10))[0]}" if task else env_id
