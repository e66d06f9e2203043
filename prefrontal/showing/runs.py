"""Runs of agents as they are shown: opened, and measured member by member."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.rollout.spec import NO_ENVIRONMENT
from prefrontal.analysis.stats.findings import Finding
from prefrontal.doors import Doors
from prefrontal.experiments.evaluation import Evaluation, Record
from prefrontal.experiments.experiment import Experiment, Measured, known_levels
from prefrontal.experiments.names import split_condition
from prefrontal.experiments.run_files import (
    Curves,
    condition_folder,
    load_run,
    load_snapshots,
    read_curves,
    settings_of,
)
from prefrontal.experiments.settings import Settings
from prefrontal.reading_runs import find_run, require_own
from prefrontal.shipped import shipped_folder


@dataclass(frozen=True)
class Opened:
    """A run of agents.

    Attributes:
        name: What it is called beside others.
        folder: Run folder.
        out: Where `prefrontal evaluate` writes.
        experiment: What it is a run of.
        seed: Seed of the run.
        settings: By condition.
        doors: Code of the user's that it needs.
    """

    name: str
    folder: Any
    out: Path
    experiment: Experiment
    seed: int
    settings: Mapping[str, Settings]
    doors: Doors

    @property
    def playable(self) -> list[str]:
        """Conditions whose agents act in an environment."""
        return [key for key, one in self.settings.items() if one.environment != NO_ENVIRONMENT]

    def curves(self) -> dict[str, dict[str, np.ndarray]]:
        """Return learning curves ``[U, M]`` by condition and name."""
        folders = {key: condition_folder(self.folder, key).path for key in self.settings}
        return {key: read_curves(place / "metrics.csv") for key, place in folders.items()}

    def evaluation(
        self, episodes: int, split: str = "held_out", seed: int = 0, folder: Path | None = None
    ) -> Evaluation:
        """Return the trained agents, ready to play; nothing is drawn (into `folder`)."""
        import torch

        torch.set_num_threads(1)
        code = self.doors.core_name(), self.doors.environment()
        return Evaluation(
            load_run(self.folder, self.settings, *code),
            self.settings,
            split if self.experiment.held_out else "all",
            min(episodes, self.experiment.most_episodes or episodes),
            seed,
            folder or self.out,
            self.curves(),
            figures=False,
            snapshots=load_snapshots(self.folder, self.settings, *code),
            levels=known_levels(self.experiment, self.settings),
        )


def is_run(what: Path | str) -> bool:
    """Return whether there is a run of agents in a folder, or a shipped population of a name."""
    path = Path(what).expanduser()
    return (path / "config.toml").is_file() or shipped_folder(str(what)) is not None


def opened(run: Path | str, doors: Doors, name: str = "") -> Opened:
    """Open the run in a folder, or a shipped population.

    Raises:
        ConfigError: There is none, or it needs code that is not named.
    """
    folder, out = find_run(Path(run))
    named, seed, settings = settings_of(folder, doors.core_name(), doors.environment())
    experiment = doors.experiment(named)
    require_own(experiment, settings, folder.path)
    return Opened(name or Path(run).name, folder, out, experiment, seed, settings, doors)


def names_of(runs: Sequence[Path | str]) -> list[str]:
    """Return a short name for each run: that of its folder, or the whole path of equal ones.

    Raises:
        ConfigError: A run is named twice.
    """
    texts = [str(run) for run in runs]
    if twice := {text for text in texts if texts.count(text) > 1}:
        raise ConfigError(f"{min(twice)} is named twice")
    short = [Path(text).resolve().name for text in texts]
    return [text if short.count(one) > 1 else one for text, one in zip(texts, short, strict=True)]


# --- member by member ---


class _OneMember(Evaluation):
    """One member of an evaluation, in the records that all have played."""

    def __init__(self, whole: Evaluation, member: int) -> None:
        def of(population: Any) -> Any:
            return population[member : member + 1]

        self.whole, self.member = whole, member
        super().__init__(
            {name: of(one) for name, one in whole.populations.items()},
            whole.settings,
            whole.split,
            whole.episodes,
            whole.seed,
            whole.folder,
            {
                name: Curves({key: value[:, member : member + 1] for key, value in one.items()})
                for name, one in whole.curves.items()
            },
            figures=False,
            stimulation=whole.stimulation,
            snapshots={
                name: [(steps, of(one)) for steps, one in whole.snapshots(name)]
                for name in whole.conditions
            },
            levels=whole.levels,
        )

    def record(self, condition: str | None = None, **asked: Any) -> Record:
        """Return what this member did in the record of all; see `Evaluation.record`."""
        whole = self.whole.record(condition, **asked)
        return {name: value[self.member : self.member + 1] for name, value in whole.items()}


def by_member(
    experiment: Experiment, evaluation: Evaluation, findings: Sequence[Finding]
) -> dict[str, np.ndarray]:
    """Return the values of each member ``[M]`` by finding, where it is their mean.

    Findings that do not say what each member has are measured of each alone. Left out are those
    that are no mean over members (the worst member, references, fits to all members at once), or
    that cannot be measured of one.
    """
    told = {one.name: np.array(one.members) for one in findings if isinstance(one, Measured)}
    values = {name: one for name, one in told.items() if len(one)}
    swept = any(split_condition(name)[1] for name in evaluation.conditions)
    rest = {one.name: one.value for one in findings if one.name not in values}
    sizes = {len(population) for population in evaluation.populations.values()}
    if not rest or swept or len(sizes) != 1:
        return values
    try:
        alone = [
            {one.name: one.value for one in experiment.measure(_OneMember(evaluation, m)).findings}
            for m in range(sizes.pop())
        ]
    except ValueError:  # a measure needs several members
        return values
    for name, mean in rest.items():
        one = np.array([each.get(name, np.nan) for each in alone])
        if np.isclose(one.mean(), mean, rtol=1e-5, atol=1e-8):
            values[name] = one
    return values


def plain_settings(settings: Settings) -> dict[str, Any]:
    """Return the settings of a condition, flat: ``part.name`` to a value."""
    from prefrontal.agents.common.plain import to_plain

    flat: dict[str, Any] = {}

    def add(prefix: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, one in value.items():
                add(f"{prefix}.{key}" if prefix else str(key), one)
        elif value not in (None, [], ()):
            flat[prefix] = value

    add("", to_plain(settings))
    return flat
