"""Command line: evaluate trained agents on held-out tasks; findings, a record and figures out.

python evaluate.py runs/wang2016-bandit/20260101-120000-seed0
python evaluate.py pretrained/wang2016-bandit --seed 3 --json
"""

from __future__ import annotations

import json
import sys
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro

from prefrontal.agents.common.errors import ConfigError, PrefrontalError, did_you_mean
from prefrontal.agents.rollout.rollout import Stimulation
from prefrontal.agents.rollout.spec import NO_ENVIRONMENT
from prefrontal.agents.runs.folder import RunFolder, runs_below
from prefrontal.analysis.stats.findings import table
from prefrontal.analysis.stats.intervals import NotMeasurableError
from prefrontal.experiments import find_experiment
from prefrontal.experiments.evaluation import Evaluation, write_record
from prefrontal.experiments.judging import of_other_tasks, unjudged
from prefrontal.experiments.options import Switch, parse
from prefrontal.experiments.runs import (
    condition_folder,
    guarded,
    load_run,
    load_snapshots,
    read_curves,
    settings_of,
)
from prefrontal.experiments.settings import Experiment, Outcome


@dataclass(frozen=True)
class Options:
    """Evaluate a run folder, or a shipped population.

    Attributes:
        run: Run folder that train.py wrote, or pretrained/EXPERIMENT.
        split: Which tasks: never trained on (held_out), those of training (train), or the published distribution (all).
            Experiments that set their tasks themselves measure the same ones whatever the split.
        episodes: Episodes per member for the findings, at most; some experiments measure fewer.
        seed: Seed of tasks, noise and actions. A member meets the same tasks in all conditions; tasks of its own, unless the
            experiment gives all members the same.
        json: Print metrics.json to stdout and nothing else.
        out: Where to write; default RUN/evaluation.
        record: Episodes per member that are written to record.npz and record.csv, step by step.
        no_figures: Write no figures.
        block: Take this from the prediction error that an actor is given after every reward (actor_reward rpe only).
        stimulate: Add this to the prediction error after every outcome without a reward (actor_reward rpe only).
    """

    run: Annotated[Path, tyro.conf.Positional]
    split: Literal["held_out", "train", "all"] = "held_out"
    episodes: int = 4000
    seed: int = 0
    json: Switch = False
    out: Path | None = None
    record: int = 20
    no_figures: Switch = False
    block: float = 0.0
    stimulate: float = 0.0


def main(arguments: list[str]) -> int:
    """Runs the command line; returns the exit code."""
    torch.set_num_threads(1)
    options = parse(Options, arguments, "evaluate.py")
    if options.episodes < 1 or options.record < 1:
        raise ConfigError("--episodes and --record must be at least 1")
    if options.seed < 0:
        raise ConfigError(f"--seed must not be negative, not {options.seed}")
    run = _find(options.run)
    name, _, settings = settings_of(run)
    experiment, populations = find_experiment(name), load_run(run, settings)
    episodes = min(options.episodes, experiment.most_episodes or options.episodes)
    folder = options.out or options.run / "evaluation"
    folder.mkdir(parents=True, exist_ok=True)
    curves = {key: read_curves(condition_folder(run, key).path / "metrics.csv") for key in settings}
    for key, curve in curves.items():
        total, steps = settings[key].training.total_steps, curve["steps"][-1].min() if curve else 0
        if steps < total:
            what = f"ends at step {steps:,.0f} of {total:,}" if steps else "is missing or empty"
            print(
                f"note: metrics.csv of {key} {what}; findings about learning want the whole",
                file=sys.stderr,
            )
    evaluation = Evaluation(
        populations,
        settings,
        options.split,
        episodes,
        options.seed,
        folder,
        curves,
        figures=not options.no_figures,
        stimulation=Stimulation(-options.block, options.stimulate)
        if options.block or options.stimulate
        else None,
        snapshots=load_snapshots(run, settings),
    )
    outcome = _measured(experiment, evaluation, options.run)
    written = list(outcome.figures)
    for condition, one in settings.items():
        if one.environment == NO_ENVIRONMENT:
            continue
        place = folder if condition == "default" else folder / condition
        place.mkdir(exist_ok=True)
        written += write_record(
            evaluation.record(condition, episodes=options.record, hidden=True), place
        )
    metrics = {
        "experiment": name,
        "reference": experiment.reference,
        "split": options.split,
        "episodes": episodes,
        "seed": options.seed,
        "members": {key: len(population) for key, population in evaluation.populations.items()},
        "findings": [finding.to_json() for finding in outcome.findings],
    }
    text = json.dumps(metrics, indent=1)
    (folder / "metrics.json").write_text(text + "\n")
    (folder / "findings.md").write_text(table(outcome.findings, "markdown") + "\n")
    if options.json:
        print(text)
        return 0
    print(f"{name}: {experiment.summary}\n")
    print(table(outcome.findings))
    judged = [finding.met for finding in outcome.findings if finding.met is not None]
    if judged:
        verdict = _verdict(all(judged), set(experiment.conditions) <= set(settings))
        print(f"\n{verdict}: {sum(judged)} of {len(judged)} bars met")
    print("\nwritten:")
    for path in [folder / "metrics.json", folder / "findings.md", *written]:
        print(f"  {path}")
    return 0


def _measured(experiment: Experiment, evaluation: Evaluation, run: Path) -> Outcome:
    """What the experiment finds; judged by its bars only where the task is its own."""
    try:
        with warnings.catch_warnings():  # what cannot be measured is NaN, and told as such
            warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
            outcome = experiment.measure(evaluation)
    except NotMeasurableError as error:
        raise ConfigError(
            f"{run} cannot be measured: in {evaluation.episodes} episodes some member never did what a finding is "
            "about; train longer, or give more --episodes"
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
        f"note: the task of {', '.join(others)} is not that of {experiment.name}; findings are not held against its bars",
        file=sys.stderr,
    )
    return replace(outcome, findings=plain)


def _verdict(met: bool, whole: bool) -> str:
    """What bars say: of the finding only where all conditions are there."""
    if not met:
        return "NOT reproduced"
    return "finding reproduced" if whole else "some conditions only"


def _find(path: Path) -> RunFolder:
    """The run in a folder; suggests one below it, or a neighbour, where there is none."""
    if not (path / "config.toml").is_file() and path.parent.is_dir():
        if below := runs_below(path):
            raise ConfigError(f"there is no run in {path}{below}")
        neighbours = [p.parent.name for p in path.parent.glob("*/config.toml")]
        hint = did_you_mean(path.name, neighbours)
        raise ConfigError(f"there is no run in {path}{hint if 'mean' in hint else ''}")
    return RunFolder.read(path)


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
