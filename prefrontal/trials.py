"""One trial of a study: a population is trained with a setting, and measured."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prefrontal.agents.common.errors import ConfigError, TrainingError, did_you_mean
from prefrontal.analysis.stats.findings import Finding
from prefrontal.analysis.stats.intervals import interval
from prefrontal.doors import Doors
from prefrontal.experiments.run_files import condition_folder, config_of, read_curves
from prefrontal.experiments.settings import Settings
from prefrontal.options import EvaluationOptions
from prefrontal.sinks import BrokenOff, open_sinks

if TYPE_CHECKING:  # these import torch
    from prefrontal.agents.training.loop import Progress

PARTS = 10  # of a run, after each of which but the last it is compared with other trials
STARTUP = 5  # finished trials before which none is broken off
WARMUP = 3  # the first part after which a run can be broken off


class _Pruned(BrokenOff):
    """Ends a run from within its report."""


@dataclass(frozen=True)
class Result:
    """What became of a trial.

    Attributes:
        state: "complete", "pruned" or "failed".
        seconds: How long this took.
        part: Lower ends of the return after the parts of the run.
        finding: What counts, measured.
        reason: Why it failed.
    """

    state: str
    seconds: float
    part: list[float] = field(default_factory=list)
    finding: Finding | None = None
    reason: str = ""

    @property
    def value(self) -> float | None:
        """What the study maximises: the worse end of the interval, less where lower is better."""
        one = self.finding
        if one is None or one.low is None or one.high is None:
            return None
        return -one.high if one.better == "lower" else one.low


@dataclass(frozen=True)
class Trials:
    """What the trials of a study have in common; a function from one of them to its result.

    Attributes:
        folder: Where their run folders go.
        name: Of the experiment.
        condition: Which of its conditions they train.
        doors: Code of the user's that they need.
        seed: Of all trials.
        device: Where to compute.
        log: Sinks.
        objective: Name of the finding that counts; None: the first.
        episodes: Episodes a member that it is measured on.
    """

    folder: Path
    name: str
    condition: str
    doors: Doors
    seed: int
    device: str
    log: tuple[str, ...]
    objective: str | None
    episodes: int

    def __call__(self, trial: tuple[int, Settings, Sequence[Any]]) -> Result:
        """Train and measure one trial, going on from its checkpoint if there is one.

        Args:
            trial: Its number, its settings, and the trials that are finished (of Optuna).

        Raises:
            ConfigError: The objective is none that can be followed.
        """
        begun = time.monotonic()
        number, settings, finished = trial
        part: list[float] = []
        try:
            path = self._train(number, settings, finished, part)
            found = self._measured(path)
        except _Pruned:
            return Result("pruned", time.monotonic() - begun, part)
        except (TrainingError, _NotMeasured) as error:
            return Result("failed", time.monotonic() - begun, part, reason=str(error))
        try:
            best = objective_of(found, self.objective)
        except ConfigError as error:
            raise ConfigError(f"{error}; go on with --resume --objective NAME") from error
        result = Result("complete", time.monotonic() - begun, part, best)
        if result.value is None or not np.isfinite(result.value):
            return Result("failed", result.seconds, part, reason=f"{best.name} has no interval")
        return result

    def _train(
        self, number: int, settings: Settings, finished: Sequence[Any], part: list[float]
    ) -> Path:
        """Train the population; return its run folder.

        Raises:
            _Pruned: It is worse than the median of the others at the same part of the run.
        """
        import torch

        from prefrontal.agents.runs.folder import RunFolder
        from prefrontal.agents.training.loop import train

        torch.set_num_threads(1)
        path = self.folder / f"{number:04d}"
        command = f"trial {number} of the study in {self.folder.parent.name}"
        if (path / "config.toml").is_file():
            run = RunFolder.resume(path, command)
        else:
            config = config_of(self.name, self.seed, {self.condition: settings})
            run = RunFolder.create(path, config, command)
        judge = _judge(finished)
        job = settings.job(self.seed, self.device)
        with run:
            folder = condition_folder(run, self.condition)
            with open_sinks(self.log, folder.path, run.path, job) as send:

                def report(progress: Progress) -> None:
                    send(progress)
                    reached = PARTS * progress.steps // progress.total_steps
                    for one in range(len(part) + 1, min(reached, PARTS - 1) + 1):
                        part.append(_return(folder.path / "metrics.csv", one, job.total_steps))
                        if judge(part):
                            raise _Pruned

                train(job, folder, 1, report)
        return path

    def _measured(self, path: Path) -> list[Finding]:
        """Return the findings about a trained population, on tasks of training."""
        from prefrontal.evaluating import evaluate_by

        options = EvaluationOptions(
            run=path,
            split="train",
            episodes=self.episodes,
            seed=self.seed,
            record=1,
            figures=False,
        )
        try:
            with contextlib.redirect_stderr(io.StringIO()):  # its notes, for every trial anew
                return evaluate_by(options, self.doors).findings
        except ConfigError as error:
            raise _NotMeasured(str(error)) from error


class _NotMeasured(Exception):
    """A trained population cannot be measured."""


def objective_of(findings: Sequence[Finding], name: str | None) -> Finding:
    """Return the finding that counts.

    Raises:
        ConfigError: There is none of that name, or it has no better and worse.
    """
    by_name = {one.name: one for one in findings}
    if name is not None and name not in by_name:
        raise ConfigError(f"there is no finding {name!r}{did_you_mean(name, by_name)}")
    found = findings[0] if name is None else by_name[name]
    if found.better == "near":
        raise ConfigError(
            f"{found.name!r} should be in a range, so that no setting is better than another: name "
            "what counts by --objective"
        )
    return found


def _judge(finished: Sequence[Any]) -> Any:
    """Return a function that says whether a run is to be broken off, from its parts so far."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner = optuna.pruners.MedianPruner(STARTUP, WARMUP)
    study = optuna.create_study(direction="maximize", pruner=pruner)
    study.add_trials(finished)
    trial = study.ask()

    def judge(part: Sequence[float]) -> bool:
        if np.isfinite(part[-1]):
            trial.report(part[-1], len(part))
        return trial.should_prune()

    return judge


def _return(path: Path, part: int, total: int) -> float:
    """Return the lower end, over members, of the mean return in one part of a run."""
    curves = read_curves(path)
    if not curves:
        return np.nan
    steps = curves["steps"].min(axis=1) * PARTS / total
    rows = (steps > part - 1) & (steps <= part)
    values = curves["return"][rows].mean(axis=0) if rows.any() else np.array([np.nan])
    if not np.isfinite(values).all():
        return np.nan
    found = interval(values)
    return found.value if found.low is None else found.low
