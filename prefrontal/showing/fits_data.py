"""What a report shows of a fit of models to choices, as plain values."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prefrontal.agents.common.errors import ConfigError, RunFolderError
from prefrontal.agents.common.files import TABLES, read_json, require_size
from prefrontal.fit_report import counted, held_out, table, what_was_held_out
from prefrontal.showing import packing
from prefrontal.showing.agents_data import figures


def is_fit(path: Path) -> bool:
    """Return whether a folder holds a fit."""
    return (path.expanduser() / "fit.json").is_file()


def fit(folder: Path, name: str, budget: float) -> dict[str, Any]:
    """Return everything that a report shows of a fit.

    Args:
        folder: Its run folder.
        name: What it is called beside others.
        budget: Characters for the player.

    Raises:
        ConfigError: A file cannot be read.
    """
    folder = folder.expanduser()
    about = _read(folder / "fit.json")
    try:
        models = table(about)
        flags = {key: one.get("flags", {}) for key, one in about["models"].items()}
        found = {
            "kind": "fit",
            "name": name,
            "title": "Models fitted to choices",
            "about": [
                ["data", counted(about)],
                ["method", str(about["method"])],
                ["seed", str(about["seed"])],
            ],
            "notes": [str(one) for one in about["notes"]],
            "models": models,
            **_held_out(folder, about),
            "subjects": list(map(str, about["subject_names"])),
            "parameters": {
                key: [
                    {
                        "name": parameter,
                        "values": values,
                        "errors": one.get("standard_errors", {}).get(parameter, []),
                        "population": (one.get("population") or {}).get(parameter),
                    }
                    for parameter, values in one["parameters"].items()
                ]
                for key, one in about["models"].items()
            },
            "flags": flags,
            "predictive": _predictive(folder),
            "figures": figures(folder / "figures"),
            "players": _players(folder / "trials.csv", budget),
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"{folder} holds no whole fit: fit again") from error
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(read_json(path, TABLES))
    except RunFolderError as error:
        raise ConfigError(f"{error}: fit again, --out {path.parent}") from error


def _held_out(folder: Path, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the table of a comparison on held-out choices, and what they were; empty if none."""
    path = folder / "comparison" / "comparison.json"
    found = _read(path) if path.is_file() else about.get("cross_validation")
    if not found:
        return {"held_out": [], "left_out": ""}
    return {"held_out": held_out(found), "left_out": what_was_held_out(found)}


def _predictive(folder: Path) -> dict[str, Any]:
    """Return how often choices are repeated, of subjects and models: of `prefrontal simulate`."""
    path = folder / "simulation" / "simulation.json"
    return dict(_read(path)["stay"]) if path.is_file() else {}


# --- trials ---


def _players(path: Path, budget: float) -> list[dict[str, Any]]:
    """Return the trials of every subject by model, as the player steps through them."""
    if not path.is_file():
        return []
    require_size(path, TABLES)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        return []
    subjects = list(dict.fromkeys(row["subject"] for row in rows))
    names = [name for name in rows[0] if name.endswith(".log_p")]
    trials = {one: [row for row in rows if row["subject"] == one] for one in subjects}
    made = []
    for name in (one.removesuffix(".log_p") for one in names):
        made.append(_player(name, subjects, trials, budget / max(1, len(names))))
    return made


def _player(
    model: str, subjects: Sequence[str], trials: Mapping[str, list[dict[str, str]]], budget: float
) -> dict[str, Any]:
    """Return what the player shows of one model."""
    longest = max(map(len, trials.values()))
    first = next(iter(trials.values()))[0]
    arms = [name for name in first if name.startswith(f"{model}.value") and name[-1].isdigit()]
    columns = {
        "action": ["choice"],
        "reward": ["reward"],
        "probability": [f"{model}.log_p"],
        "values": arms,
        "rpe": [f"{model}.rpe"],
        "session": ["session"],
        "block": ["block"],
        "scored": ["scored"],
    }
    here = {key: [n for n in names if n in first] for key, names in columns.items()}
    width = 8 * packing.TEXT * sum(map(len, here.values()))
    kept = max(1, min(len(subjects), int(budget / (width * longest))))
    arrays = {
        key: _array([trials[one] for one in subjects[:kept]], names, longest)
        for key, names in here.items()
        if names
    }
    arrays["probability"] = np.exp(arrays["probability"])
    left = f"; shown are {kept} of {len(subjects)} subjects" if kept < len(subjects) else ""
    lengths = [[len(trials[one])] for one in subjects[:kept]]
    return {
        "name": model,
        "who": "subject",
        "what": "data set",
        "members": list(subjects[:kept]),
        "episodes": ["all"],
        "lengths": lengths,
        "arrays": {key: packing.packed(one) for key, one in arrays.items()},
        "facts": [key for key in ("session", "block", "scored") if key in arrays],
        "source": f"recorded choices, and what {model} made of them (trials.csv){left}",
        "tasks": [[""] for _ in range(kept)],
        "map": None,
        "seen": [],
    }


def _array(
    subjects: Sequence[Sequence[Mapping[str, str]]], names: Sequence[str], longest: int
) -> np.ndarray:
    """Return columns of trials ``[S, 1, T]``, or ``[S, 1, T, K]`` of several columns."""
    found = np.full((len(subjects), 1, longest, len(names)), np.nan)
    for s, rows in enumerate(subjects):
        for k, name in enumerate(names):
            found[s, 0, : len(rows), k] = [float(row[name] or "nan") for row in rows]
    whole = np.nan_to_num(found)
    if (whole == np.round(whole)).all() and not np.isnan(found).any():
        found = found.astype(np.int64)
    return found[..., 0] if len(names) == 1 else found
