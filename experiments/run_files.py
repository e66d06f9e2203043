"""What a run folder holds of an experiment: settings, trained agents, learning curves.

Importing this module imports no torch.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.plain import from_plain, to_plain
from prefrontal.agents.registry import load, load_trained, with_code
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
        ConfigError: If something in it is missing, unknown or wrong.
    """
    config = run.config()
    if config.get("format", 1) not in (1, FORMAT):
        raise ConfigError(
            f"{run.path / 'config.toml'} has format {config['format']!r:.20}; this version reads "
            f"1 and {FORMAT}"
        )
    conditions = config.get("conditions")
    name, seed = config.get("experiment"), config.get("seed")
    tables = isinstance(conditions, dict) and all(isinstance(c, dict) for c in conditions.values())
    if not (tables and conditions and isinstance(name, str) and isinstance(seed, int)):
        raise ConfigError(
            f"{run.path / 'config.toml'} is not the configuration of a run: it needs experiment, "
            "seed and [conditions]"
        )
    settings = {
        key: from_plain(Settings, with_code(value, core, environment), f"conditions.{key}")
        for key, value in conditions.items()
    }
    return name, seed, settings


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
        given, stored = to_plain(conditions[name]), population.meta()
        tasks = [plain.get("environment") for plain in (given, stored)]
        networks = [{"kind": None, **plain.get("network", {})} for plain in (given, stored)]
        if networks[0] != networks[1] or tasks[0] != tasks[1]:
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
        folder = condition_folder(run, name)
        arrays, meta = folder.load()
        meta = with_code(meta, core, environment)
        kept = arrays["snapshots"].unbind(1) if "snapshots" in arrays else ()
        found[name] = [
            (steps, load_trained({**arrays, "weights": weights}, meta, folder.path))
            for steps, weights in zip(meta.get("snapshot_steps", ()), kept, strict=True)
        ]
    return found


def read_curves(path: Path) -> dict[str, np.ndarray]:
    """Return ``metrics.csv`` as arrays ``[U, M]`` by name (steps included); empty without one.

    If the last report lacks members, or the end of its last row, it is left out.

    Raises:
        ConfigError: It is not a table of numbers with rows of all members, in order, for report
            after report.
    """
    if not path.is_file():
        return {}
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        return {}
    try:
        last = [row for row in rows if row["update"] == rows[-1]["update"]]
        members = max(int(row["member"] or -1) for row in rows) + 1
        if len(last) < members or None in rows[-1].values():
            rows = rows[: -len(last)]
        numbers = {
            name: np.array([float(row[name] or "nan") for row in rows]).reshape(-1, members)
            for name in (rows[0] if rows else ())
        }
        if not rows:
            return {}
        update = numbers.pop("update")
        ordered = (numbers.pop("member") == np.arange(members)).all()
        if not ordered or (update != update[:, :1]).any() or (np.diff(update[:, 0]) <= 0).any():
            raise ValueError("rows are missing, or not in their order")
        return {"steps": numbers.pop("steps"), **numbers}
    except (KeyError, ValueError, TypeError) as error:
        raise ConfigError(
            f"{path} is not a table of learning curves; restore or remove it"
        ) from error
