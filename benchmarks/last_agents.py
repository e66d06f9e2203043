"""Navigators as they are when training ends, beside those that did best in validation.

    python -m benchmarks.last_agents runs/four-updates

A run keeps the best agents; its checkpoint also has the networks that training would go on with.
Printed are means over members with 95 % intervals, all on the same targets.
docs/findings/zhang2024-modularity.md has the results.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from benchmarks.measure import command
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.registry import load_trained, read_agents
from prefrontal.agents.runs.folder import RunFolder
from prefrontal.analysis.choice.navigation import SHIFTS
from prefrontal.analysis.stats.intervals import interval
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.navigation.measures import sweep
from prefrontal.experiments.run_files import condition_folder, settings_of

MEASURES = {
    "rewarded fraction, 1x": (1.0, "rewarded"),
    "rewarded fraction, 2x": (2.0, "rewarded"),
    "radial error, 2x, cm": (2.0, "radial"),
    "area, 2x": (2.0, "auc"),
}


@dataclass(frozen=True)
class Config:
    """What is measured.

    Attributes:
        run: Folder of a run of navigators that learn by TD3, as `prefrontal train` wrote it.
        episodes: Targets at each gain.
    """

    run: tyro.conf.Positional[Path]
    episodes: int = 1000


def main(config: Config) -> None:
    """Measure and print a table."""
    if config.episodes <= SHIFTS:
        raise ConfigError(f"episodes must be more than {SHIFTS}, not {config.episodes}")
    torch.set_num_threads(1)
    run = RunFolder(config.run)
    _, seed, conditions = settings_of(run)
    folders = {name: condition_folder(run, name).path for name in conditions}
    stored = {name: read_agents(folder) for name, folder in folders.items()}
    for name, (arrays, _) in stored.items():
        if "nets.actor" not in arrays:
            raise ConfigError(
                f"{folders[name]} holds no networks that training would go on with: it must be of "
                "a run by TD3, as `prefrontal train` wrote it"
            )
    print("| condition | agents | " + " | ".join(MEASURES) + " |")
    print("|---|---|" + "---|" * len(MEASURES))
    for name, settings in conditions.items():
        folder, (arrays, meta) = folders[name], stored[name]
        last = torch.cat([arrays["nets.actor"], arrays["nets.critics"]], 1)
        weights = {"best": arrays["weights"], "last": last}
        agents = {
            k: load_trained({**arrays, "weights": w}, meta, folder) for k, w in weights.items()
        }
        both = dict.fromkeys(agents, settings)
        evaluation = Evaluation(agents, both, "all", config.episodes, seed, config.run)
        for which in agents:
            found = sweep(evaluation, which, (1.0, 2.0), config.episodes)
            row = [interval(getattr(found[gain], what)) for gain, what in MEASURES.values()]
            print(f"| {name} | {which} | " + " | ".join(map(str, row)) + " |", flush=True)


if __name__ == "__main__":
    command(main, Config, __doc__)
