"""Runs on disk: the resolved configuration of an experiment, and how to read it back."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from prefrontal.agents import load
from prefrontal.agents.common.errors import ConfigError, PrefrontalError
from prefrontal.agents.common.plain import from_plain, to_plain
from prefrontal.agents.registry import load_trained
from prefrontal.agents.runs.folder import RunFolder
from prefrontal.experiments.settings import Settings

__all__ = [
    "condition_folder",
    "config_of",
    "guarded",
    "load_run",
    "load_snapshots",
    "read_curves",
    "settings_of",
]


def config_of(experiment: str, seed: int, conditions: Mapping[str, Settings]) -> dict[str, Any]:
    """The configuration of a run as plain values for ``config.toml``."""
    return {
        "experiment": experiment,
        "seed": seed,
        "conditions": {name: to_plain(settings) for name, settings in conditions.items()},
    }


def settings_of(run: RunFolder) -> tuple[str, int, dict[str, Settings]]:
    """Experiment, seed and settings by condition, from ``config.toml``.

    Raises:
        ConfigError: If something in it is missing, unknown or wrong.
    """
    config = run.config()
    conditions = config.get("conditions")
    name, seed = config.get("experiment"), config.get("seed")
    tables = isinstance(conditions, dict) and all(isinstance(c, dict) for c in conditions.values())
    if not (tables and conditions and isinstance(name, str) and isinstance(seed, int)):
        raise ConfigError(
            f"{run.path / 'config.toml'} is not the configuration of a run: it needs experiment, seed and [conditions]"
        )
    settings = {
        key: from_plain(Settings, value, f"conditions.{key}") for key, value in conditions.items()
    }
    return name, seed, settings


def condition_folder(run: RunFolder, condition: str) -> RunFolder:
    """Where a condition lives: the run folder itself for `default`, else a sub-folder."""
    return run if condition == "default" else run.condition(condition)


def load_run(run: RunFolder, conditions: Mapping[str, Settings]) -> dict[str, Any]:
    """The trained agents of every condition.

    Raises:
        ConfigError: If ``config.toml`` describes other agents than the checkpoint holds.
    """
    populations = {name: load(run.path, None if name == "default" else name) for name in conditions}
    for name, population in populations.items():
        given, stored = to_plain(conditions[name]), population.meta()
        tasks = [plain.get("environment") for plain in (given, stored)]
        networks = [{"kind": None, **plain.get("network", {})} for plain in (given, stored)]
        if networks[0] != networks[1] or tasks[0] != tasks[1]:
            raise ConfigError(
                f"{run.path / 'config.toml'} and the checkpoint of {name} describe different agents or tasks; "
                "restore the configuration"
            )
    return populations


def load_snapshots(run: RunFolder, conditions: Iterable[str]) -> dict[str, list[tuple[int, Any]]]:
    """What the agents of every condition were on the way: environment steps, and the agents then."""
    found = {}
    for name in conditions:
        folder = condition_folder(run, name)
        arrays, meta = folder.load()
        kept = arrays["snapshots"].unbind(1) if "snapshots" in arrays else ()
        found[name] = [
            (steps, load_trained({**arrays, "weights": weights}, meta, folder.path))
            for steps, weights in zip(meta.get("snapshot_steps", ()), kept, strict=True)
        ]
    return found


def read_curves(path: Path) -> dict[str, np.ndarray]:
    """``metrics.csv`` as arrays ``[U, M]`` by name (steps included); empty if there is none.

    The last update may lack members, or the end of its last row: it is left out then.

    Raises:
        ConfigError: If it is not a table of numbers with rows of all members, in order, for update after update.
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


NO_MEMORY = "can.t allocate memory|out of memory|size calculation overflowed"  # as PyTorch says it


def guarded(main: Callable[[list[str]], int], arguments: list[str]) -> int:
    """Runs a command line; what the user can mend becomes one line and exit code 2."""
    try:
        return main(arguments)
    except PrefrontalError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not re.search(NO_MEMORY, str(error)):
            raise
        print(
            "error: there is not enough memory for networks, batches or records of this size",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print("interrupted; go on with --resume", file=sys.stderr)
        return 130
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        print(f"error: {error.strerror or error}{place}", file=sys.stderr)
        return 2
