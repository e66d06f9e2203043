"""What a run folder holds of an experiment: settings, trained agents, learning curves.

Importing this module imports no torch.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prefrontal.agents.common.errors import ConfigError, RunFolderError
from prefrontal.agents.common.files import TABLES, require_size
from prefrontal.agents.common.plain import from_plain, to_plain
from prefrontal.agents.registry import load, load_trained, read_agents, with_code
from prefrontal.agents.registry import meta as describe
from prefrontal.analysis.missing import NotMeasurableError
from prefrontal.experiments.settings import Settings

if TYPE_CHECKING:
    from prefrontal.agents.runs.folder import RunFolder  # imports torch

#: Of run folders, see docs/run-folders.md; those without a number are of format 1.
FORMAT = 2


def config_of(experiment: str, seed: int, conditions: Mapping[str, Settings]) -> dict[str, Any]:
    """Return the configuration of a run as plain values for ``config.toml``."""
    return {
        "format": FORMAT,
        "experiment": experiment,
        "seed": seed,
        "conditions": {name: to_plain(settings) for name, settings in conditions.items()},
    }


def settings_of(
    run: RunFolder, core: str | None = None, environment: str | None = None
) -> tuple[str, int, dict[str, Settings]]:
    """Return experiment, seed and settings by condition, from ``config.toml``.

    Args:
        run: The run folder.
        core: Core of the user's, see `prefrontal.agents.registry.with_code`.
        environment: Environment of the user's, likewise.

    Raises:
        ConfigError: If something in it is missing, unknown or wrong; names file and section.
    """
    path, config = run.path / "config.toml", run.config()
    if config.get("format", 1) not in (1, FORMAT):
        raise ConfigError(
            f"{path} has format {config['format']!r:.20}; this version reads 1 and {FORMAT}"
        )
    conditions = config.get("conditions")
    name, seed = config.get("experiment"), config.get("seed")
    tables = isinstance(conditions, dict) and all(isinstance(c, dict) for c in conditions.values())
    whole = isinstance(seed, int) and seed >= 0
    if not (tables and conditions and isinstance(name, str) and whole):
        raise ConfigError(
            f"{path} is not the configuration of a run: it needs experiment, seed and [conditions]"
        )
    settings = {}
    for key, value in conditions.items():
        try:
            condition_folder(run, key)
            changed = with_code(value, core, environment)
            settings[key] = from_plain(Settings, changed, f"conditions.{key}")
        except (ConfigError, RunFolderError) as error:
            raise ConfigError(f"{path}: {error}") from error
    return name, int(config["seed"]), settings


def condition_folder(run: RunFolder, condition: str) -> RunFolder:
    """Return the folder of a condition: that of the run for `default`, else one in it."""
    return run if condition == "default" else run.condition(condition)


def load_run(
    run: RunFolder,
    conditions: Mapping[str, Settings],
    core: str | None = None,
    environment: str | None = None,
) -> dict[str, Any]:
    """Return the trained agents of every condition; `core` and `environment` as of `settings_of`.

    Raises:
        ConfigError: If ``config.toml`` describes other agents than the checkpoint holds.
    """
    populations = {
        name: load(run.path, None if name == "default" else name, core, environment)
        for name in conditions
    }
    for name, population in populations.items():
        # What a learner's agents are may differ from its settings: evolution adds an embedding.
        given, stored = describe(conditions[name].job(0)), population.meta()
        tasks = [plain.get("environment") for plain in (given, stored)]
        kinds = given["kind"], stored["kind"]
        networks = [{"kind": None, **plain.get("network", {})} for plain in (given, stored)]
        if networks[0] != networks[1] or tasks[0] != tasks[1] or kinds[0] != kinds[1]:
            raise ConfigError(
                f"{run.path / 'config.toml'} and the checkpoint of {name} describe different "
                "agents or tasks; restore the configuration"
            )
    return populations


def load_snapshots(
    run: RunFolder,
    conditions: Iterable[str],
    core: str | None = None,
    environment: str | None = None,
) -> dict[str, list[tuple[int, Any]]]:
    """Return the snapshots of every condition: environment steps, and the agents then."""
    found = {}
    for name in conditions:
        folder = condition_folder(run, name).path
        arrays, meta = read_agents(folder, core, environment)
        kept = arrays["snapshots"].unbind(1) if "snapshots" in arrays else ()
        found[name] = [
            (steps, load_trained({**arrays, "weights": weights}, meta, folder))
            for steps, weights in zip(meta.get("snapshot_steps", ()), kept, strict=True)
        ]
    return found


class Curves(dict[str, np.ndarray]):
    """Learning curves ``[U, M]`` by name; says which one is missing."""

    def __missing__(self, name: str) -> np.ndarray:
        raise NotMeasurableError(f"metrics.csv has no column {name!r}")


def read_curves(path: Path) -> dict[str, np.ndarray]:
    """Return ``metrics.csv`` as arrays ``[U, M]`` by name (steps included); empty without one.

    If the last report lacks members, or the end of its last row, it is left out.

    Raises:
        ConfigError: It is not a table of numbers with rows of all members, in order, for report
            after report.
    """
    if not path.exists():
        return {}
    require_size(path, TABLES)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            names, rows = _rows(csv.reader(file))
        if not len(rows):
            return {}
        numbers = dict(zip(names, rows.T, strict=True))
        member, update = numbers["member"], numbers["update"]
        members, last = int(member.max()) + 1, update == update[-1]
        kept = len(rows) - (last.sum() if last.sum() < members else 0)
        numbers = {name: one[:kept].reshape(-1, members) for name, one in numbers.items()}
        update, member = numbers.pop("update"), numbers.pop("member")
        ordered = (member == np.arange(members)).all()
        if not ordered or (update != update[:, :1]).any() or (np.diff(update[:, 0]) <= 0).any():
            raise ValueError("rows are missing, or not in their order")
        steps = numbers.pop("steps")
        if not np.isfinite(steps).all():
            raise ValueError("steps must be numbers")
        return Curves(steps=steps, **numbers) if kept else {}
    except (csv.Error, KeyError, ValueError, OverflowError) as error:
        raise ConfigError(
            f"{path} is not a table of learning curves; restore or remove it"
        ) from error


def _rows(lines: Iterator[list[str]]) -> tuple[list[str], np.ndarray]:
    """Return column names and numbers ``[rows, columns]``, without a last row that was cut."""
    names: list[str] = next(lines, [])
    rows, whole = [], True
    for line in filter(None, lines):
        if not whole or len(line) > len(names):
            raise ValueError("rows have other numbers of columns")
        whole = len(line) == len(names)
        if whole:
            rows.append(np.array([float(cell or "nan") for cell in line]))
    return names, np.array(rows)
