"""Command line: evaluate trained agents on held-out tasks; findings, a record and figures out.

python evaluate.py runs/wang2016-bandit/20260101-120000-seed0
python evaluate.py pretrained/wang2016-bandit --seed 3 --json

The exit code is 1 if the finding, measured as a whole, is not reproduced (some bar is missed), 2
after an error, else 0.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from prefrontal.agents.common.errors import ConfigError, PrefrontalError, did_you_mean
from prefrontal.agents.rollout.spec import NO_ENVIRONMENT
from prefrontal.analysis.stats.findings import table
from prefrontal.analysis.stats.intervals import NotMeasurableError
from prefrontal.checking import check, option
from prefrontal.experiments.evaluation import Evaluation, write_record
from prefrontal.experiments.experiment import (
    EPISODES,
    Experiment,
    Outcome,
    conclusion,
    find_experiment,
    of_other_tasks,
    unjudged,
)
from prefrontal.experiments.judging import fingerprint
from prefrontal.experiments.options import guarded, parse
from prefrontal.experiments.settings import (
    Settings,
    condition_folder,
    load_run,
    load_snapshots,
    read_curves,
    settings_of,
)

if TYPE_CHECKING:
    from prefrontal.agents.runs.folder import RunFolder  # imports torch


@dataclass(frozen=True)
class Options:
    """Evaluate a run folder, or a shipped population."""

    run: Path = option(
        dataclasses.MISSING, "Run folder that train.py wrote, or pretrained/EXPERIMENT."
    )
    split: Literal["held_out", "train", "all"] = option(
        "held_out",
        "Tasks that findings are about: never trained on (held_out), those of training (train), or "
        "the published distribution (all). Some experiments set their tasks themselves.",
    )
    episodes: int = option(
        EPISODES,
        "Episodes per member for the findings, at most; some experiments measure fewer.",
        least=1,
    )
    seed: int = option(
        0,
        "Seed of tasks, noise and actions. A member meets the same tasks in all conditions, and "
        "tasks of its own unless the experiment gives all members the same.",
        least=0,
    )
    json: bool = option(False, "Print metrics.json to stdout and nothing else.")
    out: Path | None = option(None, "Folder to write to; default RUN/evaluation.")
    record: int = option(
        20,
        "Episodes per member that are written to record.npz and record.csv, step by step.",
        least=1,
    )
    figures: bool = option(True, "Whether to write figures.")
    block: float = option(
        0.0,
        "Subtracted from the prediction error that actors are given after every reward (networks "
        "with actor_reward rpe only).",
    )
    stimulate: float = option(
        0.0,
        "Added to the prediction error that actors are given after every outcome without a reward "
        "(networks with actor_reward rpe only).",
    )

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)


def main(arguments: list[str]) -> int:
    """Run the command line; return the exit code."""
    options = parse(Options, arguments, "evaluate.py", "Evaluate a trained population.")
    import torch

    torch.set_num_threads(1)
    run = _find(options.run)
    name, _, settings = settings_of(run)
    experiment = find_experiment(name)
    folder = options.out or options.run / "evaluation"
    evaluation = _evaluation(run, settings, experiment, options, folder)
    outcome = _measured(experiment, evaluation, options.run)
    written = [*outcome.figures, *_write_records(evaluation, options.record)]
    said, code = conclusion(experiment, outcome.findings, settings, evaluation.episodes)
    metrics = {
        "experiment": name,
        "reference": experiment.reference,
        "split": options.split,
        "episodes": evaluation.episodes,
        "seed": options.seed,
        "members": {key: len(population) for key, population in evaluation.populations.items()},
        "code": fingerprint(name),
        "conclusion": said,
        "findings": [finding.to_json() for finding in outcome.findings],
    }
    text = json.dumps(metrics, indent=1)
    (folder / "metrics.json").write_text(text + "\n")
    (folder / "findings.md").write_text(table(outcome.findings, "markdown") + "\n")
    if options.json:
        print(text)
        return code
    print(f"{name}: {experiment.summary}\n")
    print(table(outcome.findings))
    if said:
        print(f"\n{said}")
    print("\nwritten:")
    for path in [folder / "metrics.json", folder / "findings.md", *written]:
        print(f"  {path}")
    return code


def _evaluation(
    run: RunFolder,
    settings: Mapping[str, Settings],
    experiment: Experiment,
    options: Options,
    folder: Path,
) -> Evaluation:
    """Return the trained populations of a run, ready to be measured; make the folder."""
    from prefrontal.agents.rollout.rollout import Stimulation

    populations = load_run(run, settings)
    folder.mkdir(parents=True, exist_ok=True)
    curves = {key: read_curves(condition_folder(run, key).path / "metrics.csv") for key in settings}
    _note_missing(curves, settings)
    given = options.block or options.stimulate
    return Evaluation(
        populations,
        settings,
        options.split,
        min(options.episodes, experiment.most_episodes or options.episodes),
        options.seed,
        folder,
        curves,
        figures=options.figures,
        stimulation=Stimulation(-options.block, options.stimulate) if given else None,
        snapshots=load_snapshots(run, settings),
    )


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


def _write_records(evaluation: Evaluation, episodes: int) -> list[Path]:
    """Write a record of every condition that has an environment; return the files."""
    written = []
    for condition, one in evaluation.settings.items():
        if one.environment != NO_ENVIRONMENT:
            alone = condition == "default"
            place = evaluation.folder if alone else evaluation.folder / condition
            place.mkdir(exist_ok=True)
            record = evaluation.record(condition, episodes=episodes, hidden=True)
            written += write_record(record, place)
    return written


def _measured(experiment: Experiment, evaluation: Evaluation, run: Path) -> Outcome:
    """Return what the experiment finds, judged by its bars only where the task is its own."""
    try:
        with warnings.catch_warnings():  # what cannot be measured is NaN, and reported as such
            warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
            outcome = experiment.measure(evaluation)
    except NotMeasurableError as error:
        raise ConfigError(
            f"{run} cannot be measured: in {evaluation.episodes} episodes some member never did "
            "what a finding is about; train longer, or give more --episodes"
        ) from error
    except PrefrontalError:
        raise
    except ValueError as error:  # what a measure needs of its data
        raise ConfigError(
            f"{run} cannot be measured with its settings in {evaluation.episodes} episodes: {error}"
        ) from error
    others = of_other_tasks(experiment, evaluation.settings)
    plain = unjudged(outcome.findings)
    if not others or plain == outcome.findings:
        return outcome
    print(
        f"note: the task of {', '.join(others)} is not that of {experiment.name}; findings are not "
        "held against its bars",
        file=sys.stderr,
    )
    return replace(outcome, findings=plain)


def _find(path: Path) -> RunFolder:
    """Return the run in a folder; if there is none, suggest one below it or a neighbour."""
    from prefrontal.agents.runs.folder import RunFolder, runs_below

    if not (path / "config.toml").is_file() and path.parent.is_dir():
        if below := runs_below(path):
            raise ConfigError(f"there is no run in {path}{below}")
        neighbours = [p.parent.name for p in path.parent.glob("*/config.toml")]
        hint = did_you_mean(path.name, neighbours)
        raise ConfigError(f"there is no run in {path}{hint if 'mean' in hint else ''}")
    return RunFolder.read(path)


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
