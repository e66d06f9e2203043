"""Train and evaluate the shipped population of an experiment, from nothing."""

from __future__ import annotations

import csv
import shlex
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from prefrontal.agents.registry import load_trained
from prefrontal.agents.rollout.spec import NO_ENVIRONMENT
from prefrontal.agents.runs.folder import RunFolder
from prefrontal.evaluating import Report, evaluate
from prefrontal.experiments.experiment import Experiment, find_experiment
from prefrontal.experiments.run_files import condition_folder, settings_of
from prefrontal.experiments.settings import Settings
from prefrontal.options import ReproduceOptions, RunOptions
from prefrontal.planning import plan
from prefrontal.reading import parse_known, parse_settings
from prefrontal.training import execute

SHIPPED = ("weights", "steps", "snapshots", "champion")  # of a checkpoint
REPORTS = 50  # points of the learning curves that are shipped


def reproduce(options: ReproduceOptions) -> Report:
    """Train an experiment as its shipped population was, or go on with that; evaluate it.

    Raises:
        PrefrontalError: There is no such experiment, or training cannot go on.
    """
    experiment = find_experiment(options.experiment)
    out = options.out or Path("runs", "reproduce", f"{experiment.name}-seed{options.seed}")
    if (out / "config.toml").is_file():
        words = ["--resume"]
    else:
        words = [*shlex.split(experiment.shipped), "--seed", str(options.seed)]
    words += ["--out", str(out)]
    run, rest = parse_known(RunOptions, words, experiment.name)
    made = plan(experiment.name, run)
    settings = {
        key: parse_settings(one, run, rest, experiment.name, "")
        for key, one in made.conditions.items()
    }
    execute(made, settings, run, shlex.join(["prefrontal", "train", experiment.name, *words]))
    report = evaluate(out)
    if options.ship:
        ship(experiment, RunFolder.read(out), Path("pretrained", experiment.name))
    return report


def ship(experiment: Experiment, run: RunFolder, target: Path) -> None:
    """Copy what is needed of a finished run: weights, settings, curves, findings, a model card.

    Args:
        experiment: What was trained.
        run: A run that was evaluated.
        target: Where to; what is there is removed.
    """
    shutil.rmtree(target, ignore_errors=True)
    _, seed, settings = settings_of(run)
    command = " ".join([experiment.name, experiment.shipped, "--seed", str(seed)])
    shipped = RunFolder.create(target, run.config(), f"prefrontal train {command}")
    with shipped:
        for condition in settings:
            source, place = condition_folder(run, condition), condition_folder(shipped, condition)
            arrays, meta = source.load()
            kept = {name: arrays[name] for name in SHIPPED if name in arrays}
            trained = load_trained(dict(kept), meta, source.path)
            if hasattr(trained, "compact"):
                kept["weights"] = trained.compact()
            elif experiment.half:
                kept["weights"] = kept["weights"].half()
            place.path.mkdir(exist_ok=True)  # that of a condition
            place.save(kept, meta)
            copy = shutil.copy if experiment.whole_curves else _thin
            copy(source.path / "metrics.csv", place.path / "metrics.csv")
    shutil.copy(run.path / "versions.json", target / "versions.json")
    shutil.copy(run.path / "evaluation" / "metrics.json", target / "findings.json")
    sizes = {c: (s.training.members, s.training.total_steps) for c, s in settings.items()}
    curves = "" if experiment.whole_curves else " `metrics.csv` is thinned."
    lines = "\n".join(
        f"- `{c}`: {m} members, {steps:,} environment steps each" for c, (m, steps) in sizes.items()
    )
    findings = (run.path / "evaluation" / "findings.md").read_text()
    (target / "MODEL_CARD.md").write_text(
        f"""# {experiment.name}

{experiment.summary[0].upper() + experiment.summary[1:]}. Reference: {experiment.reference}.

Trained {time.strftime("%Y-%m-%d")} with seed {seed} by

```
prefrontal train {command}
```

(`make reproduce EXPERIMENT={experiment.name}` trains and evaluates it again). Conditions:

{lines}

Weights are safetensors, everything else JSON, TOML or CSV: loading runs no code.{curves}
The settings are in `config.toml`, the versions of the libraries in `versions.json`.

## Findings

`prefrontal evaluate {experiment.name}` (95 % intervals over members):

{findings}
{_use(experiment.name, settings)}"""
    )


def _use(name: str, settings: Mapping[str, Settings]) -> str:
    """Return how to use what is shipped, if it acts in an environment."""
    condition, one = next(iter(settings.items()))
    if one.environment == NO_ENVIRONMENT:
        return ""
    which = "" if condition == "default" else f', "{condition}"'
    return f"""## Use

```python
import prefrontal as pf

agent = pf.load("{name}"{which})[0]
action, state = agent.predict(observation, state, episode_start)
```

Small recurrent networks trained on abstract tasks, as models of prefrontal cortex; of no use for
anything else.
"""


def _thin(source: Path, target: Path) -> None:
    """Copy a metrics file with about `REPORTS` reports: means over groups of equal size."""
    with source.open(newline="") as file:
        header, *rows = list(csv.reader(file))
    table = np.array(rows, dtype=np.float64)
    members = len(np.unique(table[:, header.index("member")]))
    table = table.reshape(-1, members, len(header))
    run = max(1, len(table) // REPORTS)
    groups = table[len(table) % run :].reshape(-1, run, *table.shape[1:])
    means = groups.mean(axis=1)
    for name in ("update", "member", "steps"):
        column = header.index(name)
        means[..., column] = groups[:, -1, :, column]
    lines = [",".join(f"{value:.7g}" for value in row) for row in means.reshape(-1, len(header))]
    target.write_text("\n".join([",".join(header), *lines]) + "\n")
